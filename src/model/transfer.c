#include "model/transfer.h"
#include "model/fault.h"
#include <ctype.h>

static const char *const state_words[] = {
    [TRANSFER_ENQUEUED] = "enqueued",   [TRANSFER_RUNNING] = "running",
    [TRANSFER_COMPLETED] = "completed", [TRANSFER_FAILED] = "failed",
    [TRANSFER_CANCELLED] = "cancelled",
};

#define REFUSE(why, ...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

/* ---- reading ---- */

bool transfer_name_valid(struct str name)
{
    if (name.len == 0 || name.len > TRANSFER_NAME_MAX || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !memchr("._-", name.ptr[i], 3))
            return false;
    return true;
}

static enum err read_text(yyjson_val *body, const char *member, struct arena *mem, struct str *out,
                          struct why *why)
{
    yyjson_val *value = yyjson_obj_get(body, member);
    *out = STR_NONE;
    if (!value || yyjson_is_null(value))
        return ERR_OK;
    if (!yyjson_is_str(value) || json_str(value).len > TRANSFER_URI_MAX)
        return REFUSE(why, "%s must be a string of at most %d bytes.", member, TRANSFER_URI_MAX);
    *out = str_copy(mem, json_str(value));
    return ERR_OK;
}

static enum err read_name(yyjson_val *body, const char *member, const char *usual,
                          struct arena *mem, struct str *out, struct why *why)
{
    enum err err = read_text(body, member, mem, out, why);
    if (err == ERR_OK && out->len == 0)
        *out = str_from(usual);
    if (err == ERR_OK && !transfer_name_valid(*out))
        err = REFUSE(why, "%s must be 1 to %d of letters, digits and . _ - and begin with no dot.",
                     member, TRANSFER_NAME_MAX);
    return err;
}

static enum err read_flag(yyjson_val *body, const char *member, bool *out, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(body, member);
    *out = yyjson_get_bool(value);
    if (!value || yyjson_is_null(value) || yyjson_is_bool(value))
        return ERR_OK;
    return REFUSE(why, "%s must be true or false.", member);
}

static enum err read_type(yyjson_val *body, enum transfer_type *out, struct why *why)
{
    struct str word = json_member_str(body, "type");
    bool import = str_eq_nocase(word, STR("import"));
    *out = import ? TRANSFER_IMPORT : TRANSFER_EXPORT;
    if (import || str_eq_nocase(word, STR("export")))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_GENERIC_BAD_REQUEST, why,
                     "type must be import or export.");
}

enum err transfer_read(yyjson_val *body, struct arena *mem, struct transfer *out, struct why *why)
{
    if (!yyjson_is_obj(body))
        return err_fault(ERR_BAD_INPUT, FAULT_FORMAT_ERROR, why, "The body must be a JSON object.");
    enum err err = read_type(body, &out->type, why);
    if (err == ERR_OK)
        err = read_text(body, "inputBlobContainerUri", mem, &out->input_uri, why);
    if (err == ERR_OK)
        err = read_text(body, "outputBlobContainerUri", mem, &out->output_uri, why);
    if (err == ERR_OK)
        err = read_name(body, "inputBlobName", TRANSFER_BLOB, mem, &out->input_name, why);
    if (err == ERR_OK)
        err = read_name(body, "outputBlobName", TRANSFER_BLOB, mem, &out->output_name, why);
    if (err == ERR_OK)
        err = read_flag(body, "excludeKeysInExport", &out->no_keys, why);
    if (err == ERR_OK)
        err = read_flag(body, "includeConfigurations", &out->configurations, why);
    if (err == ERR_OK)
        err = read_name(body, "configurationsBlobName", TRANSFER_CONFIGURATIONS_BLOB, mem,
                        &out->configurations_name, why);
    if (err != ERR_OK)
        return err;
    if (out->configurations &&
        str_eq(out->configurations_name,
               out->type == TRANSFER_IMPORT ? out->input_name : out->output_name))
        return REFUSE(why, "configurationsBlobName is the name of the blob with the devices.");
    if (out->type == TRANSFER_IMPORT && out->input_uri.len == 0)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why,
                         "inputBlobContainerUri is missing.");
    if (out->output_uri.len == 0)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why,
                         "outputBlobContainerUri is missing.");
    return ERR_OK;
}

/* ---- showing ---- */

struct str transfer_place(struct str uri)
{
    struct str place, rest;
    if (!uri.ptr || !str_eq_nocase(str_take(uri, 4), STR("http")))
        return uri.ptr ? uri : STR("");
    str_cut(uri, '?', &place, &rest);
    return place;
}

void transfer_put(struct buf *out, const struct transfer *transfer, bool fresh)
{
    bool import = transfer->type == TRANSFER_IMPORT;
    buf_put_char(out, '{');
    json_put_member_str(out, "jobId", str_from(transfer->id));
    json_put_member_time(out, "startTimeUtc", transfer->start_ticks);
    if (transfer_is_final(transfer->state))
        json_put_member_time(out, "endTimeUtc", transfer->end_ticks);
    json_put_member_str(out, "type", import ? STR("import") : STR("export"));
    json_put_member_str(out, "status", str_from(state_words[transfer->state]));
    json_put_member_i64(out, "progress", transfer->progress);
    if (fresh && import)
        json_put_member_str(out, "inputBlobContainerUri", transfer_place(transfer->input_uri));
    json_put_member_str(out, "outputBlobContainerUri", transfer_place(transfer->output_uri));
    if (!import)
        json_put_member_bool(out, "excludeKeysInExport", transfer->no_keys);
    if (transfer->configurations)
        json_put_member_bool(out, "includeConfigurations", true);
    json_put_member_bool(out, "useSecondaryStorageAsSource", false);
    if (transfer->state == TRANSFER_FAILED)
        json_put_member_str(out, "failureReason", str_from(transfer->reason));
    buf_put_char(out, '}');
}
