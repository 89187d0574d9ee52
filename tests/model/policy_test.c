#include "../base/check.h"
#include "model/policy.h"

static struct arena mem;

static void the_five_policies(void **state)
{
    static const struct {
        const char *name;
        unsigned rights;
    } table[POLICY_BUILT_IN_COUNT] = {
        {"iothubowner", 15}, {"service", 4},           {"device", 8},
        {"registryRead", 1}, {"registryReadWrite", 3},
    };
    struct random_fake dice;
    struct policy policies[POLICY_BUILT_IN_COUNT];
    random_fake_init(&dice, 1);
    policy_built_in(&dice.random, &mem, policies);
    for (size_t i = 0; i < COUNT(table); i++) {
        check_str("name", policies[i].name, str_from(table[i].name));
        check_int(table[i].name, policies[i].rights, table[i].rights);
        check_int("32 bytes", (int64_t)policies[i].primary_key.len, POLICY_KEY_SIZE);
        check_int("32 bytes", (int64_t)policies[i].secondary_key.len, POLICY_KEY_SIZE);
        check("two keys", !str_eq(policies[i].primary_key, policies[i].secondary_key));
        check("of its own", i == 0 || !str_eq(policies[i].primary_key, policies[0].primary_key));
    }
    check("found", policy_find(policies, COUNT(table), STR("service")) == &policies[1]);
    check("without case", policy_find(policies, COUNT(table), STR("IotHubOwner")) == &policies[0]);
    check("not by a part", !policy_find(policies, COUNT(table), STR("registry")));
    check("not by nothing", !policy_find(policies, COUNT(table), STR_NONE));
    check("not among none", !policy_find(NULL, 0, STR("service")));
}

static void rights_contain_rights(void **state)
{
    static const struct {
        const char *rule;
        unsigned have, need;
        bool granted;
    } table[] = {
        {"write contains read", RIGHT_REGISTRY_WRITE, RIGHT_REGISTRY_READ, true},
        {"read does not contain write", RIGHT_REGISTRY_READ, RIGHT_REGISTRY_WRITE, false},
        {"service is not registry", RIGHT_SERVICE_CONNECT, RIGHT_REGISTRY_READ, false},
        {"every bit is needed", RIGHT_SERVICE_CONNECT, RIGHT_SERVICE_CONNECT | RIGHT_DEVICE_CONNECT,
         false},
        {"the owner may all", 15, RIGHT_SERVICE_CONNECT | RIGHT_REGISTRY_WRITE, true},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_int(table[i].rule, policy_grants(table[i].have, table[i].need), table[i].granted);
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_five_policies, reset),
        cmocka_unit_test(rights_contain_rights),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
