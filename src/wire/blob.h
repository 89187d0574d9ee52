/* blob.h - the address of a blob as a device gets it, and the list of blocks that it sends.
 *
 *     https://{host}/uploads/d/f.txt?sv=...&sr=b&se=2026-01-01T00%3A00%3A00Z&sp=w&sig=...
 *
 * An address is an HMAC-SHA256 over what it allows, the blob's path and its end: it needs no record, and
 * fits no other blob. Never log one. Pure.
 * Source: spec/device-http-amqp.md A.4; Azure's pages on SAS addresses and on Put Block List. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    BLOB_KEY_SIZE = 32,
    BLOCKS_MAX = 10000,       /* of a list */
    BLOCK_ID_MAX = 64,        /* bytes, before base64 */
    BLOCK_LIST_MAX = 2 << 20, /* bytes of its text */
};

struct blob_grant {
    struct str path;   /* "uploads/d/f.txt", decoded, without a slash before it */
    char permission;   /* 'r' or 'w' */
    int64_t expires_s; /* Unix time */
};
/* "?sv=...&sig=...", in `mem`. */
struct str blob_sign(const struct blob_grant *grant, struct str key, struct arena *mem);

/* Does this query allow it? ERR_DENIED: not signed by us for this path, for the other permission, or over. */
enum err blob_verify(struct str query, const struct blob_grant *wish, int64_t now_s, struct str key,
                     struct why *why);

/* A block's id as it is sent; its bytes in `mem`. False: not base64, empty, or over BLOCK_ID_MAX. */
bool block_id_read(struct str text, struct arena *mem, struct str *out);

/* <BlockList><Latest>id</Latest>...</BlockList>: the ids' bytes in their order. ERR_BAD_INPUT: no such XML;
 * ERR_LIMIT: a list that is not taken: more than BLOCKS_MAX, what is no id, or <Committed>. */
enum err block_list_read(struct str text, struct arena *mem, struct str **out, size_t *count,
                         struct why *why);
