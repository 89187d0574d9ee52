#include "wire/blob.h"
#include "base/codec.h"
#include "base/time.h"
#include "wire/http.h"
#include <openssl/hmac.h>

#define VERSION "2021-04-10" /* of the form; storage clients want to see one */

/* ---- addresses ---- */

static struct str signature(struct str path, struct str permission, struct str end, struct str key,
                            struct arena *mem)
{
    struct str text =
        str_format(mem, "%.*s\n%.*s\n%.*s", STR_ARG(permission), STR_ARG(end), STR_ARG(path));
    unsigned char *sum = arena_alloc(mem, EVP_MAX_MD_SIZE);
    unsigned length = 0;
    HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, sum,
         &length);
    return base64_encode(mem, str_of(sum, length));
}

struct str blob_sign(const struct blob_grant *grant, struct str key, struct arena *mem)
{
    char time[TIME_TEXT_MAX];
    size_t length = time_print(grant->expires_s * TICKS_PER_SECOND, time);
    struct str end = str_of(time, length), permission = str_of(&grant->permission, 1);
    struct buf out = {0};
    buf_put(&out, STR("?sv=" VERSION "&sr=b&se="));
    percent_encode(&out, end);
    buf_put(&out, STR("&sp="));
    buf_put(&out, permission);
    buf_put(&out, STR("&sig="));
    percent_encode(&out, signature(grant->path, permission, end, key, mem));
    struct str query = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return query;
}

static enum err denied(struct why *why, const char *text)
{
    return err_fail(ERR_DENIED, why, "%s", text);
}

static enum err verify(struct str query, const struct blob_grant *wish, int64_t now_s,
                       struct str key, struct arena *mem, struct why *why)
{
    struct str end, permission, sum;
    int64_t end_ticks;
    if (!query.ptr || !http_query_find(query, STR("se"), mem, &end) ||
        !http_query_find(query, STR("sp"), mem, &permission) ||
        !http_query_find(query, STR("sig"), mem, &sum))
        return denied(
            why, "the address is not signed: use the one that the hub gave, with its sasToken");
    struct str want = signature(wish->path, permission, end, key, mem);
    if (!str_eq_constant_time(sum, want))
        return denied(why, "the signature is not of this address");
    if (!time_parse(end, &end_ticks) || end_ticks <= now_s * TICKS_PER_SECOND)
        return denied(why, "the address has expired: ask for a new one");
    if (!str_eq(permission, str_of(&wish->permission, 1)))
        return denied(why, wish->permission == 'w' ? "this address is for reading"
                                                   : "this address is for writing");
    return ERR_OK;
}

enum err blob_verify(struct str query, const struct blob_grant *wish, int64_t now_s, struct str key,
                     struct why *why)
{
    struct arena mem = {0};
    enum err err = verify(query, wish, now_s, key, &mem, why);
    arena_done(&mem);
    return err;
}

/* ---- blocks ---- */

bool block_id_read(struct str text, struct arena *mem, struct str *out)
{
    return text.len > 0 && text.len <= 4 * (BLOCK_ID_MAX / 3 + 1) &&
           base64_decode(mem, text, out) && out->len > 0 && out->len <= BLOCK_ID_MAX;
}

static struct str skip_blanks(struct str text)
{
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[0], 4))
        text = str_skip(text, 1);
    return text;
}

/* "<Name>" at the front; the declaration before the root is skipped by the caller. */
static bool take(struct str *text, struct str word)
{
    if (!str_starts(*text, word))
        return false;
    *text = str_skip(*text, word.len);
    return true;
}

static enum err bad_xml(struct why *why, const char *text)
{
    return err_fail(ERR_BAD_INPUT, why, "%s", text);
}

static enum err take_block(struct str *text, struct arena *mem, struct str *out, struct why *why)
{
    struct str id, rest;
    bool latest = take(text, STR("<Latest>"));
    if (!latest && !take(text, STR("<Uncommitted>"))) {
        if (str_starts(*text, STR("<Committed>")))
            return err_fail(
                ERR_LIMIT, why,
                "blocks of a file that is complete are not kept: send all of them again");
        return bad_xml(why, "a list has <Latest> or <Uncommitted> elements");
    }
    if (!str_cut(*text, '<', &id, &rest) ||
        !take(&rest, latest ? STR("/Latest>") : STR("/Uncommitted>")))
        return bad_xml(why, "an element of the list is not closed");
    *text = rest;
    struct str trimmed = skip_blanks(id);
    while (trimmed.len > 0 && memchr(" \t\r\n", trimmed.ptr[trimmed.len - 1], 4))
        trimmed.len--;
    if (block_id_read(trimmed, mem, out))
        return ERR_OK;
    return err_fail(ERR_LIMIT, why, "an id in the list is not base64 of 1 to %d bytes",
                    BLOCK_ID_MAX);
}

enum err block_list_read(struct str text, struct arena *mem, struct str **out, size_t *count,
                         struct why *why)
{
    struct str head, rest;
    *count = 0;
    *out = NULL;
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        text = str_skip(text, 3);
    text = skip_blanks(text);
    if (take(&text, STR("<?xml"))) {
        if (!str_cut(text, '>', &head, &rest) || !str_ends(head, STR("?")))
            return bad_xml(why, "the XML declaration is not closed");
        text = skip_blanks(rest);
    }
    if (take(&text, STR("<BlockList/>")) || take(&text, STR("<BlockList />")))
        return skip_blanks(text).len == 0 ? ERR_OK : bad_xml(why, "something follows the list");
    if (!take(&text, STR("<BlockList>")))
        return bad_xml(why, "the body is a <BlockList>");
    size_t cap = 0;
    for (text = skip_blanks(text); !take(&text, STR("</BlockList>")); text = skip_blanks(text)) {
        if (*count == BLOCKS_MAX)
            return err_fail(ERR_LIMIT, why, "a file has at most %d blocks: make them larger",
                            BLOCKS_MAX);
        if (*count == cap) {
            size_t more = cap ? cap * 2 : 64;
            *out = arena_resize(mem, *out, cap * sizeof(**out), more * sizeof(**out));
            cap = more;
        }
        enum err err = take_block(&text, mem, &(*out)[*count], why);
        if (err != ERR_OK)
            return err;
        ++*count;
    }
    return skip_blanks(text).len == 0 ? ERR_OK : bad_xml(why, "something follows the list");
}
