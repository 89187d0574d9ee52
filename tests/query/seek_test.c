/* One value out of a text: the same as a whole parse gives, or no answer at all. */
#include "query/seek.h"
#include "random.h"

static struct arena mem;

/* In memory that ends where the text ends. */
static char *exact(struct str text)
{
    char *copy = xmalloc(text.len ? text.len : 1);
    memcpy(copy, text.ptr, text.len);
    return copy;
}

static enum seek seek_in(struct str text, const struct str *names, size_t count, struct buf *out)
{
    char *copy = exact(text);
    struct value value = value_undefined();
    enum seek seek = seek_value(str_of(copy, text.len), names, count, &value);
    buf_reset(out);
    if (seek == SEEK_FOUND)
        value_put(value, out);
    free(copy);
    return seek;
}

/* ---- rules ---- */

#define LONG                                                                                       \
    "'l01':'0123456789','l02':'0123456789','l03':1,'l04':'0123456789,','l05':'0123456789',"        \
    "'l06':'0123456789','l07':-2.5,'l08':'0123456789'"

static const struct {
    const char *rule, *text, *path,
        *want; /* of `path` names have dots between; ? unsure, - absent */
} seeks[] = {
    {"a number", "{'a':1,'b':22}", "b", "22"},
    {"a number below nothing", "{'a':-22}", "a", "-22"},
    {"a fraction is the nearest double", "{'a':0.1,'b':3.3}", "b", "3.3"},
    {"a text", "{'a':1,'b':'x, }y'}", "b", "'x, }y'"},
    {"an empty text", "{'a':''}", "a", "''"},
    {"true", "{'a':true}", "a", "true"},
    {"false", "{'a':false,'b':1}", "a", "false"},
    {"null", "{'a':null}", "a", "null"},
    {"a member of an object", "{'a':{'b':{'c':5}}}", "a.b.c", "5"},
    {"objects are skipped", "{'a':{'b':1,'x':[{'b':2},'}']},'b':3}", "b", "3"},
    {"texts with escapes are skipped", "{'a':'\\\\\\'b\\':','b':3}", "b", "3"},
    {"names count with case", "{'A':1}", "a", "-"},
    {"a name in a value is none", "{'a':'b','c':'b'}", "b", "-"},
    {"an empty object has nothing", "{}", "a", "-"},
    {"a number has no members", "{'a':1}", "a.b", "-"},
    {"nor has an array", "{'a':[1]}", "a.b", "-"},
    {"an object is left to the parser", "{'a':{'b':1}}", "a", "?"},
    {"an array is left to the parser", "{'a':[1]}", "a", "?"},
    {"an exponent is left to the parser", "{'a':1e3}", "a", "?"},
    {"many digits are left to the parser", "{'a':1234567890123456}", "a", "?"},
    {"many places are left to the parser", "{'a':0.1234567890123456}", "a", "?"},
    {"an escape is left to the parser", "{'a':'x\\ny'}", "a", "?"},
    {"an escape in a name, too", "{'\\u0061':1,'b':2}", "b", "?"},
    {"blanks are left to the parser", "{ 'a':1}", "a", "?"},
    {"blanks behind names, too", "{'a' :1}", "a", "?"},
    {"no object", "[1]", "a", "?"},
    {"nothing", "", "a", "?"},
    {"a flat object, first", "{" LONG "}", "l01", "'0123456789'"},
    {"a flat object, in the middle", "{" LONG "}", "l03", "1"},
    {"a flat object, last", "{" LONG ",'z':7}", "z", "7"},
    {"a flat object without it", "{" LONG "}", "l09", "-"},
    {"no part of a name", "{" LONG ",'xyz':7}", "z", "-"},
    {"no beginning of a name", "{" LONG ",'xyz':7}", "xy", "-"},
    {"flat up to the member", "{" LONG ",'z':7,'o':{'z':8}}", "z", "7"},
    {"no member of a member", "{" LONG ",'o':{'z':8}}", "z", "-"},
    {"a member of a member that is far", "{" LONG ",'o':{'z':8}}", "o.z", "8"},
    {"far behind an object", "{'o':{'z':8}," LONG ",'z':9}", "z", "9"},
    {"no text that looks like it", "{" LONG ",'t':',\\'z\\':1','u':2}", "z", "-"},
    {"nor a name that looks like it", "{" LONG ",'t,\\'z':1,'u':2}", "z", "?"},
    {"far behind an escape", "{'t':'\\n'," LONG ",'z':9}", "z", "9"},
    {"far behind a blank in a text", "{'t':' a'," LONG ",'z':9}", "z", "9"},
    {"far and blank", "{" LONG ",'z' :9}", "z", "?"},
};

static void seeks_follow_the_table(void **state)
{
    for (size_t i = 0; i < COUNT(seeks); i++) {
        struct str names[PATH_NAMES_MAX], rest = str_from(seeks[i].path);
        size_t count = 0;
        struct buf out = {0};
        while (str_cut(rest, '.', &names[count++], &rest))
            ;
        enum seek seek = seek_in(quoted(&mem, seeks[i].text), names, count, &out);
        if (seek != SEEK_FOUND)
            buf_put_char(&out, seek == SEEK_ABSENT ? '-' : '?');
        check_str(seeks[i].rule, buf_str(&out), quoted(&mem, seeks[i].want));
        buf_done(&out);
    }
    arena_done(&mem);
}

static void no_text_has_no_value(void **state)
{
    struct str name = STR("a");
    struct value value;
    assert_int_equal(seek_value(STR_NONE, &name, 1, &value), SEEK_UNSURE);
}

/* ---- the same as a parse ---- */

enum { CASES = 30000, MEMBERS_MAX = 30 };

/* Objects with many members, so that there is something to skip. */
static struct str random_text(struct dice *d)
{
    struct buf out = {0};
    buf_put_char(&out, '{');
    for (unsigned i = 0, members = roll(d, MEMBERS_MAX); i < members; i++) {
        buf_printf(&out, "%s\"k%u\":", i ? "," : "", i);
        put_random_value(d, &out, roll(d, 6) ? 0 : 3);
    }
    buf_put_char(&out, '}');
    struct str text = str_copy(&mem, buf_str(&out));
    buf_done(&out);
    return text;
}

static struct str random_name(struct dice *d)
{
    return roll(d, 3) ? str_format(&mem, "k%u", roll(d, MEMBERS_MAX))
                      : str_from(ONE_OF(d, some_keys));
}

static void what_is_found_is_what_a_parse_finds(void **state)
{
    size_t met[3] = {0};
    struct buf got = {0}, want = {0};
    struct dice d = {20240501, &mem};
    for (int i = 0; i < CASES; i++) {
        struct str text = random_text(&d), names[] = {random_name(&d), random_name(&d)};
        size_t count = 1 + roll(&d, 2);
        yyjson_val *value = read_json(&mem, text);
        for (size_t n = 0; n < count; n++)
            value = yyjson_obj_getn(value, names[n].ptr, names[n].len);
        enum seek seek = seek_in(text, names, count, &got);
        met[seek]++;
        buf_reset(&want);
        if (seek == SEEK_FOUND && value)
            value_put(value_of_json(value), &want);
        if (seek != SEEK_UNSURE &&
            ((seek == SEEK_FOUND) != (value != NULL) || !str_eq(buf_str(&got), buf_str(&want))))
            fail_msg("%.*s.%.*s in %.*s", STR_ARG(names[0]), STR_ARG(names[count - 1]),
                     STR_ARG(text));
        for (size_t cut = 0; i < 300 && cut < text.len;
             cut++) /* whatever it says, it reads no more */
            seek_in(str_take(text, cut), names, count, &got);
        arena_reset(&mem);
    }
    for (size_t i = 0; i < COUNT(met); i++)
        assert_true(met[i] > CASES / 100);
    buf_done(&got);
    buf_done(&want);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeks_follow_the_table),
        cmocka_unit_test(no_text_has_no_value),
        cmocka_unit_test(what_is_found_is_what_a_parse_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
