#include "base/banned.h"
#include "store/sqlite_store.h"
#include <assert.h>
#include <stdlib.h>

/* First columns of ENTITY in sql.c. */
enum { COLUMN_TAGS = 18, COLUMN_DESIRED = 22, COLUMN_REPORTED = 26, COLUMN_SESSION = 30 };

enum {
    STRETCH_MIN = 4,     /* numbers that are worth one statement for all of them */
    STRETCH_GAP_MAX = 2, /* from one to the next: at most every second row is read for nothing */
};

static bool read_entity(sqlite3_stmt *row, unsigned parts, struct entity *out);

/* ---- finding ---- */

static int by_number(const void *a, const void *b)
{
    const struct store_want *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* 0 when nobody has that name. */
static enum err number_of_name(struct db *db, struct str device_id, struct str module_id,
                               uint32_t *out, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_NUMBER_OF_NAME, &err, why);
    if (err)
        return err;
    bind_text(query, 1, device_id);
    bind_text(query, 2, module_id.ptr ? module_id : STR(""));
    int rc = sqlite3_step(query);
    *out = rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(query, 0) : 0;
    return db_finish(db, query, rc, why);
}

static enum err load(struct db *db, uint32_t number, unsigned parts, struct arena *mem,
                     struct entity **out, struct why *why)
{
    *out = NULL;
    enum err err;
    bool alone = (parts & ~(unsigned)PART_IDENTITY) == 0;
    sqlite3_stmt *query = db_query(db, alone ? SQL_IDENTITY : SQL_ENTITY, &err, why);
    if (err)
        return err;
    bind_int(query, 1, number);
    if (!alone)
        bind_int(query, 2, parts);
    int rc = sqlite3_step(query);
    struct entity row;
    if (rc == SQLITE_ROW) {
        if (read_entity(query, parts, &row))
            *out = entity_copy(mem, &row);
        else
            err = sqlite_bad_row(db, "identity", number, why);
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

/* Wants for the same number share one entity, which has the parts of all of them: two requests of a
 * batch must not decide on two copies of one twin. Gives where the next number begins. */
static size_t same_number(struct store_want *const *order, size_t at, size_t count, unsigned *parts)
{
    size_t next = at;
    *parts = PART_IDENTITY;
    for (; next < count && order[next]->number == order[at]->number; next++)
        *parts |= order[next]->parts;
    return next;
}

/* A stretch: numbers that lie side by side and want the same parts, as in a chunk of a job. Gives its end. */
static size_t stretch_end(struct store_want *const *order, size_t at, size_t count,
                          size_t *number_count)
{
    unsigned parts, others;
    size_t end = same_number(order, at, count, &parts);
    *number_count = 1;
    while (end < count && order[end]->number - order[end - 1]->number <= STRETCH_GAP_MAX) {
        size_t next = same_number(order, end, count, &others);
        if (others != parts)
            break;
        ++*number_count;
        end = next;
    }
    return end;
}

/* One statement for all: its cursors step from row to row where a statement for each number would open
 * them anew and go down from the root, and took twice as long. */
static enum err load_stretch(struct db *db, struct store_want **order, size_t count, unsigned parts,
                             struct arena *mem, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_ENTITIES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, order[0]->number);
    bind_int(query, 2, parts);
    bind_int(query, 3, order[count - 1]->number);
    int rc = SQLITE_DONE;
    size_t at = 0;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct entity row, *entity;
        uint32_t number = (uint32_t)sqlite3_column_int64(query, 0);
        while (order[at]->number < number)
            at++; /* there is no such identity */
        if (order[at]->number > number)
            continue; /* nobody wants it */
        if (!read_entity(query, parts, &row)) {
            err = sqlite_bad_row(db, "identity", number, why);
            break;
        }
        entity = entity_copy(mem, &row);
        for (; at < count && order[at]->number == number; at++)
            order[at]->found = entity;
        if (at == count)
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

static enum err load_all(struct db *db, struct store_want **order, size_t count, struct arena *mem,
                         struct why *why)
{
    size_t at = 0;
    while (at < count && order[at]->number == 0)
        at++; /* a name that nobody has */
    while (at < count) {
        unsigned parts;
        size_t number_count, end = stretch_end(order, at, count, &number_count);
        size_t next = same_number(order, at, count, &parts);
        enum err err;
        if (number_count >= STRETCH_MIN && (parts & ~(unsigned)PART_IDENTITY)) {
            err = load_stretch(db, order + at, end - at, parts, mem, why);
            next = end;
        } else {
            struct entity *entity;
            err = load(db, order[at]->number, parts, mem, &entity, why);
            for (size_t same = at; same < next; same++)
                order[same]->found = entity;
        }
        if (err)
            return err;
        at = next;
    }
    return ERR_OK;
}

static enum err find_all(struct db *db, struct store_want *wants, size_t count, struct arena *mem,
                         struct why *why)
{
    struct store_want **order = arena_array(mem, struct store_want *, count);
    for (size_t i = 0; i < count; i++) {
        order[i] = &wants[i];
        wants[i].found = NULL;
        if (wants[i].device_id.ptr) {
            enum err err =
                number_of_name(db, wants[i].device_id, wants[i].module_id, &wants[i].number, why);
            if (err)
                return err;
        }
    }
    if (count > 1)
        qsort(order, count, sizeof(struct store_want *), by_number);
    return load_all(db, order, count, mem, why);
}

/* Only what a snapshot of our own gives can be remembered: of an older one nobody knows what came since. */
static uint64_t *tickets_for(struct sqlite_reader *reader, const struct store_want *wants,
                             size_t count, struct arena *mem)
{
    uint64_t *tickets = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!wants[i].remember)
            continue;
        if (!tickets)
            tickets = arena_array(mem, uint64_t, count);
        tickets[i] = recent_ticket(reader->store->recent, wants[i].device_id, wants[i].module_id);
    }
    return tickets;
}

static void remember(struct sqlite_reader *reader, const struct store_want *wants, size_t count,
                     const uint64_t *tickets)
{
    for (size_t i = 0; i < count; i++)
        if (wants[i].remember && wants[i].found && (wants[i].parts & PART_TWIN) == PART_TWIN)
            recent_put(reader->store->recent, tickets[i], wants[i].found);
}

/* Several statements must see one state: outside a snapshot, take one of our own. The writer needs
 * none, since nobody else writes, but for many statements it is quicker to take the lock once. */
enum err sqlite_find(struct store_reader *base, struct store_want *wants, size_t count,
                     struct arena *mem, struct why *why)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    bool own = !reader->in_snapshot && (reader->db == &reader->own || count > 1);
    uint64_t *tickets = own ? tickets_for(reader, wants, count, mem) : NULL;
    enum err err = own ? store_begin(base, why) : ERR_OK;
    if (err)
        return err;
    err = find_all(reader->db, wants, count, mem, why);
    if (own)
        store_end(base);
    if (!err && tickets)
        remember(reader, wants, count, tickets);
    return err;
}

enum err sqlite_numbers(struct store_reader *base, const struct str *device_ids, size_t count,
                        struct str module_id, uint32_t *out, struct why *why)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    bool own = !reader->in_snapshot;
    enum err err = own ? store_begin(base, why) : ERR_OK;
    if (err)
        return err;
    for (size_t i = 0; !err && i < count; i++)
        err = number_of_name(reader->db, device_ids[i], module_id, &out[i], why);
    if (own)
        store_end(base);
    return err;
}

static enum err add_numbers(struct db *db, enum sql which, struct str device_id,
                            roaring_bitmap_t *out, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    if (err)
        return err;
    bind_text(query, 1, device_id);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW)
        roaring_bitmap_add(out, (uint32_t)sqlite3_column_int64(query, 0));
    return db_finish(db, query, rc, why);
}

/* As with sqlite_names, a name that moves meanwhile is missed in neither table. */
enum err sqlite_family(struct store_reader *reader, struct str device_id, roaring_bitmap_t *out,
                       struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err = add_numbers(db, SQL_FAMILY, device_id, out, why);
    return err ? err : add_numbers(db, SQL_FORGOTTEN_FAMILY, device_id, out, why);
}

enum err sqlite_modules(struct store_reader *reader, struct str device_id, uint32_t *out,
                        size_t *count, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_NUMBERS_OF_MODULES, &err, why);
    if (err)
        return err;
    bind_text(query, 1, device_id);
    bind_int(query, 2, IDENTITY_MODULES_ALL);
    int rc;
    size_t used = 0;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW)
        out[used++] = (uint32_t)sqlite3_column_int64(query, 0);
    *count = used;
    return db_finish(db, query, rc, why);
}

/* ---- reading a row ---- */

bool sqlite_read_identity(sqlite3_stmt *row, struct identity *id)
{
    int64_t status = sqlite3_column_int64(row, 5), auth = sqlite3_column_int64(row, 8);
    if (status < 0 || status > IDENTITY_DISABLED || auth < 0 || auth > AUTH_NONE)
        return false;
    *id = (struct identity){
        .number = (uint32_t)sqlite3_column_int64(row, 0),
        .device_id = column_str(row, 1),
        .module_id = column_str(row, 2),
        .created_ticks = sqlite3_column_int64(row, 3),
        .etag = sqlite3_column_int64(row, 4),
        .status = (enum identity_status)status,
        .status_reason = column_str(row, 6),
        .status_ticks = sqlite3_column_int64(row, 7),
        .auth = (enum identity_auth)auth,
        .primary_key = column_str(row, 9),
        .secondary_key = column_str(row, 10),
        .primary_thumbprint = column_str(row, 11),
        .secondary_thumbprint = column_str(row, 12),
        .iot_edge = sqlite3_column_int64(row, 13) != 0,
        .device_scope = column_str(row, 14),
        .parent_scopes = column_str(row, 15),
        .model_id = column_str(row, 16),
        .managed_by = column_str(row, 17),
    };
    return true;
}

static struct twin_section read_section(sqlite3_stmt *row, int at, enum twin_part part,
                                        int64_t created_ticks)
{
    if (sqlite3_column_type(row, at) == SQLITE_NULL)
        return twin_section_fresh(part, created_ticks);
    return (struct twin_section){
        .version = sqlite3_column_int64(row, at),
        .stamp = sqlite3_column_int64(row, at + 1),
        .values = column_str(row, at + 2),
        .meta = column_str(row, at + 3),
    };
}

static bool read_entity(sqlite3_stmt *row, unsigned parts, struct entity *out)
{
    *out = (struct entity){.loaded = parts | PART_IDENTITY};
    if (!sqlite_read_identity(row, &out->id))
        return false;
    int64_t created = identity_twin_birth(&out->id);
    if (parts & PART_TAGS)
        out->tags = read_section(row, COLUMN_TAGS, TWIN_TAGS, created);
    if (parts & PART_DESIRED)
        out->desired = read_section(row, COLUMN_DESIRED, TWIN_DESIRED, created);
    if (parts & PART_REPORTED)
        out->reported = read_section(row, COLUMN_REPORTED, TWIN_REPORTED, created);
    if (parts & PART_SESSION && sqlite3_column_type(row, COLUMN_SESSION) != SQLITE_NULL)
        out->session = (struct session){
            .exists = true,
            .filters = (uint8_t)sqlite3_column_int64(row, COLUMN_SESSION),
            .qos1 = (uint8_t)sqlite3_column_int64(row, COLUMN_SESSION + 1),
        };
    return true;
}

/* ---- walking ---- */

static enum err visit_entities(struct db *db, sqlite3_stmt *query, unsigned parts,
                               bool (*visit)(void *, const struct entity *), void *arg,
                               struct why *why)
{
    int rc;
    enum err err = ERR_OK;
    struct entity entity;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_entity(query, parts, &entity)) {
            err = sqlite_bad_row(db, "identity", sqlite3_column_int64(query, 0), why);
            break;
        }
        if (!visit(arg, &entity))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

/* One statement for all: of modules there are few among many devices, and sessions are rarely
 * asked for. */
static enum err scan_joined(struct db *db, const struct store_scan *scan,
                            bool (*visit)(void *, const struct entity *), void *arg,
                            struct why *why)
{
    enum err err;
    sqlite3_stmt *query =
        db_query(db, scan->modules ? SQL_SCAN_MODULES : SQL_SCAN_DEVICES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, scan->after);
    bind_int(query, 2, scan->parts);
    bind_int(query, 3, scan->until ? scan->until : UINT32_MAX);
    return visit_entities(db, query, scan->parts, visit, arg, why);
}

enum err sqlite_scan(struct store_reader *base, const struct store_scan *scan,
                     bool (*visit)(void *, const struct entity *), void *arg, struct why *why)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    if (scan->modules || scan->parts & PART_SESSION)
        return scan_joined(reader->db, scan, visit, arg, why);
    bool own = !reader->in_snapshot;
    enum err err = own ? store_begin(base, why) : ERR_OK;
    if (err)
        return err;
    err = sqlite_walk(reader, scan, visit, arg, why);
    if (own)
        store_end(base);
    return err;
}

enum err sqlite_scan_names(struct store_reader *reader, struct str after, size_t limit,
                           bool (*visit)(void *, const struct entity *), void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_SCAN_NAMES, &err, why);
    if (err)
        return err;
    bind_text(query, 1, after.ptr ? after : STR(""));
    bind_int(query, 2, PART_IDENTITY);
    bind_int(query, 3, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
    return visit_entities(db, query, PART_IDENTITY, visit, arg, why);
}

/* ---- small tables ---- */

enum err sqlite_read_counters(struct store_reader *reader, struct store_counters *out,
                              struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_COUNTERS, &err, why);
    if (err)
        return err;
    int rc = sqlite3_step(query);
    if (rc == SQLITE_ROW)
        *out = (struct store_counters){
            .next_number = (uint32_t)sqlite3_column_int64(query, 0),
            .next_job = (uint32_t)sqlite3_column_int64(query, 1),
            .next_call = (uint64_t)sqlite3_column_int64(query, 2),
            .devices_enabled = (uint32_t)sqlite3_column_int64(query, 3),
            .devices_disabled = (uint32_t)sqlite3_column_int64(query, 4),
            .modules = (uint32_t)sqlite3_column_int64(query, 5),
            .next_event = (uint64_t)sqlite3_column_int64(query, 6),
            .next_outbox = (uint64_t)sqlite3_column_int64(query, 7),
        };
    bool missing = rc == SQLITE_DONE;
    err = db_finish(db, query, rc, why);
    return missing ? sqlite_bad_row(db, "counters", 0, why) : err;
}

enum err sqlite_read_policies(struct store_reader *reader, struct arena *mem, struct policy **out,
                              size_t *count, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_POLICIES, &err, why);
    if (err)
        return err;
    struct policy *policies = NULL;
    size_t used = 0, cap = 0;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (used == cap) {
            cap = cap ? cap * 2 : POLICY_BUILT_IN_COUNT;
            policies = xrealloc(policies, cap * sizeof *policies);
        }
        policies[used++] = (struct policy){
            .name = str_copy(mem, column_str(query, 0)),
            .rights = (unsigned)sqlite3_column_int64(query, 1),
            .primary_key = str_copy(mem, column_str(query, 2)),
            .secondary_key = str_copy(mem, column_str(query, 3)),
        };
    }
    err = db_finish(db, query, rc, why);
    *out = arena_array(mem, struct policy, used);
    if (used)
        memcpy(*out, policies, used * sizeof *policies);
    *count = used;
    free(policies);
    return err;
}

enum err sqlite_read_setting(struct store_reader *reader, struct str name, struct arena *mem,
                             struct str *out, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_SETTING, &err, why);
    if (err)
        return err;
    bind_text(query, 1, name);
    int rc = sqlite3_step(query);
    *out = rc == SQLITE_ROW ? str_copy(mem, column_str(query, 0)) : STR_NONE;
    return db_finish(db, query, rc, why);
}

enum err sqlite_read_presence(struct store_reader *reader,
                              bool (*visit)(void *, const struct presence_page *), void *arg,
                              struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_PRESENCE, &err, why);
    if (err)
        return err;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct presence_page page = {(uint32_t)sqlite3_column_int64(query, 0),
                                     column_str(query, 1)};
        if (!visit(arg, &page))
            break;
    }
    return db_finish(db, query, rc, why);
}

static enum err read_name(struct db *db, enum sql which, struct store_name *name, struct arena *mem,
                          struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    if (err)
        return err;
    bind_int(query, 1, name->number);
    int rc = sqlite3_step(query);
    if (rc == SQLITE_ROW) {
        name->device_id = str_copy(mem, column_str(query, 0));
        name->module_id = str_copy(mem, column_str(query, 1));
    }
    return db_finish(db, query, rc, why);
}

/* A name moves from one table to the other in one transaction; looking into the table of the
 * forgotten second, we can miss it in neither even without a snapshot. */
enum err sqlite_names(struct store_reader *reader, struct store_name *names, size_t count,
                      struct arena *mem, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        names[i].device_id = names[i].module_id = STR_NONE;
        names[i].deleted = false;
        err = read_name(db, SQL_NAME, &names[i], mem, why);
        if (err || names[i].device_id.ptr)
            continue;
        err = read_name(db, SQL_FORGOTTEN_NAME, &names[i], mem, why);
        names[i].deleted = names[i].device_id.ptr != NULL;
    }
    return err;
}
