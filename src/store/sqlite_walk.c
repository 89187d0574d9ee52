/* A fleet, table by table: who there is, a cursor for each section that is wanted, and they go side
 * by side in the order of their numbers.
 *
 *      fleet (bitmap) or identity   1  2  3  5  6 ...
 *      tags                         1     3  5 ...
 *      reported                     1  2     5 ...
 *
 * One statement with joins looks each section up anew and carries thirty columns through every row:
 * it took 1.0 us for an identity alone and 0.7 us for each section (bench/query). Side by side, and
 * with no more columns than are read, an identity is 0.01 us bare and the values of a section are 0.11
 * to 0.17 us, in batches (sqlite_batch.c); half of that is fetching pages. */
#include "base/banned.h"
#include "store/sqlite_store.h"
#include <stdio.h>

enum { LONG_ROWS = 4096 }; /* a walk that got so far is going through the table */

struct cursor {
    sqlite3_stmt *query; /* NULL: not wanted, or batches are */
    int rc;
    uint32_t number; /* of the row that it stands on; UINT32_MAX behind the last */
    struct batch batch;
};
enum { SECTIONS = TWIN_REPORTED + 1 };
struct walk {
    struct db *db;
    const struct store_scan *scan;
    uint32_t until;
    bool no_identity, values_only;
    struct cursor identities;
    struct cursor sections[SECTIONS];
    struct why *why;
    bool (*visit)(void *, const struct entity *);
    void *arg;
    struct entity entity;
    struct twin_section *into[SECTIONS];
};

static const unsigned part_of[SECTIONS] = {PART_TAGS, PART_DESIRED, PART_REPORTED};
static const enum sql sql_of[SECTIONS] = {SQL_WALK_TAGS, SQL_WALK_DESIRED, SQL_WALK_REPORTED};
static const enum sql values_of[SECTIONS] = {SQL_WALK_TAGS_VALUES, SQL_WALK_DESIRED_VALUES,
                                             SQL_WALK_REPORTED_VALUES};

/* ---- cursors ---- */

static void stand(struct cursor *c, bool somewhere)
{
    c->number = somewhere ? c->batch.numbers[c->batch.at] : UINT32_MAX;
    c->rc = somewhere ? SQLITE_ROW : c->batch.rc;
}

static void step(struct cursor *c)
{
    if (c->batch.query) {
        stand(c, ++c->batch.at < c->batch.count || sqlite_batch_fetch(&c->batch));
        return;
    }
    c->rc = sqlite3_step(c->query);
    c->number = c->rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(c->query, 0) : UINT32_MAX;
}

static enum err begin(struct walk *w, struct cursor *c, enum sql which)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, w->scan->after);
    bind_int(query, 2, w->until);
    c->query = query;
    step(c);
    return ERR_OK;
}

static enum err begin_batch(struct walk *w, struct cursor *c, enum sql which)
{
    enum err err = sqlite_batch_begin(w->db, &c->batch, which, w->scan->after, w->until, w->why);
    stand(c, c->batch.count > 0);
    return err;
}

static bool is_wanted(const struct cursor *c)
{
    return c->query || c->batch.query;
}

static enum err end(struct walk *w, struct cursor *c)
{
    if (c->batch.query)
        return sqlite_batch_end(w->db, &c->batch, w->why);
    return c->query ? db_finish(w->db, c->query, c->rc, w->why) : ERR_OK;
}

static enum err begin_all(struct walk *w)
{
    enum err err = w->no_identity ? ERR_OK : begin(w, &w->identities, SQL_WALK_IDENTITIES);
    for (int i = 0; !err && i < SECTIONS; i++)
        if (w->scan->parts & part_of[i])
            err = w->values_only ? begin_batch(w, &w->sections[i], values_of[i])
                                 : begin(w, &w->sections[i], sql_of[i]);
    return err;
}

static enum err end_all(struct walk *w, enum err err)
{
    enum err first = err;
    for (int i = 0; i < SECTIONS; i++) {
        err = end(w, &w->sections[i]);
        first = first ? first : err;
    }
    err = end(w, &w->identities);
    return first ? first : err;
}

/* ---- one identity ---- */

/* As column_str, of a text that is never NULL. */
static struct str values_at(sqlite3_stmt *query)
{
    const void *bytes = sqlite3_column_blob(query, 1);
    return str_of(bytes, (size_t)sqlite3_column_bytes(query, 1));
}

/* The cursor stands on the identity's row or behind it. Of a bare walk only the values count. */
static void read_section(struct walk *w, enum twin_part part)
{
    const struct cursor *c = &w->sections[part];
    struct twin_section *into = w->into[part];
    if (c->number != w->entity.id.number)
        *into = twin_section_fresh(part, w->entity.id.created_ticks);
    else if (w->values_only)
        batch_values(&c->batch, &into->values);
    else
        *into = (struct twin_section){
            .values = values_at(c->query),
            .version = sqlite3_column_int64(c->query, 2),
            .stamp = sqlite3_column_int64(c->query, 3),
            .meta = column_str(c->query, 4),
        };
}

/* False: stop, because the visitor says so or because a cursor failed (end_all says why). */
static bool give(struct walk *w)
{
    for (int i = 0; i < SECTIONS; i++) {
        struct cursor *c = &w->sections[i];
        if (!is_wanted(c))
            continue;
        while (c->number < w->entity.id.number) /* rows of modules lie between */
            step(c);
        if (c->rc != SQLITE_ROW && c->rc != SQLITE_DONE)
            return false;
        read_section(w, (enum twin_part)i);
    }
    return w->visit(w->arg, &w->entity);
}

/* ---- all of them ---- */

static void limit_cache(const struct sqlite_reader *reader, int kib)
{
    char text[64];
    if (reader->db != &reader->own)
        return; /* the writer's stays as it is */
    snprintf(text, sizeof text, "PRAGMA cache_size = -%d", kib);
    db_exec(reader->db, text, NULL); /* a matter of speed only */
}

static enum err give_bare(struct walk *w, const struct sqlite_reader *reader)
{
    roaring_bitmap_t *devices;
    size_t given = 0;
    enum err err = sqlite_fleet_read(w->db, w->scan->after, w->until, &devices, w->why);
    if (err)
        return err;
    roaring_uint32_iterator_t at;
    for (roaring_init_iterator(devices, &at); at.has_value; roaring_advance_uint32_iterator(&at)) {
        w->entity.id.number = at.current_value;
        if (!give(w))
            break;
        if (++given == LONG_ROWS)
            limit_cache(reader, SQLITE_WALK_CACHE_KIB);
    }
    if (given >= LONG_ROWS)
        limit_cache(reader, SQLITE_READER_CACHE_KIB);
    roaring_bitmap_free(devices);
    return ERR_OK;
}

static enum err give_full(struct walk *w)
{
    for (struct cursor *at = &w->identities; at->rc == SQLITE_ROW; step(at)) {
        if (!sqlite_read_identity(at->query, &w->entity.id))
            return sqlite_bad_row(w->db, "identity", at->number, w->why);
        if (!give(w))
            break;
    }
    return ERR_OK;
}

enum err sqlite_walk(struct sqlite_reader *reader, const struct store_scan *scan,
                     bool (*visit)(void *, const struct entity *), void *arg, struct why *why)
{
    bool no_identity = scan->bare && !(scan->parts & PART_IDENTITY);
    struct walk w = {
        .db = reader->db,
        .scan = scan,
        .until = scan->until ? scan->until : UINT32_MAX,
        .no_identity = no_identity,
        .values_only = scan->bare,
        .why = why,
        .visit = visit,
        .arg = arg,
        .entity.loaded =
            (scan->parts & ~(unsigned)PART_IDENTITY) | (no_identity ? 0 : PART_IDENTITY),
    };
    w.into[TWIN_TAGS] = &w.entity.tags;
    w.into[TWIN_DESIRED] = &w.entity.desired;
    w.into[TWIN_REPORTED] = &w.entity.reported;
    enum err err = begin_all(&w);
    if (!err)
        err = no_identity ? give_bare(&w, reader) : give_full(&w);
    return end_all(&w, err);
}
