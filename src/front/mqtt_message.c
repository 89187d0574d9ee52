/* Cloud-to-device messages over MQTT. Source: spec/device-mqtt.md 9, 12. */
#include "base/log.h"
#include "front/mqtt_session.h"

/* ---- what is in flight ---- */

static struct mqtt_flight *flight_of(struct mqtt_session *session, uint64_t sequence)
{
    for (size_t i = 0; i < MESSAGE_WINDOW; i++)
        if (session->flights[i].packet_id && session->flights[i].sequence == sequence)
            return &session->flights[i];
    return NULL;
}

static struct mqtt_flight *flight_by_id(struct mqtt_session *session, uint16_t packet_id)
{
    for (size_t i = 0; session->flights && packet_id && i < MESSAGE_WINDOW; i++)
        if (session->flights[i].packet_id == packet_id)
            return &session->flights[i];
    return NULL;
}

/* A free place, or that of the oldest message: the hub has given it up, since it sends another one. */
static struct mqtt_flight *place(struct mqtt_session *session)
{
    struct mqtt_flight *oldest = &session->flights[0];
    for (size_t i = 0; i < MESSAGE_WINDOW; i++) {
        if (session->flights[i].packet_id == 0)
            return &session->flights[i];
        if (session->flights[i].sequence < oldest->sequence)
            oldest = &session->flights[i];
    }
    return oldest;
}

static uint16_t fresh_id(struct mqtt_session *session)
{
    do
        session->next_packet_id++;
    while (session->next_packet_id == 0 || flight_by_id(session, session->next_packet_id));
    return session->next_packet_id;
}

/* What is sent again on the same connection keeps its packet id (MQTT 3.1.1, 2.3.1). */
static uint16_t take_off(struct mqtt_session *session, uint64_t sequence)
{
    if (!session->flights)
        session->flights = xcalloc(MESSAGE_WINDOW, sizeof(*session->flights));
    struct mqtt_flight *flight = flight_of(session, sequence);
    if (!flight) {
        uint16_t packet_id = fresh_id(session);
        flight = place(session);
        *flight = (struct mqtt_flight){.sequence = sequence, .packet_id = packet_id};
    }
    return flight->packet_id;
}

/* ---- out and back ---- */

void session_message(struct mqtt_session *session, const struct link_letter *letter)
{
    if (session->phase != SESSION_ACTIVE)
        return; /* it goes with the connection, and waits for the next one */
    struct buf topic = {0}, spare = {0};
    topic_put_devicebound(&topic, &session->owner, letter->name);
    struct mqtt_publish publish = {.topic = buf_str(&topic),
                                   .payload = letter->payload,
                                   .qos = letter->qos1,
                                   .dup = letter->qos1 && letter->dup,
                                   .packet_id = letter->qos1 ? take_off(session, letter->call) : 0};
    if (mqtt_put_publish(session_out(session, &spare), &publish))
        session_sent(session, &spare);
    else /* who sends a message is held to less */
        log_error("a message is too long for a topic", LOG_INT("sequence", letter->call));
    buf_done(&topic);
}

void session_puback(struct mqtt_session *session, uint16_t packet_id)
{
    struct mqtt_flight *flight = flight_by_id(session, packet_id);
    if (!flight || session->generation == 0)
        return; /* late, or never sent: harmless */
    struct mqtt_op *op = op_create(session, OP_MESSAGE_DONE);
    message_done_init(&op->message_done);
    op->message_done.number = session->number;
    op->message_done.generation = session->generation;
    op->message_done.sequence = flight->sequence;
    flight->packet_id = 0;
    op_post(op);
}
