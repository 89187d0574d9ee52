/* Messages to devices and feedback on them, for services. Source: spec/service-rest.md 15. */
#include "front/message_head.h"
#include "front/routes.h"
#include "hub/notices.h"
#include "model/fault.h"

static void fail(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

/* ---- send, purge ---- */

static void send_finish(struct exchange *exchange)
{
    const struct message_send *send = (struct message_send *)exchange->task;
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_str(out, "deviceId", send->device_id);
    json_put_member_str(out, "messageId", send->text.id);
    json_put_member_i64(out, "sequenceNumber", (int64_t)send->result.sequence);
    json_put_member_time(out, "enqueuedTimeUtc", send->result.enqueued_ticks);
    json_put_member_time(out, "expiryTimeUtc", send->result.expires_ticks);
    buf_put(out, STR("}"));
    exchange->status = 201;
}

void rest_message_send(struct exchange *exchange)
{
    struct message_send *send = exchange_new(exchange, struct message_send);
    struct bag bag;
    struct why why;
    message_send_init(send);
    send->device_id = exchange->segments[1];
    enum err err =
        message_head_read(exchange->sent, exchange->sent_count, &exchange->mem, &bag, &why);
    if (err == ERR_OK)
        err = message_head_send(&bag, exchange->body, exchange->front->config.random, send, &why);
    if (err == ERR_OK) {
        exchange_task(exchange, &send->task, send_finish);
        return;
    }
    arena_done(&send->task.mem);
    fail(exchange, err, &why);
}

static void purge_finish(struct exchange *exchange)
{
    const struct message_purge *purge = (struct message_purge *)exchange->task;
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_str(out, "deviceId", purge->device_id);
    json_put_member_i64(out, "totalMessagesPurged", (int64_t)purge->purged);
    buf_put(out, STR("}"));
}

void rest_message_purge(struct exchange *exchange)
{
    struct message_purge *purge = exchange_new(exchange, struct message_purge);
    message_purge_init(purge);
    purge->device_id = exchange->segments[1];
    exchange_task(exchange, &purge->task, purge_finish);
}

/* ---- notices ---- */

static void receive_finish(struct exchange *exchange)
{
    const struct notice_receive *receive = (struct notice_receive *)exchange->task;
    struct buf *out = &exchange->out;
    if (receive->count == 0) {
        exchange->status = 204;
        return;
    }
    bool batch = receive->most > 1;
    if (batch)
        buf_put(out, STR("["));
    for (size_t i = 0; i < receive->count; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        buf_put(out, receive->texts[i]);
    }
    if (batch)
        buf_put(out, STR("]"));
    char token[GUID_TEXT + 1], time[TIME_TEXT_MAX];
    guid_print((const uint8_t *)receive->token.ptr, token);
    size_t length = time_print_full(receive->enqueued_ticks, time);
    exchange_header(exchange, "ETag", str_format(&exchange->mem, "\"%s\"", token));
    exchange_header(exchange, "iothub-enqueuedtime", str_of(time, length));
}

static void receive(struct exchange *exchange, enum notice_kind kind, size_t most)
{
    struct notice_receive *task = exchange_new(exchange, struct notice_receive);
    notice_receive_init(task);
    task->kind = kind;
    task->most = most;
    exchange_task(exchange, &task->task, receive_finish);
}

static void settle_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

static void settle(struct exchange *exchange, enum notice_kind kind, bool abandon)
{
    uint8_t token[MESSAGE_TOKEN_SIZE];
    struct why why;
    if (!guid_read(exchange->segments[3], token)) {
        err_fault(ERR_CONFLICT, FAULT_LOCK_LOST, &why, "this is no lock token of ours");
        fail(exchange, ERR_CONFLICT, &why);
        return;
    }
    struct notice_settle *task = exchange_new(exchange, struct notice_settle);
    notice_settle_init(task);
    task->kind = kind;
    task->abandon = abandon;
    task->token = str_copy(&exchange->mem, str_of(token, sizeof(token)));
    exchange_task(exchange, &task->task, settle_finish);
}

void rest_feedback_receive(struct exchange *exchange)
{
    receive(exchange, NOTICE_FEEDBACK, NOTICE_BATCH_MAX);
}

/* With "reject" in the query as well: there is no queue of rejected feedback. */
void rest_feedback_complete(struct exchange *exchange)
{
    settle(exchange, NOTICE_FEEDBACK, false);
}

void rest_feedback_abandon(struct exchange *exchange)
{
    settle(exchange, NOTICE_FEEDBACK, true);
}

/* One at a time, as over AMQP: its body is a single object. */
void rest_file_notice_receive(struct exchange *exchange)
{
    receive(exchange, NOTICE_FILE, 1);
}

void rest_file_notice_complete(struct exchange *exchange)
{
    settle(exchange, NOTICE_FILE, false);
}

void rest_file_notice_abandon(struct exchange *exchange)
{
    settle(exchange, NOTICE_FILE, true);
}
