/* Who may do what: the worked vectors of docs/spec/quotas-errors-auth.md 13 against the front's two
 * judges, and what device-auth.md 1.4 and 1.6 add. Tokens are made here with one key, so that every
 * spelling can be written down. */
#include "base/codec.h"
#include "base/time.h"
#include "front/auth.h"
#include "front/device_auth.h"
#include "model/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>
#include <openssl/hmac.h>

#define HOST "contoso-hub.example.net"
#define KEY_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER_TEXT "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define EXPIRY "1767225600"
#define SIG_A "6FgbAUvubdrALXDPyq6PoTZpYOCOCka8NLdrz%2FMtooc%3D"
#define SIG_B "X6i7rMwg%2BWLWpFVuXikLVOVxy96bRZqQaoJz%2F07wxGw%3D"
#define SIG_C "UxOlAgIj0MPQhD%2BkK0eSdwb6WylhU9s9HtYHWk6h2Wo%3D"
#define SIG_D "I644zGSCC80xSPFQoiaTkYEQdtbXslWkHrNWxIzWIkY%3D"
#define SIG_E "%2BkR%2FywHh7V0w%2BHF9RLFlX5CXMgK9xoMkumxH1sREJb8%3D"
#define SIG_G "9XfxEFB5U5h9Au4avwUlBNhvtoykhvStcH9Kzf8NJEo%3D"
#define SIG_P "AaXD5lvjKKCGpSlYAq5Whqh%2F42k6tSbWfnBnHz2mL%2BY%3D"
#define WORD "SharedAccessSignature "
#define A WORD "sr=" HOST "&sig=" SIG_A "&se=" EXPIRY "&skn=service"
#define B WORD "sr=" HOST "%2Fdevices%2Fdev-01&sig=" SIG_B "&se=" EXPIRY
#define C WORD "sr=" HOST "%2fdevices%2fdev-01&sig=" SIG_C "&se=" EXPIRY
#define D WORD "sr=" HOST "/devices/dev-01&sig=" SIG_D "&se=" EXPIRY
#define E WORD "sr=" HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent&sig=" SIG_E "&se=" EXPIRY
#define G WORD "sr=" HOST "%2Fdevices&sig=" SIG_G "&se=" EXPIRY "&skn=device"
#define P WORD "sr=" HOST "&sig=" SIG_P "&se=1767225602&skn=registryRead"
#define IN_TIME 1767225600

static struct clock_fake now;
static struct front *front;
static struct policy_board *board;
static struct authority_board *authorities;
static struct arena mem;

static struct str bytes_of(const char *base64)
{
    struct str bytes;
    assert_true(base64_decode(&mem, str_from(base64), &bytes));
    return bytes;
}

/* All policies have the key of the vectors, second. The first is another one. */
static int set_up(void **state)
{
    static struct policy policies[POLICY_BUILT_IN_COUNT];
    policy_built_in(random_system(), &mem, policies);
    for (size_t i = 0; i < POLICY_BUILT_IN_COUNT; i++)
        policies[i].secondary_key = bytes_of(KEY_TEXT);
    board = policy_board_create(policies, POLICY_BUILT_IN_COUNT);
    authorities = authority_board_create(NULL, 0);
    clock_fake_init(&now, 0);
    front = front_create(&(struct front_config){.clock = &now.clock,
                                                .random = random_system(),
                                                .policies = board,
                                                .authorities = authorities,
                                                .host = HOST});
    return 0;
}

static int tear_down(void **state)
{
    front_destroy(front);
    policy_board_destroy(board);
    authority_board_destroy(authorities);
    arena_done(&mem);
    return 0;
}

static void at(int64_t seconds)
{
    now.now_ticks = seconds * TICKS_PER_SECOND;
}

/* ---- services ---- */

#define RR RIGHT_REGISTRY_READ
#define RW RIGHT_REGISTRY_WRITE
#define SC RIGHT_SERVICE_CONNECT

static const struct {
    const char *rule, *token;
    int64_t now_s;
    struct auth_need need;
    const char *reason; /* NULL: allowed */
} services[] = {
    {"A in time", A, IN_TIME, {SC, 0}, NULL},
    {"A exactly 300 s late", A, IN_TIME + 300, {SC, 0}, NULL},
    {"A 301 s late", A, IN_TIME + 301, {SC, 0}, "expired"},
    {"A where RegistryWrite is needed", A, IN_TIME, {RW, 0}, "right missing"},
    {"A where either right will do", A, IN_TIME, {RW, SC}, NULL},
    {"A with another expiry",
     WORD "sr=" HOST "&sig=" SIG_A "&se=1767225601&skn=service",
     IN_TIME,
     {SC, 0},
     "wrong signature"},
    {"A with its scope in other letters",
     WORD "sr=CONTOSO-HUB.example.net&sig=" SIG_A "&se=" EXPIRY "&skn=service",
     IN_TIME,
     {SC, 0},
     "wrong signature"},
    {"A with its fields in another order",
     WORD "skn=service&se=" EXPIRY "&sig=" SIG_A "&sr=" HOST,
     IN_TIME,
     {SC, 0},
     NULL},
    {"A with names in capitals",
     WORD "SR=" HOST "&SIG=" SIG_A "&SE=" EXPIRY "&SKN=service",
     IN_TIME,
     {SC, 0},
     NULL},
    {"A with the policy in capitals",
     WORD "sr=" HOST "&sig=" SIG_A "&se=" EXPIRY "&skn=SERVICE",
     IN_TIME,
     {SC, 0},
     NULL},
    {"A with its first word in small letters",
     "sharedaccesssignature sr=" HOST "&sig=" SIG_A "&se=" EXPIRY "&skn=service",
     IN_TIME,
     {SC, 0},
     "not a SAS token"},
    {"A without the blank",
     "SharedAccessSignaturesr=" HOST "&sig=" SIG_A "&se=" EXPIRY "&skn=service",
     IN_TIME,
     {SC, 0},
     "not a SAS token"},
    {"A without sig",
     WORD "sr=" HOST "&se=" EXPIRY "&skn=service",
     IN_TIME,
     {SC, 0},
     "not a SAS token"},
    {"A without se",
     WORD "sr=" HOST "&sig=" SIG_A "&skn=service",
     IN_TIME,
     {SC, 0},
     "not a SAS token"},
    {"A without sr",
     WORD "sig=" SIG_A "&se=" EXPIRY "&skn=service",
     IN_TIME,
     {SC, 0},
     "not a SAS token"},
    {"A without skn",
     WORD "sr=" HOST "&sig=" SIG_A "&se=" EXPIRY,
     IN_TIME,
     {SC, 0},
     "no policy named"},
    {"A of a policy that is not there",
     WORD "sr=" HOST "&sig=" SIG_A "&se=" EXPIRY "&skn=nobody",
     IN_TIME,
     {SC, 0},
     "no such policy"},
    {"B, a device's token, at the registry", B, IN_TIME, {RR, 0}, "no policy named"},
    {"G, a policy that may only connect devices, at a twin", G, IN_TIME, {SC, 0}, "right missing"},
    {"P at a query", P, IN_TIME, {RR, SC}, NULL},
    {"P where RegistryWrite is needed", P, IN_TIME, {RW, 0}, "right missing"},
    {"P with a signature in small hex",
     WORD "sr=" HOST "&sig=AaXD5lvjKKCGpSlYAq5Whqh%2f42k6tSbWfnBnHz2mL%2bY%3d&se=1767225602"
          "&skn=registryRead",
     IN_TIME,
     {RR, 0},
     NULL},
    {"P with a raw slash in its signature",
     WORD "sr=" HOST "&sig=AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL%2BY%3D&se=1767225602"
          "&skn=registryRead",
     IN_TIME,
     {RR, 0},
     NULL},
    {"a bearer token", "Bearer abc", IN_TIME, {SC, 0}, "not a SAS token"},
    {"an empty header", "", IN_TIME, {SC, 0}, "not a SAS token"},
    {"no header", NULL, IN_TIME, {SC, 0}, "no Authorization header"},
};

static void services_are_judged_by_policy_time_host_and_right(void **state)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        const char *reason = "untouched";
        struct auth_proof proof = {0};
        struct why why = {0};
        print_message("  %s\n", services[i].rule);
        at(services[i].now_s);
        enum err err = auth_service(front, str_from(services[i].token), services[i].need, &proof,
                                    &reason, &why);
        buf_done(&proof.header);
        assert_int_equal(err, services[i].reason ? ERR_DENIED : ERR_OK);
        if (!services[i].reason) {
            assert_null(reason);
            continue;
        }
        assert_string_equal(reason, services[i].reason);
        assert_string_equal(why.text, "Unauthorized"); /* whatever the reason, no more is told */
        assert_int_equal(why.code, FAULT_UNAUTHORIZED_ACCESS);
    }
}

static const char *ask(struct auth_proof *proof, const char *token, unsigned right)
{
    const char *reason = NULL;
    struct why why;
    enum err err =
        auth_service(front, str_from(token), (struct auth_need){right, 0}, proof, &reason, &why);
    assert_int_equal(err == ERR_OK, reason == NULL);
    return reason ? reason : "allowed";
}

static void what_a_connection_has_proven_is_still_judged_by_time_and_right(void **state)
{
    struct auth_proof proof = {0};
    at(IN_TIME);
    assert_string_equal(ask(&proof, A, SC), "allowed");
    assert_string_equal(ask(&proof, A, SC), "allowed");
    assert_string_equal(ask(&proof, A, RW), "right missing");
    assert_string_equal(ask(&proof, A "x", SC), "no such policy"); /* only nearly the same */
    assert_string_equal(ask(&proof, P, SC), "right missing");      /* another one is proven anew */
    assert_string_equal(ask(&proof, P, RR), "allowed");
    assert_string_equal(ask(&proof, A, RR), "right missing");
    assert_string_equal(ask(&proof, "", RR), "not a SAS token");
    assert_string_equal(ask(&proof, NULL, RR), "no Authorization header");
    assert_string_equal(ask(&proof, A, SC), "allowed");
    at(IN_TIME + 301);
    assert_string_equal(ask(&proof, A, SC), "expired");
    buf_done(&proof.header);
}

/* ---- devices ---- */

enum owner { DEV_01, DEV_01_SECOND, DEV_02, DEV_010, EDGE_AGENT, EDGE_05, WITH_CERT, NO_KEYS };

static struct identity identity_of(enum owner owner)
{
    static const char *const ids[] = {"dev-01",  "dev-01",  "dev-02", "dev-010",
                                      "edge-05", "edge-05", "dev-01", "dev-01"};
    struct identity identity = {.device_id = str_from(ids[owner]),
                                .module_id = owner == EDGE_AGENT ? STR("$edgeAgent") : STR(""),
                                .auth = owner == WITH_CERT ? AUTH_SELF_SIGNED : AUTH_SAS,
                                .primary_key = STR(KEY_TEXT),
                                .secondary_key = STR(OTHER_TEXT)};
    if (owner == DEV_01_SECOND) {
        identity.primary_key = STR(OTHER_TEXT);
        identity.secondary_key = STR(KEY_TEXT);
    } else if (owner == NO_KEYS) {
        identity.primary_key = identity.secondary_key = STR("");
    }
    return identity;
}

/* A token over `sr` as written, with an empty HMAC key: anybody can make it. */
static const char *keyless(void)
{
    static char text[512];
    uint8_t mac[32];
    const char *sr = HOST "%2Fdevices%2Fdev-01\n" EXPIRY;
    assert_non_null(HMAC(EVP_sha256(), "", 0, (const unsigned char *)sr, strlen(sr), mac, NULL));
    struct buf sig = {0};
    percent_encode(&sig, base64_encode(&mem, str_of(mac, sizeof mac)));
    snprintf(text, sizeof text, WORD "sr=" HOST "%%2Fdevices%%2Fdev-01&sig=%.*s&se=" EXPIRY,
             (int)sig.len, sig.ptr);
    buf_done(&sig);
    return text;
}

static const struct {
    const char *rule, *token; /* NULL: keyless() */
    int64_t now_s;
    enum owner owner;
    bool allowed, by_policy;
} devices[] = {
    {"B for its device", B, IN_TIME, DEV_01, true, false},
    {"C, the same in small hex", C, IN_TIME, DEV_01, true, false},
    {"D, the same unencoded", D, IN_TIME, DEV_01, true, false},
    {"B made with the secondary key", B, IN_TIME, DEV_01_SECOND, true, false},
    {"B with an empty skn", B "&skn=", IN_TIME, DEV_01, true, false},
    {"B with the device as skn", B "&skn=dev-01", IN_TIME, DEV_01, true, false},
    {"B with another device as skn", B "&skn=dev-02", IN_TIME, DEV_01, false, false},
    {"B 300 s late", B, IN_TIME + 300, DEV_01, true, false},
    {"B 301 s late", B, IN_TIME + 301, DEV_01, false, false},
    {"B for another device", B, IN_TIME, DEV_02, false, false},
    {"B for a device with a longer name", B, IN_TIME, DEV_010, false, false},
    {"B for a device with a certificate", B, IN_TIME, WITH_CERT, false, false},
    {"G for a device with a certificate", G, IN_TIME, WITH_CERT, false, false},
    {"B for a device without keys", B, IN_TIME, NO_KEYS, false, false},
    {"a token of the empty key for a device without keys", NULL, IN_TIME, NO_KEYS, false, false},
    {"E for its module", E, IN_TIME, EDGE_AGENT, true, false},
    {"E for the module's device", E, IN_TIME, EDGE_05, false, false},
    {"B for a module of another device", B, IN_TIME, EDGE_AGENT, false, false},
    {"G for any device", G, IN_TIME, DEV_01, true, true},
    {"G for any other device", G, IN_TIME, DEV_02, true, true},
    {"G for a module", G, IN_TIME, EDGE_AGENT, true, true},
    {"A, a policy that may not connect devices", A, IN_TIME, DEV_01, false, false},
    {"P, likewise", P, IN_TIME, DEV_01, false, false},
    {"the hub as scope, signed with a device's key", WORD "sr=" HOST "&sig=" SIG_A "&se=" EXPIRY,
     IN_TIME, DEV_01, false, false},
};

static void devices_are_judged_by_key_time_and_scope(void **state)
{
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        struct device_offer offer = {.has_token = true};
        struct device_grant grant;
        struct why why = {0};
        struct identity identity = identity_of(devices[i].owner);
        print_message("  %s\n", devices[i].rule);
        at(devices[i].now_s);
        const char *text = devices[i].token ? devices[i].token : keyless();
        assert_int_equal(sas_parse(str_from(text), &mem, &offer.token, &why), ERR_OK);
        enum err err = device_auth(front, &offer, &identity, &grant, &why);
        assert_int_equal(err, devices[i].allowed ? ERR_OK : ERR_DENIED);
        if (devices[i].allowed)
            assert_int_equal(grant.by == BY_POLICY, devices[i].by_policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_judged_by_policy_time_host_and_right),
        cmocka_unit_test(what_a_connection_has_proven_is_still_judged_by_time_and_right),
        cmocka_unit_test(devices_are_judged_by_key_time_and_scope),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
