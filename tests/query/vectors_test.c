/* The shared vectors: what each query of tests/data/query-vectors.json answers, judged document by
 * document. Paging and routes are not the evaluator's business. */
#include "doc.h"
#include "model/fault.h"
#include <stdio.h>

enum { DOCS_MAX = 32 };

static struct arena all;
static yyjson_val *vectors;
static struct test_doc docs[3][DOCS_MAX]; /* by enum query_collection */
static size_t doc_count[3];

/* What the hub does not keep yet: they compile and match nothing. */
static const char *const not_kept[] = {
    "q058", /* cloudToDeviceMessageCount */
};

static bool is_kept(const char *id)
{
    for (size_t i = 0; i < COUNT(not_kept); i++)
        if (strcmp(id, not_kept[i]) == 0)
            return false;
    return true;
}

static void load_docs(enum query_collection collection, const char *member)
{
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(vectors, member), i, count, item)
    {
        assert_true(doc_count[collection] < DOCS_MAX);
        struct test_doc *doc = &docs[collection][doc_count[collection]++];
        if (collection == QUERY_JOBS)
            read_record(&all, item, doc);
        else
            read_twin(&all, item, doc);
    }
}

static int load(void **state)
{
    vectors = read_json(&all, read_file(&all, QUERY_VECTORS));
    load_docs(QUERY_DEVICES, "twins");
    load_docs(QUERY_MODULES, "modules");
    load_docs(QUERY_JOBS, "deviceJobs");
    return 0;
}

static int unload(void **state)
{
    arena_done(&all);
    return 0;
}

/* "dev-01", "dev-01/agent", "job-1/dev-01", as the vectors name whole documents */
static void put_doc_name(struct buf *out, const struct query_doc *doc)
{
    struct buf name = {0};
    if (doc->record) {
        buf_put(&name, doc->record->job_id);
        buf_put_char(&name, '/');
        buf_put(&name, doc->record->device_id);
    } else {
        buf_put(&name, doc->twin->identity->device_id);
        if (doc->twin->identity->module_id.len) {
            buf_put_char(&name, '/');
            buf_put(&name, doc->twin->identity->module_id);
        }
    }
    json_put_str(out, buf_str(&name));
    buf_done(&name);
}

static void put_answer(struct buf *out, const struct query *query)
{
    enum query_collection collection = query_collection(query);
    struct query_scratch *scratch = query_scratch_create();
    bool grouped = query_shape(query) == QUERY_SHAPE_GROUPS;
    struct query_groups *groups = grouped ? query_groups_create(query) : NULL;
    uint64_t top = UINT64_MAX, found = 0;
    query_has_top(query, &top);
    buf_put_char(out, '[');
    for (size_t i = 0; i < doc_count[collection] && found < top; i++) {
        const struct query_doc *doc = &docs[collection][i].doc;
        if (query_match(query, doc, scratch) != QUERY_TRUE)
            continue;
        if (grouped) {
            assert_int_equal(query_groups_add(groups, doc, scratch, NULL), ERR_OK);
            continue;
        }
        if (found++)
            buf_put_char(out, ',');
        if (query_shape(query) == QUERY_SHAPE_ROWS)
            query_project(query, doc, scratch, out);
        else
            put_doc_name(out, doc);
    }
    for (size_t i = 0; grouped && i < query_groups_count(groups); i++) {
        if (i)
            buf_put_char(out, ',');
        query_groups_put(groups, i, out);
    }
    buf_put_char(out, ']');
    query_groups_destroy(groups);
    query_scratch_destroy(scratch);
}

static void check_answer(yyjson_val *vector, const struct query *query)
{
    struct arena mem = {0};
    struct buf answer = {0};
    put_answer(&answer, query);
    const char *id = yyjson_get_str(yyjson_obj_get(vector, "id"));
    yyjson_val *got = read_json(&mem, buf_str(&answer)), *want = yyjson_obj_get(vector, "expect");
    if (!is_kept(id))
        want = read_json(&mem, STR("[]"));
    if (!same_json(got, want))
        fail_msg("%s: %s\n  got  %.*s\n  want %.*s", id, json_text(&mem, vector).ptr,
                 STR_ARG(buf_str(&answer)), STR_ARG(json_text(&mem, want)));
    buf_done(&answer);
    arena_done(&mem);
}

static void check_vector(yyjson_val *vector, const char *member, enum query_form form)
{
    struct arena mem = {0};
    struct query *query;
    struct why why = {0};
    const char *id = yyjson_get_str(yyjson_obj_get(vector, "id"));
    struct str text = json_member_str(vector, member),
               item_type = json_member_str(vector, "itemType");
    enum err err = query_compile(text, form, &mem, &query, &why);
    if (yyjson_obj_get(vector, "error")) {
        if (err != ERR_BAD_INPUT || fault_of(err, &why) != FAULT_ARGUMENT_INVALID)
            fail_msg("%s must be refused: %.*s", id, STR_ARG(text));
    } else {
        if (err)
            fail_msg("%s must compile: %.*s\n  %s", id, STR_ARG(text), why.text);
        if (item_type.ptr)
            check_str(id, str_from(query_item_type(query)), item_type);
        check_answer(vector, query);
    }
    arena_done(&mem);
}

static void answers_of_queries(void **state)
{
    size_t i, count;
    yyjson_val *vector;
    yyjson_arr_foreach(yyjson_obj_get(vectors, "cases"), i, count, vector)
    {
        check_vector(vector, "query", QUERY_FULL);
    }
    assert_true(count > 100);
}

static void answers_of_conditions(void **state)
{
    size_t i, count;
    yyjson_val *vector;
    yyjson_arr_foreach(yyjson_obj_get(vectors, "conditions"), i, count, vector)
    {
        check_vector(vector, "condition", QUERY_CONDITION);
    }
    assert_true(count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_queries),
        cmocka_unit_test(answers_of_conditions),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
