#include "store_suite.h"
#include "base/banned.h"
#include "fixture.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct store_backend *backend;
static struct store *store;
static struct store_reader *reader; /* a second connection */
static struct arena mem;
static struct why why;

static void ok_at(enum err err, int line)
{
    if (err != ERR_OK)
        fail_msg("line %d: %s: %s", line, err_name(err), why.text);
}
#define ok(err) ok_at((err), __LINE__)

static int set_up(void **state)
{
    backend->wipe();
    ok(backend->open(false, &store, &why));
    ok(store_reader_open(store, &reader, &why));
    return 0;
}

static int tear_down(void **state)
{
    store_reader_close(reader);
    store_close(store);
    arena_done(&mem);
    return 0;
}

static void reopen(void)
{
    store_reader_close(reader);
    store_close(store);
    ok(backend->open(false, &store, &why));
    ok(store_reader_open(store, &reader, &why));
}

static struct entity *find(struct store_reader *from, struct store_want want)
{
    ok(store_find(from, &want, 1, &mem, &why));
    return want.found;
}

static struct entity *find_name(const char *device_id, unsigned parts)
{
    return find(reader, (struct store_want){.device_id = str_from(device_id),
                                            .module_id = STR(""),
                                            .parts = parts});
}

static void create(struct entity entity)
{
    ok(commit_one(store, &entity, &why));
}

#define check_str(got, wanted) assert_true(str_eq((got), (wanted)))
#define check_text(got, wanted) assert_true(str_eq((got), str_from(wanted)))

static void check_section(const struct twin_section *got, const struct twin_section *wanted)
{
    check_str(got->values, wanted->values);
    check_str(got->meta, wanted->meta);
    assert_int_equal(got->version, wanted->version);
    assert_int_equal(got->stamp, wanted->stamp);
}

static void check_none(struct str text)
{
    assert_null(text.ptr);
}

static const unsigned ALL = PART_IDENTITY | PART_TWIN | PART_SESSION;

/* ---- identities and twins ---- */

static void every_member_comes_back(void **state)
{
    struct entity was = full_device(7, "seven");
    create(was);
    struct entity *now = find_name("seven", ALL);
    assert_non_null(now);
    assert_int_equal(now->loaded, ALL);
    assert_int_equal(now->dirty, 0);
    assert_false(now->created);
    assert_int_equal(now->id.number, 7);
    check_str(now->id.device_id, was.id.device_id);
    check_str(now->id.module_id, STR(""));
    assert_non_null(now->id.module_id.ptr);
    assert_int_equal(now->id.created_ticks, was.id.created_ticks);
    assert_int_equal(now->id.etag, was.id.etag);
    assert_int_equal(now->id.status, IDENTITY_DISABLED);
    check_str(now->id.status_reason, was.id.status_reason);
    assert_int_equal(now->id.status_ticks, was.id.status_ticks);
    assert_int_equal(now->id.auth, AUTH_SELF_SIGNED);
    check_str(now->id.primary_key, was.id.primary_key);
    assert_non_null(now->id.secondary_key.ptr); /* empty is not absent */
    check_str(now->id.secondary_key, STR(""));
    check_str(now->id.primary_thumbprint, was.id.primary_thumbprint);
    check_str(now->id.secondary_thumbprint, was.id.secondary_thumbprint);
    assert_true(now->id.iot_edge);
    check_str(now->id.device_scope, was.id.device_scope);
    check_str(now->id.parent_scopes, was.id.parent_scopes);
    check_str(now->id.model_id, was.id.model_id);
    check_section(&now->tags, &was.tags);
    check_section(&now->desired, &was.desired);
    check_section(&now->reported, &was.reported);
    assert_true(now->session.exists);
    assert_int_equal(now->session.filters, 5);
    assert_int_equal(now->session.qos1, 4);
}

static void absent_texts_stay_absent(void **state)
{
    create(bare_device(1, "bare"));
    struct entity *now = find_name("bare", ALL);
    check_none(now->id.status_reason);
    check_none(now->id.primary_key);
    check_none(now->id.primary_thumbprint);
    check_none(now->id.device_scope);
    check_none(now->id.parent_scopes);
    check_none(now->id.model_id);
    assert_int_equal(now->id.status_ticks, TIME_UNSET);
    assert_false(now->session.exists);
}

static void a_section_that_nobody_wrote_is_fresh(void **state)
{
    create(bare_device(1, "bare"));
    struct entity *now = find_name("bare", ALL);
    struct twin_section *sections[] = {&now->tags, &now->desired, &now->reported};
    for (enum twin_part part = TWIN_TAGS; part <= TWIN_REPORTED; part++) {
        struct twin_section fresh = twin_section_fresh(part, now->id.created_ticks);
        check_section(sections[part], &fresh);
    }
}

static void only_wanted_parts_are_loaded(void **state)
{
    create(full_device(1, "one"));
    struct entity *now = find_name("one", PART_DESIRED);
    assert_int_equal(now->loaded, PART_IDENTITY | PART_DESIRED);
    check_text(now->desired.values, "{\"fan\":{\"speed\":2}}");
    check_none(now->tags.values);
    check_none(now->reported.values);
    assert_false(now->session.exists);
    assert_int_equal(find_name("one", 0)->loaded, PART_IDENTITY);
}

static void names_differ_by_case_and_are_exact(void **state)
{
    create(bare_device(1, "Pump"));
    create(bare_device(2, "pump"));
    assert_int_equal(find_name("Pump", 0)->id.number, 1);
    assert_int_equal(find_name("pump", 0)->id.number, 2);
    assert_null(find_name("PUMP", 0));
    assert_null(find_name("pum", 0));
    assert_null(find_name("", 0));
}

static void a_name_belongs_to_one_identity(void **state)
{
    create(bare_device(1, "one"));
    struct entity second = bare_device(2, "one");
    assert_int_equal(commit_one(store, &second, &why), ERR_CONFLICT);
    struct entity same_number = bare_device(1, "two");
    assert_int_equal(commit_one(store, &same_number, &why), ERR_CONFLICT);
    assert_null(find_name("two", 0));
    assert_int_equal(find_name("one", 0)->id.number, 1);
}

static void an_update_of_the_gone_is_a_conflict(void **state)
{
    struct entity ghost = bare_device(9, "ghost");
    ghost.created = false;
    assert_int_equal(commit_one(store, &ghost, &why), ERR_CONFLICT);
    assert_null(find_name("ghost", 0));
}

static void a_module_is_not_its_device(void **state)
{
    create(bare_device(1, "edge"));
    struct entity module = bare_device(2, "edge");
    module.id.module_id = STR("m1");
    create(module);
    assert_int_equal(find_name("edge", 0)->id.number, 1);
    struct store_want want = {.device_id = STR("edge"), .module_id = STR("m1")};
    assert_int_equal(find(reader, want)->id.number, 2);
    want.module_id = STR("m2");
    assert_null(find(reader, want));
}

static void only_dirty_parts_are_written(void **state)
{
    create(full_device(1, "one"));
    struct entity change = full_device(1, "renamed");
    change.created = false;
    change.dirty = PART_DESIRED;
    change.tags = change.desired = change.reported = section_of("{\"new\":1}", 50);
    create(change);
    struct entity *now = find_name("one", ALL);
    assert_non_null(now);
    check_text(now->desired.values, "{\"new\":1}");
    assert_int_equal(now->desired.version, 50);
    check_text(now->tags.values, "{\"floor\":3}");
    check_text(now->reported.values, "{\"fan\":null}");
}

static void an_identity_can_be_changed(void **state)
{
    create(bare_device(1, "one"));
    struct entity change = full_device(1, "one");
    change.created = false;
    create(change);
    struct entity *now = find_name("one", ALL);
    assert_int_equal(now->id.status, IDENTITY_DISABLED);
    check_text(now->id.model_id, "dtmi:x;1");
}

static void a_session_can_be_removed(void **state)
{
    create(full_device(1, "one"));
    struct entity change = full_device(1, "one");
    change.created = false;
    change.dirty = PART_SESSION;
    change.session = (struct session){0};
    create(change);
    assert_false(find_name("one", PART_SESSION)->session.exists);
}

static void deletion_leaves_nothing(void **state)
{
    create(full_device(1, "one"));
    struct entity gone = full_device(1, "one");
    gone.created = false;
    gone.deleted = true;
    create(gone);
    assert_null(find_name("one", ALL));
    create(bare_device(2, "one")); /* the name is free again, and nothing of the old twin shows */
    struct entity *now = find_name("one", ALL);
    assert_int_equal(now->id.number, 2);
    assert_int_equal(now->reported.version, twin_section_fresh(TWIN_REPORTED, 0).version);
    assert_false(now->session.exists);
}

static void a_name_may_be_given_away_in_the_turn_that_freed_it(void **state)
{
    create(full_device(5, "one"));
    struct entity fresh = bare_device(6, "one"), gone = full_device(5, "one");
    gone.created = false;
    gone.deleted = true;
    struct entity *both[] = {&fresh, &gone};
    ok(store_commit(store, &(struct store_commit){.entities = both, .entity_count = 2}, &why));
    assert_int_equal(find_name("one", 0)->id.number, 6);
}

static void created_and_deleted_in_one_turn_is_nothing(void **state)
{
    struct job job = some_job(1, "job");
    const struct job *jobs[] = {&job};
    ok(store_commit(store, &(struct store_commit){.jobs = jobs, .job_count = 1}, &why));
    struct entity ghost = full_device(5, "ghost");
    ghost.deleted = true;
    create(ghost);
    assert_null(find_name("ghost", 0));
    struct store_name name = {.number = 5};
    ok(store_names(reader, &name, 1, &mem, &why));
    check_none(name.device_id);
}

static void finding_takes_any_order_and_number(void **state)
{
    enum { COUNT = 300 };
    static struct entity devices[COUNT];
    struct entity *order[COUNT];
    char ids[COUNT][16];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "d%03u", i);
        devices[i] = full_device(1 + (i * 7) % COUNT, ids[i]); /* numbers not in order of names */
        order[i] = &devices[i];
    }
    ok(store_commit(store, &(struct store_commit){.entities = order, .entity_count = COUNT}, &why));
    struct store_want wants[COUNT + 2];
    for (unsigned i = 0; i < COUNT; i++)
        wants[i] = (struct store_want){
            .device_id = str_from(ids[COUNT - 1 - i]), .module_id = STR(""), .parts = PART_TAGS};
    wants[COUNT] = (struct store_want){.device_id = STR("nobody"), .module_id = STR("")};
    wants[COUNT + 1] = (struct store_want){.number = 3, .parts = PART_REPORTED};
    ok(store_find(reader, wants, COUNT + 2, &mem, &why));
    for (unsigned i = 0; i < COUNT; i++) {
        assert_non_null(wants[i].found);
        check_str(wants[i].found->id.device_id, wants[i].device_id);
        assert_true(wants[i].found->loaded & PART_TAGS);
    }
    assert_null(wants[COUNT].found);
    assert_int_equal(wants[COUNT + 1].found->id.number, 3);
    check_text(wants[COUNT + 1].found->reported.values, "{\"fan\":null}");
    ok(store_find(reader, NULL, 0, &mem, &why));
}

static void wants_of_one_identity_share_one_entity(void **state)
{
    create(full_device(4, "four"));
    struct store_want wants[] = {
        {.device_id = STR("four"), .module_id = STR(""), .parts = PART_TAGS},
        {.number = 4, .parts = PART_DESIRED},
    };
    ok(store_find(reader, wants, 2, &mem, &why));
    assert_non_null(wants[0].found);
    assert_ptr_equal(wants[0].found, wants[1].found);
    assert_int_equal(wants[0].found->loaded, PART_IDENTITY | PART_TAGS | PART_DESIRED);
}

/* Numbers side by side are read together: those that lie between and those that are gone do no harm. */
static void numbers_in_a_row_are_found_each_for_itself(void **state)
{
    static const uint32_t there[] = {2, 3, 4, 6, 7, 8, 9, 20, 21};
    static const struct {
        uint32_t number;
        unsigned parts;
        bool found;
    } cases[] = {
        {9, PART_TAGS, true},   {1, PART_TAGS, false},  {3, PART_TAGS, true},
        {5, PART_TAGS, false},  {7, PART_TAGS, true},   {3, PART_TAGS, true},
        {10, PART_TAGS, false}, {8, PART_TAGS, true},   {20, PART_DESIRED, true},
        {21, PART_TAGS, true},  {22, PART_TAGS, false},
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct store_want wants[COUNT];
    char id[16];
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        snprintf(id, sizeof id, "d%u", there[i]);
        create(full_device(there[i], id));
    }
    for (size_t i = 0; i < COUNT; i++)
        wants[i] = (struct store_want){.number = cases[i].number, .parts = cases[i].parts};
    ok(store_find(reader, wants, COUNT, &mem, &why));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(wants[i].found != NULL, cases[i].found);
        if (!wants[i].found)
            continue;
        assert_int_equal(wants[i].found->id.number, cases[i].number);
        assert_int_equal(wants[i].found->loaded, PART_IDENTITY | cases[i].parts);
        snprintf(id, sizeof id, "d%u", cases[i].number);
        check_text(wants[i].found->id.device_id, id);
    }
    assert_ptr_equal(wants[2].found, wants[5].found);
}

static void an_unknown_number_is_nobody(void **state)
{
    assert_null(find(reader, (struct store_want){.number = 77}));
    assert_null(find(reader, (struct store_want){.number = 0}));
}

/* ---- walking ---- */

struct walk {
    char text[256];
    size_t stop_after, count;
};

static bool note_number(void *arg, const struct entity *entity)
{
    struct walk *walk = arg;
    size_t len = strlen(walk->text);
    snprintf(walk->text + len, sizeof walk->text - len, "%s%u", len ? " " : "", entity->id.number);
    return ++walk->count != walk->stop_after;
}

static void make_fleet(void)
{
    static const char *const names[] = {"delta", "alpha", "charlie", "bravo"};
    for (uint32_t i = 0; i < 4; i++) {
        create(full_device(10 + i * 10, names[i]));
        struct entity module = bare_device(15 + i * 10, names[i]);
        module.id.module_id = STR("m");
        create(module);
    }
}

static const struct {
    const char *rule;
    struct store_scan scan;
    size_t stop_after;
    const char *numbers;
} scans[] = {
    {"devices come in number order", {0}, 0, "10 20 30 40"},
    {"modules are a collection of their own", {.modules = true}, 0, "15 25 35 45"},
    {"after is exclusive", {.after = 20}, 0, "30 40"},
    {"after need not exist", {.after = 21}, 0, "30 40"},
    {"until is inclusive", {.until = 20}, 0, "10 20"},
    {"both bound the walk", {.after = 10, .until = 39}, 0, "20 30"},
    {"modules are bounded, too", {.after = 15, .until = 35, .modules = true}, 0, "25 35"},
    {"nothing is left after the last", {.after = 40}, 0, ""},
    {"the visitor can stop", {0}, 2, "10 20"},
    {"parts change nothing about who comes", {.parts = PART_TWIN | PART_SESSION}, 0, "10 20 30 40"},
    {"nor do sections side by side", {.parts = PART_TWIN}, 0, "10 20 30 40"},
    {"nor does a bare walk", {.parts = PART_TWIN, .bare = true}, 0, "10 20 30 40"},
    {"a bare walk is bounded", {.after = 10, .until = 30, .bare = true}, 0, "20 30"},
    {"a bare walk of modules", {.after = 15, .modules = true, .bare = true}, 0, "25 35 45"},
};

static void scans_follow_the_table(void **state)
{
    make_fleet();
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        struct walk walk = {.stop_after = scans[i].stop_after};
        ok(store_scan(reader, &scans[i].scan, note_number, &walk, &why));
        if (strcmp(walk.text, scans[i].numbers) != 0)
            fail_msg("%s: '%s', not '%s'", scans[i].rule, walk.text, scans[i].numbers);
    }
}

static bool check_scanned(void *arg, const struct entity *entity)
{
    struct entity wanted = full_device(entity->id.number, "");
    assert_int_equal(entity->loaded, PART_IDENTITY | PART_TAGS | PART_REPORTED);
    check_section(&entity->tags, &wanted.tags);
    check_section(&entity->reported, &wanted.reported);
    check_none(entity->desired.values);
    assert_int_equal(entity->id.created_ticks, wanted.id.created_ticks);
    ++*(int *)arg;
    return true;
}

static void a_scan_brings_the_parts_that_it_asks_for(void **state)
{
    make_fleet();
    int seen = 0;
    struct store_scan scan = {.parts = PART_TAGS | PART_REPORTED};
    ok(store_scan(reader, &scan, check_scanned, &seen, &why));
    assert_int_equal(seen, 4);
}

enum { BARE_DEVICES = 700, BARE_TEXT_MAX = 2000 };

static struct str bare_values(uint32_t number)
{
    static char text[BARE_TEXT_MAX + 16];
    int len =
        snprintf(text, sizeof text, "{\"a\":\"%0*u\"}", (int)(number * 37 % BARE_TEXT_MAX), number);
    return str_of(text, (size_t)len);
}

static bool has_desired(uint32_t number)
{
    return number % 5 != 2;
}

static bool check_bare(void *arg, const struct entity *entity)
{
    struct twin_section fresh = twin_section_fresh(TWIN_DESIRED, 0);
    uint32_t number = entity->id.number;
    assert_int_equal(entity->loaded & PART_TWIN, PART_DESIRED | PART_REPORTED);
    check_str(entity->desired.values, has_desired(number) ? bare_values(number) : fresh.values);
    check_str(entity->reported.values, STR("{}"));
    assert_int_equal(number, ++*(uint32_t *)arg);
    if (entity->loaded & PART_IDENTITY) {
        char id[16];
        snprintf(id, sizeof id, "d%u", number);
        check_str(entity->id.device_id, str_from(id));
    }
    return true;
}

/* Sections stand in tables of their own: each must meet its identity, whoever lacks which, however
 * many and however long they are. */
static void a_bare_scan_brings_values(void **state)
{
    for (uint32_t number = 1; number <= BARE_DEVICES; number++) {
        char id[16];
        snprintf(id, sizeof id, "d%u", number);
        struct entity device = bare_device(number, id);
        device.dirty |= has_desired(number) ? PART_DESIRED | PART_TAGS : PART_TAGS;
        device.desired = section_of("{}", 5);
        device.desired.values = bare_values(number);
        device.tags = section_of("{\"b\":1}", 5);
        create(device);
    }
    static const unsigned identities[] = {0, PART_IDENTITY};
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        struct store_scan scan = {.parts = PART_DESIRED | PART_REPORTED | identities[i],
                                  .bare = true};
        uint32_t seen = 0;
        ok(store_scan(reader, &scan, check_bare, &seen, &why));
        assert_int_equal(seen, BARE_DEVICES);
        scan.after = seen = BARE_DEVICES / 2;
        ok(store_scan(store_main(store), &scan, check_bare, &seen, &why));
        assert_int_equal(seen, BARE_DEVICES);
    }
}

static const struct {
    const char *rule, *after;
    size_t limit;
    const char *numbers;
} name_scans[] = {
    {"devices come in name order, without modules", NULL, 100, "20 40 30 10"},
    {"after is exclusive", "bravo", 100, "30 10"},
    {"after need not exist", "b", 100, "40 30 10"},
    {"the limit counts", "alpha", 2, "40 30"},
    {"nothing is left after the last", "delta", 100, ""},
};

static void name_scans_follow_the_table(void **state)
{
    make_fleet();
    for (size_t i = 0; i < sizeof name_scans / sizeof *name_scans; i++) {
        struct walk walk = {0};
        ok(store_scan_names(reader, str_from(name_scans[i].after), name_scans[i].limit, note_number,
                            &walk, &why));
        if (strcmp(walk.text, name_scans[i].numbers) != 0)
            fail_msg("%s: '%s', not '%s'", name_scans[i].rule, walk.text, name_scans[i].numbers);
    }
}

/* ---- small tables ---- */

static void counters_begin_at_one_and_are_kept(void **state)
{
    struct store_counters c;
    ok(store_read_counters(reader, &c, &why));
    assert_int_equal(c.next_number, 1);
    assert_int_equal(c.next_job, 1);
    assert_int_equal(c.next_call, 1);
    assert_int_equal(c.devices_enabled + c.devices_disabled + c.modules, 0);
    struct store_counters next = {UINT32_MAX, 12, (UINT64_C(1) << 60) - 1, 13, 14, 15, 1, 1};
    ok(store_commit(store, &(struct store_commit){.counters = &next}, &why));
    reopen();
    ok(store_read_counters(reader, &c, &why));
    assert_int_equal(c.next_number, next.next_number);
    assert_int_equal(c.next_job, next.next_job);
    assert_true(c.next_call == next.next_call);
    assert_int_equal(c.devices_enabled, next.devices_enabled);
    assert_int_equal(c.devices_disabled, next.devices_disabled);
    assert_int_equal(c.modules, next.modules);
}

static void message_routes_are_replaced_as_a_whole(void **state)
{
    struct message_route *got;
    size_t count;
    ok(store_read_routes(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 0);
    struct message_route first[] = {
        {STR("zeta"), SOURCE_TWIN_CHANGES, STR("a = 'b'"), true},
        {STR("$fallback"), SOURCE_TELEMETRY, STR("true"), false},
    };
    ok(store_commit(store, &(struct store_commit){.routes = first, .route_count = 2}, &why));
    reopen();
    ok(store_read_routes(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 2); /* in the order in which they were given */
    check_text(got[0].name, "zeta");
    check_text(got[0].condition, "a = 'b'");
    assert_int_equal(got[0].source, SOURCE_TWIN_CHANGES);
    assert_true(got[0].enabled);
    check_text(got[1].name, "$fallback");
    assert_false(got[1].enabled);
    ok(store_commit(store, &(struct store_commit){.routes = first, .route_count = 0}, &why));
    ok(store_read_routes(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 0);
}

struct outbox_seen {
    char ids[64];
    size_t stop_after, count;
};

static bool see_row(void *arg, const struct outbox_row *row)
{
    struct outbox_seen *seen = arg;
    size_t len = strlen(seen->ids);
    snprintf(seen->ids + len, sizeof seen->ids - len, "%d:%.*s ", (int)row->id,
             STR_ARG(row->device_id));
    return ++seen->count != seen->stop_after;
}

static const char *outbox_ids(uint64_t after, size_t stop_after)
{
    static struct outbox_seen seen;
    seen = (struct outbox_seen){.stop_after = stop_after};
    ok(store_outbox(reader, after, see_row, &seen, &why));
    return seen.ids;
}

static bool check_row(void *arg, const struct outbox_row *row)
{
    const struct outbox_row *wanted = arg;
    assert_int_equal(row->source, wanted->source);
    assert_int_equal(row->ticks, wanted->ticks);
    check_str(row->device_id, wanted->device_id);
    check_str(row->module_id, wanted->module_id);
    check_str(row->properties, wanted->properties);
    check_str(row->body, wanted->body);
    return true;
}

static void the_outbox_keeps_its_order_until_it_is_cleared(void **state)
{
    struct store_counters c;
    struct outbox_row rows[] = {
        {1, SOURCE_CONNECTION, -5, STR("a"), STR("m"), STR("{\"x\":1}"), STR("{}")},
        {2, SOURCE_TWIN_CHANGES, 6, STR("b"), STR(""), STR("{}"), STR("{}")},
        {3, SOURCE_TWIN_CHANGES, 6, STR("a"), STR(""), STR("{}"), STR("{}")},
    };
    ok(store_commit(store, &(struct store_commit){.outbox = rows, .outbox_count = 1}, &why));
    ok(store_outbox(reader, 0, check_row, &rows[0], &why));
    ok(store_commit(store, &(struct store_commit){.outbox = rows + 1, .outbox_count = 2}, &why));
    reopen();
    assert_string_equal(outbox_ids(0, 0), "1:a 2:b 3:a ");
    assert_string_equal(outbox_ids(1, 1), "2:b ");
    ok(store_read_counters(reader, &c, &why));
    assert_int_equal(c.next_outbox, 4);
    ok(store_commit(store, &(struct store_commit){.outbox_done = 2}, &why));
    assert_string_equal(outbox_ids(0, 0), "3:a ");
    ok(store_commit(store, &(struct store_commit){.outbox_done = 3}, &why));
    assert_string_equal(outbox_ids(0, 0), "");
}

static bool note_configuration(void *arg, const struct configuration *c)
{
    struct buf *out = arg;
    buf_printf(out, "%.*s/%u/%d/%.*s/%.*s/%.*s/%d;", STR_ARG(c->id), c->number, c->priority,
               STR_ARG(c->condition), STR_ARG(c->content), STR_ARG(c->metrics), c->pending);
    return true;
}

static bool note_set(void *arg, const struct config_slice *slice)
{
    buf_printf(arg, "%u.%d.%u=%.*s;", slice->configuration, slice->kind, slice->slice,
               STR_ARG(slice->numbers));
    return true;
}

static void check_configurations(const char *rows, const char *sets)
{
    struct buf out = {0};
    ok(store_configurations(reader, STR_NONE, note_configuration, &out, &why));
    check_text(str_of(out.ptr ? out.ptr : "", out.len), rows);
    buf_reset(&out);
    ok(store_configuration_sets(reader, note_set, &out, &why));
    check_text(str_of(out.ptr ? out.ptr : "", out.len), sets);
    buf_done(&out);
}

static void configurations_and_their_sets_come_and_go(void **state)
{
    struct configuration a = {.number = 1,
                              .id = STR("a"),
                              .schema_version = STR("null"),
                              .labels = STR("null"),
                              .content = STR("{}"),
                              .condition = STR("*"),
                              .metrics = STR("{}"),
                              .priority = 5,
                              .pending = true},
                         b = a;
    b.number = 2;
    b.id = STR("b");
    const struct configuration *both[] = {&b, &a};
    const struct config_slice sets[] = {
        {0, 0, 3, STR("w")}, {1, 1, 0, STR("x")}, {2, 2, 0, STR("y")}};
    ok(store_commit(store,
                    &(struct store_commit){.configurations = both,
                                           .configuration_count = 2,
                                           .config_slices = sets,
                                           .config_slice_count = 3},
                    &why));
    reopen();
    check_configurations("a/1/5/*/{}/{}/1;b/2/5/*/{}/{}/1;", "0.0.3=w;1.1.0=x;2.2.0=y;");
    const struct config_slice less[] = {{0, 0, 3, STR_NONE}, {1, 1, 0, STR("z")}};
    const uint32_t gone[] = {2};
    b.number = 3; /* the id is given away in the commit that frees it */
    b.pending = false;
    ok(store_commit(store,
                    &(struct store_commit){.configurations_gone = gone,
                                           .configuration_gone_count = 1,
                                           .configurations = both,
                                           .configuration_count = 1,
                                           .config_slices = less,
                                           .config_slice_count = 2},
                    &why));
    check_configurations("a/1/5/*/{}/{}/1;b/3/5/*/{}/{}/0;", "1.1.0=z;");
    struct buf one = {0};
    ok(store_configurations(reader, STR("b"), note_configuration, &one, &why));
    check_text(buf_str(&one), "b/3/5/*/{}/{}/0;");
    buf_done(&one);
}

static bool note_transfer(void *arg, const struct transfer *t)
{
    buf_printf(arg, "%u/%s/%d/%d/%d/%.*s/%d%d/%s;", t->number, t->id + TRANSFER_ID_SIZE - 2,
               t->type, t->state, t->progress, STR_ARG(t->output_uri), t->no_keys,
               t->configurations, t->reason);
    assert_int_equal(t->start_ticks, 5);
    assert_int_equal(t->end_ticks, t->state == TRANSFER_ENQUEUED ? 0 : 7);
    return true;
}

static void check_transfers(const char *rows)
{
    struct buf out = {0};
    ok(store_transfers(reader, note_transfer, &out, &why));
    check_text(str_of(out.ptr ? out.ptr : "", out.len), rows);
    buf_done(&out);
}

static void transfers_are_kept_without_secrets(void **state)
{
    struct transfer two[] = {{.number = 1,
                              .id = "00000000-0000-4000-8000-0000000000aa",
                              .start_ticks = 5,
                              .output_uri = STR("https://a.test/box?sig=secret"),
                              .no_keys = true},
                             {.number = 2,
                              .id = "00000000-0000-4000-8000-0000000000bb",
                              .type = TRANSFER_IMPORT,
                              .state = TRANSFER_FAILED,
                              .progress = 40,
                              .start_ticks = 5,
                              .end_ticks = 7,
                              .output_uri = STR("/a?b"),
                              .configurations = true,
                              .reason = "broken"}};
    ok(store_commit(store, &(struct store_commit){.transfers = two, .transfer_count = 2}, &why));
    reopen();
    check_transfers("1/aa/0/0/0/https://a.test/box/10/;2/bb/1/3/40//a?b/01/broken;");
    two[0].state = TRANSFER_COMPLETED;
    two[0].end_ticks = 7;
    ok(store_commit(store, &(struct store_commit){.transfers = two, .transfer_count = 1}, &why));
    check_transfers("1/aa/0/2/0/https://a.test/box/10/;2/bb/1/3/40//a?b/01/broken;");
    ok(store_commit(store, &(struct store_commit){.transfers_before = 2}, &why));
    check_transfers("2/bb/1/3/40//a?b/01/broken;");
}

static void policies_are_replaced_as_a_whole(void **state)
{
    struct policy *got;
    size_t count;
    ok(store_read_policies(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 0);
    static const char key[] = {'\0', '\x01', '\xfe'};
    struct policy first[] = {{STR("zeta"), 1, str_of(key, 3), str_of(key, 2)},
                             {STR("alpha"), 12, str_of(key, 1), str_of(key, 3)}};
    ok(store_commit(store, &(struct store_commit){.policies = first, .policy_count = 2}, &why));
    ok(store_read_policies(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 2); /* in the order in which they were given */
    check_text(got[0].name, "zeta");
    check_text(got[1].name, "alpha");
    assert_int_equal(got[1].rights, 12);
    check_str(got[0].primary_key, first[0].primary_key);
    check_str(got[0].secondary_key, first[0].secondary_key);
    ok(store_commit(store, &(struct store_commit){.policies = first, .policy_count = 1}, &why));
    ok(store_commit(store, &(struct store_commit){0}, &why)); /* no list: nothing changes */
    ok(store_read_policies(reader, &mem, &got, &count, &why));
    assert_int_equal(count, 1);
}

static void settings_are_kept_by_name(void **state)
{
    struct str got = STR("");
    ok(store_read_setting(reader, STR("pace"), &mem, &got, &why));
    assert_null(got.ptr);
    struct store_setting both[] = {{STR("pace"), STR("{\"a\":1}")}, {STR("place"), STR("2")}};
    ok(store_commit(store, &(struct store_commit){.settings = both, .setting_count = 2}, &why));
    both[0].value = STR("[]");
    ok(store_commit(store, &(struct store_commit){.settings = both, .setting_count = 1}, &why));
    ok(store_read_setting(reader, STR("pace"), &mem, &got, &why));
    check_text(got, "[]");
    ok(store_read_setting(reader, STR("place"), &mem, &got, &why));
    check_text(got, "2");
}

static bool collect_page(void *arg, const struct presence_page *page)
{
    struct buf *out = arg;
    buf_printf(out, "%u:%.*s ", page->page, STR_ARG(page->bytes));
    return true;
}

static void presence_pages_are_kept(void **state)
{
    struct presence_page pages[] = {{3, STR("ccc")}, {0, STR("a")}};
    ok(store_commit(store, &(struct store_commit){.pages = pages, .page_count = 2}, &why));
    pages[1].bytes = STR("aa");
    ok(store_commit(store, &(struct store_commit){.pages = &pages[1], .page_count = 1}, &why));
    struct buf text = {0};
    ok(store_read_presence(reader, collect_page, &text, &why));
    check_text(buf_str(&text), "0:aa 3:ccc ");
    buf_done(&text);
}

/* ---- jobs ---- */

static void commit_job(struct job job)
{
    const struct job *jobs[] = {&job};
    ok(store_commit(store, &(struct store_commit){.jobs = jobs, .job_count = 1}, &why));
}

static struct job *find_job(const char *id, uint32_t number)
{
    struct job *job;
    ok(store_find_job(reader, str_from(id), number, &mem, &job, &why));
    return job;
}

static void check_job(const struct job *got, const struct job *wanted)
{
    assert_non_null(got);
    assert_int_equal(got->number, wanted->number);
    check_str(got->id, wanted->id);
    assert_int_equal(got->type, wanted->type);
    assert_int_equal(got->state, wanted->state);
    check_str(got->condition, wanted->condition);
    check_str(got->body, wanted->body);
    assert_int_equal(got->created_ticks, wanted->created_ticks);
    assert_int_equal(got->start_ticks, wanted->start_ticks);
    assert_int_equal(got->window_s, wanted->window_s);
    assert_int_equal(got->begun_ticks, wanted->begun_ticks);
    assert_int_equal(got->end_ticks, wanted->end_ticks);
    assert_int_equal(!got->failure_reason.ptr, !wanted->failure_reason.ptr);
    check_str(got->failure_reason, wanted->failure_reason);
    assert_memory_equal(&got->counts, &wanted->counts, sizeof got->counts);
    assert_int_equal(got->owner, wanted->owner);
    assert_int_equal(got->epoch, wanted->epoch);
}

static void a_job_is_found_by_id_and_number(void **state)
{
    struct job job = some_job(3, "Job-3");
    commit_job(job);
    check_job(find_job("Job-3", 0), &job);
    check_job(find_job(NULL, 3), &job);
    assert_null(find_job("job-3", 0));
    assert_null(find_job(NULL, 4));
}

static void a_job_moves_on(void **state)
{
    struct job job = some_job(3, "j");
    commit_job(job);
    job.state = JOB_FAILED;
    job.start_ticks = 201;
    job.begun_ticks = 300;
    job.end_ticks = 400;
    job.failure_reason = STR("out of luck");
    job.counts = (struct job_counts){90, 80, 7, 2, 1};
    job.owner = 4;
    job.epoch = 5;
    commit_job(job);
    check_job(find_job("j", 0), &job);
}

static void a_job_id_is_used_once(void **state)
{
    commit_job(some_job(3, "j"));
    struct job twin = some_job(4, "j");
    const struct job *jobs[] = {&twin};
    struct store_commit commit = {.jobs = jobs, .job_count = 1};
    assert_int_equal(store_commit(store, &commit, &why), ERR_CONFLICT);
    assert_null(find_job(NULL, 4));
}

static bool note_job(void *arg, const struct job *job)
{
    struct walk *walk = arg;
    size_t len = strlen(walk->text);
    snprintf(walk->text + len, sizeof walk->text - len, "%s%u", len ? " " : "", job->number);
    return ++walk->count != walk->stop_after;
}

static const struct {
    const char *rule;
    struct store_jobs which;
    size_t stop_after;
    const char *numbers;
} job_scans[] = {
    {"the newest comes first", {0}, 0, "5 4 3 2 1"},
    {"before is exclusive", {.before = 4}, 0, "3 2 1"},
    {"one type", {.types = 1 << JOB_TYPE_UPDATE_TWIN}, 0, "4 2"},
    {"one state", {.states = 1 << JOB_RUNNING}, 0, "5"},
    {"several states", {.states = 1 << JOB_RUNNING | 1 << JOB_QUEUED}, 0, "5 1"},
    {"type and state", {.types = 1 << JOB_TYPE_UPDATE_TWIN, .states = 1 << JOB_RUNNING}, 0, ""},
    {"the visitor can stop", {0}, 2, "5 4"},
};

static void job_scans_follow_the_table(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    for (uint32_t n = 1; n <= 5; n++) {
        struct job job = some_job(n, ids[n - 1]);
        job.state = n == 5 ? JOB_RUNNING : n == 1 ? JOB_QUEUED : JOB_COMPLETED;
        commit_job(job);
    }
    for (size_t i = 0; i < sizeof job_scans / sizeof *job_scans; i++) {
        struct walk walk = {.stop_after = job_scans[i].stop_after};
        ok(store_scan_jobs(reader, &job_scans[i].which, note_job, &walk, &why));
        if (strcmp(walk.text, job_scans[i].numbers) != 0)
            fail_msg("%s: '%s', not '%s'", job_scans[i].rule, walk.text, job_scans[i].numbers);
    }
}

static void slices_keep_targets_and_cursors(void **state)
{
    static char big[9000]; /* a dense slice, longer than a page */
    memset(big, 'x', sizeof big);
    struct job_slice slices[] = {
        {8, 65535, STR("zz"), 0}, {8, 0, str_of(big, sizeof big), 17}, {9, 0, STR("other"), 0}};
    ok(store_commit(store, &(struct store_commit){.slices = slices, .slice_count = 3}, &why));
    struct job_cursor cursors[] = {{8, 65535, 65536}};
    ok(store_commit(store, &(struct store_commit){.cursors = cursors, .cursor_count = 1}, &why));
    struct job_slice *got;
    size_t count;
    ok(store_job_slices(reader, 8, &mem, &got, &count, &why));
    assert_int_equal(count, 2);
    assert_int_equal(got[0].job, 8);
    assert_int_equal(got[0].slice, 0);
    assert_int_equal(got[0].cursor, 17);
    check_str(got[0].targets, slices[1].targets);
    assert_int_equal(got[1].slice, 65535);
    assert_int_equal(got[1].cursor, 65536);
    ok(store_job_slices(reader, 10, &mem, &got, &count, &why));
    assert_int_equal(count, 0);
}

static bool note_chunk(void *arg, const struct job_chunk *chunk)
{
    struct walk *walk = arg;
    size_t len = strlen(walk->text);
    snprintf(walk->text + len, sizeof walk->text - len, "%u-%u@%" PRId64 " ", chunk->first,
             chunk->last, chunk->updated_ticks);
    return ++walk->count != walk->stop_after;
}

static const struct {
    const char *rule;
    uint32_t first, last;
    size_t stop_after;
    const char *chunks;
} chunk_ranges[] = {
    {"all of them", 0, UINT32_MAX, 0, "1-9@1 10-10@2 20-4294967295@3 "},
    {"a chunk that holds the range", 5, 5, 0, "1-9@1 "},
    {"chunks that overlap its ends", 9, 20, 0, "1-9@1 10-10@2 20-4294967295@3 "},
    {"a gap has none", 11, 19, 0, ""},
    {"the highest number", UINT32_MAX, UINT32_MAX, 0, "20-4294967295@3 "},
    {"the visitor can stop", 0, UINT32_MAX, 1, "1-9@1 "},
};

static void chunks_are_found_by_range(void **state)
{
    struct job_chunk chunks[] = {
        {1, 10, 10, 2}, {1, 20, UINT32_MAX, 3}, {1, 1, 9, 1}, {2, 5, 5, 9}};
    ok(store_commit(store, &(struct store_commit){.chunks = chunks, .chunk_count = 4}, &why));
    for (size_t i = 0; i < sizeof chunk_ranges / sizeof *chunk_ranges; i++) {
        struct walk walk = {.stop_after = chunk_ranges[i].stop_after};
        ok(store_job_chunks(reader, 1, chunk_ranges[i].first, chunk_ranges[i].last, note_chunk,
                            &walk, &why));
        if (strcmp(walk.text, chunk_ranges[i].chunks) != 0)
            fail_msg("%s: '%s', not '%s'", chunk_ranges[i].rule, walk.text, chunk_ranges[i].chunks);
    }
}

static bool take_entry(void *arg, const struct job_entry *entry)
{
    struct job_entry **at = arg;
    **at = *entry;
    (*at)->error_text = entry->error_text.ptr ? str_copy(&mem, entry->error_text) : STR_NONE;
    ++*at;
    return true;
}

static void entries_are_replaced_and_found_by_range(void **state)
{
    uint64_t call = (UINT64_C(1) << 60) - 1;
    struct job_entry entries[] = {
        {1, UINT32_MAX, RECORD_CANCELED, 0, 0, 0, STR_NONE, 3, 0, 0},
        {2, 7, RECORD_PENDING, 0, 0, 0, STR_NONE, 3, 2, 9},
        {1, 7, RECORD_RUNNING, call, 0, 0, STR_NONE, 4, 1, 4},
        {1, 8, RECORD_FAILED, call, 0, 404103, STR("not there"), 5, 3, 2},
    };
    ok(store_commit(store, &(struct store_commit){.entries = entries, .entry_count = 4}, &why));
    struct job_entry done = {1, 7, RECORD_COMPLETED, call, 3, 0, STR_NONE, 6, 1, 4};
    ok(store_commit(store, &(struct store_commit){.entries = &done, .entry_count = 1}, &why));
    struct job_entry got[4], *end = got;
    ok(store_job_entries(reader, 1, 0, UINT32_MAX, take_entry, &end, &why));
    assert_int_equal(end - got, 3);
    assert_int_equal(got[0].number, 7);
    assert_int_equal(got[0].status, RECORD_COMPLETED);
    assert_true(got[0].call == call);
    assert_int_equal(got[0].outcome, 3);
    assert_int_equal(got[0].updated_ticks, 6);
    check_none(got[0].error_text);
    assert_int_equal(got[1].fault, 404103);
    check_text(got[1].error_text, "not there");
    assert_true(got[2].number == UINT32_MAX);
    end = got;
    ok(store_job_entries(reader, 1, 8, 8, take_entry, &end, &why));
    assert_int_equal(end - got, 1);
    assert_int_equal(got[0].number, 8);
}

static bool note_outcome(void *arg, const struct job_outcome *outcome)
{
    struct walk *walk = arg;
    size_t len = strlen(walk->text);
    snprintf(walk->text + len, sizeof walk->text - len, "%u:%d:%.*s ", outcome->id, outcome->status,
             STR_ARG(outcome->payload));
    return true;
}

static void outcomes_are_found_by_id_or_all(void **state)
{
    struct job_outcome outcomes[] = {
        {1, 2, -5, STR("{\"a\":1}")}, {1, 1, 200, STR("null")}, {2, 1, 0, STR("7")}};
    ok(store_commit(store, &(struct store_commit){.outcomes = outcomes, .outcome_count = 3}, &why));
    struct walk walk = {0};
    ok(store_job_outcomes(reader, 1, 2, note_outcome, &walk, &why));
    assert_string_equal(walk.text, "2:-5:{\"a\":1} ");
    walk = (struct walk){0};
    ok(store_job_outcomes(reader, 1, 0, note_outcome, &walk, &why));
    assert_string_equal(walk.text, "1:200:null 2:-5:{\"a\":1} ");
    walk = (struct walk){0};
    ok(store_job_outcomes(reader, 1, 9, note_outcome, &walk, &why));
    assert_string_equal(walk.text, "");
}

static bool note_event(void *arg, const struct job_event *event)
{
    struct walk *walk = arg;
    size_t used = strlen(walk->text);
    snprintf(walk->text + used, sizeof walk->text - used, "%d:%u:%d:%.*s ", (int)event->sequence,
             event->job, (int)event->kind, STR_ARG(event->text));
    return true;
}

static const char *events_after(uint32_t job, uint64_t after)
{
    static struct walk walk;
    walk = (struct walk){0};
    ok(store_job_events(reader, job, after, note_event, &walk, &why));
    return walk.text;
}

static uint64_t next_event(void)
{
    struct store_counters counters;
    ok(store_read_counters(reader, &counters, &why));
    return counters.next_event;
}

static void events_are_read_from_a_number_on_and_the_newest_stays(void **state)
{
    struct job_event events[] = {{1, 7, JOB_EVENT_CREATED, 5, STR("a")},
                                 {2, 8, JOB_EVENT_CREATED, 6, STR("b")},
                                 {3, 7, JOB_EVENT_RUNNING, 7, STR("c")}};
    assert_int_equal(next_event(), 1);
    ok(store_commit(store, &(struct store_commit){.events = events, .event_count = 3}, &why));
    assert_string_equal(events_after(0, 0), "1:7:1:a 2:8:1:b 3:7:3:c ");
    assert_string_equal(events_after(0, 2), "3:7:3:c ");
    assert_string_equal(events_after(7, 0), "1:7:1:a 3:7:3:c ");
    assert_string_equal(events_after(7, 3), "");
    bool done;
    ok(store_purge_job(store, 7, 100, &done, &why));
    assert_true(done);
    assert_string_equal(events_after(0, 0), "2:8:1:b 3:7:3:c ");
    assert_int_equal(next_event(), 4);
}

/* ---- names of the deleted, and purging ---- */

static void delete_device(uint32_t number, const char *device_id)
{
    struct entity gone = bare_device(number, device_id);
    gone.created = false;
    gone.deleted = true;
    create(gone);
}

/* A bare scan goes by a record of its own of who is there: it must follow all that happens. */
static void a_bare_scan_sees_who_comes_and_goes(void **state)
{
    struct walk walk = {0};
    struct store_scan bare = {.bare = true};
    make_fleet();
    create(bare_device(70000, "far"));
    delete_device(20, "alpha");
    ok(store_scan(reader, &bare, note_number, &walk, &why));
    assert_string_equal(walk.text, "10 30 40 70000");
    struct entity taken = bare_device(50, "bravo");
    assert_int_equal(commit_one(store, &taken, &why), ERR_CONFLICT);
    struct entity gone = bare_device(40, "bravo");
    gone.created = false;
    gone.deleted = true;
    struct entity *both[] = {&gone, &taken};
    ok(store_commit(store, &(struct store_commit){.entities = both, .entity_count = 2}, &why));
    walk = (struct walk){0};
    bare.after = 10;
    bare.until = 65536;
    ok(store_scan(reader, &bare, note_number, &walk, &why));
    assert_string_equal(walk.text, "30 50");
}

static struct store_name name_of(uint32_t number)
{
    struct store_name name = {.number = number};
    ok(store_names(reader, &name, 1, &mem, &why));
    return name;
}

static void purge_fully(uint32_t job, size_t rows_max)
{
    bool done = false;
    for (int turns = 0; !done; turns++) {
        assert_true(turns < 1000);
        ok(store_purge_job(store, job, rows_max, &done, &why));
    }
}

static void names_of_present_and_deleted(void **state)
{
    create(bare_device(1, "here"));
    create(bare_device(2, "gone"));
    create(bare_device(3, "forgotten"));
    delete_device(3, "forgotten"); /* before any job */
    commit_job(some_job(1, "j"));
    delete_device(2, "gone");
    struct store_name names[] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    ok(store_names(reader, names, 4, &mem, &why));
    check_text(names[0].device_id, "here");
    assert_false(names[0].deleted);
    check_text(names[1].device_id, "gone");
    check_text(names[1].module_id, "");
    assert_true(names[1].deleted);
    check_none(names[2].device_id);
    check_none(names[3].device_id);
}

static void a_name_stays_until_the_last_job_before_its_deletion_is_purged(void **state)
{
    create(bare_device(1, "dev"));
    commit_job(some_job(1, "first"));
    commit_job(some_job(2, "second"));
    delete_device(1, "dev");
    commit_job(some_job(3, "third")); /* begun after: cannot mention it */
    purge_fully(2, 100);
    check_text(name_of(1).device_id, "dev");
    purge_fully(1, 100);
    check_none(name_of(1).device_id);
    assert_non_null(find_job("third", 0));
}

static void a_job_of_the_same_commit_keeps_the_name(void **state)
{
    create(bare_device(1, "dev"));
    struct entity gone = bare_device(1, "dev");
    gone.created = false;
    gone.deleted = true;
    struct job job = some_job(1, "j");
    const struct job *jobs[] = {&job};
    struct entity *entities[] = {&gone};
    struct store_commit commit = {
        .jobs = jobs, .job_count = 1, .entities = entities, .entity_count = 1};
    ok(store_commit(store, &commit, &why));
    assert_true(name_of(1).deleted);
}

static void fill_job(uint32_t number, const char *id)
{
    enum { ROWS = 25 };
    struct job job = some_job(number, id);
    const struct job *jobs[] = {&job};
    struct job_slice slices[ROWS];
    struct job_entry entries[ROWS];
    struct job_chunk chunks[ROWS];
    struct job_outcome outcomes[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        slices[i] = (struct job_slice){number, i, STR("t"), i};
        entries[i] = (struct job_entry){.job = number, .number = i + 1, .status = RECORD_FAILED};
        chunks[i] = (struct job_chunk){number, i + 1, i + 1, 5};
        outcomes[i] = (struct job_outcome){number, i + 1, 200, STR("null")};
    }
    ok(store_commit(store,
                    &(struct store_commit){.jobs = jobs,
                                           .job_count = 1,
                                           .slices = slices,
                                           .slice_count = ROWS,
                                           .entries = entries,
                                           .entry_count = ROWS,
                                           .chunks = chunks,
                                           .chunk_count = ROWS,
                                           .outcomes = outcomes,
                                           .outcome_count = ROWS},
                    &why));
}

static char *dumped(void)
{
    struct buf out = {0};
    dump_store(reader, &out);
    return out.ptr;
}

static void purging_goes_in_small_steps_and_leaves_other_jobs_alone(void **state)
{
    struct store_counters counters = {.next_number = 30, .next_job = 9, .next_call = 1};
    ok(store_commit(store, &(struct store_commit){.counters = &counters}, &why));
    fill_job(1, "one");
    char *before = dumped();
    fill_job(2, "two");
    bool done = true;
    ok(store_purge_job(store, 2, 10, &done, &why));
    assert_false(done);
    assert_non_null(find_job("two", 0)); /* the job row goes last */
    purge_fully(2, 10);
    assert_null(find_job("two", 0));
    char *after = dumped();
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void purging_the_unknown_is_done_at_once(void **state)
{
    bool done = false;
    ok(store_purge_job(store, 99, 1, &done, &why));
    assert_true(done);
}

static void many_names_are_forgotten_in_steps(void **state)
{
    enum { COUNT = 50 };
    char ids[COUNT][8];
    commit_job(some_job(1, "j"));
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "d%u", i);
        create(bare_device(i + 1, ids[i]));
        delete_device(i + 1, ids[i]);
    }
    bool done = true;
    ok(store_purge_job(store, 1, 20, &done, &why));
    assert_false(done);
    purge_fully(1, 20);
    for (uint32_t i = 0; i < COUNT; i++)
        check_none(name_of(i + 1).device_id);
}

/* ---- messages and notices ---- */

static bool keep_message(void *arg, uint32_t number, const struct message *message)
{
    struct message *kept = arg;
    if (number == 7)
        kept[message->sequence] = *message;
    return true;
}

static void commit_messages(const struct message_change *changes, size_t count, uint64_t next)
{
    ok(store_commit(
        store,
        &(struct store_commit){.messages = changes, .message_count = count, .next_sequence = next},
        &why));
}

static void a_message_waits_changes_and_goes(void **state)
{
    struct message first = {.sequence = 1,
                            .enqueued_ticks = 10,
                            .expires_ticks = 20,
                            .size = 5,
                            .locked_ticks = TIME_UNSET},
                   second = first;
    second.sequence = 2;
    second.ack = MESSAGE_ACK_FULL;
    struct message_change changes[] = {
        {ROW_INSERT, 7, first, {STR("m-1"), STR("%24.to=x"), STR("hello")}},
        {ROW_INSERT, 7, second, {STR(""), STR("%24.to=y"), STR("")}},
        {ROW_INSERT,
         8,
         {.sequence = 3, .locked_ticks = TIME_UNSET},
         {STR_NONE, STR("p"), STR_NONE}},
    };
    commit_messages(changes, sizeof changes / sizeof *changes, 4);
    reopen();
    struct message kept[4] = {{0}};
    ok(store_messages(reader, keep_message, kept, &why));
    assert_memory_equal(&kept[1], &first, sizeof first);
    assert_int_equal(kept[2].ack, MESSAGE_ACK_FULL);
    struct message_text text;
    ok(store_message_text(reader, 1, true, &mem, &text, &why));
    assert_true(str_eq(text.properties, STR("%24.to=x")) && str_eq(text.body, STR("hello")));
    assert_true(str_eq(text.id, STR("m-1")));
    ok(store_message_text(reader, 2, true, &mem, &text, &why));
    assert_true(text.body.ptr && text.body.len == 0);
    ok(store_message_text(reader, 1, false, &mem, &text, &why));
    assert_true(str_eq(text.id, STR("m-1")) && !text.body.ptr);
    uint64_t next;
    ok(store_next_sequence(reader, &next, &why));
    assert_int_equal(next, 4);

    first.deliveries = 3;
    first.locked_ticks = 99; /* by a token: it lasts across a restart */
    memset(first.token, 0xab, sizeof first.token);
    second.locked_ticks = 99; /* by a connection: it does not */
    second.holder = 5;
    struct message_change updates[] = {{.op = ROW_UPDATE, .number = 7, .message = first},
                                       {.op = ROW_UPDATE, .number = 7, .message = second}};
    commit_messages(updates, sizeof updates / sizeof *updates, 0);
    ok(store_messages(reader, keep_message, kept, &why));
    assert_memory_equal(&kept[1], &first, sizeof first);
    assert_true(kept[2].locked_ticks == TIME_UNSET);
    struct message_change removals[] = {{.op = ROW_REMOVE, .number = 7, .message = first}};
    commit_messages(removals, sizeof removals / sizeof *removals, 0);
    kept[1].sequence = 0;
    ok(store_messages(reader, keep_message, kept, &why));
    assert_int_equal(kept[1].sequence, 0);
    ok(store_message_text(reader, 1, true, &mem, &text, &why));
    assert_null(text.properties.ptr);
    ok(store_next_sequence(reader, &next, &why));
    assert_int_equal(next, 4); /* a number does not come again */
}

static bool count_notices(void *arg, const struct notice *notice)
{
    size_t *count = arg;
    ++*count;
    return true;
}

static size_t notices(enum notice_kind kind, struct str token)
{
    size_t count = 0;
    ok(store_notices(reader, kind, token, count_notices, &count, &why));
    return count;
}

static void notices_are_found_by_kind_and_by_lock(void **state)
{
    struct str token = STR("0123456789abcdef");
    struct notice_change changes[] = {
        {.notice = {NOTICE_FEEDBACK, 1, 1, 9, 0, TIME_UNSET, STR_NONE, STR("{}")}},
        {.notice = {NOTICE_FEEDBACK, 2, 1, 9, 2, 50, token, STR("{}")}},
        {.notice = {NOTICE_FILE, 3, 1, 9, 0, TIME_UNSET, STR_NONE, STR("{}")}},
    };
    struct store_commit commit = {.notices = changes,
                                  .notice_count = sizeof changes / sizeof *changes};
    ok(store_commit(store, &commit, &why));
    assert_int_equal(notices(NOTICE_FEEDBACK, STR_NONE), 2);
    assert_int_equal(notices(NOTICE_FEEDBACK, token), 1);
    assert_int_equal(notices(NOTICE_FILE, token), 0);
    assert_int_equal(notices(NOTICE_FEEDBACK, STR("0123456789abcdeX")), 0);
    changes[1].notice.token = STR_NONE; /* abandoned */
    changes[2].op = ROW_REMOVE;
    ok(store_commit(store, &commit, &why));
    assert_int_equal(notices(NOTICE_FEEDBACK, token), 0);
    assert_int_equal(notices(NOTICE_FEEDBACK, STR_NONE), 2);
    assert_int_equal(notices(NOTICE_FILE, STR_NONE), 0);
}

/* ---- uploads ---- */

static struct upload_change upload_row(bool remove, uint8_t id, uint32_t number, struct str name,
                                       int64_t expires_ticks)
{
    struct upload_change change = {
        .remove = remove,
        .upload = {.number = number, .name = name, .expires_ticks = expires_ticks}};
    memset(change.upload.id, id, UPLOAD_ID_SIZE);
    return change;
}

static enum err commit_uploads(const struct upload_change *changes, size_t count)
{
    return store_commit(store, &(struct store_commit){.uploads = changes, .upload_count = count},
                        &why);
}

struct seen_uploads {
    struct buf rows; /* in no order */
    size_t count, most;
};

static bool note_upload(void *arg, const struct upload *upload)
{
    struct seen_uploads *seen = arg;
    for (size_t i = 1; i < UPLOAD_ID_SIZE; i++)
        assert_int_equal(upload->id[i], upload->id[0]);
    buf_printf(&seen->rows, "[%02x %u %.*s %lld]", upload->id[0], upload->number,
               STR_ARG(upload->name), (long long)upload->expires_ticks);
    return ++seen->count < seen->most;
}

/* `rows`: all of them, whose count is `count`. */
static void check_uploads(size_t count, const char *const rows[])
{
    struct seen_uploads seen = {.most = SIZE_MAX};
    ok(store_uploads(reader, note_upload, &seen, &why));
    assert_int_equal(seen.count, count);
    buf_put_char(&seen.rows, '\0');
    for (size_t i = 0; i < count; i++)
        if (!strstr(buf_str(&seen.rows).ptr, rows[i]))
            fail_msg("no %s in %s", rows[i], buf_str(&seen.rows).ptr);
    buf_done(&seen.rows);
}

static void an_upload_is_kept_until_it_is_removed(void **state)
{
    char longest[1025] = {0};
    memset(longest, 'x', 1024);
    check_uploads(0, NULL);
    struct upload_change begun[] = {
        upload_row(false, 0x00, 7, STR("f.txt"), 20),
        upload_row(false, 0xff, 7, STR("f.txt"), 20), /* one name as often as one likes */
        upload_row(false, 0x0a, UINT32_MAX, STR("a/\xc3\xa4 'b'.txt"), INT64_MAX),
        upload_row(false, 0x0b, 8, str_from(longest), 0),
    };
    ok(commit_uploads(begun, sizeof begun / sizeof *begun));
    char *long_row = arena_alloc(&mem, 2048);
    snprintf(long_row, 2048, "[0b 8 %s 0]", longest);
    const char *const all[] = {
        "[00 7 f.txt 20]",
        "[ff 7 f.txt 20]",
        "[0a 4294967295 a/\xc3\xa4 'b'.txt 9223372036854775807]",
        long_row,
    };
    check_uploads(4, all);
    reopen();
    check_uploads(4, all);
    struct seen_uploads first = {.most = 1};
    ok(store_uploads(reader, note_upload, &first, &why));
    assert_int_equal(first.count, 1); /* who has seen enough is not shown more */
    buf_done(&first.rows);

    struct upload_change ended[] = {
        upload_row(true, 0x00, 7, STR(""), 0),   /* the id alone says which */
        upload_row(true, 0x77, 7, STR("f"), 20), /* there is none: nothing happens */
    };
    ok(commit_uploads(ended, sizeof ended / sizeof *ended));
    check_uploads(3, all + 1);
    reopen();
    check_uploads(3, all + 1);
}

static void uploads_change_in_the_order_of_their_commit(void **state)
{
    struct upload_change changes[] = {
        upload_row(false, 1, 7, STR("begun and gone"), 20),
        upload_row(true, 1, 7, STR(""), 0),
        upload_row(true, 2, 7, STR(""), 0),
        upload_row(false, 2, 7, STR("begun"), 20),
    };
    ok(commit_uploads(changes, sizeof changes / sizeof *changes));
    check_uploads(1, (const char *const[]){"[02 7 begun 20]"});
}

/* ---- commits and snapshots ---- */

static void a_refused_commit_leaves_nothing(void **state)
{
    create(full_device(1, "one"));
    fill_job(1, "j");
    char *before = dumped();
    struct entity fine = full_device(2, "two"), changed = full_device(1, "one"),
                  clash = bare_device(3, "one");
    changed.created = false;
    changed.tags = section_of("{}", 9);
    struct entity *entities[] = {&fine, &changed, &clash};
    struct store_counters counters = {5, 5, 5, 5, 5, 5, 1, 1};
    struct presence_page page = {1, STR("p")};
    struct store_commit commit = {
        .entities = entities,
        .entity_count = 3,
        .counters = &counters,
        .pages = &page,
        .page_count = 1,
    };
    assert_int_equal(store_commit(store, &commit, &why), ERR_CONFLICT);
    char *after = dumped();
    assert_string_equal(after, before);
    free(before);
    free(after);
    commit.entity_count = 2; /* and the store goes on working */
    ok(store_commit(store, &commit, &why));
    assert_non_null(find_name("two", 0));
}

static void a_row_that_comes_last_can_still_refuse(void **state)
{
    struct job_outcome outcome = {1, 1, 200, STR("null")};
    struct store_commit commit = {.outcomes = &outcome, .outcome_count = 1};
    ok(store_commit(store, &commit, &why));
    struct entity device = full_device(1, "one");
    commit.entities = (struct entity *[]){&device};
    commit.entity_count = 1;
    assert_int_equal(store_commit(store, &commit, &why), ERR_CONFLICT); /* the outcome is there */
    assert_null(find_name("one", 0));
}

static void a_snapshot_sees_one_state(void **state)
{
    create(full_device(1, "one"));
    ok(store_begin(reader, &why));
    struct entity change = full_device(1, "one");
    change.created = false;
    change.tags = section_of("{\"late\":1}", 99);
    create(change);
    create(bare_device(2, "late"));
    check_text(find_name("one", ALL)->tags.values, "{\"floor\":3}");
    assert_null(find_name("late", 0));
    struct walk walk = {0};
    ok(store_scan(reader, &(struct store_scan){0}, note_number, &walk, &why));
    assert_string_equal(walk.text, "1");
    store_end(reader);
    check_text(find_name("one", ALL)->tags.values, "{\"late\":1}");
    assert_non_null(find_name("late", 0));
}

static void a_snapshot_begins_at_begin(void **state)
{
    ok(store_begin(reader, &why));
    create(bare_device(1, "late"));
    assert_null(find_name("late", 0));
    store_end(reader);
}

static void a_reader_sees_every_commit_that_returned(void **state)
{
    char ids[50][8];
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(ids[i], sizeof ids[i], "d%u", i);
        create(bare_device(i + 1, ids[i]));
        assert_non_null(find_name(ids[i], 0));
        struct store_want want = {.number = i + 1};
        assert_non_null(find(store_main(store), want));
    }
}

static bool commit_while_scanning(void *arg, const struct entity *entity)
{
    char id[16];
    snprintf(id, sizeof id, "x%u", entity->id.number);
    create(bare_device(entity->id.number + 1000, id));
    return note_number(arg, entity);
}

static void a_scan_sees_one_state_while_the_writer_goes_on(void **state)
{
    make_fleet();
    struct walk walk = {0};
    ok(store_scan(reader, &(struct store_scan){0}, commit_while_scanning, &walk, &why));
    assert_string_equal(walk.text, "10 20 30 40");
}

static bool find_while_scanning(void *arg, const struct entity *entity)
{
    struct store_want want = {.number = entity->id.number + 5, .parts = PART_TWIN};
    struct store_name name = {.number = entity->id.number};
    assert_non_null(find(reader, want));
    ok(store_names(reader, &name, 1, &mem, &why));
    check_str(name.device_id, entity->id.device_id);
    return commit_while_scanning(arg, entity);
}

static void a_visitor_may_ask_its_reader_for_other_things(void **state)
{
    make_fleet();
    struct walk walk = {0};
    struct store_scan scan = {.parts = PART_TWIN};
    ok(store_scan(reader, &scan, find_while_scanning, &walk, &why));
    assert_string_equal(walk.text, "10 20 30 40"); /* and the scan still sees one state */
    check_text(find_name("x10", 0)->id.device_id, "x10");
}

static void everything_survives_a_restart(void **state)
{
    make_fleet();
    fill_job(1, "one");
    struct store_counters counters = {60, 2, 9, 1, 2, 3, 1, 1};
    ok(store_commit(store, &(struct store_commit){.counters = &counters}, &why));
    delete_device(20, "alpha");
    char *before = dumped();
    reopen();
    char *after = dumped();
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void the_figures_count(void **state)
{
    struct store_stats before, after;
    store_stats(store, &before);
    create(full_device(1, "one"));
    struct entity clash = bare_device(2, "one");
    assert_int_equal(commit_one(store, &clash, &why), ERR_CONFLICT);
    store_stats(store, &after);
    assert_int_equal(after.commits, before.commits + 1);
    assert_int_equal(after.failed_commits, before.failed_commits + 1);
    assert_int_equal(after.rows_written, before.rows_written + 5);
    assert_true(after.database_bytes > 0);
    assert_int_equal(store_pressure(store), STORE_EASY);
}

/* ---- opening ---- */

static void a_second_instance_is_refused(void **state)
{
    struct store *second = NULL;
    assert_int_equal(backend->open(false, &second, &why), ERR_BUSY);
    assert_null(second);
    create(bare_device(1, "one")); /* and the first one did not notice */
}

static void a_look_beside_a_running_hub(void **state)
{
    create(full_device(1, "one"));
    struct store *look;
    ok(backend->open(true, &look, &why));
    struct store_want want = {.device_id = STR("one"), .module_id = STR(""), .parts = ALL};
    assert_non_null(find(store_main(look), want));
    create(bare_device(2, "two"));
    want.device_id = STR("two");
    assert_non_null(find(store_main(look), want));
    store_close(look);
    create(bare_device(3, "three"));
}

static void a_look_after_the_hub_has_gone(void **state)
{
    create(full_device(1, "one"));
    store_reader_close(reader);
    store_close(store);
    struct store *look;
    ok(backend->open(true, &look, &why));
    struct store_want want = {.device_id = STR("one"), .module_id = STR(""), .parts = ALL};
    assert_non_null(find(store_main(look), want));
    store_close(look);
    ok(backend->open(false, &store, &why));
    ok(store_reader_open(store, &reader, &why));
}

static void a_look_where_nothing_ever_was(void **state)
{
    store_reader_close(reader);
    store_close(store);
    backend->wipe();
    struct store *look = NULL;
    assert_int_equal(backend->open(true, &look, &why), ERR_NOT_FOUND);
    assert_null(look);
    ok(backend->open(false, &store, &why));
    ok(store_reader_open(store, &reader, &why));
}

#define RULE(text, function)                                                                       \
    {                                                                                              \
        text, function, set_up, tear_down, NULL                                                    \
    }
int store_suite_run(const struct store_backend *which)
{
    backend = which;
    const struct CMUnitTest tests[] = {
        RULE("every member of an entity comes back", every_member_comes_back),
        RULE("an absent text stays absent", absent_texts_stay_absent),
        RULE("a section that nobody wrote is fresh", a_section_that_nobody_wrote_is_fresh),
        RULE("only wanted parts are loaded", only_wanted_parts_are_loaded),
        RULE("names are exact, with case", names_differ_by_case_and_are_exact),
        RULE("a name and a number belong to one identity", a_name_belongs_to_one_identity),
        RULE("an update of what is gone is a conflict", an_update_of_the_gone_is_a_conflict),
        RULE("a module is not its device", a_module_is_not_its_device),
        RULE("only dirty parts are written", only_dirty_parts_are_written),
        RULE("an identity can be changed", an_identity_can_be_changed),
        RULE("a session can be removed", a_session_can_be_removed),
        RULE("a deletion leaves nothing", deletion_leaves_nothing),
        RULE("a name may be given away in the turn that freed it",
             a_name_may_be_given_away_in_the_turn_that_freed_it),
        RULE("created and deleted in one turn is nothing",
             created_and_deleted_in_one_turn_is_nothing),
        RULE("finding takes any order and number of wants", finding_takes_any_order_and_number),
        RULE("numbers in a row are found each for itself",
             numbers_in_a_row_are_found_each_for_itself),
        RULE("wants of one identity share one entity", wants_of_one_identity_share_one_entity),
        RULE("an unknown number is nobody", an_unknown_number_is_nobody),
        RULE("scans", scans_follow_the_table),
        RULE("a scan brings the parts that it asks for", a_scan_brings_the_parts_that_it_asks_for),
        RULE("a bare scan brings values", a_bare_scan_brings_values),
        RULE("a bare scan sees who comes and goes", a_bare_scan_sees_who_comes_and_goes),
        RULE("scans by name", name_scans_follow_the_table),
        RULE("counters begin at one and are kept", counters_begin_at_one_and_are_kept),
        RULE("message routes are replaced as a whole", message_routes_are_replaced_as_a_whole),
        RULE("the outbox keeps its order until it is cleared",
             the_outbox_keeps_its_order_until_it_is_cleared),
        RULE("configurations and their sets come and go",
             configurations_and_their_sets_come_and_go),
        RULE("transfers are kept, without secrets", transfers_are_kept_without_secrets),
        RULE("policies are replaced as a whole", policies_are_replaced_as_a_whole),
        RULE("settings are kept by name", settings_are_kept_by_name),
        RULE("presence pages are kept", presence_pages_are_kept),
        RULE("a job is found by id and by number", a_job_is_found_by_id_and_number),
        RULE("a job moves on", a_job_moves_on),
        RULE("a job id is used once", a_job_id_is_used_once),
        RULE("scans of jobs", job_scans_follow_the_table),
        RULE("slices keep targets and cursors", slices_keep_targets_and_cursors),
        RULE("chunks are found by range", chunks_are_found_by_range),
        RULE("entries are replaced, and found by range", entries_are_replaced_and_found_by_range),
        RULE("outcomes are found by id, or all", outcomes_are_found_by_id_or_all),
        RULE("events are read from a number on, and the newest stays",
             events_are_read_from_a_number_on_and_the_newest_stays),
        RULE("names of the present and the deleted", names_of_present_and_deleted),
        RULE("a name stays until the last job before its deletion is purged",
             a_name_stays_until_the_last_job_before_its_deletion_is_purged),
        RULE("a job of the same commit keeps the name", a_job_of_the_same_commit_keeps_the_name),
        RULE("purging goes in small steps and leaves other jobs alone",
             purging_goes_in_small_steps_and_leaves_other_jobs_alone),
        RULE("purging the unknown is done at once", purging_the_unknown_is_done_at_once),
        RULE("many names are forgotten in steps", many_names_are_forgotten_in_steps),
        RULE("a message waits, changes and goes", a_message_waits_changes_and_goes),
        RULE("notices are found by kind and by lock", notices_are_found_by_kind_and_by_lock),
        RULE("an upload is kept until it is removed", an_upload_is_kept_until_it_is_removed),
        RULE("uploads change in the order of their commit",
             uploads_change_in_the_order_of_their_commit),
        RULE("a refused commit leaves nothing", a_refused_commit_leaves_nothing),
        RULE("a row that comes last can still refuse all", a_row_that_comes_last_can_still_refuse),
        RULE("a snapshot sees one state", a_snapshot_sees_one_state),
        RULE("a snapshot begins at begin", a_snapshot_begins_at_begin),
        RULE("a reader sees every commit that returned", a_reader_sees_every_commit_that_returned),
        RULE("a scan sees one state while the writer goes on",
             a_scan_sees_one_state_while_the_writer_goes_on),
        RULE("a visitor may ask its reader for other things",
             a_visitor_may_ask_its_reader_for_other_things),
        RULE("everything survives a restart", everything_survives_a_restart),
        RULE("the figures count", the_figures_count),
        RULE("a second instance is refused", a_second_instance_is_refused),
        RULE("a look beside a running hub", a_look_beside_a_running_hub),
        RULE("a look after the hub has gone", a_look_after_the_hub_has_gone),
        RULE("a look where nothing ever was", a_look_where_nothing_ever_was),
    };
    return cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
}
