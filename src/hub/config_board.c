#include "hub/config_board.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    uint32_t configuration;
    struct str id; /* ours */
    roaring_bitmap_t *sets[CONFIG_SETS];
};
struct config_board {
    pthread_rwlock_t lock;
    atomic_size_t count; /* of entries: most hubs have none, and ask for no lock */
    struct entry entries[CONFIGURATIONS_MAX];
};

struct config_board *config_board_create(void)
{
    struct config_board *board = xcalloc(1, sizeof(*board));
    pthread_rwlock_init(&board->lock, NULL);
    return board;
}

static void free_entry(struct entry *entry)
{
    free((void *)(uintptr_t)entry->id.ptr);
    for (int set = 0; set < CONFIG_SETS; set++)
        roaring_bitmap_free(entry->sets[set]);
}

void config_board_destroy(struct config_board *board)
{
    if (!board)
        return;
    for (size_t i = 0; i < atomic_load(&board->count); i++)
        free_entry(&board->entries[i]);
    pthread_rwlock_destroy(&board->lock);
    free(board);
}

static struct entry *find(const struct config_board *board, uint32_t configuration)
{
    for (size_t i = 0; i < atomic_load(&board->count); i++)
        if (board->entries[i].configuration == configuration)
            return (struct entry *)&board->entries[i];
    return NULL;
}

bool config_board_put(struct config_board *board, uint32_t number, struct buf *out)
{
    if (!board || atomic_load(&board->count) == 0)
        return false;
    bool any = false;
    pthread_rwlock_rdlock(&board->lock);
    for (size_t i = 0; i < atomic_load(&board->count); i++) {
        const struct entry *entry = &board->entries[i];
        bool module = roaring_bitmap_contains(entry->sets[CONFIG_MODULES_TARGETED], number);
        if (!module && !roaring_bitmap_contains(entry->sets[CONFIG_TARGETED], number))
            continue;
        enum config_set applied = module ? CONFIG_MODULES_APPLIED : CONFIG_APPLIED;
        buf_put_char(out, any ? ',' : '{');
        json_put_str(out, entry->id);
        buf_put(out, roaring_bitmap_contains(entry->sets[applied], number)
                         ? STR(":{\"status\":\"Applied\"}")
                         : STR(":{\"status\":\"Targeted\"}"));
        any = true;
    }
    pthread_rwlock_unlock(&board->lock);
    if (any)
        buf_put_char(out, '}');
    return any;
}

void config_board_count(struct config_board *board, uint32_t configuration, uint64_t *targeted,
                        uint64_t *applied)
{
    pthread_rwlock_rdlock(&board->lock);
    const struct entry *entry = find(board, configuration);
    *targeted = entry ? roaring_bitmap_get_cardinality(entry->sets[CONFIG_TARGETED]) : 0;
    *applied = entry ? roaring_bitmap_get_cardinality(entry->sets[CONFIG_APPLIED]) : 0;
    pthread_rwlock_unlock(&board->lock);
}

void config_board_add(struct config_board *board, uint32_t configuration, struct str id)
{
    struct entry entry = {.configuration = configuration};
    char *text = xmalloc(id.len + 1);
    memcpy(text, id.ptr, id.len);
    entry.id = str_of(text, id.len);
    for (int set = 0; set < CONFIG_SETS; set++)
        entry.sets[set] = roaring_bitmap_create();
    pthread_rwlock_wrlock(&board->lock);
    board->entries[board->count] = entry;
    atomic_fetch_add(&board->count, 1);
    pthread_rwlock_unlock(&board->lock);
}

void config_board_remove(struct config_board *board, uint32_t configuration)
{
    struct entry *entry = find(board, configuration);
    if (!entry)
        return;
    pthread_rwlock_wrlock(&board->lock);
    free_entry(entry);
    *entry = board->entries[atomic_fetch_sub(&board->count, 1) - 1];
    pthread_rwlock_unlock(&board->lock);
}

const roaring_bitmap_t *config_board_set(const struct config_board *board, uint32_t configuration,
                                         enum config_set set)
{
    const struct entry *entry = find(board, configuration);
    return entry ? entry->sets[set] : NULL;
}

void config_board_change(struct config_board *board, uint32_t configuration, enum config_set set,
                         const roaring_bitmap_t *come, const roaring_bitmap_t *gone)
{
    struct entry *entry = find(board, configuration);
    if (!entry)
        return;
    pthread_rwlock_wrlock(&board->lock);
    roaring_bitmap_or_inplace(entry->sets[set], come);
    roaring_bitmap_andnot_inplace(entry->sets[set], gone);
    pthread_rwlock_unlock(&board->lock);
}
