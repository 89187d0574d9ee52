/* Tokens: form, signature, expiry, scope. The vectors are those of spec/quotas-errors-auth.md 13
 * (letters) and spec/device-auth.md 1.3 (numbers). */
#include "base/codec.h"
#include "wire/sas.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HOST "contoso-hub.example.net"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER_KEY "bm90IHRoZSBrZXkgbm90IHRoZSBrZXk="
#define FIELD_KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define SIG_A "6FgbAUvubdrALXDPyq6PoTZpYOCOCka8NLdrz%2FMtooc%3D"
#define TOKEN_A "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=1767225600&skn=service"

static struct arena mem;

static struct str key_bytes(const char *base64)
{
    struct str bytes = STR_NONE;
    assert_true(base64_decode(&mem, str_from(base64), &bytes));
    return bytes;
}

static struct sas_token parsed(const char *text)
{
    struct sas_token token;
    struct why why = {0};
    if (sas_parse(str_from(text), &mem, &token, &why) != ERR_OK)
        fail_msg("%s: %s", why.text, text);
    return token;
}

static struct str in_url(const char *text)
{
    struct buf buf = {0};
    percent_encode(&buf, str_from(text));
    struct str copy = str_copy(&mem, buf_str(&buf));
    buf_done(&buf);
    return copy;
}

/* ---- signatures ---- */

static const struct {
    const char *rule, *key, *sr, *se, *base64;
} signatures[] = {
    {"A: the host alone", KEY, HOST, "1767225600", "6FgbAUvubdrALXDPyq6PoTZpYOCOCka8NLdrz/Mtooc="},
    {"B: a device in upper-case hex", KEY, HOST "%2Fdevices%2Fdev-01", "1767225600",
     "X6i7rMwg+WLWpFVuXikLVOVxy96bRZqQaoJz/07wxGw="},
    {"C: the same in lower-case hex", KEY, HOST "%2fdevices%2fdev-01", "1767225600",
     "UxOlAgIj0MPQhD+kK0eSdwb6WylhU9s9HtYHWk6h2Wo="},
    {"D: the same not encoded", KEY, HOST "/devices/dev-01", "1767225600",
     "I644zGSCC80xSPFQoiaTkYEQdtbXslWkHrNWxIzWIkY="},
    {"E: a module", KEY, HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent", "1767225600",
     "+kR/ywHh7V0w+HF9RLFlX5CXMgK9xoMkumxH1sREJb8="},
    {"F1: a hard id, all escaped", KEY, HOST "%2Fdevices%2Fa%3Ab%2Bc%25d%23e%28f%29%21g",
     "1767225600", "Dk6bijAsMyRcspnMTaWFqX9gCHuXqeMq01gmUMHYpEk="},
    {"F2: the same id, less escaped", KEY, HOST "%2Fdevices%2Fa%3Ab%2Bc%25d%23e(f)!g", "1767225600",
     "1S0a797ZvA5UYa96FhL/fjN3hmuIIR0gpD7+C70KXhk="},
    {"G: all devices", KEY, HOST "%2Fdevices", "1767225600",
     "9XfxEFB5U5h9Au4avwUlBNhvtoykhvStcH9Kzf8NJEo="},
    {"P: plus and slash in the signature", KEY, HOST, "1767225602",
     "AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL+Y="},
    {"1: a device in upper-case hex", FIELD_KEY, "myhub.example.net%2Fdevices%2Fdev1", "1900000000",
     "GARNweQsXaE0HHwkV4CUCzULDga9zLVyBO1zPwOmlOo="},
    {"2: a device in lower-case hex", FIELD_KEY, "myhub.example.net%2fdevices%2fdev1", "1900000000",
     "en6J25Af1DcrFMUuJEKuJ/mWp/7X8qHgye1MdMsg4u8="},
    {"3: a device not encoded", FIELD_KEY, "myhub.example.net/devices/dev1", "1900000000",
     "zACGEncVy0y0smbKEAYBxzo8/fHhs/yT6CAL+wOHPXY="},
    {"4: a module", FIELD_KEY, "myhub.example.net%2Fdevices%2Fdev1%2Fmodules%2Fmod1", "1900000000",
     "YEXOnoUPHvQvqE7fmhvnY8Ff3b+3mnsMr0ewyGkCKUw="},
    {"5: the host alone", FIELD_KEY, "myhub.example.net", "1900000000",
     "hZhV7BTDQqYAaF9220e6XpkhgcJEgxGDYQ8UuglQ+Ec="},
    {"6: a twice encoded id", FIELD_KEY, "myhub.example.net%2Fdevices%2Fdev%2523%25201",
     "1900000000", "pNkukKe+v9qM/Uja68DjRJR9oekdER4zGdvPog4xANg="},
    {"7: a scope with a scheme", FIELD_KEY, "sb%3A%2F%2Fmyhub.example.net%2Fmyhub%2F%24management",
     "1900000000", "RyDetGNwDjMVSxTtUG6KxzjujnzYK1W4541zonoyNPc="},
};

static void signature_covers_the_text_as_written(void **state)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        struct str text =
            str_format(&mem, "SharedAccessSignature sr=%s&sig=%.*s&se=%s", signatures[i].sr,
                       STR_ARG(in_url(signatures[i].base64)), signatures[i].se);
        struct sas_token token = parsed(text.ptr);
        struct str key = key_bytes(signatures[i].key), other = key_bytes(OTHER_KEY);
        bool as_primary = sas_verify(&token, key, other),
             as_secondary = sas_verify(&token, other, key);
        bool alone = sas_verify(&token, key, STR_NONE);
        if (!as_primary || !as_secondary || !alone)
            fail_msg("%s: the right key is refused", signatures[i].rule);
        if (sas_verify(&token, other, STR_NONE) || sas_verify(&token, other, other))
            fail_msg("%s: a wrong key is accepted", signatures[i].rule);
        token.sig[31] ^= 1;
        if (sas_verify(&token, key, key))
            fail_msg("%s: a wrong signature is accepted", signatures[i].rule);
    }
}

static void no_key_fits_nothing(void **state)
{
    /* Signed with the empty key, which everybody has. */
    struct str made = sas_make(
        &(struct sas_grant){.resource = STR(HOST), .key = STR(""), .expires_s = 1767225600}, &mem);
    struct sas_token token = parsed(made.ptr);
    assert_false(sas_verify(&token, STR_NONE, STR_NONE));
    assert_false(sas_verify(&token, STR(""), STR("")));
    assert_false(sas_verify(&token, key_bytes(KEY), STR("")));
}

static const struct {
    const char *rule, *token;
    bool good;
} verdicts[] = {
    {"A as it is", TOKEN_A, true},
    {"P, upper hex",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh%2F42k6tSbWfnBnHz2mL%2BY%3D&se=1767225602",
     true},
    {"P, lower hex",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh%2f42k6tSbWfnBnHz2mL%2bY%3d&se=1767225602",
     true},
    {"P, slash left raw",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL%2BY%3D&se=1767225602",
     true},
    {"P, plus left raw",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL+Y=&se=1767225602",
     true},
    {"P, plus turned into a blank",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL%20Y%3D&se=1767225602",
     true},
    {"P without padding",
     "SharedAccessSignature sr=" HOST
     "&sig=AaXD5lvjKKCGpSlYAq5Whqh/42k6tSbWfnBnHz2mL%2BY&se=1767225602",
     true},
    {"A with another expiry",
     "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=1767225601&skn=service", false},
    {"A with the expiry spelled otherwise",
     "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=01767225600&skn=service", false},
    {"A with the host in capitals",
     "SharedAccessSignature sr=CONTOSO-HUB.example.net&sig=" SIG_A "&se=1767225600&skn=service",
     false},
    {"A in another order", "SharedAccessSignature skn=service&se=1767225600&sig=" SIG_A "&sr=" HOST,
     true},
    {"A with names in capitals",
     "SharedAccessSignature SR=" HOST "&SIG=" SIG_A "&SE=1767225600&SKN=service", true},
    {"A with an unknown field", TOKEN_A "&colour=blue", true},
    {"A between blanks", "  SharedAccessSignature\tsr=" HOST "&sig=" SIG_A "&se=1767225600 ", true},
};

static void spelling_of_a_token_is_free_where_clients_differ(void **state)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        struct sas_token token = parsed(verdicts[i].token);
        if (sas_verify(&token, key_bytes(KEY), STR_NONE) != verdicts[i].good)
            fail_msg("%s", verdicts[i].rule);
    }
}

/* ---- form ---- */

static const struct {
    const char *rule, *token;
    enum err err;
} refused[] = {
    {"nothing", "", ERR_BAD_INPUT},
    {"the word alone", "SharedAccessSignature", ERR_BAD_INPUT},
    {"the word and a blank", "SharedAccessSignature ", ERR_BAD_INPUT},
    {"the word in small letters", "sharedaccesssignature sr=" HOST "&sig=" SIG_A "&se=1767225600",
     ERR_BAD_INPUT},
    {"the blank is missing", "SharedAccessSignaturesr=" HOST "&sig=" SIG_A "&se=1767225600",
     ERR_BAD_INPUT},
    {"another scheme", "Bearer abc", ERR_BAD_INPUT},
    {"a third word", TOKEN_A " more", ERR_BAD_INPUT},
    {"a line end inside", TOKEN_A "\nmore", ERR_BAD_INPUT},
    {"no sr", "SharedAccessSignature sig=" SIG_A "&se=1767225600", ERR_BAD_INPUT},
    {"no sig", "SharedAccessSignature sr=" HOST "&se=1767225600", ERR_BAD_INPUT},
    {"no se", "SharedAccessSignature sr=" HOST "&sig=" SIG_A, ERR_BAD_INPUT},
    {"an empty sr", "SharedAccessSignature sr=&sig=" SIG_A "&se=1767225600", ERR_BAD_INPUT},
    {"an empty sig", "SharedAccessSignature sr=" HOST "&sig=&se=1767225600", ERR_BAD_INPUT},
    {"an empty se", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=", ERR_BAD_INPUT},
    {"sr twice", TOKEN_A "&sr=" HOST, ERR_BAD_INPUT},
    {"sr twice in another case", TOKEN_A "&SR=" HOST, ERR_BAD_INPUT},
    {"skn twice", TOKEN_A "&skn=", ERR_BAD_INPUT},
    {"an expiry in words", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=never",
     ERR_BAD_INPUT},
    {"an expiry before 1970", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=-1",
     ERR_BAD_INPUT},
    {"an expiry with an exponent", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=1e99",
     ERR_BAD_INPUT},
    {"an expiry with a bad fraction", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=1.5.2",
     ERR_BAD_INPUT},
    {"an expiry beyond all numbers",
     "SharedAccessSignature sr=" HOST "&sig=" SIG_A "&se=99999999999999999999", ERR_BAD_INPUT},
    {"a short signature", "SharedAccessSignature sr=" HOST "&sig=AAAA&se=1767225600",
     ERR_BAD_INPUT},
    {"a long signature", "SharedAccessSignature sr=" HOST "&sig=" SIG_A "AAAA&se=1767225600",
     ERR_BAD_INPUT},
    {"a signature that is no base64",
     "SharedAccessSignature sr=" HOST "&sig=6FgbAUvubdrALXDPyq6PoTZpYOCOCka8NLdrz!!tooc=&se=1",
     ERR_BAD_INPUT},
    {"seventeen fields", TOKEN_A "&a&a&a&a&a&a&a&a&a&a&a&a&a", ERR_LIMIT},
};

static void what_is_no_token_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct sas_token token = {.expires_s = 7};
        struct why why = {0};
        if (sas_parse(str_from(refused[i].token), &mem, &token, &why) != refused[i].err)
            fail_msg("%s", refused[i].rule);
        if (token.expires_s != 7 || !why.text[0])
            fail_msg("%s: no reason, or a result", refused[i].rule);
    }
    struct sas_token token = parsed(TOKEN_A "&a&a&a&a&a&a&a&a&a&a&a&a"); /* sixteen are fine */
    assert_int_equal(token.expires_s, 1767225600);
}

static void length_has_a_limit(void **state)
{
    struct buf buf = {0};
    struct sas_token token;
    buf_put(&buf, STR(TOKEN_A "&x="));
    while (buf.len < SAS_TEXT_MAX)
        buf_put_char(&buf, 'x');
    assert_int_equal(sas_parse(buf_str(&buf), &mem, &token, NULL), ERR_OK);
    buf_put_char(&buf, 'x');
    assert_int_equal(sas_parse(buf_str(&buf), &mem, &token, NULL), ERR_LIMIT);
    buf_done(&buf);
}

static void policy_name_is_decoded_and_may_be_absent(void **state)
{
    assert_true(str_eq(parsed(TOKEN_A).skn, STR("service")));
    assert_int_equal(parsed("SharedAccessSignature sr=h&sig=" SIG_A "&se=1").skn.len, 0);
    assert_int_equal(parsed("SharedAccessSignature sr=h&sig=" SIG_A "&se=1&skn=").skn.len, 0);
    assert_true(str_eq(parsed("SharedAccessSignature sr=h&sig=" SIG_A "&se=1&skn=my%20policy").skn,
                       STR("my policy")));
}

/* ---- expiry ---- */

static const struct {
    const char *rule, *se;
    uint64_t now_s;
    bool expired;
} expiries[] = {
    {"at the second", "1767225600", 1767225600, false},
    {"exactly 300 s late", "1767225600", 1767225900, false},
    {"301 s late", "1767225600", 1767225901, true},
    {"a fraction is dropped", "1767225600.9", 1767225901, true},
    {"a fraction does no harm", "1767225600.9", 1767225900, false},
    {"long ago", "0", 1767225600, true},
    {"in a year", "1798761600", 1767225600, false},
    {"at the end of all numbers", "9223372036854775807", INT64_MAX, false},
};

static void expiry_allows_five_minutes(void **state)
{
    for (size_t i = 0; i < sizeof expiries / sizeof *expiries; i++) {
        struct str text =
            str_format(&mem, "SharedAccessSignature sr=h&sig=%s&se=%s", SIG_A, expiries[i].se);
        struct sas_token token = parsed(text.ptr);
        if (sas_expired(&token, expiries[i].now_s) != expiries[i].expired)
            fail_msg("%s", expiries[i].rule);
    }
}

/* ---- scope ---- */

enum { NO = 0, DEVICE = 1, SERVICE = 2, BOTH = 3 }; /* on which endpoints it covers the path */

static const struct {
    const char *rule, *sr, *path;
    int covered;
} scopes[] = {
    {"A: the host covers all", HOST, "/twins/dev-01", BOTH},
    {"the host in capitals", "CONTOSO-HUB.Example.NET", "/twins/dev-01", BOTH},
    {"another host", "other.example.net", "/twins/dev-01", NO},
    {"a longer host", HOST ".evil.example", "/twins/dev-01", NO},
    {"a shorter host", "contoso-hub", "/twins/dev-01", NO},
    {"no host", "%2Fdevices%2Fdev-01", "/devices/dev-01", NO},
    {"the gateway's name", "gateway.local%2Fdevices%2Fdev-01", "/devices/dev-01", BOTH},
    {"a port", HOST "%3A9883%2Fdevices%2Fdev-01", "/devices/dev-01", BOTH},
    {"no port behind the colon", HOST "%3A", "/devices/dev-01", NO},
    {"https", "https%3A%2F%2F" HOST, "/devices/dev-01", BOTH},
    {"amqps with a port", "amqps://" HOST ":5671/devices/dev-01", "/devices/dev-01", BOTH},
    {"7: sb", "sb%3A%2F%2F" HOST "%2Fmyhub%2F%24management", "/devices/dev-01", SERVICE},
    {"another scheme is a host", "ftp://" HOST, "/devices/dev-01", NO},
    {"B: the device itself", HOST "%2Fdevices%2Fdev-01", "/devices/dev-01", BOTH},
    {"B: its endpoints", HOST "%2Fdevices%2Fdev-01", "/devices/dev-01/messages/events", BOTH},
    {"B: its modules", HOST "%2Fdevices%2Fdev-01", "/devices/dev-01/modules/m", BOTH},
    {"B: another device", HOST "%2Fdevices%2Fdev-01", "/devices/dev-02", SERVICE},
    {"B: a longer id", HOST "%2Fdevices%2Fdev-01", "/devices/dev-010", SERVICE},
    {"B: a shorter id", HOST "%2Fdevices%2Fdev-01", "/devices/dev-0", SERVICE},
    {"B: all devices", HOST "%2Fdevices%2Fdev-01", "/devices", SERVICE},
    {"C: lower-case hex", HOST "%2fdevices%2fdev-01", "/devices/dev-01", BOTH},
    {"D: not encoded", HOST "/devices/dev-01", "/devices/dev-01", BOTH},
    {"ids compare without case", HOST "%2Fdevices%2Fdev-01", "/devices/DEV-01", BOTH},
    {"a slash at the end", HOST "%2Fdevices%2Fdev-01%2F%2F", "/devices/dev-01", BOTH},
    {"blanks around", "%20" HOST "%2Fdevices%2Fdev-01%20", "/devices/dev-01", BOTH},
    {"E: the module", HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent",
     "/devices/edge-05/modules/$edgeAgent", BOTH},
    {"E: the module's endpoints", HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent",
     "/devices/edge-05/modules/$edgeAgent/messages/events", BOTH},
    {"E: the device of the module", HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent",
     "/devices/edge-05", SERVICE},
    {"E: another module", HOST "%2Fdevices%2Fedge-05%2Fmodules%2F%24edgeAgent",
     "/devices/edge-05/modules/$edgeHub", SERVICE},
    {"F1: all escaped", HOST "%2Fdevices%2Fa%3Ab%2Bc%25d%23e%28f%29%21g", "/devices/a:b+c%d#e(f)!g",
     BOTH},
    {"F2: less escaped", HOST "%2Fdevices%2Fa%3Ab%2Bc%25d%23e(f)!g", "/devices/a:b+c%d#e(f)!g",
     BOTH},
    {"a plus is a plus", HOST "%2Fdevices%2Fa+b", "/devices/a+b", BOTH},
    {"a plus is no blank", HOST "%2Fdevices%2Fa+b", "/devices/a b", SERVICE},
    {"6: encoded twice", HOST "%2Fdevices%2Fdev%2523%25201", "/devices/dev# 1", BOTH},
    {"6: encoded twice, meant once", HOST "%2Fdevices%2Fdev%2523%25201", "/devices/dev%23%201",
     BOTH},
    {"all of it encoded twice", HOST "%252Fdevices%252Fdev-01", "/devices/dev-01", BOTH},
    {"three times is too much", HOST "%2Fdevices%2Fdev%252523", "/devices/dev#", SERVICE},
    {"G: any device", HOST "%2Fdevices", "/devices/dev-01/messages/events", BOTH},
    {"G: but no twins", HOST "%2Fdevices", "/twins/dev-01", SERVICE},
    {"a word that only begins so", HOST "%2Fdev", "/devices/dev-01", SERVICE},
    {"another prefix", HOST "%2Ftwins", "/twins/dev-01", BOTH},
    {"what follows a device is ignored", HOST "/devices/dev-01/messages/events", "/devices/dev-01",
     BOTH},
    {"old samples end in a version", HOST "/devices/dev-01/api-version=2016-11-14",
     "/devices/dev-01/messages/events", BOTH},
    {"what follows a module is ignored", HOST "/devices/d/modules/m/messages",
     "/devices/d/modules/m", BOTH},
    {"all modules of a device", HOST "/devices/d/modules", "/devices/d/modules/m", BOTH},
    {"all modules are not the device", HOST "/devices/d/modules", "/devices/d", SERVICE},
};

static void scope_is_a_prefix_by_whole_segments(void **state)
{
    const struct str hosts[] = {STR(HOST), STR("Gateway.local")};
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        struct str text =
            str_format(&mem, "SharedAccessSignature sr=%s&sig=%s&se=1", scopes[i].sr, SIG_A);
        struct sas_token token = parsed(text.ptr);
        struct str path = str_from(scopes[i].path);
        bool device = sas_covers(&token, hosts, 2, path, false);
        bool service = sas_covers(&token, hosts, 2, path, true);
        if (((device ? DEVICE : 0) | (service ? SERVICE : 0)) != scopes[i].covered)
            fail_msg("%s: device %d, service %d", scopes[i].rule, device, service);
        assert_false(sas_covers(&token, hosts, 0, path, true));
    }
}

static const struct {
    const char *sr;
    bool names;
} identities[] = {
    {HOST, false},
    {HOST "%2Fdevices", false},
    {HOST "%2Fdevices%2F", false},
    {HOST "%2Fdevices%2Fdev-01", true},
    {HOST "%2FDEVICES%2Fdev-01", true},
    {HOST "%2Fdevices%2Fdev-01%2Fmodules%2Fm", true},
    {HOST "%2Ftwins%2Fdev-01", false},
    {HOST "%252Fdevices%252Fdev-01", true}, /* encoded twice, as its ids may be */
    {HOST "%252Fdevices", false},
};

static void only_a_scope_with_a_device_goes_without_policy(void **state)
{
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        struct str text =
            str_format(&mem, "SharedAccessSignature sr=%s&sig=%s&se=1", identities[i].sr, SIG_A);
        struct sas_token token = parsed(text.ptr);
        if (sas_names_identity(&token) != identities[i].names)
            fail_msg("%s", identities[i].sr);
    }
}

/* ---- making ---- */

static void made_tokens_are_those_of_the_vectors(void **state)
{
    struct str key = key_bytes(KEY);
    assert_string_equal(sas_make(&(struct sas_grant){.resource = STR(HOST),
                                                     .key = key,
                                                     .policy = STR("service"),
                                                     .expires_s = 1767225600},
                                 &mem)
                            .ptr,
                        TOKEN_A);
    assert_string_equal(sas_make(&(struct sas_grant){.resource = STR(HOST "/devices/dev-01"),
                                                     .key = key,
                                                     .expires_s = 1767225600},
                                 &mem)
                            .ptr,
                        "SharedAccessSignature sr=" HOST "%2Fdevices%2Fdev-01&sig="
                        "X6i7rMwg%2BWLWpFVuXikLVOVxy96bRZqQaoJz%2F07wxGw%3D&se=1767225600");
    assert_string_equal(
        sas_make(&(struct sas_grant){.resource = STR(HOST "/devices/a:b+c%d#e(f)!g"),
                                     .key = key,
                                     .expires_s = 1767225600},
                 &mem)
            .ptr,
        "SharedAccessSignature sr=" HOST "%2Fdevices%2Fa%3Ab%2Bc%25d%23e%28f%29%21g&sig="
        "Dk6bijAsMyRcspnMTaWFqX9gCHuXqeMq01gmUMHYpEk%3D&se=1767225600");
}

static int forget(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(signature_covers_the_text_as_written, forget),
        cmocka_unit_test_teardown(no_key_fits_nothing, forget),
        cmocka_unit_test_teardown(spelling_of_a_token_is_free_where_clients_differ, forget),
        cmocka_unit_test_teardown(what_is_no_token_is_refused, forget),
        cmocka_unit_test_teardown(length_has_a_limit, forget),
        cmocka_unit_test_teardown(policy_name_is_decoded_and_may_be_absent, forget),
        cmocka_unit_test_teardown(expiry_allows_five_minutes, forget),
        cmocka_unit_test_teardown(scope_is_a_prefix_by_whole_segments, forget),
        cmocka_unit_test_teardown(only_a_scope_with_a_device_goes_without_policy, forget),
        cmocka_unit_test_teardown(made_tokens_are_those_of_the_vectors, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
