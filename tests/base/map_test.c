#include "base/clock.h"
#include "base/map.h"
#include "check.h"

enum { KEYS = 1000, TURNS = 30000 };

/* Values are never looked at; any address will do. */
static char things[KEYS];

static void numbers_are_found_under_their_keys(void **state)
{
    struct map m = {0};
    static const uint64_t keys[] = {0, 1, 2, UINT32_MAX, UINT64_MAX, UINT64_MAX - 1, 1ull << 63};
    check("an empty map has nothing", !map_get(&m, 0) && !map_remove(&m, 0));
    for (size_t i = 0; i < COUNT(keys); i++)
        check("a new key replaces nothing", !map_put(&m, keys[i], &things[i]));
    check_int("each counts", m.count, COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++)
        check("each is found", map_get(&m, keys[i]) == &things[i]);
    check("no other is", !map_get(&m, 3));
    check("put again gives the old value", map_put(&m, 0, &things[9]) == &things[0]);
    check("and keeps the new one", map_get(&m, 0) == &things[9]);
    check_int("and counts once", m.count, COUNT(keys));
    check("removing gives the value", map_remove(&m, 0) == &things[9]);
    check("once", !map_remove(&m, 0) && !map_get(&m, 0));
    check_int("and counts", m.count, COUNT(keys) - 1);
    map_done(&m);
    check("a map can begin again", !map_get(&m, 1) && m.count == 0);
}

static void texts_are_found_by_what_they_say(void **state)
{
    struct strmap m = {0};
    char one[] = "device-1", same[] = "device-1";
    check("an empty map has nothing", !strmap_get(&m, STR("")) && !strmap_remove(&m, STR("")));
    strmap_put(&m, str_from(one), &things[1]);
    strmap_put(&m, STR(""), &things[2]);
    strmap_put(&m, str_of("a\0b", 3), &things[3]);
    check("by content, not by address", strmap_get(&m, str_from(same)) == &things[1]);
    check("the empty text is a key", strmap_get(&m, STR("")) == &things[2]);
    check("bytes behind a NUL count", !strmap_get(&m, str_of("a\0c", 3)));
    check("so does the length", !strmap_get(&m, STR("device-")) && !strmap_get(&m, STR("a")));
    check("case counts", !strmap_get(&m, STR("Device-1")));
    check("put again gives the old value",
          strmap_put(&m, str_from(same), &things[4]) == &things[1]);
    one[0] = 'x';
    check("and the old key may go", strmap_get(&m, STR("device-1")) == &things[4]);
    check("removing gives the value", strmap_remove(&m, STR("device-1")) == &things[4]);
    check("once", !strmap_remove(&m, STR("device-1")));
    check_int("two are left", m.count, 2);
    strmap_done(&m);
}

/* Both maps against a plain array, through growth, removal and reuse. */
static void they_agree_with_an_array(void **state)
{
    struct map numbers = {0};
    struct strmap texts = {0};
    static char names[KEYS][8];
    char *present[KEYS] = {0};
    int64_t count = 0;
    struct random_fake random;
    random_fake_init(&random, 7);
    for (size_t i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "%zu", i);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t dice = random_u64(&random.random);
        size_t i = dice % KEYS;
        char *value = &things[dice >> 20 & 511], *was = present[i];
        bool put = (dice >> 40 & 3) < (turn / (TURNS / 8) % 2 ? 1 : 3); /* it grows and shrinks */
        void *by_number = put ? map_put(&numbers, i, value) : map_remove(&numbers, i);
        void *by_text = put ? strmap_put(&texts, str_from(names[i]), value)
                            : strmap_remove(&texts, str_from(names[i]));
        check("the number map gives what was there", by_number == was);
        check("the text map gives what was there", by_text == was);
        present[i] = put ? value : NULL;
        count += (int)put - (was != NULL);
        check_int("the count of numbers", numbers.count, count);
        check_int("the count of texts", texts.count, count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        check("numbers at the end", map_get(&numbers, i) == present[i]);
        check("texts at the end", strmap_get(&texts, str_from(names[i])) == present[i]);
    }
    map_done(&numbers);
    strmap_done(&texts);
}

static void a_walk_sees_each_entry_once_while_they_are_removed(void **state)
{
    struct map numbers = {0};
    int seen[KEYS] = {0};
    for (size_t i = 0; i < KEYS; i++)
        map_put(&numbers, i, &things[i]);
    uint64_t key;
    void *value;
    for (size_t at = 0; map_next(&numbers, &at, &key, &value);) {
        check("a key comes with its value", value == &things[key]);
        seen[key]++;
        map_remove(&numbers, key);
    }
    for (size_t i = 0; i < KEYS; i++)
        check_int("once", seen[i], 1);
    check_int("nothing is left", numbers.count, 0);
    size_t at = 0;
    check("and nothing is walked", !map_next(&numbers, &at, &key, &value));
    map_done(&numbers);
}

static void a_walk_skips_what_was_removed_before_it_came(void **state)
{
    struct map m = {0};
    for (uint64_t i = 0; i < KEYS; i++)
        map_put(&m, i, &things[i]);
    size_t at = 0, given = 0;
    uint64_t key, partner;
    void *value;
    while (map_next(&m, &at, &key, &value)) {
        partner = key ^ 1;
        given++;
        map_remove(&m, partner);
    }
    check_int("one of each pair", given, KEYS / 2);
    map_done(&m);
}

static void coming_and_going_does_not_grow_a_map(void **state)
{
    struct map numbers = {0};
    struct strmap texts = {0};
    char name[24];
    map_put(&numbers, UINT64_MAX, &things[1]);
    strmap_put(&texts, STR("resident"), &things[1]);
    for (uint64_t i = 0; i < 100000; i++) {
        map_put(&numbers, i, &things[0]);
        map_remove(&numbers, i);
        snprintf(name, sizeof name, "%llu", (unsigned long long)i);
        strmap_put(&texts, str_from(name), &things[0]);
        strmap_remove(&texts, str_from(name));
    }
    check("numbers", numbers.cap <= 16);
    check("texts", texts.cap <= 16);
    /* Would the traces fill the map, these searches would find no end. */
    check("what was removed is not found", !map_get(&numbers, 1) && !strmap_get(&texts, STR("1")));
    check("the resident is", map_get(&numbers, UINT64_MAX) == &things[1]);
    check("the resident is", strmap_get(&texts, STR("resident")) == &things[1]);
    map_done(&numbers);
    strmap_done(&texts);
}

/* CPython hashes bytes with SipHash-1-3; PYTHONHASHSEED=0 makes the key zero. */
static void siphash_gives_the_known_values(void **state)
{
    static const uint64_t zero[2],
        seed_1[2] = {UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)};
    static const struct {
        const uint64_t *key;
        const char *text;
        uint64_t hash;
    } known[] = {
        {zero, "a", UINT64_C(0x407448d2b89b1813)},
        {zero, "abcdefg", UINT64_C(0x6db12aae9070f506)},
        {zero, "abcdefgh", UINT64_C(0x3f7b849c0b8e35ea)},
        {zero, "abcdefghi", UINT64_C(0xf89b34a3d11eb6e5)},
        {seed_1, "device-1", UINT64_C(0x0e96356dde876abe)},
        {seed_1, "a/b/c/d/e/f", UINT64_C(0xb22ecf395dc5dd02)},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        check(known[i].text, hash_sip(known[i].key, str_from(known[i].text)) == known[i].hash);
    char bytes[63];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    check("all lengths of the last word count",
          hash_sip(zero, str_of(bytes, sizeof bytes)) == UINT64_C(0x385d3e39e5f37359));
}

/* The vectors of the authors of FNV. */
static void the_stable_hash_is_fnv_1a(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {
        {"", UINT64_C(0xcbf29ce484222325)},
        {"a", UINT64_C(0xaf63dc4c8601ec8c)},
        {"foobar", UINT64_C(0x85944171f73967e8)},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        check(known[i].text, hash_stable(str_from(known[i].text)) == known[i].hash);
}

static void the_keyed_hashes_stay_within_a_process(void **state)
{
    check("the same text, the same hash", hash_bytes(STR("abc")) == hash_bytes(STR("abc")));
    check("another text, another", hash_bytes(STR("abc")) != hash_bytes(STR("abd")));
    check("the same number, the same hash", hash_number(1) == hash_number(1));
    check("another number, another", hash_number(1) != hash_number(2));
}

static void put_nothing(void)
{
    struct map m = {0};
    map_put(&m, 1, NULL);
}

static void put_nothing_under_a_text(void)
{
    struct strmap m = {0};
    strmap_put(&m, STR("a"), NULL);
}

static void a_value_is_never_null(void **state)
{
    check_stops("map_put", put_nothing);
    check_stops("strmap_put", put_nothing_under_a_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_found_under_their_keys),
        cmocka_unit_test(texts_are_found_by_what_they_say),
        cmocka_unit_test(they_agree_with_an_array),
        cmocka_unit_test(a_walk_sees_each_entry_once_while_they_are_removed),
        cmocka_unit_test(a_walk_skips_what_was_removed_before_it_came),
        cmocka_unit_test(coming_and_going_does_not_grow_a_map),
        cmocka_unit_test(siphash_gives_the_known_values),
        cmocka_unit_test(the_stable_hash_is_fnv_1a),
        cmocka_unit_test(the_keyed_hashes_stay_within_a_process),
        cmocka_unit_test(a_value_is_never_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
