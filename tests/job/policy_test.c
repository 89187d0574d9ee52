/* policy objects: what is understood, what is refused, when they say stop. */
#include "../base/check.h"
#include "job/policy.h"

static yyjson_val *parse(struct arena *mem, const char *quoted)
{
    char *text = arena_alloc(mem, strlen(quoted) + 1);
    size_t length = strlen(quoted);
    for (size_t i = 0; i < length; i++)
        text[i] = quoted[i] == '\'' ? '"' : quoted[i];
    yyjson_val *root;
    struct why why;
    enum err err = json_read(str_of(text, length), &(struct json_limits){1 << 16, 16, false}, mem,
                             &root, &why);
    assert_int_equal(err, ERR_OK);
    return root;
}

static const struct {
    const char *rule, *text, *stored; /* stored as; NULL: refused */
    const char *complaint;            /* part of it */
} policies[] = {
    {"an empty policy is none", "{}", "", NULL},
    {"a pace per second", "{'pace':{'devicesPerSecond':50}}", "{'pace':{'devicesPerSecond':50}}",
     NULL},
    {"a pace per minute is one per second", "{'pace':{'devicesPerMinute':30}}",
     "{'pace':{'devicesPerSecond':0.5}}", NULL},
    {"a number is stored as short as it reads back", "{'pace':{'devicesPerSecond':0.1}}",
     "{'pace':{'devicesPerSecond':0.1}}", NULL},
    {"and no shorter", "{'pace':{'devicesPerMinute':20}}",
     "{'pace':{'devicesPerSecond':0.3333333333333333}}", NULL},
    {"calls in flight", "{'maxInFlight':7}", "{'maxInFlight':7}", NULL},
    {"abort rules", "{'abort':[{'on':'any','percent':5}]}",
     "{'abort':[{'on':'any','percent':5,'minimumDevices':1}]}", NULL},
    {"sample and guard", "{'sample':{'percent':2.5},'guard':{'devices':9}}",
     "{'sample':{'percent':2.5},'guard':{'devices':9}}", NULL},
    {"a ramp is in the unit of its pace",
     "{'pace':{'devicesPerMinute':60,'ramp':{'start':30,'factor':2,'every':5}}}",
     "{'pace':{'devicesPerSecond':1,'ramp':{'start':0.5,'factor':2,'every':5}}}", NULL},
    {"a ramp without steps", "{'pace':{'devicesPerSecond':1,'ramp':{'start':1}}}", NULL,
     "start, every"},
    {"a ramp that never grows",
     "{'pace':{'devicesPerSecond':9,'ramp':{'start':1,'factor':1,'every':5}}}", NULL,
     "factor over 1"},
    {"retry, with its defaults", "{'retry':{'attempts':3}}",
     "{'retry':{'attempts':3,'on':['timedOut','failed'],'delayInSeconds':10,'factor':2,"
     "'maxDelayInSeconds':600,'jitterPercent':20}}",
     NULL},
    {"one attempt is no retry", "{'retry':{'attempts':1}}", NULL, "from 2 to 20"},
    {"attempts are missing", "{'retry':{}}", NULL, "attempts is missing"},
    {"an unknown failure", "{'retry':{'attempts':2,'on':['bored']}}", NULL, "timedOut, failed"},
    {"no failure at all", "{'retry':{'attempts':2,'on':[]}}", NULL, "timedOut, failed"},
    {"no jitter", "{'retry':{'attempts':2,'on':['rejected'],'jitterPercent':0}}",
     "{'retry':{'attempts':2,'on':['rejected'],'delayInSeconds':10,'factor':2,"
     "'maxDelayInSeconds':600,'jitterPercent':0}}",
     NULL},
    {"who is offline", "{'offline':'skip'}", "{'offline':'skip'}", NULL},
    {"to wait is Azure's way", "{'offline':'wait'}", "", NULL},
    {"an unknown way", "{'offline':'ignore'}", NULL, "wait, skip or fail"},
    {"per tag", "{'perTag':{'path':'tags.a.b','devices':5}}",
     "{'perTag':{'path':'tags.a.b','devices':5}}", NULL},
    {"a path of something else", "{'perTag':{'path':'properties.a','devices':5}}", NULL,
     "like tags.site"},
    {"a path with a hole", "{'perTag':{'path':'tags.a..b','devices':5}}", NULL, "like tags.site"},
    {"per tag without a number", "{'perTag':{'path':'tags.a'}}", NULL, "devices is missing"},
    {"time for a device", "{'deviceTimeoutInSeconds':90}", "{'deviceTimeoutInSeconds':90}", NULL},
    {"no time for a device", "{'deviceTimeoutInSeconds':0}", NULL, "from 1 to"},
    {"not an object", "[]", NULL, "policy must be an object"},
    {"a misspelt member is told", "{'maxInflight':7}", NULL, "policy.maxInflight is not known"},
    {"two paces", "{'pace':{'devicesPerSecond':1,'devicesPerMinute':60}}", NULL, "one of them"},
    {"no pace at all", "{'pace':{}}", NULL, "one of them"},
    {"a pace of nothing", "{'pace':{'devicesPerSecond':0}}", NULL, "over 0"},
    {"a pace that is a text", "{'pace':{'devicesPerSecond':'5'}}", NULL, "over 0"},
    {"in flight 0", "{'maxInFlight':0}", NULL, "from 1 to 100000"},
    {"in flight a half", "{'maxInFlight':1.5}", NULL, "whole number"},
    {"an unknown cause", "{'abort':[{'on':'bored','percent':5}]}", NULL,
     "failed, timedOut, rejected or any"},
    {"no percentage", "{'abort':[{'on':'any'}]}", NULL, "percent is missing"},
    {"more than all", "{'abort':[{'on':'any','percent':101}]}", NULL, "at most 100"},
    {"nine rules",
     "{'abort':[{'on':'any','percent':1},{'on':'any','percent':1},{'on':'any','percent':1},"
     "{'on':'any','percent':1},{'on':'any','percent':1},{'on':'any','percent':1},"
     "{'on':'any','percent':1},{'on':'any','percent':1},{'on':'any','percent':1}]}",
     NULL, "at most 8 rules"},
    {"a sample of both kinds", "{'sample':{'devices':1,'percent':1}}", NULL, "one of them"},
};

static void reading(void **state)
{
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct arena mem = {0};
        struct job_policy policy = {0}, again;
        struct why why = {0};
        enum err err = policy_read(parse(&mem, policies[i].text), false, &policy, &why);
        if (policies[i].stored) {
            check_int(policies[i].rule, err, ERR_OK);
            struct str text = policy_text(&policy, &mem);
            char *want = arena_alloc(&mem, strlen(policies[i].stored) + 1);
            memcpy(want, policies[i].stored, strlen(policies[i].stored) + 1);
            for (char *c = want; *c; c++)
                *c = *c == '\'' ? '"' : *c;
            check_str(policies[i].rule, text.ptr ? text : STR(""), str_from(want));
            check_int("reads back", policy_read_text(text, &again, &why), ERR_OK);
        } else {
            check_int(policies[i].rule, err, ERR_BAD_INPUT);
            check(policies[i].rule, strstr(why.text, policies[i].complaint) != NULL);
        }
        arena_done(&mem);
    }
}

static void changing(void **state)
{
    struct arena mem = {0};
    struct job_policy policy = {.per_second = 5, .max_in_flight = 9};
    struct why why;
    check_int("null takes a limit away",
              policy_read(parse(&mem, "{'pace':null}"), true, &policy, &why), ERR_OK);
    check("the pace is gone, the rest stays", policy.per_second <= 0 && policy.max_in_flight == 9);
    check_int("a guard comes too late for a job that exists",
              policy_read(parse(&mem, "{'guard':{'devices':1}}"), true, &policy, &why),
              ERR_BAD_INPUT);
    arena_done(&mem);
}

static const struct {
    const char *rule;
    struct abort_rule abort;
    struct policy_numbers numbers; /* finished, failed, timed out, rejected */
    bool stop;
} stops[] = {
    {"nothing finished", {ABORT_ANY, 1, 1}, {0, 0, 0, 0}, false},
    {"nothing went wrong", {ABORT_ANY, 1, 1}, {10, 0, 0, 0}, false},
    {"at the limit", {ABORT_FAILED, 10, 1}, {10, 1, 0, 0}, true},
    {"just under it", {ABORT_FAILED, 10, 1}, {11, 1, 0, 0}, false},
    {"too few to judge", {ABORT_FAILED, 10, 20}, {19, 19, 0, 0}, false},
    {"enough to judge", {ABORT_FAILED, 10, 20}, {20, 19, 0, 0}, true},
    {"refusals are no failures", {ABORT_FAILED, 10, 1}, {10, 0, 0, 10}, false},
    {"refusals count as rejected", {ABORT_REJECTED, 50, 1}, {10, 0, 0, 5}, true},
    {"timeouts count by themselves", {ABORT_TIMED_OUT, 20, 1}, {10, 2, 2, 0}, true},
    {"any adds failures and refusals", {ABORT_ANY, 30, 1}, {10, 1, 1, 2}, true},
};

static void stopping(void **state)
{
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        struct job_policy policy = {.abort = {stops[i].abort}, .abort_count = 1};
        check_int(stops[i].rule, policy_aborts(&policy, &stops[i].numbers) != NULL, stops[i].stop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(changing),
        cmocka_unit_test(stopping),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
