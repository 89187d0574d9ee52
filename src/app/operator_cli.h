/* operator_cli.h - what `muster device`, `muster twin` and `muster query` share: an operator's daily
 * work on one hub, ours or any that speaks the same REST.
 *
 *   device  device_cli.c  identities: list, show, create, delete, enable, disable, keys
 *   twin    twin_cli.c    show, update
 *   message message_cli.c send, purge, feedback
 *   query   query_cli.c   rows as a table (table.c) or as JSON
 *
 * What is asked for goes to stdout, complaints go to stderr. */
#pragma once
#include "app/app.h"
#include "app/service_client.h"
#include <stdio.h>

enum { OPERATOR_PROPERTIES_MAX = 64 };

struct operator_options {
    struct service_place place;
    const char *command;   /* "device show", for complaints */
    const char *id, *text; /* the arguments; NULL when absent */
    const char *module;    /* NULL: the device itself */
    const char *where, *auth, *thumbprint, *second_thumbprint, *key, *second_key, *scope, *reason;
    const char *rotate, *file, *tags, *desired, *etag;
    const char *message_id, *content_type, *ack;
    const char *properties[OPERATOR_PROPERTIES_MAX]; /* "name=value" */
    size_t property_count;
    int64_t limit;  /* -1: not given */
    int64_t life_s; /* 0: not given */
    bool json, disabled, edge, replace, keep;
};

struct operator_command {
    const char *name, *argument, *summary; /* argument: " ID" */
    const char *options;                   /* letters of operator_cli.c that it takes */
    int arguments_min, arguments_max;      /* 0 to 2 */
    int (*run)(struct service *service, const struct operator_options *options);
    const char *help; /* a paragraph and the options */
};
struct operator_family {
    const char *name, *about, *examples;
    const struct operator_command *commands; /* a single one without a name: no subcommands */
    size_t count;
};
/* A family's command line; the exit code. */
int operator_main(const struct operator_family *family, int argc, char **argv);

/* Complain; the exit code for it. */
int operator_complain(const struct operator_options *options, enum err err, const struct why *why);

/* One request; the answer's texts and, when it has a body, its tree are in `mem`. Complains. EXIT_OK or
 * the exit code. */
int operator_ask(struct service *service, const struct operator_options *options,
                 const struct service_request *request, struct arena *mem,
                 struct service_answer *out, yyjson_val **root);

/* Run a query and print its rows, as the options say (query_cli.c). */
int query_print(struct service *service, const struct operator_options *options, struct str text);

/* "/twins/{id}" or "/twins/{id}/modules/{module}", in `mem`. */
struct str operator_path(const struct operator_options *options, const char *collection,
                         struct arena *mem);
