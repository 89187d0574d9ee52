#include "store/page_cache.h"
#include "base/arena.h"
#include <stdlib.h>

enum {
    LOCK_BYTE = 0x40000000
}; /* sqlite.org/fileformat2.html, 1.4: the page it is in is no page */

struct cache { /* stands for a sqlite3_pcache */
    sqlite3_pcache *inner;
    unsigned lock_page;
    unsigned most; /* no page in it has a larger number */
};

static sqlite3_pcache_methods2 own;

static int init(void *arg)
{
    return own.xInit(own.pArg);
}

static void shut_down(void *arg)
{
    own.xShutdown(own.pArg);
}

static sqlite3_pcache *create(int page_size, int extra_size, int purgeable)
{
    sqlite3_pcache *inner = own.xCreate(page_size, extra_size, purgeable);
    if (!inner)
        return NULL;
    struct cache *c = xcalloc(1, sizeof *c);
    *c = (struct cache){.inner = inner, .lock_page = LOCK_BYTE / (unsigned)page_size + 1};
    return (sqlite3_pcache *)c;
}

static struct cache *cache_of(sqlite3_pcache *cache)
{
    return (struct cache *)cache;
}

static void set_size(sqlite3_pcache *cache, int pages)
{
    own.xCachesize(cache_of(cache)->inner, pages);
}

static int count(sqlite3_pcache *cache)
{
    return own.xPagecount(cache_of(cache)->inner);
}

static sqlite3_pcache_page *fetch(sqlite3_pcache *cache, unsigned number, int make)
{
    struct cache *c = cache_of(cache);
    sqlite3_pcache_page *page = own.xFetch(c->inner, number, make);
    if (page && number > c->most)
        c->most = number;
    return page;
}

static void unpin(sqlite3_pcache *cache, sqlite3_pcache_page *page, int discard)
{
    own.xUnpin(cache_of(cache)->inner, page, discard);
}

static void rename_page(sqlite3_pcache *cache, sqlite3_pcache_page *page, unsigned from,
                        unsigned to)
{
    struct cache *c = cache_of(cache);
    own.xRekey(c->inner, page, from, to);
    if (to > c->most && to != c->lock_page)
        c->most = to;
}

static void truncate_at(sqlite3_pcache *cache, unsigned first)
{
    struct cache *c = cache_of(cache);
    if (first > c->most)
        return;
    own.xTruncate(c->inner, first);
    c->most = first ? first - 1 : 0;
}

static void destroy(sqlite3_pcache *cache)
{
    own.xDestroy(cache_of(cache)->inner);
    free(cache);
}

static void shrink(sqlite3_pcache *cache)
{
    own.xShrink(cache_of(cache)->inner);
}

sqlite3_pcache_methods2 page_cache_around(const sqlite3_pcache_methods2 *inner)
{
    own = *inner;
    return (sqlite3_pcache_methods2){.iVersion = 1,
                                     .xInit = init,
                                     .xShutdown = shut_down,
                                     .xCreate = create,
                                     .xCachesize = set_size,
                                     .xPagecount = count,
                                     .xFetch = fetch,
                                     .xUnpin = unpin,
                                     .xRekey = rename_page,
                                     .xTruncate = truncate_at,
                                     .xDestroy = destroy,
                                     .xShrink = shrink};
}
