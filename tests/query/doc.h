/* doc.h - documents of these tests, from the JSON that services see; tables write ' for ". */
#pragma once
#include "../base/check.h"
#include "base/json.h"
#include "query/query.h"
#include <stdio.h>

struct test_doc {
    struct identity identity;
    struct twin_section tags, desired, reported;
    struct twin_view view;
    struct job_record record;
    struct query_doc doc;
};

static inline struct str quoted(struct arena *mem, const char *text)
{
    struct str copy = str_copy(mem, str_from(text));
    for (char *c = (char *)copy.ptr; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static inline struct str read_file(struct arena *mem, const char *name)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    struct buf text = {0};
    size_t got;
    while ((got = fread(buf_room(&text, 65536), 1, 65536, file)) > 0)
        text.len += got;
    fclose(file);
    struct str copy = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

static inline yyjson_val *read_json(struct arena *mem, struct str text)
{
    const struct json_limits limits = {.size_max = 4 << 20, .depth_max = 1000};
    struct why why = {0};
    yyjson_val *root = NULL;
    if (json_read(text, &limits, mem, &root, &why) != ERR_OK)
        fail_msg("the test's own JSON: %s: %.*s", why.text, STR_ARG(str_take(text, 200)));
    return root;
}

static inline struct str json_text(struct arena *mem, yyjson_val *value)
{
    struct buf out = {0};
    json_put_value(&out, value);
    struct str text = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return text;
}

/* Equal as JSON values: 135 and 135.0 are, members in any order are. */
static inline bool same_json(yyjson_val *a, yyjson_val *b)
{
    if (yyjson_is_num(a) && yyjson_is_num(b))
        return yyjson_get_num(a) == yyjson_get_num(b);
    if (!yyjson_is_ctn(a))
        return yyjson_equals(a, b);
    if (yyjson_get_type(a) != yyjson_get_type(b) || yyjson_get_len(a) != yyjson_get_len(b))
        return false;
    for (size_t i = 0; i < yyjson_arr_size(a); i++)
        if (!same_json(yyjson_arr_get(a, i), yyjson_arr_get(b, i)))
            return false;
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(a, i, count, key, value)
    {
        if (!same_json(value, yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key))))
            return false;
    }
    return true;
}

static inline int64_t ticks_or(struct str text, int64_t otherwise)
{
    int64_t ticks = otherwise;
    if (text.ptr)
        assert_true(time_parse(text, &ticks));
    return ticks;
}

/* One section: the members without `$` are its values. */
static inline struct twin_section read_section(struct arena *mem, enum twin_part part,
                                               yyjson_val *object)
{
    struct twin_section section = twin_section_fresh(part, 0);
    struct buf values = {0};
    size_t i, count;
    yyjson_val *key, *value;
    buf_put_char(&values, '{');
    yyjson_obj_foreach(object, i, count, key, value)
    {
        struct str name = json_str(key);
        if (str_starts(name, STR("$")))
            continue;
        if (values.len > 1)
            buf_put_char(&values, ',');
        json_put_str(&values, name);
        buf_put_char(&values, ':');
        json_put_value(&values, value);
    }
    buf_put_char(&values, '}');
    section.values = str_copy(mem, buf_str(&values));
    buf_done(&values);
    yyjson_val *version = yyjson_obj_get(object, "$version");
    if (version)
        section.version = yyjson_get_sint(version);
    yyjson_val *metadata = yyjson_obj_get(object, "$metadata");
    section.born_ticks = ticks_or(json_member_str(metadata, "$lastUpdated"), 0);
    return section;
}

static inline enum identity_auth auth_of(struct str word)
{
    for (int auth = AUTH_SAS; auth <= AUTH_NONE; auth++)
        if (str_eq(word, str_from(identity_auth_word((enum identity_auth)auth))))
            return (enum identity_auth)auth;
    return AUTH_SAS;
}

static inline void read_twin(struct arena *mem, yyjson_val *json, struct test_doc *out)
{
    yyjson_val *thumbprint = yyjson_obj_get(json, "x509Thumbprint"),
               *properties = yyjson_obj_get(json, "properties"),
               *scopes = yyjson_obj_get(json, "parentScopes"),
               *configurations = yyjson_obj_get(json, "configurations"),
               *version = yyjson_obj_get(json, "version");
    struct str module_id = json_member_str(json, "moduleId");
    *out = (struct test_doc){
        .identity =
            {
                .number = 1,
                .device_id = json_member_str(json, "deviceId"),
                .module_id = module_id.ptr ? module_id : STR(""),
                .etag = 7,
                .status = str_eq(json_member_str(json, "status"), STR("disabled"))
                              ? IDENTITY_DISABLED
                              : IDENTITY_ENABLED,
                .status_reason = json_member_str(json, "statusReason"),
                .status_ticks = ticks_or(json_member_str(json, "statusUpdateTime"), TIME_UNSET),
                .auth = auth_of(json_member_str(json, "authenticationType")),
                .primary_thumbprint = json_member_str(thumbprint, "primaryThumbprint"),
                .secondary_thumbprint = json_member_str(thumbprint, "secondaryThumbprint"),
                .iot_edge = yyjson_get_bool(
                    yyjson_obj_get(yyjson_obj_get(json, "capabilities"), "iotEdge")),
                .device_scope = json_member_str(json, "deviceScope"),
                .parent_scopes = scopes ? json_text(mem, scopes) : STR_NONE,
                .model_id = json_member_str(json, "modelId"),
            },
        .tags = read_section(mem, TWIN_TAGS, yyjson_obj_get(json, "tags")),
        .desired = read_section(mem, TWIN_DESIRED, yyjson_obj_get(properties, "desired")),
        .reported = read_section(mem, TWIN_REPORTED, yyjson_obj_get(properties, "reported")),
    };
    if (version)
        out->tags.stamp = yyjson_get_sint(version);
    out->view = (struct twin_view){
        .identity = &out->identity,
        .presence =
            {
                .connected = str_eq(json_member_str(json, "connectionState"), STR("Connected")),
                .changed_ticks = TIME_UNSET,
                .activity_ticks = ticks_or(json_member_str(json, "lastActivityTime"), TIME_UNSET),
            },
        .tags = &out->tags,
        .desired = &out->desired,
        .reported = &out->reported,
        .configurations = configurations ? json_text(mem, configurations) : STR_NONE,
    };
    out->doc = (struct query_doc){.twin = &out->view};
}

static inline void read_record(struct arena *mem, yyjson_val *json, struct test_doc *out)
{
    yyjson_val *outcome = yyjson_obj_get(json, "outcome"), *error = yyjson_obj_get(json, "error");
    *out = (struct test_doc){
        .record =
            {
                .device_id = json_member_str(json, "deviceId"),
                .module_id = json_member_str(json, "moduleId"),
                .job_id = json_member_str(json, "jobId"),
                .start_ticks = ticks_or(json_member_str(json, "startTimeUtc"), 0),
                .end_ticks = ticks_or(json_member_str(json, "endTimeUtc"), 0),
                .created_ticks = ticks_or(json_member_str(json, "createdDateTimeUtc"), 0),
                .updated_ticks = ticks_or(json_member_str(json, "lastUpdatedDateTimeUtc"), 0),
                .outcome = outcome ? json_text(mem, outcome) : STR_NONE,
                .error_code = json_member_str(error, "code"),
                .error_text = json_member_str(error, "description"),
            },
    };
    assert_true(job_type_read(json_member_str(json, "jobType"), &out->record.type));
    struct str status = json_member_str(json, "status");
    while (!str_eq(status, str_from(record_status_word(out->record.status))))
        assert_true(out->record.status++ < RECORD_CANCELED);
    out->doc = (struct query_doc){.record = &out->record};
}

static inline struct query *compile_form(struct arena *mem, struct str text, enum query_form form)
{
    struct query *query = NULL;
    struct why why = {0};
    if (query_compile(text, form, mem, &query, &why) != ERR_OK)
        fail_msg("does not compile: %.*s\n  %s", STR_ARG(str_take(text, 300)), why.text);
    return query;
}

static inline struct query *compile(struct arena *mem, const char *text)
{
    return compile_form(mem, str_from(text), QUERY_FULL);
}

static inline struct query *compile_condition(struct arena *mem, const char *text)
{
    return compile_form(mem, str_from(text), QUERY_CONDITION);
}

static inline const char *verdict_word(enum query_verdict verdict)
{
    static const char *const words[] = {
        [QUERY_FALSE] = "F", [QUERY_TRUE] = "T", [QUERY_UNDEFINED] = "U"};
    return words[verdict];
}

/* "T", "F" or "U" */
static inline const char *judge(const char *condition, const struct query_doc *doc)
{
    struct arena mem = {0};
    struct query_scratch *scratch = query_scratch_create();
    const char *word = verdict_word(query_match(compile_condition(&mem, condition), doc, scratch));
    query_scratch_destroy(scratch);
    arena_done(&mem);
    return word;
}
