#include "hub/message_routes.h"
#include "hub/outbox.h"
#include "hub/router.h"
#include "sim.h"
#include <string.h>

/* What the hub tells of itself. The event log behind the outbox is ours here, without threads: it stands in for
 * store/eventlog.c when the program is linked. It writes some rows now and then, is late to say so, and refuses the
 * rest of a list now and then; what it has written outlives the power. The oracle reads it row by row. */

struct eventlog {
    struct sim *sim;
    struct {
        struct eventlog_append *first; /* linked by mail.next */
        unsigned written;              /* so many of them are on disk, and nobody was told */
    } partitions[EVENTLOG_PARTITIONS];
};

enum { WRITES_AT_ONCE = 12 };

/* ---- the log ---- */

unsigned eventlog_partition(struct str device_id)
{
    return (unsigned)(hash_stable(device_id) % EVENTLOG_PARTITIONS);
}

void eventlog_append(struct eventlog *log, struct eventlog_append *append)
{
    append->mail.next = NULL;
    eventlog_append_all(log, append);
}

void eventlog_append_all(struct eventlog *log, struct eventlog_append *first)
{
    unsigned partition = eventlog_partition(first->event.device_id);
    if (log->partitions[partition].first)
        broken(log->sim, "a batch ends before the next one goes", "partition %u", partition);
    log->partitions[partition].first = first;
}

static struct eventlog_append *next_of(const struct eventlog_append *append)
{
    return (struct eventlog_append *)append->mail.next;
}

/* The first `count` of a partition, and all that are left when it is UINT_MAX. */
static void end_some(struct eventlog *log, unsigned partition, unsigned count, enum err result)
{
    while (count-- > 0 && log->partitions[partition].first) {
        struct eventlog_append *append = log->partitions[partition].first;
        log->partitions[partition].first = next_of(append);
        append->done(append, result);
    }
}

static void write_some(struct eventlog *log, unsigned partition, unsigned count)
{
    struct eventlog_append *append = log->partitions[partition].first;
    for (unsigned i = 0; i < log->partitions[partition].written; i++)
        append = next_of(append);
    for (; append && count > 0; append = next_of(append), count--) {
        if (!append->wanted || append->wanted(append))
            oracle_told(log->sim, &append->event);
        log->partitions[partition].written++;
    }
}

void eventlog_play(struct sim *sim)
{
    struct eventlog *log = sim->eventlog;
    for (unsigned i = 0; sim->tells && i < EVENTLOG_PARTITIONS; i++) {
        if (!log->partitions[i].first)
            continue;
        if (chance(sim, 60))
            write_some(log, i, 1 + (unsigned)draw(sim, WRITES_AT_ONCE));
        if (chance(sim, 70)) {
            unsigned written = log->partitions[i].written;
            log->partitions[i].written = 0;
            end_some(log, i, written, ERR_OK);
            if (log->partitions[i].first && chance(sim, 4)) {
                say(sim, "the event log refuses");
                end_some(log, i, UINT_MAX, ERR_OUTSIDE);
            }
        }
    }
}

/* What is on its way is lost, but for what is on disk. */
void eventlog_lose_power(struct sim *sim)
{
    for (unsigned i = 0; sim->eventlog && i < EVENTLOG_PARTITIONS; i++) {
        end_some(sim->eventlog, i, UINT_MAX, ERR_BUSY);
        sim->eventlog->partitions[i].written = 0;
    }
}

void eventlog_begin(struct sim *sim)
{
    static const enum event_source sources[] = {SOURCE_TWIN_CHANGES, SOURCE_LIFECYCLE, SOURCE_JOBS};
    static const char *const names[] = {"twins", "lives", "jobs"};
    for (size_t i = 0; sim->tells && i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct route_change *route = sim_order(sim, route_change, .told = NULL);
        route_change_init(route);
        route->route = (struct message_route){str_from(names[i]), sources[i], STR("true"), true};
        world_submit(sim, &route->task);
    }
    world_turn(sim);
}

enum err eventlog_come_up(struct sim *sim, struct hub_config *config, struct why *why)
{
    if (!sim->tells)
        return ERR_OK;
    if (!sim->eventlog)
        sim->eventlog = xcalloc(1, sizeof(*sim->eventlog));
    sim->eventlog->sim = sim;
    config->eventlog = sim->eventlog;
    enum err err = router_create(NULL, &sim->router, why);
    config->router = sim->router;
    config->host = "hub.test";
    return err;
}

void eventlog_go_down(struct sim *sim)
{
    router_destroy(sim->router);
    sim->router = NULL;
}

/* ---- what is told ---- */

/* It is told again after a crash, byte for byte. */
static bool is_new(struct sim *sim, const struct event *event)
{
    uint64_t hash = hash_stable(event->properties) * 31 + hash_stable(event->body);
    for (size_t i = 0; i < sim->told_count; i++)
        if (sim->told[i] == hash)
            return false;
    if (sim->told_count == SIM_TOLD_MAX)
        broken(sim, "the story keeps within its events", "%d", SIM_TOLD_MAX);
    sim->told[sim->told_count++] = hash;
    return true;
}

static int device_of(const struct sim *sim, struct str id)
{
    for (int i = 0; i < sim->device_count; i++)
        if (str_eq(id, str_from(sim->devices[i].id)))
            return i;
    return -1;
}

static bool has(struct sim *sim, struct str section, struct str name)
{
    return yyjson_obj_getn(world_json(&sim->look, section), name.ptr, name.len) != NULL;
}

static void tell_mark(struct sim *sim, int device, struct str name, const struct entity *now)
{
    struct sim_device *of = &sim->devices[device];
    uint64_t n;
    if (str_starts(name, STR("j")) && str_to_u64(str_skip(name, 1), SIM_JOBS_MAX - 1, &n))
        of->told_jobs |= UINT64_C(1) << n;
    if (!str_starts(name, STR("w")) || !str_to_u64(str_skip(name, 1), SIM_WRITES_MAX - 1, &n))
        return;
    struct write *write = &sim->writes[n];
    write->told = true;
    if (write->refused)
        broken(sim, "what was refused is not told", "w%llu", (unsigned long long)n);
    if (write->device != device)
        broken(sim, "an event tells of its own device", "w%llu", (unsigned long long)n);
    bool there = now && (has(sim, now->tags.values, name) || has(sim, now->desired.values, name) ||
                         has(sim, now->reported.values, name));
    if (!there && of->deletions == write->deletions)
        broken(sim, "only what was committed is told", "w%llu", (unsigned long long)n);
}

static void tell_marks(struct sim *sim, int device, yyjson_val *section, const struct entity *now)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(section, i, max, key, value) tell_mark(sim, device, json_str(key), now);
}

/* Of a module: that it is written by name is enough. */
static void tell_module(struct sim *sim, const struct event *event, yyjson_val *body)
{
    yyjson_val *properties = yyjson_obj_get(body, "properties");
    for (size_t n = 0; n < sim->module_write_count; n++) {
        struct module_write *write = &sim->module_writes[n];
        char name[24];
        snprintf(name, sizeof(name), "m%zu", n);
        if (!yyjson_obj_get(yyjson_obj_get(body, "tags"), name) &&
            !yyjson_obj_get(yyjson_obj_get(properties, "desired"), name) &&
            !yyjson_obj_get(yyjson_obj_get(properties, "reported"), name))
            continue;
        write->told = true;
        if (write->refused)
            broken(sim, "what was refused is not told", "%s", name);
        if (!str_eq(event->module_id, str_from(sim->modules[write->module].id)))
            broken(sim, "an event tells of its own module", "%s", name);
    }
}

static void tell_twin(struct sim *sim, int device, yyjson_val *body, bool fresh)
{
    struct sim_device *of = &sim->devices[device];
    struct store_want want = {
        .device_id = str_from(of->id), .module_id = STR(""), .parts = PART_TWIN};
    struct why why = {0};
    if (store_find(sim->eye, &want, 1, &sim->look, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    yyjson_val *properties = yyjson_obj_get(body, "properties"),
               *reported = yyjson_obj_get(properties, "reported");
    tell_marks(sim, device, yyjson_obj_get(body, "tags"), want.found);
    tell_marks(sim, device, yyjson_obj_get(properties, "desired"), want.found);
    tell_marks(sim, device, reported, want.found);
    if (!fresh)
        return;
    int64_t version = yyjson_get_sint(yyjson_obj_get(body, "version"));
    int64_t report = yyjson_get_sint(yyjson_obj_get(reported, "$version"));
    if (!of->told_alive)
        broken(sim, "a device is told of before its twin is, and not after its end", "%s", of->id);
    if (version < of->told_version || (reported && report <= of->told_report))
        broken(sim, "changes of a device are told in their order", "%s: %lld after %lld", of->id,
               (long long)version, (long long)of->told_version);
    of->told_version = version;
    of->told_report = reported ? report : of->told_report;
}

static void tell_life(struct sim *sim, int device, bool made)
{
    struct sim_device *of = &sim->devices[device];
    if (made == of->told_alive)
        broken(sim, "making and deleting a device are told in turn", "%s", of->id);
    if (!made && !of->deletions)
        broken(sim, "only what was committed is told", "%s was never deleted", of->id);
    of->told_alive = made;
    of->told_version = of->told_report = 0;
}

static void tell_job(struct sim *sim, yyjson_val *body)
{
    int64_t sequence = yyjson_get_sint(yyjson_obj_get(body, "sequence"));
    if (sequence != sim->told_job_events + 1)
        broken(sim, "no event of a job is left out", "%lld after %lld", (long long)sequence,
               (long long)sim->told_job_events);
    sim->told_job_events = sequence;
}

void oracle_told(struct sim *sim, const struct event *event)
{
    lossy_vfs_hold(true);
    yyjson_val *properties = world_json(&sim->look, event->properties);
    yyjson_val *body = world_json(&sim->look, event->body);
    struct str source = json_member_str(properties, "iothub-message-source");
    struct str op = json_member_str(properties, "opType");
    bool fresh = is_new(sim, event);
    int device = device_of(sim, event->device_id);
    say(sim, "told%s: %.*s %.*s", fresh ? "" : " again", STR_ARG(event->device_id), STR_ARG(op));
    if (!body || !properties)
        broken(sim, "an event is JSON", "%.*s", STR_ARG(op));
    if (str_eq(source, str_from(event_source_stamp(SOURCE_JOBS)))) {
        if (fresh)
            tell_job(sim, body);
    } else if (device < 0) {
        broken(sim, "an event tells of its own device", "%.*s", STR_ARG(event->device_id));
    } else if (event->module_id.len > 0) {
        if (str_eq(source, str_from(event_source_stamp(SOURCE_TWIN_CHANGES))))
            tell_module(sim, event, body);
    } else if (str_eq(source, str_from(event_source_stamp(SOURCE_TWIN_CHANGES)))) {
        tell_twin(sim, device, body, fresh);
    } else if (fresh) {
        tell_life(sim, device, str_eq(op, STR("createDeviceIdentity")));
    }
    lossy_vfs_hold(false);
}

/* ---- at rest ---- */

bool eventlog_dry(const struct sim *sim)
{
    const struct outbox *outbox = sim->hub->outbox;
    return !sim->tells ||
           (outbox_waiting(sim->hub) == 0 && !outbox->busy && outbox->cleared == outbox->sent);
}

static bool take_row(void *arg, const struct outbox_row *row)
{
    ++*(size_t *)arg;
    return true;
}

static bool take_job_event(void *arg, const struct job_event *event)
{
    *(int64_t *)arg = (int64_t)event->sequence;
    return true;
}

static void check_marks(struct sim *sim, const struct entity *twin)
{
    const struct sim_device *device = &sim->devices[device_of(sim, twin->id.device_id)];
    const struct str sections[] = {twin->tags.values, twin->desired.values, twin->reported.values};
    for (int i = 0; i < 3; i++) {
        size_t at, max;
        yyjson_val *key, *value;
        yyjson_obj_foreach(world_json(&sim->look, sections[i]), at, max, key, value)
        {
            uint64_t n;
            struct str name = json_str(key);
            bool job = str_starts(name, STR("j")), write = str_starts(name, STR("w"));
            if ((!job && !write) || !str_to_u64(str_skip(name, 1), SIM_WRITES_MAX - 1, &n))
                continue;
            if (job ? !(device->told_jobs >> n & 1) : !sim->writes[n].told)
                broken(sim, "every committed change is told", "%s, %.*s", device->id,
                       STR_ARG(name));
        }
    }
}

/* Everything that was committed has been told, and nothing waits any more. */
void eventlog_end(struct sim *sim)
{
    struct why why = {0};
    size_t rows = 0, count;
    int64_t events = 0;
    if (!sim->tells)
        return;
    if (!eventlog_dry(sim))
        broken(sim, "the outbox runs dry", "%llu rows wait",
               (unsigned long long)outbox_waiting(sim->hub));
    lossy_vfs_hold(true);
    const struct store_want *twins = all_twins(sim, &count);
    if (store_outbox(sim->eye, 0, take_row, &rows, &why) != ERR_OK ||
        store_job_events(sim->eye, 0, 0, take_job_event, &events, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    if (rows)
        broken(sim, "a row goes when the log has it", "%zu are there", rows);
    if (events > sim->told_job_events)
        broken(sim, "every committed change is told", "events of jobs from %lld to %lld",
               (long long)sim->told_job_events, (long long)events);
    for (uint32_t n = 1; n < count; n++)
        if (twins[n].found)
            check_marks(sim, twins[n].found);
    for (size_t i = 0; i < sim->write_count; i++)
        if (sim->writes[i].fate == DONE && !sim->writes[i].told)
            broken(sim, "every committed change is told", "w%zu", i);
    for (size_t i = 0; i < sim->module_write_count; i++)
        if (sim->module_writes[i].fate == DONE && !sim->module_writes[i].told)
            broken(sim, "every committed change is told", "m%zu", i);
    for (int i = 0; i < sim->device_count; i++)
        if (sim->devices[i].told_alive != (sim->devices[i].number != 0))
            broken(sim, "every committed change is told", "%s is told to be %s", sim->devices[i].id,
                   sim->devices[i].told_alive ? "there" : "gone");
    lossy_vfs_hold(false);
    arena_reset(&sim->look);
}
