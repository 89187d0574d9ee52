#include "model/authority_board.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct authority_board {
    pthread_mutex_t lock; /* held for a look or a copy */
    struct arena mem;     /* of all */
    struct authority *all;
    size_t count;
    atomic_uint_fast64_t generation;
};

static void fill(struct authority_board *board, const struct authority *all, size_t count)
{
    arena_done(&board->mem);
    board->mem = (struct arena){0};
    board->all = arena_array(&board->mem, struct authority, count + 1);
    board->count = count;
    for (size_t i = 0; i < count; i++)
        board->all[i] = authority_copy(&board->mem, &all[i]);
}

struct authority_board *authority_board_create(const struct authority *all, size_t count)
{
    struct authority_board *board = xcalloc(1, sizeof(*board));
    pthread_mutex_init(&board->lock, NULL);
    fill(board, all, count);
    atomic_init(&board->generation, 1);
    return board;
}

void authority_board_destroy(struct authority_board *board)
{
    if (!board)
        return;
    arena_done(&board->mem);
    pthread_mutex_destroy(&board->lock);
    free(board);
}

void authority_board_set(struct authority_board *board, const struct authority *all, size_t count)
{
    pthread_mutex_lock(&board->lock);
    fill(board, all, count);
    atomic_fetch_add(&board->generation, 1);
    pthread_mutex_unlock(&board->lock);
}

uint64_t authority_board_generation(const struct authority_board *board)
{
    return atomic_load(&board->generation);
}

struct authority *authority_board_all(struct authority_board *board, struct arena *mem,
                                      size_t *count, uint64_t *generation)
{
    pthread_mutex_lock(&board->lock);
    struct authority *all = arena_array(mem, struct authority, board->count + 1);
    for (size_t i = 0; i < board->count; i++)
        all[i] = authority_copy(mem, &board->all[i]);
    *count = board->count;
    if (generation)
        *generation = atomic_load(&board->generation);
    pthread_mutex_unlock(&board->lock);
    return all;
}

bool authority_board_trusts(struct authority_board *board, struct str fingerprint)
{
    bool trusts = false;
    pthread_mutex_lock(&board->lock);
    for (size_t i = 0; i < board->count && !trusts; i++)
        trusts = board->all[i].verified && str_eq(board->all[i].fingerprint, fingerprint);
    pthread_mutex_unlock(&board->lock);
    return trusts;
}
