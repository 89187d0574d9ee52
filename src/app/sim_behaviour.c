#include "app/sim_behaviour.h"
#include "base/map.h"
#include "base/time.h"
#include "wire/bag.h"
#include "wire/mqtt.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- what both halves need ---- */

struct topic_owner sim_owner(const struct sim_device *device)
{
    return (struct topic_owner){.device = device->id, .module = STR("")};
}

uint16_t sim_next_packet_id(struct sim_device *device)
{
    if (++device->packet_id == 0)
        device->packet_id = 1;
    return device->packet_id;
}

struct str sim_rid(char text[16], uint32_t number)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 16;
    do {
        text[--at] = digits[number % 16];
        number /= 16;
    } while (number > 0);
    return str_of(text + at, 16 - at);
}

void sim_publish(struct buf *out, struct str topic, struct str payload, uint16_t packet_id)
{
    bool fits = mqtt_put_publish(out, &(struct mqtt_publish){.topic = topic,
                                                             .payload = payload,
                                                             .qos = packet_id ? 1 : 0,
                                                             .packet_id = packet_id});
    assert(fits);
}

struct sim_facts sim_facts(const struct sim_device *device, const struct sim_world *world,
                           uint64_t occasion, int64_t now_ns)
{
    return (struct sim_facts){.seed = world->scenario->seed,
                              .number = device->number,
                              .occasion = occasion,
                              .id = device->id,
                              .count = occasion + 1,
                              .now_ticks = device->wall_ticks + now_ns / 100,
                              .method = STR_NONE,
                              .payload = STR_NONE};
}

struct sim_chance sim_chance(const struct sim_device *device, const struct sim_world *world,
                             const char *what, uint64_t occasion)
{
    return (struct sim_chance){world->scenario->seed, device->number, hash_stable(str_from(what)),
                               occasion};
}

/* ---- later ---- */

struct sim_todo *sim_todo_make(struct str topic, struct str payload)
{
    struct sim_todo *todo = xmalloc(sizeof *todo + topic.len + payload.len + 1);
    *todo = (struct sim_todo){.topic = str_of(todo->bytes, topic.len),
                              .payload = str_of(todo->bytes + topic.len, payload.len),
                              .reaction = SIM_NO_REACTION};
    memcpy(todo->bytes, topic.ptr, topic.len);
    if (payload.len > 0)
        memcpy(todo->bytes + topic.len, payload.ptr, payload.len);
    return todo;
}

static void say(struct sim_device *device, const struct sim_world *world,
                const struct sim_todo *todo, int64_t now_ns, struct buf *out)
{
    struct sim_counts *counts = world->counts;
    if (todo->kind == SIM_TODO_REPORT) {
        counts->reports++;
    } else {
        *(todo->error ? &counts->answered_error : &counts->answered) += 1;
        hist_add(&world->times->answer_us, (uint64_t)(now_ns - todo->begun_ns) / 1000);
    }
    sim_publish(out, todo->topic, todo->payload, 0);
    if (todo->restarts && device->leave_ns == SIM_NEVER) {
        device->leave_ns = now_ns + SIM_RESTART_MS * SIM_MS;
        device->away_ms = todo->restart_ms;
    }
}

/* Keeps what falls due first in front; equal times stay in order. */
void sim_do_later(struct sim_device *device, const struct sim_world *world, struct sim_todo *todo,
                  int64_t now_ns, struct buf *out)
{
    if (todo->at_ns <= now_ns || device->todo_count == SIM_TODO_MAX) {
        say(device, world, todo, now_ns, out);
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

void sim_do_due(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                struct buf *out)
{
    while (device->todo && now_ns >= device->todo->at_ns) {
        struct sim_todo *todo = device->todo;
        device->todo = todo->next;
        device->todo_count--;
        hist_add(&world->times->late_us, (uint64_t)(now_ns - todo->at_ns) / 1000);
        say(device, world, todo, now_ns, out);
        free(todo);
    }
}

void sim_do_not(struct sim_device *device, int32_t reaction)
{
    for (struct sim_todo **link = &device->todo; *link;) {
        struct sim_todo *todo = *link;
        if (todo->reaction != reaction) {
            link = &todo->next;
            continue;
        }
        *link = todo->next;
        device->todo_count--;
        free(todo);
    }
}

void sim_forget_todo(struct sim_device *device)
{
    for (struct sim_todo *todo = device->todo; todo;) {
        struct sim_todo *next = todo->next;
        free(todo);
        todo = next;
    }
    device->todo = NULL;
    device->todo_count = 0;
}

/* ---- coming and going ---- */

static bool sends_messages(const struct sim_telemetry *telemetry)
{
    return telemetry->every.kind != SIM_FIXED || telemetry->every.a_ms > 0;
}

void sim_begin(struct sim_device *device, const struct sim_world *world, int64_t now_ns)
{
    const struct sim_group *group = device->group;
    if (sends_messages(&group->telemetry)) {
        /* Not all devices at once: the first message comes somewhere in the first interval. */
        struct sim_chance chance = sim_chance(device, world, "first message", device->messages);
        uint32_t interval_ms = sim_delay_ms(&group->telemetry.every, &chance);
        chance.what++;
        device->telemetry_ns =
            now_ns + (int64_t)sim_below(&chance, interval_ms + UINT64_C(1)) * SIM_MS;
    }
    if (device->flaps) {
        struct sim_delay up = {.kind = SIM_EXPONENTIAL, .a_ms = group->up_ms};
        struct sim_delay down = {.kind = SIM_EXPONENTIAL, .a_ms = group->down_ms};
        struct sim_chance chance = sim_chance(device, world, "up", device->departures);
        device->leave_ns = now_ns + sim_delay_ms(&up, &chance) * SIM_MS;
        chance = sim_chance(device, world, "down", device->departures);
        device->away_ms = sim_delay_ms(&down, &chance);
    }
}

/* ---- methods ---- */

static const struct sim_answer *answer_of(const struct sim_group *group, struct str method)
{
    for (uint32_t i = 0; i < group->method_count; i++)
        if (str_eq(group->methods[i].name, method))
            return &group->methods[i].answer;
    return &group->answer;
}

static void put_usual_answer(struct buf *out, const struct sim_facts *facts, bool error)
{
    buf_put_char(out, '{');
    if (error)
        json_put_member_str(out, "error", STR("simulated failure"));
    json_put_member_str(out, "method", facts->method);
    json_put_member_i64(out, "call", (int64_t)facts->count);
    buf_put_char(out, '}');
}

static void put_answer(struct buf *out, const struct sim_answer *answer,
                       const struct sim_facts *facts, bool error)
{
    yyjson_val *shape = error ? answer->fail_payload : answer->payload;
    if (shape)
        sim_shape_put(out, shape, facts, hash_stable(STR("payload")));
    else
        put_usual_answer(out, facts, error);
}

static int32_t fail_status(const struct sim_device *device, const struct sim_world *world,
                           const struct sim_answer *answer, uint64_t occasion)
{
    struct sim_chance chance = sim_chance(device, world, "status", occasion);
    return answer->fail_statuses[sim_below(&chance, answer->fail_status_count)];
}

void sim_take_call(struct sim_device *device, const struct sim_world *world,
                   const struct topic *call, struct str payload, int64_t now_ns, struct buf *out)
{
    const struct sim_answer *answer = answer_of(device->group, call->name);
    uint64_t occasion = device->calls++;
    struct sim_chance chance = sim_chance(device, world, "call", occasion);
    uint64_t fate = sim_below(&chance, SIM_SHARE_MAX);
    world->counts->calls++;
    if (fate < answer->silent_share) {
        world->counts->ignored++;
        return;
    }
    bool error = fate < answer->silent_share + answer->fail_share;
    struct sim_facts facts = sim_facts(device, world, occasion, now_ns);
    struct buf topic = {0}, text = {0};
    facts.method = call->name;
    facts.payload = payload;
    topic_put_method_response(
        &topic, error ? fail_status(device, world, answer, occasion) : answer->status, call->rid);
    put_answer(&text, answer, &facts, error);
    struct sim_todo *todo = sim_todo_make(buf_str(&topic), buf_str(&text));
    chance = sim_chance(device, world, "answer", occasion);
    todo->kind = SIM_TODO_ANSWER;
    todo->error = error;
    todo->begun_ns = now_ns;
    todo->at_ns = now_ns + sim_delay_ms(&answer->delay, &chance) * SIM_MS;
    chance = sim_chance(device, world, "restart", occasion);
    todo->restarts = answer->restarts && !error;
    todo->restart_ms = sim_delay_ms(&answer->restart, &chance);
    sim_do_later(device, world, todo, now_ns, out);
    buf_done(&topic);
    buf_done(&text);
}

/* ---- messages ---- */

/* The members of `properties`, drawn, as they go into a topic: texts as they are, else as JSON. */
static void put_bag(struct buf *out, const struct sim_telemetry *telemetry,
                    const struct sim_facts *facts)
{
    struct bag_pair pairs[BAG_PAIRS_MAX] = {
        {STR("$.ct"), STR("application/json"), true},
        {STR("$.ce"), STR("utf-8"), true},
    };
    size_t count = 2, i, n;
    struct arena mem = {0};
    struct buf text = {0};
    yyjson_val *root = NULL, *name, *value;
    struct json_limits limits = {.size_max = BAG_SIZE_MAX, .depth_max = SIM_JSON_DEPTH_MAX};
    if (telemetry->properties) {
        sim_shape_put(&text, telemetry->properties, facts, hash_stable(STR("properties")));
        if (json_read(buf_str(&text), &limits, &mem, &root, NULL) != ERR_OK)
            root = NULL;
    }
    yyjson_obj_foreach(root, i, n, name, value)
    {
        struct buf plain = {0};
        if (count == BAG_PAIRS_MAX)
            break;
        if (!yyjson_is_str(value))
            json_put_value(&plain, value);
        struct str shown = yyjson_is_str(value) ? json_str(value) : str_copy(&mem, buf_str(&plain));
        pairs[count++] = (struct bag_pair){json_str(name), shown, true};
        buf_done(&plain);
    }
    bag_put(out, pairs, count);
    buf_done(&text);
    arena_done(&mem);
}

/* Like the readings of something real: around a value of its own, never twice the same. */
static void put_usual_body(struct buf *out, const struct sim_facts *facts)
{
    uint64_t base = sim_draw(facts->seed, facts->number, "temperature", 0, 300);
    uint64_t noise = sim_draw(facts->seed, facts->number, "noise", facts->occasion, 20);
    buf_printf(out, "{\"temperature\":%" PRIu64 ".%" PRIu64 ",\"count\":%" PRIu64 "}",
               20 + (base + noise) / 10, (base + noise) % 10, facts->count);
}

static void plan_next_message(struct sim_device *device, const struct sim_world *world,
                              int64_t now_ns)
{
    struct sim_chance chance = sim_chance(device, world, "message", device->messages);
    int64_t interval_ns = sim_delay_ms(&device->group->telemetry.every, &chance) * SIM_MS;
    if (interval_ns == 0)
        interval_ns = SIM_MS; /* a draw of nothing must not keep the others waiting */
    device->telemetry_ns += interval_ns;
    if (device->telemetry_ns < now_ns)
        device->telemetry_ns = now_ns + interval_ns;
}

void sim_send_message(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                      struct buf *out)
{
    const struct sim_telemetry *telemetry = &device->group->telemetry;
    struct sim_facts facts = sim_facts(device, world, device->messages, now_ns);
    struct topic_owner owner = sim_owner(device);
    struct buf topic = {0}, bag = {0}, payload = {0};
    hist_add(&world->times->late_us, (uint64_t)(now_ns - device->telemetry_ns) / 1000);
    plan_next_message(device, world, now_ns);
    device->messages++;
    put_bag(&bag, telemetry, &facts);
    topic_put_telemetry(&topic, &owner, buf_str(&bag));
    if (topic.len > MQTT_TEXT_MAX) { /* more properties than any hub takes: the body goes alone */
        buf_reset(&topic);
        topic_put_telemetry(&topic, &owner, STR(""));
    }
    if (telemetry->body)
        sim_shape_put(&payload, telemetry->body, &facts, hash_stable(STR("body")));
    else
        put_usual_body(&payload, &facts);
    uint16_t packet_id = sim_next_packet_id(device);
    sim_publish(out, buf_str(&topic), buf_str(&payload), packet_id);
    if (device->timed_id == 0) {
        device->timed_id = packet_id;
        device->timed_ns = now_ns;
    }
    device->unacknowledged++;
    world->counts->messages++;
    buf_done(&topic);
    buf_done(&bag);
    buf_done(&payload);
}
