/* Access policies over REST: ours, for owners only. Names and members are those of Azure's
 * SharedAccessSignatureAuthorizationRule.
 *
 *   GET    /policies                [{"keyName","rights"}]; no keys: a list is looked at by many
 *   GET    /policies/{name}         with primaryKey and secondaryKey
 *   PUT    /policies/{name}         {"rights":"RegistryRead, ServiceConnect"}; 409 when it is there
 *   POST   /policies/{name}/rotate  {"key":"primary"|"secondary"|"both"}
 *   DELETE /policies/{name}         204 */
#include "base/codec.h"
#include "front/routes.h"
#include "hub/policies.h"
#include "model/fault.h"

static void put_policy(struct exchange *exchange, const struct policy *policy, bool keys)
{
    struct buf *out = &exchange->out, rights = {0};
    struct arena *mem = &exchange->mem;
    policy_put_rights(&rights, policy->rights);
    buf_put_char(out, '{');
    json_put_member_str(out, "keyName", policy->name);
    if (keys) {
        json_put_member_str(out, "primaryKey", base64_encode(mem, policy->primary_key));
        json_put_member_str(out, "secondaryKey", base64_encode(mem, policy->secondary_key));
    }
    json_put_member_str(out, "rights", buf_str(&rights));
    buf_put_char(out, '}');
    buf_done(&rights);
}

static void refuse(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

static void bad(struct exchange *exchange, const char *text)
{
    struct why why;
    refuse(exchange, err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why, "%s", text), &why);
}

/* ---- looking ---- */

void rest_policy_list(struct exchange *exchange)
{
    size_t count;
    const struct policy *all =
        policy_board_all(exchange->front->config.policies, &exchange->mem, &count);
    buf_put_char(&exchange->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        put_policy(exchange, &all[i], false);
    }
    buf_put_char(&exchange->out, ']');
    exchange_done(exchange);
}

void rest_policy_get(struct exchange *exchange)
{
    size_t count;
    const struct policy *all =
        policy_board_all(exchange->front->config.policies, &exchange->mem, &count);
    struct str name = exchange->segments[1];
    const struct policy *policy = policy_find(all, count, name);
    if (policy) {
        put_policy(exchange, policy, true);
        exchange_done(exchange);
        return;
    }
    struct why why;
    refuse(exchange,
           err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, &why, "There is no policy '%.*s'.",
                     STR_ARG(str_clip(name, POLICY_NAME_MAX))),
           &why);
}

/* ---- changing ---- */

static struct policy_change *new_change(struct exchange *exchange, enum policy_verb verb)
{
    struct policy_change *change = exchange_new(exchange, struct policy_change);
    policy_change_init(change);
    change->verb = verb;
    change->name = exchange->segments[1];
    return change;
}

static void answer_changed(struct exchange *exchange)
{
    put_policy(exchange, ((struct policy_change *)exchange->task)->result, true);
}

static void answer_gone(struct exchange *exchange)
{
    exchange->status = 204;
}

void rest_policy_put(struct exchange *exchange)
{
    struct policy_change *change = new_change(exchange, POLICY_ADD);
    struct str rights = json_member_str(exchange->json, "rights");
    if (!rights.ptr || !policy_read_rights(rights, &change->rights)) {
        bad(exchange, "rights must name RegistryRead, RegistryWrite, ServiceConnect or "
                      "DeviceConnect, separated by commas");
        return;
    }
    exchange_task(exchange, &change->task, answer_changed);
}

void rest_policy_rotate(struct exchange *exchange)
{
    static const struct {
        struct str word;
        unsigned slots;
    } words[] = {{STR("primary"), POLICY_PRIMARY},
                 {STR("secondary"), POLICY_SECONDARY},
                 {STR("both"), POLICY_PRIMARY | POLICY_SECONDARY}};
    struct policy_change *change = new_change(exchange, POLICY_ROTATE);
    struct str key = json_member_str(exchange->json, "key");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (key.ptr && str_eq(key, words[i].word))
            change->slots = words[i].slots;
    if (change->slots)
        exchange_task(exchange, &change->task, answer_changed);
    else
        bad(exchange, "key must be primary, secondary or both");
}

void rest_policy_delete(struct exchange *exchange)
{
    exchange_task(exchange, &new_change(exchange, POLICY_REMOVE)->task, answer_gone);
}
