/* put_vectors FOLDER VECTORS.json - the data of the query vectors, straight into the store of a hub
 * that is not running: times, versions, modules and records that no operator can bring about over
 * the API. Prints "device key" for each device, for whoever connects them. */
#include "../query/doc.h"
#include "base/clock.h"
#include "hub/presence.h"
#include "model/fault.h"
#include <inttypes.h>
#include <roaring/roaring.h>
#include <stdio.h>

static const char key[] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

static struct arena mem;
static struct why why;
static struct store *store;
static struct store_counters counters;

static void must(enum err err)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", err_name(err), why.text);
    exit(1);
}

static void commit(const struct store_commit *commit)
{
    must(store_commit(store, commit, &why));
}

/* `etag` of twins follows from their version, which is the larger stamp of tags and desired. */
static void put_twin(yyjson_val *json, struct presence_table *presence)
{
    struct test_doc doc;
    read_twin(&mem, json, &doc);
    struct entity e = {.id = doc.identity,
                       .tags = doc.tags,
                       .desired = doc.desired,
                       .reported = doc.reported,
                       .dirty = PART_IDENTITY | PART_TWIN,
                       .created = true};
    e.id.number = counters.next_number++;
    if (e.id.auth == AUTH_SAS)
        e.id.primary_key = e.id.secondary_key = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    e.desired.stamp = TWIN_VERSION_FRESH;
    if (e.id.module_id.len)
        counters.modules++;
    else
        ++*(e.id.status == IDENTITY_ENABLED ? &counters.devices_enabled
                                            : &counters.devices_disabled);
    int64_t active = doc.view.presence.activity_ticks;
    if (active != TIME_UNSET) {
        presence_connect(presence, e.id.number, active);
        presence_disconnect(presence, e.id.number, active);
    }
    commit(&(struct store_commit){
        .entities = (struct entity *[]){&e}, .entity_count = 1, .counters = &counters});
    if (!e.id.module_id.len && e.id.auth == AUTH_SAS)
        printf("%.*s %s\n", STR_ARG(e.id.device_id), key);
}

static void put_twins(yyjson_val *vectors, struct presence_table *presence)
{
    static const char *const members[] = {"twins", "modules"};
    for (size_t m = 0; m < COUNT(members); m++) {
        size_t i, count;
        yyjson_val *item;
        yyjson_arr_foreach(yyjson_obj_get(vectors, members[m]), i, count, item)
        {
            put_twin(item, presence);
        }
    }
    struct presence_page page;
    while (presence_take_page(presence, &mem, &page))
        commit(&(struct store_commit){.pages = &page, .page_count = 1});
}

static uint32_t number_of(struct str device_id)
{
    struct store_want want = {.device_id = device_id, .module_id = STR("")};
    must(store_find(store_main(store), &want, 1, &mem, &why));
    if (!want.found)
        exit(3);
    return want.number;
}

/* The job of a record, with all records of it that the vectors have. */
static void put_job(yyjson_val *records, const struct job_record *first)
{
    struct job job = {.number = counters.next_job++,
                      .id = first->job_id,
                      .type = first->type,
                      .state = first->status == RECORD_CANCELED ? JOB_CANCELLED : JOB_COMPLETED,
                      .condition = STR("*"),
                      .body = first->type == JOB_TYPE_UPDATE_TWIN ? STR("{}")
                                                                  : STR("{\"methodName\":\"m\"}"),
                      .created_ticks = first->created_ticks,
                      .start_ticks = first->start_ticks,
                      .window_s = (first->end_ticks - first->start_ticks) / TICKS_PER_SECOND,
                      .begun_ticks = first->created_ticks,
                      .end_ticks = first->updated_ticks};
    struct job_entry entries[8];
    struct job_outcome outcomes[8];
    size_t entry_count = 0, outcome_count = 0, i, count;
    roaring_bitmap_t *targets = roaring_bitmap_create();
    yyjson_val *item;
    yyjson_arr_foreach(records, i, count, item)
    {
        struct test_doc doc;
        read_record(&mem, item, &doc);
        if (!str_eq(doc.record.job_id, job.id))
            continue;
        struct job_entry *entry = &entries[entry_count++];
        yyjson_val *answer =
            yyjson_obj_get(yyjson_obj_get(item, "outcome"), "deviceMethodResponse");
        *entry = (struct job_entry){.job = job.number,
                                    .number = number_of(doc.record.device_id),
                                    .status = doc.record.status,
                                    .error_text = doc.record.error_text,
                                    .updated_ticks = doc.record.updated_ticks};
        entry->fault = doc.record.error_code.ptr ? FAULT_DEVICE_NOT_ONLINE : 0;
        if (answer) {
            entry->outcome = (uint32_t)++outcome_count;
            outcomes[outcome_count - 1] = (struct job_outcome){
                .job = job.number,
                .id = entry->outcome,
                .status = (int32_t)yyjson_get_int(yyjson_obj_get(answer, "status")),
                .payload = json_text(&mem, yyjson_obj_get(answer, "payload"))};
        }
        roaring_bitmap_add(targets, entry->number);
    }
    size_t size = roaring_bitmap_portable_size_in_bytes(targets);
    char *bytes = arena_alloc(&mem, size);
    roaring_bitmap_portable_serialize(targets, bytes);
    struct job_slice slice = {.job = job.number, .targets = str_of(bytes, size)};
    job.counts.devices = (uint32_t)entry_count;
    commit(&(struct store_commit){.counters = &counters,
                                  .jobs = (const struct job *[]){&job},
                                  .job_count = 1,
                                  .slices = &slice,
                                  .slice_count = 1,
                                  .entries = entries,
                                  .entry_count = entry_count,
                                  .outcomes = outcomes,
                                  .outcome_count = outcome_count});
    roaring_bitmap_free(targets);
}

static void put_jobs(yyjson_val *records)
{
    struct str last = STR_NONE;
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(records, i, count, item)
    {
        struct test_doc doc;
        read_record(&mem, item, &doc);
        if (!last.ptr || !str_eq(doc.record.job_id, last))
            put_job(records, &doc.record);
        last = doc.record.job_id;
    }
}

/* ---- messages that wait ---- */

static void put_messages(yyjson_val *twins)
{
    uint64_t sequence = 1;
    size_t i, count;
    yyjson_val *twin;
    yyjson_arr_foreach(twins, i, count, twin)
    {
        int64_t waiting = yyjson_get_sint(yyjson_obj_get(twin, "cloudToDeviceMessageCount"));
        struct str device_id = str_from(yyjson_get_str(yyjson_obj_get(twin, "deviceId")));
        for (int64_t n = 0; n < waiting; n++) {
            struct message_change change = {.op = ROW_INSERT,
                                            .number = number_of(device_id),
                                            .message = {.sequence = sequence,
                                                        .enqueued_ticks = 0,
                                                        .expires_ticks = INT64_MAX,
                                                        .size = 1,
                                                        .locked_ticks = TIME_UNSET},
                                            .text = {STR("m"), STR(""), STR("x")}};
            commit(&(struct store_commit){
                .messages = &change, .message_count = 1, .next_sequence = ++sequence});
        }
    }
}

/* ---- whom configurations target, and on whom they are applied ---- */

static struct config_slice config_slice(uint32_t configuration, int kind,
                                        const roaring_bitmap_t *numbers)
{
    size_t size = roaring_bitmap_portable_size_in_bytes(numbers);
    char *bytes = arena_alloc(&mem, size);
    roaring_bitmap_portable_serialize(numbers, bytes);
    return (struct config_slice){configuration, kind, 0, str_of(bytes, size)};
}

/* Its condition names nobody, so that the hub leaves the sets as they are. */
static void put_configuration(yyjson_val *twins, struct str id, uint32_t number)
{
    struct configuration made = {
        .number = number,
        .id = id,
        .kind = CONFIGURES_DEVICES,
        .schema_version = STR("1.0"),
        .labels = STR("{}"),
        .content = STR("{\"deviceContent\":{\"properties.desired.made\":{\"by\":1}}}"),
        .metrics = STR("{}"),
        .condition = STR("tags.nobody = 'has it'"),
        .etag = 1};
    roaring_bitmap_t *targeted = roaring_bitmap_create(), *applied = roaring_bitmap_create();
    size_t i, count;
    yyjson_val *twin;
    yyjson_arr_foreach(twins, i, count, twin)
    {
        yyjson_val *shown = yyjson_obj_getn(yyjson_obj_get(twin, "configurations"), id.ptr, id.len);
        if (!shown)
            continue;
        uint32_t device = number_of(str_from(yyjson_get_str(yyjson_obj_get(twin, "deviceId"))));
        roaring_bitmap_add(targeted, device);
        if (strcmp(yyjson_get_str(yyjson_obj_get(shown, "status")), "Applied") == 0)
            roaring_bitmap_add(applied, device);
    }
    const struct config_slice slices[] = {config_slice(number, 1, targeted),
                                          config_slice(number, 2, applied)};
    commit(&(struct store_commit){.configurations = (const struct configuration *[]){&made},
                                  .configuration_count = 1,
                                  .config_slices = slices,
                                  .config_slice_count = COUNT(slices)});
    roaring_bitmap_free(targeted);
    roaring_bitmap_free(applied);
}

static void put_configurations(yyjson_val *twins)
{
    struct str done[8];
    size_t known = 0, i, count, j, members;
    yyjson_val *twin, *name, *shown;
    yyjson_arr_foreach(twins, i, count, twin)
    {
        yyjson_val *all = yyjson_obj_get(twin, "configurations");
        if (!all)
            continue;
        yyjson_obj_foreach(all, j, members, name, shown)
        {
            struct str id = str_of(yyjson_get_str(name), yyjson_get_len(name));
            bool seen = false;
            for (size_t k = 0; k < known; k++)
                seen |= str_eq(done[k], id);
            if (seen)
                continue;
            if (known == COUNT(done))
                exit(4);
            done[known++] = id;
            put_configuration(twins, id, (uint32_t)known);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    yyjson_val *vectors = read_json(&mem, read_file(&mem, argv[2]));
    struct store_options options = {.dir = argv[1], .clock = clock_system()};
    must(store_open(&options, &store, &why));
    must(store_read_counters(store_main(store), &counters, &why));
    struct presence_table *presence = presence_create();
    put_twins(vectors, presence);
    put_jobs(yyjson_obj_get(vectors, "deviceJobs"));
    put_messages(yyjson_obj_get(vectors, "twins"));
    put_configurations(yyjson_obj_get(vectors, "twins"));
    presence_destroy(presence);
    store_close(store);
    arena_done(&mem);
    return 0;
}
