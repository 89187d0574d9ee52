#include "base/banned.h"
#include "base/time.h"
#include "fixture.h"
#include "lossy_vfs.h"
#include "store/eventlog.h"
#include <inttypes.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const int64_t START = INT64_C(17000000000000000); /* some day */

static char dir[64];
static struct eventlog *event_log;
static struct why why;

/* Moved by the test while partitions read it. */
static _Atomic int64_t now_ticks;

static int64_t now(struct clock *clock)
{
    return now_ticks;
}
static struct clock test_clock = {now, now, now};

static void advance_s(int64_t seconds)
{
    now_ticks += seconds * TICKS_PER_SECOND;
}

static void ok_at(enum err err, int line)
{
    if (err != ERR_OK)
        fail_msg("line %d: %s: %s", line, err_name(err), why.text);
}
#define ok(err) ok_at((err), __LINE__)

static struct eventlog_options options(const char *vfs)
{
    return (struct eventlog_options){
        .dir = dir, .clock = &test_clock, .vfs = vfs, .retention_s = 100};
}

static void open_log(const char *vfs)
{
    struct eventlog_options o = options(vfs);
    ok(eventlog_open(&o, &event_log, &why));
}

static void close_log(void)
{
    eventlog_close(event_log);
    event_log = NULL;
}

static int set_up(void **state)
{
    folder_make(dir);
    lossy_vfs_register("lossy");
    now_ticks = START;
    return 0;
}

static int tear_down(void **state)
{
    lossy_vfs_arm(&(struct lossy_plan){0});
    close_log();
    lossy_vfs_lose();
    folder_remove(dir);
    return 0;
}

/* ---- an append that somebody waits for ---- */

struct sending {
    struct eventlog_append append;
    sem_t finished;
    unsigned calls;
    enum err result;
    pthread_t thread;
    sem_t *hold; /* `done` waits for it: the partition's thread is busy until then */
};

static void note_done(struct eventlog_append *append, enum err result)
{
    struct sending *s = (struct sending *)append;
    sem_t *hold = s->hold;
    s->calls++;
    s->result = result;
    s->thread = pthread_self();
    sem_post(&s->finished); /* from here on it belongs to the test again */
    if (hold)
        sem_wait(hold);
}

static void send(struct sending *s, const char *device_id, struct str body)
{
    s->append.event = (struct event){
        .device_id = str_from(device_id),
        .module_id = STR(""),
        .properties = STR("{\"$.cid\":\"7\"}"),
        .body = body,
    };
    s->append.done = note_done;
    sem_init(&s->finished, 0, 0);
    eventlog_append(event_log, &s->append);
}

static enum err wait_for(struct sending *s)
{
    sem_wait(&s->finished);
    sem_destroy(&s->finished);
    assert_int_equal(s->calls, 1);
    return s->result;
}

static enum err put_event(const char *device_id, struct str body)
{
    struct sending s = {0};
    send(&s, device_id, body);
    return wait_for(&s);
}

/* ---- reading back ---- */

struct listing {
    char text[512];
    size_t count, stop_after;
    uint64_t first, last, end;
    bool dense;
};

static bool note_event(void *arg, const struct event *e)
{
    struct listing *l = arg;
    size_t len = strlen(l->text);
    snprintf(l->text + len, sizeof l->text - len, "%" PRIu64 ":%.*s ", e->sequence,
             e->body.len > 8 ? 8 : (int)e->body.len, e->body.ptr);
    if (l->count == 0)
        l->first = e->sequence;
    l->dense = l->count == 0 || (l->dense && e->sequence == l->last + 1 && e->offset > l->end);
    l->last = e->sequence;
    l->end = e->offset;
    return ++l->count != l->stop_after;
}

static struct listing list(const char *device_id, uint64_t from, size_t limit, size_t stop_after)
{
    struct listing l = {.stop_after = stop_after};
    ok(eventlog_read(event_log, eventlog_partition(str_from(device_id)), from, limit, note_event,
                     &l, &why));
    return l;
}

static bool check_event(void *arg, const struct event *e)
{
    static const char body[] = {'\0', '\xff', 'x'};
    assert_true(str_eq(e->device_id, STR("dev")));
    assert_true(str_eq(e->module_id, STR("mod")));
    assert_true(str_eq(e->properties, STR("{\"a\":\"b\"}")));
    assert_true(str_eq(e->body, str_of(body, sizeof body)));
    assert_int_equal(e->enqueued_ticks, 4711);
    assert_int_equal(e->sequence, 0);
    assert_int_equal(e->offset, 0);
    ++*(int *)arg;
    return true;
}

static void every_member_comes_back(void **state)
{
    static const char body[] = {'\0', '\xff', 'x'};
    now_ticks = 5000;
    open_log(NULL);
    struct sending s = {
        .append.done = note_done,
        .append.event =
            {
                .device_id = STR("dev"),
                .module_id = STR("mod"),
                .properties = STR("{\"a\":\"b\"}"),
                .body = str_of(body, sizeof body),
                .enqueued_ticks = 4711,
            },
    };
    sem_init(&s.finished, 0, 0);
    eventlog_append(event_log, &s.append);
    ok(wait_for(&s));
    int seen = 0;
    ok(eventlog_read(event_log, eventlog_partition(STR("dev")), 0, 10, check_event, &seen, &why));
    assert_int_equal(seen, 1);
}

static void the_append_learns_its_place(void **state)
{
    open_log(NULL);
    struct sending s[2] = {0};
    for (int i = 0; i < 2; i++) {
        send(&s[i], "dev", STR("body"));
        ok(wait_for(&s[i]));
        assert_int_equal(s[i].append.event.sequence, i);
        assert_int_equal(s[i].append.event.enqueued_ticks, START); /* nobody gave a time */
        assert_false(pthread_equal(s[i].thread, pthread_self()));
    }
    assert_int_equal(s[0].append.event.offset, 0);
    assert_true(s[1].append.event.offset >= 4 + 3);
    assert_true(pthread_equal(s[0].thread, s[1].thread));
}

static void partitions_go_by_device_and_never_change(void **state)
{
    static const struct {
        const char *device_id;
        unsigned partition;
    } vectors[] = {{"", 3}, {"a", 2}, {"dev", 1}, {"pump-7", 2}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (eventlog_partition(str_from(vectors[i].device_id)) != vectors[i].partition)
            fail_msg("%s: %u", vectors[i].device_id,
                     eventlog_partition(str_from(vectors[i].device_id)));
    open_log(NULL);
    ok(put_event("a", STR("1")));
    ok(put_event("dev", STR("2")));
    ok(put_event("a", STR("3")));
    assert_string_equal(list("a", 0, 9, 0).text, "0:1 1:3 ");
    assert_string_equal(list("dev", 0, 9, 0).text, "0:2 ");
    assert_string_equal(list("", 0, 9, 0).text, "");
}

static void reading_is_bounded(void **state)
{
    open_log(NULL);
    for (int i = 0; i < 5; i++)
        ok(put_event("dev", STR("x")));
    assert_string_equal(list("dev", 2, 2, 0).text, "2:x 3:x ");
    assert_string_equal(list("dev", 0, 9, 1).text, "0:x ");
    assert_string_equal(list("dev", 5, 9, 0).text, "");
    assert_string_equal(list("dev", UINT64_MAX, 9, 0).text, "");
    assert_string_equal(list("dev", 0, 0, 0).text, "");
}

static void what_comes_while_the_disk_works_is_one_transaction(void **state)
{
    enum { COUNT = 100 };
    static struct sending later[COUNT];
    memset(later, 0, sizeof later);
    sem_t go;
    sem_init(&go, 0, 0);
    open_log("lossy");
    struct sending first = {.hold = &go};
    send(&first, "dev", STR("x"));
    sem_wait(&first.finished); /* the thread is in `done` now, and stays there */
    lossy_vfs_arm(&(struct lossy_plan){0});
    for (int i = 0; i < COUNT; i++)
        send(&later[i], "dev", STR("x"));
    sem_post(&go);
    for (int i = 0; i < COUNT; i++)
        ok(wait_for(&later[i]));
    assert_int_equal(lossy_vfs_syncs(), 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(later[i].append.event.sequence, i + 1);
    sem_destroy(&go);
    sem_destroy(&first.finished);
}

static void closing_commits_what_was_appended(void **state)
{
    enum { COUNT = 50 };
    static struct sending sent[COUNT];
    memset(sent, 0, sizeof sent);
    open_log(NULL);
    for (int i = 0; i < COUNT; i++)
        send(&sent[i], "dev", STR("x"));
    close_log();
    for (int i = 0; i < COUNT; i++)
        ok(wait_for(&sent[i]));
    open_log(NULL);
    struct listing l = list("dev", 0, 1000, 0);
    assert_int_equal(l.count, COUNT);
    assert_true(l.dense);
}

static void old_events_go_by_age(void **state)
{
    open_log(NULL);
    ok(put_event("dev", STR("old")));
    advance_s(60);
    ok(put_event("dev", STR("mid")));
    assert_string_equal(list("dev", 0, 9, 0).text, "0:old 1:mid ");
    advance_s(50);
    ok(put_event("dev", STR("new")));
    assert_string_equal(list("dev", 0, 9, 0).text, "1:mid 2:new ");
    struct eventlog_stats stats;
    eventlog_stats(event_log, &stats);
    unsigned p = eventlog_partition(STR("dev"));
    assert_int_equal(stats.first_sequence[p], 1);
    assert_int_equal(stats.next_sequence[p], 3);
    assert_int_equal(stats.appended, 3);
    assert_int_equal(stats.failed, 0);
}

static void old_events_go_by_size(void **state)
{
    static char body[10000];
    struct eventlog_options o = options(NULL);
    o.partition_bytes_max = 35000;
    ok(eventlog_open(&o, &event_log, &why));
    for (int i = 0; i < 10; i++)
        ok(put_event("dev", str_of(body, sizeof body)));
    struct listing l = list("dev", 0, 100, 0);
    assert_int_equal(l.first, 7);
    assert_int_equal(l.last, 9);
}

static bool only_even(struct eventlog_append *append)
{
    return append->event.body.ptr[0] % 2 == 0;
}

static void what_nobody_wants_is_done_with_and_leaves_no_gap(void **state)
{
    static const char *const texts[] = {"0", "1", "2", "3", "4"};
    struct sending s[5] = {0};
    open_log(NULL);
    for (int i = 0; i < 5; i++) {
        s[i].append.wanted = only_even;
        send(&s[i], "dev", str_from(texts[i]));
    }
    for (int i = 0; i < 5; i++)
        ok(wait_for(&s[i]));
    assert_string_equal(list("dev", 0, 9, 0).text, "0:0 1:2 2:4 ");
}

static void several_at_once_come_in_order_or_end_at_the_first_that_failed(void **state)
{
    static char body[3 << 20]; /* so that three are more than one transaction */
    enum { COUNT = 6 };
    static struct sending s[COUNT];
    memset(s, 0, sizeof s);
    open_log("lossy");
    for (int full = 1; full >= 0; full--) {
        lossy_vfs_arm(&(struct lossy_plan){.full_from = full ? 1 : 0});
        for (int i = 0; i < COUNT; i++) {
            s[i] = (struct sending){.append.event = {.device_id = STR("dev"),
                                                     .properties = STR("{}"),
                                                     .body = str_of(body, sizeof body)},
                                    .append.done = note_done};
            sem_init(&s[i].finished, 0, 0);
            s[i].append.mail.next = i + 1 < COUNT ? &s[i + 1].append.mail : NULL;
        }
        eventlog_append_all(event_log, &s[0].append);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(wait_for(&s[i]), full ? ERR_OUTSIDE : ERR_OK);
    }
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(s[i].append.event.sequence, i);
}

static uint64_t seek(enum eventlog_key key, int64_t value)
{
    uint64_t sequence;
    ok(eventlog_seek(event_log, eventlog_partition(STR("dev")), key, value, &sequence, &why));
    return sequence;
}

static void a_place_is_found_by_time_and_by_offset(void **state)
{
    enum { COUNT = 9 };
    struct sending s[COUNT] = {0};
    open_log(NULL);
    assert_int_equal(seek(EVENTLOG_SINCE, 0), 0); /* nothing there */
    for (int i = 0; i < COUNT; i++) {
        send(&s[i], "dev", STR("x"));
        ok(wait_for(&s[i]));
        advance_s(2);
    }
    for (int i = 0; i < COUNT; i++) {
        int64_t at = START + 2 * i * TICKS_PER_SECOND;
        assert_int_equal(seek(EVENTLOG_SINCE, at), i);
        assert_int_equal(seek(EVENTLOG_SINCE, at + 1), i + 1);
        int64_t offset = (int64_t)s[i].append.event.offset;
        assert_int_equal(seek(EVENTLOG_AFTER_OFFSET, offset), i + 1);
        assert_int_equal(seek(EVENTLOG_AFTER_OFFSET, offset - 1), i);
    }
    assert_int_equal(seek(EVENTLOG_SINCE, INT64_MIN), 0);
    assert_int_equal(seek(EVENTLOG_SINCE, INT64_MAX), COUNT);
}

static void an_idle_partition_forgets_by_itself(void **state)
{
    open_log(NULL);
    ok(put_event("dev", STR("old")));
    close_log();
    advance_s(1000);
    open_log(NULL);
    struct eventlog_stats stats;
    do { /* ends when the thread looked */
        usleep(10000);
        eventlog_stats(event_log, &stats);
    } while (stats.first_sequence[eventlog_partition(STR("dev"))] == 0);
    assert_string_equal(list("dev", 0, 9, 0).text, "");
}

static void sequence_goes_on_when_everything_has_gone(void **state)
{
    open_log(NULL);
    ok(put_event("dev", STR("a")));
    ok(put_event("dev", STR("b")));
    advance_s(1000);
    ok(put_event("dev", STR("c")));
    advance_s(1000);
    struct eventlog_stats stats;
    unsigned p = eventlog_partition(STR("dev"));
    do {
        usleep(10000);
        eventlog_stats(event_log, &stats);
    } while (stats.first_sequence[p] != 3);
    close_log();
    open_log(NULL);
    eventlog_stats(event_log, &stats);
    assert_int_equal(stats.first_sequence[p], 3);
    assert_int_equal(stats.next_sequence[p], 3);
    struct sending s = {0};
    send(&s, "dev", STR("d"));
    ok(wait_for(&s));
    assert_int_equal(s.append.event.sequence, 3);
    assert_true(s.append.event.offset > 0);
}

static void a_long_purge_goes_in_steps(void **state)
{
    enum { COUNT = 5000 };
    static struct sending sent[COUNT];
    memset(sent, 0, sizeof sent);
    open_log("lossy");
    for (int i = 0; i < COUNT; i++)
        send(&sent[i], "dev", STR("x"));
    for (int i = 0; i < COUNT; i++)
        ok(wait_for(&sent[i]));
    advance_s(1000);
    ok(put_event("dev", STR("new")));
    uint64_t first = list("dev", 0, 1, 0).first;
    assert_in_range(first, 1, COUNT - 1); /* some went, not all in one delete */
    for (int turns = 0; list("dev", 0, 1, 0).first < COUNT; turns++) {
        assert_true(turns < 10);
        ok(put_event("dev", STR("new")));
    }
}

static void a_full_disk_says_so_and_leaves_no_gap(void **state)
{
    open_log("lossy");
    ok(put_event("dev", STR("a")));
    lossy_vfs_arm(&(struct lossy_plan){.full_from = 1});
    assert_int_equal(put_event("dev", STR("b")), ERR_OUTSIDE);
    assert_int_equal(put_event("dev", STR("c")), ERR_OUTSIDE);
    lossy_vfs_arm(&(struct lossy_plan){.sync_fails_from = 1});
    assert_int_equal(put_event("dev", STR("d")), ERR_OUTSIDE);
    lossy_vfs_arm(&(struct lossy_plan){0});
    ok(put_event("dev", STR("e")));
    assert_string_equal(list("dev", 0, 9, 0).text, "0:a 1:e ");
    struct eventlog_stats stats;
    eventlog_stats(event_log, &stats);
    assert_int_equal(stats.appended, 2);
    assert_int_equal(stats.failed, 3);
}

static void a_damaged_file_is_named(void **state)
{
    char path[96];
    snprintf(path, sizeof path, "%s/events-2.db", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 5000; i++)
        fputc('x', file);
    fclose(file);
    struct eventlog_options o = options(NULL);
    assert_int_equal(eventlog_open(&o, &event_log, &why), ERR_CORRUPT);
    assert_null(event_log);
    assert_non_null(strstr(why.text, "events-2.db"));
}

/* ---- crashes ---- */

enum { EVENTS = 30 };

static _Noreturn void send_until_death(int told, const struct lossy_plan *plan)
{
    lossy_vfs_arm(plan);
    struct eventlog_options o = options("lossy");
    if (eventlog_open(&o, &event_log, NULL))
        _exit(1);
    for (unsigned char i = 0; i < EVENTS; i++) {
        advance_s(10); /* so that ten or eleven are kept */
        if (put_event("dev", STR("body")) || write(told, &i, 1) != 1)
            _exit(2);
    }
    eventlog_close(event_log);
    _exit(0);
}

static int crash_once(const struct lossy_plan *plan, unsigned *acknowledged)
{
    int pipes[2], status;
    unsigned char byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0)
        send_until_death(pipes[1], plan);
    close(pipes[1]);
    *acknowledged = 0;
    while (read(pipes[0], &byte, 1) == 1)
        *acknowledged = byte + 1U;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_was_acknowledged_survives(void **state)
{
    int end = LOSSY_EXIT;
    for (uint64_t n = 1; end != 0; n += 5) {
        folder_remove(dir);
        folder_make(dir);
        struct lossy_plan plan = {.die_at = n, .survivors = n % 2, .seed = n};
        unsigned acknowledged;
        end = crash_once(&plan, &acknowledged);
        assert_true(end == 0 || end == LOSSY_EXIT);
        now_ticks = START; /* nothing is old for the parent */
        open_log("lossy");
        struct listing l = list("dev", 0, 1000, 0);
        uint64_t next = l.count ? l.last + 1 : 0;
        assert_true(!l.count || l.dense);
        assert_in_range(next, acknowledged, acknowledged + 1);
        assert_true(l.first == 0 || next - l.first >= 10); /* only the old have gone */
        struct sending s = {0};
        send(&s, "dev", STR("after"));
        ok(wait_for(&s));
        assert_true(s.append.event.sequence == next);
        close_log();
        lossy_vfs_lose();
        assert_true(n < 5000);
    }
}

#define RULE(text, function)                                                                       \
    {                                                                                              \
        text, function, set_up, tear_down, NULL                                                    \
    }
int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE("every member of an event comes back", every_member_comes_back),
        RULE("the append learns its place, on the partition's thread", the_append_learns_its_place),
        RULE("partitions go by device and never change", partitions_go_by_device_and_never_change),
        RULE("reading is bounded", reading_is_bounded),
        RULE("what comes while the disk works is one transaction",
             what_comes_while_the_disk_works_is_one_transaction),
        RULE("closing commits what was appended", closing_commits_what_was_appended),
        RULE("old events go by age", old_events_go_by_age),
        RULE("old events go by size", old_events_go_by_size),
        RULE("a place is found by time and by offset", a_place_is_found_by_time_and_by_offset),
        RULE("what nobody wants is done with, and leaves no gap",
             what_nobody_wants_is_done_with_and_leaves_no_gap),
        RULE("several at once come in order, or end at the first that failed",
             several_at_once_come_in_order_or_end_at_the_first_that_failed),
        RULE("an idle partition forgets by itself", an_idle_partition_forgets_by_itself),
        RULE("the sequence goes on when everything has gone",
             sequence_goes_on_when_everything_has_gone),
        RULE("a long purge goes in steps", a_long_purge_goes_in_steps),
        RULE("a full disk says so and leaves no gap", a_full_disk_says_so_and_leaves_no_gap),
        RULE("a damaged file is named", a_damaged_file_is_named),
        RULE("what was acknowledged survives a crash", what_was_acknowledged_survives),
    };
    return cmocka_run_group_tests_name("event log", tests, NULL, NULL);
}
