#include "wire/username.h"
#include "base/codec.h"
#include "wire/bag.h"

enum { SEGMENTS_MAX = 4 }; /* host, device, module, query */

static enum err check_id(struct str id, const char *what, struct why *why)
{
    if (id.len == 0)
        return err_fail(ERR_BAD_INPUT, why, "the user name has an empty %s id", what);
    if (id.len > USERNAME_ID_MAX)
        return err_fail(ERR_LIMIT, why, "the user name has a %s id of %zu bytes, at most %d", what,
                        id.len, USERNAME_ID_MAX);
    return ERR_OK;
}

static void keep_first(struct str *place, struct str value)
{
    if (!place->ptr)
        *place = value;
}

static void read_query(struct str query, struct arena *mem, struct username *out)
{
    if (str_starts(query, STR("?")))
        query = str_skip(query, 1);
    while (query.len > 0) {
        struct str pair, key, value;
        str_cut(query, '&', &pair, &query);
        if (!str_cut(pair, '=', &key, &value))
            continue;
        if (str_eq(key, STR("api-version")))
            keep_first(&out->api_version, bag_text(mem, value));
        else if (str_eq(key, STR("DeviceClientType")))
            keep_first(&out->client_type, bag_text(mem, value));
        else if (str_eq(key, STR("model-id")))
            keep_first(&out->model_id, bag_text(mem, value));
    }
}

enum err username_parse(struct str text, struct arena *mem, struct username *out, struct why *why)
{
    if (text.len > USERNAME_SIZE_MAX)
        return err_fail(ERR_LIMIT, why, "a user name of %zu bytes, at most %d are taken", text.len,
                        USERNAME_SIZE_MAX);
    struct str segment[SEGMENTS_MAX];
    size_t count = 0;
    bool more = true;
    while (more && count < SEGMENTS_MAX)
        more = str_cut(text, '/', &segment[count++], &text);
    if (more || count < 2)
        return err_fail(ERR_BAD_INPUT, why,
                        "the user name is not {host}/{device}[/{module}]/?{query}");

    struct username name = {.device = segment[1], .module = STR("")};
    struct str port;
    str_cut(segment[0], ':', &name.host, &port);
    if (name.host.len == 0)
        return err_fail(ERR_BAD_INPUT, why, "the user name has no host");
    enum err err = check_id(name.device, "device", why);
    if (!err && count == SEGMENTS_MAX) {
        name.module = segment[2];
        err = check_id(name.module, "module", why);
    }
    if (err)
        return err;
    if (count > 2)
        read_query(segment[count - 1], mem, &name);
    *out = name;
    return ERR_OK;
}

bool username_agrees(const struct username *name, struct str client_id)
{
    if (!str_starts(client_id, name->device))
        return false;
    struct str rest = str_skip(client_id, name->device.len);
    if (name->module.len == 0)
        return rest.len == 0;
    return str_starts(rest, STR("/")) && str_eq(str_skip(rest, 1), name->module);
}

void username_put(struct buf *out, const struct username *name)
{
    buf_put(out, name->host);
    buf_put_char(out, '/');
    buf_put(out, name->device);
    if (name->module.len > 0) {
        buf_put_char(out, '/');
        buf_put(out, name->module);
    }
    buf_put(out, STR("/?"));
    const struct {
        struct str key, value;
    } query[] = {
        {STR("api-version="), name->api_version},
        {STR("DeviceClientType="), name->client_type},
        {STR("model-id="), name->model_id},
    };
    bool first = true;
    for (size_t i = 0; i < sizeof query / sizeof query[0]; i++) {
        if (!query[i].value.ptr)
            continue;
        if (!first)
            buf_put_char(out, '&');
        first = false;
        buf_put(out, query[i].key);
        percent_encode(out, query[i].value);
    }
}
