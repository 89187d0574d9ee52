/* presence.h - who is connected, by identity number: written by the hub thread, read by everyone.
 *
 * A table of pages of STORE_PRESENCE_PAGE entries that are made once and never move, so that a
 * reader takes atomic copies without a lock and queries never lie about presence. Pages that
 * changed are flushed to the store each minute; a start sets all to Disconnected. Source: design,
 * chapter Presence; spec/device-auth.md 7.1. */
#pragma once
#include "store/store.h"

struct presence_table;
struct presence_table *presence_create(void);
void presence_destroy(struct presence_table *table);

/* Any thread. An entry that was never written is PRESENCE_NEVER. */
struct presence presence_get(const struct presence_table *table, uint32_t number);
uint32_t presence_connected_count(const struct presence_table *table);

/* Hub thread only. */
void presence_connect(struct presence_table *table, uint32_t number, int64_t now_ticks);
void presence_disconnect(struct presence_table *table, uint32_t number, int64_t now_ticks);
void presence_touch(struct presence_table *table, uint32_t number, int64_t now_ticks);
/* How many messages wait for it: not kept on disk here, the messages are. */
void presence_set_messages(struct presence_table *table, uint32_t number, unsigned count);
void presence_forget(struct presence_table *table, uint32_t number);

/* Pack the next changed page for the store, its bytes in `mem`; false when none is left. The page
 * counts as clean then; presence_unflushed marks it changed again if the commit failed. */
bool presence_take_page(struct presence_table *table, struct arena *mem, struct presence_page *out);
void presence_unflushed(struct presence_table *table, uint32_t page);
/* Unpack a stored page, as Disconnected. False on bytes that are not ours. */
bool presence_load_page(struct presence_table *table, const struct presence_page *page);
