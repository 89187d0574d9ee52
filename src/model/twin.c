#include "model/twin.h"
#include "base/codec.h"
#include "model/fault.h"
#include "model/twin_check.h"

struct twin_section twin_section_fresh(enum twin_part part, int64_t created_ticks)
{
    return (struct twin_section){
        .values = STR("{}"),
        .born_ticks = created_ticks,
        .version = 1,
        .stamp = part == TWIN_REPORTED ? 0 : TWIN_VERSION_FRESH,
    };
}

/* ---- a request ---- */

static enum err read_section(yyjson_val *parent, const char *name, enum twin_part part, bool *has,
                             yyjson_val **section, struct why *why)
{
    *section = yyjson_obj_get(parent, name);
    *has = *section != NULL;
    if (*has && !yyjson_is_obj(*section) && !yyjson_is_null(*section))
        return twin_refuse_root(part, why);
    return ERR_OK;
}

enum err twin_update_read(yyjson_val *root, bool replace, struct twin_update *out, struct why *why)
{
    if (!yyjson_is_obj(root))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "A twin must be an object.");
    struct twin_update read = {.replace = replace};
    enum err err = read_section(root, "tags", TWIN_TAGS, &read.has_tags, &read.tags, why);
    if (err != ERR_OK)
        return err;
    yyjson_val *properties = yyjson_obj_get(root, "properties");
    if (properties && !yyjson_is_obj(properties) && !yyjson_is_null(properties))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "properties must be an object.");
    err = read_section(properties, "desired", TWIN_DESIRED, &read.has_desired, &read.desired, why);
    if (err == ERR_OK)
        *out = read;
    return err;
}

/* ---- the etag ---- */

struct str twin_etag(int64_t version, struct arena *mem)
{
    uint64_t counter = (uint64_t)version - 1;
    char bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(uint8_t)(counter >> (56 - 8 * i));
    return base64_encode(mem, str_of(bytes, sizeof(bytes)));
}

bool twin_patch_touches(yyjson_val *patch, bool replace, const struct str *names, size_t count)
{
    if (replace)
        return true;
    for (size_t i = 0; i < count && yyjson_is_obj(patch); i++) {
        patch = yyjson_obj_getn(patch, names[i].ptr, names[i].len);
        if (!patch)
            return false;
    }
    return true;
}
