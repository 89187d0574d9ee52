#include "app/sim_device.h"
#include "app/sim_behaviour.h"
#include "base/time.h"
#include "wire/mqtt.h"
#include "wire/sas.h"
#include "wire/username.h"
#include <assert.h>

enum { SUBSCRIPTIONS = 3 };

/* ---- life ---- */

void sim_device_init(struct sim_device *device, const struct sim_scenario *scenario,
                     uint32_t number, struct str id, struct str key)
{
    *device = (struct sim_device){.number = number,
                                  .group = sim_group_of(scenario, number),
                                  .id = id,
                                  .key = key,
                                  .slow = sim_is_slow(scenario, number),
                                  .flaps = sim_flaps(scenario, number),
                                  .deadline_ns = SIM_NEVER,
                                  .ping_ns = SIM_NEVER,
                                  .telemetry_ns = SIM_NEVER,
                                  .leave_ns = SIM_NEVER};
}

static void forget_line(struct sim_device *device)
{
    sim_forget_todo(device);
    buf_done(&device->in);
    device->unacknowledged = 0;
    device->timed_id = 0;
    device->get_rid = 0;
    device->deadline_ns = device->ping_ns = device->telemetry_ns = SIM_NEVER;
    device->leave_ns = SIM_NEVER;
    device->leaving = false;
    device->state = SIM_AWAY;
}

void sim_device_done(struct sim_device *device)
{
    forget_line(device);
}

/* A device that has nothing else to send pings well before its hub loses patience, and not all
 * devices at once. What it receives does not count. */
static void ping_later(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    uint64_t jitter_ms =
        sim_draw(world->scenario->seed, device->number, "ping", 0, SIM_KEEP_ALIVE_S * 1000 / 4);
    device->ping_ns = now_ns + SIM_KEEP_ALIVE_S * SIM_SECOND / 2 + (int64_t)jitter_ms * SIM_MS;
}

void sim_device_connected(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                          uint64_t now_s, struct buf *out)
{
    assert(device->state == SIM_AWAY);
    const struct sim_scenario *scenario = world->scenario;
    struct arena mem = {0};
    struct buf name = {0};
    struct sas_grant grant = {.resource = str_format(&mem, "%.*s/devices/%.*s",
                                                     STR_ARG(scenario->host), STR_ARG(device->id)),
                              .key = device->key,
                              .policy = STR_NONE,
                              .expires_s = now_s + SIM_TOKEN_S};
    username_put(&name, &(struct username){.host = scenario->host,
                                           .device = device->id,
                                           .api_version = STR("2021-04-12"),
                                           .client_type = STR("muster-sim/" MUSTER_VERSION),
                                           .model_id = STR_NONE});
    bool fits = mqtt_put_connect(out, &(struct mqtt_connect){.protocol = STR_NONE,
                                                             .has_user_name = true,
                                                             .has_password = true,
                                                             .keep_alive_s = SIM_KEEP_ALIVE_S,
                                                             .client_id = device->id,
                                                             .user_name = buf_str(&name),
                                                             .password = sas_make(&grant, &mem)});
    assert(fits);
    ping_later(device, world, now_ns);
    if (device->planned)
        world->counts->away--;
    device->planned = false;
    device->wall_ticks = (int64_t)now_s * TICKS_PER_SECOND - now_ns / 100;
    device->state = SIM_SIGNING_IN;
    device->deadline_ns = now_ns + SIM_LOGIN_S * SIM_SECOND;
    buf_done(&name);
    arena_done(&mem);
}

/* As the scenario wants it: away for a while, and no fault of anybody. */
static int64_t depart(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    world->counts->departures++;
    world->counts->away++;
    device->departures++;
    device->planned = true;
    forget_line(device);
    return now_ns + device->away_ms * SIM_MS;
}

int64_t sim_device_lost(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    if (device->state == SIM_READY)
        world->counts->ready--;
    if (device->leaving)
        return depart(device, world, now_ns);
    if (device->state == SIM_READY)
        world->counts->lost++;
    forget_line(device);
    uint64_t most_ms = SIM_BACK_OFF_MIN_MS;
    for (uint64_t i = 0; i < device->failures && most_ms < SIM_BACK_OFF_MAX_MS; i++)
        most_ms *= 2;
    if (most_ms > SIM_BACK_OFF_MAX_MS)
        most_ms = SIM_BACK_OFF_MAX_MS;
    uint64_t jitter_ms = sim_draw(world->scenario->seed, device->number, "back off",
                                  device->failures++, most_ms / 2);
    return now_ns + (int64_t)(most_ms / 2 + jitter_ms) * SIM_MS;
}

void sim_device_leave(struct sim_device *device, struct buf *out)
{
    if (device->state != SIM_AWAY)
        mqtt_put_disconnect(out);
}

/* ---- what the hub sends: packets ---- */

static enum err take_connack(struct sim_device *device, const struct sim_world *world,
                             struct mqtt_connack connack, struct buf *out, struct why *why)
{
    static const char *const reasons[] = {"",
                                          "protocol level refused",
                                          "client id refused",
                                          "the hub is not available now",
                                          "bad user name or password",
                                          "not authorized: wrong key, or the device is disabled"};
    if (connack.code != MQTT_ACCEPTED) {
        world->counts->refused++;
        return err_fail(ERR_DENIED, why, "%s", reasons[connack.code]);
    }
    static const unsigned bits[SUBSCRIPTIONS] = {FILTER_METHODS, FILTER_TWIN_RES, FILTER_DESIRED};
    struct topic_owner owner = sim_owner(device);
    struct mqtt_filter filters[SUBSCRIPTIONS] = {0};
    struct buf texts[SUBSCRIPTIONS] = {0};
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
        topic_put_filter(&texts[i], &owner, bits[i]);
        filters[i].text = buf_str(&texts[i]);
    }
    bool fits = mqtt_put_subscribe(out, sim_next_packet_id(device), filters, SUBSCRIPTIONS);
    assert(fits);
    for (size_t i = 0; i < SUBSCRIPTIONS; i++)
        buf_done(&texts[i]);
    world->counts->logins++;
    device->state = SIM_SUBSCRIBING;
    return ERR_OK;
}

static enum err take_suback(struct sim_device *device, const struct sim_world *world,
                            struct mqtt_suback suback, int64_t now_ns, struct buf *out,
                            struct why *why)
{
    if (suback.packet_id != device->packet_id || suback.codes.len != SUBSCRIPTIONS ||
        memchr(suback.codes.ptr, MQTT_REFUSED, suback.codes.len))
        return err_fail(ERR_DENIED, why, "the hub refuses a subscription");
    device->state = SIM_READY;
    device->failures = 0;
    device->deadline_ns = SIM_NEVER;
    world->counts->ready++;
    *(device->met ? &world->counts->reconnects : &world->counts->met) += 1;
    device->met = true;
    sim_begin(device, world, now_ns);
    sim_ask_for_twin(device, out);
    return ERR_OK;
}

static enum err take_publish(struct sim_device *device, const struct sim_world *world,
                             const struct mqtt_publish *message, int64_t now_ns, struct buf *out,
                             struct why *why)
{
    struct topic_owner owner = sim_owner(device);
    struct topic topic = topic_from_hub(message->topic, &owner);
    if (message->qos == 1)
        mqtt_put_puback(out, message->packet_id);
    if (topic.kind == TOPIC_METHOD)
        sim_take_call(device, world, &topic, message->payload, now_ns, out);
    else if (topic.kind == TOPIC_DESIRED)
        return sim_take_change(device, world, message->payload, now_ns, out, why);
    else if (topic.kind == TOPIC_TWIN_RESULT)
        return sim_take_result(device, world, &topic, message->payload, now_ns, out, why);
    return ERR_OK; /* what a device does not understand it ignores */
}

/* Which packets may come in which state. */
static bool expected(enum sim_state state, enum mqtt_type type)
{
    if (state == SIM_SIGNING_IN)
        return type == MQTT_CONNACK;
    if (type == MQTT_SUBACK)
        return state == SIM_SUBSCRIBING;
    /* A session that was kept delivers before SUBACK. */
    return type == MQTT_PUBLISH || type == MQTT_PUBACK || type == MQTT_PINGRESP;
}

static enum err take_packet(struct sim_device *device, const struct sim_world *world,
                            const struct mqtt_packet *packet, int64_t now_ns, struct buf *out,
                            struct why *why)
{
    if (!expected(device->state, packet->type))
        return err_fail(ERR_BAD_INPUT, why, "%s comes at the wrong time",
                        mqtt_type_name(packet->type));
    if (packet->type == MQTT_CONNACK)
        return take_connack(device, world, packet->connack, out, why);
    if (packet->type == MQTT_SUBACK)
        return take_suback(device, world, packet->suback, now_ns, out, why);
    if (packet->type == MQTT_PUBLISH)
        return take_publish(device, world, &packet->publish, now_ns, out, why);
    if (packet->type == MQTT_PUBACK && device->unacknowledged > 0) {
        device->unacknowledged--;
        world->counts->acknowledged++;
        if (packet->packet_id == device->timed_id) {
            hist_add(&world->times->puback_us, (uint64_t)(now_ns - device->timed_ns) / 1000);
            device->timed_id = 0;
        }
    }
    if (packet->type == MQTT_PINGRESP)
        device->deadline_ns = SIM_NEVER;
    return ERR_OK;
}

/* ---- input and time ---- */

enum err sim_device_input(struct sim_device *device, const struct sim_world *world,
                          struct str bytes, int64_t now_ns, struct buf *out, struct why *why)
{
    bool waiting = device->in.len > 0;
    size_t before = out->len;
    if (waiting)
        buf_put(&device->in, bytes);
    struct str rest = waiting ? buf_str(&device->in) : bytes;
    struct mqtt_packet packet;
    size_t used;
    enum step step = STEP_MORE;
    while (rest.len > 0 &&
           (step = mqtt_decode(rest, SIM_PACKET_MAX, &packet, &used, why)) == STEP_DONE) {
        enum err err = take_packet(device, world, &packet, now_ns, out, why);
        if (err != ERR_OK)
            return err;
        rest = str_skip(rest, used);
    }
    if (rest.len > 0 && step == STEP_BAD)
        return device->state == SIM_SIGNING_IN
                   ? err_fail(ERR_BAD_INPUT, why, "that is no MQTT: is --mqtt-port right?")
                   : ERR_BAD_INPUT;
    struct buf left = {0};
    if (rest.len > 0)
        buf_put(&left, rest);
    buf_done(&device->in);
    device->in = left;
    if (out->len > before)
        ping_later(device, world, now_ns);
    return ERR_OK;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t sim_device_due(const struct sim_device *device)
{
    int64_t due = earlier(device->deadline_ns, earlier(device->ping_ns, device->telemetry_ns));
    due = earlier(due, device->leave_ns);
    return device->todo ? earlier(due, device->todo->at_ns) : due;
}

enum err sim_device_tick(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out, struct why *why)
{
    if (now_ns >= device->deadline_ns)
        return err_fail(ERR_OUTSIDE, why, "the hub does not answer");
    size_t before = out->len;
    sim_do_due(device, world, now_ns, out);
    if (now_ns >= device->leave_ns)
        device->leaving = true;
    if (now_ns >= device->telemetry_ns)
        sim_send_message(device, world, now_ns, out);
    if (now_ns >= device->ping_ns) {
        mqtt_put_pingreq(out);
        if (!device->slow) /* who reads slowly sees the answer late */
            device->deadline_ns = now_ns + SIM_LOGIN_S * SIM_SECOND;
    }
    if (out->len > before)
        ping_later(device, world, now_ns);
    return ERR_OK;
}

int64_t sim_device_reads(const struct sim_device *device)
{
    return device->slow && device->state == SIM_READY ? device->group->slow_bytes_per_s
                                                      : SIM_READS_ALL;
}
