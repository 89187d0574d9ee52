/* identity_read.c - the Device or Module object of a PUT becomes an identity, or is refused. */
#include "base/codec.h"
#include "model/fault.h"
#include "model/identity.h"
#include <inttypes.h>

struct reading {
    const struct identity_put *put;
    struct arena *mem;
    struct why *why;
};

#define REFUSE(r, ...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, (r)->why, __VA_ARGS__)

/* The value of a member; absent and null are the same: NULL. */
static yyjson_val *member(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_null(value) ? NULL : value;
}

/* A text member into `*out`: STR_NONE when absent or null. */
static enum err read_text(const struct reading *r, yyjson_val *object, const char *name,
                          struct str *out)
{
    yyjson_val *value = member(object, name);
    if (value && !yyjson_is_str(value))
        return REFUSE(r, "%s must be a string.", name);
    *out = value ? json_str(value) : STR_NONE;
    return ERR_OK;
}

static enum err read_object(const struct reading *r, yyjson_val *object, const char *name,
                            yyjson_val **out)
{
    *out = member(object, name);
    if (*out && !yyjson_is_obj(*out))
        return REFUSE(r, "%s must be an object.", name);
    return ERR_OK;
}

static enum err check_id(const struct reading *r, const char *name, struct str id)
{
    if (!identity_id_valid(id))
        return REFUSE(r,
                      "%s must be 1 to %d of letters, digits and - : . + %% _ # * ? ! ( ) "
                      ", = @ $ ' and semicolon.",
                      name, IDENTITY_ID_MAX);
    struct str sent;
    enum err err = read_text(r, r->put->body, name, &sent);
    if (err == ERR_OK && sent.ptr && !str_eq(sent, id))
        return REFUSE(r, "%s differs from the one in the path.", name);
    return err;
}

static bool is_module(const struct reading *r)
{
    return r->put->module_id.len > 0;
}

static enum err check_ids(const struct reading *r)
{
    enum err err = check_id(r, "deviceId", r->put->device_id);
    return err == ERR_OK && is_module(r) ? check_id(r, "moduleId", r->put->module_id) : err;
}

/* ---- status ---- */

static size_t count_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += (text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static enum err read_status(const struct reading *r, struct identity *out)
{
    struct str status, reason;
    enum err err = read_text(r, r->put->body, "status", &status);
    if (err == ERR_OK)
        err = read_text(r, r->put->body, "statusReason", &reason);
    if (err != ERR_OK)
        return err;
    if (str_eq_nocase(status, STR("disabled")))
        out->status = IDENTITY_DISABLED;
    else if (status.ptr && !str_eq_nocase(status, STR("enabled")))
        return REFUSE(r, "status must be enabled or disabled.");
    if (count_characters(reason) > IDENTITY_REASON_MAX)
        return REFUSE(r, "statusReason exceeds maximum length of %d.", IDENTITY_REASON_MAX);
    out->status_reason = reason.ptr ? str_copy(r->mem, reason) : STR_NONE;

    const struct identity *old = r->put->old;
    enum identity_status was = old ? old->status : out->status;
    out->status_ticks = old ? old->status_ticks : TIME_UNSET;
    if (out->status != was)
        out->status_ticks = r->put->now_ticks;
    return ERR_OK;
}

/* ---- authentication ---- */

struct credentials { /* as sent; empty and absent are the same */
    bool has_type;
    enum identity_auth type;
    struct str primary_key, secondary_key;
    struct str primary_thumbprint, secondary_thumbprint;
};

static bool has_keys(const struct credentials *sent)
{
    return sent->primary_key.len > 0 || sent->secondary_key.len > 0;
}

static bool has_thumbprints(const struct credentials *sent)
{
    return sent->primary_thumbprint.len > 0 || sent->secondary_thumbprint.len > 0;
}

static enum err read_type(const struct reading *r, yyjson_val *authentication,
                          struct credentials *out)
{
    struct str word;
    enum err err = read_text(r, authentication, "type", &word);
    if (err != ERR_OK || !word.ptr)
        return err;
    for (enum identity_auth auth = AUTH_SAS; auth <= AUTH_NONE; auth++)
        if (str_eq_nocase(word, str_from(identity_auth_word(auth)))) {
            out->has_type = true;
            out->type = auth;
            return ERR_OK;
        }
    return REFUSE(r, "authentication.type must be sas, selfSigned, certificateAuthority or none.");
}

static enum err read_credentials(const struct reading *r, struct credentials *out)
{
    yyjson_val *authentication, *keys = NULL, *thumbprints = NULL;
    enum err err = read_object(r, r->put->body, "authentication", &authentication);
    if (err == ERR_OK)
        err = read_type(r, authentication, out);
    if (err == ERR_OK)
        err = read_object(r, authentication, "symmetricKey", &keys);
    if (err == ERR_OK)
        err = read_text(r, keys, "primaryKey", &out->primary_key);
    if (err == ERR_OK)
        err = read_text(r, keys, "secondaryKey", &out->secondary_key);
    if (err == ERR_OK)
        err = read_object(r, authentication, "x509Thumbprint", &thumbprints);
    if (err == ERR_OK)
        err = read_text(r, thumbprints, "primaryThumbprint", &out->primary_thumbprint);
    if (err == ERR_OK)
        err = read_text(r, thumbprints, "secondaryThumbprint", &out->secondary_thumbprint);
    return err;
}

static bool key_is_valid(const struct reading *r, struct str text)
{
    struct str bytes;
    size_t text_max = (IDENTITY_KEY_SIZE_MAX + 2) / 3 * 4;
    return text.len <= text_max && base64_decode(r->mem, text, &bytes) &&
           bytes.len >= IDENTITY_KEY_SIZE_MIN && bytes.len <= IDENTITY_KEY_SIZE_MAX;
}

static struct str generate_key(const struct reading *r)
{
    char bytes[IDENTITY_KEY_SIZE];
    r->put->random->fill(r->put->random, bytes, sizeof(bytes));
    return base64_encode(r->mem, str_of(bytes, sizeof(bytes)));
}

static enum err take_keys(const struct reading *r, const struct credentials *sent,
                          struct identity *out)
{
    const struct identity *old = r->put->old;
    if (!has_keys(sent)) {
        bool keep = old && old->auth == AUTH_SAS;
        out->primary_key = keep ? str_copy(r->mem, old->primary_key) : generate_key(r);
        out->secondary_key = keep ? str_copy(r->mem, old->secondary_key) : generate_key(r);
        return ERR_OK;
    }
    if (sent->primary_key.len == 0 || sent->secondary_key.len == 0)
        return REFUSE(r, "authentication.symmetricKey must hold both keys or neither.");
    if (!key_is_valid(r, sent->primary_key))
        return REFUSE(r, "authentication.symmetricKey.primaryKey must be base64 of %d to %d bytes.",
                      IDENTITY_KEY_SIZE_MIN, IDENTITY_KEY_SIZE_MAX);
    if (!key_is_valid(r, sent->secondary_key))
        return REFUSE(r,
                      "authentication.symmetricKey.secondaryKey must be base64 of %d to %d bytes.",
                      IDENTITY_KEY_SIZE_MIN, IDENTITY_KEY_SIZE_MAX);
    out->primary_key = str_copy(r->mem, sent->primary_key);
    out->secondary_key = str_copy(r->mem, sent->secondary_key);
    return ERR_OK;
}

/* SHA-1 or SHA-256 as hex, in upper case, so that comparing is comparing bytes. Tools print it with blanks
 * or colons between. */
static bool take_thumbprint(const struct reading *r, struct str text, struct str *out)
{
    enum { SHA1_HEX_SIZE = 40, SHA256_HEX_SIZE = 64 };
    *out = STR_NONE;
    if (text.len == 0)
        return true;
    char upper[SHA256_HEX_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == ' ' || c == ':')
            continue;
        if (c >= 'a' && c <= 'f')
            c = (char)(c - 'a' + 'A');
        if (size == SHA256_HEX_SIZE || (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F')))
            return false;
        upper[size++] = c;
    }
    *out = str_copy(r->mem, str_of(upper, size));
    return size == SHA1_HEX_SIZE || size == SHA256_HEX_SIZE;
}

static enum err take_thumbprints(const struct reading *r, const struct credentials *sent,
                                 struct identity *out)
{
    if (!has_thumbprints(sent))
        return REFUSE(r, "authentication.x509Thumbprint must hold a thumbprint for selfSigned.");
    if (!take_thumbprint(r, sent->primary_thumbprint, &out->primary_thumbprint))
        return REFUSE(r, "authentication.x509Thumbprint.primaryThumbprint must be 40 or 64 hex "
                         "digits.");
    if (!take_thumbprint(r, sent->secondary_thumbprint, &out->secondary_thumbprint))
        return REFUSE(r, "authentication.x509Thumbprint.secondaryThumbprint must be 40 or 64 hex "
                         "digits.");
    return ERR_OK;
}

static enum err read_authentication(const struct reading *r, struct identity *out)
{
    struct credentials sent = {.type = AUTH_SAS};
    enum err err = read_credentials(r, &sent);
    if (err != ERR_OK)
        return err;
    if (!sent.has_type && has_thumbprints(&sent)) /* clients from before `type` existed */
        sent.type = AUTH_SELF_SIGNED;
    if (has_keys(&sent) && sent.type != AUTH_SAS)
        return REFUSE(r, "authentication.symmetricKey goes with type sas only.");
    if (has_thumbprints(&sent) && sent.type != AUTH_SELF_SIGNED)
        return REFUSE(r, "authentication.x509Thumbprint goes with type selfSigned only.");
    out->auth = sent.type;
    if (sent.type == AUTH_SAS)
        return take_keys(r, &sent, out);
    if (sent.type == AUTH_SELF_SIGNED)
        return take_thumbprints(r, &sent, out);
    return ERR_OK;
}

/* ---- edge: capabilities and scopes ---- */

#define SCOPE_SCHEME "ms-azure-iot-edge://"

static bool scope_is_valid(struct str scope)
{
    struct str scheme = STR(SCOPE_SCHEME);
    return scope.len > scheme.len && scope.len <= IDENTITY_SCOPE_MAX && str_starts(scope, scheme);
}

struct str identity_scope_device(struct str scope)
{
    if (!scope_is_valid(scope))
        return STR_NONE;
    struct str name = str_skip(scope, sizeof(SCOPE_SCHEME) - 1);
    for (size_t end = name.len; end > 1; end--) /* an id may hold a '-' itself, a number does not */
        if (name.ptr[end - 1] == '-')
            return str_take(name, end - 1);
    return STR_NONE;
}

static enum err refuse_scope(const struct reading *r, const char *name)
{
    return err_fault(ERR_BAD_INPUT, FAULT_INVALID_DEVICE_SCOPE, r->why,
                     "%s must begin with " SCOPE_SCHEME " and have at most %d bytes.", name,
                     IDENTITY_SCOPE_MAX);
}

static enum err read_capabilities(const struct reading *r, struct identity *out)
{
    yyjson_val *capabilities;
    enum err err = read_object(r, r->put->body, "capabilities", &capabilities);
    if (err != ERR_OK)
        return err;
    yyjson_val *edge = member(capabilities, "iotEdge");
    if (edge && !yyjson_is_bool(edge))
        return REFUSE(r, "capabilities.iotEdge must be true or false.");
    out->iot_edge = yyjson_get_bool(edge);
    return ERR_OK;
}

/* The parents as sent, checked, as a JSON array; STR_NONE when there are none. */
static enum err read_parents(const struct reading *r, struct str *first, struct str *array)
{
    *first = *array = STR_NONE;
    yyjson_val *sent = member(r->put->body, "parentScopes");
    if (sent && !yyjson_is_arr(sent))
        return REFUSE(r, "parentScopes must be an array.");
    if (yyjson_arr_size(sent) > IDENTITY_PARENTS_MAX)
        return REFUSE(r, "parentScopes exceeds maximum length of %d.", IDENTITY_PARENTS_MAX);
    if (yyjson_arr_size(sent) == 0)
        return ERR_OK;
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(sent, i, count, item)
    {
        if (!yyjson_is_str(item) || !scope_is_valid(json_str(item)))
            return refuse_scope(r, "parentScopes");
    }
    *first = json_str(yyjson_arr_get_first(sent));
    struct buf text = {0};
    json_put_value(&text, sent);
    *array = str_copy(r->mem, buf_str(&text));
    buf_done(&text);
    return ERR_OK;
}

static struct str array_of_one(struct arena *mem, struct str scope)
{
    struct buf text = {0};
    buf_put_char(&text, '[');
    json_put_str(&text, scope);
    buf_put_char(&text, ']');
    struct str array = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return array;
}

static enum err read_scopes(const struct reading *r, struct identity *out)
{
    struct str sent, parent;
    enum err err = read_text(r, r->put->body, "deviceScope", &sent);
    if (err == ERR_OK)
        err = read_parents(r, &parent, &out->parent_scopes);
    if (err != ERR_OK)
        return err;
    const struct identity *old = r->put->old;
    if (out->iot_edge) { /* its own scope is ours to give: what was sent counts in an import only */
        bool imported =
            !old && r->put->keep_scope && str_eq(identity_scope_device(sent), out->device_id);
        if (old && old->iot_edge)
            out->device_scope = str_copy(r->mem, old->device_scope);
        else if (imported)
            out->device_scope = str_copy(r->mem, sent);
        else
            out->device_scope = str_format(r->mem, SCOPE_SCHEME "%.*s-%" PRId64,
                                           STR_ARG(out->device_id), identity_generation(out));
        return ERR_OK;
    }
    /* Who sends the whole device back with another parent in one of the two members means that one; a
     * scope of its own, of when it was an edge device, is no parent. */
    bool stale = old && str_eq(sent, old->device_scope) && (old->iot_edge || parent.len > 0);
    if (sent.len == 0 || stale)
        sent = parent;
    if (sent.len == 0)
        return ERR_OK;
    if (!scope_is_valid(sent))
        return refuse_scope(r, "deviceScope");
    out->device_scope = str_copy(r->mem, sent);
    out->parent_scopes = array_of_one(r->mem, sent);
    return ERR_OK;
}

/* ---- modules ---- */

const char *const identity_system_modules[IDENTITY_SYSTEM_MODULES] = {"$edgeAgent", "$edgeHub"};

bool identity_is_system_module(struct str module_id)
{
    for (size_t i = 0; i < IDENTITY_SYSTEM_MODULES; i++)
        if (str_eq(module_id, str_from(identity_system_modules[i])))
            return true;
    return false;
}

static enum err read_module(const struct reading *r, struct identity *out)
{
    struct str manager;
    enum err err = read_text(r, r->put->body, "managedBy", &manager);
    if (err != ERR_OK)
        return err;
    if (count_characters(manager) > IDENTITY_MANAGER_MAX)
        return REFUSE(r, "managedBy exceeds maximum length of %d.", IDENTITY_MANAGER_MAX);
    out->managed_by = manager.len > 0 ? str_copy(r->mem, manager) : STR_NONE;
    out->status_ticks = TIME_UNSET;
    return ERR_OK;
}

/* ---- all of it ---- */

static enum err read_device(const struct reading *r, struct identity *out)
{
    enum err err = read_status(r, out);
    if (err == ERR_OK)
        err = read_capabilities(r, out);
    return err == ERR_OK ? read_scopes(r, out) : err;
}

static int64_t first_etag(struct random *random)
{
    return INT64_C(100000000) + (int64_t)(random_u64(random) % 900000000);
}

enum err identity_read(const struct identity_put *put, struct arena *mem, struct identity *out,
                       struct why *why)
{
    const struct reading r = {put, mem, why};
    if (!yyjson_is_obj(put->body))
        return err_fault(ERR_BAD_INPUT, FAULT_FORMAT_ERROR, why, "The body must be a JSON object.");
    enum err err = check_ids(&r);
    if (err != ERR_OK)
        return err;
    const struct identity *old = put->old;
    struct identity read = {
        .device_id = str_copy(mem, put->device_id),
        .module_id = str_copy(mem, put->module_id),
        .created_ticks = old ? old->created_ticks : put->now_ticks,
        .etag = old ? old->etag + 1 : first_etag(put->random),
        .model_id = old && old->model_id.ptr ? str_copy(mem, old->model_id) : STR_NONE,
    };
    err = read_authentication(&r, &read);
    if (err == ERR_OK)
        err = is_module(&r) ? read_module(&r, &read) : read_device(&r, &read);
    if (err == ERR_OK)
        *out = read;
    return err;
}

void identity_renew_keys(struct identity *identity, bool primary, bool secondary,
                         struct random *random, struct arena *mem)
{
    const struct identity_put put = {.random = random};
    const struct reading r = {&put, mem, NULL};
    if (primary)
        identity->primary_key = generate_key(&r);
    if (secondary)
        identity->secondary_key = generate_key(&r);
    identity->etag++;
}

struct identity identity_system_module(const struct identity *device, struct str module_id,
                                       int64_t now_ticks, struct random *random, struct arena *mem)
{
    const struct identity_put put = {.random = random};
    const struct reading r = {&put, mem, NULL};
    return (struct identity){
        .device_id = device->device_id,
        .module_id = module_id,
        .created_ticks = now_ticks,
        .etag = first_etag(random),
        .status_ticks = TIME_UNSET,
        .auth = AUTH_SAS,
        .primary_key = generate_key(&r),
        .secondary_key = generate_key(&r),
        .managed_by = STR("IotEdge"),
    };
}
