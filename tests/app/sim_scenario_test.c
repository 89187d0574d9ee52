/* What a scenario file may say, and what it hears when it says something else. */
#include "../base/check.h"
#include "app/sim_scenario.h"
#include "app/sim_words.h"

static enum err load(const char *text, struct arena *mem, struct sim_scenario *out, struct why *why)
{
    struct buf json = {0};
    for (; *text; text++)
        buf_put_char(&json, *text == '\'' ? '"' : *text);
    enum err err = sim_scenario_read(buf_str(&json), mem, out, why);
    buf_done(&json);
    return err;
}

/* ---- what is refused ---- */

static const struct {
    const char *rule, *text, *says;
} refusals[] = {
    {"what is no JSON", "{'a':", ""},
    {"what is no object", "[]", "the scenario takes an object"},
    {"a member twice", "{'tags':{},'tags':{}}", ""},
    {"an unknown member, with the one that is meant", "{'telemetri':{}}",
     "the scenario does not know 'telemetri'; is 'telemetry' meant?"},
    {"an unknown member like no other, with all that are known", "{'qqqqq':{}}",
     "it knows description, devices, prefix"},
    {"deeper down, with its place", "{'methods':{'reboot':{'stauts':1}}}",
     "methods.reboot does not know 'stauts'; is 'status' meant?"},
    {"in a list, with its number", "{'groups':[{'share':50},{'share':50,'answer':{'faill':1}}]}",
     "groups[1].answer does not know 'faill'; is 'fail' meant?"},
    {"a time without a unit", "{'answer':{'delay':5}}", "answer.delay takes a time such as"},
    {"a time that is too long", "{'answer':{'delay':'25h'}}", "up to 24h"},
    {"a time below nothing", "{'answer':{'delay':'-1s'}}", "answer.delay takes a time"},
    {"a range that falls", "{'answer':{'delay':{'uniform':['2s','1s']}}}", "the shorter first"},
    {"two distributions", "{'answer':{'delay':{'exponential':'1s','uniform':['1s','2s']}}}",
     "one of uniform, normal"},
    {"an unknown distribution", "{'answer':{'delay':{'uniforn':['1s','2s']}}}",
     "answer.delay does not know 'uniforn'; is 'uniform' meant?"},
    {"percentiles that fall", "{'answer':{'delay':{'percentiles':{'p50':'2s','max':'1s'}}}}",
     "rising times"},
    {"percentiles without an end", "{'answer':{'delay':{'percentiles':{'p50':'2s'}}}}",
     "max among them"},
    {"a share over all", "{'offline':101}", "offline takes a percentage from 0 to 100"},
    {"a share below nothing", "{'answer':{'fail':-1}}", "answer.fail takes a percentage"},
    {"more failures than calls", "{'answer':{'fail':60,'silent':41}}",
     "fail and silent are over 100 %"},
    {"more failures than calls, in a method",
     "{'answer':{'fail':60},'methods':{'a':{'silent':41}}}", "methods.a: fail and silent"},
    {"a status that no hub takes", "{'answer':{'status':20}}", "a status from 100 to 999"},
    {"no statuses at all", "{'answer':{'failStatus':[]}}", "1 to 16 statuses"},
    {"shares of groups that are not all", "{'groups':[{'share':80},{'share':10}]}",
     "the shares of groups make 90, not 100"},
    {"a group without a share", "{'groups':[{'name':'a'}]}", "groups[0] takes a \"share\""},
    {"groups in a group", "{'groups':[{'share':100,'groups':[]}]}", "groups[0] does not know"},
    {"no groups", "{'groups':[]}", "groups takes a list of 1 to 32"},
    {"tags that are no object", "{'tags':[1]}", "tags takes an object"},
    {"tags that are drawn as a whole", "{'tags':{'$pick':[{}]}}", "itself it may not"},
    {"an unknown generator", "{'tags':{'a':{'$pik':[1]}}}", "tags.a does not know '$pik'"},
    {"a choice of nothing", "{'tags':{'a':{'$pick':[]}}}", "tags.a: $pick takes a list"},
    {"weights of another number", "{'tags':{'a':{'$pick':[1,2],'$weights':[1]}}}",
     "a number for each"},
    {"weights without a weight", "{'tags':{'a':{'$pick':[1,2],'$weights':[0,0]}}}", "all 0"},
    {"a range of texts", "{'tags':{'a':{'$int':['1','2']}}}", "whole numbers only"},
    {"a range of fractions", "{'tags':{'a':{'$int':[1.5,2]}}}", "whole numbers only"},
    {"a range that falls", "{'tags':{'a':{'$number':[2,1]}}}", "over the second"},
    {"a range without bounds", "{'tags':{'a':{'$number':[-1e308,1e308]}}}", "numbers up to"},
    {"too many digits", "{'tags':{'a':{'$number':[1,2,10]}}}", "0 to 9"},
    {"two generators in one", "{'tags':{'a':{'$int':[1,2],'$id':'#'}}}", "exactly one of"},
    {"a generator inside a choice", "{'tags':{'a':{'$pick':[{'$ind':[1,2]}]}}}", "'$ind'"},
    {"what there is not at this place", "{'tags':{'a':{'$get':'method'}}}",
     "tags.a does not know 'method'; it knows id, number"},
    {"messages without an interval", "{'telemetry':{'body':{}}}", "with \"every\""},
    {"flapping without a time", "{'flapping':{'up':'1m'}}", "\"up\" (not 0) and \"down\""},
    {"flapping without pause", "{'flapping':{'up':'0s','down':'1s'}}", "\"up\" (not 0)"},
    {"slow reading without a speed", "{'slowReading':{'share':3}}", "bytesPerSecond"},
    {"a reaction to nothing", "{'reactions':[{'after':'1s'}]}", "reactions[0] takes a \"when\""},
    {"a reaction to its own reports", "{'reactions':[{'when':'reported.a'}]}",
     "reactions[0].when takes a desired property"},
    {"an empty name in a path", "{'reactions':[{'when':'desired.a.'}]}", "1 to 8 names"},
    {"a report about all of them", "{'reactions':[{'when':'desired','report':{'a':1}}]}",
     "go with one property"},
    {"an empty prefix", "{'prefix':''}", "prefix takes"},
    {"no devices", "{'devices':0}", "devices takes a whole number from 1"},
    {"a negative seed", "{'seed':-1}", "seed takes"},
    {"a duration of nothing", "{'duration':'1ms'}", "at least \"1s\""},
};

static void a_wrong_scenario_hears_what_to_change(void **state)
{
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct arena mem = {0};
        struct sim_scenario scenario;
        struct why why = {0};
        check(refusals[i].rule, load(refusals[i].text, &mem, &scenario, &why) != ERR_OK);
        if (!strstr(why.text, refusals[i].says))
            fail_msg("%s: \"%s\" is not in \"%s\"", refusals[i].rule, refusals[i].says, why.text);
        arena_done(&mem);
    }
}

static void depth_and_size_have_limits(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why;
    struct buf deep = {0}, large = {0};
    buf_put(&deep, STR("{\"tags\":{\"a\":"));
    for (int i = 0; i < 30; i++)
        buf_put_char(&deep, '[');
    for (int i = 0; i < 30; i++)
        buf_put_char(&deep, ']');
    buf_put(&deep, STR("}}"));
    check("depth", sim_scenario_read(buf_str(&deep), &mem, &scenario, &why) != ERR_OK);
    while (large.len <= SIM_SCENARIO_SIZE_MAX)
        buf_put(&large, STR("                                                                "));
    buf_put(&large, STR("{}"));
    check_int("size", sim_scenario_read(buf_str(&large), &mem, &scenario, &why), ERR_LIMIT);
    buf_done(&deep);
    buf_done(&large);
    arena_done(&mem);
}

/* ---- what is taken ---- */

static void an_empty_scenario_is_a_plain_fleet(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why;
    assert_int_equal(load("{}", &mem, &scenario, &why), ERR_OK);
    const struct sim_group *group = &scenario.groups[0];
    check_int("one group", scenario.group_count, 1);
    check_int("seed 1", scenario.seed, 1);
    check("no tags, no messages", !group->tags && group->telemetry.every.a_ms == 0);
    check_int("answers 200", group->answer.status, 200);
    check("after 20 to 200 ms", group->answer.delay.kind == SIM_UNIFORM &&
                                    group->answer.delay.a_ms == 20 &&
                                    group->answer.delay.b_ms == 200);
    check_int("reports what is desired", group->reaction_count, 1);
    check_int("reads all", group->slow_bytes_per_s, SIM_READS_ALL);
    arena_done(&mem);
}

static void a_group_takes_from_above_what_it_does_not_say(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why = {0};
    if (load("{'answer':{'fail':10,'status':201},'methods':{'a':{'status':202}},"
             "'groups':[{'share':25,'offline':5},"
             "{'share':75,'answer':{'fail':20},'methods':{'b':{'silent':3}}}]}",
             &mem, &scenario, &why) != ERR_OK)
        fail_msg("%s", why.text);
    const struct sim_group *one = &scenario.groups[0], *two = &scenario.groups[1];
    check_int("as above", one->answer.fail_share, 1000);
    check_int("its own", one->offline_share, 500);
    check_int("methods as above", one->methods[0].answer.status, 202);
    check_int("which fail as the group's", one->methods[0].answer.fail_share, 1000);
    check_int("its own, not that of the group before", two->offline_share, 0);
    check_int("one member of an answer changes that one only", two->answer.status, 201);
    check_int("methods of its own replace those above", two->method_count, 1);
    check_int("and start from its own answer", two->methods[0].answer.fail_share, 2000);
    arena_done(&mem);
}

static const struct {
    const char *text;
    int64_t ms; /* -1: none */
} times[] = {
    {"250ms", 250}, {"2s", 2000},   {"1.5s", 1500}, {"5m", 300000}, {"24h", SIM_DELAY_MAX_MS},
    {"0s", 0},      {"", -1},       {"s", -1},      {"5", -1},      {"5d", -1},
    {"-5s", -1},    {"1e3s", -1},   {"25h", -1},    {" 5s", -1},    {"99999999999999999999s", -1},
    {"1..5s", -1},  {"1.5.5s", -1},
};

static void times_have_units(void **state)
{
    for (size_t i = 0; i < COUNT(times); i++) {
        uint32_t ms = 0;
        bool good = sim_time_read(str_from(times[i].text), &ms);
        check_int(times[i].text, good ? (int64_t)ms : -1, times[i].ms);
    }
}

static void examples_are_right(void **state)
{
    static const char *const names[] = {"factory", "flaky-cellular", "firmware-rollout",
                                        "slow-readers"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct arena mem = {0};
        struct sim_scenario scenario;
        struct why why = {0};
        struct str path = str_format(&mem, EXAMPLES "/%s.json", names[i]);
        if (sim_scenario_load(path.ptr, &mem, &scenario, &why) != ERR_OK)
            fail_msg("%s: %s", names[i], why.text);
        check("says how many", scenario.devices > 0);
        arena_done(&mem);
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why = {0};
    check_int("kind", sim_scenario_load("/nonexistent/x.json", &mem, &scenario, &why),
              ERR_NOT_FOUND);
    check("name", strstr(why.text, "/nonexistent/x.json: No such file"));
    arena_done(&mem);
}

/* ---- the same seed, the same fleet ---- */

static void put_device(struct buf *out, const struct sim_scenario *scenario, uint32_t number)
{
    buf_put(out, sim_group_of(scenario, number)->name);
    buf_printf(out, " %d %d %d {", sim_is_offline(scenario, number), sim_is_slow(scenario, number),
               sim_flaps(scenario, number));
    sim_put_twin(out, scenario, number, STR("d"));
    buf_put_char(out, '}');
    sim_put_state(out, scenario, number, STR("d"));
}

static void the_same_seed_makes_the_same_fleet(void **state)
{
    struct arena mem = {0};
    struct sim_scenario one, two;
    struct why why;
    assert_int_equal(sim_scenario_load(EXAMPLES "/factory.json", &mem, &one, &why), ERR_OK);
    assert_int_equal(sim_scenario_load(EXAMPLES "/factory.json", &mem, &two, &why), ERR_OK);
    uint32_t differ = 0;
    for (uint32_t number = 1; number <= 1000; number++) {
        struct buf a = {0}, b = {0}, c = {0};
        put_device(&a, &one, number);
        two.seed = one.seed;
        put_device(&b, &two, number);
        two.seed = one.seed + 1;
        put_device(&c, &two, number);
        check_str("again", buf_str(&b), buf_str(&a));
        differ += !str_eq(buf_str(&a), buf_str(&c));
        buf_done(&a);
        buf_done(&b);
        buf_done(&c);
    }
    check("another seed makes another fleet", differ > 900);
    arena_done(&mem);
}

static void shares_of_groups_are_kept(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why;
    uint32_t sensors = 0, offline = 0;
    assert_int_equal(sim_scenario_load(EXAMPLES "/factory.json", &mem, &scenario, &why), ERR_OK);
    for (uint32_t number = 1; number <= 10000; number++) {
        sensors += sim_group_of(&scenario, number) == &scenario.groups[0];
        offline += sim_is_offline(&scenario, number);
    }
    check("about 80 % are sensors", sensors > 7800 && sensors < 8200);
    check("about 2 % of these are offline", offline > 110 && offline < 220);
    arena_done(&mem);
}

static void names_are_stable_and_legal(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario = {.prefix = STR("sim-")};
    check_str("five digits", sim_device_name(&scenario, 7, &mem), STR("sim-00007"));
    check_str("or more", sim_device_name(&scenario, 1234567, &mem), STR("sim-1234567"));
    arena_done(&mem);
}

/* ---- shapes ---- */

static const struct {
    const char *rule, *shape, *makes;
} shapes[] = {
    {"what is no generator stands for itself", "{'a':[1,true,null,'x',{'b':1.5}]}",
     "{'a':[1,true,null,'x',{'b':1.5}]}"},
    {"a choice of one", "{'a':{'$pick':['x']}}", "{'a':'x'}"},
    {"a weight of nothing is never drawn", "{'a':{'$pick':[1,2,3],'$weights':[0,1,0]}}", "{'a':2}"},
    {"a choice may hold generators", "{'a':{'$pick':[{'b':{'$int':[4,4]}}]}}", "{'a':{'b':4}}"},
    {"a range of one", "{'a':{'$int':[-3,-3]}}", "{'a':-3}"},
    {"two digits unless said", "{'a':{'$number':[1,1]}}", "{'a':1.00}"},
    {"or so many", "{'a':{'$number':[2.5,2.5,0]},'b':{'$near':[7,7,0,1]}}", "{'a':2,'b':7.0}"},
    {"number and id in a pattern", "{'a':{'$id':'x-{n}-{id}-{q}'}}", "{'a':'x-00007-me-{q}'}"},
    {"what is known", "{'a':{'$get':'id'},'b':{'$get':'number'}}", "{'a':'me','b':7}"},
    {"what there is not", "{'a':{'$get':'value'},'b':{'$get':'payload'}}", "{'a':null,'b':null}"},
};

static struct str draw(const char *text, uint64_t seed, uint64_t occasion, struct buf *out,
                       struct arena *mem)
{
    struct sim_facts facts = {.seed = seed,
                              .number = 7,
                              .occasion = occasion,
                              .id = STR("me"),
                              .method = STR_NONE,
                              .payload = STR_NONE};
    struct json_limits limits = {.size_max = 4096, .depth_max = 16};
    struct buf json = {0};
    struct why why;
    yyjson_val *shape;
    for (; *text; text++)
        buf_put_char(&json, *text == '\'' ? '"' : *text);
    assert_int_equal(json_read(buf_str(&json), &limits, mem, &shape, NULL), ERR_OK);
    if (sim_shape_check(shape, "shape", ~0U, &why) != ERR_OK)
        fail_msg("%s", why.text);
    buf_reset(out);
    sim_shape_put(out, shape, &facts, 1);
    buf_done(&json);
    return buf_str(out);
}

static void shapes_become_json(void **state)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        draw(shapes[i].shape, 1, 0, &out, &mem);
        for (size_t k = 0; k < out.len; k++)
            out.ptr[k] = out.ptr[k] == '"' ? '\'' : out.ptr[k];
        check_str(shapes[i].rule, buf_str(&out), str_from(shapes[i].makes));
        buf_done(&out);
        arena_done(&mem);
    }
}

static void draws_stay_in_their_range(void **state)
{
    const char *text = "[{'$int':[3,5]},{'$number':[1,2,3]},{'$near':[10,20,1]},{'$id':'#@'}]";
    struct json_limits limits = {.size_max = 4096, .depth_max = 4};
    bool ends[2] = {0};
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct arena mem = {0};
        struct buf out = {0};
        yyjson_val *list;
        struct str drawn = draw(text, seed, seed, &out, &mem);
        assert_int_equal(json_read(drawn, &limits, &mem, &list, NULL), ERR_OK);
        int64_t whole = yyjson_get_sint(yyjson_arr_get(list, 0));
        double number = yyjson_get_num(yyjson_arr_get(list, 1));
        double near = yyjson_get_num(yyjson_arr_get(list, 2));
        const char *id = yyjson_get_str(yyjson_arr_get(list, 3));
        check("whole", whole >= 3 && whole <= 5);
        check("number", number >= 1 && number <= 2);
        check("near", near >= 9 && near <= 21);
        check("digit, letter", id[0] >= '0' && id[0] <= '9' && id[1] >= 'A' && id[1] <= 'Z');
        ends[0] |= whole == 3;
        ends[1] |= whole == 5;
        buf_done(&out);
        arena_done(&mem);
    }
    check("both ends come", ends[0] && ends[1]);
}

static void one_name_draws_alike(void **state)
{
    const char *text = "[{'$int':[1,1000000],'$as':'x'},[{'$int':[1,1000000],'$as':'x'}],"
                       "{'$int':[1,1000000]}]";
    struct json_limits limits = {.size_max = 4096, .depth_max = 4};
    struct arena mem = {0};
    struct buf out = {0};
    yyjson_val *list;
    assert_int_equal(json_read(draw(text, 1, 0, &out, &mem), &limits, &mem, &list, NULL), ERR_OK);
    int64_t a = yyjson_get_sint(yyjson_arr_get(list, 0));
    check_int("the same name", yyjson_get_sint(yyjson_arr_get_first(yyjson_arr_get(list, 1))), a);
    check("another place", yyjson_get_sint(yyjson_arr_get(list, 2)) != a);
    buf_done(&out);
    arena_done(&mem);
}

/* ---- words ---- */

static const struct {
    const char *a, *b;
    unsigned distance;
} words[] = {
    {"share", "share", 0},  {"Share", "share", 0}, {"shre", "share", 1},    {"sahre", "share", 1},
    {"shares", "share", 1}, {"shore", "share", 1}, {"answer", "silent", 6}, {"", "abc", 3},
};

static void near_words_are_near(void **state)
{
    for (size_t i = 0; i < COUNT(words); i++)
        check_int(words[i].a, sim_word_distance(str_from(words[i].a), str_from(words[i].b)),
                  words[i].distance);
    char lengthy[200];
    memset(lengthy, 'a', sizeof lengthy);
    check_int("a lengthy one is like no other",
              sim_word_distance(str_of(lengthy, sizeof lengthy), STR("a")), SIM_WORD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_scenario_hears_what_to_change),
        cmocka_unit_test(depth_and_size_have_limits),
        cmocka_unit_test(an_empty_scenario_is_a_plain_fleet),
        cmocka_unit_test(a_group_takes_from_above_what_it_does_not_say),
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(examples_are_right),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(the_same_seed_makes_the_same_fleet),
        cmocka_unit_test(shares_of_groups_are_kept),
        cmocka_unit_test(names_are_stable_and_legal),
        cmocka_unit_test(shapes_become_json),
        cmocka_unit_test(draws_stay_in_their_range),
        cmocka_unit_test(one_name_draws_alike),
        cmocka_unit_test(near_words_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
