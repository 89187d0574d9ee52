/* Which paths have an index: those that scans keep asking for, as long as they are used.
 *
 *   scans note wishes --STORE_INDEX_SCANS--> FILLING --chunk by chunk--> COMPLETE
 *                                                                           |  unused, or it
 *                                 gone <--chunk by chunk-- DROPPING <-------+  selects too many
 *
 * Wishes live in memory: after a start, evidence is gathered anew. Everything else is rows, changed
 * by the writer in steps of STORE_INDEX_FILL_ROWS, each a transaction (index_fill.c). An index whose
 * filling was cut short by the end of the process is dropped and begun anew. */
#include "base/banned.h"
#include "model/fault.h"
#include "store/sqlite_store.h"
#include <assert.h>
#include <stdlib.h>

static const int64_t NS_PER_SECOND = 1000000000;
enum { BROAD_MAX = 16 }; /* uses in vain, and none that helped, before it goes */

/* ---- the list in memory ---- */

/* Texts of the list are malloced: the list is small and lives as long as the store. */
static enum err reload(struct sqlite_store *s, struct why *why)
{
    struct arena mem = {0};
    struct index_list fresh;
    enum err err = sqlite_indexes_read(&s->db, &mem, &fresh, why);
    if (!err) {
        for (size_t i = 0; i < s->indexes.count; i++)
            free((char *)(uintptr_t)s->indexes.items[i].text.ptr);
        s->indexes = fresh;
        for (size_t i = 0; i < fresh.count; i++) {
            struct path_index *index = &s->indexes.items[i];
            index->text = str_of(strndup(index->text.ptr, index->text.len), index->text.len);
            bool known = bounds_path_read(index->text, &index->path);
            assert(known);
        }
    }
    arena_done(&mem);
    return err;
}

static struct index_wish *wish_of(struct index_care *care, struct str path)
{
    struct index_wish *oldest = &care->wishes[0];
    for (size_t i = 0; i < care->count; i++) {
        if (str_eq(str_from(care->wishes[i].path), path))
            return &care->wishes[i];
        if (oldest->indexed ||
            (!care->wishes[i].indexed && care->wishes[i].last_ns < oldest->last_ns))
            oldest = &care->wishes[i];
    }
    if (path.len > BOUNDS_PATH_MAX)
        return NULL;
    struct index_wish *wish = care->count < WISHES_MAX ? &care->wishes[care->count++] : oldest;
    *wish = (struct index_wish){0};
    memcpy(wish->path, path.ptr, path.len);
    return wish;
}

static int64_t now_ns(const struct sqlite_store *s)
{
    return s->clock->mono_ns(s->clock);
}

static enum err write_index(struct sqlite_store *s, const struct path_index *index,
                            struct why *why);

/* Its batch is gone, and commits did not keep what is there of it. */
static enum err begin_anew(struct sqlite_store *s, struct path_index *index,
                           struct index_wish *wish, struct why *why)
{
    index->state = INDEX_DROPPING;
    wish->indexed = false;
    wish->scans = STORE_INDEX_SCANS;
    return write_index(s, index, why);
}

enum err sqlite_care_begin(struct sqlite_store *s, struct why *why)
{
    enum err err = reload(s, why);
    bool unfinished = false;
    for (size_t i = 0; !err && i < s->indexes.count; i++) {
        struct path_index *index = &s->indexes.items[i];
        struct index_wish *wish = wish_of(&s->care, index->text);
        wish->indexed = true;
        wish->last_ns = now_ns(s);
        unfinished |= index->state != INDEX_COMPLETE;
        if (index->state == INDEX_FILLING)
            err = begin_anew(s, index, wish, why);
    }
    atomic_store(&s->care.chores, unfinished);
    return err;
}

void sqlite_care_end(struct sqlite_store *s)
{
    for (size_t i = 0; i < s->indexes.count; i++)
        free((char *)(uintptr_t)s->indexes.items[i].text.ptr);
    s->indexes.count = 0;
    sqlite_fill_end(s);
}

/* ---- evidence ---- */

void sqlite_care_used(struct sqlite_store *s, struct str path, bool broad)
{
    pthread_mutex_lock(&s->care.lock);
    struct index_wish *wish = wish_of(&s->care, path);
    if (wish) {
        wish->indexed = true;
        wish->last_ns = broad ? wish->last_ns : now_ns(s);
        ++*(broad ? &wish->broad : &wish->useful);
        if (wish->broad >= BROAD_MAX && wish->useful == 0)
            atomic_store(&s->care.chores, true);
    }
    pthread_mutex_unlock(&s->care.lock);
}

static bool wish_for(struct sqlite_store *s, const struct bounds *bounds)
{
    bool due = false;
    for (size_t i = 0; i < bounds->count; i++)
        due |= wish_for(s, bounds->parts[i]);
    if (bounds->kind != BOUNDS_RANGE)
        return due;
    struct index_wish *wish = wish_of(&s->care, bounds->path);
    int64_t now = now_ns(s);
    if (!wish || wish->indexed || wish->last_ns == now) /* once per scan, not per element of IN */
        return due;
    wish->last_ns = now;
    return ++wish->scans >= STORE_INDEX_SCANS || due;
}

bool sqlite_note_scan(struct store_reader *base, const struct query *query, uint64_t read,
                      uint64_t matched)
{
    struct sqlite_store *s = ((struct sqlite_reader *)base)->store;
    const struct bounds *bounds = query_bounds(query);
    if (!bounds || s->read_only || read < STORE_INDEX_FLEET_MIN || matched > read / STORE_INDEX_FEW)
        return false;
    pthread_mutex_lock(&s->care.lock);
    bool due = wish_for(s, bounds);
    if (due)
        atomic_store(&s->care.chores, true);
    pthread_mutex_unlock(&s->care.lock);
    return due;
}

bool sqlite_has_chores(const struct store *store)
{
    return atomic_load(&((const struct sqlite_store *)store)->care.chores);
}

/* ---- steps ---- */

static enum err write_index(struct sqlite_store *s, const struct path_index *index, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(&s->db, SQL_WRITE_INDEX, &err, why);
    if (err)
        return err;
    bind_int(query, 1, index->id);
    bind_text(query, 2, index->text);
    bind_int(query, 3, index->state);
    bind_int(query, 4, index->filled);
    return db_run(&s->db, query, why);
}

static enum err fill(struct sqlite_store *s, struct path_index *index, struct why *why)
{
    bool done;
    uint32_t filled = index->filled;
    enum err err = sqlite_fill_step(s, index, &done, why);
    if (!err && done) {
        index->state = INDEX_COMPLETE;
        index->filled = UINT32_MAX;
    }
    return err || index->filled == filled ? err : write_index(s, index, why);
}

static enum err drop(struct sqlite_store *s, struct path_index *index, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(&s->db, SQL_REMOVE_PATH_ENTRIES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, index->id);
    bind_int(query, 2, STORE_INDEX_FILL_ROWS);
    err = db_run(&s->db, query, why);
    if (err || sqlite3_changes(s->db.handle) == STORE_INDEX_FILL_ROWS)
        return err;
    query = db_query(&s->db, SQL_REMOVE_INDEX, &err, why);
    if (err)
        return err;
    bind_int(query, 1, index->id);
    return db_run(&s->db, query, why);
}

static enum err create(struct sqlite_store *s, struct str path, struct why *why)
{
    uint32_t id = 1;
    for (size_t i = 0; i < s->indexes.count; i++)
        if (s->indexes.items[i].id >= id)
            id = s->indexes.items[i].id + 1;
    return write_index(
        s, &(struct path_index){.id = id, .text = path, .state = INDEX_FILLING, .filled = 0}, why);
}

/* ---- deciding ---- */

struct chore {
    enum { NOTHING, CREATE, FILL, MARK, DROP } what;
    struct path_index index;
    char path[BOUNDS_PATH_MAX + 1];
};

static bool is_useless(const struct index_wish *wish, int64_t now)
{
    return (wish->broad >= BROAD_MAX && wish->useful == 0) ||
           now - wish->last_ns > STORE_INDEX_UNUSED_S * NS_PER_SECOND;
}

/* What is begun is finished first. Under the lock of care. */
static struct chore choose(struct sqlite_store *s)
{
    int64_t now = now_ns(s);
    for (size_t i = 0; i < s->indexes.count; i++) {
        const struct path_index *index = &s->indexes.items[i];
        if (index->state != INDEX_COMPLETE)
            return (struct chore){.what = index->state == INDEX_FILLING ? FILL : DROP,
                                  .index = *index};
        struct index_wish *wish = wish_of(&s->care, index->text);
        if (wish && is_useless(wish, now)) {
            wish->scans = 0;
            wish->indexed = wish->useful == 0; /* what never helped is not made again */
            return (struct chore){.what = MARK, .index = *index};
        }
    }
    for (size_t i = 0; i < s->care.count && s->indexes.count < STORE_INDEXES_MAX; i++) {
        struct index_wish *wish = &s->care.wishes[i];
        if (wish->indexed || wish->scans < STORE_INDEX_SCANS)
            continue;
        struct chore chore = {.what = CREATE};
        memcpy(chore.path, wish->path, sizeof chore.path);
        wish->indexed = true;
        wish->useful = wish->broad = 0;
        wish->last_ns = now;
        return chore;
    }
    return (struct chore){.what = NOTHING};
}

static enum err carry_out(struct sqlite_store *s, struct chore *chore, struct why *why)
{
    switch (chore->what) {
    case CREATE:
        return create(s, str_from(chore->path), why);
    case FILL:
        return fill(s, &chore->index, why);
    case MARK:
        chore->index.state = INDEX_DROPPING;
        return write_index(s, &chore->index, why);
    case DROP:
        return drop(s, &chore->index, why);
    case NOTHING:
        break;
    }
    return ERR_OK;
}

static void wish_again(struct sqlite_store *s, struct str path)
{
    pthread_mutex_lock(&s->care.lock);
    struct index_wish *wish = wish_of(&s->care, path);
    wish->indexed = false;
    wish->scans = STORE_INDEX_SCANS;
    pthread_mutex_unlock(&s->care.lock);
}

enum err sqlite_tend(struct store *store, struct why *why)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    assert(!s->read_only);
    if (store_pressure(store) != STORE_EASY)
        return ERR_OK;
    pthread_mutex_lock(&s->care.lock);
    struct chore chore = choose(s);
    if (chore.what == NOTHING)
        atomic_store(&s->care.chores, false);
    pthread_mutex_unlock(&s->care.lock);
    if (chore.what == NOTHING)
        return ERR_OK;
    pthread_mutex_lock(&s->writing);
    enum err err = db_exec(&s->db, "BEGIN IMMEDIATE", why);
    if (!err)
        err = carry_out(s, &chore, why);
    if (!err)
        err = db_exec(&s->db, "COMMIT", why);
    if (err)
        db_rollback(&s->db);
    sqlite_fill_committed(s, !err);
    pthread_mutex_unlock(&s->writing);
    if (err && chore.what == CREATE)
        wish_again(s, str_from(chore.path));
    return err ? err : reload(s, why);
}
