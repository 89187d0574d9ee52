/* Names of files that devices upload. model/blob_name.h. */
#include "model/blob_name.h"
#include "model/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *rule, *name, *refused; /* NULL: allowed; else a word of what to change */
} names[] = {
    {"a plain one", "f.txt", NULL},
    {"in folders", "a/b/c.txt", NULL},
    {"a blank", "a b", NULL},
    {"signs of addresses", "a?b#c&d=e+f", NULL},
    {"percent signs", "%2e%2e/%2f", NULL},
    {"other letters", "\xC3\xA4/\xE6\x97\xA5", NULL},
    {"hidden elsewhere", ".profile", NULL},
    {"a backslash", "a\\b", NULL},
    {"none", "", "missing"},
    {"a slash in front", "/a", "slash"},
    {"a slash behind", "a/", "slash"},
    {"two slashes", "a//b", "slash"},
    {"this folder", "./a", "'.'"},
    {"the folder above", "a/../b", "'.'"},
    {"only the folder above", "..", "'.'"},
    {"a dot behind", "a.", "dot"},
    {"a dot behind a folder", "a./b", "dot"},
    {"three dots", "...", "dot"},
    {"a line feed", "a\nb", "control"},
    {"DEL", "a\x7F", "control"},
    {"a control character of two bytes", "a\xC2\x85", "control"},
    {"no UTF-8", "a\xFF", "UTF-8"},
};

static void names_follow_the_table(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct why why = {0};
        enum err err = blob_name_check(STR("d1"), str_from(names[i].name), &why);
        bool as_said = names[i].refused
                           ? err == ERR_BAD_INPUT && why.code == FAULT_ARGUMENT_INVALID &&
                                 strstr(why.text, names[i].refused) != NULL
                           : err == ERR_OK;
        if (!as_said)
            fail_msg("%s: %s", names[i].rule, why.text);
    }
}

static enum err check_length(size_t device, size_t name, bool folders)
{
    static char id[256], text[4096];
    struct why why;
    memset(id, 'd', sizeof id);
    for (size_t i = 0; i < name; i++)
        text[i] = folders && i % 2 == 1 ? '/' : 'n';
    return blob_name_check(str_of(id, device), str_of(text, name), &why);
}

static void lengths_end_where_they_are_said_to(void **state)
{
    assert_int_equal(check_length(2, 255, false), ERR_OK);
    assert_int_equal(check_length(2, 256, false), ERR_BAD_INPUT);
    /* 253 parts behind the device's: 505 characters */
    assert_int_equal(check_length(2, 505, true), ERR_OK);
    assert_int_equal(check_length(2, 507, true), ERR_BAD_INPUT);

    char text[1024];
    memset(text, 'n', sizeof text);
    for (size_t i = 200; i < sizeof text; i += 200)
        text[i] = '/';
    struct why why;
    assert_int_equal(blob_name_check(STR("d"), str_of(text, 1022), &why), ERR_OK);
    assert_int_equal(blob_name_check(STR("dd"), str_of(text, 1022), &why), ERR_BAD_INPUT);
}

static const struct {
    const char *segment, *file; /* NULL: it cannot be one */
} files[] = {
    {"f.txt", "f.txt"}, {"a b", "a b"},     {".", "%2E"},           {"..", "%2E."},
    {".new", "%2Enew"}, {"%2E", "%252E"},   {"a\\b", "a%5Cb"},      {"a/b", "a%2Fb"},
    {"", NULL},         {"a.b.c", "a.b.c"}, {"%2Enew", "%252Enew"},
};

static void different_names_are_different_files(void **state)
{
    char all[sizeof files / sizeof files[0]][BLOB_FILE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bool good = blob_file_name(str_from(files[i].segment), all[i]);
        assert_int_equal(good, files[i].file != NULL);
        if (!good)
            continue;
        assert_string_equal(all[i], files[i].file);
        for (size_t k = 0; k < i; k++)
            assert_true(!files[k].file || strcmp(all[i], all[k]) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_table),
        cmocka_unit_test(lengths_end_where_they_are_said_to),
        cmocka_unit_test(different_names_are_different_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
