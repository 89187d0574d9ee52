/* Correlation ids of uploads: as texts, and the end of a life in them. spec/device-http-amqp.md A.4. */
#include "../base/check.h"
#include "model/upload.h"

#define DIGITS "0123456789abcdef0123456789abcdef"

static void an_id_prints_and_reads_back(void **state)
{
    static const struct {
        const char *rule;
        uint8_t id[UPLOAD_ID_SIZE];
        const char *text;
    } ids[] = {
        {"nothing but zeros", {0}, "00000000000000000000000000000000"},
        {"every digit, the high half of a byte first",
         {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
          0xef},
         DIGITS},
        {"bytes in their order", {1, 2, [15] = 255}, "010200000000000000000000000000ff"},
    };
    for (size_t i = 0; i < COUNT(ids); i++) {
        char text[UPLOAD_ID_TEXT + 1];
        uint8_t id[UPLOAD_ID_SIZE];
        upload_id_print(ids[i].id, text);
        check_str(ids[i].rule, str_from(text), str_from(ids[i].text));
        check(ids[i].rule, upload_id_read(str_from(text), id));
        check(ids[i].rule, memcmp(id, ids[i].id, sizeof(id)) == 0);
    }
}

static void what_is_no_id_of_ours_is_not_read(void **state)
{
    static const struct {
        const char *rule;
        struct str text;
        bool ours;
    } texts[] = {
        {"32 digits", STR(DIGITS), true},
        {"nothing", STR(""), false},
        {"one digit less", STR("0123456789abcdef0123456789abcde"), false},
        {"one more", STR(DIGITS "0"), false},
        {"capitals: an id has one text", STR("0123456789ABCDEF0123456789ABCDEF"), false},
        {"a letter after f, first", STR("g123456789abcdef0123456789abcdef"), false},
        {"and last", STR("0123456789abcdef0123456789abcdeg"), false},
        {"the sign before 0", STR("/123456789abcdef0123456789abcdef"), false},
        {"the sign after 9", STR(":123456789abcdef0123456789abcdef"), false},
        {"a blank", STR(" 123456789abcdef0123456789abcdef"), false},
        {"a byte of zero",
         STR("0123456789abcdef\0"
             "123456789abcdef"),
         false},
        {"a byte over 127",
         STR("\xff"
             "123456789abcdef0123456789abcdef"),
         false},
        {"another form of 16 bytes", STR("01234567-89ab-cdef-0123-456789abcdef"), false},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint8_t id[UPLOAD_ID_SIZE];
        check(texts[i].rule, upload_id_read(texts[i].text, id) == texts[i].ours);
    }
}

static void an_id_carries_the_end_of_its_life(void **state)
{
    static const struct {
        const char *rule;
        int64_t expires_s;
    } ends[] = {
        {"the beginning of time", 0},
        {"a second later", 1},
        {"every byte for itself", 0x0102030405},
        {"today", 1767225600},
        {"past 2038", INT64_C(1) << 31},
        {"past 2106", INT64_C(1) << 32},
        {"the last that fits", (INT64_C(1) << 40) - 1},
    };
    struct random_fake dice;
    random_fake_init(&dice, 1);
    for (size_t i = 0; i < COUNT(ends); i++) {
        char text[UPLOAD_ID_TEXT + 1];
        uint8_t id[UPLOAD_ID_SIZE], again[UPLOAD_ID_SIZE];
        upload_id_make(ends[i].expires_s, &dice.random, id);
        check_int(ends[i].rule, upload_id_expires_s(id), ends[i].expires_s);
        upload_id_print(id, text);
        check(ends[i].rule, upload_id_read(str_from(text), again));
        check_int(ends[i].rule, upload_id_expires_s(again), ends[i].expires_s);
    }
}

static void nobody_guesses_the_rest(void **state)
{
    enum { END_SIZE = 5, IDS = 64 };
    uint8_t ids[IDS][UPLOAD_ID_SIZE];
    struct random_fake dice;
    random_fake_init(&dice, 1);
    for (size_t i = 0; i < IDS; i++)
        upload_id_make(1767225600, &dice.random, ids[i]);
    for (size_t i = 1; i < IDS; i++) {
        check("one end", memcmp(ids[i], ids[0], END_SIZE) == 0);
        for (size_t k = 0; k < i; k++)
            check("ids that end together differ",
                  memcmp(ids[i] + END_SIZE, ids[k] + END_SIZE, UPLOAD_ID_SIZE - END_SIZE) != 0);
    }
    for (size_t byte = END_SIZE; byte < UPLOAD_ID_SIZE; byte++) {
        size_t same = 0;
        for (size_t i = 1; i < IDS; i++)
            same += ids[i][byte] == ids[0][byte];
        check("every other byte is random", same < IDS / 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_prints_and_reads_back),
        cmocka_unit_test(what_is_no_id_of_ours_is_not_read),
        cmocka_unit_test(an_id_carries_the_end_of_its_life),
        cmocka_unit_test(nobody_guesses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
