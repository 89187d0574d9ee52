/* Things under way for a session: sent to the hub, and back. */
#include "front/mqtt_session.h"

/* ---- out ---- */

static void count_in(struct mqtt_op *op)
{
    op->session->under_way++;
    op->session->weight += op->weight;
}

static void count_out(struct mqtt_op *op)
{
    op->session->under_way--;
    op->session->weight -= op->weight;
}

bool op_submit(struct mqtt_op *op)
{
    count_in(op);
    if (hub_submit(op->session->front->config.hub, &op->task))
        return true;
    count_out(op);
    return false;
}

void op_post(struct mqtt_op *op)
{
    count_in(op);
    hub_post(op->session->front->config.hub, &op->task);
}

/* ---- back, on the session's loop ---- */

static void op_deliver(struct net_mail *mail, struct net_loop *loop)
{
    struct mqtt_op *op = (struct mqtt_op *)mail; /* its first member */
    struct mqtt_session *session = op->session;
    count_out(op);
    switch (op->kind) {
    case OP_ATTACH:
        session_attached(session, op);
        break;
    case OP_DETACH:
    case OP_MESSAGE_DONE: /* what could not be noted is sent again when its lock is over */
        op_destroy(op);
        break;
    case OP_SUBSCRIBE:
        session_subscribed(session, op);
        break;
    case OP_TWIN_GET:
    case OP_REPORT:
    case OP_ANSWER:
    case OP_TELEMETRY:
        session_publish_done(session, op);
        break;
    }
    session_read_on(session);
    session_free_over(session);
}

static void op_reply(struct hub_task *task)
{
    struct mqtt_op *op = task->owner;
    net_loop_post(op->loop, &op->mail);
}

/* ---- life ---- */

enum { OP_BLOCK_SIZE = 896 }; /* enough for most, and malloc has such pieces at hand */

struct mqtt_op *op_create(struct mqtt_session *session, enum op_kind kind)
{
    struct mqtt_op *op = xcalloc(1, sizeof(*op));
    op->session = session;
    op->loop = session->link ? session->link->loop : net_conn_loop(session->conn);
    op->kind = kind;
    op->mail.deliver = op_deliver;
    op->task.owner = op;
    op->task.reply = op_reply;
    arena_init(&op->task.mem, OP_BLOCK_SIZE);
    return op;
}

void op_destroy(struct mqtt_op *op)
{
    arena_done(&op->task.mem);
    free(op);
}
