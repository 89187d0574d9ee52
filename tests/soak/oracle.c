#include "hub/configurations.h"
#include "sim.h"
#include <string.h>

/* What was promised about twins, devices and calls, and whether it holds. */

/* ---- the store as it is ---- */

struct store_want *all_identities(struct sim *sim, size_t *count)
{
    struct why why = {0};
    struct store_counters counters;
    if (store_read_counters(sim->eye, &counters, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    *count = counters.next_number;
    if (*count > SIM_NUMBERS_MAX)
        broken(sim, "the story keeps within its numbers", "%zu", *count);
    struct store_want *wants = arena_array(&sim->look, struct store_want, *count);
    for (uint32_t n = 1; n < *count; n++)
        wants[n] = (struct store_want){.number = n, .parts = PART_TWIN | PART_SESSION};
    if (*count > 1 && store_find(sim->eye, wants + 1, *count - 1, &sim->look, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    return wants;
}

static void leave_out_modules(struct store_want *wants, size_t count)
{
    for (size_t n = 1; n < count; n++)
        if (wants[n].found && wants[n].found->id.module_id.len > 0)
            wants[n].found = NULL;
}

struct store_want *all_twins(struct sim *sim, size_t *count)
{
    struct store_want *wants = all_identities(sim, count);
    leave_out_modules(wants, *count);
    return wants;
}

/* ---- marks ---- */

struct marks { /* in one section */
    bool writes[SIM_WRITES_MAX], jobs[SIM_JOBS_MAX];
    unsigned count;
};

static void read_marks(struct sim *sim, const struct twin_section *section, struct marks *out)
{
    *out = (struct marks){0};
    yyjson_val *root = world_json(&sim->look, section->values);
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, index, max, key, value)
    {
        uint64_t n;
        struct str name = json_str(key);
        if (str_starts(name, STR("w")) && str_to_u64(str_skip(name, 1), SIM_WRITES_MAX - 1, &n))
            out->writes[n] = true;
        else if (str_starts(name, STR("j")) && str_to_u64(str_skip(name, 1), SIM_JOBS_MAX - 1, &n))
            out->jobs[n] = true;
        else
            continue;
        out->count++;
    }
}

struct twin_marks {
    struct marks tags, desired, reported;
};

static unsigned where_written(const struct twin_marks *marks, size_t write)
{
    return (marks->tags.writes[write] ? MARK_TAGS : 0u) |
           (marks->desired.writes[write] ? MARK_DESIRED : 0u) |
           (marks->reported.writes[write] ? MARK_REPORTED : 0u);
}

/* Each write adds one mark and one to the version of its section, and one to the twin's. */
static void check_versions(struct sim *sim, const struct entity *twin,
                           const struct twin_marks *marks)
{
    uint32_t n = twin->id.number;
    unsigned both = marks->tags.count + marks->desired.count;
    for (size_t i = 0; i < SIM_WRITES_MAX; i++)
        both -= marks->tags.writes[i] && marks->desired.writes[i];
    for (size_t i = 0; i < SIM_JOBS_MAX; i++)
        both -= marks->tags.jobs[i] && marks->desired.jobs[i];
    bool exact = !sim->configures; /* else they write as well */
    int64_t fewest = 1 + (int64_t)marks->desired.count;
    if (exact ? twin->desired.version != fewest : twin->desired.version < fewest)
        broken(sim, "no twin write is applied twice", "number %u: desired %lld with %u writes", n,
               (long long)twin->desired.version, marks->desired.count);
    if (twin->reported.version != 1 + (int64_t)marks->reported.count)
        broken(sim, "no report is applied twice", "number %u: reported %lld with %u writes", n,
               (long long)twin->reported.version, marks->reported.count);
    int64_t version = twin_version(&twin->tags, &twin->desired);
    fewest = TWIN_VERSION_FRESH + (int64_t)both;
    if (exact ? version != fewest : version < fewest)
        broken(sim, "a twin's version counts its writes", "number %u: %lld with %u writes", n,
               (long long)version, both);
}

static void check_job_marks(struct sim *sim, uint32_t n, const struct twin_marks *marks)
{
    for (int i = 0; i < SIM_JOBS_MAX; i++) {
        unsigned where =
            (marks->tags.jobs[i] ? MARK_TAGS : 0u) | (marks->desired.jobs[i] ? MARK_DESIRED : 0u);
        if (where && (i >= sim->job_count || where != sim->jobs[i].where))
            broken(sim, "an update is applied whole", "number %u, mark j%d: %x", n, i, where);
    }
}

static void check_write(struct sim *sim, size_t index, const struct store_want *twins, size_t count,
                        const struct twin_marks *marks, bool recovered)
{
    struct write *write = &sim->writes[index];
    uint32_t found = 0;
    for (uint32_t n = 1; n < count; n++) {
        unsigned where = twins[n].found ? where_written(&marks[n], index) : 0;
        if (!where)
            continue;
        if (where != write->where || found)
            broken(sim, "a write is applied whole, and to one twin", "w%zu at number %u", index, n);
        if (!str_eq(twins[n].found->id.device_id, str_from(sim->devices[write->device].id)))
            broken(sim, "a write reaches its own device", "w%zu at number %u", index, n);
        found = n;
    }
    if (write->fate == UNKNOWN && recovered) {
        write->fate = found ? DONE : REFUSED;
        write->number = found;
    }
    bool lives = write->number && write->number < count && twins[write->number].found;
    if (write->fate == DONE && lives && found != write->number)
        broken(sim, "what was answered is there", "w%zu is not at number %u", index, write->number);
    if (write->fate != DONE && found)
        broken(sim, "what was refused, or not answered yet, is not there", "w%zu at number %u",
               index, found);
}

static void check_twins(struct sim *sim, const struct store_want *twins, size_t count,
                        bool recovered)
{
    struct twin_marks *marks = arena_array(&sim->look, struct twin_marks, count);
    for (uint32_t n = 1; n < count; n++) {
        const struct entity *twin = twins[n].found;
        if (!twin)
            continue;
        read_marks(sim, &twin->tags, &marks[n].tags);
        read_marks(sim, &twin->desired, &marks[n].desired);
        read_marks(sim, &twin->reported, &marks[n].reported);
        check_versions(sim, twin, &marks[n]);
        check_job_marks(sim, n, &marks[n]);
    }
    for (size_t i = 0; i < sim->write_count; i++)
        check_write(sim, i, twins, count, marks, recovered);
}

/* ---- devices ---- */

static void check_devices(struct sim *sim, const struct store_want *twins, size_t count,
                          bool recovered)
{
    for (int i = 0; i < sim->device_count; i++) {
        struct sim_device *device = &sim->devices[i];
        const struct entity *there = NULL;
        for (uint32_t n = 1; n < count; n++)
            if (twins[n].found && str_eq(twins[n].found->id.device_id, str_from(device->id)))
                there = twins[n].found;
        if (recovered && (device->orders || device->doubt)) {
            device->doubt = false;
            device->session_doubt = true;
            device->number = there ? there->id.number : 0;
            device->enabled = there && there->id.status == IDENTITY_ENABLED;
            device->orders = 0;
        }
        if ((there ? there->id.number : 0) != device->number)
            broken(sim, "the registry holds what was answered", "%s has number %u, not %u",
                   device->id, there ? there->id.number : 0, device->number);
        bool doubt = device->session_orders || device->session_doubt;
        if (recovered) {
            device->session_orders = 0;
            device->session_doubt = false;
        }
        if (!there)
            continue;
        if ((there->id.status == IDENTITY_ENABLED) != device->enabled)
            broken(sim, "a status is kept as it was answered", "%s", device->id);
        if (recovered && doubt)
            device->session = there->session.filters;
        if (there->session.filters != device->session)
            broken(sim, "a stored session is kept as it was granted", "%s has %x, not %x",
                   device->id, there->session.filters, device->session);
    }
}

/* Who listens has heard of everything, once the hub is at rest. */
static void check_links(struct sim *sim, const struct store_want *twins, size_t count)
{
    for (struct link *link = sim->links; link; link = link->next) {
        uint32_t n = link->at.number;
        if (link->attached && !link->released && link->hears && link->heard && n < count &&
            twins[n].found && link->heard != twins[n].found->desired.version)
            broken(sim, "who listens hears of every version", "%s heard %lld of %lld",
                   sim->devices[link->device].id, (long long)link->heard,
                   (long long)twins[n].found->desired.version);
    }
}

void oracle_patch(struct sim *sim, struct link *link, int64_t version)
{
    struct why why = {0};
    struct store_want want = {.number = link->at.number, .parts = PART_DESIRED};
    lossy_vfs_hold(true);
    enum err err = store_find(sim->eye, &want, 1, &sim->look, &why);
    lossy_vfs_hold(false);
    if (err != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    if (want.found && want.found->desired.version < version)
        broken(sim, "a version is announced after it was committed", "number %u, %lld of %lld",
               link->at.number, (long long)version, (long long)want.found->desired.version);
    if (link->heard && version != link->heard + 1)
        broken(sim, "versions are announced in their order", "%s heard %lld, then %lld",
               sim->devices[link->device].id, (long long)link->heard, (long long)version);
    if (link->hears)
        link->heard = version;
}

/* ---- looks ---- */

static void look(struct sim *sim, bool recovered)
{
    size_t count;
    lossy_vfs_hold(true);
    struct store_want *twins = all_identities(sim, &count);
    modules_look(sim, twins, count, recovered);
    leave_out_modules(twins, count);
    check_twins(sim, twins, count, recovered);
    check_devices(sim, twins, count, recovered);
    messages_look(sim, twins, count, recovered);
    configurations_look(sim, twins, count, recovered);
    if (!recovered)
        check_links(sim, twins, count);
    if (recovered)
        jobs_recovered(sim);
    jobs_look(sim);
    lossy_vfs_hold(false);
    arena_reset(&sim->look);
}

void oracle_look(struct sim *sim)
{
    look(sim, false);
}

static enum fate after_crash(enum fate fate)
{
    return fate == SENT || fate == DISTURBED ? UNKNOWN : fate;
}

void oracle_recovered(struct sim *sim)
{
    for (size_t i = 0; i < sim->write_count; i++)
        sim->writes[i].fate = after_crash(sim->writes[i].fate);
    for (size_t i = 0; i < sim->message_count; i++) {
        sim->messages[i].fate = after_crash(sim->messages[i].fate);
        sim->messages[i].ack_ns = 0; /* with its connection */
    }
    for (int i = 0; i < sim->job_count; i++)
        sim->jobs[i].created = after_crash(sim->jobs[i].created);
    look(sim, true);
}

void oracle_step(struct sim *sim)
{
    lossy_vfs_hold(true);
    jobs_step(sim);
    configurations_step(sim);
    lossy_vfs_hold(false);
    arena_reset(&sim->look);
}

void oracle_end(struct sim *sim)
{
    if (!configurations_dry(sim))
        broken(sim, "the work of configurations runs dry", "%u are left",
               (unsigned)roaring_bitmap_get_cardinality(sim->hub->configurations->work));
    eventlog_end(sim);
    oracle_look(sim);
    for (int i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].created == DONE && !job_is_done(&sim->jobs[i]))
            broken(sim, "every job comes to its end", "%s is %s", sim->jobs[i].id,
                   job_state_word(sim->jobs[i].state));
}
