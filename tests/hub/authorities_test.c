/* Certificate authorities are registered, proven and removed while the hub runs, and outlive it.
 * spec/device-auth.md 3.3. */
#include "hub/authorities.h"
#include "model/authority_board.h"
#include "rig.h"

static struct authority_board *board;

/* As `muster serve` does at each start. */
static void start_with_authorities(struct rig *rig)
{
    struct why why;
    authority_board_destroy(board);
    board = authority_board_create(NULL, 0);
    rig->hub->config.authorities = board;
    check_int("load", hub_authorities_load(rig->hub, &why), ERR_OK);
}

static void end(struct rig *rig)
{
    rig_close(rig);
    authority_board_destroy(board);
    board = NULL;
}

/* 32 bytes, the same for the same letter. */
static struct str print_of(char letter)
{
    static char bytes[AUTHORITY_FINGERPRINT_SIZE];
    memset(bytes, letter, sizeof(bytes));
    return str_of(bytes, sizeof(bytes));
}

static struct authority_change *change(struct rig *rig, enum authority_verb verb, const char *name)
{
    struct authority_change *change = rig_task(rig, authority_change);
    authority_change_init(change);
    change->verb = verb;
    change->name = str_copy(&change->task.mem, str_from(name));
    return change;
}

static struct authority_change *add(struct rig *rig, const char *name, char letter, bool verified)
{
    struct authority_change *made = change(rig, AUTHORITY_ADD, name);
    made->certificate = str_format(&made->task.mem, "DER of %c", letter);
    made->fingerprint = str_copy(&made->task.mem, print_of(letter));
    made->verified = verified;
    return made;
}

static struct authority_change *verify(struct rig *rig, const char *name, char letter,
                                       struct str code)
{
    struct authority_change *proof = change(rig, AUTHORITY_VERIFY, name);
    proof->fingerprint = str_copy(&proof->task.mem, print_of(letter));
    proof->code = str_copy(&proof->task.mem, code);
    return proof;
}

static void who_is_vouched_for_is_trusted_at_once_and_stays(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_authorities(&rig);
    uint64_t before = authority_board_generation(board);
    check_int("add", rig_result(&rig, &add(&rig, "ca", 'a', true)->task), 0);
    check("trusted", authority_board_trusts(board, print_of('a')));
    check("who looked before looks again", authority_board_generation(board) != before);
    check("no other", !authority_board_trusts(board, print_of('b')));
    rig_stop(&rig);
    rig_reopen(&rig);
    start_with_authorities(&rig);
    check("after a restart", authority_board_trusts(board, print_of('a')));
    size_t count;
    const struct authority *all = authority_board_all(board, &rig.mem, &count, NULL);
    check_int("alone", count, 1);
    check_str("with its name", all[0].name, STR("ca"));
    check_str("with its certificate", all[0].certificate, STR("DER of a"));
    check_int("remove", rig_result(&rig, &change(&rig, AUTHORITY_REMOVE, "CA")->task), 0);
    check("trusted no more", !authority_board_trusts(board, print_of('a')));
    end(&rig);
}

static void a_code_proves_once(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_authorities(&rig);
    check_int("add", rig_result(&rig, &add(&rig, "ca", 'a', false)->task), 0);
    check("not trusted", !authority_board_trusts(board, print_of('a')));
    check_int("no code was asked for", rig_result(&rig, &verify(&rig, "ca", 'a', STR("X"))->task),
              FAULT_CONFLICT);
    struct authority_change *first = change(&rig, AUTHORITY_CODE, "ca");
    struct authority_change *second = change(&rig, AUTHORITY_CODE, "ca");
    check_int("a code", rig_result(&rig, &first->task), 0);
    check_int("another one", rig_result(&rig, &second->task), 0);
    struct str old = first->result->code, code = second->result->code;
    check_int("of 48 digits", code.len, AUTHORITY_CODE_SIZE);
    check("each a new one", !str_eq(old, code));
    check_int("the old one", rig_result(&rig, &verify(&rig, "ca", 'a', old)->task), FAULT_CONFLICT);
    check_int("for another certificate", rig_result(&rig, &verify(&rig, "ca", 'b', code)->task),
              FAULT_CONFLICT);
    check("not trusted yet", !authority_board_trusts(board, print_of('a')));
    check_int("the new one", rig_result(&rig, &verify(&rig, "ca", 'a', code)->task), 0);
    check("trusted", authority_board_trusts(board, print_of('a')));
    check_int("again", rig_result(&rig, &verify(&rig, "ca", 'a', code)->task), FAULT_CONFLICT);
    end(&rig);
}

static void what_is_there_or_is_not_is_told(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_authorities(&rig);
    check_int("add", rig_result(&rig, &add(&rig, "ca", 'a', true)->task), 0);
    check_int("the name", rig_result(&rig, &add(&rig, "CA", 'b', true)->task), FAULT_CONFLICT);
    check_int("the certificate", rig_result(&rig, &add(&rig, "cb", 'a', true)->task),
              FAULT_CONFLICT);
    check_int("a bad name", rig_result(&rig, &add(&rig, "c d", 'c', true)->task),
              FAULT_ARGUMENT_INVALID);
    static const enum authority_verb verbs[] = {AUTHORITY_CODE, AUTHORITY_VERIFY, AUTHORITY_REMOVE};
    for (size_t i = 0; i < COUNT(verbs); i++)
        check_int("unknown", rig_result(&rig, &change(&rig, verbs[i], "nobody")->task),
                  FAULT_CERTIFICATE_NOT_FOUND);
    rig_disk_full(&rig, true);
    check("a full disk", rig_result(&rig, &change(&rig, AUTHORITY_REMOVE, "ca")->task) != 0);
    check("changes nothing", authority_board_trusts(board, print_of('a')));
    rig_disk_full(&rig, false);
    end(&rig);
}

static void changes_of_one_turn_see_each_other(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_authorities(&rig);
    struct authority_change *tasks[] = {add(&rig, "a", 'a', true), add(&rig, "a", 'b', true),
                                        change(&rig, AUTHORITY_REMOVE, "a"),
                                        add(&rig, "a", 'c', true)};
    for (size_t i = 0; i < COUNT(tasks); i++)
        rig_submit(&rig, &tasks[i]->task);
    rig_run(&rig);
    static const enum err want[] = {ERR_OK, ERR_CONFLICT, ERR_OK, ERR_OK};
    for (size_t i = 0; i < COUNT(tasks); i++)
        check_int("in order", tasks[i]->task.result, want[i]);
    check("the last one stands", authority_board_trusts(board, print_of('c')));
    check("alone", !authority_board_trusts(board, print_of('a')));
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_vouched_for_is_trusted_at_once_and_stays),
        cmocka_unit_test(a_code_proves_once),
        cmocka_unit_test(what_is_there_or_is_not_is_told),
        cmocka_unit_test(changes_of_one_turn_see_each_other),
    };
    return cmocka_run_group_tests_name("authorities", tests, NULL, NULL);
}
