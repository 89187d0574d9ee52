/* The folder of uploaded files, and its thread. store/blobs.h. */
#include "base/banned.h"
#include "fixture.h"
#include "model/storage_fault.h"
#include "store/blobs.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNIT = BLOB_UNIT };

static char dir[64];
static struct blobs *blobs;
static struct arena mem;
static struct mailbox back; /* conversations that the thread has done with */

static void start(struct blobs_options options)
{
    struct why why;
    options.dir = dir;
    options.clock = clock_system();
    if (blobs_open(&options, &blobs, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void stop(void)
{
    blobs_stop(blobs);
    blobs_destroy(blobs);
    blobs = NULL;
}

static int set_up(void **state)
{
    folder_make(dir);
    mailbox_init(&back, NULL, NULL);
    start((struct blobs_options){0});
    return 0;
}

static int tear_down(void **state)
{
    stop();
    mailbox_done(&back);
    folder_remove(dir);
    arena_done(&mem);
    return 0;
}

/* ---- one step of a conversation ---- */

static void done(struct blob *blob)
{
    mailbox_post(&back, &blob->mail);
}

static struct blob *begin(const char *name)
{
    struct blob *blob = blob_create(blobs, STR("d1"), str_from(name));
    blob->done = done;
    return blob;
}

static enum err send(struct blob *blob, enum blob_op op)
{
    blob_send(blob, op);
    assert_ptr_equal(mailbox_wait_one(&back, -1), &blob->mail);
    return blob->result;
}

static enum err give(struct blob *blob, const char *bytes, enum blob_op op)
{
    buf_put(&blob->bytes, str_from(bytes));
    return send(blob, op);
}

/* ---- all of one ---- */

/* ERR_OK, or the fault's code. */
static uint32_t end(struct blob *blob, enum err err)
{
    uint32_t code = err == ERR_OK ? 0 : blob->why.code;
    blob_release(blob);
    return code;
}

static uint32_t put(const char *name, const char *bytes)
{
    struct blob *blob = begin(name);
    return end(blob, give(blob, bytes, BLOB_PUT));
}

static uint32_t put_block(const char *name, const char *id, const char *bytes)
{
    struct blob *blob = begin(name);
    blob->block_id = str_copy(&blob->mem, str_from(id));
    return end(blob, give(blob, bytes, BLOB_PUT_BLOCK));
}

static uint32_t join(const char *name, const char *ids) /* a letter each */
{
    struct blob *blob = begin(name);
    size_t count = strlen(ids);
    struct str *list = arena_array(&blob->mem, struct str, count + 1);
    for (size_t i = 0; i < count; i++)
        list[i] = str_copy(&blob->mem, str_of(ids + i, 1));
    blob->ids = list;
    blob->id_count = count;
    return end(blob, send(blob, BLOB_JOIN));
}

static const char *text_of(const char *name) /* NULL: there is none */
{
    struct blob *blob = begin(name);
    const char *text = NULL;
    if (send(blob, BLOB_READ) == ERR_OK)
        text = str_format(&mem, "%.*s", STR_ARG(buf_str(&blob->bytes))).ptr;
    blob_release(blob);
    return text;
}

static int64_t room_taken(void)
{
    struct blobs_stats stats;
    struct blob *blob = begin("nothing"); /* by its answer all that was sent before is done */
    send(blob, BLOB_LOOK);
    blob_release(blob);
    blobs_stats(blobs, &stats);
    return stats.bytes;
}

static const char *path_of(const char *name)
{
    return str_format(&mem, "%s/files/%s", dir, name).ptr;
}

static bool is_there(const char *name)
{
    struct stat about;
    return lstat(path_of(name), &about) == 0;
}

/* ---- files ---- */

static void a_file_stands_under_its_name(void **state)
{
    assert_int_equal(put("a/b.txt", "hello"), 0);
    assert_string_equal(text_of("a/b.txt"), "hello");
    assert_true(is_there("uploads/d1/a/b.txt"));
    assert_int_equal(room_taken(), UNIT);
    assert_int_equal(put("a/b.txt", ""), 0); /* takes its place */
    assert_string_equal(text_of("a/b.txt"), "");
    assert_int_equal(room_taken(), 0);
    assert_int_equal(put(".hidden", "x"), 0);
    assert_true(is_there("uploads/d1/%2Ehidden"));
    assert_null(text_of("another"));
}

static void it_comes_in_pieces_and_is_seen_when_it_is_whole(void **state)
{
    struct blob *blob = begin("f");
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned length;
    assert_int_equal(give(blob, "one ", BLOB_WRITE), ERR_OK);
    assert_int_equal(give(blob, "two ", BLOB_WRITE), ERR_OK);
    assert_null(text_of("f"));
    assert_int_equal(room_taken(), UNIT);
    assert_int_equal(give(blob, "three", BLOB_PUT), ERR_OK);
    assert_int_equal(blob->size, 13);
    EVP_Digest("one two three", 13, sum, &length, EVP_md5(), NULL);
    assert_memory_equal(blob->sum, sum, 16);
    blob_release(blob);
    assert_string_equal(text_of("f"), "one two three");
}

static void what_is_let_go_in_the_middle_leaves_nothing(void **state)
{
    struct blob *blob = begin("f");
    assert_int_equal(give(blob, "half", BLOB_WRITE), ERR_OK);
    assert_int_equal(room_taken(), UNIT);
    blob_release(blob);
    assert_int_equal(room_taken(), 0);
    assert_null(text_of("f"));
    assert_false(is_there(".new/1"));
}

static void a_refused_file_leaves_the_old_one(void **state)
{
    assert_int_equal(put("f", "old"), 0);
    struct blob *blob = begin("f");
    blob->md5 = STR("0123456789abcdef");
    assert_int_equal(end(blob, give(blob, "new", BLOB_PUT)), STORAGE_MD5_MISMATCH);
    blob = begin("f");
    blob->only_new = true;
    assert_int_equal(end(blob, give(blob, "new", BLOB_PUT)), STORAGE_BLOB_EXISTS);
    assert_string_equal(text_of("f"), "old");
    assert_int_equal(room_taken(), UNIT);
}

static void a_file_is_no_folder_and_a_folder_no_file(void **state)
{
    assert_int_equal(put("a", "x"), 0);
    assert_int_equal(put("a/b", "x"), STORAGE_TYPE_MISMATCH);
    assert_int_equal(put("c/d", "x"), 0);
    assert_int_equal(put("c", "x"), STORAGE_TYPE_MISMATCH);
    assert_null(text_of("c"));
    assert_int_equal(room_taken(), 2 * UNIT);
}

static void no_link_is_followed(void **state)
{
    assert_int_equal(put("a/f", "x"), 0);
    int secret = open(str_format(&mem, "%s/secret", dir).ptr, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(secret, "secret", 6), 6);
    close(secret);
    assert_int_equal(symlink("../../../secret", path_of("uploads/d1/link")), 0);
    assert_int_equal(symlink("../../..", path_of("uploads/d1/up")), 0);
    assert_null(text_of("link"));
    assert_null(text_of("up/secret"));
    assert_int_equal(put("link", "x"), STORAGE_TYPE_MISMATCH);
    assert_int_equal(put("up/new", "x"), STORAGE_TYPE_MISMATCH);
    assert_int_equal(access(str_format(&mem, "%s/new", dir).ptr, F_OK), -1);
}

static void a_part_is_read(void **state)
{
    assert_int_equal(put("f", "0123456789"), 0);
    struct blob *blob = begin("f");
    blob->offset = 3;
    blob->end = 6;
    assert_int_equal(send(blob, BLOB_READ), ERR_OK);
    assert_true(str_eq(buf_str(&blob->bytes), STR("345")));
    assert_int_equal(blob->size, 10);
    blob_release(blob);
}

/* ---- blocks ---- */

static void blocks_are_joined_in_the_order_of_the_list(void **state)
{
    assert_int_equal(put_block("f", "b", "two"), 0);
    assert_int_equal(put_block("f", "a", "one"), 0);
    assert_int_equal(put_block("f", "c", "not wanted"), 0);
    assert_int_equal(put_block("g", "a", "another file's"), 0);
    assert_null(text_of("f"));
    assert_int_equal(room_taken(), 4 * UNIT);
    assert_int_equal(join("f", "aba"), 0);
    assert_string_equal(text_of("f"), "onetwoone");
    assert_int_equal(room_taken(), 2 * UNIT); /* its blocks are gone, the other's stay */
    assert_int_equal(join("f", "a"), STORAGE_INVALID_BLOCK_LIST);
    assert_string_equal(text_of("f"), "onetwoone");
    assert_int_equal(join("empty", ""), 0);
    assert_string_equal(text_of("empty"), "");
}

static void a_block_that_was_not_sent_is_missed(void **state)
{
    assert_int_equal(put_block("f", "a", "one"), 0);
    assert_int_equal(join("f", "ab"), STORAGE_INVALID_BLOCK_LIST);
    assert_null(text_of("f"));
    assert_int_equal(put_block("f", "b", "two"), 0);
    assert_int_equal(join("f", "ab"), 0); /* what was there has stayed */
    assert_string_equal(text_of("f"), "onetwo");
}

static struct blob *joining, *beside;

/* On the thread: the list is asked for first, so the block comes between its first step and the next. */
static void queue_both(struct blob *blob)
{
    blob_send(joining, BLOB_JOIN);
    blob_send(beside, BLOB_PUT_BLOCK);
    done(blob);
}

static void a_block_that_is_sent_anew_while_it_is_joined_ends_the_joining(void **state)
{
    const struct str ids[] = {STR("a")};
    struct blob *large = begin("f"), *first = begin("nothing");
    char *bytes = xmalloc(BLOB_JOIN_STEP + 10);
    memset(bytes, 'x', BLOB_JOIN_STEP + 10);
    large->block_id = STR("a");
    buf_put(&large->bytes, str_of(bytes, BLOB_JOIN_STEP + 10));
    assert_int_equal(end(large, send(large, BLOB_PUT_BLOCK)), 0);
    free(bytes);

    joining = begin("f");
    joining->ids = ids;
    joining->id_count = 1;
    beside = begin("f");
    beside->block_id = STR("a");
    buf_put(&beside->bytes, STR("small"));
    first->done = queue_both;
    blob_send(first, BLOB_LOOK);
    for (int i = 0; i < 3; i++)
        mailbox_wait_one(&back, -1);
    blob_release(first);
    assert_int_equal(end(beside, beside->result), 0);
    assert_int_equal(end(joining, joining->result), STORAGE_INVALID_BLOCK_LIST);
    assert_int_equal(room_taken(), UNIT);
    assert_int_equal(join("f", "a"), 0);
    assert_string_equal(text_of("f"), "small");
}

static void blocks_of_a_failed_upload_go(void **state)
{
    assert_int_equal(put_block("f", "a", "one"), 0);
    struct blob *blob = begin("f");
    assert_int_equal(send(blob, BLOB_FORGET), ERR_OK);
    blob_release(blob);
    assert_int_equal(room_taken(), 0);
    assert_int_equal(join("f", "a"), STORAGE_INVALID_BLOCK_LIST);
}

/* ---- limits ---- */

static void sizes_end_where_they_are_said_to(void **state)
{
    stop();
    start((struct blobs_options){.size_max = 4, .total_max = 2 * UNIT});
    assert_int_equal(put("a", "1234"), 0);
    assert_int_equal(put("b", "12345"), STORAGE_TOO_LARGE);
    assert_int_equal(put_block("c", "1", "12"), 0);
    assert_int_equal(put_block("c", "2", "345"), STORAGE_FULL);
    assert_int_equal(put("d", "1"), STORAGE_FULL);
    assert_int_equal(put("e", ""), 0); /* an empty one needs no room */
    assert_int_equal(room_taken(), 2 * UNIT);
}

static void what_a_crash_left_is_cleared_at_the_start(void **state)
{
    assert_int_equal(put("f", "x"), 0);
    stop();
    int left = open(path_of(".new/7"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(left, "half", 4), 4);
    close(left);
    start((struct blobs_options){0});
    assert_int_equal(room_taken(), UNIT); /* counted anew */
    assert_false(is_there(".new/7"));
    assert_string_equal(text_of("f"), "x");
}

static void files_go_when_they_are_too_old(void **state)
{
    assert_int_equal(put("a/old", "x"), 0);
    assert_int_equal(put("new", "x"), 0);
    stop();
    struct timespec long_ago[] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path_of("uploads/d1/a/old"), long_ago, 0), 0);
    start((struct blobs_options){.retention_s = 3600});
    assert_int_equal(room_taken(), UNIT);
    assert_null(text_of("a/old"));
    assert_false(is_there("uploads/d1/a")); /* with the folder that was empty then */
    assert_string_equal(text_of("new"), "x");
}

static void who_comes_when_it_has_stopped_is_told(void **state)
{
    struct blob *blob = begin("f"), *half = begin("half");
    assert_int_equal(give(half, "x", BLOB_WRITE), ERR_OK);
    blobs_stop(blobs);
    assert_int_equal(end(blob, give(blob, "x", BLOB_PUT)), STORAGE_BUSY);
    blob_release(half);
    assert_false(is_there(".new/1"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_file_stands_under_its_name),
        test(it_comes_in_pieces_and_is_seen_when_it_is_whole),
        test(what_is_let_go_in_the_middle_leaves_nothing),
        test(a_refused_file_leaves_the_old_one),
        test(a_file_is_no_folder_and_a_folder_no_file),
        test(no_link_is_followed),
        test(a_part_is_read),
        test(blocks_are_joined_in_the_order_of_the_list),
        test(a_block_that_was_not_sent_is_missed),
        test(a_block_that_is_sent_anew_while_it_is_joined_ends_the_joining),
        test(blocks_of_a_failed_upload_go),
        test(sizes_end_where_they_are_said_to),
        test(what_a_crash_left_is_cleared_at_the_start),
        test(files_go_when_they_are_too_old),
        test(who_comes_when_it_has_stopped_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
