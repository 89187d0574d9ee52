#include "front/auth.h"
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
