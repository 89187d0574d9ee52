/* Entries of path indexes: moved by every commit that touches their path, read for candidates.
 *
 * The old value of a path is looked up in the section that is about to be replaced: that page is
 * written in any case, and the index need not hold a second order of its own for it. */
#include "base/banned.h"
#include "store/sqlite_write.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARSE_BLOCK = 16 * 1024 };

/* ---- what there is ---- */

enum err sqlite_indexes_read(struct db *db, struct arena *mem, struct index_list *out,
                             struct why *why)
{
    enum err err;
    *out = (struct index_list){0};
    sqlite3_stmt *query = db_query(db, SQL_INDEXES, &err, why);
    if (err)
        return err;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW && out->count < STORE_INDEXES_MAX) {
        struct path_index *index = &out->items[out->count];
        *index = (struct path_index){
            .id = (uint32_t)sqlite3_column_int64(query, 0),
            .text = str_copy(mem, column_str(query, 1)),
            .state = (enum index_state)sqlite3_column_int64(query, 2),
            .filled = (uint32_t)sqlite3_column_int64(query, 3),
        };
        if (bounds_path_read(index->text, &index->path))
            out->count++;
    }
    return db_finish(db, query, rc, why);
}

/* ---- one entry ---- */

size_t sqlite_index_key(const struct path_index *index, struct str values, char out[BOUNDS_KEY_MAX])
{
    char fixed[PARSE_BLOCK];
    if (!values.ptr)
        return 0;
    size_t need = yyjson_read_max_memory_usage(values.len, YYJSON_READ_NOFLAG);
    char *block = need <= sizeof fixed ? fixed : xmalloc(need);
    yyjson_alc pool;
    yyjson_alc_pool_init(&pool, block, need <= sizeof fixed ? sizeof fixed : need);
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)values.ptr, values.len,
                                       YYJSON_READ_NOFLAG, &pool, NULL);
    size_t size = bounds_key(&index->path, yyjson_doc_get_root(doc), out);
    if (block != fixed)
        free(block);
    return size;
}

static enum err run_entry(struct db *db, enum sql which, uint32_t id, struct str key,
                          uint32_t number, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    if (err || key.len == 0)
        return err;
    bind_int(query, 1, id);
    bind_blob(query, 2, key);
    bind_int(query, 3, number);
    return db_run(db, query, why);
}

enum err sqlite_index_enter(struct db *db, uint32_t id, struct str key, uint32_t number,
                            struct why *why)
{
    return run_entry(db, SQL_WRITE_PATH_ENTRY, id, key, number, why);
}

/* ---- following a commit ---- */

static const unsigned part_of[] = {PART_TAGS, PART_DESIRED, PART_REPORTED};
static const enum sql old_of[] = {SQL_OLD_TAGS, SQL_OLD_DESIRED, SQL_OLD_REPORTED};

enum err sqlite_index_old_key(struct db *db, const struct path_index *index, uint32_t number,
                              char out[BOUNDS_KEY_MAX], size_t *size, struct why *why)
{
    enum err err;
    *size = 0;
    sqlite3_stmt *query = db_query(db, old_of[index->path.section], &err, why);
    if (err)
        return err;
    bind_int(query, 1, number);
    int rc = sqlite3_step(query);
    if (rc == SQLITE_ROW)
        *size = sqlite_index_key(index, column_str(query, 0), out);
    return db_finish(db, query, rc, why);
}

static enum err follow(struct sqlite_store *s, const struct path_index *index,
                       const struct entity *e, struct why *why)
{
    struct db *db = &s->db;
    enum twin_part part = index->path.section;
    if (e->id.number > sqlite_fill_reach(s, index) || (!e->deleted && !(e->dirty & part_of[part])))
        return ERR_OK;
    const struct twin_section *const sections[] = {&e->tags, &e->desired, &e->reported};
    char was[BOUNDS_KEY_MAX], is[BOUNDS_KEY_MAX];
    size_t was_size = 0;
    enum err err = e->created && !e->deleted
                       ? ERR_OK
                       : sqlite_index_old_key(db, index, e->id.number, was, &was_size, why);
    if (err)
        return err;
    size_t is_size = e->deleted ? 0 : sqlite_index_key(index, sections[part]->values, is);
    struct str old = str_of(was, was_size), new = str_of(is, is_size);
    if (str_eq(old, new))
        return ERR_OK;
    sqlite_fill_changed(s, index, e->id.number);
    err = run_entry(db, SQL_REMOVE_PATH_ENTRY, index->id, old, e->id.number, why);
    return err ? err : run_entry(db, SQL_WRITE_PATH_ENTRY, index->id, new, e->id.number, why);
}

enum err sqlite_index_follow(struct writing *w)
{
    struct sqlite_store *s = w->store;
    const struct store_commit *commit = w->commit;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < s->indexes.count; i++) {
        const struct path_index *index = &s->indexes.items[i];
        if (index->state == INDEX_DROPPING)
            continue;
        for (size_t k = 0; !err && k < commit->entity_count; k++)
            err = follow(s, index, commit->entities[k], w->why);
    }
    return err;
}

/* ---- candidates ---- */

struct search {
    struct sqlite_reader *reader;
    struct index_list indexes;
    uint64_t most; /* a range with more is no help */
    struct buf used;
    const char *reason;
    struct why *why;
};

static const struct path_index *find(const struct search *s, struct str path)
{
    for (size_t i = 0; i < s->indexes.count; i++)
        if (s->indexes.items[i].state == INDEX_COMPLETE && str_eq(s->indexes.items[i].text, path))
            return &s->indexes.items[i];
    return NULL;
}

static void note_used(struct search *s, struct str path)
{
    if (!s->used.len || !memmem(s->used.ptr, s->used.len, path.ptr, path.len))
        buf_printf(&s->used, "%s%.*s", s->used.len ? ", " : "", STR_ARG(path));
}

static enum err read_range(struct search *s, const struct path_index *index,
                           const struct bounds *range, roaring_bitmap_t **out)
{
    enum err err;
    sqlite3_stmt *query = db_query(s->reader->db, SQL_INDEX_RANGE, &err, s->why);
    if (err)
        return err;
    bind_int(query, 1, index->id);
    bind_blob(query, 2, range->low);
    bind_blob(query, 3, range->high);
    bind_int(query, 4, (int64_t)s->most + 1);
    roaring_bitmap_t *numbers = roaring_bitmap_create();
    uint64_t count = 0;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW && count++ < s->most)
        roaring_bitmap_add(numbers, (uint32_t)sqlite3_column_int64(query, 0));
    bool broad = count > s->most;
    err = db_finish(s->reader->db, query, rc, s->why);
    sqlite3_clear_bindings(query);
    sqlite_care_used(s->reader->store, index->text, broad);
    if (broad)
        s->reason = "the index selects too many";
    if (!broad && !err) {
        note_used(s, index->text);
        *out = numbers;
        return ERR_OK;
    }
    roaring_bitmap_free(numbers);
    return err;
}

/* `*out` is NULL when the bounds are not known from indexes. */
static enum err search(struct search *s, const struct bounds *bounds, roaring_bitmap_t **out)
{
    *out = NULL;
    if (bounds->kind == BOUNDS_RANGE) {
        const struct path_index *index = find(s, bounds->path);
        return index ? read_range(s, index, bounds, out) : ERR_OK;
    }
    bool all = bounds->kind == BOUNDS_ALL;
    roaring_bitmap_t *sum = all ? NULL : roaring_bitmap_create();
    for (size_t i = 0; i < bounds->count; i++) {
        roaring_bitmap_t *part;
        enum err err = search(s, bounds->parts[i], &part);
        if (err || (!part && !all)) {
            if (sum)
                roaring_bitmap_free(sum);
            return err;
        }
        if (!part)
            continue;
        if (!sum) {
            sum = part;
            continue;
        }
        if (all)
            roaring_bitmap_and_inplace(sum, part);
        else
            roaring_bitmap_or_inplace(sum, part);
        roaring_bitmap_free(part);
    }
    *out = sum;
    return ERR_OK;
}

static uint64_t worth_it(const struct store_counters *c)
{
    uint64_t fleet = (uint64_t)c->devices_enabled + c->devices_disabled + c->modules;
    return fleet < STORE_INDEX_FLEET_MIN ? fleet : fleet / STORE_INDEX_FEW;
}

static enum err find_candidates(struct search *s, const struct bounds *bounds,
                                roaring_bitmap_t **out)
{
    struct arena mem = {0};
    struct store_counters counters;
    enum err err = sqlite_indexes_read(s->reader->db, &mem, &s->indexes, s->why);
    if (!err)
        err = store_read_counters(&s->reader->base, &counters, s->why);
    if (!err && s->indexes.count) {
        s->most = worth_it(&counters);
        err = search(s, bounds, out);
    }
    if (!err && *out && roaring_bitmap_get_cardinality(*out) > s->most) {
        s->reason = "the indexes select too many";
        roaring_bitmap_free(*out);
        *out = NULL;
    }
    arena_done(&mem);
    return err;
}

enum err sqlite_candidates(struct store_reader *base, const struct query *query,
                           roaring_bitmap_t **out, char used[160], struct why *why)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    struct search s = {.reader = reader, .reason = "no index on its paths", .why = why};
    const struct bounds *bounds = query_bounds(query);
    enum err err = ERR_OK;
    *out = NULL;
    if (bounds)
        err = find_candidates(&s, bounds, out);
    else
        s.reason = "the condition compares no path with a constant so that it must hold";
    if (*out && !s.used.len)
        buf_put(&s.used, STR("the condition itself")); /* never TRUE */
    snprintf(used, 160, "%.*s", *out ? (int)s.used.len : (int)strlen(s.reason),
             *out ? s.used.ptr : s.reason);
    buf_done(&s.used);
    return err;
}
