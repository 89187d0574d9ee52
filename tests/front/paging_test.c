/* Tokens between pages, and pages that end exactly where they should. */
#include "base/codec.h"
#include "front/paging.h"
#include "house.h"
#include "model/fault.h"
#include <stdio.h>

/* ---- tokens ---- */

static const struct page_key keys[] = {
    {0, 0, 0}, {1, 2, UINT64_MAX}, {UINT32_MAX, UINT32_MAX, 5}, {0, 77, 1}};

static void a_token_gives_back_its_key(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct page_key key = {9, 9, 9};
        struct why why;
        struct str token = token_write(&mem, 42 + i, &keys[i]);
        assert_int_equal(token_read(token, 42 + i, &key, &why), ERR_OK);
        assert_int_equal(key.first, keys[i].first);
        assert_int_equal(key.second, keys[i].second);
        assert_int_equal(key.left, keys[i].left);
    }
    arena_done(&mem);
}

static void expect_refused(struct str token, uint64_t hash)
{
    struct page_key key;
    struct why why = {0};
    assert_int_equal(token_read(token, hash, &key, &why), ERR_BAD_INPUT);
    assert_int_equal(why.code, FAULT_ARGUMENT_INVALID);
}

static void what_is_not_a_token_of_this_query_is_refused(void **state)
{
    struct arena mem = {0};
    struct str token = token_write(&mem, 42, &keys[1]), bytes;
    expect_refused(token, 43);                                 /* of another query */
    expect_refused(str_take(token, token.len - 4), 42);        /* cut */
    expect_refused(str_format(&mem, "%sAAAA", token.ptr), 42); /* longer */
    expect_refused(STR("not base64!"), 42);
    expect_refused(STR(""), 42);
    char *huge = arena_zalloc(&mem, 1, 8192);
    memset(huge, 'A', 8192);
    expect_refused(str_of(huge, 8192), 42);
    assert_true(base64_decode(&mem, token, &bytes)); /* another version of tokens */
    char *other = arena_alloc(&mem, bytes.len);
    memcpy(other, bytes.ptr, bytes.len);
    other[0]++;
    expect_refused(base64_encode(&mem, str_of(other, bytes.len)), 42);
    arena_done(&mem);
}

/* ---- pages ---- */

enum { FLEET = 6 };

static int set_up(void **state)
{
    if (house_group_setup(state) != 0)
        return -1;
    for (int i = 0; i < FLEET; i++) {
        char name[32], line[64], body[64];
        struct answer answer;
        snprintf(name, sizeof name, "d%d", i);
        house_register(house_of_group(), name);
        snprintf(line, sizeof line, "PATCH /twins/d%d", i);
        snprintf(body, sizeof body, "{\"tags\":{\"n\":%d,\"odd\":%s}}", i,
                 i % 2 ? "true" : "false");
        house_ask(house_of_group(), line, "", body, &answer);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
        snprintf(line, sizeof line, "PUT /jobs/v2/job%d", i);
        house_ask(house_of_group(), line, "",
                  "{\"type\":\"scheduleUpdateTwin\",\"queryCondition\":\"*\",\"startTime\":"
                  "\"2099-01-01T00:00:00Z\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{\"x\":1}}}",
                  &answer);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
    }
    return 0;
}

static size_t count_items(struct str body)
{
    yyjson_doc *doc = yyjson_read(body.ptr, body.len, 0);
    assert_non_null(doc);
    size_t count = yyjson_arr_size(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return count;
}

#define ALL "SELECT * FROM devices"
static const struct {
    const char *rule, *query; /* NULL: GET /jobs/v2/query */
    int size;
    const char *pages;
} walks[] = {
    {"a page that is not full is the last", ALL, 10, "6."},
    {"a full page is the last when nothing follows", ALL, 6, "6."},
    {"one more item is one more page", ALL, 5, "5 1."},
    {"two full pages are two pages", ALL, 3, "3 3."},
    {"pages of one", ALL, 1, "1 1 1 1 1 1."},
    {"only what matches counts", ALL " WHERE tags.odd = true", 3, "3."},
    {"what follows without matching begins no page", ALL " WHERE tags.n < 2", 2, "2."},
    {"no match is one empty page", ALL " WHERE tags.n > 100", 2, "0."},
    {"named devices are paged as well",
     "SELECT deviceId FROM devices WHERE deviceId IN ['d5', 'd0', 'd3']", 2, "2 1."},
    {"a size over the limit is the limit", ALL, 1000000, "6."},
    {"a size of zero is the limit", ALL, 0, "6."},
    {"TOP counts across pages", "SELECT TOP 5 * FROM devices", 2, "2 2 1."},
    {"TOP that ends with a page ends there", "SELECT TOP 4 * FROM devices", 2, "2 2."},
    {"TOP over all there is", "SELECT TOP 50 * FROM devices", 4, "4 2."},
    {"groups are paged by rows", "SELECT tags.n AS n, COUNT() AS c FROM devices GROUP BY tags.n", 4,
     "4 2."},
    {"groups that just fit", "SELECT tags.odd AS o, COUNT() AS c FROM devices GROUP BY tags.odd", 2,
     "2."},
    {"a list of jobs", NULL, 4, "4 2."},
    {"a list of jobs that just fits", NULL, 6, "6."},
};

static void a_token_comes_when_and_only_when_an_item_follows(void **state)
{
    struct house *house = house_of_group();
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++) {
        print_message("  %s\n", walks[i].rule);
        struct buf seen = {0};
        char token[128] = "", headers[256], body[256];
        do {
            struct answer answer;
            snprintf(headers, sizeof headers, "x-ms-max-item-count: %d\r\n%s%s%s", walks[i].size,
                     token[0] ? "x-ms-continuation: " : "", token, token[0] ? "\r\n" : "");
            snprintf(body, sizeof body, "{\"query\":\"%s\"}", walks[i].query);
            house_ask(house, walks[i].query ? "POST /devices/query" : "GET /jobs/v2/query", headers,
                      walks[i].query ? body : NULL, &answer);
            assert_int_equal(answer.status, 200);
            assert_non_null(answer_header(&answer, "x-ms-item-type").ptr);
            struct str next = answer_header(&answer, "x-ms-continuation");
            snprintf(token, sizeof token, "%.*s", STR_ARG(next.ptr ? next : STR("")));
            buf_printf(&seen, "%zu%s", count_items(answer.body), next.ptr ? " " : ".");
            answer_done(&answer);
        } while (token[0]);
        buf_put_char(&seen, '\0');
        assert_string_equal(seen.ptr, walks[i].pages);
        buf_done(&seen);
    }
}

static void a_token_works_with_its_own_query_only(void **state)
{
    struct house *house = house_of_group();
    struct answer answer;
    char headers[256];
    house_ask(house, "POST /devices/query", "x-ms-max-item-count: 2\r\n", "{\"query\":\"" ALL "\"}",
              &answer);
    snprintf(headers, sizeof headers, "x-ms-continuation: %.*s\r\n",
             STR_ARG(answer_header(&answer, "x-ms-continuation")));
    answer_done(&answer);
    house_ask(house, "POST /devices/query", headers, "{\"query\":\"" ALL " WHERE tags.n > 1\"}",
              &answer);
    assert_int_equal(answer.status, 400);
    answer_done(&answer);
    house_ask(house, "GET /jobs/v2/query", headers, NULL, &answer);
    assert_int_equal(answer.status, 400);
    answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_gives_back_its_key),
        cmocka_unit_test(what_is_not_a_token_of_this_query_is_refused),
        cmocka_unit_test(a_token_comes_when_and_only_when_an_item_follows),
        cmocka_unit_test(a_token_works_with_its_own_query_only),
    };
    return cmocka_run_group_tests(tests, set_up, house_group_teardown);
}
