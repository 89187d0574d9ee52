/* Where the hub is and who we are: from options, a file, the environment or a data folder. */
#include "app/app.h"
#include "app/service_client.h"
#include "base/codec.h"
#include "net/cert.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

const char service_help[] =
    "Where the hub is:\n"
    "  --connection-string CS        HostName=..;SharedAccessKeyName=..;SharedAccessKey=..\n"
    "                                Other users of this machine can see it in a list of "
    "processes;\n"
    "                                better give it by one of the next three:\n"
    "  --connection-string-file FILE its only line; - reads standard input\n"
    "  " SERVICE_ENVIRONMENT "      the environment variable, when no option says otherwise\n"
    "  --data DIR                    take it, and the CA, from the folder of a hub on this "
    "machine\n"
    "  --ca FILE                     trust this CA (a hub of ours: ca.pem in its folder)\n"
    "  --address IP                  connect there, whatever the host's name means to DNS\n"
    "  --https-port N                default 443, or 8443 when nobody listens there; a hub of\n"
    "                                --data says itself where it listens\n";

bool service_option(const char *command, int c, const char *value, struct service_place *place,
                    bool *good)
{
    *good = true;
    switch (c) {
    case SERVICE_OPT_STRING:
        place->connection_string = value;
        return true;
    case SERVICE_OPT_FILE:
        place->connection_string_file = value;
        return true;
    case SERVICE_OPT_DATA:
        place->data = value;
        return true;
    case SERVICE_OPT_CA:
        place->ca = value;
        return true;
    case SERVICE_OPT_ADDRESS:
        place->address = value;
        return true;
    case SERVICE_OPT_PORT:
        *good = option_number(command, "https-port", value, 1, 65535, &place->https_port);
        return true;
    default:
        return false;
    }
}

static enum err read_line(const char *path, struct arena *mem, struct str *out, struct why *why)
{
    bool standard = str_eq(str_from(path), STR("-"));
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file)
        return err_fail(ERR_NOT_FOUND, why, "cannot read '%s': %s", path, strerror(errno));
    char text[CONNSTR_TEXT_MAX + 2] = "";
    bool got = fgets(text, sizeof text, file) != NULL;
    if (!standard)
        fclose(file);
    *out = str_trim(str_of(text, strcspn(text, "\r\n")));
    if (!got || out->len == 0)
        return err_fail(ERR_BAD_INPUT, why, "there is no connection string in '%s'", path);
    *out = str_copy(mem, *out);
    return ERR_OK;
}

static enum err find_string(const struct service_place *place, struct arena *mem, struct str *out,
                            struct why *why)
{
    int ways = !!place->connection_string + !!place->connection_string_file + !!place->data;
    if (ways > 1)
        return err_fail(ERR_BAD_INPUT, why,
                        "one of --connection-string, --connection-string-file and --data is "
                        "enough");
    if (place->connection_string_file)
        return read_line(place->connection_string_file, mem, out, why);
    if (place->data)
        return connection_string_read(place->data, (struct connection_of){0}, mem, out, why);
    const char *text =
        place->connection_string ? place->connection_string : getenv(SERVICE_ENVIRONMENT);
    if (!text || !*text)
        return err_fail(ERR_BAD_INPUT, why,
                        "which hub? Give --connection-string-file, --data or the environment "
                        "variable " SERVICE_ENVIRONMENT);
    *out = str_copy(mem, str_from(text));
    return ERR_OK;
}

/* The CA of a hub on this machine goes with its connection string. */
static const char *find_ca(const struct service_place *place, struct arena *mem)
{
    if (place->ca || !place->data)
        return place->ca ? str_copy(mem, str_from(place->ca)).ptr : NULL;
    const char *path = cert_path(mem, place->data, CERT_CA_FILE);
    return access(path, R_OK) == 0 ? path : NULL;
}

static enum err read_string(struct str text, struct connstr *out, struct why *why)
{
    struct why inner;
    enum err err = connstr_parse(text, out, &inner);
    return err == ERR_OK ? ERR_OK
                         : err_fail(err, why, "the connection string is wrong: %s", inner.text);
}

/* What no option says, the hub of the folder has said itself; at any rate it is on this machine. */
static void ask_folder(struct service *out, const struct service_place *place)
{
    struct listening at = {.address = "127.0.0.1"};
    bool said = place->data && listening_read(place->data, &out->mem, &at);
    if (!place->data)
        return;
    if (!out->address)
        out->address = at.address;
    if (!out->port_given && said) {
        out->port = at.https_port;
        out->port_given = true;
    }
}

enum err service_init(struct service *out, const struct service_place *place, struct why *why)
{
    *out = (struct service){.authorization = STR_NONE};
    struct str text;
    enum err err = find_string(place, &out->mem, &text, why);
    if (err == ERR_OK)
        err = read_string(text, &out->who, why);
    if (err == ERR_OK && (!out->who.policy.ptr || !out->who.key.ptr))
        err = err_fail(ERR_BAD_INPUT, why,
                       "this needs the connection string of a policy (SharedAccessKeyName and "
                       "SharedAccessKey), not of a device");
    if (err == ERR_OK && !base64_decode(&out->mem, out->who.key, &out->key))
        err = err_fail(ERR_BAD_INPUT, why, "the SharedAccessKey is not base64");
    out->ca = find_ca(place, &out->mem);
    if (err == ERR_OK && out->ca && access(out->ca, R_OK) != 0)
        err = err_fail(ERR_NOT_FOUND, why, "cannot read the CA file '%s': %s", out->ca,
                       strerror(errno));
    if (err != ERR_OK) {
        service_done(out);
        return err;
    }
    out->address = place->address ? str_copy(&out->mem, str_from(place->address)).ptr : NULL;
    out->port = place->https_port ? (uint16_t)place->https_port : SERVICE_HTTPS_PORT;
    out->port_given = place->https_port != 0;
    ask_folder(out, place);
    return ERR_OK;
}

struct str service_name(const struct service *service, struct arena *mem)
{
    return str_format(mem, "%.*s:%u", STR_ARG(service->who.host), service->port);
}

int service_open(struct service *out, const struct service_place *place, const char *command)
{
    struct why why;
    enum err err = service_init(out, place, &why);
    if (err == ERR_OK)
        return EXIT_OK;
    fprintf(stderr, "muster %s: %s\n", command, why.text);
    return err == ERR_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
}
