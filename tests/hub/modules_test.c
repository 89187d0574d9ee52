/* Modules: identities beneath a device, and what devices of IoT Edge have. spec/service-rest.md 5, 6. */
#include "rig.h"

static uint32_t put(struct rig *rig, const char *id, const char *body, const char *if_match)
{
    return rig_result(rig, &put_device(rig, id, body, if_match)->task);
}

static uint32_t del(struct rig *rig, const char *id)
{
    return rig_result(rig, &delete_device(rig, id, NULL)->task);
}

/* The hub knows d1 with the module m, and the Edge device e. */
static void open_with_modules(struct rig *rig)
{
    rig_open(rig, 1);
    check_int("m", put(rig, "d1/m", "{}", NULL), 0);
    check_int("e", put(rig, "e", "{'capabilities':{'iotEdge':true}}", NULL), 0);
}

static struct store_counters counters(struct rig *rig)
{
    struct store_counters now;
    struct why why;
    check_int("counters", store_read_counters(store_main(rig->store), &now, &why), ERR_OK);
    return now;
}

static size_t modules_of(struct rig *rig, const char *device)
{
    uint32_t numbers[IDENTITY_MODULES_ALL];
    size_t count;
    struct why why;
    check_int(device,
              store_modules(store_main(rig->store), str_from(device), numbers, &count, &why),
              ERR_OK);
    return count;
}

static const struct {
    const char *rule, *id, *body, *if_match;
    uint32_t fault;
} puts_[] = {
    {"a missing module is created", "d1/new", "{'moduleId':'new','deviceId':'d1'}", NULL, 0},
    {"an existing one is not", "d1/m", "{}", NULL, FAULT_MODULE_ALREADY_EXISTS},
    {"* replaces", "d1/m", "{'managedBy':'me'}", "\"*\"", 0},
    {"another etag does not", "d1/m", "{}", "\"Mg==\"", FAULT_PRECONDITION_FAILED},
    {"If-Match makes nothing", "d1/new", "{}", "*", FAULT_MODULE_NOT_FOUND},
    {"its device must exist", "d9/m", "{}", NULL, FAULT_DEVICE_NOT_FOUND},
    {"another id in the body", "d1/new", "{'moduleId':'other'}", NULL, FAULT_ARGUMENT_INVALID},
    {"another device in the body", "d1/new", "{'deviceId':'d2'}", NULL, FAULT_ARGUMENT_INVALID},
    {"an id that is none", "d1/a b", "{}", NULL, FAULT_ARGUMENT_INVALID},
    {"a manager that is no text", "d1/new", "{'managedBy':1}", NULL, FAULT_ARGUMENT_INVALID},
    {"a system module is not changed by hand", "e/$edgeHub", "{}", "*", FAULT_SYSTEM_MODULE_MODIFY},
    {"nor made by hand", "d1/$edgeAgent", "{}", NULL, FAULT_SYSTEM_MODULE_MODIFY},
    {"another $ is only a character", "d1/$mine", "{}", NULL, 0},
};

static void rules_of_put(void **state)
{
    for (size_t i = 0; i < COUNT(puts_); i++) {
        struct rig rig;
        open_with_modules(&rig);
        uint32_t before = counters(&rig).modules;
        check_int(puts_[i].rule, put(&rig, puts_[i].id, puts_[i].body, puts_[i].if_match),
                  puts_[i].fault);
        bool made = !puts_[i].fault && !puts_[i].if_match;
        check_int(puts_[i].rule, counters(&rig).modules, before + made);
        rig_close(&rig);
    }
}

static void a_fresh_module_has_keys_and_a_twin_without_birthday(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    check_int("put", put(&rig, "d1/m", "{'managedBy':'IotEdge'}", NULL), 0);
    const struct entity *now = stored(&rig, "d1/m");
    check_int("keys", (long long)now->id.primary_key.len, 44);
    check_str("manager", now->id.managed_by, STR("IotEdge"));
    check_int("born", now->desired.born_ticks, TIME_UNSET);
    check_int("version", now->desired.version, 1);
    check_int("the device has none of it", stored(&rig, "d1")->id.number != now->id.number, 1);
    check_int("it is no device", counters(&rig).devices_enabled, 1);
    rig_close(&rig);
}

static void a_device_has_fifty_modules_and_its_system_modules(void **state)
{
    struct rig rig;
    char id[32];
    open_with_modules(&rig);
    for (int i = 0; i < IDENTITY_MODULES_MAX; i++) {
        snprintf(id, sizeof id, "e/m%d", i);
        check_int(id, put(&rig, id, "{}", NULL), 0);
    }
    check_int("one too many", put(&rig, "e/more", "{}", NULL), FAULT_TOO_MANY_MODULES);
    check_int("what is there may change", put(&rig, "e/m0", "{}", "*"), 0);
    check_int("all of them", (long long)modules_of(&rig, "e"), IDENTITY_MODULES_ALL);
    check_int("one goes", del(&rig, "e/m7"), 0);
    check_int("one comes", put(&rig, "e/more", "{}", NULL), 0);

    /* Among tasks of one turn as well. */
    struct registry_put *both[] = {put_device(&rig, "e/x", "{}", NULL),
                                   put_device(&rig, "e/y", "{}", NULL)};
    check_int("room for one", del(&rig, "e/more"), 0);
    rig_submit(&rig, &both[0]->task);
    rig_submit(&rig, &both[1]->task);
    rig_run(&rig);
    check_int("the first", rig_fault(&both[0]->task), 0);
    check_int("the second", rig_fault(&both[1]->task), FAULT_TOO_MANY_MODULES);
    rig_close(&rig);
}

static void rules_of_delete(void **state)
{
    static const struct {
        const char *rule, *id, *if_match;
        uint32_t fault;
    } deletes[] = {
        {"a module", "d1/m", "*", 0},
        {"another etag", "d1/m", "\"Mg==\"", FAULT_PRECONDITION_FAILED},
        {"no such module", "d1/n", NULL, FAULT_MODULE_NOT_FOUND},
        {"no such device", "d9/m", NULL, FAULT_DEVICE_NOT_FOUND},
        {"a system module", "e/$edgeAgent", NULL, FAULT_SYSTEM_MODULE_MODIFY},
    };
    for (size_t i = 0; i < COUNT(deletes); i++) {
        struct rig rig;
        open_with_modules(&rig);
        uint32_t before = counters(&rig).modules;
        struct registry_delete *gone = delete_device(&rig, deletes[i].id, deletes[i].if_match);
        check_int(deletes[i].rule, rig_result(&rig, &gone->task), deletes[i].fault);
        check_int(deletes[i].rule, counters(&rig).modules, before - !deletes[i].fault);
        check_int("the device stays", stored(&rig, "d1") != NULL, 1);
        rig_close(&rig);
    }
}

static void a_device_takes_its_modules_with_it(void **state)
{
    struct rig rig;
    open_with_modules(&rig);
    struct device d1 = {0}, m = {0}, agent = {0};
    device_attach(&rig, &d1, "d1", true);
    device_attach(&rig, &m, "d1/m", true);
    device_attach(&rig, &agent, "e/$edgeAgent", true);
    uint32_t number = m.at.number;

    check_int("delete", del(&rig, "d1"), 0);
    check_told("both connections end, the module's first", &rig,
               "d1/m close deleted\nd1 close deleted\n");
    check_int("the module is gone", stored(&rig, "d1/m") != NULL, 0);
    check_int("others stay", stored(&rig, "e/$edgeAgent") != NULL, 1);
    check_int("counted", counters(&rig).modules, IDENTITY_SYSTEM_MODULES);
    check_int("its connection is forgotten", presence_get(rig.hub->presence, number).changed_ticks,
              TIME_UNSET);

    check_int("an Edge device goes whole", del(&rig, "e"), 0);
    check_told("", &rig, "e/$edgeAgent close deleted\n");
    check_int("nothing is left", counters(&rig).modules, 0);
    check_int("made again", put(&rig, "d1", "{}", NULL), 0);
    check_int("it has no modules", (long long)modules_of(&rig, "d1"), 0);
    rig_close(&rig);
}

static void a_module_made_in_the_turn_of_the_deletion_goes_with_it(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct registry_put *made = put_device(&rig, "d1/late", "{}", NULL);
    struct registry_delete *gone = delete_device(&rig, "d1", NULL);
    struct registry_put *after = put_device(&rig, "d1/later", "{}", NULL);
    rig_submit(&rig, &made->task);
    rig_submit(&rig, &gone->task);
    rig_submit(&rig, &after->task);
    rig_run(&rig);
    check_int("made", rig_fault(&made->task), 0);
    check_int("deleted", rig_fault(&gone->task), 0);
    check_int("too late", rig_fault(&after->task), FAULT_DEVICE_NOT_FOUND);
    check_int("gone", stored(&rig, "d1/late") != NULL, 0);
    check_int("counted", counters(&rig).modules, 0);
    rig_close(&rig);
}

static void a_disabled_device_has_no_connected_modules(void **state)
{
    struct rig rig;
    open_with_modules(&rig);
    struct device m = {0};
    device_attach(&rig, &m, "d1/m", true);
    check_int("disable", put(&rig, "d1", "{'status':'disabled'}", "*"), 0);
    check_told("its module is cut off", &rig, "d1/m close disabled\n");
    struct attach *again = attach_task(&m, true);
    check_int("and does not come back", rig_result(&rig, &again->task), FAULT_DEVICE_DISABLED);
    struct method_invoke *call = invoke(&rig, "d1/m", "{'methodName':'x'}");
    check_int("nor is it called", rig_result(&rig, &call->task), FAULT_DEVICE_DISABLED);
    rig_close(&rig);
}

static void system_modules_follow_the_capability(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    check_int("none at first", (long long)modules_of(&rig, "d1"), 0);
    check_int("becomes Edge", put(&rig, "d1", "{'capabilities':{'iotEdge':true}}", "*"), 0);
    check_int("both", (long long)modules_of(&rig, "d1"), 2);
    struct str key = str_copy(&rig.mem, stored(&rig, "d1/$edgeAgent")->id.primary_key);
    check_int("stays Edge", put(&rig, "d1", "{'capabilities':{'iotEdge':true}}", "*"), 0);
    check_str("they stay as they are", stored(&rig, "d1/$edgeAgent")->id.primary_key, key);
    check_int("a module of its own", put(&rig, "d1/m", "{}", NULL), 0);
    check_int("no longer Edge", put(&rig, "d1", "{}", "*"), 0);
    check_int("its own stays", (long long)modules_of(&rig, "d1"), 1);
    check_int("no scope of its own", stored(&rig, "d1")->id.device_scope.len == 0, 1);
    rig_close(&rig);
}

/* %s is the scope of e, a device of IoT Edge. */
static const struct {
    const char *rule, *id, *body, *if_match;
    uint32_t fault;
    const char *scope, *parents;
} scopes[] = {
    {"a leaf names its parent", "leaf", "{'deviceScope':'%s'}", NULL, 0, "%s", "['%s']"},
    {"or in the list", "leaf", "{'parentScopes':['%s']}", NULL, 0, "%s", "['%s']"},
    {"a device of Edge in the list only", "e2",
     "{'capabilities':{'iotEdge':true},'deviceScope':'ignored','parentScopes':['%s']}", NULL, 0,
     NULL, "['%s']"},
    {"nobody has that scope", "leaf", "{'deviceScope':'ms-azure-iot-edge://e-1'}", NULL,
     FAULT_INVALID_DEVICE_SCOPE, NULL, NULL},
    {"that device is not of Edge", "leaf", "{'deviceScope':'ms-azure-iot-edge://d1-1'}", NULL,
     FAULT_INVALID_DEVICE_SCOPE, NULL, NULL},
    {"no device at all", "leaf", "{'parentScopes':['ms-azure-iot-edge://x']}", NULL,
     FAULT_INVALID_DEVICE_SCOPE, NULL, NULL},
    {"its own parent", "e", "{'capabilities':{'iotEdge':true},'parentScopes':['%s']}", "*",
     FAULT_INVALID_DEVICE_SCOPE, NULL, NULL},
    {"another parent in one of the members", "child", "{'deviceScope':'%s','parentScopes':['%2s']}",
     "*", 0, "%2s", "['%2s']"},
    {"another parent in the other", "child", "{'deviceScope':'%2s','parentScopes':['%s']}", "*", 0,
     "%2s", "['%2s']"},
    {"no parent any more", "child", "{}", "*", 0, NULL, NULL},
    {"a scope that was its own is no parent", "e",
     "{'capabilities':{'iotEdge':false},'deviceScope':'%s','parentScopes':['%2s']}", "*", 0, "%2s",
     "['%2s']"},
    {"nor is it one alone", "e", "{'deviceScope':'%s'}", "*", 0, NULL, NULL},
};

static const char *filled(struct rig *rig, const char *text, struct str e, struct str second)
{
    struct buf out = {0};
    for (const char *c = text; *c; c++) {
        if (!strncmp(c, "%s", 2))
            buf_put(&out, e), c++;
        else if (!strncmp(c, "%2s", 3))
            buf_put(&out, second), c += 2;
        else
            buf_put_char(&out, *c == '\'' ? '"' : *c);
    }
    struct str copy = str_copy(&rig->mem, buf_str(&out));
    buf_done(&out);
    return copy.ptr;
}

static void rules_of_scopes(void **state)
{
    for (size_t i = 0; i < COUNT(scopes); i++) {
        struct rig rig;
        open_with_modules(&rig);
        check_int("second", put(&rig, "second", "{'capabilities':{'iotEdge':true}}", NULL), 0);
        struct str e = stored(&rig, "e")->id.device_scope;
        struct str second = stored(&rig, "second")->id.device_scope;
        check_int("child",
                  put(&rig, "child", filled(&rig, "{'deviceScope':'%s'}", e, second), NULL), 0);
        check_int(
            scopes[i].rule,
            put(&rig, scopes[i].id, filled(&rig, scopes[i].body, e, second), scopes[i].if_match),
            scopes[i].fault);
        if (!scopes[i].fault) {
            const struct identity *now = &stored(&rig, scopes[i].id)->id;
            if (scopes[i].scope || !now->iot_edge)
                check_str(scopes[i].rule, now->device_scope,
                          scopes[i].scope ? str_from(filled(&rig, scopes[i].scope, e, second))
                                          : STR_NONE);
            check_str(scopes[i].rule, now->parent_scopes,
                      scopes[i].parents ? str_from(filled(&rig, scopes[i].parents, e, second))
                                        : STR_NONE);
        }
        rig_close(&rig);
    }
}

static void what_a_device_had_before_is_not_judged_again(void **state)
{
    struct rig rig;
    open_with_modules(&rig);
    struct str e = stored(&rig, "e")->id.device_scope;
    const char *body = filled(&rig, "{'deviceScope':'%s'}", e, e);
    check_int("leaf", put(&rig, "leaf", body, NULL), 0);
    check_int("its parent goes", del(&rig, "e"), 0);
    check_int("the leaf may still change", put(&rig, "leaf", body, "*"), 0);
    check_int("nobody new gets that scope", put(&rig, "leaf2", body, NULL),
              FAULT_INVALID_DEVICE_SCOPE);
    rig_close(&rig);
}

static void a_module_is_attached_for_itself(void **state)
{
    struct rig rig;
    open_with_modules(&rig);
    struct device d1 = {0}, m = {.answer = "{\"by\":\"m\"}"};
    device_attach(&rig, &d1, "d1", true);
    device_attach(&rig, &m, "d1/m", true);
    device_subscribe(&d1, SUB_DESIRED | SUB_METHODS, false);
    device_subscribe(&m, SUB_DESIRED | SUB_METHODS, false);
    check_int("two of them", presence_connected_count(rig.hub->presence), 2);
    check_int("one is a module", (long long)atomic_load(&rig.hub->stats.modules_attached), 1);
    struct twin_change *change = change_twin(&rig, "d1/m", "{'properties':{'desired':{'a':1}}}");
    check_int("twin", rig_result(&rig, &change->task), 0);
    check_told("only the module hears of its twin", &rig,
               "d1/m patch 2 {\"a\":1,\"$version\":2}\n");
    struct method_invoke *call = invoke(&rig, "d1/m", "{'methodName':'x'}");
    check_int("call", rig_result(&rig, &call->task), 0);
    check_told("and is called", &rig, "d1/m call x null\n");
    check_str("its answer", call->payload, STR("{\"by\":\"m\"}"));
    device_detach(&d1);
    rig_run(&rig);
    check_int("one leaves alone", presence_connected_count(rig.hub->presence), 1);
    check_int("the module stays", (long long)atomic_load(&rig.hub->stats.modules_attached), 1);
    rig_close(&rig);
}

static void who_is_missing_is_named(void **state)
{
    struct rig rig;
    open_with_modules(&rig);
    check_int("twin", rig_result(&rig, &change_twin(&rig, "d1/n", "{'tags':{}}")->task),
              FAULT_MODULE_NOT_FOUND);
    check_int("twin", rig_result(&rig, &change_twin(&rig, "d9/n", "{'tags':{}}")->task),
              FAULT_DEVICE_NOT_FOUND);
    check_int("call", rig_result(&rig, &invoke(&rig, "d1/n", "{'methodName':'x'}")->task),
              FAULT_MODULE_NOT_FOUND);
    check_int("call", rig_result(&rig, &invoke(&rig, "d9/n", "{'methodName':'x'}")->task),
              FAULT_DEVICE_NOT_FOUND);
    struct device n = {.rig = &rig, .id = "d1/n"};
    check_int("connection", rig_result(&rig, &attach_task(&n, true)->task), FAULT_MODULE_NOT_FOUND);
    rig_close(&rig);
}

/* ---- whatever comes, in whatever turns ---- */

enum { DEVICES = 5, MODULES = 4, ROUNDS = 150, TOGETHER = 6 };

struct model { /* what should be there */
    bool device[DEVICES], edge[DEVICES], module[DEVICES][MODULES];
};

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}

struct order {
    struct hub_task *task;
    uint32_t want; /* fault */
};

/* One order, and what it does to the model. */
static struct order any_order(struct rig *rig, struct model *model, uint64_t *seed)
{
    uint32_t d = draw(seed, DEVICES), m = draw(seed, MODULES);
    char device[16], module[16];
    snprintf(device, sizeof device, "p%u", d);
    snprintf(module, sizeof module, "p%u/m%u", d, m);
    bool *is = &model->device[d], *has = &model->module[d][m];
    switch (draw(seed, 5)) {
    case 0: {
        bool edge = draw(seed, 2);
        struct order put = {&put_device(rig, device,
                                        edge ? "{'capabilities':{'iotEdge':true}}" : "{}",
                                        *is ? "*" : NULL)
                                 ->task,
                            0};
        *is = true;
        model->edge[d] = edge;
        return put;
    }
    case 1: {
        struct order gone = {&delete_device(rig, device, NULL)->task,
                             *is ? 0 : FAULT_DEVICE_NOT_FOUND};
        *is = model->edge[d] = false;
        memset(model->module[d], 0, sizeof model->module[d]);
        return gone;
    }
    case 2: {
        struct order gone = {&delete_device(rig, module, NULL)->task, *has ? 0
                                                                      : *is
                                                                          ? FAULT_MODULE_NOT_FOUND
                                                                          : FAULT_DEVICE_NOT_FOUND};
        *has = false;
        return gone;
    }
    default: {
        struct order put = {&put_device(rig, module, "{}", NULL)->task,
                            !*is   ? FAULT_DEVICE_NOT_FOUND
                            : *has ? FAULT_MODULE_ALREADY_EXISTS
                                   : 0};
        *has = *is;
        return put;
    }
    }
}

static bool count_entity(void *arg, const struct entity *entity)
{
    ++*(uint32_t *)arg;
    return true;
}

static void check_model(struct rig *rig, const struct model *model)
{
    uint32_t devices = 0, modules = 0, found = 0;
    char id[32];
    for (uint32_t d = 0; d < DEVICES; d++) {
        snprintf(id, sizeof id, "p%u", d);
        check_int(id, stored(rig, id) != NULL, model->device[d]);
        uint32_t mine = model->edge[d] ? IDENTITY_SYSTEM_MODULES : 0;
        for (uint32_t m = 0; m < MODULES; m++)
            mine += model->module[d][m];
        check_int(id, (long long)modules_of(rig, id), mine);
        devices += model->device[d];
        modules += mine;
    }
    struct store_counters now = counters(rig);
    check_int("devices are counted", now.devices_enabled, devices);
    check_int("modules are counted", now.modules, modules);
    struct why why;
    check_int("scan",
              store_scan(store_main(rig->store), &(struct store_scan){.modules = true},
                         count_entity, &found, &why),
              ERR_OK);
    check_int("nobody's module is left", found, modules);
}

static void modules_and_devices_stay_together(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct rig rig;
        struct model model = {0};
        uint64_t dice = seed;
        rig_open(&rig, 0);
        for (int round = 0; round < ROUNDS; round++) {
            struct model before = model;
            struct order orders[TOGETHER];
            uint32_t count = 1 + draw(&dice, TOGETHER);
            bool full = draw(&dice, 10) == 0;
            for (uint32_t i = 0; i < count; i++) {
                orders[i] = any_order(&rig, &model, &dice);
                rig_submit(&rig, orders[i].task);
            }
            rig_disk_full(&rig, full);
            rig_turn(&rig);
            rig_disk_full(&rig, false);
            for (uint32_t i = 0; i < count && !full; i++)
                check_int("as the model says", rig_fault(orders[i].task), orders[i].want);
            if (full)
                model = before; /* nothing of it was done */
            check_model(&rig, &model);
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_put),
        cmocka_unit_test(a_fresh_module_has_keys_and_a_twin_without_birthday),
        cmocka_unit_test(a_device_has_fifty_modules_and_its_system_modules),
        cmocka_unit_test(rules_of_delete),
        cmocka_unit_test(a_device_takes_its_modules_with_it),
        cmocka_unit_test(a_module_made_in_the_turn_of_the_deletion_goes_with_it),
        cmocka_unit_test(a_disabled_device_has_no_connected_modules),
        cmocka_unit_test(system_modules_follow_the_capability),
        cmocka_unit_test(rules_of_scopes),
        cmocka_unit_test(what_a_device_had_before_is_not_judged_again),
        cmocka_unit_test(a_module_is_attached_for_itself),
        cmocka_unit_test(who_is_missing_is_named),
        cmocka_unit_test(modules_and_devices_stay_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
