#include "app/sim_device.h"
#include "base/json.h"
#include "wire/bag.h"
#include "wire/mqtt.h"
#include "wire/sas.h"
#include "wire/topic.h"
#include "wire/username.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

enum { SUBSCRIPTIONS = 3 };

struct sim_todo {
    struct sim_todo *next;
    int64_t at_ns;
    struct str topic, payload; /* behind this struct */
    enum { TODO_ANSWER, TODO_REPORT } kind;
    bool error;
    char bytes[];
};

/* ---- life ---- */

void sim_device_init(struct sim_device *device, uint32_t number, struct str id, struct str key)
{
    *device = (struct sim_device){.number = number,
                                  .id = id,
                                  .key = key,
                                  .deadline_ns = SIM_NEVER,
                                  .ping_ns = SIM_NEVER,
                                  .telemetry_ns = SIM_NEVER};
}

static void forget_line(struct sim_device *device)
{
    for (struct sim_todo *todo = device->todo; todo;) {
        struct sim_todo *next = todo->next;
        free(todo);
        todo = next;
    }
    buf_done(&device->in);
    device->todo = NULL;
    device->todo_count = 0;
    device->unacknowledged = 0;
    device->get_rid = 0;
    device->deadline_ns = device->ping_ns = device->telemetry_ns = SIM_NEVER;
    device->state = SIM_AWAY;
}

void sim_device_done(struct sim_device *device)
{
    forget_line(device);
}

static struct topic_owner owner_of(const struct sim_device *device)
{
    return (struct topic_owner){.device = device->id, .module = STR("")};
}

static uint16_t next_packet_id(struct sim_device *device)
{
    if (++device->packet_id == 0)
        device->packet_id = 1;
    return device->packet_id;
}

/* A device that has nothing else to send pings well before its hub loses patience, and not all
 * devices at once. What it receives does not count. */
static void ping_later(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    uint64_t jitter_ms =
        sim_draw(world->behaviour->seed, device->number, "ping", 0, SIM_KEEP_ALIVE_S * 1000 / 4);
    device->ping_ns = now_ns + SIM_KEEP_ALIVE_S * SECOND / 2 + (int64_t)jitter_ms * MS;
}

void sim_device_connected(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                          uint64_t now_s, struct buf *out)
{
    assert(device->state == SIM_AWAY);
    const struct sim_behaviour *behaviour = world->behaviour;
    struct arena mem = {0};
    struct buf name = {0};
    struct sas_grant grant = {.resource = str_format(&mem, "%.*s/devices/%.*s",
                                                     STR_ARG(behaviour->host), STR_ARG(device->id)),
                              .key = device->key,
                              .policy = STR_NONE,
                              .expires_s = now_s + SIM_TOKEN_S};
    username_put(&name, &(struct username){.host = behaviour->host,
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
    device->state = SIM_SIGNING_IN;
    device->deadline_ns = now_ns + SIM_LOGIN_S * SECOND;
    buf_done(&name);
    arena_done(&mem);
}

int64_t sim_device_lost(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    if (device->state == SIM_READY) {
        world->counts->ready--;
        world->counts->lost++;
    }
    forget_line(device);
    uint64_t most_ms = SIM_BACK_OFF_MIN_MS;
    for (uint64_t i = 0; i < device->failures && most_ms < SIM_BACK_OFF_MAX_MS; i++)
        most_ms *= 2;
    if (most_ms > SIM_BACK_OFF_MAX_MS)
        most_ms = SIM_BACK_OFF_MAX_MS;
    uint64_t jitter_ms = sim_draw(world->behaviour->seed, device->number, "back off",
                                  device->failures++, most_ms / 2);
    return now_ns + (int64_t)(most_ms / 2 + jitter_ms) * MS;
}

void sim_device_leave(struct sim_device *device, struct buf *out)
{
    if (device->state != SIM_AWAY)
        mqtt_put_disconnect(out);
}

/* ---- sending ---- */

static void publish(struct buf *out, struct str topic, struct str payload, uint16_t packet_id)
{
    bool fits = mqtt_put_publish(out, &(struct mqtt_publish){.topic = topic,
                                                             .payload = payload,
                                                             .qos = packet_id ? 1 : 0,
                                                             .packet_id = packet_id});
    assert(fits);
}

static void put_rid(struct str *rid, char text[16], uint32_t number)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 16;
    do {
        text[--at] = digits[number % 16];
        number /= 16;
    } while (number > 0);
    *rid = str_of(text + at, 16 - at);
}

static void ask_for_twin(struct sim_device *device, struct buf *out)
{
    struct buf topic = {0};
    struct str rid;
    char text[16];
    device->get_rid = ++device->rid;
    put_rid(&rid, text, device->get_rid);
    topic_put_twin_get(&topic, rid);
    publish(out, buf_str(&topic), STR(""), 0);
    buf_done(&topic);
}

static void send_todo(const struct sim_todo *todo, const struct sim_world *world, struct buf *out)
{
    struct sim_counts *counts = world->counts;
    if (todo->kind == TODO_REPORT)
        counts->reports++;
    else if (todo->error)
        counts->answered_error++;
    else
        counts->answered++;
    publish(out, todo->topic, todo->payload, 0);
}

static uint32_t delay_ms(const struct sim_device *device, const struct sim_world *world,
                         const char *what, uint64_t occasion)
{
    const struct sim_behaviour *behaviour = world->behaviour;
    uint64_t span = behaviour->answer_max_ms - behaviour->answer_min_ms + 1;
    return behaviour->answer_min_ms +
           (uint32_t)sim_draw(behaviour->seed, device->number, what, occasion, span);
}

static struct sim_todo *make_todo(struct str topic, struct str payload)
{
    struct sim_todo *todo = xmalloc(sizeof *todo + topic.len + payload.len + 1);
    *todo = (struct sim_todo){.topic = str_of(todo->bytes, topic.len),
                              .payload = str_of(todo->bytes + topic.len, payload.len)};
    memcpy(todo->bytes, topic.ptr, topic.len);
    if (payload.len > 0)
        memcpy(todo->bytes + topic.len, payload.ptr, payload.len);
    return todo;
}

/* Keeps what falls due first in front; equal times stay in order. */
static void do_later(struct sim_device *device, const struct sim_world *world,
                     struct sim_todo *todo, int64_t now_ns, struct buf *out)
{
    if (todo->at_ns <= now_ns || device->todo_count == SIM_TODO_MAX) {
        send_todo(todo, world, out);
        free(todo);
        return;
    }
    struct sim_todo **link = &device->todo;
    while (*link && (*link)->at_ns <= todo->at_ns)
        link = &(*link)->next;
    todo->next = *link;
    *link = todo;
    device->todo_count++;
}

static void report_later(struct sim_device *device, const struct sim_world *world,
                         struct str payload, int64_t now_ns, struct buf *out)
{
    struct buf topic = {0};
    struct str rid;
    char text[16];
    put_rid(&rid, text, ++device->rid);
    topic_put_twin_reported(&topic, rid, TOPIC_NO_VERSION);
    struct sim_todo *todo = make_todo(buf_str(&topic), payload);
    todo->kind = TODO_REPORT;
    todo->at_ns = now_ns + delay_ms(device, world, "report", device->changes++) * MS;
    do_later(device, world, todo, now_ns, out);
    buf_done(&topic);
}

/* Like the readings of something real: around a value of its own, never twice the same. */
static void send_message(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out)
{
    static const struct bag_pair pairs[] = {
        {{"$.ct", 4}, {"application/json", 16}, true},
        {{"$.ce", 4}, {"utf-8", 5}, true},
    };
    uint64_t seed = world->behaviour->seed;
    struct topic_owner owner = owner_of(device);
    struct buf topic = {0}, bag = {0}, payload = {0};
    uint64_t base = sim_draw(seed, device->number, "temperature", 0, 300);
    uint64_t noise = sim_draw(seed, device->number, "noise", device->messages, 20);
    device->telemetry_ns += world->behaviour->telemetry_s * SECOND;
    if (device->telemetry_ns < now_ns)
        device->telemetry_ns = now_ns + world->behaviour->telemetry_s * SECOND;
    device->messages++;
    bag_put(&bag, pairs, sizeof pairs / sizeof pairs[0]);
    topic_put_telemetry(&topic, &owner, buf_str(&bag));
    buf_printf(&payload, "{\"temperature\":%" PRIu64 ".%" PRIu64 ",\"count\":%" PRIu64 "}",
               20 + (base + noise) / 10, (base + noise) % 10, device->messages);
    publish(out, buf_str(&topic), buf_str(&payload), next_packet_id(device));
    device->unacknowledged++;
    world->counts->messages++;
    buf_done(&topic);
    buf_done(&bag);
    buf_done(&payload);
}

/* ---- what the hub sends: methods ---- */

static void put_answer(struct buf *out, const struct sim_device *device, struct str name,
                       bool error)
{
    buf_put_char(out, '{');
    if (error)
        json_put_member_str(out, "error", STR("simulated failure"));
    json_put_member_str(out, "method", name);
    json_put_member_i64(out, "call", (int64_t)device->calls);
    buf_put_char(out, '}');
}

static void take_call(struct sim_device *device, const struct sim_world *world,
                      const struct topic *call, int64_t now_ns, struct buf *out)
{
    const struct sim_behaviour *behaviour = world->behaviour;
    uint64_t occasion = device->calls++;
    uint64_t fate = sim_draw(behaviour->seed, device->number, "call", occasion, SIM_SHARE_MAX);
    world->counts->calls++;
    if (fate < behaviour->silent_share) {
        world->counts->ignored++;
        return;
    }
    bool error = fate < behaviour->silent_share + behaviour->fail_share;
    struct buf topic = {0}, payload = {0};
    topic_put_method_response(&topic, error ? 500 : 200, call->rid);
    put_answer(&payload, device, call->name, error);
    struct sim_todo *todo = make_todo(buf_str(&topic), buf_str(&payload));
    todo->kind = TODO_ANSWER;
    todo->error = error;
    todo->at_ns = now_ns + delay_ms(device, world, "answer", occasion) * MS;
    do_later(device, world, todo, now_ns, out);
    buf_done(&topic);
    buf_done(&payload);
}

/* ---- what the hub sends: the twin ---- */

static enum err read_json(struct str text, struct arena *mem, yyjson_val **out, struct why *why)
{
    struct json_limits limits = {.size_max = SIM_PACKET_MAX, .depth_max = SIM_JSON_DEPTH_MAX};
    struct why inner;
    enum err err = json_read(text, &limits, mem, out, &inner);
    if (err == ERR_OK && yyjson_is_obj(*out))
        return ERR_OK;
    return err_fail(ERR_BAD_INPUT, why, "the hub sent a twin that is not a JSON object");
}

static int64_t version_of(yyjson_val *section)
{
    return yyjson_get_sint(yyjson_obj_get(section, "$version"));
}

static void put_member(struct buf *out, yyjson_val *name, yyjson_val *value)
{
    if (out->len > 1)
        buf_put_char(out, ',');
    json_put_str(out, json_str(name));
    buf_put_char(out, ':');
    json_put_value(out, value);
}

/* Members of `from` that `known` has not, or differently. Names with '$' belong to the hub. */
static void put_news(struct buf *out, yyjson_val *from, yyjson_val *known)
{
    size_t i, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(from, i, count, name, value)
    {
        struct str text = json_str(name);
        yyjson_val *have = yyjson_obj_getn(known, text.ptr, text.len);
        if (!str_starts(text, STR("$")) && !(have && yyjson_equals(have, value)))
            put_member(out, name, value);
    }
}

/* A desired property that is also part of the device's own state (a firmware update) wins. */
static void put_own_news(struct buf *out, yyjson_val *own, yyjson_val *desired,
                         yyjson_val *reported)
{
    size_t i, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(own, i, count, name, value)
    {
        const char *text = yyjson_get_str(name);
        if (!yyjson_obj_get(desired, text) && !yyjson_obj_get(reported, text))
            put_member(out, name, value);
    }
}

static enum err take_twin(struct sim_device *device, const struct sim_world *world,
                          struct str payload, int64_t now_ns, struct buf *out, struct why *why)
{
    struct arena mem = {0};
    struct buf own_text = {0}, news = {0};
    yyjson_val *twin, *own = NULL;
    enum err err = read_json(payload, &mem, &twin, why);
    sim_device_put_state(&own_text, world->behaviour, device->number);
    if (err == ERR_OK)
        err = read_json(buf_str(&own_text), &mem, &own, why);
    if (err == ERR_OK) {
        yyjson_val *desired = yyjson_obj_get(twin, "desired");
        yyjson_val *reported = yyjson_obj_get(twin, "reported");
        device->desired_version = version_of(desired);
        buf_put_char(&news, '{');
        put_own_news(&news, own, desired, reported);
        put_news(&news, desired, reported);
        buf_put_char(&news, '}');
        if (news.len > 2)
            report_later(device, world, buf_str(&news), now_ns, out);
    }
    buf_done(&own_text);
    buf_done(&news);
    arena_done(&mem);
    return err;
}

static enum err take_change(struct sim_device *device, const struct sim_world *world,
                            struct str payload, int64_t now_ns, struct buf *out, struct why *why)
{
    struct arena mem = {0};
    struct buf news = {0};
    yyjson_val *patch;
    enum err err = read_json(payload, &mem, &patch, why);
    /* What the twin already said may come again; while it is on its way, it will say it. */
    if (err == ERR_OK && !device->get_rid && version_of(patch) > device->desired_version) {
        device->desired_version = version_of(patch);
        world->counts->desired++;
        buf_put_char(&news, '{');
        put_news(&news, patch, NULL);
        buf_put_char(&news, '}');
        if (news.len > 2)
            report_later(device, world, buf_str(&news), now_ns, out);
    }
    buf_done(&news);
    arena_done(&mem);
    return err;
}

static enum err take_result(struct sim_device *device, const struct sim_world *world,
                            const struct topic *topic, struct str payload, int64_t now_ns,
                            struct buf *out, struct why *why)
{
    struct str rid;
    char text[16];
    put_rid(&rid, text, device->get_rid);
    if (device->get_rid && str_eq(topic->rid, rid)) {
        device->get_rid = 0;
        if (topic->status == 200)
            return take_twin(device, world, payload, now_ns, out, why);
        return err_fail(ERR_BUSY, why, "the hub does not show the twin: %d", (int)topic->status);
    }
    if (topic->status == 204)
        world->counts->reported++;
    else
        world->counts->report_errors++;
    return ERR_OK;
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
    struct topic_owner owner = owner_of(device);
    struct mqtt_filter filters[SUBSCRIPTIONS] = {0};
    struct buf texts[SUBSCRIPTIONS] = {0};
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
        topic_put_filter(&texts[i], &owner, bits[i]);
        filters[i].text = buf_str(&texts[i]);
    }
    bool fits = mqtt_put_subscribe(out, next_packet_id(device), filters, SUBSCRIPTIONS);
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
    uint32_t every_s = world->behaviour->telemetry_s;
    device->state = SIM_READY;
    device->failures = 0;
    device->deadline_ns = SIM_NEVER;
    world->counts->ready++;
    if (every_s > 0)
        device->telemetry_ns =
            now_ns + (int64_t)sim_draw(world->behaviour->seed, device->number, "first message", 0,
                                       every_s * UINT64_C(1000)) *
                         MS;
    ask_for_twin(device, out);
    return ERR_OK;
}

static enum err take_publish(struct sim_device *device, const struct sim_world *world,
                             const struct mqtt_publish *message, int64_t now_ns, struct buf *out,
                             struct why *why)
{
    struct topic_owner owner = owner_of(device);
    struct topic topic = topic_from_hub(message->topic, &owner);
    if (message->qos == 1)
        mqtt_put_puback(out, message->packet_id);
    if (topic.kind == TOPIC_METHOD)
        take_call(device, world, &topic, now_ns, out);
    else if (topic.kind == TOPIC_DESIRED)
        return take_change(device, world, message->payload, now_ns, out, why);
    else if (topic.kind == TOPIC_TWIN_RESULT)
        return take_result(device, world, &topic, message->payload, now_ns, out, why);
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
    return device->todo ? earlier(due, device->todo->at_ns) : due;
}

enum err sim_device_tick(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out, struct why *why)
{
    if (now_ns >= device->deadline_ns)
        return err_fail(ERR_OUTSIDE, why, "the hub does not answer");
    size_t before = out->len;
    while (device->todo && now_ns >= device->todo->at_ns) {
        struct sim_todo *todo = device->todo;
        device->todo = todo->next;
        device->todo_count--;
        send_todo(todo, world, out);
        free(todo);
    }
    if (now_ns >= device->telemetry_ns)
        send_message(device, world, now_ns, out);
    if (now_ns >= device->ping_ns) {
        mqtt_put_pingreq(out);
        device->deadline_ns = now_ns + SIM_LOGIN_S * SECOND;
    }
    if (out->len > before)
        ping_later(device, world, now_ns);
    return ERR_OK;
}
