#include "wire/bag.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* "[key]=[value]" per pair, "[key]" alone for null. */
static struct str story_of(struct buf *out, const struct bag *bag)
{
    buf_reset(out);
    for (size_t i = 0; i < bag->count; i++) {
        buf_printf(out, "[%.*s]", STR_ARG(bag->pairs[i].key));
        if (bag->pairs[i].has_value)
            buf_printf(out, "=[%.*s]", STR_ARG(bag->pairs[i].value));
        else
            assert_int_equal(bag->pairs[i].value.len, 0);
    }
    return buf_str(out);
}

static const struct {
    const char *rule, *text, *story;
} readings[] = {
    {"an empty bag", "", ""},
    {"pairs are joined by '&'", "a=1&b=2", "[a]=[1][b]=[2]"},
    {"the first '=' ends the key", "a=b=c", "[a]=[b=c]"},
    {"a bare key has the value null", "prop1&prop2=", "[prop1][prop2]=[]"},
    {"empty pairs are skipped", "&&a=1&&b=2&", "[a]=[1][b]=[2]"},
    {"a pair without a key is skipped", "=x&a=1&=", "[a]=[1]"},
    {"key and value are decoded apart", "a%3Db=c%26d", "[a=b]=[c&d]"},
    {"hex digits of either case", "a=x%2fy%2Fz", "[a]=[x/y/z]"},
    {"'+' is a plus", "a+b=c+d", "[a+b]=[c+d]"},
    {"decoding happens once", "a=%2541", "[a]=[%41]"},
    {"UTF-8 is decoded", "a=%C3%A9", "[a]=[\xC3\xA9]"},
    {"what is not UTF-8 stays as it is", "a=%FF%41", "[a]=[%FF%41]"},
    {"U+0000 stays as it is", "a=x%00y&b%00", "[a]=[x%00y][b%00]"},
    {"a broken escape stays as it is", "a=100%&b=%zz&c=%4", "[a]=[100%][b]=[%zz][c]=[%4]"},
    {"good escapes beside a broken one are decoded", "a=%20%zz%20", "[a]=[ %zz ]"},
    {"the last of equal keys wins", "a=1&b=2&a=3", "[a]=[3][b]=[2]"},
    {"also when it is null", "a=1&a", "[a]"},
    {"keys are equal once decoded", "%24.mid=1&$.mid=2", "[$.mid]=[2]"},
    {"keys' case counts", "a=1&A=2", "[a]=[1][A]=[2]"},
    {"Node",
     "%24.mid=mid%201&%24.cid=cid%2F1&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8&"
     "temperatureAlert=true%20%26%20false&%24weird=x%3Dy",
     "[$.mid]=[mid 1][$.cid]=[cid/1][$.uid]=[u][$.ct]=[application/json][$.ce]=[utf-8]"
     "[temperatureAlert]=[true & false][$weird]=[x=y]"},
    {"Python", "%24.mid=mid%201&%24.cid=c%2F1&%24.ct=application%2Fjson&%24.ce=utf-8&a%20b=x%26y",
     "[$.mid]=[mid 1][$.cid]=[c/1][$.ct]=[application/json][$.ce]=[utf-8][a b]=[x&y]"},
    {"C, which encodes nothing and puts the application first",
     "a b=x/y z&%24.cid=c/1&%24.mid=mid 1&%24.ct=application/json&%24.ce=utf-8",
     "[a b]=[x/y z][$.cid]=[c/1][$.mid]=[mid 1][$.ct]=[application/json][$.ce]=[utf-8]"},
    {"C with its encoding option",
     "a%20b=x%2fy%20z&%24.cid=c%2f1&%24.mid=mid%201&%24.ct=application%2fjson&%24.ce=utf-8",
     "[a b]=[x/y z][$.cid]=[c/1][$.mid]=[mid 1][$.ct]=[application/json][$.ce]=[utf-8]"},
    {"the service",
     "%24.mid=m-1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&%24.cid=c-1&"
     "%24.exp=2030-01-02T03%3A04%3A05.0000000Z&iothub-ack=full&prop1&prop2=&prop3=a%20string",
     "[$.mid]=[m-1][$.to]=[/devices/dev1/messages/deviceBound][$.cid]=[c-1]"
     "[$.exp]=[2030-01-02T03:04:05.0000000Z][iothub-ack]=[full][prop1][prop2]=[]"
     "[prop3]=[a string]"},
};

static void reads_every_form(void **state)
{
    struct arena mem = {0};
    struct buf story = {0};
    for (size_t i = 0; i < COUNT(readings); i++) {
        struct bag bag;
        assert_int_equal(bag_decode(str_from(readings[i].text), &mem, &bag, NULL), ERR_OK);
        struct str got = story_of(&story, &bag);
        if (!str_eq(got, str_from(readings[i].story)))
            fail_msg("%s:\n  got    %.*s\n  wanted %s", readings[i].rule, STR_ARG(got),
                     readings[i].story);
        arena_reset(&mem);
    }
    buf_done(&story);
    arena_done(&mem);
}

static void pairs_are_counted_before_memory_is_spent(void **state)
{
    struct arena mem = {0};
    struct buf text = {0};
    struct bag bag = {.count = 4711};
    struct why why = {0};
    for (int i = 0; i < BAG_PAIRS_MAX; i++)
        buf_printf(&text, "k%d=v&&", i);
    assert_int_equal(bag_decode(buf_str(&text), &mem, &bag, NULL), ERR_OK);
    assert_int_equal(bag.count, BAG_PAIRS_MAX);

    arena_done(&mem);
    bag.count = 4711;
    buf_put(&text, STR("k0")); /* the same key again counts */
    assert_int_equal(bag_decode(buf_str(&text), &mem, &bag, &why), ERR_LIMIT);
    assert_int_equal(bag.count, 4711);
    assert_int_equal(mem.used, 0);
    assert_true(why.text[0] != '\0');
    buf_done(&text);
    arena_done(&mem);
}

static void a_bag_has_a_longest_length(void **state)
{
    struct arena mem = {0};
    struct buf text = {0};
    struct bag bag;
    buf_put(&text, STR("a="));
    while (text.len < BAG_SIZE_MAX)
        buf_put_char(&text, 'v');
    assert_int_equal(bag_decode(buf_str(&text), &mem, &bag, NULL), ERR_OK);
    buf_put_char(&text, 'v');
    assert_int_equal(bag_decode(buf_str(&text), &mem, &bag, NULL), ERR_LIMIT);
    buf_done(&text);
    arena_done(&mem);
}

static void finds_by_decoded_key(void **state)
{
    struct arena mem = {0};
    struct bag bag;
    assert_int_equal(bag_decode(STR("%24.mid=m&a"), &mem, &bag, NULL), ERR_OK);
    assert_true(str_eq(bag_find(&bag, STR("$.mid"))->value, STR("m")));
    assert_false(bag_find(&bag, STR("a"))->has_value);
    assert_null(bag_find(&bag, STR("%24.mid")));
    assert_null(bag_find(&bag, STR("")));
    arena_done(&mem);
}

static void system_keys_begin_with_dollar_dot(void **state)
{
    assert_true(bag_is_system(STR("$.mid")));
    assert_true(bag_is_system(STR("$.")));
    assert_false(bag_is_system(STR("$weird")));
    assert_false(bag_is_system(STR("$")));
    assert_false(bag_is_system(STR("iothub-ack")));
    assert_false(bag_is_system(STR("a$.mid")));
}

#define PAIR(k, v)                                                                                 \
    {                                                                                              \
        .key = STR(k), .value = STR(v), .has_value = true                                          \
    }
#define BARE(k)                                                                                    \
    {                                                                                              \
        .key = STR(k)                                                                              \
    }

static const struct {
    const char *rule;
    struct bag_pair pairs[12];
    const char *text;
} writings[] = {
    {"nothing", {{.key = {0}}}, ""},
    {"system keys are literally %24. and values are encoded in upper case",
     {PAIR("$.to", "/devices/dev1/messages/deviceBound"),
      PAIR("$.exp", "2030-01-02T03:04:05.0000000Z")},
     "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&%24.exp=2030-01-02T03%3A04%3A05.0000000Z"},
    {"the service's order, whatever ours is",
     {PAIR("b", "2"), PAIR("iothub-ack", "full"), PAIR("$.ctime", "x"), PAIR("$.ce", "g"),
      PAIR("$.ct", "f"), PAIR("$.exp", "e"), PAIR("a", "1"), PAIR("$.uid", "d"), PAIR("$.cid", "c"),
      PAIR("$.to", "t"), PAIR("$.mid", "m")},
     "%24.mid=m&%24.to=t&%24.cid=c&%24.uid=d&%24.exp=e&%24.ct=f&%24.ce=g&%24.ctime=x&iothub-ack="
     "full&"
     "b=2&a=1"},
    {"null is written like empty text",
     {PAIR("$.to", "t"), BARE("p"), PAIR("q", "")},
     "%24.to=t&p=&q="},
    {"what separates is encoded, and a blank is %20",
     {PAIR("a b&c=d", "x+y/z?#%")},
     "a%20b%26c%3Dd=x%2By%2Fz%3F%23%25"},
    {"UTF-8 is encoded byte by byte", {PAIR("k", "\xC3\xA9")}, "k=%C3%A9"},
    {"'$weird' is not a system key and stays behind",
     {PAIR("$weird", "1"), PAIR("$.to", "t")},
     "%24.to=t&%24weird=1"},
};

static size_t pairs_in(const struct bag_pair *pairs)
{
    size_t count = 0;
    while (pairs[count].key.ptr)
        count++;
    return count;
}

static void writes_the_form_that_every_sdk_reads(void **state)
{
    for (size_t i = 0; i < COUNT(writings); i++) {
        struct buf out = {0};
        bag_put(&out, writings[i].pairs, pairs_in(writings[i].pairs));
        if (!str_eq(buf_str(&out), str_from(writings[i].text)))
            fail_msg("%s:\n  got    %.*s\n  wanted %s", writings[i].rule, STR_ARG(buf_str(&out)),
                     writings[i].text);
        buf_done(&out);
    }
}

static void what_was_written_reads_back_alike(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(writings); i++) {
        struct buf out = {0};
        struct bag bag;
        size_t count = pairs_in(writings[i].pairs);
        bag_put(&out, writings[i].pairs, count);
        assert_int_equal(bag_decode(buf_str(&out), &mem, &bag, NULL), ERR_OK);
        assert_int_equal(bag.count, count);
        for (size_t k = 0; k < count; k++) {
            const struct bag_pair *found = bag_find(&bag, writings[i].pairs[k].key);
            assert_non_null(found);
            assert_true(str_eq(found->value, writings[i].pairs[k].value));
        }
        buf_done(&out);
    }
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(pairs_are_counted_before_memory_is_spent),
        cmocka_unit_test(a_bag_has_a_longest_length),
        cmocka_unit_test(finds_by_decoded_key),
        cmocka_unit_test(system_keys_begin_with_dollar_dot),
        cmocka_unit_test(writes_the_form_that_every_sdk_reads),
        cmocka_unit_test(what_was_written_reads_back_alike),
    };
    return cmocka_run_group_tests_name("bag", tests, NULL, NULL);
}
