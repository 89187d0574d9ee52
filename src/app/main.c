#include "app/app.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "run a hub in the foreground", cmd_serve},
    {"connection-string", "print a connection string for a service or a device",
     cmd_connection_string},
    {"backup", "copy a hub, running or not", cmd_backup},
    {"restore", "make a hub out of a backup", cmd_restore},
    {"export", "write identities and twins as JSON lines", cmd_export},
    {"import", "read such lines into a hub", cmd_import},
    {"job", "run methods and twin changes on many devices, and see what came of it", cmd_job},
    {"device", "identities: list, create, disable, keys ...", cmd_device},
    {"twin", "twins: show, update", cmd_twin},
    {"message", "messages to devices: send, purge, feedback", cmd_message},
    {"query", "rows of a query, as a table or as JSON", cmd_query},
    {"events", "what devices sent: what is stored, and as it comes", cmd_events},
    {"ca", "certificate authorities that vouch for devices: add, list, verify, remove", cmd_ca},
    {"policy", "shared access policies: list, add, rotate, remove", cmd_policy},
    {"quota", "what the hub takes: show, set a profile such as S1", cmd_quota},
    {"route", "what goes into the event log: list, add, remove, test", cmd_route},
    {"sim", "play a fleet of devices against a hub", cmd_sim},
};

static void usage(FILE *out)
{
    fprintf(out,
            "muster - a device hub: devices connect over MQTT, operators steer them with jobs\n\n"
            "usage: muster COMMAND [options]\n\ncommands:\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-20s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nEvery command has --help. `muster --version` prints the version.\n");
}

/* Who redirects output to a disk that is full must not read "done". */
static int check_output(const char *command, int code)
{
    bool lost = ferror(stdout) != 0;
    if (fflush(stdout) != 0)
        lost = true;
    if (!lost || code != EXIT_OK)
        return code;
    fprintf(stderr, "muster %s: cannot write standard output: %s\n", command, strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    struct str word = str_from(argv[1]);
    if (str_eq(word, STR("--help")) || str_eq(word, STR("-h")) || str_eq(word, STR("help"))) {
        usage(stdout);
        return EXIT_OK;
    }
    if (str_eq(word, STR("--version"))) {
        printf("muster %s\n", MUSTER_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (str_eq(word, str_from(commands[i].name)))
            return check_output(commands[i].name, commands[i].run(argc - 1, argv + 1));
    fprintf(stderr, "muster: '%s' is not a command\n\n", argv[1]);
    usage(stderr);
    return EXIT_USAGE;
}
