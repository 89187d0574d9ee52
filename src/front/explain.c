#include "front/explain.h"
#include "base/json.h"
#include "hub/walk.h"

static const char *const collections[] = {
    [QUERY_DEVICES] = "devices",
    [QUERY_MODULES] = "devices.modules",
    [QUERY_JOBS] = "devices.jobs",
};
static const char *const ways[] = {
    [TWIN_WALK_SCAN] = "scan",
    [TWIN_WALK_IDS] = "ids",
    [TWIN_WALK_INDEX] = "index",
};

static void put_reads(struct buf *out, unsigned needs)
{
    static const struct {
        unsigned bit;
        const char *name;
    } words[] = {
        {QUERY_NEEDS_IDENTITY | QUERY_NEEDS_NAMES, "identity"},
        {QUERY_NEEDS_PRESENCE, "presence"},
        {QUERY_NEEDS_TAGS, "tags"},
        {QUERY_NEEDS_DESIRED, "desired"},
        {QUERY_NEEDS_REPORTED, "reported"},
        {QUERY_NEEDS_METADATA, "metadata"},
    };
    json_put_key(out, "reads");
    buf_put_char(out, '[');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (needs & words[i].bit)
            buf_printf(out, "%s\"%s\"", out->ptr[out->len - 1] == '[' ? "" : ",", words[i].name);
    buf_put_char(out, ']');
}

static void put_walk(struct buf *out, const struct twin_walk *walk)
{
    json_put_member_str(out, "way", str_from(ways[walk->way]));
    if (walk->index[0])
        json_put_member_str(out, walk->way == TWIN_WALK_INDEX ? "index" : "noIndex",
                            str_from(walk->index));
    json_put_member_i64(out, "candidates", (int64_t)walk->read);
    json_put_key(out, "verdicts");
    buf_put_char(out, '{');
    json_put_member_i64(out, "true", (int64_t)walk->matched);
    json_put_member_i64(out, "false", (int64_t)(walk->read - walk->matched - walk->undefined));
    json_put_member_i64(out, "undefined", (int64_t)walk->undefined);
    buf_put_char(out, '}');
    json_put_member_i64(out, "snapshots", walk->snapshots);
}

/* Records have no index: what the condition says of jobs, ids and states is all that is pruned by. */
static void put_records(struct buf *out, const struct query *query)
{
    const struct str *ids;
    size_t count;
    bool jobs = query_job_ids(query, &ids, &count), devices = query_device_ids(query, &ids, &count);
    json_put_member_str(out, "way", jobs ? STR("jobs by id") : STR("all jobs"));
    json_put_member_bool(out, "devicesById", devices);
}

enum err explain(struct read_context *context, const struct query *query, struct buf *out,
                 struct why *why)
{
    struct twin_walk walk = {.query = query, .verdicts_only = true};
    bool twins = query_collection(query) != QUERY_JOBS;
    enum err err = twins ? twin_walk(context, &walk, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    buf_put(out, STR("[{"));
    json_put_member_str(out, "collection", str_from(collections[query_collection(query)]));
    put_reads(out, query_needs_match(query));
    if (twins)
        put_walk(out, &walk);
    else
        put_records(out, query);
    buf_put(out, STR("}]"));
    return ERR_OK;
}
