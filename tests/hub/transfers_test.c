/* The board of import and export jobs: one at a time, none forgotten too soon, none beyond. */
#include "../base/check.h"
#include "hub/transfers.h"
#include "model/fault.h"

static enum err check_uri(void *arg, const struct transfer *wish, struct why *why)
{
    return str_eq(wish->output_uri, STR("/good"))
               ? ERR_OK
               : err_fault(ERR_BAD_INPUT, FAULT_BLOB_CONTAINER_VALIDATION, why, "not there");
}

struct rig {
    struct clock_fake clock;
    struct random_fake random;
    struct transfers *board;
    struct arena mem;
    struct why why;
    struct transfer out;
};

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){0};
    clock_fake_init(&rig->clock, TICKS_PER_SECOND * 1000);
    random_fake_init(&rig->random, 1);
    rig->board = transfers_create(&(struct transfers_config){
        .clock = &rig->clock.clock, .random = &rig->random.random, .check = check_uri});
}

static void close_rig(struct rig *rig)
{
    transfers_destroy(rig->board);
    arena_done(&rig->mem);
}

static enum err add(struct rig *rig, const char *uri)
{
    struct transfer wish = {.type = TRANSFER_EXPORT, .output_uri = str_from(uri)};
    return transfers_add(rig->board, &wish, &rig->mem, &rig->out, &rig->why);
}

static enum transfer_state state_of(struct rig *rig, struct str id)
{
    struct transfer found;
    assert_int_equal(transfers_find(rig->board, id, &rig->mem, &found, &rig->why), ERR_OK);
    return found.state;
}

static void one_at_a_time(void **state)
{
    struct rig rig;
    struct transfer taken;
    open_rig(&rig);
    check_int("a container that is none", add(&rig, "/bad"), ERR_BAD_INPUT);
    check_int("its fault", rig.why.code, FAULT_BLOB_CONTAINER_VALIDATION);
    check_int("the first", add(&rig, "/good"), ERR_OK);
    struct str id = str_copy(&rig.mem, str_from(rig.out.id));
    check_int("waits", state_of(&rig, id), TRANSFER_ENQUEUED);
    check_int("a second", add(&rig, "/good"), ERR_DENIED);
    check_int("its fault", rig.why.code, FAULT_JOB_QUOTA_EXCEEDED);
    check("taken", transfers_take(rig.board, &rig.mem, &taken));
    check_int("runs", state_of(&rig, id), TRANSFER_RUNNING);
    check_int("a second beside it", add(&rig, "/good"), ERR_DENIED);
    check("goes on", transfers_go_on(rig.board, 40));
    transfers_finish(rig.board, NULL);
    check_int("has ended", state_of(&rig, id), TRANSFER_COMPLETED);
    check_int("and the next may come", add(&rig, "/good"), ERR_OK);
    close_rig(&rig);
}

static void a_cancel_is_heard_by_who_works(void **state)
{
    struct rig rig;
    struct transfer taken;
    open_rig(&rig);
    add(&rig, "/good");
    struct str id = str_copy(&rig.mem, str_from(rig.out.id));
    transfers_take(rig.board, &rig.mem, &taken);
    check_int("cancel", transfers_cancel(rig.board, id, &rig.why), ERR_OK);
    check("give up", !transfers_go_on(rig.board, 50));
    transfers_finish(rig.board, "cancelled");
    check_int("cancelled, not failed", state_of(&rig, id), TRANSFER_CANCELLED);
    add(&rig, "/good");
    transfers_take(rig.board, &rig.mem, &taken);
    transfers_cancel(rig.board, str_from(taken.id), &rig.why);
    transfers_finish(rig.board, NULL);
    check_int("a cancel that came too late", state_of(&rig, str_from(taken.id)),
              TRANSFER_COMPLETED);
    add(&rig, "/good");
    id = str_copy(&rig.mem, str_from(rig.out.id));
    check_int("before it began", transfers_cancel(rig.board, id, &rig.why), ERR_OK);
    check_int("it never begins", state_of(&rig, id), TRANSFER_CANCELLED);
    check_int("nobody's", transfers_cancel(rig.board, STR("x"), &rig.why), ERR_NOT_FOUND);
    transfers_stop(rig.board);
    check("a hub that stops takes nothing up", !transfers_take(rig.board, &rig.mem, &taken));
    close_rig(&rig);
}

static void the_latest_hundred_are_remembered(void **state)
{
    struct rig rig;
    struct transfer taken, *all;
    open_rig(&rig);
    struct str first = STR_NONE, last = STR_NONE;
    for (int i = 0; i < TRANSFERS_KEPT + 20; i++) {
        check_int("add", add(&rig, "/good"), ERR_OK);
        last = str_copy(&rig.mem, str_from(rig.out.id));
        first = first.ptr ? first : last;
        transfers_take(rig.board, &rig.mem, &taken);
        transfers_finish(rig.board, i % 2 ? "a reason" : NULL);
    }
    check_int("so many", (int)transfers_list(rig.board, &rig.mem, &all), TRANSFERS_KEPT);
    check_str("the newest first", str_from(all[0].id), last);
    check_str("with its reason", str_from(all[0].reason), STR("a reason"));
    check_int("the oldest is gone", transfers_find(rig.board, first, &rig.mem, &taken, &rig.why),
              ERR_NOT_FOUND);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(a_cancel_is_heard_by_who_works),
        cmocka_unit_test(the_latest_hundred_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
