#include "model/identity.h"
#include "base/codec.h"
#include "model/fault.h"
#include <inttypes.h>

bool identity_id_valid(struct str id)
{
    static const char others[] = "-:.+%_#*?!(),=@;$'";
    if (id.len == 0 || id.len > IDENTITY_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && !memchr(others, c, sizeof(others) - 1))
            return false;
    }
    return true;
}

enum err identity_missing(struct str device_id, struct str module_id, bool device_exists,
                          struct why *why)
{
    device_id = str_take(device_id, IDENTITY_ID_MAX);
    if (module_id.len > 0 && device_exists)
        return err_fault(ERR_NOT_FOUND, FAULT_MODULE_NOT_FOUND, why,
                         "Module %.*s on device %.*s not registered",
                         STR_ARG(str_clip(module_id, IDENTITY_ID_MAX)), STR_ARG(device_id));
    return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "Device %.*s not registered",
                     STR_ARG(device_id));
}

/* ---- etags ---- */

struct str identity_etag(const struct identity *identity, struct arena *mem)
{
    return base64_encode(mem, str_format(mem, "%" PRId64, identity->etag));
}

/* What stands inside `"..."` or `W/"..."`; other texts as they are. A bare etag may begin with the
 * base64 letters W/, so the mark of a weak one counts only before a quote. */
static struct str inner_etag(struct str text)
{
    text = str_trim(text);
    if (str_starts(text, STR("W/\"")))
        text = str_skip(text, 2);
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_of(text.ptr + 1, text.len - 2);
    return text;
}

bool etag_is_given(struct str if_match)
{
    return inner_etag(if_match).len > 0;
}

bool etag_matches(struct str if_match, struct str etag)
{
    struct str inner = inner_etag(if_match);
    return inner.len == 0 || str_eq(inner, STR("*")) || str_eq(inner, inner_etag(etag));
}

/* ---- the Device object ---- */

static const char *const auth_words[] = {
    [AUTH_SAS] = "sas",
    [AUTH_SELF_SIGNED] = "selfSigned",
    [AUTH_AUTHORITY] = "certificateAuthority",
    [AUTH_NONE] = "none",
};

const char *identity_auth_word(enum identity_auth auth)
{
    return auth_words[auth];
}

const char *identity_status_word(enum identity_status status)
{
    return status == IDENTITY_ENABLED ? "enabled" : "disabled";
}

static void put_text_or_null(struct buf *out, const char *name, struct str text)
{
    if (text.len > 0)
        json_put_member_str(out, name, text);
    else
        json_put_member_raw(out, name, STR("null"));
}

void identity_put_thumbprints(struct buf *out, const struct identity *identity)
{
    json_put_key(out, "x509Thumbprint");
    buf_put_char(out, '{');
    put_text_or_null(out, "primaryThumbprint", identity->primary_thumbprint);
    put_text_or_null(out, "secondaryThumbprint", identity->secondary_thumbprint);
    buf_put_char(out, '}');
}

void identity_put_edge(struct buf *out, const struct identity *identity)
{
    json_put_key(out, "capabilities");
    buf_put_char(out, '{');
    json_put_member_bool(out, "iotEdge", identity->iot_edge);
    buf_put_char(out, '}');
    if (identity->device_scope.ptr)
        json_put_member_str(out, "deviceScope", identity->device_scope);
    if (identity->parent_scopes.ptr)
        json_put_member_raw(out, "parentScopes", identity->parent_scopes);
}

/* Identities show their times without the Z that twins have (spec/quotas-errors-auth.md 9). */
static void put_time(struct buf *out, const char *name, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    size_t len = time_print(ticks, text);
    if (text[len - 1] == 'Z')
        len--;
    json_put_member_str(out, name, str_of(text, len));
}

static void put_authentication(struct buf *out, const struct identity *identity)
{
    json_put_key(out, "authentication");
    buf_put_char(out, '{');
    json_put_key(out, "symmetricKey");
    buf_put_char(out, '{');
    put_text_or_null(out, "primaryKey", identity->primary_key);
    put_text_or_null(out, "secondaryKey", identity->secondary_key);
    buf_put_char(out, '}');
    identity_put_thumbprints(out, identity);
    json_put_member_str(out, "type", str_from(identity_auth_word(identity->auth)));
    buf_put_char(out, '}');
}

static void put_etag(struct buf *out, const struct identity *identity)
{
    struct arena mem;
    arena_init(&mem, 0);
    json_put_member_str(out, "etag", identity_etag(identity, &mem));
    arena_done(&mem);
}

/* What the objects of devices and modules begin with alike. */
static void put_head(struct buf *out, const struct identity *identity,
                     const struct presence *presence)
{
    json_put_member_str(out, "deviceId", identity->device_id);
    json_put_key(out, "generationId");
    buf_put_char(out, '"');
    buf_put_i64(out, identity_generation(identity));
    buf_put_char(out, '"');
    put_etag(out, identity);
    json_put_member_str(out, "connectionState",
                        presence->connected ? STR("Connected") : STR("Disconnected"));
}

static void put_module(struct buf *out, const struct identity *identity,
                       const struct presence *presence)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "moduleId", identity->module_id);
    put_text_or_null(out, "managedBy", identity->managed_by);
    put_head(out, identity, presence);
    put_time(out, "connectionStateUpdatedTime", presence->changed_ticks);
    put_time(out, "lastActivityTime", presence->activity_ticks);
    json_put_member_i64(out, "cloudToDeviceMessageCount", 0);
    put_authentication(out, identity);
    buf_put_char(out, '}');
}

void identity_put_json(struct buf *out, const struct identity *identity,
                       const struct presence *presence)
{
    if (identity->module_id.len > 0) {
        put_module(out, identity, presence);
        return;
    }
    buf_put_char(out, '{');
    put_head(out, identity, presence);
    json_put_member_str(out, "status", str_from(identity_status_word(identity->status)));
    if (identity->status_reason.ptr)
        json_put_member_str(out, "statusReason", identity->status_reason);
    else
        json_put_member_raw(out, "statusReason", STR("null"));
    put_time(out, "connectionStateUpdatedTime", presence->changed_ticks);
    put_time(out, "statusUpdatedTime", identity->status_ticks);
    put_time(out, "lastActivityTime", presence->activity_ticks);
    json_put_member_i64(out, "cloudToDeviceMessageCount", presence->messages);
    put_authentication(out, identity);
    identity_put_edge(out, identity);
    buf_put_char(out, '}');
}
