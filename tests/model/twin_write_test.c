/* What a write makes of a section: values, refusals, sizes. Metadata: twin_meta_test.c. */
#include "model/fault.h"
#include "model/twin.h"
#include "read.h"

static struct arena mem;

static enum err write_section(enum twin_part part, const struct twin_section *old,
                              yyjson_val *patch, bool replace, struct twin_section *out,
                              struct why *why)
{
    return twin_section_write(
        part, old,
        &(struct twin_write){.patch = patch, .replace = replace, .now_ticks = 1, .stamp = 7}, &mem,
        out, why);
}

/* A section that holds `text`, made as clients make it. */
static struct twin_section holding(enum twin_part part, const char *text)
{
    struct twin_section fresh = twin_section_fresh(part, TIME_UNSET), out;
    struct why why;
    enum err err = write_section(part, &fresh, read_quoted(&mem, text), true, &out, &why);
    if (err != ERR_OK)
        fail_msg("the test's own section: %s", why.text);
    return out;
}

static const struct {
    const char *rule, *was, *patch, *now;
} merges[] = {
    {"a new member is added", "{}", "{'fan':3}", "{'fan':3}"},
    {"a null member deletes the property", "{'fan':3,'led':1}", "{'led':null}", "{'fan':3}"},
    {"a null member deletes a whole subtree", "{'fan':{'rpm':{'now':1}},'led':1}", "{'fan':null}",
     "{'led':1}"},
    {"null for a missing member has no effect", "{'fan':3}", "{'led':null}", "{'fan':3}"},
    {"null for a missing member is not looked at: its name may be anything", "{'fan':3}",
     "{'a.b$c ':null}", "{'fan':3}"},
    {"an absent member is left alone", "{'fan':3,'led':1}", "{'fan':4}", "{'fan':4,'led':1}"},
    {"objects merge", "{'fan':{'rpm':1,'on':true}}", "{'fan':{'rpm':2}}",
     "{'fan':{'rpm':2,'on':true}}"},
    {"objects merge at depth", "{'a':{'b':{'c':1,'d':2}}}", "{'a':{'b':{'c':null,'e':3}}}",
     "{'a':{'b':{'d':2,'e':3}}}"},
    {"an empty object in the patch changes nothing in an object", "{'fan':{'rpm':1}}", "{'fan':{}}",
     "{'fan':{'rpm':1}}"},
    {"an array replaces, it never merges", "{'days':[1,2]}", "{'days':[3]}", "{'days':[3]}"},
    {"an array replaces an object", "{'a':{'b':1}}", "{'a':[1]}", "{'a':[1]}"},
    {"a value replaces an object", "{'a':{'b':1}}", "{'a':'x'}", "{'a':'x'}"},
    {"an object replaces a value", "{'a':1}", "{'a':{'b':2}}", "{'a':{'b':2}}"},
    {"an object replaces an array", "{'a':[1,2]}", "{'a':{'b':2}}", "{'a':{'b':2}}"},
    {"nulls of an object that is new are absent", "{}", "{'a':{'b':null,'c':1}}", "{'a':{'c':1}}"},
    {"a new object of nulls is an empty object", "{}", "{'a':{'b':null}}", "{'a':{}}"},
    {"nulls of an object that replaces a value are absent", "{'a':1}", "{'a':{'b':null}}",
     "{'a':{}}"},
    {"an emptied object stays", "{'a':{'b':1}}", "{'a':{'b':null}}", "{'a':{}}"},
    {"members keep their places, new ones go to the end", "{'z':1,'m':2,'a':3}",
     "{'b':4,'m':5,'z':6,'c':7}", "{'z':6,'m':5,'a':3,'b':4,'c':7}"},
    {"a deleted member that returns goes to the end", "{'z':1,'a':2}", "{'z':null,'y':1}",
     "{'a':2,'y':1}"},
    {"$ members of the root are dropped silently", "{'fan':3}",
     "{'$metadata':{'x':{'$lastUpdated':'?'}},'$version':9,'$':null,'led':1}", "{'fan':3,'led':1}"},
    {"a dropped member is not looked at", "{}", "{'$x':[[[[[[[[[[[[[[null]]]]]]]]]]]]]]}", "{}"},
    {"names are case-sensitive", "{'Fan':1}", "{'fan':2}", "{'Fan':1,'fan':2}"},
    {"names are bytes, not their Unicode look", "{'\xC3\xA9':1}", "{'e\xCC\x81':2}",
     "{'\xC3\xA9':1,'e\xCC\x81':2}"},
    {"an empty patch changes nothing", "{'fan':{'rpm':1}}", "{}", "{'fan':{'rpm':1}}"},
    {"null clears the section", "{'fan':{'rpm':1},'led':true}", "null", "{}"},
    {"null clears an empty section", "{}", "null", "{}"},
    {"many members are found as few are",
     "{'a':1,'b':1,'c':1,'d':1,'e':1,'f':1,'g':1,'h':1,'i':1,'j':1}",
     "{'k':2,'j':2,'i':null,'h':2,'g':null,'f':2,'e':2,'d':2,'c':2,'b':2,'a':2,'0':null}",
     "{'a':2,'b':2,'c':2,'d':2,'e':2,'f':2,'h':2,'j':2,'k':2}"},
    {"an empty text is a value", "{}", "{'a':''}", "{'a':''}"},
    {"text is escaped again", "{'a':'\\\\ \\n \\u0001'}", "{'b':'\\u00e9\\/'}",
     "{'a':'\\\\ \\n \\u0001','b':'\xC3\xA9/'}"},
    {"arrays hold values, arrays and objects", "{}", "{'a':[1,'x',true,[],{},[{'b':[2]}]]}",
     "{'a':[1,'x',true,[],{},[{'b':[2]}]]}"},
    {"kept arrays stay as they are", "{'a':[1,'x',{'b':[2.5]}]}", "{'z':1}",
     "{'a':[1,'x',{'b':[2.5]}],'z':1}"},
};

static void a_patch_merges(void **state)
{
    for (enum twin_part part = TWIN_TAGS; part <= TWIN_REPORTED; part++)
        for (size_t i = 0; i < COUNT(merges); i++) {
            struct twin_section old = holding(part, merges[i].was), now;
            struct why why = {.text = ""};
            yyjson_val *patch = read_quoted(&mem, merges[i].patch);
            enum err err = write_section(part, &old, patch, false, &now, &why);
            if (err != ERR_OK)
                fail_msg("%s: %s", merges[i].rule, why.text);
            check_str(merges[i].rule, now.values, quoted(&mem, merges[i].now));
        }
}

static const struct {
    const char *rule, *was, *patch, *now;
} replacements[] = {
    {"the section becomes what was sent", "{'fan':3,'led':1}", "{'led':2}", "{'led':2}"},
    {"objects do not merge", "{'fan':{'rpm':1,'on':true}}", "{'fan':{'rpm':2}}",
     "{'fan':{'rpm':2}}"},
    {"null members count as absent", "{'a':1}", "{'a':null,'b':{'c':null}}", "{'b':{}}"},
    {"$ members of the root are dropped silently", "{'a':1}", "{'$version':3,'b':2}", "{'b':2}"},
    {"the order is that of the request", "{'a':1,'b':2}", "{'b':1,'a':2}", "{'b':1,'a':2}"},
    {"an empty object clears", "{'a':1}", "{}", "{}"},
    {"null clears", "{'a':1}", "null", "{}"},
};

static void a_replacement_replaces(void **state)
{
    for (size_t i = 0; i < COUNT(replacements); i++) {
        struct twin_section old = holding(TWIN_DESIRED, replacements[i].was), now;
        yyjson_val *patch = read_quoted(&mem, replacements[i].patch);
        assert_int_equal(write_section(TWIN_DESIRED, &old, patch, true, &now, NULL), ERR_OK);
        check_str(replacements[i].rule, now.values, quoted(&mem, replacements[i].now));
    }
}

static const struct {
    const char *rule, *sent, *kept;
} numbers[] = {
    {"an integer stays one", "{'a':7}", "{'a':7}"},
    {"a double stays one", "{'a':1.0}", "{'a':1.0}"},
    {"a double comes back to the last bit", "{'a':0.1,'b':5e-324,'c':1.7976931348623157e308}",
     "{'a':0.1,'b':5e-324,'c':1.7976931348623157e308}"},
    {"zero and minus zero", "{'a':0,'b':-0.0}", "{'a':0,'b':-0.0}"},
    {"the largest integer", "{'a':4503599627370495}", "{'a':4503599627370495}"},
    {"the smallest integer", "{'a':-4503599627370496}", "{'a':-4503599627370496}"},
    {"a double may be larger", "{'a':4503599627370496.0}", "{'a':4503599627370496.0}"},
};

static void numbers_round_trip(void **state)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct twin_section was = holding(TWIN_REPORTED, numbers[i].sent), now;
        struct str want = quoted(&mem, numbers[i].kept);
        check_str(numbers[i].rule, was.values, want);
        yyjson_val *patch = read_quoted(&mem, "{}");
        assert_int_equal(write_section(TWIN_REPORTED, &was, patch, false, &now, NULL), ERR_OK);
        check_str(numbers[i].rule, now.values, want);
    }
}

/* Ten objects below the root, the innermost holding X. */
#define NEST(x) "{'1':{'2':{'3':{'4':{'5':{'6':{'7':{'8':{'9':{'10':" x "}}}}}}}}}}"

static const struct {
    const char *rule, *was, *patch, *text; /* text NULL: accepted */
} rules[] = {
    {"the patch is an object", "{}", "[]", "properties.desired must be an object or null."},
    {"a text is no section", "{}", "'x'", "properties.desired must be an object or null."},
    {"ten levels with a value, as documented", "{}", NEST("1"), NULL},
    {"an object at level 10 may hold leaves", "{}", NEST("{'a':1}"), NULL},
    {"an array at level 10 may hold values", "{}", NEST("[1]"), NULL},
    {"an object at level 11", "{}", NEST("{'a':{}}"),
     "Nested depth of twin property exceeds 10 in "
     "properties.desired.1.2.3.4.5.6.7.8.9.10.a."},
    {"an array at level 11", "{}", NEST("{'a':[]}"), "Nested depth of twin property exceeds 10"},
    {"arrays count as a level", "{}", NEST("[[]]"),
     "Nested depth of twin property exceeds 10 in properties.desired.1.2.3.4.5.6.7.8.9.10[0]."},
    {"objects in arrays count", "{}", NEST("[1,{}]"), "9.10[1]."},
    {"the depth of the whole counts, not of the patch", NEST("{}"), NEST("{'a':{}}"), "9.10.a."},
    {"merging at the deepest level", NEST("{'a':1}"), NEST("{'a':2}"), NULL},
    {"an integer above the largest", "{}", "{'a':{'b':4503599627370496}}",
     "Property properties.desired.a.b has an out of bound value. Valid values are between "
     "-4503599627370496 and 4503599627370495."},
    {"an integer below the smallest", "{}", "{'a':-4503599627370497}",
     "Property properties.desired.a has an out of bound value."},
    {"the largest of 64 bits", "{}", "{'a':18446744073709551615}", "out of bound"},
    {"an integer in an array", "{}", "{'a':[1,9007199254740993]}",
     "Property properties.desired.a[1] has an out of bound value."},
    {"null in an array", "{}", "{'a':[1,null]}",
     "Arrays cannot contain 'null' as value in properties.desired.a[1]."},
    {"null in an array in an array", "{}", "{'a':[[null]]}", "properties.desired.a[0][0]."},
    {"null in an object in an array", "{}", "{'a':[{'b':null}]}",
     "Property properties.desired.a[0].b of an object in an array cannot be 'null'."},
    {"null deeper in an object in an array", "{}", "{'a':[{'b':{'c':null}}]}",
     "properties.desired.a[0].b.c of an object in an array"},
    {"an empty name", "{}", "{'a':{'':1}}", "Property name in properties.desired.a is empty."},
    {"a dot", "{}", "{'a':{'b.c':1}}",
     "Property name properties.desired.a.b.c contains invalid character '.'."},
    {"a dollar below the root", "{}", "{'a':{'$b':1}}", "contains invalid character '$'."},
    {"a dollar inside a name of the root", "{}", "{'a$':1}", "contains invalid character '$'."},
    {"a number sign", "{}", "{'a#':1}", "contains invalid character '#'."},
    {"a space", "{}", "{'a b':1}", "contains invalid character U+0020."},
    {"NUL", "{}", "{'a\\u0000':1}", "contains invalid character U+0000."},
    {"the last of C0", "{}", "{'a\\u001f':1}", "contains invalid character U+001F."},
    {"delete", "{}", "{'a\\u007f':1}", "contains invalid character U+007F."},
    {"the first of C1", "{}", "{'a\\u0080':1}", "contains invalid character U+0080."},
    {"the last of C1", "{}", "{'\\u009f':1}", "contains invalid character U+009F."},
    {"after C1 all is well", "{}", "{'\\u00a0':1}", NULL},
    {"what looks like C1 in other characters is none", "{}", "{'\xE2\x82\xAC\xC3\x85':1}", NULL},
    {"other signs are fine", "{}", "{'-:+%_*?!(),=@;\\'[]/\\\\~`|<>&^\xC3\xA9':1}", NULL},
    {"names in arrays follow the rules", "{}", "{'a':[{'b c':1}]}",
     "Property name properties.desired.a[0].b c contains invalid character U+0020."},
    {"a semicolon would end the sentence for Node", "{}", "{'a;b':[null]}",
     "Arrays cannot contain 'null' as value in properties.desired.a?b[0]."},
    {"controls do not reach the sentence", "{}", "{'a\\n\\u0007':1}", "properties.desired.a??"},
};

static void rules_are_kept(void **state)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct twin_section old = holding(TWIN_DESIRED, rules[i].was);
        struct twin_section now = {.version = -1};
        struct why why = {.text = ""};
        yyjson_val *patch = read_quoted(&mem, rules[i].patch);
        enum err err = write_section(TWIN_DESIRED, &old, patch, false, &now, &why);
        check_int(rules[i].rule, err, rules[i].text ? ERR_BAD_INPUT : ERR_OK);
        if (!rules[i].text)
            continue;
        check_contains(rules[i].rule, why.text, rules[i].text);
        check_int(rules[i].rule, why.code, FAULT_ARGUMENT_INVALID);
        check("a semicolon cuts the sentence for Node", strchr(why.text, ';') == NULL);
        check_int("a refused write leaves no change", now.version, -1);
    }
}

/* ---- lengths and sizes, at the limit and one over ---- */

static struct str repeat(struct str text, size_t count)
{
    struct buf all = {0};
    for (size_t i = 0; i < count; i++)
        buf_put(&all, text);
    struct str copy = str_copy(&mem, buf_str(&all));
    buf_done(&all);
    return copy;
}

static enum err write_text(enum twin_part part, struct str text, struct why *why)
{
    struct twin_section fresh = twin_section_fresh(part, TIME_UNSET), out;
    return write_section(part, &fresh, read_text(&mem, text), false, &out, why);
}

static void names_and_texts_have_a_length(void **state)
{
    static const struct {
        const char *rule, *form, *unit;
        size_t count;
        bool fits;
    } table[] = {
        {"a name of 1024 bytes", "{\"%.*s\":1}", "k", 1024, true},
        {"a name of 1025 bytes", "{\"%.*s\":1}", "k", 1025, false},
        {"bytes of a name count, not characters", "{\"%.*s\":1}", "\xC3\xA9", 513, false},
        {"a name in an array", "{\"a\":[{\"%.*s\":1}]}", "k", 1025, false},
        {"a text of 4096 bytes", "{\"a\":\"%.*s\"}", "x", 4096, true},
        {"a text of 4097 bytes", "{\"a\":\"%.*s\"}", "x", 4097, false},
        {"bytes of a text count, not characters", "{\"a\":\"%.*s\"}", "\xC3\xA9", 2049, false},
        {"a text in an array", "{\"a\":[\"%.*s\"]}", "x", 4097, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct why why;
        struct str unit = repeat(str_from(table[i].unit), table[i].count);
        struct str text = str_format(&mem, table[i].form, STR_ARG(unit));
        enum err err = write_text(TWIN_REPORTED, text, &why);
        check_int(table[i].rule, err, table[i].fits ? ERR_OK : ERR_BAD_INPUT);
        if (err == ERR_OK)
            continue;
        check("a long name is cut in the sentence, not the sentence",
              strchr(why.text, '\0')[-1] == '.');
        check("between characters", str_is_utf8(str_from(why.text)));
        check_contains(table[i].rule, why.text, " properties.reported.");
        check_contains(table[i].rule, why.text, "maximum length of");
    }
}

static void the_sentence_names_length_and_limit(void **state)
{
    struct why why;
    struct str x = repeat(STR("x"), 5000);
    write_text(TWIN_TAGS, str_format(&mem, "{\"note\":\"%.*s\"}", STR_ARG(x)), &why);
    check_str("a long text", str_from(why.text),
              STR("Value associated with property name tags.note has length 5000 that exceeds "
                  "maximum length of 4096."));
}

/* {"k":[u,u,...,u]}: one byte of name and `count` units. */
static struct str array_of(struct str unit, size_t count)
{
    struct str more = str_format(&mem, ",%.*s", STR_ARG(unit));
    struct str rest = repeat(more, count - 1);
    return str_format(&mem, "{\"k\":[%.*s%.*s]}", STR_ARG(unit), STR_ARG(rest));
}

static void sections_have_a_size(void **state)
{
    static const struct {
        const char *rule;
        enum twin_part part;
        const char *unit;
        size_t count;
        bool fits;
    } table[] = {
        {"tags of 8191 bytes: a number is 8", TWIN_TAGS, "1", 1023, true},
        {"tags of 8193 bytes", TWIN_TAGS, "1", 1024, false},
        {"desired of 32761 bytes", TWIN_DESIRED, "1.5", 4095, true},
        {"desired of 32769 bytes", TWIN_DESIRED, "1.5", 4096, false},
        {"reported of 32769 bytes", TWIN_REPORTED, "1", 4096, false},
        {"a Boolean is 4", TWIN_TAGS, "true", 2047, true},
        {"a Boolean is 4, not less", TWIN_TAGS, "false", 2048, false},
        {"a text is its bytes", TWIN_TAGS, "\"123456789\"", 910, true},
        {"a text is its bytes, not less", TWIN_TAGS, "\"123456789\"", 911, false},
        {"a text is its bytes, not its characters", TWIN_TAGS, "\"\xC3\xA9\"", 4096, false},
        {"escapes count as what they mean", TWIN_TAGS, "\"\\u0041\"", 8191, true},
        {"control characters do not count", TWIN_TAGS, "\"\\n\\u0001\\u007fx\"", 8191, true},
        {"control characters of C1 do not count", TWIN_TAGS, "\"\\u0085x\"", 8191, true},
        {"nor do they hide others", TWIN_TAGS, "\"\\u00a5\"", 4096, false},
        {"an object is its content", TWIN_TAGS, "{\"a\":1}", 910, true},
        {"an object is its content, not less", TWIN_TAGS, "{\"a\":1}", 911, false},
        {"what counts as nothing ends as well", TWIN_REPORTED, "{}", 90000, false},
        {"empty texts end as well", TWIN_REPORTED, "\"\"", 90000, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct why why;
        struct str text = array_of(str_from(table[i].unit), table[i].count);
        enum err err = write_text(table[i].part, text, &why);
        check_int(table[i].rule, err, table[i].fits ? ERR_OK : ERR_BAD_INPUT);
        if (err != ERR_OK)
            check_contains(table[i].rule, why.text, " exceeds maximum ");
    }
}

static void exactly_the_limit_is_allowed(void **state)
{
    struct why why;
    struct str texts = repeat(STR(",\"1234\""), 2047); /* 1 + 3 + 4 * 2047 = 8192 */
    assert_int_equal(
        write_text(TWIN_TAGS, str_format(&mem, "{\"k\":[\"123\"%.*s]}", STR_ARG(texts)), &why),
        ERR_OK);
    assert_int_equal(
        write_text(TWIN_TAGS, str_format(&mem, "{\"k\":[\"1234\"%.*s]}", STR_ARG(texts)), &why),
        ERR_BAD_INPUT);
    check_str("the sentence of Microsoft's edge hub", str_from(why.text),
              STR("Twin properties size 8193 exceeds maximum 8192 in tags."));
}

static void the_size_is_that_of_the_result(void **state)
{
    struct twin_section full, out;
    struct twin_section fresh = twin_section_fresh(TWIN_TAGS, TIME_UNSET);
    struct str text = array_of(STR("1"), 1023);
    write_section(TWIN_TAGS, &fresh, read_text(&mem, text), false, &full, NULL);
    const struct {
        const char *rule, *patch;
        enum err err;
    } table[] = {
        {"what was there counts", "{'x':1}", ERR_BAD_INPUT},
        {"a kept member counts once", "{'k':1}", ERR_OK},
        {"what goes makes room", "{'k':null,'x':1}", ERR_OK},
        {"so it does when it goes last", "{'x':[1,2,3],'k':null}", ERR_OK},
        {"the seven bytes that are left", "{'1234567':''}", ERR_OK},
        {"eight are one too many", "{'12345678':''}", ERR_BAD_INPUT},
        {"the size of $ members does not count", "{'$12345678':1}", ERR_OK},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        yyjson_val *patch = read_quoted(&mem, table[i].patch);
        check_int(table[i].rule, write_section(TWIN_TAGS, &full, patch, false, &out, NULL),
                  table[i].err);
    }
}

/* ---- hostile and damaged ---- */

static void a_deep_patch_is_refused_before_anybody_descends(void **state)
{
    enum { DEPTH = 100000 };
    struct json_limits limits = {.size_max = 1 << 20, .depth_max = DEPTH + 1};
    for (int array = 0; array <= 1; array++) {
        struct str open = repeat(array ? STR("[") : STR("{\"a\":"), DEPTH);
        struct str close = repeat(array ? STR("]") : STR("}"), DEPTH);
        struct str text = str_format(&mem, "{\"a\":%.*s1%.*s}", STR_ARG(open), STR_ARG(close));
        yyjson_val *patch;
        struct why why;
        struct twin_section out, old = holding(TWIN_DESIRED, "{'a':{'a':1}}");
        assert_int_equal(json_read(text, &limits, &mem, &patch, &why), ERR_OK);
        assert_int_equal(write_section(TWIN_DESIRED, &old, patch, false, &out, &why),
                         ERR_BAD_INPUT);
        check_contains("depth", why.text, "Nested depth of twin property exceeds 10");
    }
}

static void damaged_bytes_are_told_from_a_bad_patch(void **state)
{
    struct twin_section good = holding(TWIN_DESIRED, "{'a':1,'b':{'c':2}}"), out;
    yyjson_val *patch = read_quoted(&mem, "{'a':2,'d':1}");
    assert_int_equal(write_section(TWIN_DESIRED, &good, patch, false, &good, NULL), ERR_OK);
    assert_true(good.meta.len > 3);
    char longer[64] = {0};
    assert_true(good.meta.len < sizeof(longer));
    memcpy(longer, good.meta.ptr, good.meta.len);
    const struct {
        const char *rule;
        struct str values, meta;
    } table[] = {
        {"values cut short", str_take(good.values, good.values.len - 1), good.meta},
        {"values that are no object", STR("[]"), good.meta},
        {"no values", STR(""), good.meta},
        {"values too deep", quoted(&mem, NEST("{'a':{}}")), good.meta},
        {"metadata cut short", good.values, str_take(good.meta, good.meta.len - 1)},
        {"metadata gone", good.values, STR_NONE},
        {"metadata too long", good.values, str_of(longer, good.meta.len + 1)},
        {"metadata of other values", STR("{\"a\":1}"), good.meta},
        {"more stamps than bytes", good.values, STR("\x02\x03\xff\xff\xff\xff\x0f\x01")},
        {"a number that never ends", good.values,
         STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct twin_section bad = good;
        bad.values = table[i].values;
        bad.meta = table[i].meta;
        check_int(table[i].rule, write_section(TWIN_DESIRED, &bad, patch, false, &out, NULL),
                  ERR_CORRUPT);
        check_int("a replacement mends it",
                  write_section(TWIN_DESIRED, &bad, patch, true, &out, NULL), ERR_OK);
    }
}

static void versions_and_stamps_move(void **state)
{
    static const char *const patches[] = {"{'a':1}", "{'a':1}", "{}", "{'x':null}", "null"};
    for (enum twin_part part = TWIN_TAGS; part <= TWIN_REPORTED; part++) {
        struct twin_section section = twin_section_fresh(part, TIME_UNSET);
        bool reported = part == TWIN_REPORTED;
        check_int("a section is born with version 1", section.version, 1);
        check_int("a twin is born with version 2", section.stamp,
                  reported ? 0 : TWIN_VERSION_FRESH);
        check_str("a section is born empty", section.values, STR("{}"));
        for (size_t i = 0; i < COUNT(patches); i++) {
            yyjson_val *patch = read_quoted(&mem, patches[i]);
            assert_int_equal(write_section(part, &section, patch, false, &section, NULL), ERR_OK);
            check_int("+1 for every write, changed or not", section.version, (int64_t)i + 2);
            check_int("the twin's version, which reported has no part in", section.stamp,
                      reported ? 0 : 7);
        }
    }
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_patch_merges, reset),
        cmocka_unit_test_teardown(a_replacement_replaces, reset),
        cmocka_unit_test_teardown(numbers_round_trip, reset),
        cmocka_unit_test_teardown(rules_are_kept, reset),
        cmocka_unit_test_teardown(names_and_texts_have_a_length, reset),
        cmocka_unit_test_teardown(the_sentence_names_length_and_limit, reset),
        cmocka_unit_test_teardown(sections_have_a_size, reset),
        cmocka_unit_test_teardown(exactly_the_limit_is_allowed, reset),
        cmocka_unit_test_teardown(the_size_is_that_of_the_result, reset),
        cmocka_unit_test_teardown(a_deep_patch_is_refused_before_anybody_descends, reset),
        cmocka_unit_test_teardown(damaged_bytes_are_told_from_a_bad_patch, reset),
        cmocka_unit_test_teardown(versions_and_stamps_move, reset),
    };
    return cmocka_run_group_tests_name("twin_write", tests, NULL, NULL);
}
