#include "hub/walk_share.h"
#include <stdlib.h>

enum {
    CLOCK_EVERY = 256, /* twins between two looks at the clock */
    FIND_AT_ONCE = 64, /* named devices loaded by one store call */
    SHARE_MS = 8,      /* a scan is worth a helper after this long */
};

/* A walk under way. */
struct steps {
    struct twin_walk *walk;
    struct read_context *context;
    unsigned match_parts;  /* PART_ bits loaded for the verdict */
    bool bare;             /* of sections it reads no more than values */
    bool names_only;       /* it reads no more than who it is */
    bool presence;         /* verdict or answer read it */
    bool configurations;   /* likewise */
    struct buf configured; /* what configurations there are of the present twin */
    unsigned late_parts;   /* PART_ bits that the answer needs beyond that; 0: none */
    uint32_t seen;         /* the last number that was dealt with */
    int64_t snapshot_ns;   /* when the present snapshot began */
    int64_t begun_ns;      /* when the first one did */
    unsigned since_clock;
    bool pause, over; /* why the store's visitor stopped */
    bool may_share;   /* a reader may help with what is left */
    struct arena late;
    enum err err;
    struct why *why;
};

static enum err go_through(struct steps *s);
static int64_t now_ns(struct steps *s);
static enum err find_ids(struct steps *s, const struct str *ids, size_t count);

static unsigned parts_of(unsigned needs)
{
    return (needs & QUERY_NEEDS_TAGS ? (unsigned)PART_TAGS : 0) |
           (needs & QUERY_NEEDS_DESIRED ? (unsigned)PART_DESIRED : 0) |
           (needs & QUERY_NEEDS_REPORTED ? (unsigned)PART_REPORTED : 0) |
           (needs & (QUERY_NEEDS_IDENTITY | QUERY_NEEDS_NAMES) ? (unsigned)PART_IDENTITY : 0);
}

static bool is_bare(unsigned needs)
{
    return !(needs & QUERY_NEEDS_METADATA);
}

/* Of an answer that ends after a page, what the verdict does not need is loaded for the few that
 * match. Aggregates take all that matches, so theirs comes along. */
static void plan(struct steps *s)
{
    const struct query *query = s->walk->query;
    unsigned match = query_needs_match(query), all = match | query_needs_project(query);
    if (s->walk->verdicts_only)
        all = match;
    else if (query_shape(query) == QUERY_SHAPE_GROUPS)
        match = all;
    s->may_share = s->context->readers && !s->walk->one_state && !s->walk->alone;
    s->presence = (all & QUERY_NEEDS_PRESENCE) != 0;
    s->configurations = (all & QUERY_NEEDS_CONFIGURATIONS) != 0;
    if (s->walk->numbers_only)
        all = match;
    s->bare = is_bare(match);
    s->names_only = !(
        match & ~(unsigned)(QUERY_NEEDS_NAMES | QUERY_NEEDS_PRESENCE | QUERY_NEEDS_CONFIGURATIONS));
    s->match_parts = parts_of(match);
    bool late = parts_of(all) & ~s->match_parts || is_bare(all) != s->bare ||
                (s->names_only && all & QUERY_NEEDS_IDENTITY);
    s->late_parts = late ? parts_of(all) | PART_IDENTITY : 0;
}

enum err twin_walk(struct read_context *context, struct twin_walk *walk, struct why *why)
{
    struct steps s = {.walk = walk, .context = context, .seen = walk->after, .why = why};
    s.begun_ns = now_ns(&s);
    const struct str *ids;
    size_t count;
    walk->read = walk->matched = walk->undefined = 0;
    walk->snapshots = 0;
    walk->helped = false;
    plan(&s);
    bool named = !walk->alone && query_device_ids(walk->query, &ids, &count);
    walk->way = named ? TWIN_WALK_IDS : TWIN_WALK_SCAN;
    walk->index[0] = '\0';
    enum err err = named ? find_ids(&s, ids, count) : go_through(&s);
    arena_done(&s.late);
    buf_done(&s.configured);
    return err != ERR_OK ? err : s.err;
}

/* ---- one twin ---- */

static void view_of(struct steps *s, const struct entity *entity, struct twin_view *out)
{
    out->identity = &entity->id;
    out->tags = entity->loaded & PART_TAGS ? &entity->tags : NULL;
    out->desired = entity->loaded & PART_DESIRED ? &entity->desired : NULL;
    out->reported = entity->loaded & PART_REPORTED ? &entity->reported : NULL;
    if (s->presence)
        out->presence = presence_get(s->context->presence, entity->id.number);
    else
        out->presence = PRESENCE_NEVER;
    out->configurations = STR_NONE;
    buf_reset(&s->configured);
    if (s->configurations &&
        config_board_put(s->context->configurations, entity->id.number, &s->configured))
        out->configurations = buf_str(&s->configured);
}

static bool give(struct steps *s, const struct twin_view *view)
{
    s->walk->matched++;
    if (s->walk->verdicts_only)
        return true;
    if (s->walk->groups) {
        struct query_doc doc = {.twin = view};
        s->err = query_groups_add(s->walk->groups, &doc, s->context->scratch, s->why);
        return s->err == ERR_OK;
    }
    if (!s->late_parts)
        return s->walk->visit(s->walk->arg, view);
    arena_reset(&s->late);
    struct store_want want = {.number = view->identity->number, .parts = s->late_parts};
    s->err = store_find(s->context->store, &want, 1, &s->late, s->why);
    if (s->err != ERR_OK || !want.found)
        return s->err == ERR_OK;
    struct twin_view whole;
    view_of(s, want.found, &whole);
    whole.presence = view->presence; /* as it was judged */
    return s->walk->visit(s->walk->arg, &whole);
}

/* False: the walk is over. */
static bool judge(struct steps *s, const struct entity *entity)
{
    struct twin_view view;
    view_of(s, entity, &view);
    struct query_doc doc = {.twin = &view};
    s->walk->read++;
    enum query_verdict verdict = query_match(s->walk->query, &doc, s->context->scratch);
    s->walk->undefined += verdict == QUERY_UNDEFINED;
    if (verdict == QUERY_TRUE && !give(s, &view))
        return false;
    s->seen = entity->id.number;
    return true;
}

/* ---- snapshots ---- */

static int64_t now_ns(struct steps *s)
{
    return s->context->clock->mono_ns(s->context->clock);
}

static enum err begin(struct steps *s)
{
    s->pause = false;
    s->snapshot_ns = now_ns(s);
    s->walk->snapshots++;
    return store_begin(s->context->store, s->why);
}

static bool is_late(struct steps *s)
{
    return !s->walk->one_state &&
           now_ns(s) - s->snapshot_ns > READERS_SNAPSHOT_MS * INT64_C(1000000);
}

static bool is_worth_sharing(struct steps *s)
{
    return s->may_share && readers_idle(s->context->readers) &&
           now_ns(s) - s->begun_ns > SHARE_MS * INT64_C(1000000);
}

static bool is_old(struct steps *s)
{
    if (++s->since_clock < CLOCK_EVERY)
        return false;
    s->since_clock = 0;
    readers_give_way(s->context);
    return is_late(s) || is_worth_sharing(s);
}

static bool visit_scanned(void *arg, const struct entity *entity)
{
    struct steps *s = arg;
    s->over = !judge(s, entity);
    s->pause = !s->over && is_old(s);
    return !s->over && !s->pause;
}

/* ---- by number ---- */

/* Numbers are those of devices and modules. */
static bool is_of(const struct steps *s, const struct entity *entity)
{
    bool modules = query_collection(s->walk->query) == QUERY_MODULES;
    return (entity->id.module_id.len != 0) == modules;
}

/* In batches, so that the memory is bounded however long the list. */
static enum err judge_numbers(struct steps *s, const uint32_t *numbers, size_t count)
{
    struct arena mem = {0};
    enum err err = ERR_OK;
    for (size_t from = 0; err == ERR_OK && !s->over && from < count; from += FIND_AT_ONCE) {
        struct store_want wants[FIND_AT_ONCE];
        size_t some = count - from < FIND_AT_ONCE ? count - from : FIND_AT_ONCE;
        for (size_t i = 0; i < some; i++)
            wants[i] = (struct store_want){.number = numbers[from + i], .parts = s->match_parts};
        err = store_find(s->context->store, wants, some, &mem, s->why);
        for (size_t i = 0; err == ERR_OK && !s->over && i < some; i++)
            s->over = wants[i].found && is_of(s, wants[i].found) && !judge(s, wants[i].found);
        arena_reset(&mem);
    }
    arena_done(&mem);
    return err;
}

static enum err judge_candidates(struct steps *s, const roaring_bitmap_t *candidates)
{
    s->walk->way = TWIN_WALK_INDEX;
    roaring_uint32_iterator_t at;
    roaring_init_iterator(candidates, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, s->seen + 1);
    enum err err = ERR_OK;
    while (err == ERR_OK && at.has_value && !s->over && !s->pause) {
        uint32_t numbers[FIND_AT_ONCE];
        uint32_t some = roaring_read_uint32_iterator(&at, numbers, FIND_AT_ONCE);
        err = judge_numbers(s, numbers, some);
        readers_give_way(s->context);
        s->seen = numbers[some - 1];
        s->pause = !s->over && at.has_value && is_late(s);
    }
    return err;
}

/* ---- all of them ---- */

static enum err scan(struct steps *s)
{
    s->walk->way = TWIN_WALK_SCAN;
    struct store_scan all = {
        .after = s->seen,
        .until = s->walk->until,
        .modules = query_collection(s->walk->query) == QUERY_MODULES,
        .parts = s->match_parts,
        .bare = s->bare,
    };
    return store_scan(s->context->store, &all, visit_scanned, s, s->why);
}

/* What is known of candidates holds for one snapshot, so each begins by asking again. */
static enum err go_on(struct steps *s)
{
    roaring_bitmap_t *candidates = NULL;
    enum err err = s->walk->alone ? ERR_OK
                                  : store_candidates(s->context->store, s->walk->query, &candidates,
                                                     s->walk->index, s->why);
    if (err != ERR_OK)
        return err;
    if (candidates && s->walk->until)
        roaring_bitmap_remove_range_closed(candidates, s->walk->until + 1, UINT32_MAX);
    err = candidates ? judge_candidates(s, candidates) : scan(s);
    if (candidates)
        roaring_bitmap_free(candidates);
    return err;
}

/* What matched is judged again, as it is now; it was counted where it was found. */
static enum err give_part(struct steps *s, const struct share_part *part)
{
    struct twin_walk *walk = s->walk;
    if (part->count == 0 || walk->verdicts_only)
        return ERR_OK;
    uint64_t read = walk->read, matched = walk->matched, undefined = walk->undefined;
    enum err err = begin(s);
    if (err != ERR_OK)
        return err;
    err = judge_numbers(s, part->numbers, part->count);
    store_end(s->context->store);
    walk->read = read;
    walk->matched = matched;
    walk->undefined = undefined;
    return err;
}

/* The rest, with a helper if there is one; without, `pause` stays set and the walk goes on alone. */
static enum err go_shared(struct steps *s)
{
    struct store_counters counters;
    enum err err = store_read_counters(s->context->store, &counters, s->why);
    if (err != ERR_OK)
        return err;
    struct share *share = share_begin(s->context, s->walk, s->seen, counters.next_number - 1);
    if (!share)
        return ERR_OK;
    s->pause = false;
    struct share_part part = {.more = true};
    while (err == ERR_OK && part.more && !s->over) {
        err = share_step(share, &part, s->why);
        if (err == ERR_OK)
            err = give_part(s, &part);
    }
    struct why why;
    enum err end = share_end(share, err == ERR_OK ? s->why : &why);
    return err != ERR_OK ? err : end;
}

static enum err go_through(struct steps *s)
{
    enum err err;
    do {
        err = begin(s);
        if (err != ERR_OK)
            return err;
        err = go_on(s);
        store_end(s->context->store);
        if (err == ERR_OK && s->pause && s->walk->way == TWIN_WALK_SCAN && is_worth_sharing(s))
            err = go_shared(s);
    } while (err == ERR_OK && s->pause);
    if (err == ERR_OK && s->walk->way == TWIN_WALK_SCAN && !s->walk->alone &&
        store_note_scan(s->context->store, s->walk->query, s->walk->read, s->walk->matched) &&
        s->context->hub)
        hub_wake(s->context->hub);
    return err;
}

/* ---- those that are named ---- */

struct named {
    uint32_t number; /* 0: there is none */
    struct str id;
};

static int by_number(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The numbers of those that exist and are still to come, in order. */
static enum err find_named(struct steps *s, const struct str *ids, size_t count,
                           struct named *named, uint32_t *numbers, size_t *found)
{
    uint32_t until = s->walk->until ? s->walk->until : UINT32_MAX;
    enum err err = store_numbers(s->context->store, ids, count, STR(""), numbers, s->why);
    *found = 0;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        if (numbers[i] > s->walk->after && numbers[i] <= until)
            named[(*found)++] = (struct named){numbers[i], ids[i]};
    qsort(named, *found, sizeof *named, by_number);
    for (size_t i = 0; i < *found; i++)
        numbers[i] = named[i].number;
    return err;
}

/* A condition on names alone is judged without loading anything. */
static void judge_named(struct steps *s, const struct named *named, size_t count)
{
    for (size_t i = 0; i < count && !s->over; i++) {
        struct entity entity = {
            .loaded = PART_IDENTITY,
            .id = {.number = named[i].number, .device_id = named[i].id, .module_id = STR("")}};
        s->over = !judge(s, &entity);
    }
}

/* The modules of the named devices. */
static enum err find_modules(struct steps *s, const struct str *ids, size_t count)
{
    uint32_t until = s->walk->until ? s->walk->until : UINT32_MAX;
    roaring_bitmap_t *all = roaring_bitmap_create();
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        uint32_t numbers[IDENTITY_MODULES_ALL];
        size_t some = 0;
        err = store_modules(s->context->store, ids[i], numbers, &some, s->why);
        roaring_bitmap_add_many(all, some, numbers);
    }
    roaring_uint32_iterator_t at;
    roaring_init_iterator(all, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, s->walk->after + 1);
    while (err == ERR_OK && at.has_value && !s->over) {
        uint32_t numbers[FIND_AT_ONCE];
        uint32_t some = roaring_read_uint32_iterator(&at, numbers, FIND_AT_ONCE);
        while (some > 0 && numbers[some - 1] > until)
            some--;
        err = judge_numbers(s, numbers, some);
        s->over |= some == 0;
    }
    roaring_bitmap_free(all);
    return err;
}

static enum err find_ids(struct steps *s, const struct str *ids, size_t count)
{
    enum err err = begin(s);
    if (err != ERR_OK)
        return err;
    if (query_collection(s->walk->query) == QUERY_MODULES) {
        err = find_modules(s, ids, count);
        store_end(s->context->store);
        return err;
    }
    uint32_t *numbers = xcalloc(count ? count : 1, sizeof *numbers);
    struct named *named = xcalloc(count ? count : 1, sizeof *named);
    size_t found;
    err = find_named(s, ids, count, named, numbers, &found);
    if (err == ERR_OK && s->names_only)
        judge_named(s, named, found);
    else if (err == ERR_OK)
        err = judge_numbers(s, numbers, found);
    store_end(s->context->store);
    free(named);
    free(numbers);
    return err;
}
