#include "query/scratch.h"
#include "base/banned.h"
#include <assert.h>

enum { BLOCK_MIN = 4 * 1024 };

struct query_scratch *query_scratch_create(void)
{
    return xcalloc(1, sizeof(struct query_scratch));
}

void query_scratch_destroy(struct query_scratch *scratch)
{
    if (!scratch)
        return;
    for (unsigned i = 0; i < SLOTS; i++)
        free(scratch->slots[i].block);
    buf_done(&scratch->metadata[0]);
    buf_done(&scratch->metadata[1]);
    arena_done(&scratch->mem);
    free(scratch);
}

void scratch_reset(struct query_scratch *scratch)
{
    for (unsigned i = 0; i < SLOTS && scratch->is_used; i++) {
        scratch->slots[i].is_parsed = false;
        scratch->slots[i].seeks = 0;
    }
    scratch->is_used = false;
    if (scratch->mem.used)
        arena_reset(&scratch->mem);
}

static yyjson_val *parse_into(struct parsed_text *slot, struct str text)
{
    size_t size = yyjson_read_max_memory_usage(text.len, YYJSON_READ_NOFLAG);
    assert(size != 0);
    if (size > slot->block_size) {
        size_t doubled = slot->block_size * 2;
        free(slot->block);
        slot->block_size = size > doubled ? size : doubled;
        if (slot->block_size < BLOCK_MIN)
            slot->block_size = BLOCK_MIN;
        slot->block = xmalloc(slot->block_size);
    }
    yyjson_alc pool;
    yyjson_alc_pool_init(&pool, slot->block, slot->block_size);
    /* Without YYJSON_READ_INSITU yyjson copies the text and only reads what it was given. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, &pool, NULL);
    return yyjson_doc_get_root(doc);
}

yyjson_val *scratch_tree(struct query_scratch *scratch, enum scratch_slot slot, struct str text)
{
    struct parsed_text *s = &scratch->slots[slot];
    if (s->is_parsed && s->text.ptr == text.ptr && s->text.len == text.len)
        return s->root;
    scratch->is_used = true;
    s->text = text;
    s->root = parse_into(s, text);
    s->is_parsed = true;
    return s->root;
}

yyjson_val *scratch_metadata(struct query_scratch *scratch, enum twin_part part,
                             const struct twin_section *section)
{
    bool desired = part == TWIN_DESIRED;
    enum scratch_slot slot = desired ? SLOT_DESIRED_METADATA : SLOT_REPORTED_METADATA;
    struct parsed_text *s = &scratch->slots[slot];
    if (s->is_parsed)
        return s->root;
    struct buf *text = &scratch->metadata[desired ? 0 : 1];
    buf_reset(text);
    twin_put_metadata(text, part, section);
    return scratch_tree(scratch, slot, buf_str(text));
}

struct str scratch_time(struct query_scratch *scratch, enum scratch_time which, int64_t ticks)
{
    return str_of(scratch->times[which], time_print(ticks, scratch->times[which]));
}

struct str scratch_job_time(struct query_scratch *scratch, enum scratch_time which, int64_t ticks)
{
    char *text = scratch->times[which];
    bool whole = ticks % TICKS_PER_SECOND == 0;
    return str_of(text, whole ? time_print(ticks, text) : time_print_full(ticks, text));
}
