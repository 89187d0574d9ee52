/* Files that devices upload: begun, ended, expired, and what services hear of them.
 * spec/device-http-amqp.md A.4, C.4, spec/quotas-errors-auth.md 4. */
#include "hub/notices.h"
#include "hub/uploads.h"
#include "rig.h"

/* ---- what devices do, and services hear ---- */

static enum err anybody(struct caller *caller, const struct identity *identity, struct why *why)
{
    return ERR_OK;
}

static struct caller *caller(struct rig *rig, const char *id)
{
    struct caller *caller = arena_new(&rig->mem, struct caller);
    *caller =
        (struct caller){.device_id = str_from(id), .module_id = STR(""), .authenticate = anybody};
    return caller;
}

static struct upload_begin *begin_task(struct rig *rig, const char *id, const char *name)
{
    struct upload_begin *begin = rig_task(rig, upload_begin);
    upload_begin_init(begin);
    begin->caller = caller(rig, id);
    begin->name = str_from(name);
    return begin;
}

static uint32_t begun(struct rig *rig, const char *id)
{
    return rig_result(rig, &begin_task(rig, id, "f.txt")->task);
}

/* The id of one that began. */
static const uint8_t *begin(struct rig *rig, const char *id, const char *name)
{
    struct upload_begin *begin = begin_task(rig, id, name);
    check_int("begin", rig_result(rig, &begin->task), 0);
    return begin->upload.id;
}

enum word { FAILURE, ASKED, SUCCESS }; /* ASKED: a success of a file that is not yet known */

static struct upload_close *close_task(struct rig *rig, const char *id, const uint8_t *upload,
                                       enum word word)
{
    struct upload_close *close = rig_task(rig, upload_close);
    upload_close_init(close);
    close->caller = caller(rig, id);
    memcpy(close->id, upload, UPLOAD_ID_SIZE);
    close->success = word != FAILURE;
    close->known = word == SUCCESS;
    if (close->known) {
        close->uri = STR("https://myhub.hub.test/uploads/x");
        close->size = 7;
        close->modified_ticks = RIG_EPOCH - TICKS_PER_SECOND;
    }
    return close;
}

static uint32_t closed(struct rig *rig, const char *id, const uint8_t *upload, enum word word)
{
    return rig_result(rig, &close_task(rig, id, upload, word)->task);
}

/* The notices of files that wait, a line each; none of them is left. */
static const char *heard(struct rig *rig)
{
    struct notice_receive *receive = rig_task(rig, notice_receive);
    notice_receive_init(receive);
    receive->kind = NOTICE_FILE;
    check_int("receive", rig_result(rig, &receive->task), 0);
    struct buf out = {0};
    for (size_t i = 0; i < receive->count; i++)
        buf_printf(&out, "%.*s\n", STR_ARG(receive->texts[i]));
    if (receive->count > 0) {
        struct notice_settle *settle = rig_task(rig, notice_settle);
        notice_settle_init(settle);
        settle->kind = NOTICE_FILE;
        settle->token = receive->token;
        check_int("complete", rig_result(rig, &settle->task), 0);
    }
    buf_put_char(&out, '\0');
    const char *text = str_copy(&rig->mem, buf_str(&out)).ptr;
    buf_done(&out);
    return text;
}

static void check_heard(const char *rule, struct rig *rig, const char *want)
{
    check_str(rule, str_from(heard(rig)), str_from(want));
}

static int64_t open_now(const struct rig *rig)
{
    return (int64_t)atomic_load(&rig->hub->stats.uploads_open);
}

static void fill(struct rig *rig, const char *id)
{
    for (int i = 0; i < UPLOADS_OPEN_MAX; i++)
        check_int("fits", begun(rig, id), 0);
}

#define NOTICE                                                                                     \
    "{\"deviceId\":\"d1\",\"blobUri\":\"https://myhub.hub.test/uploads/x\","                       \
    "\"blobName\":\"d1/a/b.txt\",\"lastUpdatedTime\":\"2024-05-01T07:59:59+00:00\","               \
    "\"blobSizeInBytes\":7,\"enqueuedTimeUtc\":\"2024-05-01T08:00:00Z\"}\n"

/* ---- how it ends ---- */

static void an_upload_ends_with_the_word_of_its_device(void **state)
{
    static const struct {
        const char *rule;
        enum word word;
        bool silent; /* the hub has no file notices */
        int64_t open;
        const char *heard;
    } ends[] = {
        {"a success first finds out the name", ASKED, false, 1, ""},
        {"with what is known of the file it ends, and services hear", SUCCESS, false, 0, NOTICE},
        {"of a failure they do not", FAILURE, false, 0, ""},
        {"nor where notices are switched off", SUCCESS, true, 0, ""},
    };
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct rig rig;
        rig_open_store(&rig, 1);
        rig.no_file_notices = ends[i].silent;
        rig_start(&rig);
        const uint8_t *id = begin(&rig, "d1", "a/b.txt");
        check_int("it is open", open_now(&rig), 1);
        struct upload_close *close = close_task(&rig, "d1", id, ends[i].word);
        check_int(ends[i].rule, rig_result(&rig, &close->task), 0);
        check_str("it knows its name", close->name, STR("a/b.txt"));
        check_int(ends[i].rule, open_now(&rig), ends[i].open);
        check_heard(ends[i].rule, &rig, ends[i].heard);
        rig_close(&rig);
    }
}

static void what_was_asked_is_ended_by_either_word(void **state)
{
    static const enum word words[] = {SUCCESS, FAILURE};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct rig rig;
        rig_open(&rig, 1);
        const uint8_t *id = begin(&rig, "d1", "a/b.txt");
        check_int("asked", closed(&rig, "d1", id, ASKED), 0);
        check_int("again", closed(&rig, "d1", id, ASKED), 0);
        check_int("then ended", closed(&rig, "d1", id, words[i]), 0);
        check_int("gone", open_now(&rig), 0);
        check_heard("once", &rig, words[i] == SUCCESS ? NOTICE : "");
        rig_close(&rig);
    }
}

static void an_id_ends_an_upload_of_its_device_once(void **state)
{
    static const enum word words[] = {FAILURE, ASKED, SUCCESS};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct rig rig;
        rig_open(&rig, 2);
        const uint8_t *id = begin(&rig, "d1", "a/b.txt");
        uint8_t wrong[UPLOAD_ID_SIZE];
        memcpy(wrong, id, sizeof(wrong));
        wrong[UPLOAD_ID_SIZE - 1] ^= 1;
        check_int("one that never was", closed(&rig, "d1", wrong, words[i]),
                  FAULT_INVALID_CORRELATION_ID);
        check_int("another device's", closed(&rig, "d2", id, words[i]),
                  FAULT_INVALID_CORRELATION_ID);
        check_int("no device's", closed(&rig, "d3", id, words[i]), FAULT_DEVICE_NOT_FOUND);
        check_int("none of these did harm", open_now(&rig), 1);
        check_int("its own", closed(&rig, "d1", id, SUCCESS), 0);
        check_heard("it alone is told", &rig, NOTICE);
        check_int("a second time", closed(&rig, "d1", id, words[i]), FAULT_INVALID_CORRELATION_ID);
        check_heard("is told to nobody", &rig, "");
        rig_close(&rig);
    }
}

static void of_two_ends_in_one_turn_the_first_counts(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    const uint8_t *id = begin(&rig, "d1", "a/b.txt");
    struct upload_close *first = close_task(&rig, "d1", id, SUCCESS),
                        *second = close_task(&rig, "d1", id, SUCCESS);
    rig_submit(&rig, &first->task);
    rig_submit(&rig, &second->task);
    rig_run(&rig);
    check_int("the first", rig_fault(&first->task), 0);
    check_int("the second", rig_fault(&second->task), FAULT_INVALID_CORRELATION_ID);
    check_heard("one notice", &rig, NOTICE);
    rig_close(&rig);
}

/* ---- limits ---- */

static void so_many_are_open_of_a_device(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct upload_begin *begins[UPLOADS_OPEN_MAX + 1];
    for (size_t i = 0; i < COUNT(begins); i++) {
        begins[i] = begin_task(&rig, "d1", "same.txt");
        rig_submit(&rig, &begins[i]->task); /* all in one turn: each sees those before it */
    }
    rig_run(&rig);
    for (size_t i = 0; i < UPLOADS_OPEN_MAX; i++)
        check_int("fits, even of one name", rig_fault(&begins[i]->task), 0);
    check_int("one too many", rig_fault(&begins[UPLOADS_OPEN_MAX]->task), FAULT_ACTIVE_UPLOADS);
    check_int("later as well", begun(&rig, "d1"), FAULT_ACTIVE_UPLOADS);
    check_int("403006", FAULT_ACTIVE_UPLOADS, 403006);
    check_int("another device", begun(&rig, "d2"), 0);
    check_int("no device", begun(&rig, "d3"), FAULT_DEVICE_NOT_FOUND);
    check_int("what was only asked", closed(&rig, "d1", begins[0]->upload.id, ASKED), 0);
    check_int("frees no room", begun(&rig, "d1"), FAULT_ACTIVE_UPLOADS);
    check_int("a failure", closed(&rig, "d1", begins[0]->upload.id, FAILURE), 0);
    check_int("frees room for one", begun(&rig, "d1"), 0);
    check_int("and no more", begun(&rig, "d1"), FAULT_ACTIVE_UPLOADS);
    rig_close(&rig);
}

/* ---- time ---- */

static void an_id_is_told_expired_for_a_while(void **state)
{
    static const struct {
        const char *rule;
        int64_t after_s; /* its beginning */
        uint32_t fault;
        int64_t open;
    } times[] = {
        {"in its last second", UPLOAD_LIFE_S - 1, 0, 1},
        {"expired", UPLOAD_LIFE_S, FAULT_EXPIRED_CORRELATION_ID, 0},
        {"and told so", UPLOAD_LIFE_S + UPLOADS_REMEMBERED_S - 1, FAULT_EXPIRED_CORRELATION_ID, 0},
        {"but not for ever", UPLOAD_LIFE_S + UPLOADS_REMEMBERED_S, FAULT_INVALID_CORRELATION_ID, 0},
    };
    static const enum word words[] = {FAILURE, ASKED, SUCCESS};
    for (size_t i = 0; i < COUNT(times); i++) {
        for (size_t k = 0; k < COUNT(words); k++) {
            struct rig rig;
            rig_open(&rig, 1);
            const uint8_t *id = begin(&rig, "d1", "f.txt");
            rig_pass_hub_ms(&rig, SECONDS_MS(times[i].after_s));
            check_int(times[i].rule, open_now(&rig), times[i].open);
            check_int(times[i].rule, closed(&rig, "d1", id, words[k]), times[i].fault);
            rig_close(&rig);
        }
    }
}

static void one_that_is_over_but_not_yet_swept_has_expired(void **state)
{
    static const enum word words[] = {FAILURE, ASKED, SUCCESS};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct rig rig;
        rig_open(&rig, 1);
        const uint8_t *id = begin(&rig, "d1", "f.txt");
        rig.clock.now_ticks += UPLOAD_LIFE_S * TICKS_PER_SECOND; /* no turn since */
        check_int("it ends too late", closed(&rig, "d1", id, words[i]),
                  FAULT_EXPIRED_CORRELATION_ID);
        check_int("then it is swept", open_now(&rig), 0);
        check_int("and counted", atomic_load(&rig.hub->stats.uploads_expired), 1);
        check_heard("nobody hears", &rig, "");
        rig_close(&rig);
    }
}

static void what_its_device_takes_along_is_not_counted_as_expired(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    begin(&rig, "d1", "f.txt");
    rig.clock.now_ticks += UPLOAD_LIFE_S * TICKS_PER_SECOND;
    rig_turn(&rig); /* the sweep is under way */
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d1", NULL)->task), 0);
    check_int("gone", open_now(&rig), 0);
    check_int("with its device", atomic_load(&rig.hub->stats.uploads_expired), 0);
    rig_close(&rig);
}

static void what_expires_frees_its_room(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    fill(&rig, "d1");
    rig_pass_hub_ms(&rig, SECONDS_MS(UPLOAD_LIFE_S) - 1);
    check_int("not before its end", begun(&rig, "d1"), FAULT_ACTIVE_UPLOADS);
    rig_pass_hub_ms(&rig, 1);
    check_int("then all are gone", open_now(&rig), 0);
    check_int("and counted", atomic_load(&rig.hub->stats.uploads_expired), UPLOADS_OPEN_MAX);
    check_heard("nobody hears", &rig, "");
    fill(&rig, "d1");
    check_int("there is room for as many", begun(&rig, "d1"), FAULT_ACTIVE_UPLOADS);
    rig_close(&rig);
}

static void a_sweep_takes_as_many_as_there_are(void **state)
{
    enum { DEVICES = UPLOAD_SWEEP_MAX / UPLOADS_OPEN_MAX + 1 };
    struct rig rig;
    rig_open(&rig, DEVICES);
    for (int i = 1; i <= DEVICES; i++)
        fill(&rig, str_format(&rig.mem, "d%d", i).ptr);
    rig_pass_hub_ms(&rig, SECONDS_MS(UPLOAD_LIFE_S));
    check_int("more than one task removes", open_now(&rig), 0);
    check_int("each counts once", atomic_load(&rig.hub->stats.uploads_expired),
              DEVICES * UPLOADS_OPEN_MAX);
    rig_close(&rig);
}

/* ---- the device goes ---- */

static void a_deleted_device_takes_its_uploads_along(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    fill(&rig, "d1");
    const uint8_t *other = begin(&rig, "d2", "f.txt");
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d1", NULL)->task), 0);
    check_int("another device's stays", open_now(&rig), 1);
    check_int("create", rig_result(&rig, &put_device(&rig, "d1", "{}", NULL)->task), 0);
    fill(&rig, "d1");
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("nor are they on disk", open_now(&rig), UPLOADS_OPEN_MAX + 1);
    check_int("another device's ends", closed(&rig, "d2", other, FAILURE), 0);
    rig_close(&rig);
}

static void its_namesake_cannot_end_them(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    const uint8_t *id = begin(&rig, "d1", "f.txt");
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d1", NULL)->task), 0);
    check_int("create", rig_result(&rig, &put_device(&rig, "d1", "{}", NULL)->task), 0);
    check_int("end", closed(&rig, "d1", id, SUCCESS), FAULT_INVALID_CORRELATION_ID);
    check_heard("nobody hears", &rig, "");
    rig_close(&rig);
}

static void one_begun_in_the_turn_that_deletes_its_device_is_gone(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct upload_begin *begin = begin_task(&rig, "d1", "f.txt");
    struct registry_delete *delete = delete_device(&rig, "d1", NULL);
    rig_submit(&rig, &begin->task);
    rig_submit(&rig, &delete->task);
    rig_run(&rig);
    check_int("begin", rig_fault(&begin->task), 0);
    check_int("delete", rig_fault(&delete->task), 0);
    check_int("gone", open_now(&rig), 0);
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("on disk, too", open_now(&rig), 0);
    rig_close(&rig);
}

/* ---- disk ---- */

static void what_is_open_survives_a_restart(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    const uint8_t *id = begin(&rig, "d1", "a/b.txt"), *ended = begin(&rig, "d1", "f.txt");
    check_int("end", closed(&rig, "d1", ended, FAILURE), 0);
    fill(&rig, "d2");
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("all that were open", open_now(&rig), UPLOADS_OPEN_MAX + 1);
    check_int("the limit holds", begun(&rig, "d2"), FAULT_ACTIVE_UPLOADS);
    check_int("what ended is over", closed(&rig, "d1", ended, SUCCESS),
              FAULT_INVALID_CORRELATION_ID);
    struct upload_close *asked = close_task(&rig, "d1", id, ASKED);
    check_int("asked", rig_result(&rig, &asked->task), 0);
    check_str("its name is known", asked->name, STR("a/b.txt"));
    check_int("and it ends", closed(&rig, "d1", id, SUCCESS), 0);
    check_heard("as before", &rig, NOTICE);
    rig_pass_hub_ms(&rig, SECONDS_MS(UPLOAD_LIFE_S));
    check_int("the others expire", open_now(&rig), 0);
    rig_close(&rig);
}

static void what_expires_while_the_hub_is_away_is_told_expired(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    const uint8_t *id = begin(&rig, "d1", "f.txt");
    rig_stop(&rig);
    rig.clock.now_ticks += UPLOAD_LIFE_S * TICKS_PER_SECOND;
    rig_reopen(&rig);
    rig_run(&rig);
    check_int("gone", open_now(&rig), 0);
    check_int("and told so", closed(&rig, "d1", id, SUCCESS), FAULT_EXPIRED_CORRELATION_ID);
    rig_close(&rig);
}

static void nothing_is_promised_while_the_disk_is_full(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    const uint8_t *id = begin(&rig, "d1", "a/b.txt");
    rig_disk_full(&rig, true);
    check_int("begin", begun(&rig, "d1"), FAULT_SERVICE_UNAVAILABLE);
    check_int("end", closed(&rig, "d1", id, SUCCESS), FAULT_SERVICE_UNAVAILABLE);
    check_int("it stays open", open_now(&rig), 1);
    rig_disk_full(&rig, false);
    check_int("and ends later", closed(&rig, "d1", id, SUCCESS), 0);
    check_heard("once", &rig, NOTICE);
    rig_close(&rig);
}

static void a_sweep_that_fails_comes_again(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    begin(&rig, "d1", "f.txt");
    rig_disk_full(&rig, true);
    rig_pass_ms(&rig, SECONDS_MS(UPLOAD_LIFE_S));
    check_int("the disk is full", open_now(&rig), 1);
    rig_disk_full(&rig, false);
    rig_pass_ms(&rig, HUB_RETRY_MS);
    check_int("then it is gone", open_now(&rig), 0);
    check_int("and counted once", atomic_load(&rig.hub->stats.uploads_expired), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_ends_with_the_word_of_its_device),
        cmocka_unit_test(what_was_asked_is_ended_by_either_word),
        cmocka_unit_test(an_id_ends_an_upload_of_its_device_once),
        cmocka_unit_test(of_two_ends_in_one_turn_the_first_counts),
        cmocka_unit_test(so_many_are_open_of_a_device),
        cmocka_unit_test(an_id_is_told_expired_for_a_while),
        cmocka_unit_test(one_that_is_over_but_not_yet_swept_has_expired),
        cmocka_unit_test(what_its_device_takes_along_is_not_counted_as_expired),
        cmocka_unit_test(what_expires_frees_its_room),
        cmocka_unit_test(a_sweep_takes_as_many_as_there_are),
        cmocka_unit_test(a_deleted_device_takes_its_uploads_along),
        cmocka_unit_test(its_namesake_cannot_end_them),
        cmocka_unit_test(one_begun_in_the_turn_that_deletes_its_device_is_gone),
        cmocka_unit_test(what_is_open_survives_a_restart),
        cmocka_unit_test(what_expires_while_the_hub_is_away_is_told_expired),
        cmocka_unit_test(nothing_is_promised_while_the_disk_is_full),
        cmocka_unit_test(a_sweep_that_fails_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
