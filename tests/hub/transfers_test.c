/* The board of import and export jobs: one at a time, none forgotten too soon, none beyond. */
#include "hub/transfers.h"
#include "rig.h"

static enum err check_uri(void *arg, const struct transfer *wish, struct why *why)
{
    return !str_eq(wish->output_uri, STR("/bad"))
               ? ERR_OK
               : err_fault(ERR_BAD_INPUT, FAULT_BLOB_CONTAINER_VALIDATION, why, "not there");
}

struct desk { /* a hub, and its board */
    struct rig rig;
    struct transfers *board;
    struct transfer out;
    struct why why;
};

static void open_board(struct desk *desk)
{
    assert_int_equal(
        transfers_create(&(struct transfers_config){.hub = desk->rig.hub, .check = check_uri},
                         &desk->board, &desk->why),
        ERR_OK);
}

static void open_desk(struct desk *desk)
{
    *desk = (struct desk){0};
    rig_open(&desk->rig, 0);
    open_board(desk);
}

/* As after a crash: nothing is told to anybody. */
static void reopen_desk(struct desk *desk)
{
    transfers_destroy(desk->board);
    rig_stop(&desk->rig);
    rig_reopen(&desk->rig);
    open_board(desk);
}

static void close_desk(struct desk *desk)
{
    transfers_destroy(desk->board);
    rig_close(&desk->rig);
}

static struct transfer_begin *asking(struct desk *desk, const char *uri)
{
    struct transfer_begin *begin = rig_task(&desk->rig, transfer_begin);
    transfer_begin_init(begin);
    begin->transfers = desk->board;
    begin->wish = (struct transfer){.type = TRANSFER_EXPORT, .output_uri = str_from(uri)};
    return begin;
}

/* The fault, 0: it is made, and stands in `out`. */
static uint32_t add(struct desk *desk, const char *uri)
{
    struct transfer_begin *begin = asking(desk, uri);
    uint32_t fault = rig_result(&desk->rig, &begin->task);
    if (fault == 0)
        desk->out = begin->result;
    return fault;
}

static uint32_t finish(struct desk *desk, const char *reason)
{
    struct transfer_end *end = rig_task(&desk->rig, transfer_end);
    transfer_end_init(end);
    end->transfers = desk->board;
    end->reason = reason;
    return rig_result(&desk->rig, &end->task);
}

static struct transfer found(struct desk *desk, struct str id)
{
    struct transfer found;
    assert_int_equal(transfers_find(desk->board, id, &desk->rig.mem, &found, &desk->why), ERR_OK);
    return found;
}

static enum transfer_state state_of(struct desk *desk, struct str id)
{
    return found(desk, id).state;
}

static void take(struct desk *desk)
{
    struct transfer taken;
    check("taken", transfers_take(desk->board, &desk->rig.mem, &taken));
    check_str("that one", str_from(taken.id), str_from(desk->out.id));
}

static size_t listed(struct desk *desk, struct transfer **all)
{
    return transfers_list(desk->board, &desk->rig.mem, all);
}

static void one_at_a_time(void **state)
{
    struct desk desk;
    open_desk(&desk);
    struct transfer wish = {.output_uri = STR("/bad")};
    check_int("a container that is none", transfers_check(desk.board, &wish, &desk.why),
              ERR_BAD_INPUT);
    check_int("its fault", desk.why.code, FAULT_BLOB_CONTAINER_VALIDATION);
    check_int("the first", add(&desk, "/good"), 0);
    struct str id = str_from(desk.out.id);
    check_int("waits", state_of(&desk, id), TRANSFER_ENQUEUED);
    check_int("a second", add(&desk, "/good"), FAULT_JOB_QUOTA_EXCEEDED);
    take(&desk);
    check_int("runs", state_of(&desk, id), TRANSFER_RUNNING);
    check_int("a second beside it", add(&desk, "/good"), FAULT_JOB_QUOTA_EXCEEDED);
    check("goes on", transfers_go_on(desk.board, 40));
    check_int("ends", finish(&desk, NULL), 0);
    check_int("has ended", state_of(&desk, id), TRANSFER_COMPLETED);
    check_int("whole", found(&desk, id).progress, 100);
    struct transfer_begin *two[] = {asking(&desk, "/good"), asking(&desk, "/good")};
    for (int i = 0; i < 2; i++)
        rig_submit(&desk.rig, &two[i]->task);
    rig_run(&desk.rig);
    check_int("of two in one turn the first", rig_fault(&two[0]->task), 0);
    check_int("is the one", rig_fault(&two[1]->task), FAULT_JOB_QUOTA_EXCEEDED);
    close_desk(&desk);
}

static void a_cancel_is_heard_by_who_works(void **state)
{
    struct desk desk;
    struct transfer taken;
    open_desk(&desk);
    add(&desk, "/good");
    struct str id = str_copy(&desk.rig.mem, str_from(desk.out.id));
    take(&desk);
    check_int("cancel", transfers_cancel(desk.board, id, &desk.why), ERR_OK);
    check("give up", !transfers_go_on(desk.board, 50));
    finish(&desk, "cancelled");
    check_int("cancelled, not failed", state_of(&desk, id), TRANSFER_CANCELLED);
    add(&desk, "/good");
    take(&desk);
    id = str_copy(&desk.rig.mem, str_from(desk.out.id));
    transfers_cancel(desk.board, id, &desk.why);
    finish(&desk, NULL);
    check_int("a cancel that came too late", state_of(&desk, id), TRANSFER_COMPLETED);
    check_int("once more changes nothing", transfers_cancel(desk.board, id, &desk.why), ERR_OK);
    check_int("it has ended", state_of(&desk, id), TRANSFER_COMPLETED);
    add(&desk, "/good");
    transfers_cancel(desk.board, str_from(desk.out.id), &desk.why);
    take(&desk);
    check("before it began: never begun", !transfers_go_on(desk.board, 0));
    finish(&desk, "cancelled");
    check_int("nobody's", transfers_cancel(desk.board, STR("x"), &desk.why), ERR_NOT_FOUND);
    transfers_stop(desk.board);
    check("a hub that stops takes nothing up", !transfers_take(desk.board, &desk.rig.mem, &taken));
    check_int("and nothing in", add(&desk, "/good"), FAULT_JOB_QUOTA_EXCEEDED);
    close_desk(&desk);
}

static void a_job_survives_a_restart(void **state)
{
    struct desk desk;
    struct transfer *all;
    open_desk(&desk);
    add(&desk, "https://a.test/box?sig=secret");
    check_str("its creation tells no secret", transfer_place(desk.out.output_uri),
              STR("https://a.test/box"));
    take(&desk);
    finish(&desk, "The server answers 403");
    add(&desk, "https://a.test/box?sig=secret");
    take(&desk);
    reopen_desk(&desk);
    check_int("both", (int)listed(&desk, &all), 2);
    check_int("an old end stays", all[1].state, TRANSFER_FAILED);
    check_str("with its reason", str_from(all[1].reason), STR("The server answers 403"));
    check_int("what ran has failed", all[0].state, TRANSFER_FAILED);
    check("and says why", strstr(all[0].reason, "create it again") != NULL);
    check("it has an end", all[0].end_ticks >= all[0].start_ticks);
    for (size_t i = 0; i < 2; i++)
        check_str("no secret is kept", all[i].output_uri, STR("https://a.test/box"));
    check_int("a cancel changes nothing",
              transfers_cancel(desk.board, str_from(all[0].id), &desk.why), ERR_OK);
    check_int("it is found", state_of(&desk, str_from(all[0].id)), TRANSFER_FAILED);
    check_int("the next may come", add(&desk, "/good"), 0);
    take(&desk);
    transfers_stop(desk.board);
    check_int("of a stop", finish(&desk, "cancelled"), 0);
    check("it says so", strstr(found(&desk, str_from(desk.out.id)).reason, "was stopped") != NULL);
    close_desk(&desk);
}

static void nothing_is_told_that_is_not_on_disk(void **state)
{
    struct desk desk;
    struct transfer *all;
    open_desk(&desk);
    rig_disk_full(&desk.rig, true);
    check_int("none is made", add(&desk, "/good"), FAULT_SERVICE_UNAVAILABLE);
    check_int("none is there", (int)listed(&desk, &all), 0);
    rig_disk_full(&desk.rig, false);
    check_int("now it is", add(&desk, "/good"), 0);
    take(&desk);
    rig_disk_full(&desk.rig, true);
    check_int("no end", finish(&desk, NULL), FAULT_SERVICE_UNAVAILABLE);
    check_int("it runs", state_of(&desk, str_from(desk.out.id)), TRANSFER_RUNNING);
    rig_disk_full(&desk.rig, false);
    check_int("the end", finish(&desk, NULL), 0);
    check_int("is told", state_of(&desk, str_from(desk.out.id)), TRANSFER_COMPLETED);
    close_desk(&desk);
}

static void the_latest_are_remembered_and_none_too_long(void **state)
{
    struct desk desk;
    struct transfer *all;
    open_desk(&desk);
    struct str first = STR_NONE, last = STR_NONE;
    for (int i = 0; i < TRANSFERS_KEPT + 20; i++) {
        check_int("add", add(&desk, "/good"), 0);
        last = str_copy(&desk.rig.mem, str_from(desk.out.id));
        first = first.ptr ? first : last;
        take(&desk);
        finish(&desk, i % 2 ? "a reason" : NULL);
    }
    for (int i = 0; i < 2; i++) {
        check_int("so many", (int)listed(&desk, &all), TRANSFERS_KEPT);
        check_str("the newest first", str_from(all[0].id), last);
        check_str("with its reason", str_from(all[0].reason), STR("a reason"));
        check_int("the oldest is gone",
                  transfers_find(desk.board, first, &desk.rig.mem, all, &desk.why), ERR_NOT_FOUND);
        reopen_desk(&desk);
    }
    rig_pass_ms(&desk.rig, (TRANSFERS_DAYS * INT64_C(86400) + 1) * 1000);
    check_int("old ones are forgotten", (int)listed(&desk, &all), 0);
    check_int("each of them", transfers_find(desk.board, last, &desk.rig.mem, all, &desk.why),
              ERR_NOT_FOUND);
    add(&desk, "/good");
    reopen_desk(&desk);
    check_int("and their rows go", (int)listed(&desk, &all), 1);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(a_cancel_is_heard_by_who_works),
        cmocka_unit_test(a_job_survives_a_restart),
        cmocka_unit_test(nothing_is_told_that_is_not_on_disk),
        cmocka_unit_test(the_latest_are_remembered_and_none_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
