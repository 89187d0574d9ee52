/* A change of a twin as those hear of it who asked for twin changes: spec/device-auth.md 7.3.
 *
 * The time of the change is T; that of the birth, an hour before, is B. */
#include "model/twin_told.h"
#include "read.h"

static struct arena mem;
static int64_t birth, now;

enum how { NOT_WRITTEN, MERGED, REPLACED };
struct change {
    enum how how;
    const char *patch;
};

/* Every section has {'old':1} before. */
static struct twin_told_section changed(enum twin_part part, const struct change *change)
{
    if (change->how == NOT_WRITTEN)
        return (struct twin_told_section){0};
    struct twin_section *section = arena_array(&mem, struct twin_section, 1);
    *section = twin_section_fresh(part, birth);
    struct twin_write first = {
        .patch = read_quoted(&mem, "{'old':1}"), .now_ticks = birth, .stamp = 3};
    struct twin_write next = {.patch = read_quoted(&mem, change->patch),
                              .replace = change->how == REPLACED,
                              .now_ticks = now,
                              .stamp = 4};
    assert_int_equal(twin_section_write(part, section, &first, &mem, section, NULL), ERR_OK);
    assert_int_equal(twin_section_write(part, section, &next, &mem, section, NULL), ERR_OK);
    return (struct twin_told_section){.now = section,
                                      .patch = change->how == MERGED ? next.patch : NULL};
}

static struct str in_short(struct str json)
{
    char of_birth[TIME_TEXT_MAX], of_now[TIME_TEXT_MAX];
    struct str b = str_of(of_birth, time_print(birth, of_birth));
    struct str t = str_of(of_now, time_print(now, of_now));
    struct buf out = {0};
    while (json.len > 0) {
        bool is_b = str_starts(json, b), is_t = str_starts(json, t);
        buf_put_char(&out, is_b ? 'B' : is_t ? 'T' : json.ptr[0] == '"' ? '\'' : json.ptr[0]);
        json = str_skip(json, is_b || is_t ? b.len : 1);
    }
    struct str copy = str_copy(&mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

static const struct {
    const char *rule;
    struct change tags, desired, reported;
    const char *told;
    const char *patch; /* as JSON Patch; NULL: nothing of a digital twin was written */
} changes[] = {
    {.rule = "tags alone are no matter of the digital twin",
     .tags = {MERGED, "{'site':'a'}"},
     .told = "{'version':4,'tags':{'site':'a'}}"},
    {.rule = "a null of tags is told",
     .tags = {MERGED, "{'old':null,'o':{'x':null}}"},
     .told = "{'version':4,'tags':{'old':null,'o':{'x':null}}}"},
    {.rule = "replaced tags are told as a whole",
     .tags = {REPLACED, "{'site':'a'}"},
     .told = "{'version':4,'tags':{'site':'a'}}"},
    {.rule = "desired properties have stamps with versions",
     .desired = {MERGED, "{'fan':3}"},
     .told = "{'version':4,'properties':{'desired':{'fan':3,'$metadata':{'$lastUpdated':'T',"
             "'$lastUpdatedVersion':3,'fan':{'$lastUpdated':'T','$lastUpdatedVersion':3}},"
             "'$version':3}}}",
     .patch = "[{'op':'add','path':'/fan','value':3}]"},
    {.rule = "reported ones have stamps without",
     .reported = {MERGED, "{'fan':3}"},
     .told = "{'version':4,'properties':{'reported':{'fan':3,'$metadata':{'$lastUpdated':'T',"
             "'fan':{'$lastUpdated':'T'}},'$version':3}}}",
     .patch = "[{'op':'add','path':'/fan','value':3}]"},
    {.rule = "a null is told, and has no stamp",
     .reported = {MERGED, "{'old':null}"},
     .told = "{'version':4,'properties':{'reported':{'old':null,'$metadata':{'$lastUpdated':'T'},"
             "'$version':3}}}",
     .patch = "[{'op':'remove','path':'/old'}]"},
    {.rule = "an object has its stamp, and its members theirs",
     .reported = {MERGED, "{'o':{'a':1,'gone':null}}"},
     .told = "{'version':4,'properties':{'reported':{'o':{'a':1,'gone':null},'$metadata':{"
             "'$lastUpdated':'T','o':{'$lastUpdated':'T','a':{'$lastUpdated':'T'}}},"
             "'$version':3}}}",
     .patch = "[{'op':'add','path':'/o','value':{'a':1,'gone':null}}]"},
    {.rule = "an array has one",
     .reported = {MERGED, "{'l':[{'a':1}]}"},
     .told = "{'version':4,'properties':{'reported':{'l':[{'a':1}],'$metadata':{"
             "'$lastUpdated':'T','l':{'$lastUpdated':'T'}},'$version':3}}}",
     .patch = "[{'op':'add','path':'/l','value':[{'a':1}]}]"},
    {.rule = "what the write dropped is not told",
     .reported = {MERGED, "{'$version':9,'$metadata':{},'fan':3}"},
     .told = "{'version':4,'properties':{'reported':{'fan':3,'$metadata':{'$lastUpdated':'T',"
             "'fan':{'$lastUpdated':'T'}},'$version':3}}}",
     .patch = "[{'op':'add','path':'/fan','value':3}]"},
    {.rule = "an empty merge is told as one",
     .reported = {MERGED, "{}"},
     .told = "{'version':4,'properties':{'reported':{'$metadata':{'$lastUpdated':'T'},"
             "'$version':3}}}",
     .patch = "[]"},
    {.rule = "a replaced section is told as a whole",
     .desired = {REPLACED, "{'fan':3}"},
     .told = "{'version':4,'properties':{'desired':{'fan':3,'$metadata':{'$lastUpdated':'T',"
             "'$lastUpdatedVersion':3,'fan':{'$lastUpdated':'T','$lastUpdatedVersion':3}},"
             "'$version':3}}}",
     .patch = "[]"},
    {.rule = "all that one write wrote is told at once",
     .tags = {MERGED, "{'a':1}"},
     .desired = {MERGED, "{'b':2}"},
     .told = "{'version':4,'tags':{'a':1},'properties':{'desired':{'b':2,'$metadata':{"
             "'$lastUpdated':'T','$lastUpdatedVersion':3,'b':{'$lastUpdated':'T',"
             "'$lastUpdatedVersion':3}},'$version':3}}}",
     .patch = "[{'op':'add','path':'/b','value':2}]"},
    {.rule = "a slash and a tilde in a name are written as in a JSON Pointer",
     .reported = {MERGED, "{'a/b~c':1}"},
     .told = "{'version':4,'properties':{'reported':{'a/b~c':1,'$metadata':{'$lastUpdated':'T',"
             "'a/b~c':{'$lastUpdated':'T'}},'$version':3}}}",
     .patch = "[{'op':'add','path':'/a~1b~0c','value':1}]"},
};

static void a_change_is_told(void **state)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct twin_told told = {.version = 4,
                                 .now_ticks = now,
                                 .tags = changed(TWIN_TAGS, &changes[i].tags),
                                 .desired = changed(TWIN_DESIRED, &changes[i].desired),
                                 .reported = changed(TWIN_REPORTED, &changes[i].reported)};
        struct buf json = {0}, patch = {0};
        twin_put_told(&json, &told);
        check_str(changes[i].rule, in_short(buf_str(&json)), str_from(changes[i].told));
        bool has_patch = twin_put_told_as_patch(&patch, &told);
        if (has_patch != (changes[i].patch != NULL))
            fail_msg("broken rule: %s", changes[i].rule);
        if (has_patch)
            check_str(changes[i].rule, in_short(buf_str(&patch)), str_from(changes[i].patch));
        buf_done(&json);
        buf_done(&patch);
        arena_reset(&mem);
    }
}

int main(void)
{
    birth = ticks_of("2024-05-01T07:00:00.1234567Z");
    now = ticks_of("2024-05-01T08:00:00.1234567Z");
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_change_is_told)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&mem);
    return failed;
}
