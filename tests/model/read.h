/* read.h - JSON of the tables in these tests, which write ' for ". */
#pragma once
#include "../base/check.h"
#include "base/json.h"
#include "base/time.h"

/* ' becomes ". */
static inline struct str quoted(struct arena *mem, const char *text)
{
    struct str copy = str_copy(mem, str_from(text));
    for (char *c = (char *)copy.ptr; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static inline yyjson_val *read_text(struct arena *mem, struct str text)
{
    const struct json_limits limits = {.size_max = 1 << 20, .depth_max = 1000};
    struct why why = {0};
    yyjson_val *root = NULL;
    if (json_read(text, &limits, mem, &root, &why) != ERR_OK)
        fail_msg("the test's own JSON: %s: %.*s", why.text, STR_ARG(str_take(text, 200)));
    return root;
}

static inline yyjson_val *read_quoted(struct arena *mem, const char *text)
{
    return read_text(mem, quoted(mem, text));
}

static inline int64_t ticks_of(const char *text)
{
    int64_t ticks = 0;
    assert_true(time_parse(str_from(text), &ticks));
    return ticks;
}

static inline void check_contains(const char *rule, const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("broken rule: %s\n  got  \"%s\"\n  want \"...%s...\"", rule, text, part);
}
