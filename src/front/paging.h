/* paging.h - pages and the tokens between them.
 *
 * A token is the last key of a page, bound to its query by a hash: base64 of 1 version byte, the hash
 * and the key. It holds no state of ours, so it survives a restart. Source:
 * spec/query-language.md 6.4, spec/service-rest.md 1.7. */
#pragma once
#include "front/exchange.h"

enum {
    PAGE_ITEMS_MAX = 100,
    PAGE_BYTES_MAX = 4 * 1024 * 1024,
};

struct page {
    size_t items_max;
    size_t count; /* items so far */
};

/* x-ms-max-item-count, or pageSize; 1 to PAGE_ITEMS_MAX, anything else is the default. */
void page_read(struct exchange *exchange, struct page *page);
/* x-ms-continuation, or continuationToken; STR_NONE on the first page. */
struct str page_token(struct exchange *exchange);
static inline bool page_full(const struct page *page, size_t bytes)
{
    return page->count >= page->items_max || (page->count > 0 && bytes >= PAGE_BYTES_MAX);
}

struct page_key {
    uint32_t first, second; /* of the last item: (job, number), (0, number), (0, row) */
    uint64_t left;          /* what a TOP still allows; UINT64_MAX without one */
};
struct str token_write(struct arena *mem, uint64_t hash, const struct page_key *key);
/* ERR_BAD_INPUT when it is not a token of ours, or of another query. */
enum err token_read(struct str token, uint64_t hash, struct page_key *key, struct why *why);
