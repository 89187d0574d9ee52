#include "hub/methods.h"
#include "model/fault.h"
#include <assert.h>
#include <inttypes.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* ---- the request ---- */

static enum err read_seconds(yyjson_val *root, const char *name, int least, int most, int usual,
                             int *out, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, name);
    *out = usual;
    if (!value || yyjson_is_null(value))
        return ERR_OK;
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < least || yyjson_get_sint(value) > most)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "%s must be a whole number from %d to %d", name, least, most);
    *out = (int)yyjson_get_sint(value);
    return ERR_OK;
}

/* The name becomes part of a topic, so what would end or change a topic is refused, control
 * characters and wildcards included. */
static bool name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c <= ' ' || c > '~' || strchr("/#+?\"\\", c))
            return false;
    }
    return name.len >= 1 && name.len <= METHOD_NAME_MAX;
}

enum err method_request_read(yyjson_val *root, struct arena *mem, struct method_request *out,
                             struct why *why)
{
    if (!yyjson_is_obj(root))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a direct method is an object with methodName and payload");
    struct str name = json_member_str(root, "methodName");
    yyjson_val *given = yyjson_obj_get(root, "methodName");
    if (!given || yyjson_is_null(given))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why, "methodName is missing");
    if (!name_valid(name))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "methodName must be 1 to %d printable ASCII characters without blank, "
                         "/ # + ? \" and \\",
                         METHOD_NAME_MAX);
    struct method_request request = {.name = str_copy(mem, name)};
    enum err err =
        read_seconds(root, "responseTimeoutInSeconds", METHOD_RESPONSE_S_MIN, METHOD_RESPONSE_S_MAX,
                     METHOD_RESPONSE_S_DEFAULT, &request.response_s, why);
    if (err == ERR_OK)
        err = read_seconds(root, "connectTimeoutInSeconds", 0, METHOD_CONNECT_S_MAX, 0,
                           &request.connect_s, why);
    if (err != ERR_OK)
        return err;

    struct buf text = {0};
    yyjson_val *payload = yyjson_obj_get(root, "payload");
    if (payload)
        json_put_value(&text, payload);
    else
        buf_put(&text, STR("null"));
    if (text.len > METHOD_PAYLOAD_MAX)
        err = err_fault(ERR_LIMIT, FAULT_MESSAGE_TOO_LARGE, why,
                        "payload has %zu bytes; %d are allowed", text.len, METHOD_PAYLOAD_MAX);
    else
        request.payload = str_copy(mem, buf_str(&text));
    buf_done(&text);
    if (err == ERR_OK)
        *out = request;
    return err;
}

/* ---- call numbers ---- */

struct reserve {
    struct hub_task task;
    uint64_t limit;
};

static enum err reserve_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    turn_reserve_calls(turn);
    return ERR_OK;
}

static enum task_next reserve_act(struct hub_task *task, struct hub *hub)
{
    hub->call_limit = hub->counters.next_call;
    return TASK_REPLY;
}

static void reserve_reply(struct hub_task *task)
{
    task->hub->reserving = false;
    arena_done(&task->mem);
    free(task);
}

static const struct hub_task_ops reserve_ops = {
    .name = "calls.reserve", .decide = reserve_decide, .act = reserve_act};

uint64_t call_number(struct hub *hub)
{
    if (hub->call_limit - hub->next_call < STORE_CALL_BLOCK / 2 && !hub->reserving) {
        struct hub_task *task = xcalloc(1, sizeof(*task));
        task->ops = &reserve_ops;
        task->reply = reserve_reply;
        hub->reserving = true;
        engine_task(hub, task);
    }
    return hub->next_call < hub->call_limit ? hub->next_call++ : 0;
}

/* ---- calls under way ---- */

static struct hub_call *from_deadline(struct hub_timer *timer)
{
    return (struct hub_call *)((char *)timer - offsetof(struct hub_call, deadline));
}

/* Take a call off the books. The device it went to has room for another. */
static void call_off(struct hub *hub, struct hub_call *call)
{
    hub_timer_stop(hub, &call->deadline);
    map_remove(&hub->calls, call->id);
    struct attachment *at = attached(hub, call->number);
    if (at && at->generation == call->generation && at->calls_in_flight > 0)
        at->calls_in_flight--;
}

static void call_end(struct hub *hub, struct hub_call *call, enum call_end end, int32_t status,
                     struct str payload)
{
    uint32_t number = call->number;
    call_off(hub, call);
    call->done(call, hub, end, status, payload);
    if (attached_ready(hub, number))
        methods_device_ready(hub, number);
}

static void call_late(struct hub_timer *timer, struct hub *hub)
{
    struct hub_call *call = from_deadline(timer);
    struct attachment *at = attached(hub, call->number);
    bool same = at && at->generation == call->generation;
    atomic_fetch_add(&hub->stats.calls_timed_out, 1);
    call_end(hub, call, same ? CALL_TIMED_OUT : CALL_CONNECTION_LOST, 0, STR_NONE);
}

bool call_send(struct hub *hub, struct hub_call *call, const struct method_request *request)
{
    struct attachment *at = attached(hub, call->number);
    assert(at != NULL);
    assert(call->id != 0);
    call->generation = at->generation;
    call->deadline = (struct hub_timer){.fire = call_late};
    map_put(&hub->calls, call->id, call);
    hub_timer_mono(hub, &call->deadline, hub_mono_ns(hub) + request->response_s * NS_PER_S);
    at->calls_in_flight++;
    if (at->ops->call(at, call->id, request->name, request->payload)) {
        atomic_fetch_add(&hub->stats.calls_sent, 1);
        return true;
    }
    call_off(hub, call);
    attach_close(hub, call->number, CLOSE_TOO_SLOW);
    return false;
}

void call_abandon(struct hub *hub, struct hub_call *call)
{
    if (map_get(&hub->calls, call->id) == call)
        call_off(hub, call);
}

/* ---- an operator's call ---- */

static void invoke_load(struct hub_task *task, struct hub_turn *turn)
{
    struct method_invoke *invoke = (struct method_invoke *)task;
    turn_want(turn, invoke->device_id, invoke->module_id, PART_IDENTITY);
    turn_want(turn, invoke->device_id, STR(""), PART_IDENTITY);
}

static enum err invoke_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct method_invoke *invoke = (struct method_invoke *)task;
    struct entity *entity = turn_device(turn, invoke->device_id, invoke->module_id);
    struct entity *device = turn_device(turn, invoke->device_id, STR(""));
    if (!entity || !device)
        return err_fault(ERR_NOT_FOUND, device ? FAULT_MODULE_NOT_FOUND : FAULT_DEVICE_NOT_FOUND,
                         why, "NotFound");
    if (device->id.status == IDENTITY_DISABLED)
        return err_fault(ERR_DENIED, FAULT_DEVICE_DISABLED, why, "Device disabled");
    invoke->call.number = entity->id.number;
    return ERR_OK;
}

static void refuse(struct method_invoke *invoke, enum err err, uint32_t fault, const char *text)
{
    err_fault(err, fault, &invoke->task.why, "%s", text);
    hub_reply(&invoke->task, err);
}

static void refuse_deleted(struct method_invoke *invoke)
{
    bool is_module = invoke->module_id.len > 0;
    refuse(invoke, ERR_NOT_FOUND, is_module ? FAULT_MODULE_NOT_FOUND : FAULT_DEVICE_NOT_FOUND,
           "NotFound");
}

static void invoke_done(struct hub_call *call, struct hub *hub, enum call_end end, int32_t status,
                        struct str payload)
{
    struct method_invoke *invoke =
        (struct method_invoke *)((char *)call - offsetof(struct method_invoke, call));
    switch (end) {
    case CALL_ANSWERED:
        invoke->status = status;
        invoke->payload = str_copy(&invoke->task.mem, payload);
        hub_reply(&invoke->task, ERR_OK);
        break;
    case CALL_BAD_ANSWER:
        refuse(invoke, ERR_OUTSIDE, FAULT_BAD_GATEWAY,
               "The device answered with something that is not JSON or too large.");
        break;
    case CALL_TIMED_OUT:
        refuse(invoke, ERR_OUTSIDE, FAULT_GATEWAY_TIMEOUT,
               "Timed out waiting for the response from device.");
        break;
    case CALL_CONNECTION_LOST:
        refuse(invoke, ERR_NOT_FOUND, FAULT_CONNECTION_CLOSED_REMOTELY,
               "The connection of the device was lost while the call was under way.");
        break;
    case CALL_DELETED:
        refuse_deleted(invoke);
        break;
    }
}

static void invoke_send(struct hub *hub, struct method_invoke *invoke)
{
    invoke->call.done = invoke_done;
    invoke->call.id = call_number(hub);
    if (invoke->call.id == 0)
        refuse(invoke, ERR_BUSY, FAULT_SERVER_BUSY, "Call numbers are being reserved, try again.");
    else if (!call_send(hub, &invoke->call, &invoke->request))
        refuse(invoke, ERR_NOT_FOUND, FAULT_CONNECTION_CLOSED_REMOTELY,
               "The device does not take its messages; its connection was closed.");
}

static void stop_waiting(struct hub *hub, struct method_invoke *invoke)
{
    uint32_t number = invoke->call.number;
    struct method_invoke *first = map_get(&hub->methods_waiting, number);
    struct method_invoke **link = &first;
    while (*link && *link != invoke)
        link = &(*link)->next_waiting;
    if (*link)
        *link = invoke->next_waiting;
    if (first)
        map_put(&hub->methods_waiting, number, first);
    else
        map_remove(&hub->methods_waiting, number);
    hub_timer_stop(hub, &invoke->connect);
}

static void connect_late(struct hub_timer *timer, struct hub *hub)
{
    struct method_invoke *invoke =
        (struct method_invoke *)((char *)timer - offsetof(struct method_invoke, connect));
    stop_waiting(hub, invoke);
    refuse(invoke, ERR_NOT_FOUND, FAULT_DEVICE_NOT_ONLINE,
           "Timed out waiting for device to connect.");
}

static void refuse_full(struct method_invoke *invoke)
{
    refuse(invoke, ERR_DENIED, FAULT_MAX_INFLIGHT_METHODS,
           "Too many direct methods are in flight for this device.");
}

static void wait_for_device(struct hub *hub, struct method_invoke *invoke, int64_t wait_ns)
{
    struct method_invoke *first = map_get(&hub->methods_waiting, invoke->call.number);
    struct method_invoke **last = &first;
    size_t count = 0;
    for (; *last; count++)
        last = &(*last)->next_waiting;
    if (count >= METHOD_WAITING_MAX) {
        refuse_full(invoke);
        return;
    }
    *last = invoke;
    invoke->next_waiting = NULL;
    map_put(&hub->methods_waiting, invoke->call.number, first);
    invoke->connect = (struct hub_timer){.fire = connect_late};
    hub_timer_mono(hub, &invoke->connect, hub_mono_ns(hub) + wait_ns);
}

static enum task_next invoke_act(struct hub_task *task, struct hub *hub)
{
    struct method_invoke *invoke = (struct method_invoke *)task;
    struct attachment *at = attached(hub, invoke->call.number);
    if (attached_ready(hub, invoke->call.number)) {
        invoke_send(hub, invoke);
    } else if (at && at->methods_ready) {
        refuse_full(invoke);
    } else {
        int64_t wait_ns = invoke->request.connect_s * NS_PER_S;
        /* A restored session is online; it gets its moment to subscribe again. */
        if (at && (at->subscriptions & SUB_METHODS) &&
            wait_ns < ATTACH_RESTORED_GRACE_MS * NS_PER_MS)
            wait_ns = ATTACH_RESTORED_GRACE_MS * NS_PER_MS;
        if (wait_ns == 0)
            refuse(invoke, ERR_NOT_FOUND, FAULT_DEVICE_NOT_ONLINE, "Device not online.");
        else
            wait_for_device(hub, invoke, wait_ns);
    }
    return TASK_HOLD;
}

static const struct hub_task_ops invoke_ops = {
    .name = "method.invoke", .load = invoke_load, .decide = invoke_decide, .act = invoke_act};

void method_invoke_init(struct method_invoke *task)
{
    task->task.ops = &invoke_ops;
}

/* ---- the device's side ---- */

static enum task_next answer_act(struct hub_task *task, struct hub *hub)
{
    struct method_answer *answer = (struct method_answer *)task;
    presence_touch(hub->presence, answer->number, hub_now_ticks(hub));
    struct hub_call *call = map_get(&hub->calls, answer->call);
    if (!call || call->number != answer->number)
        return TASK_REPLY; /* late, or not its own */
    atomic_fetch_add(&hub->stats.calls_answered, 1);
    call_end(hub, call, answer->bad ? CALL_BAD_ANSWER : CALL_ANSWERED, answer->status,
             answer->payload);
    return TASK_REPLY;
}

static const struct hub_task_ops answer_ops = {.name = "method.answer", .act = answer_act};

void method_answer_init(struct method_answer *task)
{
    task->task.ops = &answer_ops;
}

void methods_device_ready(struct hub *hub, uint32_t number)
{
    struct method_invoke *invoke;
    while (attached_ready(hub, number) && (invoke = map_get(&hub->methods_waiting, number))) {
        stop_waiting(hub, invoke);
        invoke_send(hub, invoke);
    }
    if (hub->engine && attached_ready(hub, number))
        hub->engine->ops->device_ready(hub->engine, hub, number);
}

void methods_device_deleted(struct hub *hub, uint32_t number)
{
    struct method_invoke *invoke;
    while ((invoke = map_get(&hub->methods_waiting, number))) {
        stop_waiting(hub, invoke);
        refuse_deleted(invoke);
    }
    /* Calls in flight are found by walking: deletions are rare, calls are few. */
    size_t at = 0;
    uint64_t id;
    void *found;
    while (map_next(&hub->calls, &at, &id, &found)) {
        struct hub_call *call = found;
        if (call->number == number)
            call_end(hub, call, CALL_DELETED, 0, STR_NONE);
    }
}

void methods_stop(struct hub *hub)
{
    static const char text[] = "The hub is stopping.";
    size_t at = 0;
    uint64_t key;
    void *found;
    while (map_next(&hub->methods_waiting, &at, &key, &found)) {
        for (struct method_invoke *invoke = found, *next; invoke; invoke = next) {
            next = invoke->next_waiting;
            stop_waiting(hub, invoke);
            refuse(invoke, ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, text);
        }
    }
    at = 0;
    while (map_next(&hub->calls, &at, &key, &found)) {
        struct hub_call *call = found;
        if (call->done != invoke_done)
            continue; /* a job's: its record says that it was sent, the next start finds it */
        call_off(hub, call);
        refuse((struct method_invoke *)((char *)call - offsetof(struct method_invoke, call)),
               ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, text);
    }
}
