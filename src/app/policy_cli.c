/* policy_cli.c - `muster policy`: who may do what on a hub that runs. Over the hub's own REST, as an
 * owner (front/rest_policies.c). */
#include "app/operator_cli.h"
#include "app/term.h"
#include "model/policy.h"

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run list, show, add, rotate, take_away;

static const struct operator_command commands[] = {
    {"list", "", "names and rights", "j", 0, 0, list,
     "Lists the policies.\n\n"
     "  --json                 one JSON object per line\n"},
    {"show", " NAME", "one policy with its keys, which are secrets", "j", 1, 1, show,
     "Shows a policy and its keys, which are secrets.\n\n"
     "  --json                 as the hub tells it\n"},
    {"add", " NAME --rights R,..", "a new one, with fresh keys", "g!j", 1, 1, add,
     "Makes a policy and shows it with its keys.\n\n"
     "  --rights R,..          RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect\n"
     "  --json                 as the hub tells it\n"},
    {"rotate", " NAME", "a fresh key", "kj", 1, 1, rotate,
     "Gives a policy a fresh key and shows it. To change keys and lock nobody out: give clients "
     "the\n"
     "secondary key, rotate the primary, give them that, rotate the secondary.\n\n"
     "  --key WHICH            primary, secondary (default) or both\n"
     "  --json                 as the hub tells it\n"},
    {"remove", " NAME", "its tokens count no more from the next request on", "j", 1, 1, take_away,
     "Removes a policy. The last one with all rights stays.\n"},
};

/* ---- showing ---- */

static void put_row(struct buf *out, yyjson_val *policy)
{
    term_put_cell(out, json_member_str(policy, "keyName"), 32);
    buf_put_char(out, ' ');
    term_put_safe(out, json_member_str(policy, "rights"), SIZE_MAX);
    buf_put_char(out, '\n');
}

static void put_policy(struct buf *out, yyjson_val *policy)
{
    static const char *const members[] = {"keyName", "rights", "primaryKey", "secondaryKey"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        term_put_cell(out, str_from(members[i]), 14);
        term_put_safe(out, json_member_str(policy, members[i]), SIZE_MAX);
        buf_put_char(out, '\n');
    }
}

/* ---- the commands ---- */

static int list(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    yyjson_val *all;
    int code = operator_do(service, options, "GET", STR("/policies"), STR_NONE, &mem, &all);
    operator_print(all, options, put_row);
    arena_done(&mem);
    return code;
}

/* One request on the named one; with a body of one member, or without (NULL). */
static int call(struct service *service, const struct operator_options *options, const char *method,
                const char *tail, const char *member, const char *value)
{
    struct arena mem = {0};
    struct buf body = {0};
    yyjson_val *policy;
    if (member) {
        buf_put_char(&body, '{');
        json_put_member_str(&body, member, str_from(value));
        buf_put_char(&body, '}');
    }
    int code = operator_do(service, options, method, operator_path(options, "policies", tail, &mem),
                           member ? buf_str(&body) : STR_NONE, &mem, &policy);
    operator_print(policy, options, put_policy);
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static int show(struct service *service, const struct operator_options *options)
{
    return call(service, options, "GET", "", NULL, NULL);
}

static int add(struct service *service, const struct operator_options *options)
{
    return call(service, options, "PUT", "", "rights", options->rights);
}

static int rotate(struct service *service, const struct operator_options *options)
{
    return call(service, options, "POST", "/rotate", "key",
                options->key ? options->key : "secondary");
}

static int take_away(struct service *service, const struct operator_options *options)
{
    return call(service, options, "DELETE", "", NULL, NULL);
}

static bool sensible(const struct operator_options *options)
{
    unsigned rights;
    if (!operator_one_of(options, "key", options->key, "primary, secondary or both"))
        return false;
    if (options->rights && !policy_read_rights(str_from(options->rights), &rights)) {
        fprintf(stderr,
                "muster %s: --rights takes RegistryRead, RegistryWrite, ServiceConnect or "
                "DeviceConnect, with commas between them; not '%s'\n",
                options->command, options->rights);
        return false;
    }
    if (!options->id || policy_name_valid(str_from(options->id)))
        return true;
    fprintf(stderr, "muster %s: a name has 1 to %d of letters, digits and - _ .\n",
            options->command, POLICY_NAME_MAX);
    return false;
}

int cmd_policy(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "policy",
        .about = "Shared access policies: a name, rights and two keys. The hub must be running.",
        .examples = "  muster policy add --data hub auditor --rights RegistryRead\n"
                    "  muster policy rotate --data hub auditor --key primary\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
