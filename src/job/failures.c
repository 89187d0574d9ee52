#include "job/failures.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char other[] = "Other";

static bool is_group(const struct failure_group *group, struct str code, struct str message)
{
    return str_eq(str_from(group->code), str_clip(code, sizeof(group->code) - 1)) &&
           str_eq(str_from(group->message), str_clip(message, FAILURE_MESSAGE_MAX));
}

static struct failure_group *find(struct failures *failures, struct str code, struct str message)
{
    for (size_t i = 0; i < failures->count; i++)
        if (is_group(&failures->groups[i], code, message))
            return &failures->groups[i];
    if (failures->count >= FAILURE_GROUPS_MAX && !str_eq(code, str_from(other)))
        return find(failures, str_from(other), STR("of other kinds"));
    if (failures->count > FAILURE_GROUPS_MAX)
        return &failures->groups[FAILURE_GROUPS_MAX];
    struct failure_group *group = &failures->groups[failures->count++];
    *group = (struct failure_group){0};
    snprintf(group->code, sizeof(group->code), "%.*s",
             STR_ARG(str_clip(code, sizeof(group->code) - 1)));
    snprintf(group->message, sizeof(group->message), "%.*s",
             STR_ARG(str_clip(message, FAILURE_MESSAGE_MAX)));
    return group;
}

void failures_add(struct failures *failures, struct str code, struct str message, uint32_t count,
                  uint32_t example)
{
    struct failure_group *group = find(failures, code, message);
    group->count += count;
    if (!group->example)
        group->example = example;
}

struct str failures_text(const struct failures *failures, struct arena *mem)
{
    if (failures->count == 0)
        return STR_NONE;
    struct buf out = {0};
    for (size_t i = 0; i < failures->count; i++) {
        const struct failure_group *group = &failures->groups[i];
        buf_put_char(&out, i ? ',' : '[');
        buf_put_char(&out, '{');
        json_put_member_str(&out, "code", str_from(group->code));
        json_put_member_str(&out, "message", str_from(group->message));
        json_put_member_i64(&out, "count", group->count);
        json_put_member_i64(&out, "example", group->example);
        buf_put_char(&out, '}');
    }
    buf_put_char(&out, ']');
    struct str text = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return text;
}

void failures_read(struct str text, struct failures *out)
{
    const struct json_limits limits = {.size_max = 1 << 16, .depth_max = 3};
    struct arena mem = {0};
    struct why why;
    yyjson_val *root, *group;
    size_t index, max;
    out->count = 0;
    if (text.ptr && json_read(text, &limits, &mem, &root, &why) == ERR_OK) {
        yyjson_arr_foreach(root, index, max, group)
        {
            struct str code = json_member_str(group, "code");
            struct str message = json_member_str(group, "message");
            if (code.ptr && message.ptr)
                failures_add(out, code, message,
                             (uint32_t)yyjson_get_uint(yyjson_obj_get(group, "count")),
                             (uint32_t)yyjson_get_uint(yyjson_obj_get(group, "example")));
        }
    }
    arena_done(&mem);
}

static int by_count(const void *a, const void *b)
{
    const struct failure_group *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count;
}

void failures_sort(struct failures *failures)
{
    if (failures->count > 1)
        qsort(failures->groups, failures->count, sizeof(failures->groups[0]), by_count);
}

/* ---- while a step is decided ---- */

void failing_add(struct failing *failing, struct str stored, struct arena *mem, struct str code,
                 struct str message, uint32_t count, uint32_t example)
{
    if (!failing->failures) {
        failing->failures = arena_new(mem, struct failures);
        failures_read(stored, failing->failures);
    }
    failures_add(failing->failures, code, message, count, example);
}

struct str failing_text(const struct failing *failing, struct str stored, struct arena *mem)
{
    return failing->failures ? failures_text(failing->failures, mem) : stored;
}
