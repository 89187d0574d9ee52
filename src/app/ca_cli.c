/* ca_cli.c - `muster ca`: who may vouch for devices of a hub that runs. Over the hub's own REST, as an
 * owner (front/rest_certificates.c). */
#include "app/operator_cli.h"
#include "app/term.h"
#include "model/authority.h"
#include "wire/x509.h"
#include <errno.h>

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run list, show, add, code, verify, take_away;

static const struct operator_command commands[] = {
    {"list", "", "names, subjects, expiry, and whether they are trusted", "j", 0, 0, list,
     "Lists the registered CAs.\n\n"
     "  --json                 one JSON object per line\n"},
    {"show", " NAME", "one of them, as PEM", "j", 1, 1, show,
     "Shows a CA and its certificate.\n\n"
     "  --json                 as the hub tells it\n"},
    {"add", " NAME FILE", "register a CA certificate", "vj", 2, 2, add,
     "Registers a CA certificate: PEM, or DER in base64. FILE may be -.\n\n"
     "  --prove                trust it only when somebody has proven to hold its key:\n"
     "                         sign a certificate with the code of `ca code` as CN, then\n"
     "                         `ca verify`\n"
     "  --json                 as the hub tells it\n"},
    {"code", " NAME", "a verification code, to be signed by the CA", "j", 1, 1, code,
     "Makes a verification code: the common name (CN) of a certificate that the CA shall sign.\n\n"
     "  --json                 as the hub tells it\n"},
    {"verify", " NAME FILE", "the certificate that bears the code", "j", 2, 2, verify,
     "Shows the hub that certificate; the CA is trusted from then on. FILE may be -.\n\n"
     "  --json                 as the hub tells it\n"},
    {"remove", " NAME", "trust it no more; its devices lose their connections", "j", 1, 1,
     take_away, "Removes a CA. Devices that came in by it lose their connections.\n"},
};

/* ---- showing ---- */

static bool is_verified(yyjson_val *ca)
{
    return yyjson_get_bool(yyjson_obj_get(ca, "isVerified"));
}

static void put_row(struct buf *out, yyjson_val *ca)
{
    term_put_cell(out, json_member_str(ca, "name"), 20);
    buf_put_char(out, ' ');
    term_put_cell(out, is_verified(ca) ? STR("trusted") : STR("not proven"), 11);
    term_put_cell(out, json_member_str(ca, "expiry"), 22);
    term_put_safe(out, json_member_str(ca, "subject"), SIZE_MAX);
    buf_put_char(out, '\n');
}

static void put_ca(struct buf *out, yyjson_val *ca)
{
    static const char *const members[] = {"name",   "subject", "thumbprint",
                                          "expiry", "created", "verificationCode"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct str value = json_member_str(ca, members[i]);
        if (!value.ptr)
            continue;
        term_put_cell(out, str_from(members[i]), 18);
        term_put_safe(out, value, SIZE_MAX);
        buf_put_char(out, '\n');
    }
    buf_put(out, is_verified(ca) ? STR("trusted           yes\n")
                                 : STR("trusted           no, not proven\n"));
}

static void put_with_pem(struct buf *out, yyjson_val *ca)
{
    put_ca(out, ca);
    buf_put(out, json_member_str(ca, "certificate"));
}

/* ---- the commands ---- */

static int list(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    yyjson_val *all;
    int result = operator_do(service, options, "GET", STR("/certificates"), STR_NONE, &mem, &all);
    operator_print(all, options, put_row);
    arena_done(&mem);
    return result;
}

/* One request on the named one. */
static int call(struct service *service, const struct operator_options *options, const char *method,
                const char *tail, struct str body, operator_row *put)
{
    struct arena mem = {0};
    yyjson_val *ca;
    int result = operator_do(service, options, method,
                             operator_path(options, "certificates", tail, &mem), body, &mem, &ca);
    operator_print(ca, options, put);
    arena_done(&mem);
    return result;
}

static bool read_file(const char *path, struct buf *out, struct why *why)
{
    bool standard = str_eq(str_from(path), STR("-"));
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        err_fail(ERR_NOT_FOUND, why, "'%s' cannot be opened: %s", path, strerror(errno));
        return false;
    }
    char *into = buf_room(out, X509_TEXT_MAX + 1);
    out->len += fread(into, 1, X509_TEXT_MAX + 1, file);
    bool good = !ferror(file) && out->len <= X509_TEXT_MAX;
    if (!good)
        err_fail(ERR_BAD_INPUT, why, "'%s' cannot be read, or has more than %d bytes", path,
                 X509_TEXT_MAX);
    if (!standard)
        fclose(file);
    return good;
}

/* The same with {"certificate":"..."} from the file, with or without the word of the operator. */
static int call_with_file(struct service *service, const struct operator_options *options,
                          const char *method, const char *tail, bool vouched)
{
    struct buf text = {0}, body = {0};
    struct why why;
    int result = EXIT_FAILED;
    if (read_file(options->text, &text, &why)) {
        buf_put_char(&body, '{');
        json_put_member_str(&body, "certificate", buf_str(&text));
        if (vouched)
            json_put_member_bool(&body, "isVerified", true);
        buf_put_char(&body, '}');
        result = call(service, options, method, tail, buf_str(&body), put_ca);
    } else {
        operator_complain(options, ERR_NOT_FOUND, &why);
    }
    buf_done(&text);
    buf_done(&body);
    return result;
}

static int show(struct service *service, const struct operator_options *options)
{
    return call(service, options, "GET", "", STR_NONE, put_with_pem);
}

static int add(struct service *service, const struct operator_options *options)
{
    return call_with_file(service, options, "PUT", "", !options->prove);
}

static int code(struct service *service, const struct operator_options *options)
{
    return call(service, options, "POST", "/generateVerificationCode", STR_NONE, put_ca);
}

static int verify(struct service *service, const struct operator_options *options)
{
    return call_with_file(service, options, "POST", "/verify", false);
}

static int take_away(struct service *service, const struct operator_options *options)
{
    return call(service, options, "DELETE", "", STR_NONE, put_ca);
}

static bool sensible(const struct operator_options *options)
{
    if (!options->id || authority_name_valid(str_from(options->id)))
        return true;
    fprintf(stderr, "muster %s: a name has 1 to %d of letters, digits and - _ .\n",
            options->command, AUTHORITY_NAME_MAX);
    return false;
}

int cmd_ca(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "ca",
        .about = "Certificate authorities that vouch for devices of type certificateAuthority: who "
                 "shows "
                 "a\ncertificate with the device's id as common name (CN), signed by one of them, "
                 "is that "
                 "device.\nThe hub must be running.",
        .examples = "  muster ca add --data hub plant plant-ca.pem\n"
                    "  muster ca list --data hub\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
