/* device_cli.c - `muster device`: identities, of devices and of their modules. */
#include "app/operator_cli.h"
#include "app/term.h"
#include "base/clock.h"
#include "base/codec.h"
#include <string.h>

enum { KEY_SIZE = 32, LABEL = 24 };

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run list, show, create, take_away, enable, disable, keys;

static const struct operator_command commands[] = {
    {"list", "", "all, or those that a condition names", "wLj", 0, 0, list,
     "Lists devices: status, connection, last activity.\n\n"
     "  --where CONDITION      only these: \"tags.site = 'north'\"\n"
     "  --limit N              at most so many\n"
     "  --json                 one JSON object per line\n"},
    {"show", " ID", "one identity, without its keys", "mj", 1, 1, show,
     "Shows an identity.\n\n"
     "  --module NAME          this module of the device\n"
     "  --json                 as the hub tells it, with its keys, which are secrets\n"},
    {"create", " ID", "a new one, with fresh keys unless told otherwise", "maxXkKsrDEj", 1, 1,
     create,
     "Makes an identity. `muster device keys` shows what it connects with.\n\n"
     "  --module NAME          a module of the device ID, which is there\n"
     "  --auth TYPE            sas (default), selfSigned, certificateAuthority or none\n"
     "  --key BASE64           its primary key, 16 to 64 bytes; with --second-key\n"
     "  --second-key BASE64    the secondary one\n"
     "  --thumbprint HEX       of its certificate, SHA-1 or SHA-256; means selfSigned\n"
     "  --second-thumbprint HEX  of the next one\n"
     "  --edge                 it runs modules of IoT Edge\n"
     "  --scope SCOPE          the deviceScope of its parent\n"
     "  --disabled             it may not connect yet\n"
     "  --reason TEXT          why not\n"
     "  --json                 print the identity with its keys\n"},
    {"delete", " ID", "with its twin and its modules", "m", 1, 1, take_away,
     "Deletes an identity, its twin and, of a device, its modules.\n\n"
     "  --module NAME          only this module of the device\n"},
    {"enable", " ID", "let it connect", "j", 1, 1, enable,
     "Lets a device connect again.\n\n"
     "  --json                 print the identity as JSON\n"},
    {"disable", " ID", "end its connection and let it not connect", "rj", 1, 1, disable,
     "Ends a device's connection; it cannot connect until it is enabled.\n\n"
     "  --reason TEXT          why\n"
     "  --json                 print the identity as JSON\n"},
    {"keys", " ID", "its keys, which are secrets; or fresh ones", "moj", 1, 1, keys,
     "Shows keys and connection string.\n\n"
     "  --module NAME          of this module of the device\n"
     "  --rotate WHICH         primary, secondary, both: fresh keys first; swap: exchange the two\n"
     "  --json                 as JSON\n"},
};

/* ---- looking ---- */

static int list(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    const char *where = options->where;
    struct str text = str_format(&mem,
                                 "SELECT deviceId, status, connectionState, lastActivityTime "
                                 "FROM devices%s%s",
                                 where ? " WHERE " : "", where ? where : "");
    int code = query_print(service, options, text);
    arena_done(&mem);
    return code;
}

static int fetch(struct service *service, const struct operator_options *options, struct arena *mem,
                 yyjson_val **out)
{
    return operator_do(service, options, "GET", operator_path(options, "devices", "", mem),
                       STR_NONE, mem, out);
}

static void put_line(struct buf *out, const char *label, struct str text)
{
    if (text.len == 0)
        return;
    term_put_cell(out, str_from(label), LABEL);
    term_put_safe(out, text, SIZE_MAX);
    buf_put_char(out, '\n');
}

static void put_identity(struct buf *out, yyjson_val *identity)
{
    static const char *const members[] = {
        "deviceId",          "moduleId",        "status",           "statusReason",
        "statusUpdatedTime", "connectionState", "lastActivityTime", "deviceScope"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        put_line(out, members[i], json_member_str(identity, members[i]));
    yyjson_val *auth = yyjson_obj_get(identity, "authentication");
    yyjson_val *thumbprints = yyjson_obj_get(auth, "x509Thumbprint");
    put_line(out, "authentication", json_member_str(auth, "type"));
    put_line(out, "primaryThumbprint", json_member_str(thumbprints, "primaryThumbprint"));
    put_line(out, "secondaryThumbprint", json_member_str(thumbprints, "secondaryThumbprint"));
    if (yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(identity, "capabilities"), "iotEdge")))
        put_line(out, "capabilities", STR("iotEdge"));
    put_line(out, "etag", json_member_str(identity, "etag"));
}

static int show(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    yyjson_val *identity;
    int code = fetch(service, options, &mem, &identity);
    if (code == EXIT_OK)
        operator_print(identity, options, put_identity);
    arena_done(&mem);
    return code;
}

/* ---- making and deleting ---- */

static int put(struct service *service, const struct operator_options *options, struct str body,
               struct str etag, struct arena *mem, yyjson_val **out)
{
    struct service_answer answer;
    return operator_ask(
        service, options,
        &(struct service_request){.method = "PUT",
                                  .path = operator_path(options, "devices", "", mem),
                                  .body = body,
                                  .etag = etag,
                                  .continue_at = STR_NONE},
        mem, &answer, out);
}

static void put_pair(struct buf *out, const char *object, const char *first, const char *one,
                     const char *second, const char *two)
{
    json_put_key(out, object);
    buf_put_char(out, '{');
    if (one)
        json_put_member_str(out, first, str_from(one));
    if (two)
        json_put_member_str(out, second, str_from(two));
    buf_put_char(out, '}');
}

static void put_authentication(struct buf *out, const struct operator_options *options)
{
    bool thumbprint = options->thumbprint || options->second_thumbprint;
    json_put_key(out, "authentication");
    buf_put_char(out, '{');
    json_put_member_str(out, "type",
                        str_from(options->auth ? options->auth
                                 : thumbprint  ? "selfSigned"
                                               : "sas"));
    if (options->key || options->second_key)
        put_pair(out, "symmetricKey", "primaryKey", options->key, "secondaryKey",
                 options->second_key);
    if (thumbprint)
        put_pair(out, "x509Thumbprint", "primaryThumbprint", options->thumbprint,
                 "secondaryThumbprint", options->second_thumbprint);
    buf_put_char(out, '}');
}

static void put_new(struct buf *out, const struct operator_options *options)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "deviceId", str_from(options->id));
    if (options->module) {
        json_put_member_str(out, "moduleId", str_from(options->module));
    } else {
        json_put_member_str(out, "status", options->disabled ? STR("disabled") : STR("enabled"));
        json_put_key(out, "capabilities");
        buf_printf(out, "{\"iotEdge\":%s}", options->edge ? "true" : "false");
        if (options->reason)
            json_put_member_str(out, "statusReason", str_from(options->reason));
        if (options->scope)
            json_put_member_str(out, "deviceScope", str_from(options->scope));
    }
    put_authentication(out, options);
    buf_put_char(out, '}');
}

static void say(const struct operator_options *options, const char *done)
{
    printf("%s %s%s%s %s\n", options->module ? "module" : "device", options->id,
           options->module ? "/" : "", options->module ? options->module : "", done);
}

static int create(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct buf body = {0};
    yyjson_val *made;
    put_new(&body, options);
    int code = put(service, options, buf_str(&body), STR_NONE, &mem, &made);
    if (code == EXIT_OK && options->json)
        operator_print(made, options, put_identity);
    else if (code == EXIT_OK)
        say(options, "created");
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static int take_away(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct service_answer answer;
    yyjson_val *none;
    int code =
        operator_ask(service, options,
                     &(struct service_request){.method = "DELETE",
                                               .path = operator_path(options, "devices", "", &mem),
                                               .body = STR_NONE,
                                               .etag = STR_NONE,
                                               .any_version = true,
                                               .continue_at = STR_NONE},
                     &mem, &answer, &none);
    if (code == EXIT_OK)
        say(options, "deleted");
    arena_done(&mem);
    return code;
}

/* ---- changing: read, change, write if nobody else has written ---- */

typedef bool change_run(yyjson_mut_doc *doc, yyjson_mut_val *identity,
                        const struct operator_options *options);

static int change(struct service *service, const struct operator_options *options,
                  change_run *apply, struct arena *mem, yyjson_val **out)
{
    yyjson_val *identity;
    int code = fetch(service, options, mem, &identity);
    if (code != EXIT_OK)
        return code;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, identity);
    yyjson_mut_doc_set_root(doc, copy);
    code = EXIT_USAGE;
    if (apply(doc, copy, options)) {
        size_t size;
        char *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &size);
        code = put(service, options, str_of(text, text ? size : 0),
                   json_member_str(identity, "etag"), mem, out);
        free(text);
    }
    yyjson_mut_doc_free(doc);
    return code;
}

static void set(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, const char *text)
{
    yyjson_mut_obj_put(object, yyjson_mut_str(doc, name),
                       text ? yyjson_mut_strcpy(doc, text) : yyjson_mut_null(doc));
}

static bool set_enabled(yyjson_mut_doc *doc, yyjson_mut_val *identity,
                        const struct operator_options *options)
{
    set(doc, identity, "status", "enabled");
    set(doc, identity, "statusReason", NULL);
    return true;
}

static bool set_disabled(yyjson_mut_doc *doc, yyjson_mut_val *identity,
                         const struct operator_options *options)
{
    set(doc, identity, "status", "disabled");
    set(doc, identity, "statusReason", options->reason);
    return true;
}

static int switch_status(struct service *service, const struct operator_options *options,
                         change_run *apply, const char *done)
{
    struct arena mem = {0};
    yyjson_val *now;
    int code = change(service, options, apply, &mem, &now);
    if (code == EXIT_OK && options->json)
        operator_print(now, options, put_identity);
    else if (code == EXIT_OK)
        say(options, done);
    arena_done(&mem);
    return code;
}

static int enable(struct service *service, const struct operator_options *options)
{
    return switch_status(service, options, set_enabled, "enabled");
}

static int disable(struct service *service, const struct operator_options *options)
{
    return switch_status(service, options, set_disabled, "disabled");
}

/* ---- keys ---- */

static void set_fresh(yyjson_mut_doc *doc, yyjson_mut_val *pair, const char *name)
{
    struct arena mem = {0};
    struct random *random = random_system();
    uint8_t bytes[KEY_SIZE];
    random->fill(random, bytes, sizeof bytes);
    set(doc, pair, name, base64_encode(&mem, str_of(bytes, sizeof bytes)).ptr);
    arena_done(&mem);
}

static bool rotate(yyjson_mut_doc *doc, yyjson_mut_val *identity,
                   const struct operator_options *options)
{
    yyjson_mut_val *pair =
        yyjson_mut_obj_get(yyjson_mut_obj_get(identity, "authentication"), "symmetricKey");
    const char *primary = yyjson_mut_get_str(yyjson_mut_obj_get(pair, "primaryKey"));
    const char *secondary = yyjson_mut_get_str(yyjson_mut_obj_get(pair, "secondaryKey"));
    struct str which = str_from(options->rotate);
    bool both = str_eq(which, STR("both"));
    if (!primary || !secondary) {
        fprintf(stderr, "muster %s: it does not use keys\n", options->command);
        return false;
    }
    if (str_eq(which, STR("swap"))) {
        set(doc, pair, "primaryKey", secondary);
        set(doc, pair, "secondaryKey", primary);
        return true;
    }
    if (both || str_eq(which, STR("primary")))
        set_fresh(doc, pair, "primaryKey");
    if (both || str_eq(which, STR("secondary")))
        set_fresh(doc, pair, "secondaryKey");
    return true;
}

static void put_keys(struct buf *out, const struct service *service,
                     const struct operator_options *options, yyjson_val *identity)
{
    yyjson_val *pair = yyjson_obj_get(yyjson_obj_get(identity, "authentication"), "symmetricKey");
    struct str key = json_member_str(pair, "primaryKey");
    struct arena mem = {0};
    struct str text = STR_NONE;
    if (key.len > 0)
        text =
            str_format(&mem, "HostName=%.*s;DeviceId=%s%s%s;SharedAccessKey=%.*s",
                       STR_ARG(service->who.host), options->id, options->module ? ";ModuleId=" : "",
                       options->module ? options->module : "", STR_ARG(key));
    if (options->json) {
        buf_put_char(out, '{');
        json_put_member_str(out, "primaryKey", key);
        json_put_member_str(out, "secondaryKey", json_member_str(pair, "secondaryKey"));
        json_put_member_str(out, "connectionString", text);
        buf_put(out, STR("}\n"));
    } else if (text.ptr) {
        put_line(out, "primaryKey", key);
        put_line(out, "secondaryKey", json_member_str(pair, "secondaryKey"));
        put_line(out, "connectionString", text);
    } else {
        buf_put(out, STR("it does not use keys\n"));
    }
    arena_done(&mem);
}

static int keys(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct buf out = {0};
    yyjson_val *identity;
    int code;
    code = options->rotate ? change(service, options, rotate, &mem, &identity)
                           : fetch(service, options, &mem, &identity);
    if (code == EXIT_OK)
        put_keys(&out, service, options, identity);
    term_print(&out);
    buf_done(&out);
    arena_done(&mem);
    return code;
}

static bool sensible(const struct operator_options *options)
{
    return operator_one_of(options, "auth", options->auth,
                           "sas, selfSigned, certificateAuthority or none") &&
           operator_one_of(options, "rotate", options->rotate, "primary, secondary, both or swap");
}

int cmd_device(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "device",
        .about = "Identities of devices and modules: who may connect, and with what.",
        .examples = "  muster device create --data hub pump-7\n"
                    "  muster device list --data hub --where \"connectionState = 'Connected'\"\n"
                    "  muster device keys --data hub pump-7 --rotate secondary\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
