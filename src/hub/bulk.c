#include "hub/bulk.h"
#include "hub/configurations.h"
#include "model/fault.h"

static const char *const mode_words[BULK_MODES] = {
    [BULK_CREATE] = "create",
    [BULK_UPDATE] = "update",
    [BULK_UPDATE_IF_MATCH] = "updateIfMatchETag",
    [BULK_CREATE_OR_UPDATE] = "createOrUpdate",
    [BULK_CREATE_OR_UPDATE_IF_MATCH] = "createOrUpdateIfMatchETag",
    [BULK_DELETE] = "delete",
    [BULK_DELETE_IF_MATCH] = "deleteIfMatchETag",
    [BULK_UPDATE_TWIN] = "updateTwin",
    [BULK_UPDATE_TWIN_IF_MATCH] = "updateTwinIfMatchETag",
};

const char *bulk_mode_word(enum bulk_mode mode)
{
    return mode_words[mode];
}

/* ---- reading ---- */

#define REFUSE(why, ...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

static enum err read_mode(yyjson_val *json, enum bulk_mode *out, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(json, "importMode");
    *out = BULK_CREATE_OR_UPDATE;
    if (!value || yyjson_is_null(value))
        return ERR_OK;
    for (enum bulk_mode mode = 0; mode < BULK_MODES; mode++) {
        if (yyjson_is_str(value) && str_eq_nocase(json_str(value), str_from(mode_words[mode]))) {
            *out = mode;
            return ERR_OK;
        }
    }
    return REFUSE(why, "importMode must be create, update, updateIfMatchETag, createOrUpdate, "
                       "createOrUpdateIfMatchETag, delete, deleteIfMatchETag, updateTwin or "
                       "updateTwinIfMatchETag.");
}

static bool by_twin(enum bulk_mode mode)
{
    return mode == BULK_UPDATE_TWIN || mode == BULK_UPDATE_TWIN_IF_MATCH;
}

static struct str read_etag(const struct bulk_record *record)
{
    bool matters =
        record->mode == BULK_UPDATE_IF_MATCH || record->mode == BULK_CREATE_OR_UPDATE_IF_MATCH ||
        record->mode == BULK_DELETE_IF_MATCH || record->mode == BULK_UPDATE_TWIN_IF_MATCH;
    struct str text = json_member_str(record->json, by_twin(record->mode) ? "twinETag" : "eTag");
    /* Node's client sends its Device object, whose etag has a small t. */
    if (text.len == 0 && !by_twin(record->mode))
        text = json_member_str(record->json, "etag");
    return matters && text.len > 0 ? text : STR_NONE;
}

static enum err read_twin(struct bulk_record *record, struct why *why)
{
    enum err err = twin_update_read(record->json, false, &record->update, why);
    yyjson_val *properties = yyjson_obj_get(record->json, "properties");
    yyjson_val *reported = yyjson_obj_get(properties, "reported");
    if (err == ERR_OK && reported && !yyjson_is_obj(reported) && !yyjson_is_null(reported))
        err = REFUSE(why, "properties.reported must be an object or null.");
    if (yyjson_is_obj(reported) && yyjson_obj_size(reported) > 0)
        record->reported = reported;
    return err;
}

/* What is wrong with one record stays its own matter. */
static enum err read_record(struct bulk_record *record, struct why *why)
{
    enum err err = read_mode(record->json, &record->mode, why);
    bool valid = identity_id_valid(record->device_id) &&
                 (record->module_id.len == 0 || identity_id_valid(record->module_id));
    if (err == ERR_OK && !valid)
        err = REFUSE(
            why,
            "id and moduleId must be 1 to %d of letters, digits and - : . + %% _ # * ? ! ( ) "
            ", = @ $ '",
            IDENTITY_ID_MAX);
    if (err == ERR_OK)
        err = read_twin(record, why);
    record->etag = read_etag(record);
    return err;
}

static const struct hub_task_ops bulk_ops;

enum err registry_bulk_init(struct registry_bulk *task, yyjson_val *body, struct why *why)
{
    task->task.ops = &bulk_ops;
    if (!yyjson_is_arr(body) || yyjson_arr_size(body) == 0)
        return REFUSE(why, "The body must be an array of 1 to %d devices.", BULK_RECORDS_MAX);
    if (yyjson_arr_size(body) > BULK_RECORDS_MAX)
        return err_fault(ERR_LIMIT, FAULT_TOO_MANY_DEVICES, why,
                         "%zu devices in one request, %d are allowed.", yyjson_arr_size(body),
                         BULK_RECORDS_MAX);
    task->records = arena_array(&task->task.mem, struct bulk_record, BULK_RECORDS_MAX);
    size_t index, max;
    yyjson_val *json;
    yyjson_arr_foreach(body, index, max, json)
    {
        struct bulk_record *record = &task->records[task->count++];
        record->json = json;
        record->device_id = json_member_str(json, "id");
        record->module_id = json_member_str(json, "moduleId"); /* empty and absent are the same */
        if (!record->device_id.ptr)
            return REFUSE(why, "Record %zu must be an object with an id.", index + 1);
        record->result = read_record(record, &record->why);
        record->understood = record->result == ERR_OK;
    }
    return ERR_OK;
}

/* ---- decide ---- */

static void bulk_load(struct hub_task *task, struct hub_turn *turn)
{
    struct registry_bulk *bulk = (struct registry_bulk *)task;
    for (size_t i = 0; i < bulk->count; i++) {
        const struct bulk_record *record = &bulk->records[i];
        if (record->understood && by_twin(record->mode))
            twin_want(turn, record->device_id, record->module_id);
        else if (record->understood)
            identity_want(turn, record->device_id, record->module_id, record->json);
    }
}

/* A section that is born with its first values, at version 1 (spec 7, as recorded). */
static enum err fill(struct hub_turn *turn, enum twin_part part, yyjson_val *values,
                     struct twin_section *section, struct why *why)
{
    struct twin_section unborn = *section;
    unborn.version--;
    struct twin_write write = {
        .patch = values, .now_ticks = turn->now_ticks, .stamp = section->stamp};
    return twin_section_write(part, &unborn, &write, &turn->mem, section, why);
}

/* Values are read before the device is made, so that a refused record leaves nothing behind. */
static enum err make_sections(struct hub_turn *turn, const struct bulk_record *record,
                              struct entity *out, struct why *why)
{
    const struct twin_update *update = &record->update;
    int64_t birth = record->module_id.len > 0 ? TIME_UNSET : turn->now_ticks;
    out->tags = twin_section_fresh(TWIN_TAGS, birth);
    out->desired = twin_section_fresh(TWIN_DESIRED, birth);
    out->reported = twin_section_fresh(TWIN_REPORTED, birth);
    enum err err = ERR_OK;
    if (yyjson_is_obj(update->tags))
        err = fill(turn, TWIN_TAGS, update->tags, &out->tags, why);
    if (err == ERR_OK && yyjson_is_obj(update->desired))
        err = fill(turn, TWIN_DESIRED, update->desired, &out->desired, why);
    if (err == ERR_OK && record->reported)
        err = fill(turn, TWIN_REPORTED, record->reported, &out->reported, why);
    return err;
}

static enum err write_identity(struct bulk_record *record, struct hub_turn *turn, struct why *why)
{
    static const unsigned may[BULK_MODES] = {
        [BULK_CREATE] = IDENTITY_CREATE,
        [BULK_UPDATE] = IDENTITY_REPLACE,
        [BULK_UPDATE_IF_MATCH] = IDENTITY_REPLACE,
        [BULK_CREATE_OR_UPDATE] = IDENTITY_CREATE | IDENTITY_REPLACE,
        [BULK_CREATE_OR_UPDATE_IF_MATCH] = IDENTITY_CREATE | IDENTITY_REPLACE,
    };
    struct entity sections = {0}, *entity;
    bool is_new = !turn_device(turn, record->device_id, record->module_id);
    enum err err = is_new ? make_sections(turn, record, &sections, why) : ERR_OK;
    struct identity_write write = {.device_id = record->device_id,
                                   .module_id = record->module_id,
                                   .body = record->json,
                                   .may = may[record->mode],
                                   .keep_scope = true,
                                   .if_match = record->etag};
    if (err == ERR_OK)
        err = identity_write(turn, &write, &entity, &record->effects, why);
    if (err != ERR_OK)
        return err;
    if (is_new) {
        entity->tags = sections.tags;
        entity->desired = sections.desired;
        entity->reported = sections.reported;
        turn_changed(turn, entity,
                     (yyjson_is_obj(record->update.tags) ? (unsigned)PART_TAGS : 0) |
                         (yyjson_is_obj(record->update.desired) ? (unsigned)PART_DESIRED : 0) |
                         (record->reported ? (unsigned)PART_REPORTED : 0));
    }
    return ERR_OK;
}

static enum err write_twin(struct bulk_record *record, struct hub_turn *turn, struct why *why)
{
    struct entity *entity = turn_device(turn, record->device_id, record->module_id);
    if (!entity)
        return identity_missing(record->device_id, record->module_id,
                                turn_device(turn, record->device_id, STR("")), why);
    struct str etag = twin_etag(twin_version(&entity->tags, &entity->desired), &turn->mem);
    if (!etag_matches(record->etag, etag))
        return err_fault(ERR_CONFLICT, FAULT_PRECONDITION_FAILED, why,
                         "ETag mismatch for device ID '%.*s'", STR_ARG(record->device_id));
    struct twin_section reported = entity->reported;
    struct twin_write write = {.patch = record->reported, .now_ticks = turn->now_ticks};
    enum err err = ERR_OK;
    if (record->reported)
        err = twin_section_write(TWIN_REPORTED, &entity->reported, &write, &turn->mem, &reported,
                                 why);
    if (err == ERR_OK)
        err = twin_apply(turn, entity, &record->update, why);
    if (err != ERR_OK)
        return err;
    if (record->reported) {
        entity->reported = reported;
        turn_changed(turn, entity, PART_REPORTED);
        turn_touch_section(turn, entity->id.number, TWIN_REPORTED, record->reported, false);
    }
    record->number = entity->id.number;
    record->desired_version = entity->desired.version;
    return ERR_OK;
}

static bool named_before(const struct registry_bulk *bulk, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(bulk->records[i].device_id, bulk->records[at].device_id) &&
            str_eq(bulk->records[i].module_id, bulk->records[at].module_id))
            return true;
    return false;
}

static enum err decide_record(struct registry_bulk *bulk, size_t at, struct hub_turn *turn)
{
    struct bulk_record *record = &bulk->records[at];
    struct why *why = &record->why;
    record->effects = (struct identity_effects){0};
    if (named_before(bulk, at))
        return err_fault(ERR_BAD_INPUT, FAULT_DEVICE_DEFINED_MULTIPLE_TIMES, why,
                         "Device %.*s is named more than once in this request",
                         STR_ARG(record->device_id));
    if (by_twin(record->mode))
        return write_twin(record, turn, why);
    if (record->mode == BULK_DELETE || record->mode == BULK_DELETE_IF_MATCH)
        return identity_remove(turn, record->device_id, record->module_id, record->etag,
                               &record->effects, why);
    return write_identity(record, turn, why);
}

static enum err bulk_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct registry_bulk *bulk = (struct registry_bulk *)task;
    for (size_t i = 0; i < bulk->count; i++)
        if (bulk->records[i].understood) /* not by its result: a turn may be decided again */
            bulk->records[i].result = decide_record(bulk, i, turn);
    return ERR_OK;
}

/* ---- act ---- */

static enum task_next bulk_act(struct hub_task *task, struct hub *hub)
{
    struct registry_bulk *bulk = (struct registry_bulk *)task;
    for (size_t i = 0; i < bulk->count; i++) {
        const struct bulk_record *record = &bulk->records[i];
        if (record->result != ERR_OK)
            continue;
        identity_act(hub, &record->effects);
        if (by_twin(record->mode))
            twin_notify(hub, record->number, &record->update,
                        &(struct twin_section){.values = STR("{}"), /* it never replaces */
                                               .version = record->desired_version});
    }
    return TASK_REPLY;
}

static const struct hub_task_ops bulk_ops = {
    .name = "registry.bulk", .load = bulk_load, .decide = bulk_decide, .act = bulk_act};
