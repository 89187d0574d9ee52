/* How an index is filled: a batch of twins at a time, in the order of its keys.
 *
 *      read by number --STORE_INDEX_BATCH keys--> sort --> write by key --> settle --> the next batch
 *
 * Twins lie in the order of numbers, entries in the order of keys: written as they are read, each entry
 * changes another page, and a million of them write a million pages. Sorted, a batch passes each page
 * once. Between two steps commits go on: up to `claimed` they keep the index as if it was filled, and what
 * they change of the batch is noted, not written from the batch, and looked up in the end. */
#include "base/banned.h"
#include "store/sqlite_store.h"
#include <assert.h>
#include <stdlib.h>

struct fill_entry {
    uint32_t number;
    uint32_t key; /* where it stands in `keys` */
};

/* ---- the batch ---- */

static struct str key_at(const struct index_fill *fill, const struct fill_entry *entry)
{
    const char *key = fill->keys.ptr + entry->key;
    return str_of(key + 1, (unsigned char)*key);
}

static void add(struct index_fill *fill, uint32_t number, struct str key)
{
    if (fill->count == fill->cap) {
        fill->cap = fill->cap ? fill->cap * 2 : 1024;
        fill->entries = xrealloc(fill->entries, fill->cap * sizeof *fill->entries);
    }
    fill->entries[fill->count++] = (struct fill_entry){number, (uint32_t)fill->keys.len};
    buf_put_char(&fill->keys, (char)key.len);
    buf_put(&fill->keys, key);
}

static void begin_batch(struct index_fill *fill)
{
    fill->is_sorted = false;
    fill->count = fill->written = fill->written_next = fill->settled_count = 0;
    buf_reset(&fill->keys);
    if (!fill->changed)
        fill->changed = roaring_bitmap_create();
    roaring_bitmap_clear(fill->changed);
}

void sqlite_fill_end(struct sqlite_store *s)
{
    struct index_fill *fill = &s->fill;
    free(fill->entries);
    buf_done(&fill->keys);
    if (fill->changed)
        roaring_bitmap_free(fill->changed);
    *fill = (struct index_fill){.batch = fill->batch};
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct fill_entry *x = a, *y = b;
    int order = str_cmp(key_at(arg, x), key_at(arg, y));
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* ---- steps ---- */

static enum err read_some(struct sqlite_store *s, const struct path_index *index, struct why *why)
{
    static const enum sql fills[] = {SQL_FILL_TAGS, SQL_FILL_DESIRED, SQL_FILL_REPORTED};
    struct index_fill *fill = &s->fill;
    enum err err;
    sqlite3_stmt *rows = db_query(&s->db, fills[index->path.section], &err, why);
    if (err)
        return err;
    bind_int(rows, 1, fill->claimed);
    bind_int(rows, 2, STORE_INDEX_FILL_ROWS);
    size_t count = 0;
    int rc;
    for (; (rc = sqlite3_step(rows)) == SQLITE_ROW; count++) {
        char key[BOUNDS_KEY_MAX];
        size_t size = sqlite_index_key(index, column_str(rows, 1), key);
        fill->claimed = (uint32_t)sqlite3_column_int64(rows, 0);
        if (size)
            add(fill, fill->claimed, str_of(key, size));
    }
    fill->is_last = rc == SQLITE_DONE && count < STORE_INDEX_FILL_ROWS;
    return db_finish(&s->db, rows, rc, why);
}

static enum err write_some(struct sqlite_store *s, struct why *why)
{
    struct index_fill *fill = &s->fill;
    enum err err = ERR_OK;
    size_t at = fill->written;
    for (; !err && at < fill->count && at - fill->written < STORE_INDEX_FILL_ROWS; at++) {
        const struct fill_entry *entry = &fill->entries[at];
        if (!roaring_bitmap_contains(fill->changed, entry->number))
            err = sqlite_index_enter(&s->db, fill->id, key_at(fill, entry), entry->number, why);
    }
    fill->written_next = at;
    return err;
}

/* What is stored now, whether the commit that changed it came to its end or not. */
static enum err settle_some(struct sqlite_store *s, const struct path_index *index, struct why *why)
{
    struct index_fill *fill = &s->fill;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(fill->changed, &at);
    fill->settled_count = roaring_read_uint32_iterator(&at, fill->settled, STORE_INDEX_FILL_ROWS);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < fill->settled_count; i++) {
        char key[BOUNDS_KEY_MAX];
        size_t size;
        err = sqlite_index_old_key(&s->db, index, fill->settled[i], key, &size, why);
        if (!err)
            err = sqlite_index_enter(&s->db, fill->id, str_of(key, size), fill->settled[i], why);
    }
    return err;
}

enum err sqlite_fill_step(struct sqlite_store *s, struct path_index *index, bool *done,
                          struct why *why)
{
    struct index_fill *fill = &s->fill;
    *done = false;
    if (fill->id != index->id) {
        sqlite_fill_end(s);
        fill->id = index->id;
        fill->claimed = index->filled;
        begin_batch(fill);
    }
    if (!fill->is_sorted) {
        enum err err = read_some(s, index, why);
        if (!err && (fill->is_last || fill->count >= fill->batch)) {
            if (fill->count)
                qsort_r(fill->entries, fill->count, sizeof *fill->entries, by_key, fill);
            fill->is_sorted = true;
        }
        return err;
    }
    if (fill->written < fill->count)
        return write_some(s, why);
    if (!roaring_bitmap_is_empty(fill->changed))
        return settle_some(s, index, why);
    *done = fill->is_done = fill->is_last;
    if (!*done)
        begin_batch(fill);
    return ERR_OK;
}

void sqlite_fill_committed(struct sqlite_store *s, bool committed)
{
    struct index_fill *fill = &s->fill;
    if (committed) {
        fill->written = fill->written_next;
        for (size_t i = 0; i < fill->settled_count; i++)
            roaring_bitmap_remove(fill->changed, fill->settled[i]);
    }
    if (committed && fill->is_done) {
        sqlite_fill_end(s);
        return;
    }
    fill->is_done = false;
    fill->written_next = fill->written;
    fill->settled_count = 0;
}

uint32_t sqlite_fill_reach(const struct sqlite_store *s, const struct path_index *index)
{
    return s->fill.id == index->id && s->fill.claimed > index->filled ? s->fill.claimed
                                                                      : index->filled;
}

void sqlite_fill_changed(struct sqlite_store *s, const struct path_index *index, uint32_t number)
{
    if (s->fill.id == index->id)
        roaring_bitmap_add(s->fill.changed, number);
}
