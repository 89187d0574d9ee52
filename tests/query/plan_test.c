/* What is known of a query before a document is seen: what it reads, and what cannot match. */
#include "doc.h"
#include "query/plan.h"

static void put_ids(struct buf *out, bool known, const struct str *ids, size_t count)
{
    if (!known)
        buf_put(out, STR("any"));
    for (size_t i = 0; known && i < count; i++) {
        if (i)
            buf_put_char(out, ' ');
        buf_put(out, ids[i]);
    }
}

static const struct {
    const char *rule, *condition, *devices;
} device_facts[] = {
    {"equality names one", "deviceId = 'a'", "a"},
    {"from the left too", "'a' = deviceId", "a"},
    {"in any case, with prefix, by its other name", "devices.DEVICEID = 'a' AND id = 'a'", "a"},
    {"a list names some, without doubles", "deviceId IN ['b', 'a', 'b']", "a b"},
    {"beside other conditions", "tags.x = 1 AND deviceId = 'a' AND status = 'enabled'", "a"},
    {"inside brackets of the same AND", "(tags.x = 1 AND (deviceId = 'a'))", "a"},
    {"the shortest of several", "deviceId IN ['a', 'b'] AND deviceId IN ['b']", "b"},
    {"other types name none", "deviceId = 5", ""},
    {"other types name none", "deviceId IN [1, null, 'c']", "c"},
    {"undefined names none", "deviceId = undefined", ""},
    {"the empty list names none", "deviceId IN []", ""},
    {"nothing said", "tags.x = 1", "any"},
    {"not under OR", "deviceId = 'a' OR tags.x = 1", "any"},
    {"not under OR of two ids", "deviceId = 'a' OR deviceId = 'b'", "any"},
    {"not under NOT", "NOT deviceId = 'a'", "any"},
    {"not under NOT of a list", "NOT deviceId IN ['a']", "any"},
    {"not by NIN", "deviceId NIN ['a']", "any"},
    {"not by other comparisons", "deviceId != 'a' AND deviceId >= 'a'", "any"},
    {"not by a prefix", "STARTSWITH(deviceId, 'a')", "any"},
    {"not by another path", "deviceId = tags.x", "any"},
    {"not by itself", "deviceId = deviceId", "any"},
    {"not inside another value", "(deviceId = 'a') = false", "any"},
    {"not of the same name elsewhere", "tags.deviceId = 'a'", "any"},
};

static void ids_are_found_in_the_top_level_AND(void **state)
{
    for (size_t i = 0; i < COUNT(device_facts); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        const struct str *ids;
        size_t count;
        struct query *query = compile_condition(&mem, device_facts[i].condition);
        bool known = query_device_ids(query, &ids, &count);
        put_ids(&out, known, ids, count);
        check_str(device_facts[i].rule, buf_str(&out), str_from(device_facts[i].devices));
        check(device_facts[i].rule, !query_job_ids(query, &ids, &count));
        buf_done(&out);
        arena_done(&mem);
    }
}

enum {
    PENDING = 1 << RECORD_PENDING,
    COMPLETED = 1 << RECORD_COMPLETED,
    FAILED = 1 << RECORD_FAILED,
    CANCELED = 1 << RECORD_CANCELED,
    ALL_STATUSES = (1 << (RECORD_CANCELED + 1)) - 1,
    TWIN_JOBS = 1 << JOB_TYPE_UPDATE_TWIN,
    METHOD_JOBS = 1 << JOB_TYPE_DEVICE_METHOD,
    ALL_TYPES = TWIN_JOBS | METHOD_JOBS,
};
static const struct {
    const char *rule, *condition, *jobs, *devices;
    unsigned statuses, types;
} job_facts[] = {
    {"nothing said", "outcome.x = 1", "any", "any", ALL_STATUSES, ALL_TYPES},
    {"ids of both kinds", "devices.jobs.jobId = 'j' AND deviceId = 'd'", "j", "d", ALL_STATUSES,
     ALL_TYPES},
    {"a list of jobs", "jobId IN ['k', 'j']", "j k", "any", ALL_STATUSES, ALL_TYPES},
    {"one status", "status = 'failed'", "any", "any", FAILED, ALL_TYPES},
    {"several", "status IN ['failed', 'canceled', 'x']", "any", "any", FAILED | CANCELED,
     ALL_TYPES},
    {"all but one", "status != 'failed'", "any", "any", ALL_STATUSES & ~FAILED, ALL_TYPES},
    {"by NOT", "NOT status = 'failed'", "any", "any", ALL_STATUSES & ~FAILED, ALL_TYPES},
    {"by OR of one field", "(status = 'failed' OR status = 'pending')", "any", "any",
     FAILED | PENDING, ALL_TYPES},
    {"by function", "STARTSWITH(status, 'c')", "any", "any", COMPLETED | CANCELED, ALL_TYPES},
    {"none", "status = 'Failed'", "any", "any", 0, ALL_TYPES},
    {"a bare status is never TRUE", "status", "any", "any", 0, ALL_TYPES},
    {"two parts", "status != 'failed' AND NOT status IN ['pending']", "any", "any",
     ALL_STATUSES & ~FAILED & ~PENDING, ALL_TYPES},
    {"one type", "jobType = 'scheduleUpdateTwin'", "any", "any", ALL_STATUSES, TWIN_JOBS},
    {"the other", "jobType > 'scheduleA' AND jobType < 'scheduleE'", "any", "any", ALL_STATUSES,
     METHOD_JOBS},
    {"OR of two fields says nothing", "status = 'failed' OR jobType = 'x'", "any", "any",
     ALL_STATUSES, ALL_TYPES},
    {"neither does OR with what is not known", "status = 'failed' OR outcome.x = 1", "any", "any",
     ALL_STATUSES, ALL_TYPES},
    {"nor a comparison with it", "status = outcome.x", "any", "any", ALL_STATUSES, ALL_TYPES},
    {"the status of an outcome is another", "outcome.status = 'failed'", "any", "any", ALL_STATUSES,
     ALL_TYPES},
};

static void records_are_pruned_by_state_and_kind(void **state)
{
    for (size_t i = 0; i < COUNT(job_facts); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        const struct str *ids;
        size_t count;
        struct str text =
            str_format(&mem, "SELECT * FROM devices.jobs WHERE %s", job_facts[i].condition);
        struct query *query = compile(&mem, text.ptr);
        bool known = query_job_ids(query, &ids, &count);
        put_ids(&out, known, ids, count);
        check_str(job_facts[i].rule, buf_str(&out), str_from(job_facts[i].jobs));
        buf_reset(&out);
        known = query_device_ids(query, &ids, &count);
        put_ids(&out, known, ids, count);
        check_str(job_facts[i].rule, buf_str(&out), str_from(job_facts[i].devices));
        check_int(job_facts[i].rule, query_record_statuses(query), job_facts[i].statuses);
        check_int(job_facts[i].rule, query_job_types(query), job_facts[i].types);
        buf_done(&out);
        arena_done(&mem);
    }
}

static void twins_say_nothing_of_records(void **state)
{
    struct arena mem = {0};
    struct query *query = compile_condition(&mem, "status = 'failed' AND jobType = 'x'");
    assert_int_equal(query_record_statuses(query), ALL_STATUSES);
    assert_int_equal(query_job_types(query), ALL_TYPES);
    arena_done(&mem);
}

enum {
    T = QUERY_NEEDS_TAGS,
    D = QUERY_NEEDS_DESIRED,
    R = QUERY_NEEDS_REPORTED,
    P = QUERY_NEEDS_PRESENCE,
    N = QUERY_NEEDS_NAMES,
    I = QUERY_NEEDS_IDENTITY | N,
    M = QUERY_NEEDS_METADATA,
    C = QUERY_NEEDS_CONFIGURATIONS,
};
static const struct {
    const char *rule, *text;
    unsigned match, project;
} needs[] = {
    {"whole twins need all", "SELECT * FROM devices", 0, T | D | R | P | I | M | C},
    {"beyond the condition", "SELECT * FROM devices WHERE tags.a = 1", T, D | R | P | I | M | C},
    {"configurations alone",
     "SELECT deviceId FROM devices WHERE configurations.c.status = 'Applied'", C, N},
    {"identity alone", "SELECT deviceId FROM devices WHERE status = 'enabled'", I, 0},
    {"names alone", "SELECT deviceId FROM devices WHERE moduleId = 'x'", N, 0},
    {"more than names", "SELECT status FROM devices WHERE deviceId = 'x'", N, QUERY_NEEDS_IDENTITY},
    {"a number alone", "SELECT COUNT() AS n FROM devices", 0, 0},
    {"each section", "SELECT a FROM devices WHERE properties.desired.a = properties.reported.b",
     D | R, 0},
    {"presence", "SELECT lastActivityTime FROM devices WHERE connectionState = 'Connected'", P, 0},
    {"projected section", "SELECT tags.a FROM devices WHERE properties.reported.a", R, T},
    {"version comes of two stamps", "SELECT a FROM devices WHERE version > 2", T | D | I | M, 0},
    {"so does etag", "SELECT etag FROM devices", 0, T | D | I | M},
    {"a section's version is its own", "SELECT properties.reported.$version FROM devices", 0,
     R | I | M},
    {"both properties", "SELECT properties FROM devices", 0, D | R | I | M},
    {"a whole section shows its metadata", "SELECT properties.desired FROM devices", 0, D | I | M},
    {"a part of it does not", "SELECT properties.desired.a FROM devices", 0, D},
    {"metadata begins at the creation",
     "SELECT tags.a FROM devices WHERE properties.reported.$metadata.a.$lastUpdated > '2024'",
     R | I | M, T},
    {"parents", "SELECT tags.a FROM devices WHERE ARRAY_CONTAINS(parentScopes, 'x')", I, T},
    {"aggregates", "SELECT SUM(tags.a) AS s FROM devices", 0, T},
    {"groups", "SELECT COUNT() AS n FROM devices GROUP BY properties.reported.a", 0, R},
    {"lists, functions, NOT",
     "SELECT a FROM devices WHERE NOT tags.a IN [1] OR IS_NULL(properties.desired.a)", T | D, 0},
    {"undefined paths need nothing", "SELECT a FROM devices WHERE tagz.a = 1", 0, 0},
    {"records need no section", "SELECT * FROM devices.jobs WHERE status = 'failed'", 0, 0},
};

static void only_what_is_read_is_asked_for(void **state)
{
    for (size_t i = 0; i < COUNT(needs); i++) {
        struct arena mem = {0};
        struct query *query = compile(&mem, needs[i].text);
        check_int(needs[i].rule, query_needs_match(query), needs[i].match);
        check_int(needs[i].rule, query_needs_project(query), needs[i].project);
        arena_done(&mem);
    }
    struct arena mem = {0};
    assert_int_equal(query_needs_project(compile_condition(&mem, "*")), 0);
    arena_done(&mem);
}

static const struct {
    const char *rule, *text, *item_type;
    enum query_collection collection;
    enum query_shape shape;
    bool all;
} kinds[] = {
    {"twins", "SELECT * FROM devices", "Twin", QUERY_DEVICES, QUERY_SHAPE_WHOLE, true},
    {"module twins", "SELECT * FROM devices.modules WHERE a", "Twin", QUERY_MODULES,
     QUERY_SHAPE_WHOLE, false},
    {"records", "SELECT * FROM devices.jobs", "DeviceJob", QUERY_JOBS, QUERY_SHAPE_WHOLE, true},
    {"a projection", "SELECT a FROM devices.modules", "Raw", QUERY_MODULES, QUERY_SHAPE_ROWS, true},
    {"an aggregate", "SELECT COUNT() AS n FROM devices", "Raw", QUERY_DEVICES, QUERY_SHAPE_GROUPS,
     true},
    {"groups", "SELECT a FROM devices GROUP BY a", "Raw", QUERY_DEVICES, QUERY_SHAPE_GROUPS, true},
    {"the older idiom for all", "SELECT * FROM devices WHERE IS_DEFINED(DeviceId)", "Twin",
     QUERY_DEVICES, QUERY_SHAPE_WHOLE, true},
    {"not of another id", "SELECT * FROM devices WHERE IS_DEFINED(moduleId)", "Twin", QUERY_DEVICES,
     QUERY_SHAPE_WHOLE, false},
    {"TRUE is all", "SELECT * FROM devices WHERE true", "Twin", QUERY_DEVICES, QUERY_SHAPE_WHOLE,
     true},
    {"FALSE is not", "SELECT * FROM devices WHERE false", "Twin", QUERY_DEVICES, QUERY_SHAPE_WHOLE,
     false},
};

/* `*`, no condition, or one that is always TRUE: there is nothing to evaluate. */
static bool matches_all(const struct query *query)
{
    return !query->where;
}

static void a_query_knows_its_kind(void **state)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct arena mem = {0};
        struct query *query = compile(&mem, kinds[i].text);
        check_str(kinds[i].rule, str_from(query_item_type(query)), str_from(kinds[i].item_type));
        check_int(kinds[i].rule, query_collection(query), kinds[i].collection);
        check_int(kinds[i].rule, query_shape(query), kinds[i].shape);
        check_int(kinds[i].rule, matches_all(query), kinds[i].all);
        arena_done(&mem);
    }
}

static void a_condition_is_of_devices_or_modules(void **state)
{
    struct arena mem = {0};
    struct query *all = compile_condition(&mem, "*"),
                 *modules = compile_condition(&mem, "FROM devices.modules WHERE moduleId = 'm'");
    assert_true(matches_all(all));
    assert_int_equal(query_collection(all), QUERY_DEVICES);
    assert_int_equal(query_shape(all), QUERY_SHAPE_WHOLE);
    assert_false(matches_all(modules));
    assert_int_equal(query_collection(modules), QUERY_MODULES);
    arena_done(&mem);
}

static void TOP_is_known_when_it_is_given(void **state)
{
    struct arena mem = {0};
    uint64_t top = 77;
    assert_false(query_has_top(compile(&mem, "SELECT * FROM devices"), &top));
    assert_int_equal(top, 77);
    assert_true(query_has_top(compile(&mem, "SELECT TOP 0 * FROM devices"), &top));
    assert_int_equal(top, 0);
    assert_true(query_has_top(compile(&mem, "SELECT TOP(10) * FROM devices"), &top));
    assert_int_equal(top, 10);
    arena_done(&mem);
}

static void the_hash_is_the_same_everywhere(void **state)
{
    struct arena mem = {0};
    uint64_t a = query_hash(compile(&mem, "SELECT * FROM devices"));
    assert_true(a == query_hash(compile(&mem, "SELECT * FROM devices")));
    assert_true(a == UINT64_C(0xd96e83c5abb1c641)); /* written in tokens that outlive the process */
    assert_true(a != query_hash(compile(&mem, "SELECT * FROM devices.modules")));
    assert_true(query_hash(compile_condition(&mem, "*")) !=
                query_hash(compile_condition(&mem, "true")));
    arena_done(&mem);
}

/* The plan owns what it needs: the text of the request may go. */
static void the_text_may_go(void **state)
{
    struct arena mem = {0};
    struct query_doc doc = {
        .twin = &(struct twin_view){.identity = &(struct identity){.device_id = STR("pump")}}};
    char text[] = "deviceId = 'pump' AND 'a\\'b' = 'a\\'b'";
    struct query *query = compile_condition(&mem, text);
    memset(text, 'x', sizeof text - 1);
    struct query_scratch *scratch = query_scratch_create();
    assert_int_equal(query_match(query, &doc, scratch), QUERY_TRUE);
    query_scratch_destroy(scratch);
    query_scratch_destroy(NULL);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_found_in_the_top_level_AND),
        cmocka_unit_test(records_are_pruned_by_state_and_kind),
        cmocka_unit_test(twins_say_nothing_of_records),
        cmocka_unit_test(only_what_is_read_is_asked_for),
        cmocka_unit_test(a_query_knows_its_kind),
        cmocka_unit_test(a_condition_is_of_devices_or_modules),
        cmocka_unit_test(TOP_is_known_when_it_is_given),
        cmocka_unit_test(the_hash_is_the_same_everywhere),
        cmocka_unit_test(the_text_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
