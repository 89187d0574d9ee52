#include "app/webhook.h"
#include "base/codec.h"
#include <openssl/crypto.h>
#include <openssl/hmac.h>

static struct str without_line_ends(struct str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]))
        text = str_skip(text, 1);
    return text;
}

enum err webhook_secret(struct str text, struct arena *mem, struct str *out, struct why *why)
{
    *out = without_line_ends(text);
    if (str_starts(*out, STR("whsec_")) && !base64_decode(mem, str_skip(*out, 6), out))
        return err_fail(ERR_BAD_INPUT, why, "after whsec_ a webhook's secret must be base64");
    if (out->len < WEBHOOK_SECRET_MIN || out->len > WEBHOOK_SECRET_MAX)
        return err_fail(ERR_BAD_INPUT, why,
                        "a webhook's secret must have %d to %d bytes, this one has %zu; make one "
                        "with: openssl rand -base64 32",
                        WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX, out->len);
    *out = str_copy(mem, *out);
    return ERR_OK;
}

struct str webhook_signature(struct str secret, struct str id, int64_t timestamp_s, struct str body,
                             struct arena *mem)
{
    uint8_t mac[32];
    struct buf text = {0};
    buf_printf(&text, "%.*s.%lld.", STR_ARG(id), (long long)timestamp_s);
    buf_put(&text, body);
    bool done = HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const uint8_t *)text.ptr, text.len,
                     mac, NULL);
    buf_done(&text);
    if (!done)
        return STR_NONE;
    struct str encoded = base64_encode(mem, str_of((const char *)mac, sizeof mac));
    return str_format(mem, "v1,%.*s", STR_ARG(encoded));
}
