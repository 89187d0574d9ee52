#include "hub/uploads.h"
#include "hub/hub.h"
#include "hub/notices.h"
#include "model/blob_name.h"
#include "model/fault.h"
#include <assert.h>

struct live_upload {
    struct heap_node due; /* first */
    struct upload upload; /* its name is ours */
};

struct live_uploads { /* of a device that has any */
    struct live_upload *items[UPLOADS_OPEN_MAX];
    size_t count;
};

struct hub_uploads {
    struct map devices; /* number -> struct live_uploads */
    struct heap due;    /* struct live_upload by its end, hub clock */
    struct hub_timer timer;
    size_t count;
};

struct upload_turn { /* the share of a turn */
    struct upload_change *changes;
    size_t count, cap;
};

/* ---- what is open, as committed ---- */

static void fire(struct hub_timer *timer, struct hub *hub);

static void arm(struct hub *hub)
{
    const struct heap_node *first = heap_first(&hub->uploads->due);
    if (first)
        hub_timer_hub(hub, &hub->uploads->timer, first->at);
    else
        hub_timer_stop(hub, &hub->uploads->timer);
}

static void add(struct hub *hub, const struct upload *upload)
{
    struct hub_uploads *u = hub->uploads;
    struct live_uploads *device = map_get(&u->devices, upload->number);
    if (!device) {
        device = xcalloc(1, sizeof(*device));
        map_put(&u->devices, upload->number, device);
    }
    if (device->count == UPLOADS_OPEN_MAX)
        return; /* a file of ours has no such rows */
    struct live_upload *live = xcalloc(1, sizeof(*live));
    char *name = xmalloc(upload->name.len + 1);
    memcpy(name, upload->name.ptr, upload->name.len);
    live->upload = *upload;
    live->upload.name = str_of(name, upload->name.len);
    device->items[device->count++] = live;
    heap_add(&u->due, &live->due, upload->expires_ticks);
    atomic_store(&hub->stats.uploads_open, ++u->count);
}

/* `upload` may be that of the live one itself, which is freed here. */
static void drop(struct hub *hub, const struct upload *upload)
{
    struct hub_uploads *u = hub->uploads;
    uint32_t number = upload->number;
    struct live_uploads *device = map_get(&u->devices, number);
    for (size_t i = 0; device && i < device->count; i++) {
        struct live_upload *live = device->items[i];
        if (memcmp(live->upload.id, upload->id, UPLOAD_ID_SIZE) != 0)
            continue;
        device->items[i] = device->items[--device->count];
        heap_remove(&u->due, &live->due);
        free((char *)(uintptr_t)live->upload.name.ptr);
        free(live);
        atomic_store(&hub->stats.uploads_open, --u->count);
        break;
    }
    if (device && device->count == 0) {
        map_remove(&u->devices, number);
        free(device);
    }
}

static bool load(void *arg, const struct upload *upload)
{
    add(arg, upload);
    return true;
}

enum err uploads_create(struct hub *hub, struct why *why)
{
    hub->uploads = xcalloc(1, sizeof(*hub->uploads));
    hub->uploads->timer.fire = fire;
    enum err err = store_uploads(store_main(hub->store), load, hub, why);
    if (err == ERR_OK)
        arm(hub);
    return err;
}

void uploads_destroy(struct hub *hub)
{
    struct hub_uploads *u = hub->uploads;
    struct heap_node *node;
    if (!u)
        return;
    hub_timer_stop(hub, &u->timer);
    while ((node = heap_first(&u->due)))
        drop(hub, &((struct live_upload *)node)->upload);
    heap_done(&u->due);
    map_done(&u->devices);
    free(u);
    hub->uploads = NULL;
}

/* ---- in a turn ---- */

static void put(struct hub_turn *turn, bool remove, const struct upload *upload)
{
    if (!turn->uploads)
        turn->uploads = arena_new(&turn->mem, struct upload_turn);
    struct upload_turn *u = turn->uploads;
    if (u->count == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 16, size = sizeof(*u->changes);
        u->changes = arena_resize(&turn->mem, u->changes, u->cap * size, cap * size);
        u->cap = cap;
    }
    u->changes[u->count++] = (struct upload_change){.remove = remove, .upload = *upload};
    u->changes[u->count - 1].upload.name = str_copy(&turn->mem, upload->name);
    turn_note_change(turn);
}

/* What this turn has done with an upload: 1 begun, -1 ended, 0 nothing. */
static int in_turn(const struct hub_turn *turn, const uint8_t *id)
{
    int state = 0;
    for (size_t i = 0; turn->uploads && i < turn->uploads->count; i++)
        if (memcmp(turn->uploads->changes[i].upload.id, id, UPLOAD_ID_SIZE) == 0)
            state = turn->uploads->changes[i].remove ? -1 : 1;
    return state;
}

static size_t open_count(const struct hub_turn *turn, uint32_t number, size_t *in_hub)
{
    const struct live_uploads *device = map_get(&turn->hub->uploads->devices, number);
    size_t count = device ? device->count : 0;
    *in_hub = turn->hub->uploads->count;
    for (size_t i = 0; turn->uploads && i < turn->uploads->count; i++) {
        const struct upload_change *change = &turn->uploads->changes[i];
        size_t one = change->remove ? (size_t)-1 : 1;
        *in_hub += one;
        if (change->upload.number == number)
            count += one;
    }
    return count;
}

static const struct upload *find(const struct hub_turn *turn, uint32_t number, const uint8_t *id)
{
    const struct live_uploads *device = map_get(&turn->hub->uploads->devices, number);
    if (in_turn(turn, id) < 0)
        return NULL;
    for (size_t i = 0; device && i < device->count; i++)
        if (memcmp(device->items[i]->upload.id, id, UPLOAD_ID_SIZE) == 0)
            return &device->items[i]->upload;
    return NULL;
}

void uploads_forget(struct hub_turn *turn, uint32_t number)
{
    const struct live_uploads *device = map_get(&turn->hub->uploads->devices, number);
    for (size_t i = 0; device && i < device->count; i++)
        if (in_turn(turn, device->items[i]->upload.id) == 0)
            put(turn, true, &device->items[i]->upload);
    size_t begun = turn->uploads ? turn->uploads->count : 0;
    for (size_t i = 0; i < begun; i++) {
        struct upload upload = turn->uploads->changes[i].upload;
        if (upload.number == number && in_turn(turn, upload.id) > 0)
            put(turn, true, &upload);
    }
}

void uploads_put_rows(const struct hub_turn *turn, struct store_commit *changes)
{
    if (!turn->uploads)
        return;
    changes->uploads = turn->uploads->changes;
    changes->upload_count = turn->uploads->count;
}

void uploads_committed(struct hub_turn *turn)
{
    for (size_t i = 0; turn->uploads && i < turn->uploads->count; i++) {
        const struct upload_change *change = &turn->uploads->changes[i];
        if (change->remove)
            drop(turn->hub, &change->upload);
        else
            add(turn->hub, &change->upload);
    }
    if (turn->uploads)
        arm(turn->hub);
}

/* ---- begin ---- */

static void begin_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(((struct upload_begin *)task)->caller, turn);
}

static enum err begin_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct upload_begin *begin = (struct upload_begin *)task;
    size_t in_hub;
    enum err err = caller_check(begin->caller, turn, NULL, why);
    if (err != ERR_OK)
        return err;
    if (open_count(turn, begin->caller->number, &in_hub) >= UPLOADS_OPEN_MAX)
        return err_fault(ERR_LIMIT, FAULT_ACTIVE_UPLOADS, why,
                         "%d uploads of this device are open: end one with a notification",
                         UPLOADS_OPEN_MAX);
    if (in_hub >= UPLOADS_MAX)
        return err_fault(ERR_LIMIT, FAULT_QUOTA_EXCEEDED, why,
                         "%d uploads are open in this hub, which is the limit", UPLOADS_MAX);
    begin->upload = (struct upload){
        .number = begin->caller->number,
        .name = begin->name,
        .expires_ticks = turn->now_ticks + UPLOAD_LIFE_S * TICKS_PER_SECOND,
    };
    upload_id_make(begin->upload.expires_ticks / TICKS_PER_SECOND, turn->hub->config.random,
                   begin->upload.id);
    put(turn, false, &begin->upload);
    return ERR_OK;
}

static enum task_next begin_act(struct hub_task *task, struct hub *hub)
{
    presence_touch(hub->presence, ((struct upload_begin *)task)->caller->number,
                   hub_now_ticks(hub));
    atomic_fetch_add(&hub->stats.uploads_begun, 1);
    return TASK_REPLY;
}

static const struct hub_task_ops begin_ops = {
    .name = "upload.begin", .load = begin_load, .decide = begin_decide, .act = begin_act};

void upload_begin_init(struct upload_begin *task)
{
    task->task.ops = &begin_ops;
}

/* ---- close ---- */

static struct str notice_text(const struct upload_close *close, const struct identity *id,
                              struct hub_turn *turn)
{
    char time[TIME_TEXT_MAX];
    size_t length = time_print(close->modified_ticks, time);
    struct buf out = {0};
    buf_put(&out, STR("{"));
    json_put_member_str(&out, "deviceId", id->device_id);
    json_put_member_str(&out, "blobUri", close->uri);
    json_put_member_str(
        &out, "blobName",
        str_format(&turn->mem, "%.*s/%.*s", STR_ARG(id->device_id), STR_ARG(close->name)));
    json_put_member_str(&out, "lastUpdatedTime",
                        str_format(&turn->mem, "%.*s+00:00", (int)length - 1, time));
    json_put_member_i64(&out, "blobSizeInBytes", close->size);
    json_put_member_time(&out, "enqueuedTimeUtc", turn->now_ticks);
    buf_put(&out, STR("}"));
    struct str text = str_copy(&turn->mem, buf_str(&out));
    buf_done(&out);
    return text;
}

static void close_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(((struct upload_close *)task)->caller, turn);
}

static enum err close_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct upload_close *close = (struct upload_close *)task;
    const struct identity *identity;
    enum err err = caller_check(close->caller, turn, &identity, why);
    if (err != ERR_OK)
        return err;
    const struct upload *upload = find(turn, close->caller->number, close->id);
    int64_t now_s = turn->now_ticks / TICKS_PER_SECOND, end_s = upload_id_expires_s(close->id);
    if (upload && upload->expires_ticks <= turn->now_ticks)
        upload = NULL; /* not yet swept */
    if (!upload && end_s <= now_s && end_s > now_s - UPLOADS_REMEMBERED_S)
        return err_fault(ERR_BAD_INPUT, FAULT_EXPIRED_CORRELATION_ID, why,
                         "this upload has expired: begin a new one");
    if (!upload)
        return err_fault(ERR_BAD_INPUT, FAULT_INVALID_CORRELATION_ID, why,
                         "no upload of this device has this correlation id");
    close->name = str_copy(&task->mem, upload->name);
    if (close->success && !close->known)
        return ERR_OK;
    put(turn, true, upload);
    if (close->success && !turn->hub->config.no_file_notices)
        notice_put(turn, NOTICE_FILE, notice_text(close, identity, turn));
    return ERR_OK;
}

static enum task_next close_act(struct hub_task *task, struct hub *hub)
{
    const struct upload_close *close = (struct upload_close *)task;
    presence_touch(hub->presence, close->caller->number, hub_now_ticks(hub));
    if (close->success && close->known)
        atomic_fetch_add(&hub->stats.uploads_done, 1);
    else if (!close->success)
        atomic_fetch_add(&hub->stats.uploads_failed, 1);
    return TASK_REPLY;
}

static const struct hub_task_ops close_ops = {
    .name = "upload.close", .load = close_load, .decide = close_decide, .act = close_act};

void upload_close_init(struct upload_close *task)
{
    task->task.ops = &close_ops;
}

/* ---- what expires ---- */

struct sweep {
    struct hub_task task;
    struct upload uploads[UPLOAD_SWEEP_MAX]; /* without names */
    size_t count, removed;
};

static enum err sweep_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct sweep *sweep = (struct sweep *)task;
    sweep->removed = 0;
    for (size_t i = 0; i < sweep->count; i++) {
        if (!find(turn, sweep->uploads[i].number, sweep->uploads[i].id))
            continue; /* it went with its device */
        put(turn, true, &sweep->uploads[i]);
        sweep->removed++;
    }
    return ERR_OK;
}

static enum task_next sweep_act(struct hub_task *task, struct hub *hub)
{
    atomic_fetch_add(&hub->stats.uploads_expired, ((struct sweep *)task)->removed);
    return TASK_REPLY;
}

static void sweep_reply(struct hub_task *task)
{
    struct hub *hub = task->hub;
    if (task->result != ERR_OK && hub->uploads)
        hub_timer_hub(hub, &hub->uploads->timer, hub_now_ticks(hub) + HUB_RETRY_MS * TICKS_PER_MS);
    else if (hub->uploads)
        arm(hub);
    arena_done(&task->mem);
    free(task);
}

static const struct hub_task_ops sweep_ops = {
    .name = "upload.sweep", .decide = sweep_decide, .act = sweep_act};

static void fire(struct hub_timer *timer, struct hub *hub)
{
    struct hub_uploads *u = hub->uploads;
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    int64_t now_ticks = hub_now_ticks(hub);
    struct heap_node *node;
    while (sweep->count < UPLOAD_SWEEP_MAX && (node = heap_first(&u->due)) &&
           node->at <= now_ticks) {
        struct upload *upload = &sweep->uploads[sweep->count++];
        *upload = ((struct live_upload *)node)->upload; /* its first member */
        upload->name = STR("");
        heap_remove(&u->due, node);
    }
    for (size_t i = 0; i < sweep->count; i++) { /* they are due until they are gone */
        struct live_uploads *device = map_get(&u->devices, sweep->uploads[i].number);
        for (size_t k = 0; device && k < device->count; k++)
            if (!heap_has(&device->items[k]->due))
                heap_add(&u->due, &device->items[k]->due, device->items[k]->upload.expires_ticks);
    }
    sweep->task.ops = &sweep_ops;
    sweep->task.reply = sweep_reply;
    engine_task(hub, &sweep->task);
}
