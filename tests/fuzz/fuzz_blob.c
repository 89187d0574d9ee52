/* Any bytes as a list of blocks, as a block's id, as the query of an address, and as a path that one is
 * signed for. */
#include "base/codec.h"
#include "wire/blob.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str key = STR("0123456789abcdef0123456789abcdef");
enum { NOW_S = 1767225600 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_id(struct str text, struct arena *mem)
{
    struct str id, again;
    if (!block_id_read(text, mem, &id))
        return;
    must(id.len > 0 && id.len <= BLOCK_ID_MAX);
    must(block_id_read(base64_encode(mem, id), mem, &again) && str_eq(id, again));
}

/* What was read can be written, and reads back alike. */
static void read_list(struct str text, struct arena *mem)
{
    struct str *ids, *again;
    size_t count, count_again;
    struct buf out = {0};
    if (block_list_read(text, mem, &ids, &count, NULL) != ERR_OK)
        return;
    must(count <= BLOCKS_MAX && count <= text.len);
    buf_put(&out, STR("<?xml version=\"1.0\"?><BlockList>"));
    for (size_t i = 0; i < count; i++) {
        must(ids[i].len > 0 && ids[i].len <= BLOCK_ID_MAX);
        buf_put(&out, STR("<Latest>"));
        buf_put(&out, base64_encode(mem, ids[i]));
        buf_put(&out, STR("</Latest>"));
    }
    buf_put(&out, STR("</BlockList>"));
    must(block_list_read(buf_str(&out), mem, &again, &count_again, NULL) == ERR_OK);
    must(count == count_again);
    for (size_t i = 0; i < count; i++)
        must(str_eq(ids[i], again[i]));
    buf_done(&out);
}

/* No query allows both, or another file. */
static void read_query(struct str query)
{
    struct blob_grant wish = {.path = STR("uploads/d1/f.txt"), .permission = 'w'};
    bool write = blob_verify(query, &wish, NOW_S, key, NULL) == ERR_OK;
    wish.permission = 'r';
    bool read = blob_verify(query, &wish, NOW_S, key, NULL) == ERR_OK;
    must(!write || !read);
    wish.path = STR("uploads/d1/g.txt");
    must(!write || blob_verify(query, &wish, NOW_S, key, NULL) == ERR_DENIED);
    must(!read || blob_verify(query, &wish, NOW_S, key, NULL) == ERR_DENIED);
}

static void sign_path(struct str path, struct arena *mem)
{
    struct blob_grant grant = {.path = path, .permission = 'w', .expires_s = NOW_S + 1};
    struct str query = blob_sign(&grant, key, mem);
    must(blob_verify(query, &grant, NOW_S, key, NULL) == ERR_OK);
    must(blob_verify(query, &grant, NOW_S + 1, key, NULL) == ERR_DENIED);
    grant.permission = 'r';
    must(blob_verify(query, &grant, NOW_S, key, NULL) == ERR_DENIED);
    grant.permission = 'w';
    grant.path = str_format(mem, "%.*sx", STR_ARG(path));
    must(blob_verify(query, &grant, NOW_S, key, NULL) == ERR_DENIED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem = {0};
    struct str text = str_of(data, size);
    read_id(text, &mem);
    read_list(text, &mem);
    read_query(text);
    /* A name has no zero in it: blob_name.h refuses it. */
    if (!memchr(data, 0, size))
        sign_path(text, &mem);
    arena_done(&mem);
    return 0;
}
