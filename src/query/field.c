#include "query/field.h"
#include "base/banned.h"

/* ---- twins ---- */

static const struct identity *identity(const struct source *src)
{
    return src->doc->twin->identity;
}

static struct value text_or_undefined(struct str text)
{
    return text.ptr ? value_of_text(text) : value_undefined();
}

static struct value text_or_null(struct str text)
{
    return text.ptr ? value_of_text(text) : value_of_null();
}

static struct value composed_object(void)
{
    return (struct value){.kind = VALUE_OBJECT};
}

static bool is_module(const struct source *src)
{
    return identity(src)->module_id.len != 0;
}

static struct value read_device_id(const struct source *src)
{
    return value_of_text(identity(src)->device_id);
}

static struct value read_module_id(const struct source *src)
{
    return is_module(src) ? value_of_text(identity(src)->module_id) : value_undefined();
}

static struct value read_version(const struct source *src)
{
    const struct twin_view *twin = src->doc->twin;
    if (!twin->tags || !twin->desired)
        return value_undefined();
    return value_of_number((double)twin_version(twin->tags, twin->desired));
}

static struct value read_etag(const struct source *src)
{
    const struct twin_view *twin = src->doc->twin;
    if (!twin->tags || !twin->desired)
        return value_undefined();
    int64_t version = twin_version(twin->tags, twin->desired);
    return value_of_text(twin_etag(version, &src->scratch->mem));
}

static struct value read_device_etag(const struct source *src)
{
    return value_of_text(identity_etag(identity(src), &src->scratch->mem));
}

static struct value read_status(const struct source *src)
{
    return value_of_text(str_from(identity_status_word(identity(src)->status)));
}

static struct value read_status_reason(const struct source *src)
{
    return text_or_undefined(identity(src)->status_reason);
}

static struct value read_status_time(const struct source *src)
{
    return value_of_text(scratch_time(src->scratch, TIME_STATUS, identity(src)->status_ticks));
}

static struct value read_connection_state(const struct source *src)
{
    bool connected = src->doc->twin->presence.connected;
    return value_of_text(connected ? STR("Connected") : STR("Disconnected"));
}

static struct value read_activity_time(const struct source *src)
{
    int64_t ticks = src->doc->twin->presence.activity_ticks;
    return value_of_text(scratch_time(src->scratch, TIME_ACTIVITY, ticks));
}

static struct value read_message_count(const struct source *src)
{
    return value_of_number(src->doc->twin->presence.messages);
}

static struct value read_authentication(const struct source *src)
{
    return value_of_text(str_from(identity_auth_word(identity(src)->auth)));
}

static struct value read_thumbprint(const struct source *src)
{
    return composed_object();
}

static struct value read_primary_thumbprint(const struct source *src)
{
    return text_or_null(identity(src)->primary_thumbprint);
}

static struct value read_secondary_thumbprint(const struct source *src)
{
    return text_or_null(identity(src)->secondary_thumbprint);
}

static void put_thumbprint(const struct source *src, struct buf *out)
{
    buf_put(out, STR("{\"primaryThumbprint\":"));
    value_put(read_primary_thumbprint(src), out);
    buf_put(out, STR(",\"secondaryThumbprint\":"));
    value_put(read_secondary_thumbprint(src), out);
    buf_put_char(out, '}');
}

static struct value read_capabilities(const struct source *src)
{
    return is_module(src) ? value_undefined() : composed_object();
}

static struct value read_iot_edge(const struct source *src)
{
    return is_module(src) ? value_undefined() : value_of_bool(identity(src)->iot_edge);
}

static void put_capabilities(const struct source *src, struct buf *out)
{
    buf_put(out, STR("{\"iotEdge\":"));
    value_put(read_iot_edge(src), out);
    buf_put_char(out, '}');
}

static struct value read_device_scope(const struct source *src)
{
    return is_module(src) ? value_undefined() : text_or_undefined(identity(src)->device_scope);
}

static struct value read_model_id(const struct source *src)
{
    struct str model = identity(src)->model_id;
    return model.len ? value_of_text(model) : value_undefined();
}

static yyjson_val *scopes_tree(const struct source *src)
{
    struct str scopes = is_module(src) ? STR_NONE : identity(src)->parent_scopes;
    return scratch_tree(src->scratch, SLOT_SCOPES, scopes);
}

/* ---- sections ---- */

static const struct twin_section *tags(const struct source *src)
{
    return src->doc->twin->tags;
}

static const struct twin_section *desired(const struct source *src)
{
    return src->doc->twin->desired;
}

static const struct twin_section *reported(const struct source *src)
{
    return src->doc->twin->reported;
}

static yyjson_val *section_tree(const struct source *src, enum scratch_slot slot,
                                const struct twin_section *section)
{
    yyjson_val *root = section ? scratch_tree(src->scratch, slot, section->values) : NULL;
    return yyjson_is_obj(root) ? root : NULL;
}

/* Empty tags are not shown in a twin, so they are not there for a query either. */
static yyjson_val *tags_tree(const struct source *src)
{
    yyjson_val *root = section_tree(src, SLOT_TAGS, src->doc->twin->tags);
    return yyjson_obj_size(root) ? root : NULL;
}

static struct value section_version(const struct twin_section *section)
{
    return section ? value_of_number((double)section->version) : value_undefined();
}

static yyjson_val *desired_tree(const struct source *src)
{
    return section_tree(src, SLOT_DESIRED, src->doc->twin->desired);
}

static struct value read_desired_version(const struct source *src)
{
    return section_version(src->doc->twin->desired);
}

static yyjson_val *desired_metadata(const struct source *src)
{
    const struct twin_section *section = src->doc->twin->desired;
    return section ? scratch_metadata(src->scratch, TWIN_DESIRED, section) : NULL;
}

static void put_desired(const struct source *src, struct buf *out)
{
    twin_put_section(out, TWIN_DESIRED, src->doc->twin->desired);
}

static yyjson_val *reported_tree(const struct source *src)
{
    return section_tree(src, SLOT_REPORTED, src->doc->twin->reported);
}

static struct value read_reported_version(const struct source *src)
{
    return section_version(src->doc->twin->reported);
}

static yyjson_val *reported_metadata(const struct source *src)
{
    const struct twin_section *section = src->doc->twin->reported;
    return section ? scratch_metadata(src->scratch, TWIN_REPORTED, section) : NULL;
}

static void put_reported(const struct source *src, struct buf *out)
{
    twin_put_section(out, TWIN_REPORTED, src->doc->twin->reported);
}

static struct value read_properties(const struct source *src)
{
    const struct twin_view *twin = src->doc->twin;
    return twin->desired && twin->reported ? composed_object() : value_undefined();
}

static void put_properties(const struct source *src, struct buf *out)
{
    buf_put(out, STR("{\"desired\":"));
    put_desired(src, out);
    buf_put(out, STR(",\"reported\":"));
    put_reported(src, out);
    buf_put_char(out, '}');
}

static yyjson_val *configurations_tree(const struct source *src)
{
    return scratch_tree(src->scratch, SLOT_CONFIGURATIONS, src->doc->twin->configurations);
}

/* ---- job records ---- */

static const struct job_record *record(const struct source *src)
{
    return src->doc->record;
}

static struct value read_record_device(const struct source *src)
{
    return value_of_text(record(src)->device_id);
}

static struct value read_record_module(const struct source *src)
{
    return record(src)->module_id.len ? value_of_text(record(src)->module_id) : value_undefined();
}

static struct value read_job_id(const struct source *src)
{
    return value_of_text(record(src)->job_id);
}

static struct value read_job_type(const struct source *src)
{
    return value_of_text(str_from(job_type_word(record(src)->type)));
}

static struct value read_record_status(const struct source *src)
{
    return value_of_text(str_from(record_status_word(record(src)->status)));
}

static struct value read_start_time(const struct source *src)
{
    return value_of_text(scratch_job_time(src->scratch, TIME_START, record(src)->start_ticks));
}

static struct value read_end_time(const struct source *src)
{
    return value_of_text(scratch_job_time(src->scratch, TIME_END, record(src)->end_ticks));
}

static struct value read_created_time(const struct source *src)
{
    return value_of_text(scratch_job_time(src->scratch, TIME_CREATED, record(src)->created_ticks));
}

static struct value read_updated_time(const struct source *src)
{
    return value_of_text(scratch_job_time(src->scratch, TIME_UPDATED, record(src)->updated_ticks));
}

/* Outcome and error are there when the record shows them (record_put_json). */
static yyjson_val *outcome_tree(const struct source *src)
{
    switch (record(src)->status) {
    case RECORD_PENDING:
    case RECORD_SCHEDULED:
    case RECORD_RUNNING:
        return NULL;
    case RECORD_COMPLETED:
    case RECORD_FAILED:
    case RECORD_CANCELED:
        break;
    }
    struct str outcome = record(src)->outcome;
    return scratch_tree(src->scratch, SLOT_OUTCOME, outcome.len ? outcome : STR("{}"));
}

static bool has_error(const struct source *src)
{
    return record(src)->status == RECORD_FAILED && record(src)->error_code.ptr;
}

static struct value read_error(const struct source *src)
{
    return has_error(src) ? composed_object() : value_undefined();
}

static struct value read_error_code(const struct source *src)
{
    return has_error(src) ? value_of_text(record(src)->error_code) : value_undefined();
}

static struct value read_error_text(const struct source *src)
{
    return has_error(src) ? value_of_text(record(src)->error_text) : value_undefined();
}

/* ---- the table ---- */

enum {
    TAGS = QUERY_NEEDS_TAGS,
    DESIRED = QUERY_NEEDS_DESIRED,
    REPORTED = QUERY_NEEDS_REPORTED,
    PRESENCE = QUERY_NEEDS_PRESENCE,
    NAMES = QUERY_NEEDS_NAMES,
    IDENTITY = QUERY_NEEDS_IDENTITY | QUERY_NEEDS_NAMES,
    METADATA = QUERY_NEEDS_METADATA | IDENTITY, /* begins at its creation */
};

static const struct field fields[] = {
    {IN_TWIN, "deviceId", .needs = NAMES, .read = read_device_id, .role = ROLE_DEVICE_ID},
    {IN_TWIN, "id", .needs = NAMES, .read = read_device_id, .role = ROLE_DEVICE_ID,
     .devices_only = true},
    {IN_TWIN, "moduleId", .needs = NAMES, .read = read_module_id},
    {IN_TWIN, "etag", .read = read_etag, .needs = TAGS | DESIRED | METADATA},
    {IN_TWIN, "deviceEtag", .needs = IDENTITY, .read = read_device_etag},
    {IN_TWIN, "version", .read = read_version, .needs = TAGS | DESIRED | METADATA},
    {IN_TWIN, "status", .needs = IDENTITY, .read = read_status},
    {IN_TWIN, "statusReason", .needs = IDENTITY, .read = read_status_reason},
    {IN_TWIN, "statusUpdateTime", .needs = IDENTITY, .read = read_status_time},
    {IN_TWIN, "connectionState", .read = read_connection_state, .needs = PRESENCE},
    {IN_TWIN, "lastActivityTime", .read = read_activity_time, .needs = PRESENCE},
    {IN_TWIN, "cloudToDeviceMessageCount", .read = read_message_count, .needs = PRESENCE},
    {IN_TWIN, "authenticationType", .needs = IDENTITY, .read = read_authentication},
    {IN_TWIN, "x509Thumbprint", IN_THUMBPRINT, .needs = IDENTITY, .read = read_thumbprint,
     .put = put_thumbprint},
    {IN_THUMBPRINT, "primaryThumbprint", .needs = IDENTITY, .read = read_primary_thumbprint},
    {IN_THUMBPRINT, "secondaryThumbprint", .needs = IDENTITY, .read = read_secondary_thumbprint},
    {IN_TWIN, "capabilities", IN_CAPABILITIES, .needs = IDENTITY, .read = read_capabilities,
     .put = put_capabilities},
    {IN_CAPABILITIES, "iotEdge", .needs = IDENTITY, .read = read_iot_edge},
    {IN_TWIN, "deviceScope", .needs = IDENTITY, .read = read_device_scope},
    {IN_TWIN, "parentScopes", .needs = IDENTITY, .tree = scopes_tree},
    {IN_TWIN, "modelId", .needs = IDENTITY, .read = read_model_id},
    {IN_TWIN, "configurations", .tree = configurations_tree, .needs = QUERY_NEEDS_CONFIGURATIONS},
    {IN_TWIN, "tags", .tree = tags_tree, .section = tags, .slot = SLOT_TAGS, .needs = TAGS},
    {IN_TWIN, "properties", IN_PROPERTIES, DESIRED | REPORTED, .read = read_properties,
     .put = put_properties},
    {IN_PROPERTIES, "desired", IN_DESIRED, DESIRED, .tree = desired_tree, .section = desired,
     .slot = SLOT_DESIRED, .put = put_desired},
    {IN_DESIRED, "$version", NOWHERE, DESIRED | METADATA, .read = read_desired_version,
     .exact = true},
    {IN_DESIRED, "$metadata", NOWHERE, DESIRED | METADATA, .tree = desired_metadata, .exact = true},
    {IN_PROPERTIES, "reported", IN_REPORTED, REPORTED, .tree = reported_tree, .section = reported,
     .slot = SLOT_REPORTED, .put = put_reported},
    {IN_REPORTED, "$version", NOWHERE, REPORTED | METADATA, .read = read_reported_version,
     .exact = true},
    {IN_REPORTED, "$metadata", NOWHERE, REPORTED | METADATA, .tree = reported_metadata,
     .exact = true},

    {IN_RECORD, "deviceId", .read = read_record_device, .role = ROLE_DEVICE_ID},
    {IN_RECORD, "moduleId", .read = read_record_module},
    {IN_RECORD, "jobId", .read = read_job_id, .role = ROLE_JOB_ID},
    {IN_RECORD, "jobType", .read = read_job_type, .role = ROLE_JOB_TYPE},
    {IN_RECORD, "status", .read = read_record_status, .role = ROLE_RECORD_STATUS},
    {IN_RECORD, "startTimeUtc", .read = read_start_time},
    {IN_RECORD, "endTimeUtc", .read = read_end_time},
    {IN_RECORD, "createdDateTimeUtc", .read = read_created_time},
    {IN_RECORD, "createdTimeUtc", .read = read_created_time}, /* as the documentation filters */
    {IN_RECORD, "lastUpdatedDateTimeUtc", .read = read_updated_time},
    {IN_RECORD, "outcome", .tree = outcome_tree},
    {IN_RECORD, "error", IN_ERROR, .read = read_error},
    {IN_ERROR, "code", .read = read_error_code},
    {IN_ERROR, "description", .read = read_error_text},
};

const struct field *field_find(enum container in, struct str name, enum query_collection collection)
{
    if (in == NOWHERE)
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *f = &fields[i];
        struct str known = str_from(f->name);
        if (f->in == in && (f->exact ? str_eq(name, known) : str_eq_nocase(name, known)) &&
            !(f->devices_only && collection != QUERY_DEVICES))
            return f;
    }
    return NULL;
}
