/* Connection strings: spec/quotas-errors-auth.md 14. */
#include "wire/connstr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOST "contoso-hub.example.net"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define TOKEN "SharedAccessSignature sr=h&sig=s%3D&se=1"

static const struct {
    const char *rule, *text;
    struct connstr now;
    const char *written; /* NULL: as it was */
} accepted[] = {
    {"a service with a key",
     "HostName=" HOST ";SharedAccessKeyName=service;SharedAccessKey=" KEY,
     {.host = STR(HOST), .policy = STR("service"), .key = STR(KEY)},
     NULL},
    {"a service with a ready token",
     "HostName=" HOST ";SharedAccessKeyName=service;SharedAccessSignature=" TOKEN,
     {.host = STR(HOST), .policy = STR("service"), .token = STR(TOKEN)},
     NULL},
    {"a device with a key",
     "HostName=" HOST ";DeviceId=dev-01;SharedAccessKey=" KEY,
     {.host = STR(HOST), .device = STR("dev-01"), .key = STR(KEY)},
     NULL},
    {"a device with a ready token",
     "HostName=" HOST ";DeviceId=dev-01;SharedAccessSignature=" TOKEN,
     {.host = STR(HOST), .device = STR("dev-01"), .token = STR(TOKEN)},
     NULL},
    {"a device with a certificate",
     "HostName=" HOST ";DeviceId=dev-01;x509=true",
     {.host = STR(HOST), .device = STR("dev-01"), .x509 = true},
     NULL},
    {"a module",
     "HostName=" HOST ";DeviceId=dev-01;ModuleId=$edgeAgent;SharedAccessKey=" KEY,
     {.host = STR(HOST), .device = STR("dev-01"), .module = STR("$edgeAgent"), .key = STR(KEY)},
     NULL},
    {"a device with a policy's key",
     "HostName=" HOST ";DeviceId=d;SharedAccessKeyName=device;SharedAccessKey=" KEY,
     {.host = STR(HOST), .device = STR("d"), .policy = STR("device"), .key = STR(KEY)},
     NULL},
    {"through a gateway",
     "HostName=" HOST ";DeviceId=d;SharedAccessKey=" KEY ";GatewayHostName=edge",
     {.host = STR(HOST), .device = STR("d"), .key = STR(KEY), .gateway = STR("edge")},
     NULL},
    {"an id may hold '='",
     "HostName=" HOST ";DeviceId=a=b;SharedAccessKey=" KEY,
     {.host = STR(HOST), .device = STR("a=b"), .key = STR(KEY)},
     NULL},
    {"names go without case, order is free, blanks and a last semicolon do no harm",
     " sharedaccesskey=" KEY "; DEVICEID=d ;hostname=" HOST "; ",
     {.host = STR(HOST), .device = STR("d"), .key = STR(KEY)},
     "HostName=" HOST ";DeviceId=d;SharedAccessKey=" KEY},
    {"unknown fields are ignored",
     "HostName=" HOST ";DeviceId=d;Colour=blue;SharedAccessKey=" KEY,
     {.host = STR(HOST), .device = STR("d"), .key = STR(KEY)},
     "HostName=" HOST ";DeviceId=d;SharedAccessKey=" KEY},
};

static void same(const char *rule, const char *field, struct str is, struct str should)
{
    if (!str_eq(is, should) || !is.ptr != !should.ptr)
        fail_msg("%s: %s is '%.*s'", rule, field, STR_ARG(is));
}

static void each_kind_is_read_and_written(void **state)
{
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        struct connstr is, should = accepted[i].now;
        struct why why = {0};
        const char *rule = accepted[i].rule;
        if (connstr_parse(str_from(accepted[i].text), &is, &why) != ERR_OK)
            fail_msg("%s: %s", rule, why.text);
        same(rule, "host", is.host, should.host);
        same(rule, "gateway", is.gateway, should.gateway);
        same(rule, "policy", is.policy, should.policy);
        same(rule, "device", is.device, should.device);
        same(rule, "module", is.module, should.module);
        same(rule, "key", is.key, should.key);
        same(rule, "token", is.token, should.token);
        assert_int_equal(is.x509, should.x509);

        struct buf out = {0};
        connstr_put(&out, &is);
        same(rule, "text", buf_str(&out),
             str_from(accepted[i].written ? accepted[i].written : accepted[i].text));
        buf_done(&out);
    }
}

static const struct {
    const char *rule, *text;
    enum err err;
} refused[] = {
    {"nothing", "", ERR_BAD_INPUT},
    {"only semicolons", ";;;", ERR_BAD_INPUT},
    {"no host", "DeviceId=d;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"an empty host", "HostName=;DeviceId=d;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"a host with a slash", "HostName=a/b;DeviceId=d;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"a host with a port", "HostName=a:1;DeviceId=d;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"a gateway that is no host",
     "HostName=" HOST ";DeviceId=d;GatewayHostName=a b;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"nobody", "HostName=" HOST ";SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"an empty device", "HostName=" HOST ";DeviceId=;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"a module without its device",
     "HostName=" HOST ";SharedAccessKeyName=p;ModuleId=m;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"no proof", "HostName=" HOST ";DeviceId=d", ERR_BAD_INPUT},
    {"a certificate that is not there", "HostName=" HOST ";DeviceId=d;x509=false", ERR_BAD_INPUT},
    {"two proofs", "HostName=" HOST ";DeviceId=d;SharedAccessKey=" KEY ";x509=true", ERR_BAD_INPUT},
    {"key and token",
     "HostName=" HOST ";DeviceId=d;SharedAccessKey=" KEY ";SharedAccessSignature=" TOKEN,
     ERR_BAD_INPUT},
    {"a key without padding",
     "HostName=" HOST ";DeviceId=d;SharedAccessKey=AAEC"
     "AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
     ERR_BAD_INPUT},
    {"a key that is no base64", "HostName=" HOST ";DeviceId=d;SharedAccessKey=!!!!", ERR_BAD_INPUT},
    {"a field twice", "HostName=" HOST ";DeviceId=d;DeviceId=d;SharedAccessKey=" KEY,
     ERR_BAD_INPUT},
    {"a field twice in another case",
     "HostName=" HOST ";DeviceId=d;hostname=a;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"a field without '='", "HostName=" HOST ";DeviceId;SharedAccessKey=" KEY, ERR_BAD_INPUT},
    {"seventeen fields", "a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1;a=1",
     ERR_LIMIT},
};

static void what_is_incomplete_or_contradictory_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct connstr out = {.x509 = true};
        struct why why = {0};
        if (connstr_parse(str_from(refused[i].text), &out, &why) != refused[i].err)
            fail_msg("%s", refused[i].rule);
        if (!out.x509 || out.host.ptr || !why.text[0])
            fail_msg("%s: a result, or no reason", refused[i].rule);
        if (strstr(why.text, "AAEC") || strstr(why.text, "sig="))
            fail_msg("%s: the reason tells a secret", refused[i].rule);
    }
}

static void length_has_a_limit(void **state)
{
    static char text[CONNSTR_TEXT_MAX + 1];
    struct connstr out;
    memset(text, ';', sizeof text);
    assert_int_equal(connstr_parse(str_of(text, sizeof text), &out, NULL), ERR_LIMIT);
    assert_int_equal(connstr_parse(str_of(text, sizeof text - 1), &out, NULL), ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_and_written),
        cmocka_unit_test(what_is_incomplete_or_contradictory_is_refused),
        cmocka_unit_test(length_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
