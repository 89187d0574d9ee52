/* SUBSCRIBE and UNSUBSCRIBE. Source: spec/device-mqtt.md 8. */
#include "front/mqtt_session.h"

static void send_suback(struct mqtt_session *session, const struct mqtt_op *op)
{
    struct buf spare = {0}, *out = session_out(session, &spare);
    if (op->unsubscribe)
        mqtt_put_unsuback(out, op->packet_id);
    else
        mqtt_put_suback(out, op->packet_id, op->codes, op->code_count);
    session_sent(session, &spare);
}

bool session_subscribe(struct mqtt_session *session, const struct mqtt_subscribe *subscribe,
                       bool unsubscribe)
{
    struct mqtt_op *op = op_create(session, OP_SUBSCRIBE);
    struct mqtt_filters filters = subscribe->filters;
    struct mqtt_filter filter;
    subscribe_init(&op->subscribe);
    while (mqtt_next_filter(&filters, &filter)) {
        uint8_t bits = (uint8_t)topic_filter(filter.text, &session->owner);
        op->subscribe.filters |= bits;
        if (filter.qos > 0)
            op->subscribe.qos1 |= bits;
        else
            op->subscribe.qos1 &= (uint8_t)~bits; /* the last one counts */
        op->codes[op->code_count++] = bits ? filter.qos > 0 : MQTT_REFUSED;
    }
    op->packet_id = subscribe->packet_id;
    op->unsubscribe = unsubscribe;
    op->subscribe.remove = unsubscribe;
    op->subscribe.stored = !session->clean;
    op->subscribe.at = &session->link->at;
    op->subscribe.generation = session->generation;
    if (op_submit(op))
        return true;
    op_destroy(op);
    return false;
}

void session_subscribed(struct mqtt_session *session, struct mqtt_op *op)
{
    if (op->task.result != ERR_OK) {
        session_close(session, "the subscription cannot be stored");
    } else {
        if (op->unsubscribe)
            session->filters &= (uint8_t)~op->subscribe.filters;
        else
            session->filters |= op->subscribe.filters;
        send_suback(session, op);
    }
    op_destroy(op);
}
