/* Certificate authorities over REST: ours, for owners only. Words and members are those of Azure's
 * certificates, which its resource manager has.
 *
 *   GET    /certificates                                  [{"name","subject","thumbprint","expiry",...}]
 *   GET    /certificates/{name}                           with the certificate, as PEM
 *   PUT    /certificates/{name}                           {"certificate":PEM or base64,"isVerified":true}
 *   POST   /certificates/{name}/generateVerificationCode  with verificationCode
 *   POST   /certificates/{name}/verify                    {"certificate":signed by it, CN = the code}
 *   DELETE /certificates/{name}                           204 */
#include "front/routes.h"
#include "hub/authorities.h"
#include "model/fault.h"
#include "wire/x509.h"

static void refuse(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

static int64_t now_s(const struct exchange *exchange)
{
    struct clock *clock = exchange->front->config.clock;
    return clock->wall_ticks(clock) / TICKS_PER_SECOND;
}

enum { WITH_CERTIFICATE = 1, WITH_CODE = 2 };

static void put_certificate(struct exchange *exchange, const struct authority *authority,
                            unsigned with)
{
    struct buf *out = &exchange->out;
    struct x509_ca ca;
    buf_put_char(out, '{');
    json_put_member_str(out, "name", authority->name);
    if (x509_ca_describe(authority->certificate, &exchange->mem, &ca, NULL) == ERR_OK) {
        json_put_member_str(out, "subject", ca.subject);
        json_put_key(out, "thumbprint");
        buf_put_char(out, '"');
        for (size_t i = 0; i < sizeof(ca.sha1); i++)
            buf_printf(out, "%02X", ca.sha1[i]);
        buf_put_char(out, '"');
        json_put_member_time(out, "expiry", ca.life.to_s * TICKS_PER_SECOND);
    }
    json_put_member_bool(out, "isVerified", authority->verified);
    json_put_member_time(out, "created", authority->created_ticks);
    json_put_member_time(out, "updated", authority->updated_ticks);
    if ((with & WITH_CODE) && authority->code.ptr)
        json_put_member_str(out, "verificationCode", authority->code);
    if (with & WITH_CERTIFICATE)
        json_put_member_str(out, "certificate", x509_pem(authority->certificate, &exchange->mem));
    buf_put_char(out, '}');
}

/* ---- looking ---- */

static struct authority *all_of(struct exchange *exchange, size_t *count)
{
    return authority_board_all(exchange->front->config.authorities, &exchange->mem, count, NULL);
}

void rest_certificate_list(struct exchange *exchange)
{
    size_t count;
    const struct authority *all = all_of(exchange, &count);
    buf_put_char(&exchange->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        put_certificate(exchange, &all[i], 0);
    }
    buf_put_char(&exchange->out, ']');
    exchange_done(exchange);
}

/* The one that the path names; NULL: refused. */
static const struct authority *find(struct exchange *exchange)
{
    size_t count;
    struct authority *all = all_of(exchange, &count);
    struct str name = exchange->segments[1];
    const struct authority *found = authority_find(all, count, name);
    struct why why;
    if (!found)
        refuse(exchange,
               err_fault(ERR_NOT_FOUND, FAULT_CERTIFICATE_NOT_FOUND, &why,
                         "There is no certificate '%.*s'.",
                         STR_ARG(str_clip(name, AUTHORITY_NAME_MAX))),
               &why);
    return found;
}

void rest_certificate_get(struct exchange *exchange)
{
    const struct authority *found = find(exchange);
    if (!found)
        return;
    put_certificate(exchange, found, WITH_CERTIFICATE | WITH_CODE);
    exchange_done(exchange);
}

/* ---- changing ---- */

static struct authority_change *new_change(struct exchange *exchange, enum authority_verb verb)
{
    struct authority_change *change = exchange_new(exchange, struct authority_change);
    authority_change_init(change);
    change->verb = verb;
    change->name = exchange->segments[1];
    return change;
}

static void answer_changed(struct exchange *exchange)
{
    put_certificate(exchange, ((struct authority_change *)exchange->task)->result, WITH_CODE);
}

static void answer_gone(struct exchange *exchange)
{
    exchange->status = 204;
}

void rest_certificate_put(struct exchange *exchange)
{
    struct x509_ca ca;
    struct why why;
    yyjson_val *vouched = yyjson_obj_get(exchange->json, "isVerified");
    enum err err = x509_ca_read(json_member_str(exchange->json, "certificate"), now_s(exchange),
                                &exchange->mem, &ca, &why);
    if (err == ERR_OK && vouched && !yyjson_is_bool(vouched) && !yyjson_is_null(vouched))
        err = err_fail(ERR_BAD_INPUT, &why, "isVerified must be true or false");
    if (err != ERR_OK) {
        why.code = FAULT_ARGUMENT_INVALID;
        refuse(exchange, err, &why);
        return;
    }
    struct authority_change *change = new_change(exchange, AUTHORITY_ADD);
    change->certificate = ca.der;
    change->fingerprint = str_copy(&exchange->mem, str_of(ca.sha256, sizeof(ca.sha256)));
    change->verified = yyjson_get_bool(vouched);
    exchange_task(exchange, &change->task, answer_changed);
}

void rest_certificate_code(struct exchange *exchange)
{
    exchange_task(exchange, &new_change(exchange, AUTHORITY_CODE)->task, answer_changed);
}

void rest_certificate_verify(struct exchange *exchange)
{
    const struct authority *found = find(exchange);
    if (!found)
        return;
    struct why why;
    enum err err =
        found->code.ptr
            ? x509_prove_possession(found->certificate, found->code,
                                    json_member_str(exchange->json, "certificate"), now_s(exchange),
                                    &why)
            : err_fail(ERR_BAD_INPUT, &why,
                       "no code was asked for: POST /certificates/{name}/generateVerificationCode");
    if (err != ERR_OK) {
        why.code = FAULT_ARGUMENT_INVALID;
        refuse(exchange, ERR_BAD_INPUT, &why);
        return;
    }
    struct authority_change *change = new_change(exchange, AUTHORITY_VERIFY);
    change->fingerprint = found->fingerprint;
    change->code = found->code;
    exchange_task(exchange, &change->task, answer_changed);
}

void rest_certificate_delete(struct exchange *exchange)
{
    exchange_task(exchange, &new_change(exchange, AUTHORITY_REMOVE)->task, answer_gone);
}
