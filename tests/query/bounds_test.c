/* What a condition demands of paths, and how values become keys. */
#include "doc.h"
#include "query/bounds.h"

static void put_key_text(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c > ' ' && c < 0x7f)
            buf_put_char(out, key.ptr[i]);
        else
            buf_printf(out, "\\%x", c);
    }
}

static void put_bounds(struct buf *out, const struct bounds *b)
{
    if (!b) {
        buf_put(out, STR("-"));
    } else if (b->kind == BOUNDS_RANGE) {
        buf_printf(out, "%.*s ", STR_ARG(b->path));
        put_key_text(out, b->low);
        if (!str_eq(b->low, b->high)) {
            buf_put(out, STR(".."));
            put_key_text(out, b->high);
        }
    } else {
        buf_put(out, b->kind == BOUNDS_ALL ? STR("(all") : STR("(any"));
        for (size_t i = 0; i < b->count; i++) {
            buf_put(out, STR(", "));
            put_bounds(out, b->parts[i]);
        }
        buf_put_char(out, ')');
    }
}

/* Keys begin with the type: 1 null, 2 Boolean, 3 number, 4 text, 5 containers. */
static const struct {
    const char *rule, *text, *bounds;
} conditions[] = {
    {"a text", "tags.a = 'x'", "tags.a \\4x"},
    {"the constant may stand left", "'x' = tags.a", "tags.a \\4x"},
    {"desired and reported", "properties.desired.a = null AND properties.REPORTED.b.c = true",
     "(all, properties.desired.a \\1, properties.reported.b.c \\2\\1)"},
    {"the path as indexes know it", "Devices.Tags.[[a]].[[b c]] = 'x'", "tags.a.[[b c]] \\4x"},
    {"less is bounded below by its type", "tags.a < 'x'", "tags.a \\4..\\4x"},
    {"a mirrored comparison", "'x' < tags.a", "tags.a \\4x..\\5"},
    {"long texts are cut", "tags.a = 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc'",
     "tags.a \\4aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb"},
    {"NOT turns a comparison", "NOT (tags.a < 'x')", "tags.a \\4x..\\5"},
    {"NOT of unequal is equal", "NOT (tags.a != 'x')", "tags.a \\4x"},
    {"NOT of OR is AND", "NOT (tags.a != 'x' OR tags.b)", "(all, tags.a \\4x, tags.b \\2\\0)"},
    {"a bare path is true", "tags.a", "tags.a \\2\\1"},
    {"IN", "tags.a IN ['x', null]", "(any, tags.a \\4x, tags.a \\1)"},
    {"an empty IN matches nothing", "tags.a IN []", "(any)"},
    {"NOT NIN", "NOT (tags.a NIN ['x'])", "tags.a \\4x"},
    {"compared with undefined nothing matches", "tags.a = undefined", "(any)"},
    {"a prefix", "STARTSWITH(tags.a, 'ab')", "tags.a \\4ab..\\4ab\\ff"},
    {"whatever is there", "IS_DEFINED(tags.a)", "tags.a ..\\ff"},
    {"AND keeps what is known", "tags.a = 'x' AND deviceId != 'y'", "tags.a \\4x"},
    {"OR needs both", "tags.a = 'x' OR deviceId = 'y'", "-"},
    {"unequal bounds nothing", "tags.a != 'x'", "-"},
    {"NIN bounds nothing", "tags.a NIN ['x']", "-"},
    {"absence bounds nothing", "NOT IS_DEFINED(tags.a)", "-"},
    {"another path is no constant", "tags.a = tags.b", "-"},
    {"identities have no index", "status = 'enabled'", "-"},
    {"nor have whole sections", "IS_DEFINED(tags)", "-"},
    {"nor has metadata", "properties.reported.$metadata.a.$lastUpdated > '2024'", "-"},
    {"nor have versions", "properties.desired.$version = 3", "-"},
    {"nor has everything", "true", "-"},
};

static void bounds_follow_the_table(void **state)
{
    for (size_t i = 0; i < COUNT(conditions); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        put_bounds(&out, query_bounds(compile_condition(&mem, conditions[i].text)));
        check_str(conditions[i].rule, buf_str(&out), str_from(conditions[i].bounds));
        buf_done(&out);
        arena_done(&mem);
    }
}

static void records_have_no_bounds(void **state)
{
    struct arena mem = {0};
    assert_null(query_bounds(compile(&mem, "SELECT * FROM devices.jobs WHERE tags.a = 1")));
    arena_done(&mem);
}

/* In ascending order: types first, then values. */
static const char *const ascending[] = {
    "null",
    "false",
    "true",
    "-1e300",
    "-2",
    "-1.5",
    "0",
    "0.5",
    "1",
    "255",
    "4503599627370495",
    "1e300",
    "''",
    "'A'",
    "'a'",
    "'ab'",
    "'b'",
    "'é'",
    "[]",
};

static void keys_compare_as_values_do(void **state)
{
    struct arena mem = {0};
    struct bounds_path path;
    char before[BOUNDS_KEY_MAX] = "", key[BOUNDS_KEY_MAX];
    size_t size = 0;
    assert_true(bounds_path_read(STR("tags.v"), &path));
    for (size_t i = 0; i < COUNT(ascending); i++) {
        struct str text = str_format(&mem, "{'v':%s}", ascending[i]);
        size_t now = bounds_key(&path, read_json(&mem, quoted(&mem, text.ptr)), key);
        assert_true(now > 0);
        if (i && str_cmp(str_of(before, size), str_of(key, now)) >= 0)
            fail_msg("%s does not stand behind %s", ascending[i], ascending[i - 1]);
        memcpy(before, key, now);
        size = now;
    }
    assert_int_equal(bounds_key(&path, read_json(&mem, STR("{}")), key), 0);
    assert_int_equal(bounds_key(&path, read_json(&mem, STR("[]")), key), 0);
    assert_int_equal(bounds_key(&path, NULL, key), 0);
    size = bounds_key(&path, read_json(&mem, STR("{\"v\":-0.0}")), before);
    assert_int_equal(bounds_key(&path, read_json(&mem, STR("{\"v\":0}")), key), size);
    assert_memory_equal(before, key, size);
    arena_done(&mem);
}

static void only_our_paths_are_read(void **state)
{
    static const char *const bad[] = {"",
                                      "tags",
                                      "tags.",
                                      "tagsx.a",
                                      "tags..a",
                                      "tags.a.",
                                      "tags.[[a",
                                      "tags.[[a]]b",
                                      "a.b",
                                      "tags.[[]]",
                                      "tags.a.b.c.d.e.f.g.h.i.j.k",
                                      "properties.a"};
    struct bounds_path path;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (bounds_path_read(str_from(bad[i]), &path))
            fail_msg("'%s' is no path", bad[i]);
    assert_true(bounds_path_read(STR("properties.desired.[[a.b]].c"), &path));
    assert_int_equal(path.section, TWIN_DESIRED);
    assert_int_equal(path.count, 2);
    assert_true(str_eq(path.names[0], STR("a.b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_follow_the_table),
        cmocka_unit_test(records_have_no_bounds),
        cmocka_unit_test(keys_compare_as_values_do),
        cmocka_unit_test(only_our_paths_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
