#include "job/targets.h"
#include "base/log.h"
#include "base/map.h"
#include "hub/walk.h"
#include "job/records.h"
#include "model/fault.h"
#include "query/query.h"
#include <stdio.h>

enum { TOGETHER = 256 /* ids looked up at a time */ };

/* ---- of a condition ---- */

static bool take_target(void *arg, const struct twin_view *twin)
{
    roaring_bitmap_add(arg, twin->identity->number);
    return true;
}

static enum err of_condition(struct read_context *context, struct str condition,
                             roaring_bitmap_t *out, struct arena *mem, struct why *why)
{
    struct query *query;
    enum err err = query_compile(condition, QUERY_CONDITION, mem, &query, why);
    if (err != ERR_OK)
        return err;
    return twin_walk(context,
                     &(struct twin_walk){.query = query,
                                         .one_state = true,
                                         .numbers_only = true,
                                         .visit = take_target,
                                         .arg = out},
                     why);
}

/* ---- of a list ---- */

static enum err look_up(struct store_reader *reader, const struct str *ids, size_t count,
                        struct str module_id, roaring_bitmap_t *out, uint32_t *missing,
                        struct why *why)
{
    uint32_t numbers[TOGETHER];
    enum err err = store_numbers(reader, ids, count, module_id, numbers, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        if (numbers[i])
            roaring_bitmap_add(out, numbers[i]);
        else
            ++*missing;
    }
    return err;
}

static enum err of_list(struct store_reader *reader, struct str list, struct str module_id,
                        roaring_bitmap_t *out, uint32_t *missing, struct arena *mem,
                        struct why *why)
{
    const struct json_limits limits = {.size_max = JOB_REQUEST_MAX, .depth_max = 2};
    yyjson_val *root, *id;
    struct str ids[TOGETHER];
    size_t index, max, count = 0;
    enum err err = json_read(list, &limits, mem, &root, why);
    yyjson_arr_foreach(root, index, max, id)
    {
        if (err != ERR_OK)
            break;
        ids[count++] = json_str(id);
        if (count == TOGETHER || index + 1 == max) {
            err = look_up(reader, ids, count, module_id, out, missing, why);
            count = 0;
        }
    }
    return err;
}

/* ---- of an earlier job ---- */

static bool add_number(void *arg, const struct entity *entity)
{
    roaring_bitmap_add(arg, entity->id.number);
    return true;
}

/* Who was deleted since is missing, as an id of a list would be. */
static enum err drop_deleted(struct store_reader *reader, roaring_bitmap_t *targets,
                             uint32_t *missing, struct why *why)
{
    roaring_bitmap_t *there = roaring_bitmap_create();
    uint64_t before = roaring_bitmap_get_cardinality(targets);
    struct store_scan all = {.bare = true};
    enum err err = store_scan(reader, &all, add_number, there, why);
    all.modules = true;
    if (err == ERR_OK)
        err = store_scan(reader, &all, add_number, there, why);
    roaring_bitmap_and_inplace(targets, there);
    *missing = (uint32_t)(before - roaring_bitmap_get_cardinality(targets));
    roaring_bitmap_free(there);
    return err;
}

static enum err of_failed(struct store_reader *reader, const char *id, roaring_bitmap_t *out,
                          uint32_t *missing, struct arena *mem, struct why *why)
{
    struct job *earlier;
    enum err err = store_find_job(reader, str_from(id), 0, mem, &earlier, why);
    if (err != ERR_OK)
        return err;
    if (!earlier)
        return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why,
                         "the job '%s', whose failed devices are the targets, is gone", id);
    err = records_failed(reader, earlier, out, why);
    return err == ERR_OK ? drop_deleted(reader, out, missing, why) : err;
}

enum err targets_find(struct read_context *context, const struct job *job,
                      const struct job_policy *policy, struct str list, roaring_bitmap_t **out,
                      uint32_t *missing, struct why *why)
{
    struct arena mem = {0};
    enum err err = ERR_OK;
    *out = roaring_bitmap_create();
    *missing = 0;
    switch (policy->targets) {
    case TARGETS_CONDITION:
        err = of_condition(context, job->condition, *out, &mem, why);
        break;
    case TARGETS_LIST:
        if (!list.ptr)
            err = store_job_list(context->store, job->number, &mem, &list, why);
        if (err == ERR_OK)
            err = of_list(context->store, list, str_from(policy->module_id), *out, missing, &mem,
                          why);
        break;
    case TARGETS_FAILED_OF:
        err = of_failed(context->store, policy->failed_of, *out, missing, &mem, why);
        break;
    }
    if (*missing > 0)
        log_info("a list of targets names devices that are not there", LOG_STR("job", job->id),
                 LOG_INT("missing", *missing));
    arena_done(&mem);
    return err;
}

/* ---- guard and sample ---- */

/* All targets of a job are of one kind, so the first one tells which. */
enum err targets_fleet(struct store_reader *reader, const roaring_bitmap_t *targets, uint64_t *out,
                       struct why *why)
{
    struct arena mem = {0};
    struct store_counters counters;
    struct store_name first = {0};
    enum err err = store_read_counters(reader, &counters, why);
    if (err == ERR_OK && !roaring_bitmap_is_empty(targets)) {
        first.number = roaring_bitmap_minimum(targets);
        err = store_names(reader, &first, 1, &mem, why);
    }
    *out = first.module_id.len > 0 ? counters.modules
                                   : (uint64_t)counters.devices_enabled + counters.devices_disabled;
    arena_done(&mem);
    return err;
}

enum err targets_guard(struct store_reader *reader, const struct job_policy *policy,
                       const roaring_bitmap_t *targets, struct why *why)
{
    uint64_t found = roaring_bitmap_get_cardinality(targets), fleet = 0;
    if (policy->guard_devices > 0 && found > policy->guard_devices)
        return err_fault(ERR_LIMIT, FAULT_ARGUMENT_INVALID, why,
                         "guard: the job is for %llu devices, the policy allows %u",
                         (unsigned long long)found, policy->guard_devices);
    if (policy->guard_percent <= 0)
        return ERR_OK;
    enum err err = targets_fleet(reader, targets, &fleet, why);
    if (err != ERR_OK)
        return err;
    if ((double)found * 100 > policy->guard_percent * (double)fleet)
        return err_fault(ERR_LIMIT, FAULT_ARGUMENT_INVALID, why,
                         "guard: the job is for %llu of %llu devices, the policy allows %.4g %%",
                         (unsigned long long)found, (unsigned long long)fleet,
                         policy->guard_percent);
    return ERR_OK;
}

struct ticket {
    uint64_t drawn;
    uint32_t number;
};

static int by_ticket(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    if (x->drawn != y->drawn)
        return x->drawn < y->drawn ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void targets_sample(const struct job_policy *policy, struct str job_id, roaring_bitmap_t *targets)
{
    size_t found = (size_t)roaring_bitmap_get_cardinality(targets);
    size_t wanted = policy->sample_devices;
    if (policy->sample_percent > 0)
        wanted = (size_t)((double)found * policy->sample_percent / 100 + 0.999999);
    if (wanted == 0 || wanted >= found)
        return;
    struct ticket *tickets = xcalloc(found, sizeof(*tickets));
    size_t count = 0;
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(targets, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
        char text[JOB_ID_MAX + 16];
        int length = snprintf(text, sizeof(text), "%.*s/%u", STR_ARG(job_id), it.current_value);
        tickets[count++] =
            (struct ticket){hash_stable(str_of(text, (size_t)length)), it.current_value};
    }
    qsort(tickets, count, sizeof(*tickets), by_ticket);
    roaring_bitmap_clear(targets);
    for (size_t i = 0; i < wanted; i++)
        roaring_bitmap_add(targets, tickets[i].number);
    free(tickets);
}
