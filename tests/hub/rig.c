#include "rig.h"
#include "../base/folder.h"
#include "../store/lossy_vfs.h"
#include "base/log.h"
#include "hub/message_routes.h"
#include "hub/outbox.h"
#include "hub/router.h"
#include <inttypes.h>

/* ---- the folder and the hub ---- */

static void ok(const char *what, enum err err, const struct why *why)
{
    if (err != ERR_OK)
        fail_msg("%s: %s: %s", what, err_name(err), why->text);
}

static void open_store(struct rig *rig)
{
    struct why why = {0};
    struct store_options options = {.dir = rig->dir, .clock = clock_system(), .vfs = "lossy"};
    ok("store_open", store_open(&options, &rig->store, &why), &why);
}

enum { FILL_AT_ONCE = 1000 };

static void fill(struct rig *rig, uint32_t devices)
{
    struct store_counters counters;
    struct why why = {0};
    ok("counters", store_read_counters(store_main(rig->store), &counters, &why), &why);
    struct arena mem = {0};
    for (uint32_t made = 0; made < devices;) {
        struct entity *entities = arena_array(&mem, struct entity, FILL_AT_ONCE);
        struct entity **order = arena_array(&mem, struct entity *, FILL_AT_ONCE);
        size_t count = 0;
        while (count < FILL_AT_ONCE && made < devices) {
            made++;
            entities[count] = (struct entity){.id = {.number = counters.next_number++,
                                                     .device_id = str_format(&mem, "d%u", made),
                                                     .module_id = STR(""),
                                                     .created_ticks = RIG_EPOCH - TICKS_PER_SECOND,
                                                     .etag = 1,
                                                     .status_ticks = TIME_UNSET,
                                                     .auth = AUTH_NONE},
                                              .dirty = PART_IDENTITY,
                                              .created = true};
            order[count] = &entities[count];
            count++;
        }
        counters.devices_enabled += (uint32_t)count;
        struct store_commit commit = {
            .entities = order, .entity_count = count, .counters = &counters};
        ok("store_commit", store_commit(rig->store, &commit, &why), &why);
        arena_reset(&mem);
    }
    arena_done(&mem);
}

static void set_up(struct rig *rig)
{
    log_setup(LOG_ERROR + 1, LOG_TEXT);
    lossy_vfs_register("lossy");
    *rig = (struct rig){0};
    clock_fake_init(&rig->clock, RIG_EPOCH);
    random_fake_init(&rig->random, 1);
    rig->tasks = xcalloc(RIG_TASKS_MAX, sizeof(struct hub_task *));
}

void rig_open_store(struct rig *rig, uint32_t devices)
{
    static const char form[] = "/tmp/muster-hub-XXXXXX";
    set_up(rig);
    memcpy(rig->dir, form, sizeof(form));
    assert_non_null(mkdtemp(rig->dir));
    lossy_vfs_arm(&(struct lossy_plan){0});
    open_store(rig);
    fill(rig, devices);
}

void rig_open_at(struct rig *rig, const char *dir)
{
    set_up(rig);
    rig->keep_dir = true;
    snprintf(rig->dir, sizeof(rig->dir), "%s", dir);
    rig_reopen(rig);
}

void rig_open_telling(struct rig *rig, const char *dir)
{
    set_up(rig);
    rig->keep_dir = rig->tells = true;
    snprintf(rig->dir, sizeof(rig->dir), "%s", dir);
    rig_reopen(rig);
}

static void start_telling(struct rig *rig)
{
    struct why why = {0};
    struct eventlog_options log = {.dir = rig->dir, .clock = &rig->clock.clock, .vfs = "lossy"};
    ok("eventlog_open", eventlog_open(&log, &rig->eventlog, &why), &why);
    ok("router_create", router_create(rig->store, &rig->router, &why), &why);
}

void rig_tell(struct rig *rig)
{
    struct outbox *outbox = rig->hub->outbox;
    rig_run(rig);
    while (outbox_waiting(rig->hub) > 0 || outbox->cleared != outbox->sent) {
        if (!outbox->busy) { /* a batch that failed is tried again after a pause */
            rig_pass_ms(rig, HUB_RETRY_MS);
            continue;
        }
        hub_take_in(rig->hub, mailbox_wait(&rig->hub->inbox, INT64_C(1000000000)));
        rig_run(rig);
    }
}

void rig_ask(struct rig *rig, const char *name, enum event_source source, const char *condition)
{
    struct route_change *task = rig_task(rig, route_change);
    route_change_init(task);
    task->route = (struct message_route){str_from(name), source, str_from(condition), true};
    assert_int_equal(rig_result(rig, &task->task), 0);
}

void rig_start(struct rig *rig)
{
    struct why why = {0};
    if (rig->tells)
        start_telling(rig);
    struct hub_config config = {.store = rig->store,
                                .clock = &rig->clock.clock,
                                .random = &rig->random.random,
                                .messages = rig->messages,
                                .no_file_notices = rig->no_file_notices,
                                .eventlog = rig->eventlog,
                                .router = rig->router,
                                .host = "myhub.hub.test"};
    ok("hub_create", hub_create(&config, &rig->hub, &why), &why);
    ok("readers_create",
       readers_create(&(struct readers_config){.hub = rig->hub, .inline_only = true}, &rig->readers,
                      &why),
       &why);
}

void rig_open(struct rig *rig, uint32_t devices)
{
    rig_open_store(rig, devices);
    rig_start(rig);
}

void rig_stop(struct rig *rig)
{
    readers_destroy(rig->readers);
    eventlog_close(rig->eventlog);
    hub_destroy(rig->hub);
    router_destroy(rig->router);
    store_close(rig->store);
    rig->eventlog = NULL;
    rig->router = NULL;
    rig->readers = NULL;
    rig->hub = NULL;
    rig->store = NULL;
}

void rig_reopen(struct rig *rig)
{
    open_store(rig);
    rig_start(rig);
}

void rig_close(struct rig *rig)
{
    if (!rig->keep_dir) /* who brought the folder has plans of his own for its disk */
        lossy_vfs_arm(&(struct lossy_plan){0});
    rig_stop(rig);
    for (size_t i = 0; i < rig->task_count; i++) {
        arena_done(&rig->tasks[i]->mem);
        free(rig->tasks[i]);
    }
    free(rig->tasks);
    buf_done(&rig->log);
    arena_done(&rig->mem);
    if (!rig->keep_dir)
        folder_remove(rig->dir);
}

/* ---- time ---- */

void rig_turn(struct rig *rig)
{
    (void)hub_run(rig->hub);
}

void rig_run(struct rig *rig)
{
    for (int i = 0; i < RIG_TURNS_MAX; i++) {
        if (hub_run(rig->hub) > 0) { /* threads of the event log may have posted meanwhile */
            struct mail *came = mailbox_take(&rig->hub->inbox);
            if (!came)
                return;
            hub_take_in(rig->hub, came);
        }
    }
    fail_msg("the hub does not come to rest");
}

void rig_pass_ms(struct rig *rig, int64_t ms)
{
    clock_fake_advance_ms(&rig->clock, ms);
    rig_run(rig);
}

void rig_pass_mono_ms(struct rig *rig, int64_t ms)
{
    rig->clock.mono += ms * 1000000;
    rig_run(rig);
}

void rig_pass_hub_ms(struct rig *rig, int64_t ms)
{
    rig->clock.now_ticks += ms * TICKS_PER_MS;
    rig_run(rig);
}

void rig_disk_full(struct rig *rig, bool full)
{
    lossy_vfs_arm(&(struct lossy_plan){.full_from = full});
}

/* ---- tasks ---- */

static const char is_done[] = "done";

static void mark_done(struct hub_task *task)
{
    if (task->owner == is_done)
        fail_msg("%s was answered twice", task->ops->name);
    task->owner = (void *)(uintptr_t)is_done;
}

void *rig_task_new(struct rig *rig, size_t size)
{
    assert_true(rig->task_count < RIG_TASKS_MAX);
    struct hub_task *task = xcalloc(1, size);
    rig->tasks[rig->task_count++] = task;
    task->reply = mark_done;
    return task;
}

void rig_submit(struct rig *rig, struct hub_task *task)
{
    assert_true(hub_submit(rig->hub, task));
}

bool rig_done(const struct hub_task *task)
{
    return task->owner == is_done;
}

uint32_t rig_fault(const struct hub_task *task)
{
    if (!rig_done(task))
        fail_msg("%s was not answered", task->ops->name);
    return task->result == ERR_OK ? 0 : fault_of(task->result, &task->why);
}

uint32_t rig_result(struct rig *rig, struct hub_task *task)
{
    rig_submit(rig, task);
    rig_run(rig);
    return rig_fault(task);
}

yyjson_val *rig_json(struct arena *mem, const char *text)
{
    struct str copy = str_copy(mem, str_from(text));
    for (char *c = (char *)(uintptr_t)copy.ptr; *c; c++)
        if (*c == '\'')
            *c = '"';
        else if (*c == '`')
            *c = '\'';
    yyjson_val *root;
    struct why why;
    ok(text,
       json_read(copy, &(struct json_limits){.size_max = 1 << 20, .depth_max = 64}, mem, &root,
                 &why),
       &why);
    return root;
}

static struct str text_or_none(struct arena *mem, const char *text)
{
    return text ? str_copy(mem, str_from(text)) : STR_NONE;
}

static void rig_name(struct arena *mem, const char *name, struct str *device, struct str *module)
{
    struct str rest;
    str_cut(str_copy(mem, str_from(name)), '/', device, &rest);
    *module = rest.ptr ? rest : STR("");
}

struct registry_put *put_device(struct rig *rig, const char *id, const char *body,
                                const char *if_match)
{
    struct registry_put *put = rig_task(rig, registry_put);
    registry_put_init(put);
    rig_name(&put->task.mem, id, &put->device_id, &put->module_id);
    put->body = rig_json(&put->task.mem, body);
    put->if_match = text_or_none(&put->task.mem, if_match);
    return put;
}

struct registry_delete *delete_device(struct rig *rig, const char *id, const char *if_match)
{
    struct registry_delete *gone = rig_task(rig, registry_delete);
    registry_delete_init(gone);
    rig_name(&gone->task.mem, id, &gone->device_id, &gone->module_id);
    gone->if_match = text_or_none(&gone->task.mem, if_match);
    return gone;
}

struct twin_change *change_twin(struct rig *rig, const char *id, const char *twin)
{
    struct twin_change *change = rig_task(rig, twin_change);
    struct why why;
    twin_change_init(change);
    rig_name(&change->task.mem, id, &change->device_id, &change->module_id);
    ok(twin, twin_update_read(rig_json(&change->task.mem, twin), false, &change->update, &why),
       &why);
    return change;
}

struct method_invoke *invoke(struct rig *rig, const char *id, const char *request)
{
    struct method_invoke *call = rig_task(rig, method_invoke);
    struct why why;
    method_invoke_init(call);
    rig_name(&call->task.mem, id, &call->device_id, &call->module_id);
    ok(request,
       method_request_read(rig_json(&call->task.mem, request), &call->task.mem, &call->request,
                           &why),
       &why);
    return call;
}

const struct entity *stored(struct rig *rig, const char *id)
{
    struct why why;
    struct store_want want = {.parts = PART_TWIN | PART_SESSION};
    rig_name(&rig->mem, id, &want.device_id, &want.module_id);
    ok(id, store_find(store_main(rig->store), &want, 1, &rig->mem, &why), &why);
    return want.found;
}

/* ---- devices ---- */

static struct device *device_of(struct attachment *at)
{
    return (struct device *)at;
}

static bool take_patch(struct attachment *at, int64_t version, struct str payload)
{
    struct device *device = device_of(at);
    if (device->deaf)
        return false;
    buf_printf(&device->rig->log, "%s patch %" PRId64 " %.*s\n", device->id, version,
               STR_ARG(payload));
    return true;
}

static bool take_call(struct attachment *at, uint64_t call, struct str method, struct str payload)
{
    struct device *device = device_of(at);
    if (device->deaf)
        return false;
    buf_printf(&device->rig->log, "%s call %.*s %.*s\n", device->id, STR_ARG(method),
               STR_ARG(payload));
    device->calls[device->call_count++ % RIG_CALLS_MAX] = call;
    if (device->answer)
        device_answer(device, call, 200, device->answer);
    return true;
}

static bool take_message(struct attachment *at, const struct attached_message *message)
{
    struct device *device = device_of(at);
    if (device->deaf)
        return false;
    buf_printf(&device->rig->log, "%s message %.*s %.*s%s%s\n", device->id,
               STR_ARG(message->properties), STR_ARG(message->body), message->dup ? " again" : "",
               message->qos1 ? "" : " qos 0");
    device->message = message->sequence;
    return true;
}

static void take_close(struct attachment *at, enum close_reason reason)
{
    static const char *const words[] = {
        [CLOSE_REPLACED] = "replaced",         [CLOSE_DELETED] = "deleted",
        [CLOSE_DISABLED] = "disabled",         [CLOSE_TOKEN_EXPIRED] = "token expired",
        [CLOSE_TOO_SLOW] = "does not take it", [CLOSE_STOPPING] = "stopping",
    };
    buf_printf(&device_of(at)->rig->log, "%s close %s\n", device_of(at)->id, words[reason]);
}

static void take_released(struct attachment *at)
{
    struct device *device = device_of(at);
    if (device->released)
        fail_msg("%s was released twice", device->id);
    device->released = true;
}

static const struct attachment_ops device_ops = {.patch = take_patch,
                                                 .call = take_call,
                                                 .message = take_message,
                                                 .close = take_close,
                                                 .released = take_released};

static enum err no_secret(struct attach *attach, const struct identity *identity, struct why *why)
{
    return ERR_OK;
}

struct attach *attach_task(struct device *device, bool clean)
{
    struct attach *attach = rig_task(device->rig, attach);
    attach_init(attach);
    rig_name(&attach->task.mem, device->id, &attach->device_id, &attach->module_id);
    attach->clean = clean;
    attach->model_id = STR_NONE;
    attach->at = &device->at;
    attach->authenticate = no_secret;
    return attach;
}

void device_attach(struct rig *rig, struct device *device, const char *id, bool clean)
{
    *device = (struct device){.rig = rig,
                              .id = id,
                              .at.ops = &device_ops,
                              .answer = device->answer,
                              .qos0 = device->qos0};
    check_int(id, rig_result(rig, &attach_task(device, clean)->task), 0);
    device->generation = device->at.generation;
}

static void subscription(struct device *device, uint8_t filters, bool stored_too, bool remove)
{
    struct subscribe *task = rig_task(device->rig, subscribe);
    subscribe_init(task);
    task->at = &device->at;
    task->generation = device->generation;
    task->filters = filters;
    task->qos1 = device->qos0 ? 0 : filters;
    task->stored = stored_too;
    task->remove = remove;
    check_int(device->id, rig_result(device->rig, &task->task), 0);
}

void device_subscribe(struct device *device, uint8_t filters, bool stored_too)
{
    subscription(device, filters, stored_too, false);
}

void device_unsubscribe(struct device *device, uint8_t filters, bool stored_too)
{
    subscription(device, filters, stored_too, true);
}

void device_answer(struct device *device, uint64_t call, int32_t status, const char *payload)
{
    struct method_answer *answer = rig_task(device->rig, method_answer);
    method_answer_init(answer);
    answer->number = device->at.number;
    answer->call = call;
    answer->status = status;
    answer->payload = str_from(payload);
    hub_post(device->rig->hub, &answer->task);
}

void device_detach(struct device *device)
{
    struct detach *detach = rig_task(device->rig, detach);
    detach_init(detach);
    detach->at = &device->at;
    detach->generation = device->generation;
    hub_post(device->rig->hub, &detach->task);
    rig_run(device->rig);
}

const char *told(struct rig *rig)
{
    buf_put_char(&rig->log, '\0');
    const char *text = str_copy(&rig->mem, buf_str(&rig->log)).ptr;
    buf_reset(&rig->log);
    return text;
}

void check_told(const char *rule, struct rig *rig, const char *want)
{
    check_str(rule, str_from(told(rig)), str_from(want));
}
