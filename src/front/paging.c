#include "front/paging.h"
#include "base/codec.h"
#include "model/fault.h"

enum { TOKEN_VERSION = 1, TOKEN_SIZE = 25, TOKEN_TEXT_MAX = 64 };

void page_read(struct exchange *exchange, struct page *page)
{
    struct str text = exchange->max_item_count.ptr ? exchange->max_item_count
                                                   : exchange_param(exchange, STR("pageSize"));
    uint64_t count = 0;
    if (!str_to_u64(text, UINT64_MAX, &count) || count == 0 || count > PAGE_ITEMS_MAX)
        count = PAGE_ITEMS_MAX;
    page->items_max = (size_t)count;
    page->count = 0;
}

struct str page_token(struct exchange *exchange)
{
    struct str token = exchange->continuation.len > 0
                           ? exchange->continuation
                           : exchange_param(exchange, STR("continuationToken"));
    return token.len > 0 ? token : STR_NONE;
}

struct str token_write(struct arena *mem, uint64_t hash, const struct page_key *key)
{
    uint8_t bytes[TOKEN_SIZE] = {TOKEN_VERSION};
    memcpy(bytes + 1, &hash, 8);
    memcpy(bytes + 9, &key->first, 4);
    memcpy(bytes + 13, &key->second, 4);
    memcpy(bytes + 17, &key->left, 8);
    return base64_encode(mem, str_of(bytes, sizeof(bytes)));
}

enum err token_read(struct str token, uint64_t hash, struct page_key *key, struct why *why)
{
    struct arena mem = {0};
    struct str bytes;
    uint64_t bound = ~hash;
    bool ours = token.len <= TOKEN_TEXT_MAX && base64_decode(&mem, token, &bytes) &&
                bytes.len == TOKEN_SIZE && bytes.ptr[0] == TOKEN_VERSION;
    if (ours) {
        memcpy(&bound, bytes.ptr + 1, 8);
        memcpy(&key->first, bytes.ptr + 9, 4);
        memcpy(&key->second, bytes.ptr + 13, 4);
        memcpy(&key->left, bytes.ptr + 17, 8);
    }
    arena_done(&mem);
    if (bound == hash)
        return ERR_OK;
    return err_fault(
        ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
        "the continuation token is not one of this query: repeat the query that gave it");
}
