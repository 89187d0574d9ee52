/* Addresses of blobs and lists of blocks. wire/blob.h; spec/device-http-amqp.md A.4. */
#include "base/codec.h"
#include "wire/blob.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define KEY "0123456789abcdef0123456789abcdef"
#define PATH "uploads/d1/a b.txt"
#define NOW INT64_C(1767225600)

static struct arena mem;

static struct str signed_for(const char *path, char permission, int64_t expires_s)
{
    return blob_sign(&(struct blob_grant){str_from(path), permission, expires_s}, STR(KEY), &mem);
}

static enum err asked(struct str query, const char *path, char permission, struct why *why)
{
    return blob_verify(query, &(struct blob_grant){str_from(path), permission, 0}, NOW, STR(KEY),
                       why);
}

static void an_address_allows_what_it_was_signed_for(void **state)
{
    struct why why;
    assert_int_equal(asked(signed_for(PATH, 'w', NOW + 1), PATH, 'w', &why), ERR_OK);
    assert_int_equal(asked(signed_for(PATH, 'r', NOW + 1), PATH, 'r', &why), ERR_OK);
    assert_true(str_starts(signed_for(PATH, 'w', NOW + 1), STR("?")));
}

static const struct {
    const char *rule, *path;
    char permission;
    int64_t expires_s;
    char wish;
    const char *text;
} grants[] = {
    {"another file", "uploads/d1/b.txt", 'w', NOW + 1, 'w', "signature"},
    {"another device", "uploads/d2/a b.txt", 'w', NOW + 1, 'w', "signature"},
    {"a longer name", PATH ".txt", 'w', NOW + 1, 'w', "signature"},
    {"to read, not to write", PATH, 'r', NOW + 1, 'w', "for reading"},
    {"to write, not to read", PATH, 'w', NOW + 1, 'r', "for writing"},
    {"over since this second", PATH, 'w', NOW, 'w', "expired"},
    {"over for long", PATH, 'w', NOW - 86400, 'w', "expired"},
};

static void and_nothing_else(void **state)
{
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        struct why why;
        struct str query = signed_for(grants[i].path, grants[i].permission, grants[i].expires_s);
        enum err err = asked(query, PATH, grants[i].wish, &why);
        if (err != ERR_DENIED || !strstr(why.text, grants[i].text))
            fail_msg("%s: %s, %s", grants[i].rule, err_name(err), why.text);
    }
}

/* Of the form alone ("sv", "sr") nobody makes anything; each other byte is signed. */
static void every_byte_that_counts_is_signed(void **state)
{
    struct why why;
    struct str query = signed_for(PATH, 'w', NOW + 100);
    const char *from = strstr(query.ptr, "se=");
    assert_non_null(from);
    for (size_t at = (size_t)(from - query.ptr) + 3; at < query.len; at++) {
        char *changed = (char *)(uintptr_t)str_copy(&mem, query).ptr;
        if (strchr("&=%", changed[at]))
            continue;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        if (asked(str_of(changed, query.len), PATH, 'w', &why) != ERR_DENIED)
            fail_msg("byte %zu of %.*s", at, STR_ARG(query));
    }
    for (size_t length = 0; length + 1 < query.len; length++)
        assert_int_equal(asked(str_take(query, length), PATH, 'w', &why), ERR_DENIED);
    assert_int_equal(asked(STR_NONE, PATH, 'w', &why), ERR_DENIED);
    assert_int_equal(blob_verify(query, &(struct blob_grant){STR(PATH), 'w', 0}, NOW,
                                 STR("0123456789abcdef0123456789abcdeF"), &why),
                     ERR_DENIED);
}

/* ---- blocks ---- */

static const struct {
    const char *rule, *text;
    bool valid;
} ids[] = {
    {"base64", "YmxvY2stMDAwMDAx", true},
    {"padded", "MA==", true},
    {"the longest",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAA==",
     true},
    {"one byte more",
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAA=",
     false},
    {"none", "", false},
    {"no base64", "block 1", false},
};

static void ids_of_blocks(void **state)
{
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct str id;
        if (block_id_read(str_from(ids[i].text), &mem, &id) != ids[i].valid)
            fail_msg("%s", ids[i].rule);
    }
}

static const struct {
    const char *rule, *text;
    enum err err;
    size_t count;
} lists[] = {
    {"as the SDK for Node sends it",
     "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList><Latest>MDE=</Latest>"
     "<Latest>MDI=</Latest></BlockList>",
     ERR_OK, 2},
    {"as others do", "<BlockList>\r\n  <Uncommitted> MDE= </Uncommitted>\r\n</BlockList>\r\n",
     ERR_OK, 1},
    {"with a byte order mark",
     "\xEF\xBB\xBF<?xml version='1.0'?>\n<BlockList><Latest>MDE=</Latest></BlockList>", ERR_OK, 1},
    {"of none, an empty file", "<BlockList></BlockList>", ERR_OK, 0},
    {"the same, shorter", "<BlockList />", ERR_OK, 0},
    {"one block twice", "<BlockList><Latest>MDE=</Latest><Latest>MDE=</Latest></BlockList>", ERR_OK,
     2},
    {"blocks that were joined before", "<BlockList><Committed>MDE=</Committed></BlockList>",
     ERR_LIMIT, 0},
    {"an id that is none", "<BlockList><Latest>block 1</Latest></BlockList>", ERR_LIMIT, 0},
    {"an empty id", "<BlockList><Latest></Latest></BlockList>", ERR_LIMIT, 0},
    {"nothing", "", ERR_BAD_INPUT, 0},
    {"no XML", "{\"blocks\":[]}", ERR_BAD_INPUT, 0},
    {"a declaration alone", "<?xml version='1.0'?>", ERR_BAD_INPUT, 0},
    {"a declaration without an end", "<?xml version='1.0'", ERR_BAD_INPUT, 0},
    {"another root", "<Blocks><Latest>MDE=</Latest></Blocks>", ERR_BAD_INPUT, 0},
    {"another element", "<BlockList><Block>MDE=</Block></BlockList>", ERR_BAD_INPUT, 0},
    {"an element without an end", "<BlockList><Latest>MDE=</BlockList>", ERR_BAD_INPUT, 0},
    {"another end", "<BlockList><Latest>MDE=</Uncommitted></BlockList>", ERR_BAD_INPUT, 0},
    {"no end", "<BlockList><Latest>MDE=</Latest>", ERR_BAD_INPUT, 0},
    {"something behind it", "<BlockList></BlockList>x", ERR_BAD_INPUT, 0},
    {"a document type", "<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList></BlockList>", ERR_BAD_INPUT, 0},
};

static void lists_of_blocks(void **state)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct str *found;
        size_t count;
        struct why why = {0};
        enum err err = block_list_read(str_from(lists[i].text), &mem, &found, &count, &why);
        if (err != lists[i].err || (err == ERR_OK && count != lists[i].count))
            fail_msg("%s: %s, %zu, %s", lists[i].rule, err_name(err), count, why.text);
        if (err == ERR_OK && count > 0)
            assert_true(str_eq(found[0], STR("01")));
    }
}

static void a_list_has_a_largest_length(void **state)
{
    struct buf text = {0};
    struct str *found;
    size_t count;
    struct why why;
    buf_put(&text, STR("<BlockList>"));
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        buf_put(&text, STR("<Latest>MDE=</Latest>"));
    size_t end = text.len;
    buf_put(&text, STR("</BlockList>"));
    assert_int_equal(block_list_read(buf_str(&text), &mem, &found, &count, &why), ERR_OK);
    assert_int_equal(count, BLOCKS_MAX);
    text.len = end;
    buf_put(&text, STR("<Latest>MDE=</Latest></BlockList>"));
    assert_int_equal(block_list_read(buf_str(&text), &mem, &found, &count, &why), ERR_LIMIT);
    buf_done(&text);
}

static int tear_down(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_address_allows_what_it_was_signed_for, tear_down),
        cmocka_unit_test_teardown(and_nothing_else, tear_down),
        cmocka_unit_test_teardown(every_byte_that_counts_is_signed, tear_down),
        cmocka_unit_test_teardown(ids_of_blocks, tear_down),
        cmocka_unit_test_teardown(lists_of_blocks, tear_down),
        cmocka_unit_test_teardown(a_list_has_a_largest_length, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
