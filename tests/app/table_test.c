/* Rows of JSON as columns of text. */
#include "../base/check.h"
#include "app/table.h"

static void check_table(const char *rule, const char *rows, size_t line_max, const char *want)
{
    struct arena mem = {0};
    struct table table = {0};
    struct buf out = {0};
    yyjson_val *all, *row;
    size_t index, max;
    const struct json_limits limits = {.size_max = 4096, .depth_max = 8};
    assert_int_equal(json_read(str_from(rows), &limits, &mem, &all, NULL), ERR_OK);
    yyjson_arr_foreach(all, index, max, row) assert_true(table_add(&table, row));
    table_put(&table, line_max, true, &out);
    check_str(rule, buf_str(&out), str_from(want));
    buf_done(&out);
    table_done(&table);
    arena_done(&mem);
}

static void rows_become_lines(void **state)
{
    static const struct {
        const char *rule, *rows;
        size_t line_max;
        const char *want;
    } table[] = {
        {"no rows, no lines", "[]", SIZE_MAX, ""},
        {"a column is as wide as its widest cell",
         "[{\"id\":\"a\",\"n\":1},{\"id\":\"long\",\"n\":22}]", SIZE_MAX,
         "id    n\na     1\nlong  22\n"},
        {"a member that a row has not is left blank", "[{\"a\":1},{\"b\":2}]", SIZE_MAX,
         "a  b\n1\n   2\n"},
        {"null is shown, and so are objects", "[{\"a\":null,\"b\":{\"c\":[true]}}]", SIZE_MAX,
         "a     b\nnull  {\"c\":[true]}\n"},
        {"characters count, not bytes", "[{\"a\":\"\xc3\xbc\",\"b\":1},{\"a\":\"uu\",\"b\":2}]",
         SIZE_MAX, "a   b\n\xc3\xbc   1\nuu  2\n"},
        {"what a terminal would obey is not sent there", "[{\"a\":\"\\u001b[2J\"}]", SIZE_MAX,
         "a\n.[2J\n"},
        {"the widest column gives first", "[{\"id\":\"abc\",\"t\":\"0123456789\"}]", 12,
         "id   t\nabc  0123...\n"},
        {"columns stay readable on a narrow terminal", "[{\"id\":\"abcdefgh\",\"t\":\"12345678\"}]",
         5, "id    t\na...  1...\n"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_table(table[i].rule, table[i].rows, table[i].line_max, table[i].want);
}

static void columns_stay_from_page_to_page(void **state)
{
    struct arena mem = {0};
    struct table table = {0};
    struct buf out = {0};
    yyjson_val *row;
    const struct json_limits limits = {.size_max = 4096, .depth_max = 8};
    assert_int_equal(json_read(STR("{\"a\":1,\"b\":2}"), &limits, &mem, &row, NULL), ERR_OK);
    for (int i = 0; i < TABLE_ROWS_MAX; i++)
        assert_true(table_add(&table, row));
    assert_false(table_add(&table, row));
    table_reset(&table);
    assert_int_equal(json_read(STR("{\"b\":3}"), &limits, &mem, &row, NULL), ERR_OK);
    assert_true(table_add(&table, row));
    table_put(&table, SIZE_MAX, false, &out);
    check_str("a later page", buf_str(&out), STR("   3\n"));
    buf_done(&out);
    table_done(&table);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_lines),
        cmocka_unit_test(columns_stay_from_page_to_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
