/* recent.h - twins that were read lately, kept whole, so that the next reader needs no database.
 *
 *   reader    ticket -> snapshot, find -> put        (refused when the shard has changed since the ticket)
 *   writer    close -> COMMIT -> open                (what it writes is dropped; nothing enters meanwhile)
 *   anybody   get                                    (a copy)
 *
 * So a copy is never older than the last commit whose caller was told of it, and who has seen a commit
 * never gets what was before. Shards by name, each with a lock that is held for a copy of some KB; the
 * longest unused goes when a shard has had its share. Any thread. */
#pragma once
#include "store/store.h"

enum {
    RECENT_SHARDS = 64,
    RECENT_BYTES = 64 << 20, /* of all together; nothing is taken before it is needed */
};

struct recent;
struct recent *recent_create(size_t bytes_max);
void recent_destroy(struct recent *recent); /* accepts NULL */

/* A deep copy in `mem`; NULL when it is not here. An empty module id is the device itself. */
struct entity *recent_get(struct recent *recent, struct str device_id, struct str module_id,
                          struct arena *mem);

/* Before the snapshot in which an entity of that name is read ... */
uint64_t recent_ticket(struct recent *recent, struct str device_id, struct str module_id);
/* ... and when it has been: it is copied, unless a commit came between, or it is too large. */
void recent_put(struct recent *recent, uint64_t ticket, const struct entity *entity);

/* The one writer, around each transaction that writes entities. */
void recent_close(struct recent *recent, struct entity *const *entities, size_t count);
void recent_open(struct recent *recent);

void recent_counts(struct recent *recent, uint64_t *hits, uint64_t *misses);
