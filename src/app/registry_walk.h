/* registry_walk.h - all identities and twins of a store, and its configurations, line by line, of one snapshot. */
#pragma once
#include "model/export_line.h"
#include "store/store.h"

/* Edge devices, since others name them as their parents, then the other devices, then modules, each in
 * the order of their numbers; then configurations, by id, where they are wanted. `line` ends with '\n' and
 * lives until it was taken; `total` is the number of identities. An error of `take` or `take_configuration`
 * ends the walk and is given back. */
struct registry_walk {
    struct export_form form;
    enum err (*take)(void *arg, struct str line, uint64_t total, struct why *why);
    enum err (*take_configuration)(void *arg, struct str line, struct why *why); /* NULL: none */
    void *arg;
};
enum err registry_walk(struct store_reader *reader, const struct registry_walk *what,
                       struct why *why);
