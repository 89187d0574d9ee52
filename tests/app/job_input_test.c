/* Lists of devices in a file. */
#include "../base/check.h"
#include "app/job_cli.h"
#include "job/policy.h"

static const struct {
    const char *rule, *text, *json; /* NULL: refused, and `word` is in the complaint */
    const char *word;
} lists[] = {
    {"one a line", "a\nb\n", "[\"a\",\"b\"]", NULL},
    {"the last line may lack its end", "a\nb", "[\"a\",\"b\"]", NULL},
    {"lines of Windows, blanks, empty lines", " a\t\r\n\r\n\n  b \r\n", "[\"a\",\"b\"]", NULL},
    {"a byte order mark",
     "\xEF\xBB\xBF"
     "a\n",
     "[\"a\"]", NULL},
    {"all signs that an id may have", "a-:.+%_#*?!(),=@$'\n", "[\"a-:.+%_#*?!(),=@$'\"]", NULL},
    {"a sign at the front is no comment", "#1\n", "[\"#1\"]", NULL},
    {"an array", " \n[\"a\", \"b\"]\n", "[\"a\",\"b\"]", NULL},
    {"twice is once more for the hub to see", "a\na\n", "[\"a\",\"a\"]", NULL},
    {"nothing", "", NULL, "no device id"},
    {"nothing but lines", "\n \n", NULL, "no device id"},
    {"numbers are no ids", "[\"a\",7]", NULL, "item 2 is no text"},
    {"an empty array", "[]", NULL, "no device id"},
    {"two on a line", "a\n\nb c\n", NULL, "line 3: 'b c'"},
    {"an array in an array", "[[\"a\"]]", NULL, "none"},
    {"a number", "[\"a\", 7]", NULL, "item 2"},
    {"an array that breaks off", "[\"a\"", NULL, "JSON array"},
    {"a table", "deviceId,site\n", "[\"deviceId,site\"]", NULL}, /* which is an id */
    {"quotes", "\"a\"\n", NULL, "line 1"},
};

static void a_list_is_read_or_refused_at_its_line(void **state)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct arena mem = {0};
        struct str json = STR_NONE;
        struct why why = {0};
        enum err err = job_targets_read(str_from(lists[i].text), &mem, &json, &why);
        check_int(lists[i].rule, err, lists[i].json ? ERR_OK : ERR_BAD_INPUT);
        if (lists[i].json)
            check_str(lists[i].rule, json, str_from(lists[i].json));
        else
            check(lists[i].rule, strstr(why.text, lists[i].word) != NULL);
        arena_done(&mem);
    }
}

static void a_list_is_as_long_as_a_job_takes(void **state)
{
    struct buf text = {0};
    for (int i = 0; i < POLICY_TARGETS_MAX; i++)
        buf_printf(&text, "d%d\n", i);
    for (int more = 0; more <= 1; more++) {
        struct arena mem = {0};
        struct str json;
        struct why why = {0};
        check_int("the most", job_targets_read(buf_str(&text), &mem, &json, &why),
                  more ? ERR_LIMIT : ERR_OK);
        if (more)
            check("it says how many", strstr(why.text, "100000") != NULL);
        buf_put(&text, STR("one-more\n"));
        arena_done(&mem);
    }
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_or_refused_at_its_line),
        cmocka_unit_test(a_list_is_as_long_as_a_job_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
