#include "base/err.h"
#include "check.h"

static void the_kind_comes_back_and_the_sentence_is_kept(void **state)
{
    struct why why = {.at = 7, .code = 9};
    assert_int_equal(err_fail(ERR_CONFLICT, &why, "side is at version %d", 41), ERR_CONFLICT);
    check_str("the format is filled in", str_from(why.text), STR("side is at version 41"));
    check_int("an old offset does not stay", why.at, 0);
    check_int("an old code does not stay", why.code, 0);
}

static void a_fault_carries_its_number(void **state)
{
    struct why why = {.at = 7};
    assert_int_equal(err_fault(ERR_NOT_FOUND, 404001, &why, "no device %s", "a"), ERR_NOT_FOUND);
    check_int("the number of the catalogue", why.code, 404001);
    check_int("an old offset does not stay", why.at, 0);
    check_str("the sentence", str_from(why.text), STR("no device a"));
}

static void nobody_has_to_ask_why(void **state)
{
    assert_int_equal(err_fail(ERR_LIMIT, NULL, "too %s", "much"), ERR_LIMIT);
    assert_int_equal(err_fault(ERR_BUSY, 429001, NULL, "later"), ERR_BUSY);
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < COUNT(characters); i++)
        for (size_t shift = 0; shift < 4; shift++) {
            struct buf text = {0};
            struct why why;
            buf_put(&text, str_take(STR("abc"), shift));
            while (text.len < 2 * sizeof why.text)
                buf_put(&text, str_from(characters[i]));
            buf_put_char(&text, '\0');
            err_fail(ERR_BAD_INPUT, &why, "%s", text.ptr);
            struct str kept = str_from(why.text);
            check("a cut sentence is UTF-8 still", str_is_utf8(kept));
            check("no more is cut than must be", kept.len > sizeof why.text - 1 - 4);
            check("it is the beginning", memcmp(kept.ptr, text.ptr, kept.len) == 0);
            buf_done(&text);
        }
}

static void a_sentence_that_just_fits_is_kept_whole(void **state)
{
    char text[sizeof(((struct why *)NULL)->text)];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 3, "\xC3\xA9", 3);
    struct why why;
    err_fail(ERR_BAD_INPUT, &why, "%s", text);
    check_str("no character is lost", str_from(why.text), str_from(text));
}

static void every_kind_has_a_word_of_its_own(void **state)
{
    for (int kind = ERR_OK; kind < ERR_COUNT; kind++)
        for (int other = ERR_OK; other < kind; other++)
            assert_string_not_equal(err_name((enum err)kind), err_name((enum err)other));
    assert_string_equal(err_name(ERR_CONFLICT), "conflict");
    assert_string_equal(err_name(ERR_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_comes_back_and_the_sentence_is_kept),
        cmocka_unit_test(a_fault_carries_its_number),
        cmocka_unit_test(nobody_has_to_ask_why),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
        cmocka_unit_test(a_sentence_that_just_fits_is_kept_whole),
        cmocka_unit_test(every_kind_has_a_word_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
