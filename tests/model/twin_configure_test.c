/* Desired properties as configurations want them: what is set, taken away, left alone, and told.
 *
 * Who wrote what is told in short: members with `=writer` behind those that a configuration wrote. */
#include "model/configuration.h"
#include "read.h"

static struct arena mem;
static int64_t birth;

enum { WRITERS_MAX = 3 };

static void tell_node(struct buf *story, yyjson_val *values, yyjson_val *meta)
{
    size_t i, count, told = 0;
    yyjson_val *key, *value;
    yyjson_obj_foreach(values, i, count, key, value)
    {
        yyjson_val *node = yyjson_obj_getn(meta, yyjson_get_str(key), yyjson_get_len(key));
        struct str by = json_member_str(node, "$lastUpdatedBy");
        assert_non_null(node);
        buf_put(story, told++ ? STR(" ") : STR(""));
        buf_printf(story, "%s", yyjson_get_str(key));
        if (by.ptr) {
            assert_non_null(json_member_str(node, "$lastUpdatedByDigest").ptr);
            buf_printf(story, "=%.*s", STR_ARG(by));
        }
        if (yyjson_is_obj(value)) {
            buf_put(story, STR("("));
            tell_node(story, value, node);
            buf_put(story, STR(")"));
        }
    }
}

static struct str tell(const struct twin_section *section)
{
    struct buf json = {0}, story = {0};
    twin_put_metadata(&json, TWIN_DESIRED, section);
    tell_node(&story, read_text(&mem, section->values), read_text(&mem, buf_str(&json)));
    struct str told = str_copy(&mem, buf_str(&story));
    buf_done(&json);
    buf_done(&story);
    return told;
}

/* What the configurations "a", "b", "c" set below desired, the most important first. */
static enum err configure(struct twin_section *section, const char *const contents[WRITERS_MAX],
                          struct twin_configured *out, bool won[WRITERS_MAX], struct why *why)
{
    static const struct twin_writer writers[WRITERS_MAX] = {
        {STR("a"), STR("da")}, {STR("b"), STR("db")}, {STR("c"), STR("dc")}};
    struct twin_setting settings[64];
    size_t count = 0;
    for (size_t i = 0; i < WRITERS_MAX; i++) {
        won[i] = false;
        if (!contents[i])
            continue;
        struct configuration_content content;
        struct str text =
            str_format(&mem, "{'deviceContent':{'properties.desired':%s}}", contents[i]);
        if (configuration_content_read(read_quoted(&mem, text.ptr), &mem, &content, why) != ERR_OK)
            fail_msg("%s: %s", contents[i], why->text);
        for (size_t n = 0; n < content.count; n++) {
            settings[count] = content.settings[n];
            settings[count++].by = i;
        }
    }
    struct twin_configuring want = {.settings = settings,
                                    .count = count,
                                    .writers = writers,
                                    .now_ticks = birth + section->version * TICKS_PER_SECOND,
                                    .stamp = section->version + 7};
    return twin_configure(section, &want, won, &mem, out, why);
}

static void write_by_hand(struct twin_section *section, const char *patch)
{
    struct why why;
    if (!patch[0])
        return;
    struct twin_write write = {.patch = read_quoted(&mem, patch), .now_ticks = birth};
    if (twin_section_write(TWIN_DESIRED, section, &write, &mem, section, &why) != ERR_OK)
        fail_msg("%s: %s", patch, why.text);
}

/* Somebody writes, configurations apply (`first`), somebody writes again, others apply (`then`). */
static const struct {
    const char *rule, *by_hand, *first[WRITERS_MAX], *again, *then[WRITERS_MAX];
    const char *values, *story, *patch; /* patch "-": nothing changes */
    const char *won;
} stories[] = {
    {"a setting is set, and says who",
     "{}",
     {"{'x':1}"},
     "",
     {"{'x':1,'y':2}"},
     "{'x':1,'y':2}",
     "x=a y=a",
     "{'y':2}",
     "a"},
    {"what is as it should be is left alone",
     "",
     {"{'x':{'y':[1,2]}}"},
     "",
     {"{'x':{'y':[1,2]}}"},
     "{'x':{'y':[1,2]}}",
     "x=a(y=a)",
     "-",
     "a"},
    {"what somebody else set alike becomes the configuration's",
     "{'x':1}",
     {NULL},
     "",
     {"{'x':1}"},
     "{'x':1}",
     "x=a",
     "{'x':1}",
     "a"},
    {"what else stands in an object stays, and stays whose it was",
     "{'fan':{'mode':'m'}}",
     {NULL},
     "",
     {"{'fan':{'rpm':1}}"},
     "{'fan':{'mode':'m','rpm':1}}",
     "fan(mode rpm=a)",
     "{'fan':{'rpm':1}}",
     "a"},
    {"the more important one wins, property by property",
     "",
     {NULL},
     "",
     {"{'fan':{'rpm':1}}", "{'fan':{'rpm':2,'on':true}}"},
     "{'fan':{'rpm':1,'on':true}}",
     "fan=a(rpm=a on=b)",
     "{'fan':{'rpm':1,'on':true}}",
     "ab"},
    {"one that wins nowhere is told so",
     "",
     {NULL},
     "",
     {"{'x':1}", "{'x':2}"},
     "{'x':1}",
     "x=a",
     "{'x':1}",
     "a"},
    {"a value above hides what is below",
     "",
     {NULL},
     "",
     {"{'x':1}", "{'x':{'y':2},'z':1}"},
     "{'x':1,'z':1}",
     "x=a z=b",
     "{'x':1,'z':1}",
     "ab"},
    {"and what is below hides a value above",
     "",
     {NULL},
     "",
     {"{'x':{'y':2}}", "{'x':1}"},
     "{'x':{'y':2}}",
     "x=a(y=a)",
     "{'x':{'y':2}}",
     "a"},
    {"the next one takes over when the first ends",
     "",
     {"{'x':1}", "{'x':2}"},
     "",
     {NULL, "{'x':2}"},
     "{'x':2}",
     "x=b",
     "{'x':2}",
     "b"},
    {"what none wants any more goes, with the objects that it needed",
     "{'keep':1}",
     {"{'a':{'b':{'c':1}},'d':2}"},
     "",
     {NULL},
     "{'keep':1}",
     "keep",
     "{'a':null,'d':null}",
     ""},
    {"an object of somebody else stays when it is empty",
     "{'fan':{}}",
     {"{'fan':{'rpm':1}}"},
     "",
     {NULL},
     "{'fan':{}}",
     "fan()",
     "{'fan':{'rpm':null}}",
     ""},
    {"what somebody wrote since is theirs, and stays",
     "",
     {"{'x':1,'y':1}"},
     "{'x':5}",
     {NULL},
     "{'x':5}",
     "x",
     "{'y':null}",
     ""},
    {"unless a configuration wants it",
     "",
     {"{'x':1}"},
     "{'x':5}",
     {"{'x':1}"},
     "{'x':1}",
     "x=a",
     "{'x':1}",
     "a"},
    {"what somebody took away comes back",
     "",
     {"{'x':1,'y':1}"},
     "{'x':null}",
     {"{'x':1,'y':1}"},
     "{'y':1,'x':1}",
     "y=a x=a",
     "{'x':1}",
     "a"},
    {"what was there before is not what comes back",
     "{'x':0}",
     {"{'x':1}"},
     "",
     {NULL},
     "{}",
     "",
     "{'x':null}",
     ""},
    {"a value takes an object's place",
     "{'x':{'y':1}}",
     {NULL},
     "",
     {"{'x':3}"},
     "{'x':3}",
     "x=a",
     "{'x':3}",
     "a"},
    {"an object takes a value's place",
     "{'x':3}",
     {NULL},
     "",
     {"{'x':{'y':1}}"},
     "{'x':{'y':1}}",
     "x=a(y=a)",
     "{'x':{'y':1}}",
     "a"},
    {"an empty object asks for an object, whatever is in it",
     "{'x':{'y':1}}",
     {NULL},
     "",
     {"{'x':{}}"},
     "{'x':{'y':1}}",
     "x(y)",
     "-",
     "a"},
    {"without settings and without traces nothing is written",
     "{'x':1}",
     {NULL},
     "",
     {"{}"},
     "{'x':1}",
     "x",
     "-",
     ""},
};

static void settings_come_and_go(void **state)
{
    for (size_t i = 0; i < COUNT(stories); i++) {
        struct twin_section section = twin_section_fresh(TWIN_DESIRED, birth);
        struct twin_configured done;
        bool won[WRITERS_MAX];
        struct why why = {0};
        write_by_hand(&section, stories[i].by_hand);
        if (configure(&section, stories[i].first, &done, won, &why) != ERR_OK)
            fail_msg("%s: %s", stories[i].rule, why.text);
        if (done.changed)
            section = done.next;
        write_by_hand(&section, stories[i].again);
        int64_t version = section.version;
        if (configure(&section, stories[i].then, &done, won, &why) != ERR_OK)
            fail_msg("%s: %s", stories[i].rule, why.text);
        bool quiet = strcmp(stories[i].patch, "-") == 0;
        check_int(stories[i].rule, done.changed, !quiet);
        if (done.changed) {
            check_str(stories[i].rule, done.patch, quoted(&mem, stories[i].patch));
            check_int("one version more", done.next.version, version + 1);
            check_int("and its stamp", done.next.stamp, version + 7);
            section = done.next;
        }
        check_str(stories[i].rule, section.values, quoted(&mem, stories[i].values));
        check_str(stories[i].rule, tell(&section), str_from(stories[i].story));
        for (size_t w = 0; w < WRITERS_MAX; w++)
            check_int(stories[i].rule, won[w], strchr(stories[i].won, "abc"[w]) != NULL);
        if (configure(&section, stories[i].then, &done, won, &why) != ERR_OK || done.changed)
            fail_msg("%s: a second look finds something to do", stories[i].rule);
    }
}

static void a_section_that_would_be_too_large_is_left_alone(void **state)
{
    struct twin_section section = twin_section_fresh(TWIN_DESIRED, birth);
    struct twin_configured done;
    bool won[WRITERS_MAX];
    struct why why = {0};
    struct buf patch = {0};
    for (int i = 0; i < 8; i++)
        buf_printf(&patch, "%c'p%d':'%04000d'", i ? ',' : '{', i, 0);
    buf_put(&patch, STR("}"));
    buf_put_char(&patch, '\0');
    write_by_hand(&section, patch.ptr);
    struct str large = str_format(&mem, "{'large':'%04000d'}", 0);
    const char *contents[WRITERS_MAX] = {large.ptr};
    check_int("refused", configure(&section, contents, &done, won, &why), ERR_BAD_INPUT);
    assert_false(done.changed);
    buf_done(&patch);
}

static void damaged_sections_are_told(void **state)
{
    struct twin_section section = twin_section_fresh(TWIN_DESIRED, birth);
    struct twin_configured done;
    const char *contents[WRITERS_MAX] = {"{'x':{'y':1}}", "{'z':1}"}, *none[WRITERS_MAX] = {NULL};
    bool won[WRITERS_MAX];
    struct why why = {0};
    assert_int_equal(configure(&section, contents, &done, won, &why), ERR_OK);
    for (size_t len = 1; len < done.next.meta.len; len++) {
        struct twin_section bad = done.next, unused;
        struct twin_configured again;
        bad.meta = str_take(bad.meta, len);
        (void)configure(&bad, none, &again, won, &why); /* no more than an error */
        struct twin_write write = {.patch = read_quoted(&mem, "{'n':1}"), .now_ticks = birth};
        (void)twin_section_write(TWIN_DESIRED, &bad, &write, &mem, &unused, &why);
        struct buf json = {0};
        twin_put_metadata(&json, TWIN_DESIRED, &bad);
        read_text(&mem, buf_str(&json));
        buf_done(&json);
    }
}

static void a_patch_touches_what_is_at_above_and_below_a_place(void **state)
{
    static const struct {
        const char *patch, *path;
        bool touches;
    } rows[] = {
        {"{'a':1}", "a", true},
        {"{'a':1}", "b", false},
        {"{'a':{'b':1}}", "a", true},
        {"{'a':1}", "a.b", true},
        {"{'a':null}", "a.b.c", true},
        {"{'a':{'b':1}}", "a.c", false},
        {"{'a':{'b':{}}}", "a.b", true},
        {"{'a':{}}", "a.b", false},
        {"null", "a", true},
        {"{}", "a", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str names[4], rest = str_from(rows[i].path);
        size_t count = 0;
        for (bool more = true; more;)
            more = str_cut(rest, '.', &names[count++], &rest);
        yyjson_val *patch = read_quoted(&mem, rows[i].patch);
        check_int(rows[i].patch, twin_patch_touches(patch, false, names, count), rows[i].touches);
        check_int("a replacement touches all", twin_patch_touches(patch, true, names, count), true);
    }
}

static int set_up(void **state)
{
    birth = ticks_of("2021-07-07T20:47:30Z");
    return 0;
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(settings_come_and_go, reset),
        cmocka_unit_test_teardown(a_section_that_would_be_too_large_is_left_alone, reset),
        cmocka_unit_test_teardown(damaged_sections_are_told, reset),
        cmocka_unit_test_teardown(a_patch_touches_what_is_at_above_and_below_a_place, reset),
    };
    return cmocka_run_group_tests_name("twin_configure", tests, set_up, NULL);
}
