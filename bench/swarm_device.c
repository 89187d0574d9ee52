#include "swarm_device.h"
#include "app/sim_behaviour.h"
#include "fleet.h"
#include "wire/mqtt.h"
#include "wire/sas.h"
#include "wire/topic.h"
#include "wire/username.h"

#define MESSAGE STR("{\"temperature\":21.5,\"count\":1}")

static struct swarm_plan plan;
static struct swarm_seen *seen;

void swarm_device_setup(const struct swarm_plan *of, struct swarm_seen *to)
{
    plan = *of;
    seen = to;
}

/* ---- saying ---- */

static uint16_t next_packet_id(struct sim_device *device)
{
    if (++device->packet_id == 0)
        device->packet_id = 1;
    return device->packet_id;
}

static struct topic_owner owner_of(const struct sim_device *device)
{
    return (struct topic_owner){.device = device->id, .module = STR("")};
}

static void publish(struct sim_device *device, const struct buf *topic, struct str payload,
                    struct buf *out)
{
    must(mqtt_put_publish(out, &(struct mqtt_publish){.topic = buf_str(topic),
                                                      .payload = payload,
                                                      .qos = 1,
                                                      .packet_id = next_packet_id(device)}),
         "PUBLISH");
}

static void put_own_topic(struct buf *topic, const struct sim_device *device, const char *way)
{
    buf_printf(topic, "%s/%.*s", way, STR_ARG(device->id));
}

static void send_message(struct sim_device *device, struct buf *out)
{
    static struct buf topic;
    struct topic_owner owner = owner_of(device);
    buf_reset(&topic);
    if (plan.speech == SPEAK_HUB)
        topic_put_telemetry(&topic, &owner, STR(""));
    else
        put_own_topic(&topic, device, "from");
    publish(device, &topic, MESSAGE, out);
}

static void send_commands(struct sim_device *device, struct buf *out)
{
    static struct buf topic;
    char id[16];
    for (uint32_t number = 1; number <= plan.addressees; number++) {
        buf_reset(&topic);
        fleet_device_id(number, id);
        buf_printf(&topic, "to/%s", id);
        publish(device, &topic, MESSAGE, out);
    }
}

static void ask_for_twin(struct sim_device *device, int64_t now_ns, struct buf *out)
{
    static struct buf topic;
    buf_reset(&topic);
    topic_put_twin_get(&topic, STR("1"));
    device->timed_ns = now_ns;
    device->telemetry_ns = SIM_NEVER;
    publish(device, &topic, STR(""), out);
}

void swarm_device_begin(struct sim_device *device, int64_t now_ns, struct buf *out)
{
    if (plan.role == SWARM_COMMAND)
        send_commands(device, out);
    if (plan.role == SWARM_SEND)
        for (uint32_t i = 0; i < plan.window; i++)
            send_message(device, out);
    if (plan.role == SWARM_READ_TWIN) /* not all at once */
        device->telemetry_ns = now_ns + (int64_t)random_below(plan.gap_ms + 1) * SIM_MS;
}

/* ---- hearing ---- */

static void subscribe(struct sim_device *device, struct buf *out)
{
    static struct buf topics[2];
    struct mqtt_filter filters[2] = {0};
    size_t count = plan.speech == SPEAK_HUB ? 2 : 1;
    struct topic_owner owner = owner_of(device);
    for (size_t i = 0; i < count; i++)
        buf_reset(&topics[i]);
    if (plan.speech == SPEAK_HUB) {
        topic_put_filter(&topics[0], &owner, FILTER_METHODS);
        topic_put_filter(&topics[1], &owner, FILTER_TWIN_RES);
    } else if (plan.role == SWARM_COMMAND) {
        buf_put(&topics[0], STR("from/#"));
    } else {
        put_own_topic(&topics[0], device, "to");
    }
    for (size_t i = 0; i < count; i++)
        filters[i] = (struct mqtt_filter){.text = buf_str(&topics[i]), .qos = 1};
    must(mqtt_put_subscribe(out, next_packet_id(device), filters, count), "SUBSCRIBE");
}

static void answer(struct sim_device *device, const struct mqtt_publish *message, struct buf *out)
{
    static struct buf topic;
    struct topic_owner owner = owner_of(device);
    buf_reset(&topic);
    if (plan.speech == SPEAK_HUB) {
        struct topic call = topic_from_hub(message->topic, &owner);
        if (call.kind != TOPIC_METHOD)
            return;
        topic_put_method_response(&topic, 200, call.rid);
    } else {
        put_own_topic(&topic, device, "from");
    }
    publish(device, &topic, MESSAGE, out);
    atomic_fetch_add_explicit(&seen->done, 1, memory_order_relaxed);
}

static void take_publish(struct sim_device *device, const struct mqtt_publish *message,
                         int64_t now_ns, struct buf *out)
{
    if (message->qos == 1)
        mqtt_put_puback(out, message->packet_id);
    if (plan.role == SWARM_ANSWER)
        answer(device, message, out);
    if (plan.role == SWARM_COMMAND)
        atomic_fetch_add_explicit(&seen->done, 1, memory_order_relaxed);
    if (plan.role == SWARM_READ_TWIN && device->timed_ns) {
        hist_add(&seen->took_us, (uint64_t)(now_ns - device->timed_ns) / 1000);
        atomic_fetch_add_explicit(&seen->done, 1, memory_order_relaxed);
        device->timed_ns = 0;
        if (atomic_load_explicit(&seen->go, memory_order_relaxed))
            device->telemetry_ns = now_ns + plan.gap_ms * SIM_MS;
    }
}

static void take_puback(struct sim_device *device, struct buf *out)
{
    if (plan.role != SWARM_SEND)
        return;
    atomic_fetch_add_explicit(&seen->done, 1, memory_order_relaxed);
    if (atomic_load_explicit(&seen->go, memory_order_relaxed))
        send_message(device, out);
}

static enum err take_packet(struct sim_device *device, const struct mqtt_packet *packet,
                            int64_t now_ns, struct buf *out, struct why *why)
{
    if (packet->type == MQTT_CONNACK) {
        if (packet->connack.code != MQTT_ACCEPTED)
            return err_fail(ERR_DENIED, why, "refused with code %d", packet->connack.code);
        subscribe(device, out);
        device->state = SIM_SUBSCRIBING;
    } else if (packet->type == MQTT_SUBACK) {
        if (memchr(packet->suback.codes.ptr, MQTT_REFUSED, packet->suback.codes.len))
            return err_fail(ERR_DENIED, why, "a subscription is refused");
        device->state = SIM_READY;
        device->deadline_ns = SIM_NEVER;
        atomic_fetch_add(&seen->ready, 1);
    } else if (packet->type == MQTT_PUBLISH) {
        take_publish(device, &packet->publish, now_ns, out);
    } else if (packet->type == MQTT_PUBACK) {
        take_puback(device, out);
    }
    return ERR_OK;
}

/* ---- what a line asks of its device: app/sim_device.h ---- */

void sim_device_init(struct sim_device *device, const struct sim_scenario *scenario,
                     uint32_t number, struct str id, struct str key)
{
    *device = (struct sim_device){.number = number,
                                  .id = id,
                                  .key = key,
                                  .deadline_ns = SIM_NEVER,
                                  .ping_ns = SIM_NEVER,
                                  .telemetry_ns = SIM_NEVER,
                                  .leave_ns = SIM_NEVER};
}

void sim_device_done(struct sim_device *device)
{
    buf_done(&device->in);
}

static struct mqtt_connect hub_sign_in(const struct sim_device *device, struct str host,
                                       uint64_t now_s, struct buf *name, struct arena *mem)
{
    struct sas_grant grant = {
        .resource = str_format(mem, "%.*s/devices/%.*s", STR_ARG(host), STR_ARG(device->id)),
        .key = device->key,
        .policy = STR_NONE,
        .expires_s = now_s + SIM_TOKEN_S};
    username_put(name, &(struct username){.host = host,
                                          .device = device->id,
                                          .api_version = STR("2021-04-12"),
                                          .client_type = STR_NONE,
                                          .model_id = STR_NONE});
    return (struct mqtt_connect){.has_user_name = true,
                                 .has_password = true,
                                 .user_name = buf_str(name),
                                 .password = sas_make(&grant, mem)};
}

void sim_device_connected(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                          uint64_t now_s, struct buf *out)
{
    struct arena mem = {0};
    struct buf name = {0};
    struct mqtt_connect connect = {.clean = true};
    if (plan.speech == SPEAK_HUB)
        connect = hub_sign_in(device, world->scenario->host, now_s, &name, &mem);
    connect.protocol = STR_NONE;
    connect.client_id = device->id;
    connect.keep_alive_s = SIM_KEEP_ALIVE_S;
    must(mqtt_put_connect(out, &connect), "CONNECT");
    device->ping_ns = now_ns + (SIM_KEEP_ALIVE_S / 2 + (int64_t)random_below(60)) * SIM_SECOND;
    device->state = SIM_SIGNING_IN;
    device->deadline_ns = now_ns + SIM_LOGIN_S * SIM_SECOND;
    buf_done(&name);
    arena_done(&mem);
}

enum err sim_device_input(struct sim_device *device, const struct sim_world *world,
                          struct str bytes, int64_t now_ns, struct buf *out, struct why *why)
{
    bool waiting = device->in.len > 0;
    if (waiting)
        buf_put(&device->in, bytes);
    struct str rest = waiting ? buf_str(&device->in) : bytes;
    struct mqtt_packet packet;
    struct buf left = {0};
    enum step step;
    size_t used;
    while (rest.len > 0 &&
           (step = mqtt_decode(rest, SIM_PACKET_MAX, &packet, &used, why)) != STEP_MORE) {
        enum err err =
            step == STEP_BAD ? ERR_BAD_INPUT : take_packet(device, &packet, now_ns, out, why);
        if (err != ERR_OK)
            return err;
        rest = str_skip(rest, used);
    }
    if (rest.len > 0)
        buf_put(&left, rest);
    buf_done(&device->in);
    device->in = left;
    return ERR_OK;
}

int64_t sim_device_due(const struct sim_device *device)
{
    int64_t due = device->ping_ns < device->telemetry_ns ? device->ping_ns : device->telemetry_ns;
    return due < device->deadline_ns ? due : device->deadline_ns;
}

enum err sim_device_tick(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out, struct why *why)
{
    if (now_ns >= device->deadline_ns)
        return err_fail(ERR_OUTSIDE, why, "the server does not answer");
    if (now_ns >= device->telemetry_ns)
        ask_for_twin(device, now_ns, out);
    if (now_ns >= device->ping_ns) {
        mqtt_put_pingreq(out);
        device->ping_ns = now_ns + SIM_KEEP_ALIVE_S / 2 * SIM_SECOND;
    }
    return ERR_OK;
}

int64_t sim_device_reads(const struct sim_device *device)
{
    return SIM_READS_ALL;
}

int64_t sim_device_lost(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    if (device->state == SIM_READY)
        atomic_fetch_sub(&seen->ready, 1);
    atomic_fetch_add(&seen->lost, 1);
    device->state = SIM_AWAY;
    device->deadline_ns = device->ping_ns = device->telemetry_ns = SIM_NEVER;
    buf_done(&device->in);
    return now_ns + SIM_SECOND;
}

void sim_device_leave(struct sim_device *device, struct buf *out)
{
    if (device->state != SIM_AWAY)
        mqtt_put_disconnect(out);
}
