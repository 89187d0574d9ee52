/* Identities are made, replaced and deleted. spec/service-rest.md 5. */
#include "rig.h"

static const struct {
    const char *rule, *id, *body, *if_match;
    uint32_t fault;
    const char *says;
} puts_[] = {
    {"a missing device is created", "new", "{}", NULL, 0, ""},
    {"an empty If-Match is none", "new", "{'deviceId':'new'}", "\"\"", 0, ""},
    {"an existing one is not", "d1", "{}", NULL, FAULT_DEVICE_ALREADY_EXISTS,
     "A device with ID 'd1' is already registered."},
    {"* replaces", "d1", "{'status':'disabled'}", "*", 0, ""},
    {"\"*\" replaces", "d1", "{}", "\"*\"", 0, ""},
    {"the etag replaces", "d1", "{}", "\"MQ==\"", 0, ""},
    {"another etag does not", "d1", "{}", "\"Mg==\"", FAULT_PRECONDITION_FAILED,
     "existingVersion:1"},
    {"If-Match makes nothing", "new", "{}", "*", FAULT_DEVICE_NOT_FOUND, "new"},
    {"another id in the body", "new", "{'deviceId':'other'}", NULL, FAULT_ARGUMENT_INVALID, ""},
    {"an id that is none", "a b", "{}", NULL, FAULT_ARGUMENT_INVALID, ""},
    {"not an object", "new", "[]", NULL, FAULT_FORMAT_ERROR, ""},
    {"bad keys", "new", "{'authentication':{'symmetricKey':{'primaryKey':'1','secondaryKey':'2'}}}",
     NULL, FAULT_ARGUMENT_INVALID, ""},
};

static void rules_of_put(void **state)
{
    for (size_t i = 0; i < COUNT(puts_); i++) {
        struct rig rig;
        rig_open(&rig, 1);
        struct registry_put *put = put_device(&rig, puts_[i].id, puts_[i].body, puts_[i].if_match);
        check_int(puts_[i].rule, rig_result(&rig, &put->task), puts_[i].fault);
        check(puts_[i].rule, !puts_[i].fault || strstr(put->task.why.text, puts_[i].says));
        check_int("a refusal makes nothing", stored(&rig, "new") != NULL,
                  !puts_[i].fault && puts_[i].id[0] == 'n');
        rig_close(&rig);
    }
}

static void what_is_answered_is_what_is_stored(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    struct registry_put *put = put_device(&rig, "d1", "{'statusReason':'new'}", NULL);
    check_int("put", rig_result(&rig, &put->task), 0);
    const struct identity *now = &stored(&rig, "d1")->id, *told_ = put->result;
    check_int("number", told_->number, now->number);
    check_int("etag", told_->etag, now->etag);
    check_int("created now", told_->created_ticks, RIG_EPOCH);
    check_str("reason", now->status_reason, STR("new"));
    check_str("generated keys", told_->primary_key, now->primary_key);
    check("two of them",
          told_->primary_key.len == 44 && !str_eq(now->primary_key, now->secondary_key));

    struct registry_put *again = put_device(&rig, "d1", "{}", "*");
    check_int("again", rig_result(&rig, &again->task), 0);
    check_int("the etag moves", again->result->etag, told_->etag + 1);
    check_int("the number does not", again->result->number, told_->number);
    check_int("nor the creation", again->result->created_ticks, told_->created_ticks);
    check_int("its twin stays", stored(&rig, "d1")->desired.version, 1);
    rig_close(&rig);
}

static void rules_of_delete(void **state)
{
    static const struct {
        const char *rule, *id, *if_match;
        uint32_t fault;
    } deletes[] = {
        {"without a header", "d1", NULL, 0},
        {"*", "d1", "*", 0},
        {"the etag", "d1", "\"MQ==\"", 0},
        {"another one", "d1", "\"Mg==\"", FAULT_PRECONDITION_FAILED},
        {"nobody", "d9", "*", FAULT_DEVICE_NOT_FOUND},
    };
    for (size_t i = 0; i < COUNT(deletes); i++) {
        struct rig rig;
        rig_open(&rig, 1);
        check_int(deletes[i].rule,
                  rig_result(&rig, &delete_device(&rig, deletes[i].id, deletes[i].if_match)->task),
                  deletes[i].fault);
        check_int(deletes[i].rule, stored(&rig, "d1") == NULL, !deletes[i].fault);
        rig_close(&rig);
    }
}

static void a_deleted_device_leaves_nothing_to_its_successor(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    device_subscribe(&d1, SUB_DESIRED, true);
    check_int("twin", rig_result(&rig, &change_twin(&rig, "d1", "{'tags':{'a':1}}")->task), 0);
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d1", NULL)->task), 0);
    rig_pass_ms(&rig, 1);
    check_int("put", rig_result(&rig, &put_device(&rig, "d1", "{}", NULL)->task), 0);
    const struct entity *now = stored(&rig, "d1");
    check_int("another number", now->id.number, 2);
    check("another generation", now->id.created_ticks > RIG_EPOCH - TICKS_PER_SECOND);
    check_str("an empty twin", now->tags.values, STR("{}"));
    check("no session", !now->session.exists);
    check_int("never connected", presence_get(rig.hub->presence, 2).changed_ticks, TIME_UNSET);
    check_int("the old number is forgotten", presence_get(rig.hub->presence, 1).changed_ticks,
              TIME_UNSET);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_put),
        cmocka_unit_test(what_is_answered_is_what_is_stored),
        cmocka_unit_test(rules_of_delete),
        cmocka_unit_test(a_deleted_device_leaves_nothing_to_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
