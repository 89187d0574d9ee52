/* operator_cli.h - what an operator's commands on one hub share: options, help, complaints, requests.
 *
 *   device  device_cli.c  identities: list, show, create, delete, enable, disable, keys
 *   twin    twin_cli.c    show, update
 *   message message_cli.c send, purge, feedback
 *   query   query_cli.c   rows as a table (table.c) or as JSON
 *   ca      ca_cli.c      who may vouch for devices
 *   policy  policy_cli.c  who may do what
 *   quota   quota_cli.c   what the hub takes
 *   route   route_cli.c   what goes into the event log
 *
 * The first four work on any hub that speaks the same REST; the others have pages of ours.
 * What is asked for goes to stdout, complaints go to stderr. */
#pragma once
#include "app/app.h"
#include "app/service_client.h"
#include <stdio.h>

enum { OPERATOR_PAIRS_MAX = 64 };
struct operator_pairs {
    const char *items[OPERATOR_PAIRS_MAX]; /* "name=value" */
    size_t count;
};

struct operator_options {
    struct service_place place;
    const char *command;   /* "device show", for complaints */
    const char *id, *text; /* the arguments; NULL when absent */
    const char *module;    /* NULL: the device itself */
    const char *where, *auth, *thumbprint, *second_thumbprint, *key, *second_key, *scope, *reason;
    const char *rotate, *file, *tags, *desired, *etag;
    const char *message_id, *content_type, *ack;
    const char *rights, *source, *condition, *body, *twin;
    struct operator_pairs properties, system;
    int64_t limit;                 /* -1: not given */
    int64_t life_s;                /* 0: not given */
    int64_t units, device_percent; /* 1 and 100 when not given */
    bool json, disabled, edge, replace, keep, prove;
};

struct operator_command {
    const char *name, *argument, *summary; /* argument: " ID" */
    const char *options; /* letters of operator_cli.c; ! behind one that it cannot do without */
    int arguments_min, arguments_max; /* 0 to 2 */
    int (*run)(struct service *service, const struct operator_options *options);
    const char *help; /* a paragraph and the options */
};
struct operator_family {
    const char *name, *about, *examples;
    const struct operator_command *commands; /* a single one without a name: no subcommands */
    size_t count;
    /* Can it be meant so? Complains and gives false otherwise: exit code 2. NULL: always. */
    bool (*sensible)(const struct operator_options *options);
};
/* A family's command line; the exit code. */
int operator_main(const struct operator_family *family, int argc, char **argv);

/* Is the option's value (NULL: it was not given) one of the words, such as "a, b or c"? Complains and gives
 * false otherwise. For a family's `sensible`. */
bool operator_one_of(const struct operator_options *options, const char *option, const char *value,
                     const char *words);

/* Complain; the exit code for it. */
int operator_complain(const struct operator_options *options, enum err err, const struct why *why);

/* One request; the answer's texts and, when it has a body, its tree are in `mem`. Complains. EXIT_OK or
 * the exit code. */
int operator_ask(struct service *service, const struct operator_options *options,
                 const struct service_request *request, struct arena *mem,
                 struct service_answer *out, yyjson_val **root);

/* The same for a method, a path and a body (STR_NONE: none), which is all that most need. */
int operator_do(struct service *service, const struct operator_options *options, const char *method,
                struct str path, struct str body, struct arena *mem, yyjson_val **root);

/* Print an answer: each member of an array, or the one object; NULL is nothing. With --json a line each
 * as the hub tells it, else as `put` makes it, with its own ends of lines. */
typedef void operator_row(struct buf *out, yyjson_val *row);
void operator_print(yyjson_val *answer, const struct operator_options *options, operator_row *put);

/* What is in the file of --file, at most `size_max` bytes; "-" is standard input. ERR_NOT_FOUND, ERR_OUTSIDE,
 * ERR_LIMIT, in words for the operator. */
enum err operator_read_file(const char *path, size_t size_max, struct buf *out, struct why *why);

/* Run a query and print its rows, as the options say (query_cli.c). */
int query_print(struct service *service, const struct operator_options *options, struct str text);

/* "/twins/{id}" or "/twins/{id}/modules/{module}", and a tail such as "/rotate", in `mem`. */
struct str operator_path(const struct operator_options *options, const char *collection,
                         const char *tail, struct arena *mem);
