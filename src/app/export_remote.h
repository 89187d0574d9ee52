/* export_remote.h - the lines of an export, asked from a hub over REST.
 *
 *   pages of twins (queries) --> the identity of each, many at a time --> lines, in the order of the page
 *
 * Not of one moment: each device is as it was when it was asked for. What is deleted meanwhile is left out. Any hub
 * that speaks this REST will do. Needs the rights RegistryRead and ServiceConnect. */
#pragma once
#include "app/service_client.h"
#include "model/export_line.h"

struct export_remote {
    struct export_form form;
    enum err (*take)(void *arg, struct str line, uint64_t total, struct why *why);
    enum err (*take_configuration)(void *arg, struct str line, struct why *why);
    void *arg;
};
/* Lines as from registry_walk, edge devices first; `total` is that of devices, 0 when the hub does not say. An error of a `take` ends it and is given back. */
enum err export_remote(struct service *service, const struct export_remote *what, struct why *why);

/* The line of an identity and its twin, as a hub answers with both, without a line end. */
void export_remote_line(struct buf *out, yyjson_val *identity, yyjson_val *twin,
                        struct export_form form);
