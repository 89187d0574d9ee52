#include "model/export_line.h"

static void put_key(struct buf *out, const char *name, struct str key, bool hidden)
{
    if (hidden || !key.ptr)
        json_put_member_raw(out, name, STR("null"));
    else
        json_put_member_str(out, name, key);
}

static void put_authentication(struct buf *out, const struct identity *identity, bool no_keys)
{
    json_put_key(out, "authentication");
    buf_put_char(out, '{');
    json_put_key(out, "symmetricKey");
    buf_put_char(out, '{');
    put_key(out, "primaryKey", identity->primary_key, no_keys);
    put_key(out, "secondaryKey", identity->secondary_key, no_keys);
    buf_put_char(out, '}');
    identity_put_thumbprints(out, identity);
    json_put_member_str(out, "type", str_from(identity_auth_word(identity->auth)));
    buf_put_char(out, '}');
}

static void put_section(struct buf *out, enum twin_part part, const struct twin_section *section,
                        bool metadata)
{
    if (metadata)
        twin_put_section(out, part, section);
    else
        buf_put(out, section->values);
}

static void put_twin(struct buf *out, const struct twin_view *view, bool metadata)
{
    json_put_member_raw(out, "tags", view->tags->values);
    json_put_key(out, "properties");
    buf_put(out, STR("{\"desired\":"));
    put_section(out, TWIN_DESIRED, view->desired, metadata);
    buf_put(out, STR(",\"reported\":"));
    put_section(out, TWIN_REPORTED, view->reported, metadata);
    buf_put_char(out, '}');
}

void export_line_put(struct buf *out, const struct twin_view *view, struct export_form form)
{
    const struct identity *identity = view->identity;
    bool is_module = identity->module_id.len > 0;
    struct arena mem = {0};
    buf_put_char(out, '{');
    json_put_member_str(out, "id", identity->device_id);
    if (is_module)
        json_put_member_str(out, "moduleId", identity->module_id);
    /* The registry makes those with their device: all that is left to say is their twin. */
    if (is_module && identity_is_system_module(identity->module_id))
        json_put_member_str(out, "importMode", STR("updateTwin"));
    json_put_member_str(out, "eTag", identity_etag(identity, &mem));
    if (!is_module) {
        json_put_member_str(out, "status", str_from(identity_status_word(identity->status)));
        if (identity->status_reason.ptr)
            json_put_member_str(out, "statusReason", identity->status_reason);
    } else if (identity->managed_by.ptr) {
        json_put_member_str(out, "managedBy", identity->managed_by);
    }
    put_authentication(out, identity, form.no_keys);
    json_put_member_str(out, "twinETag", twin_etag(twin_version(view->tags, view->desired), &mem));
    put_twin(out, view, form.metadata);
    if (!is_module)
        identity_put_edge(out, identity);
    buf_put_char(out, '}');
    arena_done(&mem);
}
