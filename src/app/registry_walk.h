/* registry_walk.h - all identities and twins of a store, line by line, of one snapshot. */
#pragma once
#include "model/export_line.h"
#include "store/store.h"

/* Edge devices, since others name them as their parents, then the other devices, then modules, each in
 * the order of their numbers. `line` ends with '\n' and lives until `take`
 * returns; `total` is their number. An error of `take` ends the walk and is given back. */
enum err registry_walk(struct store_reader *reader, struct export_form form,
                       enum err (*take)(void *arg, struct str line, uint64_t total,
                                        struct why *why),
                       void *arg, struct why *why);
