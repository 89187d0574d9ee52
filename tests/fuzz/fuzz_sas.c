/* Any bytes as a token, as a connection string, and as what a token is made for. */
#include "wire/connstr.h"
#include "wire/sas.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str key = STR("0123456789abcdef0123456789abcdef");
static const struct str hosts[] = {STR("hub.example.net"), STR("hub")};

static void read_token(struct str text, struct arena *mem)
{
    struct sas_token token;
    if (sas_parse(text, mem, &token, NULL) != ERR_OK)
        return;
    if (token.sr.len == 0 || token.se.len == 0 || text.len > SAS_TEXT_MAX)
        abort();
    if (sas_verify(&token, STR_NONE, STR("")))
        abort();
    sas_verify(&token, key, STR_NONE);
    sas_names_identity(&token);
    bool device = sas_covers(&token, hosts, 2, STR("/devices/dev-01/modules/m"), false);
    if (device && !sas_covers(&token, hosts, 2, STR("/devices/dev-01/modules/m"), true))
        abort();
    if (sas_expired(&token, 0))
        abort();
}

static void make_token(struct str resource, struct arena *mem)
{
    struct sas_token token;
    struct sas_grant grant = {.resource = resource, .key = key, .expires_s = 1767225600};
    if (resource.len == 0 || resource.len > SAS_RESOURCE_MAX)
        return;
    if (sas_parse(sas_make(&grant, mem), mem, &token, NULL) != ERR_OK)
        abort();
    if (!sas_verify(&token, key, STR_NONE) || !sas_verify(&token, STR_NONE, key))
        abort();
}

static void read_connection_string(struct str text)
{
    struct connstr connstr, again;
    struct buf out = {0}, out_again = {0};
    if (connstr_parse(text, &connstr, NULL) != ERR_OK)
        return;
    connstr_put(&out, &connstr);
    if (connstr_parse(buf_str(&out), &again, NULL) != ERR_OK)
        abort();
    connstr_put(&out_again, &again);
    if (!str_eq(buf_str(&out), buf_str(&out_again)))
        abort();
    buf_done(&out);
    buf_done(&out_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem = {0};
    struct str text = str_of(data, size);
    read_token(text, &mem);
    make_token(text, &mem);
    read_connection_string(text);
    arena_done(&mem);
    return 0;
}
