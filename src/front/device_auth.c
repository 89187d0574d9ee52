#include "front/device_auth.h"
#include "base/codec.h"
#include "model/fault.h"
#include <assert.h>

/* ---- on the loop: what is shown ---- */

/* The CAs of today, read once after each change. */
static struct x509_trust *trust_of_today(struct front *front, uint64_t *generation)
{
    pthread_mutex_lock(&front->trust_lock);
    if (!front->trust ||
        front->trust_generation != authority_board_generation(front->config.authorities)) {
        struct arena mem = {0};
        size_t count, used = 0;
        struct authority *all =
            authority_board_all(front->config.authorities, &mem, &count, &front->trust_generation);
        struct str *certificates = arena_array(&mem, struct str, count + 1);
        for (size_t i = 0; i < count; i++)
            if (all[i].verified)
                certificates[used++] = all[i].certificate;
        x509_trust_unref(front->trust);
        front->trust = x509_trust_create(certificates, used);
        arena_done(&mem);
    }
    *generation = front->trust_generation;
    struct x509_trust *trust = x509_trust_ref(front->trust);
    pthread_mutex_unlock(&front->trust_lock);
    return trust;
}

static void look(struct front *front, const struct net_conn *conn, struct device_shown *shown)
{
    if (shown->none || shown->generation == authority_board_generation(front->config.authorities))
        return;
    struct arena mem = {0};
    struct str chain[NET_PEER_CERTS_MAX];
    size_t count = net_peer_chain(conn, &mem, chain);
    arena_reset(&shown->mem);
    shown->none = count == 0;
    if (count > 0) {
        struct x509_trust *trust = trust_of_today(front, &shown->generation);
        shown->none =
            x509_device_read(chain, count, trust, &shown->mem, &shown->device, NULL) != ERR_OK;
        x509_trust_unref(trust);
    }
    arena_done(&mem);
}

enum err device_offer_read(struct front *front, const struct net_conn *conn, struct str token,
                           struct device_shown *shown, struct arena *mem, struct device_offer *out,
                           struct why *why)
{
    static_assert((int)NET_PEER_CERTS_MAX == (int)X509_CHAIN_MAX, "one hands over to the other");
    *out = (struct device_offer){0};
    out->has_token =
        token.len > 0 && sas_parse(str_copy(mem, token), mem, &out->token, NULL) == ERR_OK;
    look(front, conn, shown);
    out->has_certificate = !shown->none;
    if (out->has_certificate) {
        out->certificate = shown->device;
        out->certificate.name = str_copy(mem, shown->device.name);
    }
    if (out->has_token || out->has_certificate)
        return ERR_OK;
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "%s",
                     token.len > 0 ? "what was sent is no SAS token"
                                   : "neither a SAS token nor a client certificate");
}

/* ---- on the hub thread: whose it is ---- */

static int64_t now_s(const struct front *front)
{
    struct clock *clock = front->config.clock;
    return clock->wall_ticks(clock) / TICKS_PER_SECOND;
}

static bool signed_by_identity(const struct sas_token *token, const struct identity *identity,
                               struct arena *mem)
{
    struct str primary = STR_NONE, secondary = STR_NONE;
    if (!base64_decode(mem, identity->primary_key, &primary))
        primary = STR_NONE;
    if (!base64_decode(mem, identity->secondary_key, &secondary))
        secondary = STR_NONE;
    return sas_verify(token, primary, secondary);
}

/* What Azure's disableDeviceSAS and disableModuleSAS switch off. Policies are not touched by it. */
static bool keys_are_off(const struct front *front, const struct identity *identity)
{
    return identity->module_id.len > 0 ? front->config.disable_module_sas
                                       : front->config.disable_device_sas;
}

static const char *judge_token(const struct front *front, const struct sas_token *token,
                               const struct identity *identity, struct device_grant *out,
                               struct arena *mem)
{
    struct policy_grant policy;
    bool by_policy =
        token->skn.len > 0 && policy_board_find(front->config.policies, token->skn, &policy) &&
        policy_grants(policy.rights, RIGHT_DEVICE_CONNECT) &&
        sas_verify(token, policy_grant_primary(&policy), policy_grant_secondary(&policy));
    bool own = token->skn.len == 0 || str_eq(token->skn, identity->device_id);
    bool by_key = own && sas_names_identity(token) && signed_by_identity(token, identity, mem);
    if (!by_policy && !by_key)
        return "wrong signature, or a policy that may not connect devices";
    if (!by_policy && keys_are_off(front, identity))
        return "the hub takes no tokens that are signed with keys of such identities";
    if (sas_expired(token, (uint64_t)now_s(front)))
        return "the token is expired";
    struct str path = identity->module_id.len
                          ? str_format(mem, "/devices/%.*s/modules/%.*s",
                                       STR_ARG(identity->device_id), STR_ARG(identity->module_id))
                          : str_format(mem, "/devices/%.*s", STR_ARG(identity->device_id));
    if (!sas_covers(token, front->hosts, front->host_count, path, false))
        return "the token is for another device or hub";
    out->by = by_policy ? BY_POLICY : identity->module_id.len ? BY_MODULE_KEY : BY_DEVICE_KEY;
    out->expires_s = (int64_t)token->expires_s;
    return NULL;
}

/* With the allowance for clocks that tokens have. */
static const char *judge_life(const struct front *front, const struct x509_life *life)
{
    int64_t now = now_s(front);
    if (life->to_s < now - SAS_SKEW_S)
        return "the client's certificate, or one that it rests on, has expired";
    if (life->from_s > now + SAS_SKEW_S)
        return "the client's certificate, or one that it rests on, is not valid yet";
    return NULL;
}

static const char *judge_thumbprint(const struct front *front, const struct x509_device *shown,
                                    const struct identity *identity, struct device_grant *out)
{
    if (!x509_device_has(shown, identity->primary_thumbprint) &&
        !x509_device_has(shown, identity->secondary_thumbprint))
        return "the client's certificate has another thumbprint";
    out->by = BY_CERTIFICATE;
    out->expires_s = shown->life.to_s;
    return judge_life(front, &shown->life);
}

static bool bears_name(struct str name, const struct identity *identity)
{
    struct str device, module;
    if (identity->module_id.len == 0)
        return str_eq(name, identity->device_id);
    return str_cut(name, '/', &device, &module) && str_eq(device, identity->device_id) &&
           str_eq(module, identity->module_id);
}

static const char *judge_chain(const struct front *front, const struct x509_device *shown,
                               const struct identity *identity, struct device_grant *out)
{
    if (!shown->trusted)
        return shown->distrust;
    if (!bears_name(shown->name, identity))
        return "the common name (CN) of the client's certificate is not the device's id";
    /* It was there when the chain was looked at, on another thread. */
    if (!authority_board_trusts(front->config.authorities,
                                str_of(shown->anchor, sizeof(shown->anchor))))
        return "the CA is not registered any more";
    out->by = BY_AUTHORITY;
    out->expires_s = shown->chain_life.to_s;
    static_assert(sizeof(out->anchor) == sizeof(shown->anchor), "both are SHA-256");
    memcpy(out->anchor, shown->anchor, sizeof(out->anchor));
    return judge_life(front, &shown->chain_life);
}

static const char *judge(const struct front *front, const struct device_offer *offer,
                         const struct identity *identity, struct device_grant *out,
                         struct arena *mem)
{
    const char *no_certificate =
        offer->has_token ? "the device does not use SAS tokens" : "no client certificate";
    switch (identity->auth) {
    case AUTH_SAS:
        return offer->has_token ? judge_token(front, &offer->token, identity, out, mem)
                                : "no SAS token";
    case AUTH_SELF_SIGNED:
        return offer->has_certificate ? judge_thumbprint(front, &offer->certificate, identity, out)
                                      : no_certificate;
    case AUTH_AUTHORITY:
        return offer->has_certificate ? judge_chain(front, &offer->certificate, identity, out)
                                      : no_certificate;
    case AUTH_NONE:
        break;
    }
    return "the device may not connect: its authentication type is none";
}

enum err device_auth(const struct front *front, const struct device_offer *offer,
                     const struct identity *identity, struct device_grant *out, struct why *why)
{
    struct arena mem = {0};
    *out = (struct device_grant){0};
    const char *wrong = judge(front, offer, identity, out, &mem);
    arena_done(&mem);
    if (!wrong)
        return ERR_OK;
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "%s", wrong);
}

#define METHOD(scope, type, issuer)                                                                \
    "{\"scope\":\"" scope "\",\"type\":\"" type "\",\"issuer\":\"" issuer                          \
    "\",\"acceptingIpFilterRule\":null}"

const char *device_auth_method(enum device_auth_by by, bool is_module)
{
    switch (by) {
    case BY_DEVICE_KEY:
        return METHOD("device", "sas", "iothub");
    case BY_MODULE_KEY:
        return METHOD("module", "sas", "iothub");
    case BY_POLICY:
        return METHOD("hub", "sas", "iothub");
    case BY_CERTIFICATE:
    case BY_AUTHORITY:
        break;
    }
    return is_module ? METHOD("module", "x509", "external") : METHOD("device", "x509", "external");
}
