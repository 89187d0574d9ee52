#include "wire/sas.h"
#include "base/codec.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* ---- reading ---- */

struct fields {
    struct str sr, sig, se, skn; /* raw; STR_NONE while not seen */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The fields' text behind the word; false when the token is not exactly two words. */
static bool cut_word(struct str token, struct str *fields)
{
    static const struct str word = STR("SharedAccessSignature");
    token = str_trim(token);
    if (!str_starts(token, word) || token.len == word.len || !is_blank(token.ptr[word.len]))
        return false;
    *fields = str_trim(str_skip(token, word.len));
    for (size_t i = 0; i < fields->len; i++)
        if ((unsigned char)fields->ptr[i] <= ' ' || fields->ptr[i] == 0x7F)
            return false;
    return fields->len > 0;
}

static struct str *field_of(struct fields *fields, struct str name)
{
    const struct {
        struct str name;
        struct str *at;
    } known[] = {{STR("sr"), &fields->sr},
                 {STR("sig"), &fields->sig},
                 {STR("se"), &fields->se},
                 {STR("skn"), &fields->skn}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq_nocase(name, known[i].name))
            return known[i].at;
    return NULL;
}

static enum err cut_fields(struct str text, struct fields *fields, struct why *why)
{
    *fields = (struct fields){STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    size_t count = 0;
    bool more = true;
    while (more) {
        struct str pair, name, value;
        more = str_cut(text, '&', &pair, &text);
        if (++count > SAS_FIELDS_MAX)
            return err_fail(ERR_LIMIT, why, "the token has more than %d fields", SAS_FIELDS_MAX);
        bool valued = str_cut(pair, '=', &name, &value);
        struct str *at = field_of(fields, name);
        if (!at)
            continue;
        if (at->ptr)
            return err_fail(ERR_BAD_INPUT, why, "a field of the token is given twice");
        *at = valued ? value : STR("");
    }
    if (!fields->sr.len || !fields->sig.len || !fields->se.len)
        return err_fail(ERR_BAD_INPUT, why, "the token lacks one of sr, sig and se");
    return ERR_OK;
}

/* "1767225600", with a fraction that is dropped: the edge runtime writes one. */
static bool read_expiry(struct str text, uint64_t *expires_s)
{
    struct str whole, fraction;
    uint64_t ignored;
    if (str_cut(text, '.', &whole, &fraction))
        while (fraction.len && str_to_u64(str_take(fraction, 1), 9, &ignored))
            fraction = str_skip(fraction, 1);
    return fraction.len == 0 && str_to_u64(whole, INT64_MAX, expires_s);
}

/* Base64 as tolerant as clients are careless: '+' may come as a blank, padding may be missing. */
static bool read_signature(struct str raw, struct arena *mem, uint8_t sig[SAS_SIG_SIZE])
{
    enum { DIGITS = 43, LEN = 44 };
    struct str text = percent_decode(mem, raw), bytes;
    char padded[LEN];
    if (text.len == LEN && text.ptr[DIGITS] == '=')
        text.len = DIGITS;
    if (text.len != DIGITS)
        return false;
    for (size_t i = 0; i < DIGITS; i++)
        padded[i] = text.ptr[i] == ' ' ? '+' : text.ptr[i];
    padded[DIGITS] = '=';
    if (!base64_decode(mem, str_of(padded, LEN), &bytes) || bytes.len != SAS_SIG_SIZE)
        return false;
    memcpy(sig, bytes.ptr, SAS_SIG_SIZE);
    return true;
}

static struct str without_scheme(struct str scope)
{
    static const struct str schemes[] = {STR("https://"), STR("http://"), STR("amqps://"),
                                         STR("sb://")};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (str_eq_nocase(str_take(scope, schemes[i].len), schemes[i]))
            return str_skip(scope, schemes[i].len);
    return scope;
}

static struct str tidy(struct str scope)
{
    scope = without_scheme(str_trim(scope));
    while (scope.len && scope.ptr[scope.len - 1] == '/')
        scope.len--;
    return scope;
}

enum err sas_parse(struct str token, struct arena *mem, struct sas_token *out, struct why *why)
{
    struct str text;
    struct fields fields;
    struct sas_token read = {0};
    if (token.len > SAS_TEXT_MAX)
        return err_fail(ERR_LIMIT, why, "the token is longer than %d characters", SAS_TEXT_MAX);
    if (!cut_word(token, &text))
        return err_fail(ERR_BAD_INPUT, why, "not a shared access signature");
    enum err err = cut_fields(text, &fields, why);
    if (err)
        return err;
    if (!read_expiry(percent_decode(mem, fields.se), &read.expires_s))
        return err_fail(ERR_BAD_INPUT, why, "the token's expiry is not a number");
    if (!read_signature(fields.sig, mem, read.sig))
        return err_fail(ERR_BAD_INPUT, why, "the token's signature is not base64 of 32 bytes");

    read.sr = fields.sr;
    read.se = fields.se;
    read.skn = percent_decode(mem, fields.skn);
    struct str once = percent_decode(mem, fields.sr);
    read.scope[0] = tidy(once);
    read.scope[1] = tidy(percent_decode(mem, once));
    *out = read;
    return ERR_OK;
}

/* ---- verifying ---- */

static void sign(struct str key, struct str sr, struct str se, uint8_t mac[SAS_SIG_SIZE])
{
    unsigned char text[SAS_TEXT_MAX + 1];
    size_t len = sr.len + 1 + se.len;
    assert(len <= sizeof text);
    assert(key.len <= SAS_KEY_MAX);
    memcpy(text, sr.ptr, sr.len);
    text[sr.len] = '\n';
    memcpy(text + sr.len + 1, se.ptr, se.len);
    bool done = HMAC(EVP_sha256(), key.len ? key.ptr : "", (int)key.len, text, len, mac, NULL);
    assert(done);
}

/* An absent key is computed with all the same, so that time does not tell how many keys there are,
 * but an HMAC with an empty key is anybody's to make. */
static unsigned fits(const struct sas_token *token, struct str key)
{
    uint8_t mac[SAS_SIG_SIZE];
    bool usable = key.len > 0 && key.len <= SAS_KEY_MAX;
    sign(usable ? key : STR(""), token->sr, token->se, mac);
    unsigned same = CRYPTO_memcmp(mac, token->sig, sizeof mac) == 0;
    OPENSSL_cleanse(mac, sizeof mac);
    return same & (unsigned)usable;
}

bool sas_verify(const struct sas_token *token, struct str primary_key, struct str secondary_key)
{
    unsigned primary = fits(token, primary_key), secondary = fits(token, secondary_key);
    return (primary | secondary) != 0;
}

bool sas_expired(const struct sas_token *token, uint64_t now_s)
{
    return token->expires_s + SAS_SKEW_S < now_s; /* both fit in 63 bits */
}

/* ---- scope ---- */

/* "host:8883" is "host". */
static struct str without_port(struct str host)
{
    size_t end = host.len;
    while (end && host.ptr[end - 1] >= '0' && host.ptr[end - 1] <= '9')
        end--;
    bool port = end && end < host.len && host.ptr[end - 1] == ':';
    return port ? str_take(host, end - 1) : host;
}

/* What stands behind an identity says nothing: "devices/d/messages/events" is "devices/d". */
static struct str to_identity(struct str path)
{
    struct str rest = path, word, id, sub;
    size_t len = 0;
    if (!str_cut(rest, '/', &word, &rest) || !str_eq_nocase(word, STR("devices")))
        return path;
    bool more = str_cut(rest, '/', &id, &rest);
    len = word.len + 1 + id.len;
    if (!more)
        return path;
    more = str_cut(rest, '/', &sub, &rest);
    if (!str_eq_nocase(sub, STR("modules")))
        return str_take(path, len);
    if (!more)
        return path;
    str_cut(rest, '/', &id, &rest);
    return str_take(path, len + 1 + sub.len + 1 + id.len);
}

static void cut_scope(struct str scope, struct str *host, struct str *path)
{
    str_cut(scope, '/', host, path);
    *host = without_port(*host);
    *path = to_identity(*path);
}

/* `prefix` covers `path` by whole segments; both without the leading slash. */
static bool covers(struct str prefix, struct str path)
{
    if (prefix.len == 0)
        return true;
    if (!str_eq_nocase(str_take(path, prefix.len), prefix))
        return false;
    return path.len == prefix.len || path.ptr[prefix.len] == '/';
}

static bool is_one_of(struct str host, const struct str *hosts, size_t host_count)
{
    for (size_t i = 0; i < host_count; i++)
        if (host.len && str_eq_nocase(host, hosts[i]))
            return true;
    return false;
}

bool sas_covers(const struct sas_token *token, const struct str *hosts, size_t host_count,
                struct str path, bool service)
{
    if (path.len && path.ptr[0] == '/')
        path = str_skip(path, 1);
    for (size_t reading = 0; reading < 2; reading++) {
        struct str host, prefix;
        cut_scope(token->scope[reading], &host, &prefix);
        if (is_one_of(host, hosts, host_count) && (service || covers(prefix, path)))
            return true;
    }
    return false;
}

bool sas_names_identity(const struct sas_token *token)
{
    for (size_t reading = 0; reading < 2; reading++) {
        struct str host, path, word, id;
        cut_scope(token->scope[reading], &host, &path);
        str_cut(path, '/', &word, &id);
        if (str_eq_nocase(word, STR("devices")) && id.len > 0)
            return true;
    }
    return false;
}

/* ---- making ---- */

static struct str encoded(struct arena *mem, struct str text)
{
    struct buf buf = {0};
    percent_encode(&buf, text);
    struct str copy = str_copy(mem, buf_str(&buf));
    buf_done(&buf);
    return copy;
}

struct str sas_make(const struct sas_grant *grant, struct arena *mem)
{
    uint8_t mac[SAS_SIG_SIZE];
    assert(grant->resource.len <= SAS_RESOURCE_MAX);
    struct str sr = encoded(mem, grant->resource);
    struct str se = str_format(mem, "%llu", (unsigned long long)grant->expires_s);
    sign(grant->key, sr, se, mac);
    struct str sig = encoded(mem, base64_encode(mem, str_of(mac, sizeof mac)));
    struct str token = str_format(mem, "SharedAccessSignature sr=%.*s&sig=%.*s&se=%.*s",
                                  STR_ARG(sr), STR_ARG(sig), STR_ARG(se));
    if (!grant->policy.len)
        return token;
    return str_format(mem, "%.*s&skn=%.*s", STR_ARG(token), STR_ARG(encoded(mem, grant->policy)));
}
