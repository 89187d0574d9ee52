/* $metadata: which nodes a write stamps, and that the packed form keeps what it must.
 *
 * Stories are told in short: `@s` is $lastUpdated, s seconds after the twin's birth, `/v` is
 * $lastUpdatedVersion, members follow in parentheses: "@2/3 (fan@2/3 (rpm@2/3) led@1/2)". */
#include "model/twin.h"
#include "model/twin_meta.h"
#include "read.h"

static struct arena mem;
static int64_t birth;

static void tell_node(struct buf *story, yyjson_val *node)
{
    size_t i, count, told = 0;
    yyjson_val *key, *value;
    int64_t ticks = 0;
    assert_true(time_parse(json_member_str(node, "$lastUpdated"), &ticks));
    buf_printf(story, "@%lld", (long long)((ticks - birth) / TICKS_PER_SECOND));
    yyjson_val *version = yyjson_obj_get(node, "$lastUpdatedVersion");
    if (version)
        buf_printf(story, "/%lld", (long long)yyjson_get_sint(version));
    yyjson_obj_foreach(node, i, count, key, value)
    {
        struct str name = json_str(key);
        if (str_starts(name, STR("$")))
            continue;
        buf_put(story, told++ == 0 ? STR(" (") : STR(" "));
        buf_put(story, name);
        tell_node(story, value);
    }
    if (told > 0)
        buf_put_char(story, ')');
}

static struct str tell(enum twin_part part, const struct twin_section *section)
{
    struct buf json = {0}, story = {0};
    twin_put_metadata(&json, part, section);
    tell_node(&story, read_text(&mem, buf_str(&json)));
    struct str told = str_copy(&mem, buf_str(&story));
    buf_done(&json);
    buf_done(&story);
    return told;
}

enum { STEPS_MAX = 5 };

/* The n-th patch is written n seconds after birth; a leading `=` replaces. */
static struct twin_section live(enum twin_part part, const char *const patches[STEPS_MAX])
{
    struct twin_section section = twin_section_fresh(part, birth);
    for (int i = 0; i < STEPS_MAX && patches[i]; i++) {
        bool replace = patches[i][0] == '=';
        struct twin_write write = {
            .patch = read_quoted(&mem, patches[i] + replace),
            .replace = replace,
            .now_ticks = birth + (i + 1) * TICKS_PER_SECOND,
        };
        struct why why;
        if (twin_section_write(part, &section, &write, &mem, &section, &why) != ERR_OK)
            fail_msg("%s: %s", patches[i], why.text);
    }
    return section;
}

static const struct {
    const char *rule, *patches[STEPS_MAX], *desired, *reported;
} stories[] = {
    {"a section that nobody wrote has a time and no version", {NULL}, "@0", "@0"},
    {"a leaf and all its ancestors are stamped",
     {"{'fan':{'rpm':900}}"},
     "@1/2 (fan@1/2 (rpm@1/2))",
     "@1 (fan@1 (rpm@1))"},
    {"what is not touched keeps its stamp",
     {"{'fan':{'rpm':1,'on':true},'led':1}", "{'fan':{'rpm':2}}"},
     "@2/3 (fan@2/3 (rpm@2/3 on@1/2) led@1/2)",
     "@2 (fan@2 (rpm@2 on@1) led@1)"},
    {"an equal value is a write as well",
     {"{'fan':1,'led':1}", "{'fan':1}"},
     "@2/3 (fan@2/3 led@1/2)",
     "@2 (fan@2 led@1)"},
    {"a deleted property takes its node along and stamps its ancestors",
     {"{'a':{'b':{'c':1},'d':1},'e':1}", "{'a':{'b':null}}"},
     "@2/3 (a@2/3 (d@1/2) e@1/2)",
     "@2 (a@2 (d@1) e@1)"},
    {"an array is a leaf, whatever it holds",
     {"{'a':[1,{'b':[2]}],'c':1}", "{'c':2}"},
     "@2/3 (a@1/2 c@2/3)",
     "@2 (a@1 c@2)"},
    {"an empty patch stamps the root", {"{'a':1}", "{}"}, "@2/3 (a@1/2)", "@2 (a@1)"},
    {"$ members of the root stamp the root only",
     {"{'a':1}", "{'$metadata':{'a':{}}}"},
     "@2/3 (a@1/2)",
     "@2 (a@1)"},
    {"an object that takes a value's place is new, and so is all in it",
     {"{'a':1,'z':1}", "{'a':{'b':{'c':2}}}"},
     "@2/3 (a@2/3 (b@2/3 (c@2/3)) z@1/2)",
     "@2 (a@2 (b@2 (c@2)) z@1)"},
    {"a value that takes an object's place leaves no nodes behind",
     {"{'a':{'b':{'c':1},'d':2},'z':1}", "{'a':3}", "{'y':1}"},
     "@3/4 (a@2/3 z@1/2 y@3/4)",
     "@3 (a@2 z@1 y@3)"},
    {"a replacement stamps everything",
     {"{'a':1,'b':{'c':1}}", "={'b':{'c':1}}"},
     "@2/3 (b@2/3 (c@2/3))",
     "@2 (b@2 (c@2))"},
    {"clearing leaves the root", {"{'a':1}", "null"}, "@2/3", "@2"},
    {"a cleared section is written as any other",
     {"{'a':1}", "null", "{'b':1}"},
     "@3/4 (b@3/4)",
     "@3 (b@3)"},
    {"each node remembers its own write",
     {"{'a':1,'b':1,'c':{'d':1,'e':1}}", "{'b':2}", "{'c':{'e':2}}", "{'f':3}"},
     "@4/5 (a@1/2 b@2/3 c@3/4 (d@1/2 e@3/4) f@4/5)",
     "@4 (a@1 b@2 c@3 (d@1 e@3) f@4)"},
    {"stamps that show nowhere are forgotten, the others stay right",
     {"{'a':1,'b':1}", "{'a':2}", "{'a':3}", "{'b':4}", "{'c':5}"},
     "@5/6 (a@3/4 b@4/5 c@5/6)",
     "@5 (a@3 b@4 c@5)"},
    {"a member with an odd name keeps its node",
     {"{'=\\\"\\\\\xC3\xA9':{'x':1}}", "{'y':1}"},
     "@2/3 (=\"\\\xC3\xA9@1/2 (x@1/2) y@2/3)",
     "@2 (=\"\\\xC3\xA9@1 (x@1) y@2)"},
};

static void metadata_tells_who_was_touched(void **state)
{
    for (size_t i = 0; i < COUNT(stories); i++) {
        struct twin_section desired = live(TWIN_DESIRED, stories[i].patches);
        struct twin_section reported = live(TWIN_REPORTED, stories[i].patches);
        check_str(stories[i].rule, tell(TWIN_DESIRED, &desired), str_from(stories[i].desired));
        check_str(stories[i].rule, tell(TWIN_REPORTED, &reported), str_from(stories[i].reported));
    }
}

static void a_clock_that_goes_back_is_shown_as_it_was(void **state)
{
    struct twin_section section = twin_section_fresh(TWIN_DESIRED, birth);
    const int64_t times[] = {TIME_FOREVER, birth, birth + TICKS_PER_SECOND};
    for (size_t i = 0; i < COUNT(times); i++) {
        struct twin_write write = {.patch = read_text(&mem, str_format(&mem, "{\"%zu\":1}", i)),
                                   .now_ticks = times[i]};
        assert_int_equal(twin_section_write(TWIN_DESIRED, &section, &write, &mem, &section, NULL),
                         ERR_OK);
    }
    struct buf json = {0};
    twin_put_metadata(&json, TWIN_DESIRED, &section);
    yyjson_val *root = read_text(&mem, buf_str(&json));
    check_str("a time far ahead of the root's",
              json_member_str(yyjson_obj_get(root, "0"), "$lastUpdated"),
              STR("9999-12-31T23:59:59.9999999Z"));
    check_str("a time before its neighbour's",
              json_member_str(yyjson_obj_get(root, "1"), "$lastUpdated"),
              STR("2021-07-07T20:47:30Z"));
    buf_done(&json);
}

static void tags_have_no_metadata(void **state)
{
    const char *const patches[STEPS_MAX] = {"{'a':{'b':1}}", "{'c':1}", "{'a':{'d':1}}"};
    struct twin_section tags = live(TWIN_TAGS, patches);
    struct buf json = {0};
    twin_put_metadata(&json, TWIN_TAGS, &tags);
    check_str("tags", buf_str(&json), STR("{}"));
    check_int("and keep none", (int64_t)tags.meta.len, 0);
    check_str("values", tags.values, STR("{\"a\":{\"b\":1,\"d\":1},\"c\":1}"));
    buf_done(&json);
}

/* A million twins: what one section costs. */
static void metadata_is_small(void **state)
{
    static const char twenty[] =
        "{'a':1,'b':1,'c':1,'d':1,'e':1,'f':1,'g':1,'h':1,'i':1,'j':1,'k':1,'l':1,'m':1,'n':1,"
        "'o':1,'p':1,'q':1,'r':1,'s':1,'t':1}";
    const char *const once[STEPS_MAX] = {twenty};
    const char *const later[STEPS_MAX] = {twenty, "{'t':2}"};
    struct twin_section section = live(TWIN_REPORTED, once);
    check("twenty properties of one write: 10 bytes", section.meta.len <= 10);
    section = live(TWIN_REPORTED, later);
    check("one of them written later: a stamp and a byte for each",
          section.meta.len <= 10 + 5 + 20);
    section = twin_section_fresh(TWIN_REPORTED, birth);
    check("never written: nothing", section.meta.len == 0);
}

static void more_stamps_than_a_byte_counts(void **state)
{
    enum { WRITES = 400 };
    struct twin_section section = twin_section_fresh(TWIN_DESIRED, birth);
    for (int i = 1; i <= WRITES; i++) {
        struct twin_write write = {.patch = read_text(&mem, str_format(&mem, "{\"p%d\":1}", i)),
                                   .now_ticks = birth + i * TICKS_PER_SECOND};
        assert_int_equal(twin_section_write(TWIN_DESIRED, &section, &write, &mem, &section, NULL),
                         ERR_OK);
    }
    struct buf want = {0};
    buf_printf(&want, "@%d/%d (", WRITES, WRITES + 1);
    for (int i = 1; i <= WRITES; i++)
        buf_printf(&want, "%sp%d@%d/%d", i > 1 ? " " : "", i, i, i + 1);
    buf_put_char(&want, ')');
    check_str("each of them", tell(TWIN_DESIRED, &section), buf_str(&want));
    buf_done(&want);
}

/* Whatever the stored bytes, printing must end and give JSON. */
static void damaged_metadata_is_shown_as_far_as_it_goes(void **state)
{
    const char *const patches[STEPS_MAX] = {"{'a':1,'b':{'c':2}}", "{'b':{'d':3}}"};
    struct twin_section good = live(TWIN_DESIRED, patches);
    for (size_t at = 0; at < good.meta.len; at++)
        for (int flip = 0; flip < 256; flip++) {
            struct twin_section bad = good;
            bad.meta = str_copy(&mem, good.meta);
            ((char *)bad.meta.ptr)[at] = (char)(bad.meta.ptr[at] ^ flip);
            struct buf json = {0};
            twin_put_section(&json, TWIN_DESIRED, &bad);
            read_text(&mem, buf_str(&json));
            bad.meta = str_take(good.meta, at);
            buf_reset(&json);
            twin_put_section(&json, TWIN_DESIRED, &bad);
            read_text(&mem, buf_str(&json));
            bad.values = STR("{\"a\":");
            buf_reset(&json);
            twin_put_metadata(&json, TWIN_DESIRED, &bad);
            read_text(&mem, buf_str(&json));
            buf_done(&json);
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
        cmocka_unit_test_teardown(metadata_tells_who_was_touched, reset),
        cmocka_unit_test_teardown(a_clock_that_goes_back_is_shown_as_it_was, reset),
        cmocka_unit_test_teardown(tags_have_no_metadata, reset),
        cmocka_unit_test_teardown(metadata_is_small, reset),
        cmocka_unit_test_teardown(more_stamps_than_a_byte_counts, reset),
        cmocka_unit_test_teardown(damaged_metadata_is_shown_as_far_as_it_goes, reset),
    };
    return cmocka_run_group_tests_name("twin_meta", tests, set_up, NULL);
}
