#include "model/policy_board.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct policy_board {
    pthread_mutex_t lock; /* held for a look, never for a computation */
    struct arena mem;     /* of the names */
    struct board_row {
        struct str name;
        struct policy_grant grant;
    } rows[POLICIES_KEPT_MAX];
    size_t count;
    atomic_uint_fast64_t generation;
};

static void fill(struct policy_board *board, const struct policy *policies, size_t count)
{
    assert(count <= POLICIES_KEPT_MAX);
    explicit_bzero(board->rows, sizeof(board->rows));
    arena_done(&board->mem);
    board->mem = (struct arena){0};
    for (size_t i = 0; i < count; i++) {
        struct board_row *row = &board->rows[i];
        assert(policies[i].primary_key.len == POLICY_KEY_SIZE);
        assert(policies[i].secondary_key.len == POLICY_KEY_SIZE);
        row->name = str_copy(&board->mem, policies[i].name);
        row->grant.rights = policies[i].rights;
        memcpy(row->grant.primary, policies[i].primary_key.ptr, POLICY_KEY_SIZE);
        memcpy(row->grant.secondary, policies[i].secondary_key.ptr, POLICY_KEY_SIZE);
    }
    board->count = count;
}

struct policy_board *policy_board_create(const struct policy *policies, size_t count)
{
    struct policy_board *board = xcalloc(1, sizeof(*board));
    pthread_mutex_init(&board->lock, NULL);
    fill(board, policies, count);
    return board;
}

void policy_board_destroy(struct policy_board *board)
{
    if (!board)
        return;
    fill(board, NULL, 0);
    arena_done(&board->mem);
    pthread_mutex_destroy(&board->lock);
    free(board);
}

void policy_board_set(struct policy_board *board, const struct policy *policies, size_t count)
{
    pthread_mutex_lock(&board->lock);
    fill(board, policies, count);
    atomic_fetch_add(&board->generation, 1);
    pthread_mutex_unlock(&board->lock);
}

uint64_t policy_board_generation(const struct policy_board *board)
{
    return atomic_load(&board->generation);
}

bool policy_board_find(struct policy_board *board, struct str name, struct policy_grant *out)
{
    bool found = false;
    pthread_mutex_lock(&board->lock);
    for (size_t i = 0; i < board->count && !found; i++) {
        found = str_eq_nocase(board->rows[i].name, name);
        if (found)
            *out = board->rows[i].grant;
    }
    pthread_mutex_unlock(&board->lock);
    return found;
}

const struct policy *policy_board_all(struct policy_board *board, struct arena *mem, size_t *count)
{
    pthread_mutex_lock(&board->lock);
    struct policy *all = arena_array(mem, struct policy, board->count + 1);
    for (size_t i = 0; i < board->count; i++) {
        const struct board_row *row = &board->rows[i];
        all[i] = (struct policy){
            .name = str_copy(mem, row->name),
            .rights = row->grant.rights,
            .primary_key = str_copy(mem, policy_grant_primary(&row->grant)),
            .secondary_key = str_copy(mem, policy_grant_secondary(&row->grant)),
        };
    }
    *count = board->count;
    pthread_mutex_unlock(&board->lock);
    return all;
}
