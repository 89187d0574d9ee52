/* Direct methods of operators. spec/service-rest.md 10, spec/device-mqtt.md 14.1. */
#include "rig.h"

#define M "{'methodName':'m'}"

struct setting { /* a hub with d1 attached and ready, d2 away */
    struct rig rig;
    struct device d1;
};

static void set_up(struct setting *s)
{
    *s = (struct setting){0};
    rig_open(&s->rig, 2);
    device_attach(&s->rig, &s->d1, "d1", true);
    device_subscribe(&s->d1, SUB_METHODS, false);
}

static struct method_invoke *start(struct setting *s, const char *id, const char *request)
{
    struct method_invoke *call = invoke(&s->rig, id, request);
    rig_submit(&s->rig, &call->task);
    rig_run(&s->rig);
    return call;
}

static void requests_are_checked(void **state)
{
    static const struct {
        const char *rule, *body;
        uint32_t fault;
        int response_s, connect_s;
        const char *payload;
    } table[] = {
        {"defaults", M, 0, 30, 0, "null"},
        {"null is the default", "{'methodName':'m','responseTimeoutInSeconds':null}", 0, 30, 0,
         "null"},
        {"all members",
         "{'methodName':'m','payload':{'a':[1]},'responseTimeoutInSeconds':5,"
         "'connectTimeoutInSeconds':300}",
         0, 5, 300, "{\"a\":[1]}"},
        {"not an object", "[]", FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"no name", "{}", FAULT_ARGUMENT_NULL, 0, 0, ""},
        {"a name that is no text", "{'methodName':5}", FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"too short a time", "{'methodName':'m','responseTimeoutInSeconds':4}",
         FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"too long a time", "{'methodName':'m','connectTimeoutInSeconds':301}",
         FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"half a second", "{'methodName':'m','connectTimeoutInSeconds':0.5}",
         FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"a text", "{'methodName':'m','responseTimeoutInSeconds':'30'}", FAULT_ARGUMENT_INVALID, 0,
         0, ""},
        {"more than any integer",
         "{'methodName':'m','responseTimeoutInSeconds':18446744073709551615}",
         FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"signs of topics", "{'methodName':'a/+'}", FAULT_ARGUMENT_INVALID, 0, 0, ""},
        {"beyond ASCII", "{'methodName':'\xc3\xa4'}", FAULT_ARGUMENT_INVALID, 0, 0, ""},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct arena mem = {0};
        struct method_request request;
        struct why why = {0};
        enum err err = method_request_read(rig_json(&mem, table[i].body), &mem, &request, &why);
        check_int(table[i].rule, err ? fault_of(err, &why) : 0, table[i].fault);
        if (err == ERR_OK) {
            check_int(table[i].rule, request.response_s, table[i].response_s);
            check_int(table[i].rule, request.connect_s, table[i].connect_s);
            check_str(table[i].rule, request.payload, str_from(table[i].payload));
        }
        arena_done(&mem);
    }
}

static void a_call_is_answered(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *call = start(&s, "d1", "{'methodName':'reboot','payload':{'delay':5}}");
    check_told("what the device gets", &s.rig, "d1 call reboot {\"delay\":5}\n");
    check("the caller waits", !rig_done(&call->task));
    device_answer(&s.d1, s.d1.calls[0], 404, "{\"ok\":false}");
    rig_run(&s.rig);
    check_int("any status is an answer", rig_fault(&call->task), 0);
    check_int("that of the device", call->status, 404);
    check_str("with its payload", call->payload, STR("{\"ok\":false}"));
    device_answer(&s.d1, s.d1.calls[0], 200, "1"); /* twice: the second is ignored */
    device_answer(&s.d1, 12345, 200, "1");
    rig_run(&s.rig);
    check_int("one answer", atomic_load(&s.rig.hub->stats.calls_answered), 1);
    rig_close(&s.rig);
}

static void who_is_not_there_is_not_called(void **state)
{
    struct setting s;
    set_up(&s);
    check_int("unknown", rig_fault(&start(&s, "nobody", M)->task), FAULT_DEVICE_NOT_FOUND);
    check_int("away", rig_fault(&start(&s, "d2", M)->task), FAULT_DEVICE_NOT_ONLINE);
    struct device d2 = {0};
    device_attach(&s.rig, &d2, "d2", true);
    check_int("not subscribed", rig_fault(&start(&s, "d2", M)->task), FAULT_DEVICE_NOT_ONLINE);
    check_int("disable",
              rig_result(&s.rig, &put_device(&s.rig, "d2", "{'status':'disabled'}", "*")->task), 0);
    check_int("disabled", rig_fault(&start(&s, "d2", M)->task), FAULT_DEVICE_DISABLED);
    rig_close(&s.rig);
}

static void a_caller_may_wait_for_the_connection(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *first =
                             start(&s, "d2", "{'methodName':'a','connectTimeoutInSeconds':10}"),
                         *second =
                             start(&s, "d2", "{'methodName':'b','connectTimeoutInSeconds':5}"),
                         *third =
                             start(&s, "d2", "{'methodName':'c','connectTimeoutInSeconds':10}");
    rig_pass_ms(&s.rig, SECONDS_MS(5) - 1);
    check("until its time", !rig_done(&second->task));
    rig_pass_ms(&s.rig, 1);
    check_int("is up", rig_fault(&second->task), FAULT_DEVICE_NOT_ONLINE);
    struct device d2 = {.answer = "1"};
    device_attach(&s.rig, &d2, "d2", true);
    check_told("not before it subscribes", &s.rig, "");
    device_subscribe(&d2, SUB_METHODS, false);
    check_told("then in order", &s.rig, "d2 call a null\nd2 call c null\n");
    check_int("both are answered", rig_fault(&first->task) + rig_fault(&third->task), 0);
    check_int("nobody waits", s.rig.hub->methods_waiting.count, 0);
    rig_close(&s.rig);
}

static void the_answer_has_its_own_time(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *call = start(
        &s, "d2", "{'methodName':'m','connectTimeoutInSeconds':10,'responseTimeoutInSeconds':20}");
    rig_pass_ms(&s.rig, SECONDS_MS(9));
    struct device d2 = {0};
    device_attach(&s.rig, &d2, "d2", true);
    device_subscribe(&d2, SUB_METHODS, false);
    rig_pass_ms(&s.rig, SECONDS_MS(20) - 1);
    check("from the delivery on", !rig_done(&call->task));
    rig_pass_ms(&s.rig, 1);
    check_int("then it is late", rig_fault(&call->task), FAULT_GATEWAY_TIMEOUT);
    device_answer(&d2, d2.calls[0], 200, "1");
    rig_run(&s.rig);
    check_int("and comes to nothing", atomic_load(&s.rig.hub->stats.calls_answered), 0);
    check_int("but makes room", d2.at.calls_in_flight, 0);
    rig_close(&s.rig);
}

static void an_answer_in_the_inbox_is_in_time(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *call = start(&s, "d1", "{'methodName':'m','responseTimeoutInSeconds':5}");
    device_answer(&s.d1, s.d1.calls[0], 200, "1");
    rig_pass_ms(&s.rig, SECONDS_MS(60)); /* the hub was held up */
    check_int("though we were late", rig_fault(&call->task), 0);
    rig_close(&s.rig);
}

static void a_lost_connection(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *lost = start(&s, "d1", M), *kept = start(&s, "d1", M);
    struct device again = {0};
    device_attach(&s.rig, &again, "d1", true);
    device_subscribe(&again, SUB_METHODS, false);
    start(&s, "d1", "{'methodName':'m','responseTimeoutInSeconds':300}");
    device_answer(&again, s.d1.calls[1], 200, "1");
    rig_run(&s.rig);
    check_int("an answer on a new one counts", rig_fault(&kept->task), 0);
    check_int("and does not confuse its count", again.at.calls_in_flight, 1);
    check("without one there is time left", !rig_done(&lost->task));
    rig_pass_ms(&s.rig, SECONDS_MS(30));
    check_int("then it was lost", rig_fault(&lost->task), FAULT_CONNECTION_CLOSED_REMOTELY);
    rig_close(&s.rig);
}

static void answers_of_others_do_not_count(void **state)
{
    struct setting s;
    set_up(&s);
    struct device d2 = {0};
    device_attach(&s.rig, &d2, "d2", true);
    struct method_invoke *call = start(&s, "d1", M);
    device_answer(&d2, s.d1.calls[0], 200, "1");
    rig_run(&s.rig);
    check("d2 cannot answer for d1", !rig_done(&call->task));
    rig_close(&s.rig);
}

static void bad_answers_and_full_links(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *call = start(&s, "d1", M);
    struct method_answer *bad = rig_task(&s.rig, method_answer);
    method_answer_init(bad);
    bad->number = 1;
    bad->call = s.d1.calls[0];
    bad->bad = true;
    hub_post(s.rig.hub, &bad->task);
    rig_run(&s.rig);
    check_int("what is not JSON", rig_fault(&call->task), FAULT_BAD_GATEWAY);
    told(&s.rig);
    s.d1.deaf = true;
    check_int("what does not go out", rig_fault(&start(&s, "d1", M)->task),
              FAULT_CONNECTION_CLOSED_REMOTELY);
    check_told("closes", &s.rig, "d1 close does not take it\n");
    check_int("and is not remembered", s.rig.hub->calls.count, 0);
    rig_close(&s.rig);
}

static void so_many_are_in_flight(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *calls[ATTACH_CALLS_MAX];
    for (int i = 0; i < ATTACH_CALLS_MAX; i++)
        calls[i] = start(&s, "d1", M);
    check_int("for one device", rig_fault(&start(&s, "d1", M)->task), FAULT_MAX_INFLIGHT_METHODS);
    device_answer(&s.d1, s.d1.calls[7], 200, "1");
    rig_run(&s.rig);
    check_int("an answer", rig_fault(&calls[7]->task), 0);
    check("makes room", !rig_done(&start(&s, "d1", M)->task));
    struct method_invoke *waiting = NULL;
    for (int i = 0; i < METHOD_WAITING_MAX + 1; i++)
        waiting = start(&s, "d2", "{'methodName':'m','connectTimeoutInSeconds':5}");
    check_int("and so many wait", rig_fault(&waiting->task), FAULT_MAX_INFLIGHT_METHODS);
    rig_close(&s.rig);
}

static void deletion_ends_calls(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *flying = start(&s, "d1", M), *other = start(&s, "d1", M),
                         *waiting =
                             start(&s, "d2", "{'methodName':'m','connectTimeoutInSeconds':9}");
    rig_submit(&s.rig, &delete_device(&s.rig, "d1", NULL)->task);
    rig_submit(&s.rig, &delete_device(&s.rig, "d2", NULL)->task);
    rig_run(&s.rig);
    check_int("in flight", rig_fault(&flying->task), FAULT_DEVICE_NOT_FOUND);
    check_int("all of them", rig_fault(&other->task), FAULT_DEVICE_NOT_FOUND);
    check_int("and those that wait", rig_fault(&waiting->task), FAULT_DEVICE_NOT_FOUND);
    rig_pass_ms(&s.rig, SECONDS_MS(60));
    rig_close(&s.rig);
}

static void a_restored_session_gets_its_moment(void **state)
{
    struct setting s;
    set_up(&s);
    struct device d2 = {0};
    device_attach(&s.rig, &d2, "d2", false);
    device_subscribe(&d2, SUB_METHODS, true);
    device_detach(&d2);
    d2.answer = "1";
    device_attach(&s.rig, &d2, "d2", false);
    struct method_invoke *call = start(&s, "d2", M);
    check_told("it is online, but not called yet", &s.rig, "");
    rig_pass_ms(&s.rig, ATTACH_RESTORED_GRACE_MS - 1);
    check_told("for two seconds", &s.rig, "");
    rig_pass_ms(&s.rig, 1);
    check_told("then it is", &s.rig, "d2 call m null\n");
    check_int("answered", rig_fault(&call->task), 0);
    rig_close(&s.rig);
}

static void call_numbers_are_reserved_on_disk_and_never_reused(void **state)
{
    struct setting s;
    set_up(&s);
    struct method_invoke *call = start(&s, "d1", M);
    uint64_t first = s.d1.calls[0];
    check("it waits", !rig_done(&call->task));
    s.rig.hub->next_call = s.rig.hub->call_limit - 2; /* nearly used up */
    start(&s, "d1", M);
    uint64_t late = s.d1.calls[1];
    struct store_counters counters;
    struct why why;
    check_int("read", store_read_counters(store_main(s.rig.store), &counters, &why), ERR_OK);
    check("more are reserved in time", counters.next_call > late + STORE_CALL_BLOCK / 2);
    start(&s, "d1", M);
    start(&s, "d1", M);
    check_int("without a gap that calls fall into", s.d1.call_count, 4);
    uint64_t last = s.d1.calls[3];
    rig_stop(&s.rig);
    rig_reopen(&s.rig);
    struct device again = {0};
    device_attach(&s.rig, &again, "d1", true);
    device_subscribe(&again, SUB_METHODS, false);
    struct setting *same = &s;
    start(same, "d1", M);
    check("a new life has new numbers", again.calls[0] > last && last > first);
    rig_close(&s.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(a_call_is_answered),
        cmocka_unit_test(who_is_not_there_is_not_called),
        cmocka_unit_test(a_caller_may_wait_for_the_connection),
        cmocka_unit_test(the_answer_has_its_own_time),
        cmocka_unit_test(an_answer_in_the_inbox_is_in_time),
        cmocka_unit_test(a_lost_connection),
        cmocka_unit_test(answers_of_others_do_not_count),
        cmocka_unit_test(bad_answers_and_full_links),
        cmocka_unit_test(so_many_are_in_flight),
        cmocka_unit_test(deletion_ends_calls),
        cmocka_unit_test(a_restored_session_gets_its_moment),
        cmocka_unit_test(call_numbers_are_reserved_on_disk_and_never_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
