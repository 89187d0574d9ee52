/* authority_board.h - the registered CAs as they are now, for every thread.
 *
 * The hub thread changes them (hub/authorities.h) after each commit. The generation moves with each
 * change: what was found about a chain under another one has to be looked at again. */
#pragma once
#include "model/authority.h"

struct authority_board;
struct authority_board *authority_board_create(const struct authority *all, size_t count);
void authority_board_destroy(struct authority_board *board); /* accepts NULL */

/* Replaces all; copies what it is given. */
void authority_board_set(struct authority_board *board, const struct authority *all, size_t count);
/* From 1. */
uint64_t authority_board_generation(const struct authority_board *board);
/* All of them, copied into `mem`, and their generation (NULL: not wanted). */
struct authority *authority_board_all(struct authority_board *board, struct arena *mem,
                                      size_t *count, uint64_t *generation);
/* Is the CA with this SHA-256 registered and trusted? */
bool authority_board_trusts(struct authority_board *board, struct str fingerprint);
