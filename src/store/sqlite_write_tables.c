/* Rows of the small tables in a commit: counters, settings, routes, the outbox, presence. */
#include "base/banned.h"
#include "store/sqlite_write.h"
#include <assert.h>

enum err sqlite_write_counters(struct writing *w)
{
    const struct store_counters *c = w->commit->counters;
    if (!c)
        return ERR_OK;
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_COUNTERS, &err, w->why);
    if (err)
        return err;
    assert(c->next_call <= INT64_MAX);
    bind_int(query, 1, c->next_number);
    bind_int(query, 2, c->next_job);
    bind_int(query, 3, (int64_t)c->next_call);
    bind_int(query, 4, c->devices_enabled);
    bind_int(query, 5, c->devices_disabled);
    bind_int(query, 6, c->modules);
    return write_row(w, query);
}

enum err sqlite_write_policies(struct writing *w)
{
    if (!w->commit->policies)
        return ERR_OK;
    enum err err = write_plain(w, SQL_WRITE_POLICIES_NONE);
    for (size_t i = 0; !err && i < w->commit->policy_count; i++) {
        const struct policy *p = &w->commit->policies[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_POLICY, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)i);
        bind_text(query, 2, p->name);
        bind_int(query, 3, p->rights);
        bind_blob(query, 4, p->primary_key);
        bind_blob(query, 5, p->secondary_key);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_settings(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->setting_count; i++) {
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_SETTING, &err, w->why);
        if (err)
            return err;
        bind_text(query, 1, w->commit->settings[i].name);
        bind_text(query, 2, w->commit->settings[i].value);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_routes(struct writing *w)
{
    if (!w->commit->routes)
        return ERR_OK;
    enum err err = write_plain(w, SQL_WRITE_ROUTES_NONE);
    for (size_t i = 0; !err && i < w->commit->route_count; i++) {
        const struct message_route *route = &w->commit->routes[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_ROUTE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)i);
        bind_text(query, 2, route->name);
        bind_int(query, 3, route->source);
        bind_text(query, 4, route->condition);
        bind_int(query, 5, route->enabled);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_outbox(struct writing *w)
{
    enum err err = ERR_OK;
    if (w->commit->outbox_done) {
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_OUTBOX_DONE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)w->commit->outbox_done);
        err = write_row(w, query);
    }
    for (size_t i = 0; !err && i < w->commit->outbox_count; i++) {
        const struct outbox_row *row = &w->commit->outbox[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_OUTBOX, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)row->id);
        bind_int(query, 2, row->source);
        bind_int(query, 3, row->ticks);
        bind_text(query, 4, row->device_id.ptr ? row->device_id : STR(""));
        bind_text(query, 5, row->module_id.ptr ? row->module_id : STR(""));
        bind_text(query, 6, row->properties);
        bind_text(query, 7, row->body);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_pages(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->page_count; i++) {
        const struct presence_page *page = &w->commit->pages[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_PRESENCE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, page->page);
        bind_blob(query, 2, page->bytes);
        err = write_row(w, query);
    }
    return err;
}
