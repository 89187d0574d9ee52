/* scratch.h - the working memory of one evaluating thread.
 *
 * Holds what was parsed of the current document: one slot per JSON text, filled when the condition
 * first reaches it and read again by the projection. A slot parses into a block of its own that is
 * kept from document to document, so that a scan of a million twins allocates nothing. */
#pragma once
#include "base/time.h"
#include "query/query.h"

enum scratch_slot {
    SLOT_TAGS,
    SLOT_DESIRED,
    SLOT_REPORTED,
    SLOT_DESIRED_METADATA,
    SLOT_REPORTED_METADATA,
    SLOT_SCOPES,
    SLOT_OUTCOME,
    SLOT_CONFIGURATIONS,
    SLOTS,
};
enum scratch_time { /* texts of times that one expression may compare with each other */
                    TIME_STATUS,
                    TIME_ACTIVITY,
                    TIME_START,
                    TIME_END,
                    TIME_CREATED,
                    TIME_UPDATED,
                    SCRATCH_TIMES,
};

struct parsed_text {
    struct str text;  /* what was parsed; borrows from the document */
    yyjson_val *root; /* NULL when it is not JSON */
    bool is_parsed;
    unsigned seeks; /* values that were read without parsing it */
    char *block;    /* yyjson's memory, reused */
    size_t block_size;
};
struct query_scratch {
    struct parsed_text slots[SLOTS];
    bool is_used;           /* some slot is */
    struct buf metadata[2]; /* of desired and reported, printed when a path asks for it */
    char times[SCRATCH_TIMES][TIME_TEXT_MAX];
    struct arena mem; /* short texts of the current document */
};

/* Forget the current document, keep the memory. */
void scratch_reset(struct query_scratch *scratch);

/* Whether one more value may be looked for in the text of a slot (seek.h). Each look costs up to half
 * a parse, so after SCRATCH_SEEKS_MAX the text is parsed. */
enum { SCRATCH_SEEKS_MAX = 2 };
static inline bool scratch_may_seek(struct query_scratch *scratch, enum scratch_slot slot)
{
    struct parsed_text *s = &scratch->slots[slot];
    scratch->is_used = true;
    return !s->is_parsed && s->seeks++ < SCRATCH_SEEKS_MAX;
}

/* The tree of `text`, parsed at most once per document. NULL when it is not JSON. */
yyjson_val *scratch_tree(struct query_scratch *scratch, enum scratch_slot slot, struct str text);

/* The `$metadata` of a section; `part` is TWIN_DESIRED or TWIN_REPORTED. */
yyjson_val *scratch_metadata(struct query_scratch *scratch, enum twin_part part,
                             const struct twin_section *section);

/* An instant as twins show it; as job records show it, with seven digits of fraction or none. */
struct str scratch_time(struct query_scratch *scratch, enum scratch_time which, int64_t ticks);
struct str scratch_job_time(struct query_scratch *scratch, enum scratch_time which, int64_t ticks);
