#include "hub/configurations.h"
#include "base/log.h"
#include "model/fault.h"
#include <stdlib.h>

enum {
    SETS_MAX = CONFIGURATIONS_MAX * CONFIG_SETS + 1,
    SLICE_MASK = (1 << STORE_SLICE_BITS) - 1,
};

struct delta { /* of one stored set */
    uint32_t configuration;
    int kind; /* 0: work, else 1 + enum config_set */
    roaring_bitmap_t *come, *gone;
};
struct config_turn {
    struct delta deltas[SETS_MAX];
    size_t count;
    struct configuration *rows[CONFIGURATIONS_MAX]; /* made or changed */
    size_t row_count;
    uint32_t removed[CONFIGURATIONS_MAX];
    size_t removed_count;
    uint32_t next_number;
};

static struct config_turn *changes_of(struct hub_turn *turn)
{
    if (!turn->configs) {
        turn->configs = arena_new(&turn->mem, struct config_turn);
        turn->configs->next_number = turn->hub->configurations->next_number;
    }
    turn_note_change(turn);
    return turn->configs;
}

/* ---- in force ---- */

struct config_live *configuration_live(const struct configurations *all, uint32_t number)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->row.number == number)
            return all->list[i];
    return NULL;
}

static void live_destroy(struct config_live *live)
{
    arena_done(&live->mem);
    free(live);
}

static enum err compile(struct config_live *live, struct why *why)
{
    const struct json_limits limits = {.size_max = CONFIGURATION_BODY_MAX,
                                       .depth_max = CONFIGURATION_DEPTH_MAX};
    yyjson_val *content;
    enum err err = json_read(live->row.content, &limits, &live->mem, &content, why);
    if (err == ERR_OK)
        err = configuration_content_read(content, &live->mem, &live->content, why);
    if (err == ERR_OK && live->row.condition.len > 0)
        err = query_compile(configuration_condition(&live->row, &live->mem), QUERY_CONDITION,
                            &live->mem, &live->condition, why);
    live->writer = (struct twin_writer){live->row.id, configuration_digest(&live->row, &live->mem)};
    return err;
}

static bool comes_before(const struct config_live *a, const struct config_live *b)
{
    if (a->row.priority != b->row.priority)
        return a->row.priority > b->row.priority;
    return a->row.number > b->row.number; /* numbers follow creation */
}

static void put_in(struct configurations *all, struct config_live *live)
{
    size_t at = all->count++;
    for (; at > 0 && comes_before(live, all->list[at - 1]); at--)
        all->list[at] = all->list[at - 1];
    all->list[at] = live;
}

static void take_out(struct configurations *all, uint32_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i]->row.number == number)
            live_destroy(all->list[i]);
        else
            all->list[kept++] = all->list[i];
    }
    all->count = kept;
}

static void note_reads(struct configurations *all)
{
    all->reads = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->condition)
            all->reads |= query_needs_match(all->list[i]->condition);
}

static void enforce(struct configurations *all, const struct configuration *row)
{
    struct config_live *live = xcalloc(1, sizeof(*live));
    struct why why;
    live->row = configuration_copy(&live->mem, row);
    if (compile(live, &why) != ERR_OK)
        log_error("a stored configuration cannot be read", LOG_STR("configuration", row->id),
                  LOG_TEXT_Z("reason", why.text)); /* it targets nobody */
    if (configuration_live(all, row->number))
        take_out(all, row->number);
    else
        config_board_add(all->board, row->number, row->id);
    put_in(all, live);
}

/* ---- at a start ---- */

static bool load_row(void *arg, const struct configuration *row)
{
    struct configurations *all = arg;
    if (all->count == CONFIGURATIONS_MAX)
        return false;
    enforce(all, row);
    if (row->number >= all->next_number)
        all->next_number = row->number + 1;
    return true;
}

static bool load_set(void *arg, const struct config_slice *slice)
{
    struct configurations *all = arg;
    roaring_bitmap_t *none = roaring_bitmap_create(),
                     *numbers = roaring_bitmap_portable_deserialize_safe(slice->numbers.ptr,
                                                                         slice->numbers.len);
    if (!numbers)
        log_error("a stored set of a configuration cannot be read", LOG_INT("slice", slice->slice));
    else if (slice->kind == 0)
        roaring_bitmap_or_inplace(all->work, numbers);
    else
        config_board_change(all->board, slice->configuration, (enum config_set)(slice->kind - 1),
                            numbers, none);
    if (numbers)
        roaring_bitmap_free(numbers);
    roaring_bitmap_free(none);
    return true;
}

enum err configurations_load(struct hub *hub, struct why *why)
{
    struct configurations *all = hub->configurations = xcalloc(1, sizeof(*all));
    struct store_reader *reader = store_main(hub->store);
    all->next_number = 1;
    all->work = roaring_bitmap_create();
    all->board = config_board_create();
    all->scratch = query_scratch_create();
    enum err err = store_configurations(reader, STR_NONE, load_row, all, why);
    note_reads(all);
    return err == ERR_OK ? store_configuration_sets(reader, load_set, all, why) : err;
}

void configurations_destroy(struct configurations *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++)
        live_destroy(all->list[i]);
    roaring_bitmap_free(all->work);
    config_board_destroy(all->board);
    query_scratch_destroy(all->scratch);
    free(all);
}

/* ---- rows as the turn has them ---- */

static bool is_removed(const struct config_turn *changes, uint32_t number)
{
    for (size_t i = 0; changes && i < changes->removed_count; i++)
        if (changes->removed[i] == number)
            return true;
    return false;
}

static struct configuration *changed_row(const struct config_turn *changes, uint32_t number)
{
    for (size_t i = 0; changes && i < changes->row_count; i++)
        if (changes->rows[i]->number == number)
            return changes->rows[i];
    return NULL;
}

const struct configuration *turn_configuration_number(struct hub_turn *turn, uint32_t number)
{
    const struct config_live *live = configuration_live(turn->hub->configurations, number);
    const struct configuration *row = changed_row(turn->configs, number);
    if (is_removed(turn->configs, number))
        return NULL;
    return row ? row : live ? &live->row : NULL;
}

const struct configuration *turn_configuration(struct hub_turn *turn, struct str id)
{
    const struct configurations *all = turn->hub->configurations;
    for (size_t i = 0; turn->configs && i < turn->configs->row_count; i++)
        if (str_eq(turn->configs->rows[i]->id, id) &&
            !is_removed(turn->configs, turn->configs->rows[i]->number))
            return turn->configs->rows[i];
    for (size_t i = 0; i < all->count; i++)
        if (str_eq(all->list[i]->row.id, id))
            return turn_configuration_number(turn, all->list[i]->row.number);
    return NULL;
}

size_t turn_configuration_count(struct hub_turn *turn)
{
    const struct config_turn *changes = turn->configs;
    size_t count = turn->hub->configurations->count;
    for (size_t i = 0; changes && i < changes->row_count; i++)
        count += !configuration_live(turn->hub->configurations, changes->rows[i]->number);
    return changes ? count - changes->removed_count : count;
}

bool turn_configurations_changed(const struct hub_turn *turn)
{
    return turn->configs && turn->configs->row_count + turn->configs->removed_count > 0;
}

void turn_put_configuration(struct hub_turn *turn, struct configuration *row)
{
    struct config_turn *changes = changes_of(turn);
    if (row->number == 0)
        row->number = changes->next_number++;
    struct configuration *kept = changed_row(changes, row->number);
    if (!kept) {
        kept = arena_new(&turn->mem, struct configuration);
        changes->rows[changes->row_count++] = kept;
    }
    *kept = *row;
}

/* ---- sets as the turn has them ---- */

static struct delta *delta_of(struct hub_turn *turn, uint32_t configuration, int kind, bool make)
{
    struct config_turn *changes = make ? changes_of(turn) : turn->configs;
    for (size_t i = 0; changes && i < changes->count; i++)
        if (changes->deltas[i].configuration == configuration && changes->deltas[i].kind == kind)
            return &changes->deltas[i];
    if (!make || changes->count == SETS_MAX)
        return NULL;
    struct delta *delta = &changes->deltas[changes->count++];
    *delta = (struct delta){configuration, kind, roaring_bitmap_create(), roaring_bitmap_create()};
    return delta;
}

static const roaring_bitmap_t *committed(const struct configurations *all, uint32_t configuration,
                                         int kind)
{
    return kind == 0 ? all->work
                     : config_board_set(all->board, configuration, (enum config_set)(kind - 1));
}

static bool contains(struct hub_turn *turn, uint32_t configuration, int kind, uint32_t number)
{
    const struct delta *delta = delta_of(turn, configuration, kind, false);
    const roaring_bitmap_t *was = committed(turn->hub->configurations, configuration, kind);
    if (delta && roaring_bitmap_contains(delta->come, number))
        return true;
    if (delta && roaring_bitmap_contains(delta->gone, number))
        return false;
    return was && roaring_bitmap_contains(was, number);
}

static void put(struct hub_turn *turn, uint32_t configuration, int kind, uint32_t number, bool in)
{
    if (contains(turn, configuration, kind, number) == in)
        return;
    struct delta *delta = delta_of(turn, configuration, kind, true);
    if (!delta)
        return;
    roaring_bitmap_add(in ? delta->come : delta->gone, number);
    roaring_bitmap_remove(in ? delta->gone : delta->come, number);
}

static void put_all(struct hub_turn *turn, uint32_t configuration, int kind,
                    const roaring_bitmap_t *numbers)
{
    if (!numbers || roaring_bitmap_is_empty(numbers))
        return;
    struct delta *delta = delta_of(turn, configuration, kind, true);
    if (!delta)
        return;
    roaring_bitmap_or_inplace(delta->come, numbers);
    roaring_bitmap_andnot_inplace(delta->gone, numbers);
}

void turn_work(struct hub_turn *turn, const roaring_bitmap_t *numbers)
{
    put_all(turn, 0, 0, numbers);
}

void turn_work_done(struct hub_turn *turn, uint32_t number)
{
    put(turn, 0, 0, number, false);
}

void turn_mark(struct hub_turn *turn, uint32_t configuration, uint32_t number, bool targeted,
               bool applied)
{
    put(turn, configuration, 1 + CONFIG_TARGETED, number, targeted);
    put(turn, configuration, 1 + CONFIG_APPLIED, number, applied);
}

void turn_mark_module(struct hub_turn *turn, uint32_t configuration, uint32_t number, bool targeted,
                      bool applied)
{
    put(turn, configuration, 1 + CONFIG_MODULES_TARGETED, number, targeted);
    put(turn, configuration, 1 + CONFIG_MODULES_APPLIED, number, applied);
}

void turn_target(struct hub_turn *turn, uint32_t configuration, const roaring_bitmap_t *numbers)
{
    put_all(turn, configuration, 1 + CONFIG_TARGETED, numbers);
}

void turn_remove_configuration(struct hub_turn *turn, uint32_t number)
{
    struct config_turn *changes = changes_of(turn);
    const struct delta *delta = delta_of(turn, number, 1 + CONFIG_TARGETED, false);
    put_all(turn, 0, 0, committed(turn->hub->configurations, number, 1 + CONFIG_TARGETED));
    if (delta)
        put_all(turn, 0, 0, delta->come);
    changes->removed[changes->removed_count++] = number;
}

/* ---- who is to be looked at ---- */

static bool is_known(const struct configurations *all)
{
    return all && all->count > 0;
}

void turn_touch_identity(struct hub_turn *turn, const struct entity *entity)
{
    const struct configurations *all = turn->hub->configurations;
    if (!is_known(all))
        return;
    if (!entity->deleted) {
        if (entity->created || all->reads & QUERY_NEEDS_IDENTITY)
            put(turn, 0, 0, entity->id.number, true);
        return;
    }
    turn_forget_identity(turn, entity->id.number);
}

void turn_forget_identity(struct hub_turn *turn, uint32_t number)
{
    const struct configurations *all = turn->hub->configurations;
    put(turn, 0, 0, number, false);
    for (size_t i = 0; i < all->count; i++) {
        turn_mark(turn, all->list[i]->row.number, number, false, false);
        turn_mark_module(turn, all->list[i]->row.number, number, false, false);
    }
}

/* What a configuration has set there, it wants to stay so. */
static bool touches_content(struct hub_turn *turn, const struct config_live *live, uint32_t number,
                            yyjson_val *patch, bool replace)
{
    if (contains(turn, live->row.number, 1 + CONFIG_MODULES_APPLIED, number))
        return true; /* what it says may be all that shall stand there */
    if (!contains(turn, live->row.number, 1 + CONFIG_APPLIED, number))
        return false;
    for (size_t i = 0; live->row.kind != CONFIGURES_EDGE && i < live->content.count; i++)
        if (twin_patch_touches(patch, replace, live->content.settings[i].names,
                               live->content.settings[i].count))
            return true;
    return false;
}

void turn_touch_section(struct hub_turn *turn, uint32_t number, enum twin_part part,
                        yyjson_val *patch, bool replace)
{
    static const unsigned needs[] = {[TWIN_TAGS] = QUERY_NEEDS_TAGS,
                                     [TWIN_DESIRED] = QUERY_NEEDS_DESIRED,
                                     [TWIN_REPORTED] = QUERY_NEEDS_REPORTED};
    const struct configurations *all = turn->hub->configurations;
    if (!is_known(all) || (part != TWIN_DESIRED && !(all->reads & needs[part])))
        return;
    for (size_t i = 0; i < all->count; i++) {
        const struct config_live *live = all->list[i];
        if ((live->condition && query_reads_write(live->condition, part, patch, replace)) ||
            (part == TWIN_DESIRED && touches_content(turn, live, number, patch, replace))) {
            put(turn, 0, 0, number, true);
            return;
        }
    }
}

/* ---- commit ---- */

static struct str serialized(struct arena *mem, const roaring_bitmap_t *numbers)
{
    if (roaring_bitmap_is_empty(numbers))
        return STR_NONE;
    size_t size = roaring_bitmap_portable_size_in_bytes(numbers);
    char *bytes = arena_alloc(mem, size);
    roaring_bitmap_portable_serialize(numbers, bytes);
    return str_of(bytes, size);
}

/* The slice as it will be. */
static struct str slice_text(struct arena *mem, const struct configurations *all,
                             const struct delta *delta, uint32_t slice)
{
    uint64_t from = (uint64_t)slice << STORE_SLICE_BITS;
    roaring_bitmap_t *range = roaring_bitmap_from_range(from, from + SLICE_MASK + 1, 1);
    roaring_bitmap_t *come = roaring_bitmap_and(delta->come, range);
    const roaring_bitmap_t *was = committed(all, delta->configuration, delta->kind);
    if (was)
        roaring_bitmap_and_inplace(range, was);
    else
        roaring_bitmap_clear(range);
    roaring_bitmap_or_inplace(range, come);
    roaring_bitmap_andnot_inplace(range, delta->gone);
    roaring_bitmap_run_optimize(range);
    struct str text = serialized(mem, range);
    roaring_bitmap_free(range);
    roaring_bitmap_free(come);
    return text;
}

static size_t slice_count(const roaring_bitmap_t *numbers)
{
    return roaring_bitmap_is_empty(numbers)
               ? 0
               : (roaring_bitmap_maximum(numbers) >> STORE_SLICE_BITS) + 1;
}

static void put_slices(struct hub_turn *turn, const struct delta *delta, struct config_slice *out,
                       size_t *count)
{
    roaring_bitmap_t *changed = roaring_bitmap_or(delta->come, delta->gone);
    roaring_uint32_iterator_t it;
    roaring_init_iterator(changed, &it);
    while (it.has_value) {
        uint32_t slice = it.current_value >> STORE_SLICE_BITS;
        out[(*count)++] = (struct config_slice){
            .configuration = delta->configuration,
            .kind = delta->kind,
            .slice = slice,
            .numbers = slice_text(&turn->mem, turn->hub->configurations, delta, slice)};
        if (slice == UINT32_MAX >> STORE_SLICE_BITS)
            break;
        roaring_move_uint32_iterator_equalorlarger(&it, (slice + 1) << STORE_SLICE_BITS);
    }
    roaring_bitmap_free(changed);
}

void config_turn_commit(struct hub_turn *turn, struct store_commit *out)
{
    const struct config_turn *changes = turn->configs;
    if (!changes)
        return;
    size_t most = 0, count = 0, rows = 0;
    for (size_t i = 0; i < changes->count; i++)
        most += slice_count(changes->deltas[i].come) + slice_count(changes->deltas[i].gone);
    struct config_slice *slices = arena_array(&turn->mem, struct config_slice, most + 1);
    for (size_t i = 0; i < changes->count; i++)
        if (!is_removed(changes, changes->deltas[i].configuration))
            put_slices(turn, &changes->deltas[i], slices, &count);
    const struct configuration **kept =
        arena_array(&turn->mem, const struct configuration *, changes->row_count + 1);
    for (size_t i = 0; i < changes->row_count; i++)
        if (!is_removed(changes, changes->rows[i]->number))
            kept[rows++] = changes->rows[i];
    out->config_slices = slices;
    out->config_slice_count = count;
    out->configurations = kept;
    out->configuration_count = rows;
    out->configurations_gone = changes->removed;
    out->configuration_gone_count = changes->removed_count;
}

void config_turn_committed(struct hub_turn *turn)
{
    struct configurations *all = turn->hub->configurations;
    const struct config_turn *changes = turn->configs;
    if (!changes)
        return;
    for (size_t i = 0; i < changes->removed_count; i++) {
        take_out(all, changes->removed[i]);
        config_board_remove(all->board, changes->removed[i]);
    }
    for (size_t i = 0; i < changes->row_count; i++)
        if (!is_removed(changes, changes->rows[i]->number))
            enforce(all, changes->rows[i]);
    for (size_t i = 0; i < changes->count; i++) {
        const struct delta *delta = &changes->deltas[i];
        if (delta->kind > 0) {
            config_board_change(all->board, delta->configuration,
                                (enum config_set)(delta->kind - 1), delta->come, delta->gone);
            continue;
        }
        roaring_bitmap_or_inplace(all->work, delta->come);
        roaring_bitmap_andnot_inplace(all->work, delta->gone);
    }
    all->next_number = changes->next_number;
    note_reads(all);
}

void config_turn_done(struct hub_turn *turn)
{
    struct config_turn *changes = turn->configs;
    for (size_t i = 0; changes && i < changes->count; i++) {
        roaring_bitmap_free(changes->deltas[i].come);
        roaring_bitmap_free(changes->deltas[i].gone);
    }
    turn->configs = NULL;
}
