#include "wire/username.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void tell(struct buf *out, const char *label, struct str value)
{
    if (value.ptr)
        buf_printf(out, "%s%.*s", label, STR_ARG(value));
}

static struct str story_of(struct buf *out, const struct username *name)
{
    buf_reset(out);
    tell(out, "host=", name->host);
    tell(out, " device=", name->device);
    if (name->module.len > 0)
        tell(out, " module=", name->module);
    tell(out, " api=", name->api_version);
    tell(out, " client=", name->client_type);
    tell(out, " model=", name->model_id);
    return buf_str(out);
}

static const struct {
    const char *rule, *text, *story;
} readings[] = {
    {"Node, with a raw model id",
     "myhub.hub.test/dev1/?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1&"
     "DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20.20.2%3B%20x64)my-product%2F1.0",
     "host=myhub.hub.test device=dev1 api=2021-04-12 client=azure-iot-device/1.18.4 (node "
     "v20.20.2; "
     "x64)my-product/1.0 model=dtmi:com:example:Thermostat;1"},
    {"Python, with an encoded model id",
     "myhub.hub.test/devx/"
     "?api-version=2020-09-30&DeviceClientType=azure-iot-device-iothub-py%2F2.14."
     "0%283.11.2%29&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1",
     "host=myhub.hub.test device=devx api=2020-09-30 "
     "client=azure-iot-device-iothub-py/2.14.0(3.11.2) "
     "model=dtmi:com:example:Thermostat;1"},
    {"C, in lower-case hex",
     "myhub.hub.test/dev1/"
     "?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.12.0%20(native%3b)"
     "&model-id=dtmi%3acom%3aexample%3aThermostat%3b1",
     "host=myhub.hub.test device=dev1 api=2020-09-30 client=iothubclient/1.12.0 (native;) "
     "model=dtmi:com:example:Thermostat;1"},
    {"a module", "h/dev1/mod1/?api-version=2019-10-01",
     "host=h device=dev1 module=mod1 api=2019-10-01"},
    {"without '?', as Go asks", "h/dev1/api-version=2020-09-30",
     "host=h device=dev1 api=2020-09-30"},
    {"a module without '?'", "h/dev1/mod1/api-version=2018-06-30",
     "host=h device=dev1 module=mod1 api=2018-06-30"},
    {"nothing behind the id", "h/dev1", "host=h device=dev1"},
    {"a slash behind the id", "h/dev1/", "host=h device=dev1"},
    {"a '?' behind the id", "h/dev1/?", "host=h device=dev1"},
    {"a slash behind the module's id", "h/dev1/mod1/", "host=h device=dev1 module=mod1"},
    {"a port does not belong to the host", "myhub.hub.test:9883/dev1/?api-version=2021-04-12",
     "host=myhub.hub.test device=dev1 api=2021-04-12"},
    {"ids are raw: cut at '/' before '?'", "h/a?b=c&d/?api-version=1",
     "host=h device=a?b=c&d api=1"},
    {"ids are not decoded", "h/a%20b#+/m%2F/?api-version=1",
     "host=h device=a%20b#+ module=m%2F api=1"},
    {"the first of equal keys wins", "h/d/?api-version=1&api-version=2&model-id=&model-id=x",
     "host=h device=d api=1 model="},
    {"unknown keys and keys without value are ignored",
     "h/d/?auth-chain=e1%3Be2&api-version&&x=y&api-version=2021-04-12",
     "host=h device=d api=2021-04-12"},
    {"keys' case counts", "h/d/?Api-Version=1", "host=h device=d"},
    {"'+' is a plus", "h/d/?DeviceClientType=a+b", "host=h device=d client=a+b"},
    {"what is not UTF-8 stays as it is", "h/d/?DeviceClientType=%FFx",
     "host=h device=d client=%FFx"},
    {"so does U+0000", "h/d/?model-id=a%00", "host=h device=d model=a%00"},
    {"a preview version", "h/d/?api-version=2020-10-01-preview",
     "host=h device=d api=2020-10-01-preview"},
};

static void reads_every_form(void **state)
{
    struct arena mem = {0};
    struct buf story = {0};
    for (size_t i = 0; i < COUNT(readings); i++) {
        struct username name;
        struct why why = {0};
        if (username_parse(str_from(readings[i].text), &mem, &name, &why))
            fail_msg("%s: %s", readings[i].rule, why.text);
        struct str got = story_of(&story, &name);
        if (!str_eq(got, str_from(readings[i].story)))
            fail_msg("%s:\n  got    %.*s\n  wanted %s", readings[i].rule, STR_ARG(got),
                     readings[i].story);
    }
    buf_done(&story);
    arena_done(&mem);
}

static void refuses_what_names_nobody(void **state)
{
    static const struct {
        const char *rule, *text;
    } cases[] = {
        {"empty", ""},
        {"a host alone", "myhub.hub.test"},
        {"no host", "/dev1/?api-version=1"},
        {"a port alone", ":8883/dev1/?api-version=1"},
        {"an empty device id", "h//?api-version=1"},
        {"an empty device id and nothing behind", "h/"},
        {"an empty module id", "h/d//?api-version=1"},
        {"more than a module", "h/d/m/x/?api-version=1"},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct username name = {.host = STR("untouched")};
        struct why why = {0};
        if (username_parse(str_from(cases[i].text), &mem, &name, &why) != ERR_BAD_INPUT)
            fail_msg("%s: taken", cases[i].rule);
        assert_true(str_eq(name.host, STR("untouched")));
        assert_true(why.text[0] != '\0');
    }
    arena_done(&mem);
}

static struct str filled(struct buf *out, const char *head, char filling, size_t count,
                         const char *tail)
{
    buf_reset(out);
    buf_put(out, str_from(head));
    for (size_t i = 0; i < count; i++)
        buf_put_char(out, filling);
    buf_put(out, str_from(tail));
    return buf_str(out);
}

static void lengths_are_limited(void **state)
{
    struct arena mem = {0};
    struct buf text = {0};
    struct username name;
    const size_t id = USERNAME_ID_MAX;
    assert_int_equal(username_parse(filled(&text, "h/", 'd', id, "/?"), &mem, &name, NULL), ERR_OK);
    assert_int_equal(username_parse(filled(&text, "h/", 'd', id + 1, "/?"), &mem, &name, NULL),
                     ERR_LIMIT);
    assert_int_equal(username_parse(filled(&text, "h/d/", 'm', id, "/?"), &mem, &name, NULL),
                     ERR_OK);
    assert_int_equal(username_parse(filled(&text, "h/d/", 'm', id + 1, "/?"), &mem, &name, NULL),
                     ERR_LIMIT);
    const size_t rest = USERNAME_SIZE_MAX - strlen("h/d/?x=");
    assert_int_equal(username_parse(filled(&text, "h/d/?x=", 'v', rest, ""), &mem, &name, NULL),
                     ERR_OK);
    assert_int_equal(username_parse(filled(&text, "h/d/?x=", 'v', rest, "v"), &mem, &name, NULL),
                     ERR_LIMIT);
    buf_done(&text);
    arena_done(&mem);
}

static void the_client_id_names_the_same_identity(void **state)
{
    static const struct {
        const char *rule, *text, *client_id;
        bool agrees;
    } cases[] = {
        {"a device", "h/dev1/?", "dev1", true},
        {"a module", "h/dev1/mod1/?", "dev1/mod1", true},
        {"case counts", "h/dev1/?", "Dev1", false},
        {"nothing at all", "h/dev1/?", "", false},
        {"less", "h/dev1/?", "dev", false},
        {"more", "h/dev1/?", "dev10", false},
        {"a module's client id with a device's user name", "h/dev1/?", "dev1/mod1", false},
        {"a device's client id with a module's user name", "h/dev1/mod1/?", "dev1", false},
        {"a trailing slash", "h/dev1/?", "dev1/", false},
        {"half a module", "h/dev1/mod1/?", "dev1/", false},
        {"another module", "h/dev1/mod1/?", "dev1/mod2", false},
        {"a module without the slash", "h/dev1/mod1/?", "dev1mod1", false},
        {"an id of wildcards", "h/dev#1+/?", "dev#1+", true},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct username name;
        assert_int_equal(username_parse(str_from(cases[i].text), &mem, &name, NULL), ERR_OK);
        if (username_agrees(&name, str_from(cases[i].client_id)) != cases[i].agrees)
            fail_msg("%s: %s and %s", cases[i].rule, cases[i].text, cases[i].client_id);
    }
    arena_done(&mem);
}

static void what_was_written_reads_back_alike(void **state)
{
    struct arena mem = {0};
    struct buf text = {0}, was = {0}, is = {0};
    for (size_t i = 0; i < COUNT(readings); i++) {
        struct username name, again;
        assert_int_equal(username_parse(str_from(readings[i].text), &mem, &name, NULL), ERR_OK);
        buf_reset(&text);
        username_put(&text, &name);
        assert_int_equal(username_parse(buf_str(&text), &mem, &again, NULL), ERR_OK);
        assert_true(str_eq(story_of(&was, &name), story_of(&is, &again)));
    }
    buf_reset(&text);
    username_put(&text, &(struct username){.host = STR("h"),
                                           .device = STR("d"),
                                           .module = STR("m"),
                                           .api_version = STR("2021-04-12"),
                                           .model_id = STR("dtmi:a;1")});
    assert_true(str_eq(buf_str(&text), STR("h/d/m/?api-version=2021-04-12&model-id=dtmi%3Aa%3B1")));
    buf_done(&text);
    buf_done(&was);
    buf_done(&is);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(refuses_what_names_nobody),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(the_client_id_names_the_same_identity),
        cmocka_unit_test(what_was_written_reads_back_alike),
    };
    return cmocka_run_group_tests_name("username", tests, NULL, NULL);
}
