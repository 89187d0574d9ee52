/* policy_board.h - the access policies as they are now, for every thread.
 *
 * The hub thread changes them (hub/policies.h) after each commit; whoever checks a token looks one up
 * and gets a copy, so that nothing is held while a signature is computed. The generation moves with each
 * change: what was proven under another one has to be proven again. */
#pragma once
#include "model/policy.h"
#include <stdatomic.h>

struct policy_grant { /* a copy of a policy: it stays good when the policy goes */
    unsigned rights;
    char primary[POLICY_KEY_SIZE], secondary[POLICY_KEY_SIZE];
};

struct policy_board;
struct policy_board *policy_board_create(const struct policy *policies, size_t count);
void policy_board_destroy(struct policy_board *board); /* accepts NULL; wipes the keys */

/* Replaces all; copies what it is given. */
void policy_board_set(struct policy_board *board, const struct policy *policies, size_t count);
uint64_t policy_board_generation(const struct policy_board *board);
/* By name, without case; false when there is none. */
bool policy_board_find(struct policy_board *board, struct str name, struct policy_grant *out);
/* All of them, copied into `mem`. */
const struct policy *policy_board_all(struct policy_board *board, struct arena *mem, size_t *count);

static inline struct str policy_grant_primary(const struct policy_grant *grant)
{
    return str_of(grant->primary, POLICY_KEY_SIZE);
}
static inline struct str policy_grant_secondary(const struct policy_grant *grant)
{
    return str_of(grant->secondary, POLICY_KEY_SIZE);
}
