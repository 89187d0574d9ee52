#include "store/recent.h"
#include "base/banned.h"
#include "base/map.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 2 * IDENTITY_ID_MAX + 1,
    SHARE_OF_ONE = 4, /* an entity may take up to this part of its shard */
};

struct kept {
    struct kept *newer, *older;
    struct arena mem; /* of the entity and the name */
    struct entity *entity;
    struct str name;
    size_t bytes;
};

struct shard {
    pthread_mutex_t lock;
    struct strmap names;   /* name -> struct kept */
    struct kept ends;      /* newer: the oldest, older: the newest */
    size_t bytes;          /* of all of them */
    uint64_t generation;   /* odd: a commit is under way */
    uint64_t hits, misses; /* of its names */
};

struct recent {
    size_t shard_bytes_max;
    uint64_t closed; /* shards, a bit each; the writer's */
    struct shard shards[RECENT_SHARDS];
};
_Static_assert(RECENT_SHARDS == 64, "a bit each in `closed`");

struct recent *recent_create(size_t bytes_max)
{
    struct recent *recent = xcalloc(1, sizeof *recent);
    recent->shard_bytes_max = bytes_max / RECENT_SHARDS;
    for (size_t i = 0; i < RECENT_SHARDS; i++) {
        struct shard *shard = &recent->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        shard->ends.newer = shard->ends.older = &shard->ends;
    }
    return recent;
}

static void drop(struct shard *shard, struct kept *kept)
{
    strmap_remove(&shard->names, kept->name);
    kept->newer->older = kept->older;
    kept->older->newer = kept->newer;
    shard->bytes -= kept->bytes;
    arena_done(&kept->mem);
    free(kept);
}

void recent_destroy(struct recent *recent)
{
    for (size_t i = 0; recent && i < RECENT_SHARDS; i++) {
        struct shard *shard = &recent->shards[i];
        while (shard->ends.newer != &shard->ends)
            drop(shard, shard->ends.newer);
        strmap_done(&shard->names);
        pthread_mutex_destroy(&shard->lock);
    }
    free(recent);
}

/* ---- names ---- */

struct name {
    char bytes[NAME_MAX_BYTES];
    struct str text;
    size_t shard;
};

/* False: nobody can have it. */
static bool name_of(struct str device_id, struct str module_id, struct name *out)
{
    if (device_id.len > IDENTITY_ID_MAX || module_id.len > IDENTITY_ID_MAX)
        return false;
    memcpy(out->bytes, device_id.ptr, device_id.len);
    size_t at = device_id.len;
    out->bytes[at++] = '/'; /* which no id has */
    if (module_id.len > 0)
        memcpy(out->bytes + at, module_id.ptr, module_id.len);
    out->text = str_of(out->bytes, at + module_id.len);
    out->shard = hash_bytes(out->text) % RECENT_SHARDS;
    return true;
}

/* ---- the ends of the list: newest behind `older`, oldest behind `newer` ---- */

static void make_newest(struct shard *shard, struct kept *kept)
{
    kept->newer = &shard->ends;
    kept->older = shard->ends.older;
    kept->older->newer = kept;
    shard->ends.older = kept;
}

static void touch(struct shard *shard, struct kept *kept)
{
    kept->newer->older = kept->older;
    kept->older->newer = kept->newer;
    make_newest(shard, kept);
}

/* ---- reading ---- */

struct entity *recent_get(struct recent *recent, struct str device_id, struct str module_id,
                          struct arena *mem)
{
    struct name name;
    if (!name_of(device_id, module_id, &name))
        return NULL;
    struct shard *shard = &recent->shards[name.shard];
    struct entity *copy = NULL;
    pthread_mutex_lock(&shard->lock);
    struct kept *kept = strmap_get(&shard->names, name.text);
    if (kept) {
        touch(shard, kept);
        copy = entity_copy(mem, kept->entity);
        shard->hits++;
    } else {
        shard->misses++;
    }
    pthread_mutex_unlock(&shard->lock);
    return copy;
}

uint64_t recent_ticket(struct recent *recent, struct str device_id, struct str module_id)
{
    struct name name;
    if (!name_of(device_id, module_id, &name))
        return 0;
    struct shard *shard = &recent->shards[name.shard];
    pthread_mutex_lock(&shard->lock);
    uint64_t ticket = shard->generation;
    pthread_mutex_unlock(&shard->lock);
    return ticket;
}

static struct kept *keep(const struct entity *entity, struct str name)
{
    struct kept *kept = xcalloc(1, sizeof *kept);
    size_t texts = name.len + entity->tags.values.len + entity->tags.meta.len +
                   entity->desired.values.len + entity->desired.meta.len +
                   entity->reported.values.len + entity->reported.meta.len;
    arena_init(&kept->mem, sizeof *entity + texts + 1024); /* the rest of its identity */
    kept->entity = entity_copy(&kept->mem, entity);
    kept->name = str_copy(&kept->mem, name);
    kept->bytes = sizeof *kept + kept->mem.used;
    return kept;
}

void recent_put(struct recent *recent, uint64_t ticket, const struct entity *entity)
{
    struct name name;
    if (ticket % 2 || !name_of(entity->id.device_id, entity->id.module_id, &name))
        return;
    struct kept *kept = keep(entity, name.text);
    struct shard *shard = &recent->shards[name.shard];
    pthread_mutex_lock(&shard->lock);
    bool fits = kept->bytes <= recent->shard_bytes_max / SHARE_OF_ONE;
    bool taken = fits && shard->generation == ticket && !strmap_get(&shard->names, kept->name);
    if (taken) {
        strmap_put(&shard->names, kept->name, kept);
        make_newest(shard, kept);
        shard->bytes += kept->bytes;
        while (shard->bytes > recent->shard_bytes_max)
            drop(shard, shard->ends.newer);
    }
    pthread_mutex_unlock(&shard->lock);
    if (!taken) {
        arena_done(&kept->mem);
        free(kept);
    }
}

/* ---- writing ---- */

void recent_close(struct recent *recent, struct entity *const *entities, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct name name;
        if (!name_of(entities[i]->id.device_id, entities[i]->id.module_id, &name))
            continue;
        struct shard *shard = &recent->shards[name.shard];
        pthread_mutex_lock(&shard->lock);
        if (!(recent->closed >> name.shard & 1))
            shard->generation++;
        recent->closed |= UINT64_C(1) << name.shard;
        struct kept *kept = strmap_get(&shard->names, name.text);
        if (kept)
            drop(shard, kept);
        pthread_mutex_unlock(&shard->lock);
    }
}

void recent_open(struct recent *recent)
{
    for (size_t i = 0; i < RECENT_SHARDS; i++) {
        struct shard *shard = &recent->shards[i];
        if (!(recent->closed >> i & 1))
            continue;
        pthread_mutex_lock(&shard->lock);
        shard->generation++;
        pthread_mutex_unlock(&shard->lock);
    }
    recent->closed = 0;
}

void recent_counts(struct recent *recent, uint64_t *hits, uint64_t *misses)
{
    *hits = *misses = 0;
    for (size_t i = 0; i < RECENT_SHARDS; i++) {
        struct shard *shard = &recent->shards[i];
        pthread_mutex_lock(&shard->lock);
        *hits += shard->hits;
        *misses += shard->misses;
        pthread_mutex_unlock(&shard->lock);
    }
}
