/* app.h - the program `muster`: one subcommand per file. Each takes its own argv (argv[0] is the
 * subcommand's name), prints its own --help, and gives the exit code. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_PARTLY = 3, /* a job completed, some devices failed */
    EXIT_PORT = 4,   /* a port is taken or not permitted */
    EXIT_DATA = 5,   /* the data folder cannot be used: permissions, in use, damaged, newer */
};

int cmd_serve(int argc, char **argv);
int cmd_connection_string(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_route(int argc, char **argv);
int cmd_ca(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_quota(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_job(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_message(int argc, char **argv);
int cmd_twin(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);

/* Names of the files in a data folder: see net/cert.h and store/store.h. This one keeps the host. */
#define APP_HOST_FILE "host"
#define APP_FILES_KEY_FILE "files.key" /* signs addresses of uploaded files */
#define APP_LISTENING_FILE "listening" /* while a hub runs: see serve_data.c */
#define APP_DEFAULT_HOST "localhost"
enum { APP_PATH_MAX = 4096 };

/* Whose connection string: a policy's, a device's, or a module's of a device. Zero: that of iothubowner. */
struct connection_of {
    struct str policy, device, module;
};
/* The connection string, from a data folder that a hub may be serving. In `mem`. ERR_NOT_FOUND names
 * what is missing. */
enum err connection_string_read(const char *dir, struct connection_of of, struct arena *mem,
                                struct str *out, struct why *why);

/* Where the hub of a data folder listens, as it said when it was ready; text in `mem`. False: it said nothing, as
 * one that does not run. */
struct listening {
    const char *address; /* to connect to from this machine */
    uint16_t https_port, mqtt_port;
};
bool listening_read(const char *dir, struct arena *mem, struct listening *out);
enum err listening_write(const char *dir, struct listening at, struct why *why);
void listening_end(const char *dir); /* it stops */

/* A whole number of an option's text; complains on stderr and gives false otherwise. */
bool option_number(const char *command, const char *option, const char *text, int64_t least,
                   int64_t most, int64_t *out);
