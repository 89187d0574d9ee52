#include "front/auth.h"
#include "base/codec.h"
#include "model/fault.h"

static uint64_t now_s(const struct front *front)
{
    struct clock *clock = front->config.clock;
    return (uint64_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND);
}

static bool granted(unsigned have, struct auth_need need)
{
    return policy_grants(have, need.one) || (need.other && policy_grants(have, need.other));
}

/* ---- services ---- */

static bool expired(const struct front *front, uint64_t expires_s)
{
    return sas_expired(&(struct sas_token){.expires_s = expires_s}, now_s(front));
}

static void remember(struct auth_proof *proof, struct str header, const struct policy_grant *policy,
                     const struct sas_token *token)
{
    buf_reset(&proof->header);
    buf_put(&proof->header, header);
    proof->rights = policy->rights;
    proof->expires_s = token->expires_s;
}

static const char *prove(const struct front *front, struct str authorization,
                         struct auth_proof *proof)
{
    struct arena mem = {0};
    struct sas_token token;
    struct policy_grant policy;
    struct policy_board *board = front->config.policies;
    proof->generation = policy_board_generation(board); /* of before the look */
    const char *reason = NULL;
    if (!authorization.ptr)
        reason = "no Authorization header";
    else if (sas_parse(authorization, &mem, &token, NULL) != ERR_OK)
        reason = "not a SAS token";
    else if (token.skn.len == 0)
        reason = "no policy named";
    else if (!policy_board_find(board, token.skn, &policy))
        reason = "no such policy";
    else if (!sas_verify(&token, policy_grant_primary(&policy), policy_grant_secondary(&policy)))
        reason = "wrong signature";
    else if (!sas_covers(&token, front->hosts, front->host_count, STR("/"), true))
        reason = "another hub";
    else
        remember(proof, authorization, &policy, &token);
    arena_done(&mem);
    return reason;
}

enum err auth_service(const struct front *front, struct str authorization, struct auth_need need,
                      struct auth_proof *proof, const char **reason, struct why *why)
{
    bool proven = authorization.len > 0 &&
                  str_eq_constant_time(authorization, buf_str(&proof->header)) &&
                  proof->generation == policy_board_generation(front->config.policies);
    *reason = proven ? NULL : prove(front, authorization, proof);
    if (!*reason && expired(front, proof->expires_s))
        *reason = "expired";
    if (!*reason && !granted(proof->rights, need))
        *reason = "right missing";
    if (!*reason)
        return ERR_OK;
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED_ACCESS, why, "Unauthorized");
}

/* ---- devices ---- */

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

static const char *check_device(const struct front *front, const struct sas_token *token,
                                const struct identity *identity, bool *by_policy, struct arena *mem)
{
    if (identity->auth != AUTH_SAS)
        return "the device does not use SAS tokens";
    struct policy_grant policy;
    *by_policy = token->skn.len > 0 &&
                 policy_board_find(front->config.policies, token->skn, &policy) &&
                 policy_grants(policy.rights, RIGHT_DEVICE_CONNECT) &&
                 sas_verify(token, policy_grant_primary(&policy), policy_grant_secondary(&policy));
    bool own = token->skn.len == 0 || str_eq(token->skn, identity->device_id);
    bool by_key = own && sas_names_identity(token) && signed_by_identity(token, identity, mem);
    if (!*by_policy && !by_key)
        return "wrong signature, or a policy that may not connect devices";
    if (sas_expired(token, now_s(front)))
        return "the token is expired";
    struct str path = identity->module_id.len
                          ? str_format(mem, "/devices/%.*s/modules/%.*s",
                                       STR_ARG(identity->device_id), STR_ARG(identity->module_id))
                          : str_format(mem, "/devices/%.*s", STR_ARG(identity->device_id));
    if (!sas_covers(token, front->hosts, front->host_count, path, false))
        return "the token is for another device or hub";
    return NULL;
}

enum err auth_device(const struct front *front, const struct sas_token *token,
                     const struct identity *identity, bool *by_policy, struct why *why)
{
    struct arena mem = {0};
    const char *wrong = check_device(front, token, identity, by_policy, &mem);
    arena_done(&mem);
    if (!wrong)
        return ERR_OK;
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "%s", wrong);
}
