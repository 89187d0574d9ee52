/* twin_json.c - twins as services and devices read them. */
#include "base/codec.h"
#include "model/twin.h"
#include "model/twin_meta.h"

/* ---- $metadata ---- */

struct metadata {
    struct buf *out;
    struct twin_meta_reader meta;
    int64_t printed_ticks; /* most nodes show the same time: it is made into text once */
    char text[TIME_TEXT_MAX];
    size_t text_len;
};

/* Opens a node: its markers. The caller puts members and the closing brace. */
static void open_node(struct metadata *m, struct twin_stamp stamp)
{
    if (m->text_len == 0 || stamp.ticks != m->printed_ticks) {
        m->text_len = time_print(stamp.ticks, m->text);
        m->printed_ticks = stamp.ticks;
    }
    buf_put(m->out, STR("{\"$lastUpdated\":\""));
    buf_put(m->out, str_of(m->text, m->text_len));
    buf_put_char(m->out, '"');
    if (stamp.version != 0)
        json_put_member_i64(m->out, "$lastUpdatedVersion", stamp.version);
    if (stamp.by.len > 0) {
        json_put_member_str(m->out, "$lastUpdatedBy", stamp.by);
        json_put_member_str(m->out, "$lastUpdatedByDigest", stamp.digest);
    }
}

static void put_nodes(struct metadata *m, yyjson_val *object)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, count, key, value)
    {
        buf_put_char(m->out, ',');
        json_put_str(m->out, json_str(key));
        buf_put_char(m->out, ':');
        open_node(m, m->meta.stamps[twin_meta_next(&m->meta)]);
        if (yyjson_is_obj(value))
            put_nodes(m, value);
        buf_put_char(m->out, '}');
    }
}

static void put_written(struct metadata *m, const struct twin_section *section, struct arena *mem)
{
    const struct json_limits limits = {
        .size_max = TWIN_SECTION_BYTES_MAX,
        .depth_max = TWIN_DEPTH_MAX + 1,
        .allow_duplicates = true,
    };
    yyjson_val *values = NULL;
    if (!twin_meta_open(&m->meta, section->meta, mem)) {
        open_node(m, (struct twin_stamp){.ticks = section->born_ticks});
        return;
    }
    open_node(m, m->meta.stamps[0]);
    if (json_read(section->values, &limits, mem, &values, NULL) == ERR_OK)
        put_nodes(m, values);
}

void twin_put_metadata(struct buf *out, enum twin_part part, const struct twin_section *section)
{
    struct metadata m = {.out = out};
    struct arena mem;
    if (part == TWIN_TAGS) {
        buf_put(out, STR("{}"));
        return;
    }
    arena_init(&mem, 0);
    if (section->meta.len > 0)
        put_written(&m, section, &mem);
    else
        open_node(&m, (struct twin_stamp){.ticks = section->born_ticks});
    buf_put_char(out, '}');
    arena_done(&mem);
}

/* ---- sections ---- */

/* The object `values` without its closing brace, so that members can follow. */
static void open_values(struct buf *out, const struct twin_section *section)
{
    struct str values = section->values;
    if (str_ends(values, STR("}")))
        buf_put(out, str_take(values, values.len - 1));
    else
        buf_put_char(out, '{');
}

void twin_put_section(struct buf *out, enum twin_part part, const struct twin_section *section)
{
    if (part == TWIN_TAGS) {
        buf_put(out, section->values);
        return;
    }
    open_values(out, section);
    json_put_key(out, "$metadata");
    twin_put_metadata(out, part, section);
    json_put_member_i64(out, "$version", section->version);
    buf_put_char(out, '}');
}

static void put_with_version(struct buf *out, const struct twin_section *section)
{
    open_values(out, section);
    json_put_member_i64(out, "$version", section->version);
    buf_put_char(out, '}');
}

void twin_put_device_json(struct buf *out, const struct twin_section *desired,
                          const struct twin_section *reported)
{
    buf_put(out, STR("{\"desired\":"));
    put_with_version(out, desired);
    buf_put(out, STR(",\"reported\":"));
    put_with_version(out, reported);
    buf_put_char(out, '}');
}

void twin_put_notification(struct buf *out, const struct twin_write *write,
                           const struct twin_section *now)
{
    if (write->replace || yyjson_is_null(write->patch)) {
        put_with_version(out, now);
        return;
    }
    size_t i, count;
    yyjson_val *key, *value;
    buf_put_char(out, '{');
    yyjson_obj_foreach(write->patch, i, count, key, value)
    {
        struct str name = json_str(key);
        if (str_starts(name, STR("$")))
            continue;
        if (out->ptr[out->len - 1] != '{')
            buf_put_char(out, ',');
        json_put_str(out, name);
        buf_put_char(out, ':');
        json_put_value(out, value);
    }
    json_put_member_i64(out, "$version", now->version);
    buf_put_char(out, '}');
}

/* ---- the whole twin ---- */

static void put_identity(struct buf *out, const struct identity *identity,
                         const struct presence *presence, struct arena *mem)
{
    json_put_member_str(out, "deviceEtag", identity_etag(identity, mem));
    json_put_member_str(out, "status", str_from(identity_status_word(identity->status)));
    if (identity->status_reason.ptr)
        json_put_member_str(out, "statusReason", identity->status_reason);
    json_put_member_time(out, "statusUpdateTime", identity->status_ticks);
    json_put_member_str(out, "connectionState",
                        presence->connected ? STR("Connected") : STR("Disconnected"));
    json_put_member_time(out, "lastActivityTime", presence->activity_ticks);
    json_put_member_i64(out, "cloudToDeviceMessageCount", presence->messages);
    json_put_member_str(out, "authenticationType", str_from(identity_auth_word(identity->auth)));
    identity_put_thumbprints(out, identity);
    if (identity->model_id.len > 0)
        json_put_member_str(out, "modelId", identity->model_id);
}

static void put_properties(struct buf *out, const struct twin_view *view)
{
    json_put_key(out, "properties");
    buf_put_char(out, '{');
    json_put_key(out, "desired");
    twin_put_section(out, TWIN_DESIRED, view->desired);
    json_put_key(out, "reported");
    twin_put_section(out, TWIN_REPORTED, view->reported);
    buf_put_char(out, '}');
}

void twin_put_json(struct buf *out, const struct twin_view *view)
{
    const struct identity *identity = view->identity;
    int64_t version = twin_version(view->tags, view->desired);
    struct arena mem;
    arena_init(&mem, 0);
    buf_put_char(out, '{');
    json_put_member_str(out, "deviceId", identity->device_id);
    if (identity->module_id.len > 0)
        json_put_member_str(out, "moduleId", identity->module_id);
    json_put_member_str(out, "etag", twin_etag(version, &mem));
    put_identity(out, identity, &view->presence, &mem);
    json_put_member_i64(out, "version", version);
    if (!str_eq(view->tags->values, STR("{}"))) /* left out when empty, as recorded */
        json_put_member_raw(out, "tags", view->tags->values);
    put_properties(out, view);
    if (view->configurations.ptr)
        json_put_member_raw(out, "configurations", view->configurations);
    if (identity->module_id.len == 0)
        identity_put_edge(out, identity);
    buf_put_char(out, '}');
    arena_done(&mem);
}
