/* Any text as a query or a condition, on a document that any JSON may fill.
 *
 * Input: a byte of choices, the query up to a NUL, then the values of all three sections. */
#include "query/query.h"
#include "query/seek.h"
#include <stdlib.h>

enum { AS_CONDITION = 1, DEPTH_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static bool is_object(struct str text, struct arena *mem)
{
    const struct json_limits limits = {.size_max = 1 << 20, .depth_max = DEPTH_MAX};
    yyjson_val *root;
    return json_read(text, &limits, mem, &root, NULL) == ERR_OK && yyjson_is_obj(root);
}

static void answer(const struct query *query, const struct query_doc *doc, struct arena *mem)
{
    struct query_scratch *scratch = query_scratch_create();
    struct buf out = {0};
    enum query_verdict verdict = query_match(query, doc, scratch);
    insist(query_match(query, doc, scratch) == verdict);
    if (query_shape(query) == QUERY_SHAPE_ROWS) {
        query_project(query, doc, scratch, &out);
        insist(is_object(buf_str(&out), mem));
    } else if (query_shape(query) == QUERY_SHAPE_GROUPS) {
        struct query_groups *groups = query_groups_create(query);
        insist(query_groups_add(groups, doc, scratch, NULL) == ERR_OK);
        insist(query_groups_add(groups, doc, scratch, NULL) == ERR_OK);
        insist(query_groups_count(groups) == 1);
        query_groups_put(groups, 0, &out);
        insist(is_object(buf_str(&out), mem));
        query_groups_destroy(groups);
    }
    buf_done(&out);
    query_scratch_destroy(scratch);
}

static void check_facts(const struct query *query, const struct query_doc *doc,
                        struct str device_id)
{
    struct query_scratch *scratch = query_scratch_create();
    const struct str *ids;
    size_t count;
    bool found = !query_device_ids(query, &ids, &count);
    for (size_t i = 0; !found && i < count; i++)
        found = str_eq(ids[i], device_id);
    if (doc->record)
        found = found && (query_record_statuses(query) >> doc->record->status & 1) &&
                (query_job_types(query) >> doc->record->type & 1);
    insist(found || query_match(query, doc, scratch) != QUERY_TRUE);
    query_scratch_destroy(scratch);
}

/* The query's text is the name. Without a name twice, what is found is what a parse finds. */
static void check_seek(struct str values, struct str name, struct arena *mem)
{
    const struct json_limits limits = {.size_max = 1 << 20, .depth_max = DEPTH_MAX};
    struct value found, parsed;
    yyjson_val *root;
    enum seek seek = seek_value(values, &name, 1, &found);
    if (seek == SEEK_UNSURE || json_read(values, &limits, mem, &root, NULL) != ERR_OK)
        return;
    parsed = value_of_json(yyjson_obj_getn(root, name.ptr, name.len));
    insist((seek == SEEK_ABSENT) == (parsed.kind == VALUE_UNDEFINED));
    insist(seek == SEEK_ABSENT || value_same(found, parsed));
}

static void judge(const struct query *query, struct str values, struct arena *mem)
{
    static const struct str device_id = STR("dev-01");
    struct identity identity = {.device_id = device_id, .parent_scopes = STR("[\"a\",1]")};
    struct twin_section tags = twin_section_fresh(TWIN_TAGS, 0),
                        desired = twin_section_fresh(TWIN_DESIRED, 0),
                        reported = twin_section_fresh(TWIN_REPORTED, 0);
    tags.values = desired.values = reported.values = values;
    struct twin_view twin = {&identity, PRESENCE_NEVER, &tags, &desired, &reported};
    struct job_record record = {
        .device_id = device_id, .job_id = STR("job-1"), .status = RECORD_FAILED, .outcome = values};
    bool jobs = query_collection(query) == QUERY_JOBS;
    struct query_doc doc = {.twin = jobs ? NULL : &twin, .record = jobs ? &record : NULL};
    answer(query, &doc, mem);
    check_facts(query, &doc, device_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem = {0};
    struct query *query, *again;
    struct why why = {0};
    struct str text, values;
    if (size == 0)
        return 0;
    str_cut(str_of(data + 1, size - 1), '\0', &text, &values);
    check_seek(values, text, &mem);
    enum query_form form = data[0] & AS_CONDITION ? QUERY_CONDITION : QUERY_FULL;
    if (query_compile(text, form, &mem, &query, &why) != ERR_OK) {
        insist(why.at <= text.len && str_is_utf8(str_from(why.text)));
    } else {
        insist(query_compile(text, form, &mem, &again, NULL) == ERR_OK);
        insist(query_hash(query) == query_hash(again));
        judge(query, is_object(values, &mem) ? values : STR("{}"), &mem);
    }
    arena_done(&mem);
    return 0;
}
