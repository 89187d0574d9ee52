#include "wire/connstr.h"
#include "base/codec.h"

enum field {
    FIELD_HOST,
    FIELD_GATEWAY,
    FIELD_POLICY,
    FIELD_DEVICE,
    FIELD_MODULE,
    FIELD_KEY,
    FIELD_TOKEN,
    FIELD_X509,
    FIELD_COUNT, /* a name that we do not know */
};

/* In the order in which they are written. */
static const struct {
    enum field field;
    const char *name;
} names[FIELD_COUNT] = {
    {FIELD_HOST, "HostName"},       {FIELD_DEVICE, "DeviceId"},
    {FIELD_MODULE, "ModuleId"},     {FIELD_POLICY, "SharedAccessKeyName"},
    {FIELD_KEY, "SharedAccessKey"}, {FIELD_TOKEN, "SharedAccessSignature"},
    {FIELD_X509, "x509"},           {FIELD_GATEWAY, "GatewayHostName"},
};

static enum field field_of(struct str name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (str_eq_nocase(name, str_from(names[i].name)))
            return names[i].field;
    return FIELD_COUNT;
}

static enum err cut_fields(struct str text, struct str fields[FIELD_COUNT], struct why *why)
{
    size_t count = 0;
    bool more = true;
    while (more) {
        struct str pair, name, value;
        more = str_cut(text, ';', &pair, &text);
        if (str_trim(pair).len == 0)
            continue; /* "a=b;" ends in nothing */
        if (++count > CONNSTR_FIELDS_MAX)
            return err_fail(ERR_LIMIT, why, "more than %d fields", CONNSTR_FIELDS_MAX);
        if (!str_cut(pair, '=', &name, &value))
            return err_fail(ERR_BAD_INPUT, why, "a field has no '='");
        enum field field = field_of(str_trim(name));
        value = str_trim(value);
        if (field == FIELD_COUNT)
            continue;
        if (fields[field].ptr)
            return err_fail(ERR_BAD_INPUT, why, "%.*s is given twice", STR_ARG(str_trim(name)));
        if (value.len == 0)
            return err_fail(ERR_BAD_INPUT, why, "%.*s is empty", STR_ARG(str_trim(name)));
        fields[field] = value;
    }
    return ERR_OK;
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            return false;
    }
    return host.len > 0;
}

static bool is_key(struct str text)
{
    struct arena mem;
    struct str bytes;
    arena_init(&mem, 256);
    bool good = base64_decode(&mem, text, &bytes) && bytes.len > 0;
    arena_done(&mem);
    return good;
}

static enum err check(const struct connstr *c, struct why *why)
{
    if (!is_host(c->host))
        return err_fail(ERR_BAD_INPUT, why, "HostName is missing or not a host name");
    if (c->gateway.ptr && !is_host(c->gateway))
        return err_fail(ERR_BAD_INPUT, why, "GatewayHostName is not a host name");
    if (!c->policy.ptr && !c->device.ptr)
        return err_fail(ERR_BAD_INPUT, why, "neither SharedAccessKeyName nor DeviceId is given");
    if (c->module.ptr && !c->device.ptr)
        return err_fail(ERR_BAD_INPUT, why, "ModuleId is given without DeviceId");
    if ((c->key.ptr != NULL) + (c->token.ptr != NULL) + c->x509 != 1)
        return err_fail(ERR_BAD_INPUT, why,
                        "give one of SharedAccessKey, SharedAccessSignature and x509=true");
    if (c->key.ptr && !is_key(c->key))
        return err_fail(ERR_BAD_INPUT, why, "SharedAccessKey is not base64");
    return ERR_OK;
}

enum err connstr_parse(struct str text, struct connstr *out, struct why *why)
{
    struct str fields[FIELD_COUNT] = {0};
    if (text.len > CONNSTR_TEXT_MAX)
        return err_fail(ERR_LIMIT, why, "longer than %d characters", CONNSTR_TEXT_MAX);
    enum err err = cut_fields(text, fields, why);
    if (err)
        return err;
    struct connstr read = {
        .host = fields[FIELD_HOST],
        .gateway = fields[FIELD_GATEWAY],
        .policy = fields[FIELD_POLICY],
        .device = fields[FIELD_DEVICE],
        .module = fields[FIELD_MODULE],
        .key = fields[FIELD_KEY],
        .token = fields[FIELD_TOKEN],
        .x509 = str_eq_nocase(fields[FIELD_X509], STR("true")),
    };
    err = check(&read, why);
    if (!err)
        *out = read;
    return err;
}

static struct str value_of(const struct connstr *c, enum field field)
{
    switch (field) {
    case FIELD_HOST:
        return c->host;
    case FIELD_GATEWAY:
        return c->gateway;
    case FIELD_POLICY:
        return c->policy;
    case FIELD_DEVICE:
        return c->device;
    case FIELD_MODULE:
        return c->module;
    case FIELD_KEY:
        return c->key;
    case FIELD_TOKEN:
        return c->token;
    case FIELD_X509:
        return c->x509 ? STR("true") : STR_NONE;
    case FIELD_COUNT:
        break;
    }
    return STR_NONE;
}

void connstr_put(struct buf *out, const struct connstr *connstr)
{
    bool first = true;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct str value = value_of(connstr, names[i].field);
        if (!value.ptr)
            continue;
        if (!first)
            buf_put_char(out, ';');
        buf_put(out, str_from(names[i].name));
        buf_put_char(out, '=');
        buf_put(out, value);
        first = false;
    }
}
