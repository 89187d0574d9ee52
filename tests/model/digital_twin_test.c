/* A twin seen as a digital twin, and a JSON Patch of it as the merge that it amounts to: spec/service-rest.md 16.
 *
 * Every time in what is shown is T. */
#include "model/digital_twin.h"
#include "model/fault.h"
#include "read.h"

static struct arena mem;
static int64_t birth;

static struct twin_section section_of(enum twin_part part, const char *values)
{
    struct twin_section section = twin_section_fresh(part, birth);
    struct why why = {0};
    if (!values)
        return section;
    struct twin_write write = {.patch = read_quoted(&mem, values), .now_ticks = birth};
    if (twin_section_write(part, &section, &write, &mem, &section, &why) != ERR_OK)
        fail_msg("%s: %s", values, why.text);
    return section;
}

static struct str without_times(struct str json)
{
    char time[TIME_TEXT_MAX];
    struct str sign = str_of(time, time_print(birth, time));
    struct buf out = {0};
    while (json.len > 0) {
        bool is_time = str_starts(json, sign);
        buf_put_char(&out, is_time ? 'T' : json.ptr[0] == '"' ? '\'' : json.ptr[0]);
        json = str_skip(json, is_time ? sign.len : 1);
    }
    struct str copy = str_copy(&mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* ---- shown ---- */

static const struct {
    const char *rule, *desired, *reported, *shown;
} views[] = {
    {"a fresh twin has its model and nothing else", NULL, NULL,
     "{'$dtId':'d','$metadata':{'$model':'dtmi:m;1'}}"},
    {"what a device reported is the value of a property", NULL, "{'fan':3}",
     "{'$dtId':'d','fan':3,'$metadata':{'$model':'dtmi:m;1','fan':{'lastUpdateTime':'T'}}}"},
    {"what is only wanted so far has metadata and no value", "{'fan':4}", NULL,
     "{'$dtId':'d','$metadata':{'$model':'dtmi:m;1','fan':{'desiredValue':4,'desiredVersion':2,"
     "'lastUpdateTime':'T'}}}"},
    {"wanted and reported, they stand side by side", "{'fan':4}", "{'fan':3}",
     "{'$dtId':'d','fan':3,'$metadata':{'$model':'dtmi:m;1','fan':{'desiredValue':4,"
     "'desiredVersion':2,'lastUpdateTime':'T'}}}"},
    {"an acknowledgement is taken apart", "{'fan':4}",
     "{'fan':{'value':3,'ac':200,'av':2,'ad':'soon'}}",
     "{'$dtId':'d','fan':3,'$metadata':{'$model':'dtmi:m;1','fan':{'desiredValue':4,"
     "'desiredVersion':2,'ackVersion':2,'ackCode':200,'ackDescription':'soon',"
     "'lastUpdateTime':'T'}}}"},
    {"a code alone acknowledges, or a version alone", NULL,
     "{'a':{'value':1,'ac':202},'b':{'value':2,'av':7}}",
     "{'$dtId':'d','a':1,'b':2,'$metadata':{'$model':'dtmi:m;1','a':{'ackCode':202,"
     "'lastUpdateTime':'T'},'b':{'ackVersion':7,'lastUpdateTime':'T'}}}"},
    {"a value without code and version is an object like any other", NULL,
     "{'fan':{'value':3,'ad':'x'}}",
     "{'$dtId':'d','fan':{'value':3,'ad':'x'},'$metadata':{'$model':'dtmi:m;1','fan':{"
     "'lastUpdateTime':'T'}}}"},
    {"a component has metadata of its own, and loses its mark", "{'t1':{'__t':'c','min':1}}",
     "{'t1':{'__t':'c','max':9}}",
     "{'$dtId':'d','t1':{'max':9,'$metadata':{'max':{'lastUpdateTime':'T'},'min':{"
     "'desiredValue':1,'desiredVersion':2,'lastUpdateTime':'T'}}},"
     "'$metadata':{'$model':'dtmi:m;1'}}"},
    {"a mark on one side is enough", "{'t1':{'min':1}}", "{'t1':{'__t':'c'}}",
     "{'$dtId':'d','t1':{'$metadata':{'min':{'desiredValue':1,'desiredVersion':2,"
     "'lastUpdateTime':'T'}}},'$metadata':{'$model':'dtmi:m;1'}}"},
    {"another mark makes no component", NULL, "{'t1':{'__t':'x','max':9}}",
     "{'$dtId':'d','t1':{'__t':'x','max':9},'$metadata':{'$model':'dtmi:m;1','t1':{"
     "'lastUpdateTime':'T'}}}"},
    {"there are no components in components", NULL, "{'t1':{'__t':'c','in':{'__t':'c','x':1}}}",
     "{'$dtId':'d','t1':{'in':{'__t':'c','x':1},'$metadata':{'in':{'lastUpdateTime':'T'}}},"
     "'$metadata':{'$model':'dtmi:m;1'}}"},
    {"first what is reported, then what is wanted", "{'a':1,'b':2}", "{'c':3,'b':4}",
     "{'$dtId':'d','c':3,'b':4,'$metadata':{'$model':'dtmi:m;1','c':{'lastUpdateTime':'T'},"
     "'b':{'desiredValue':2,'desiredVersion':2,'lastUpdateTime':'T'},'a':{'desiredValue':1,"
     "'desiredVersion':2,'lastUpdateTime':'T'}}}"},
};

static struct str shown(const char *model, const struct twin_section *desired,
                        const struct twin_section *reported, enum err want)
{
    struct identity identity = {.device_id = STR("d"),
                                .model_id = model ? str_from(model) : STR_NONE};
    struct twin_section tags = twin_section_fresh(TWIN_TAGS, birth);
    struct twin_view view = {
        .identity = &identity, .tags = &tags, .desired = desired, .reported = reported};
    struct buf out = {0};
    struct why why = {0};
    assert_int_equal(digital_twin_put_json(&out, &view, &mem, &why), want);
    struct str told = without_times(buf_str(&out));
    buf_done(&out);
    return told;
}

static void a_twin_is_shown(void **state)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        struct twin_section desired = section_of(TWIN_DESIRED, views[i].desired);
        struct twin_section reported = section_of(TWIN_REPORTED, views[i].reported);
        check_str(views[i].rule, shown("dtmi:m;1", &desired, &reported, ERR_OK),
                  str_from(views[i].shown));
        arena_reset(&mem);
    }
}

static void a_device_without_a_model_has_an_empty_one(void **state)
{
    struct twin_section desired = section_of(TWIN_DESIRED, NULL);
    struct twin_section reported = section_of(TWIN_REPORTED, NULL);
    check_str("no model", shown(NULL, &desired, &reported, ERR_OK),
              str_from("{'$dtId':'d','$metadata':{'$model':''}}"));
    arena_reset(&mem);
}

static void damaged_sections_are_told(void **state)
{
    struct twin_section good = section_of(TWIN_DESIRED, NULL), bad = good;
    bad.values = STR("{\"a\":");
    shown(NULL, &bad, &good, ERR_CORRUPT);
    shown(NULL, &good, &bad, ERR_CORRUPT);
    arena_reset(&mem);
}

/* ---- changed ---- */

#define ADD(path, value) "{'op':'add','path':'" path "','value':" value "}"
#define REPLACE(path, value) "{'op':'replace','path':'" path "','value':" value "}"
#define REMOVE(path) "{'op':'remove','path':'" path "'}"

static const struct {
    const char *rule, *desired, *patch, *merge;
} patches[] = {
    {"add sets a property", NULL, "[" ADD("/fan", "3") "]", "{'fan':3}"},
    {"and so does replace, of what is not there too", NULL, "[" REPLACE("/fan", "3") "]",
     "{'fan':3}"},
    {"remove takes it away", "{'fan':3}", "[" REMOVE("/fan") "]", "{'fan':null}"},
    {"what is not named is left alone", "{'fan':3,'led':1}", "[" ADD("/fan", "4") "]", "{'fan':4}"},
    {"an object replaces: members that are gone are null", "{'o':{'a':1,'b':{'c':2,'d':3}}}",
     "[" REPLACE("/o", "{'b':{'c':4}}") "]", "{'o':{'b':{'c':4,'d':null},'a':null}}"},
    {"an array replaces an object", "{'o':{'a':1}}", "[" REPLACE("/o", "[1,{'a':2}]") "]",
     "{'o':[1,{'a':2}]}"},
    {"the last operation on a property wins, and it is told once", NULL,
     "[" ADD("/a", "1") "," ADD("/b", "2") "," REPLACE("/a", "3") "]", "{'a':3,'b':2}"},
    {"what is added and removed is null", NULL, "[" ADD("/a", "1") "," REMOVE("/a") "]",
     "{'a':null}"},
    {"$metadata makes a component", NULL, "[" ADD("/t1", "{'$metadata':{},'max':3}") "]",
     "{'t1':{'__t':'c','max':3}}"},
    {"an object without it is a property", NULL, "[" ADD("/t1", "{'max':3}") "]",
     "{'t1':{'max':3}}"},
    {"a property of a component, which is made", NULL, "[" ADD("/t1/max", "3") "]",
     "{'t1':{'__t':'c','max':3}}"},
    {"a property of a component that is there", "{'t1':{'__t':'c','max':3,'min':1}}",
     "[" REPLACE("/t1/max", "4") "]", "{'t1':{'__t':'c','max':4,'min':1}}"},
    {"a component takes the place of a property", "{'t1':7}", "[" ADD("/t1/max", "3") "]",
     "{'t1':{'__t':'c','max':3}}"},
    {"remove of a component", "{'t1':{'__t':'c','max':3}}", "[" REMOVE("/t1") "]", "{'t1':null}"},
    {"remove of a property of a component", "{'t1':{'__t':'c','max':3,'min':1}}",
     "[" REMOVE("/t1/max") "]", "{'t1':{'__t':'c','min':1,'max':null}}"},
    {"a remove makes no component", NULL, "[" REMOVE("/t1/max") "]", "{'t1':null}"},
    {"nor one of a property", "{'t1':7}", "[" REMOVE("/t1/max") "]", "{'t1':7}"},
    {"nor one of an object", "{'t1':{'max':3,'min':1}}", "[" REMOVE("/t1/max") "]",
     "{'t1':{'min':1,'max':null}}"},
    {"~1 is a slash and ~0 a tilde", NULL, "[" ADD("/a~1b~0c", "1") "]", "{'a/b~c':1}"},
    {"~01 is a tilde and a one", NULL, "[" ADD("/a~01", "1") "]", "{'a~1':1}"},
};

static void a_patch_amounts_to_a_merge(void **state)
{
    for (size_t i = 0; i < sizeof patches / sizeof patches[0]; i++) {
        struct twin_section desired = section_of(TWIN_DESIRED, patches[i].desired);
        yyjson_val *patch = read_quoted(&mem, patches[i].patch), *merge = NULL;
        struct why why = {0};
        if (digital_twin_read_patch(patch, &desired, &mem, &merge, &why) != ERR_OK)
            fail_msg("broken rule: %s\n  got  %s", patches[i].rule, why.text);
        struct buf text = {0};
        json_put_value(&text, merge);
        check_str(patches[i].rule, without_times(buf_str(&text)), str_from(patches[i].merge));
        buf_done(&text);
        arena_reset(&mem);
    }
}

static const struct {
    const char *rule, *patch, *told;
    uint32_t fault;
} refusals[] = {
    {"a patch is an array", "{}", "array", FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH},
    {"with something in it", "[]", "array", FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH},
    {"of objects", "[1]", "operation 1", FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH},
    {"no other operation", "[{'op':'test','path':'/a','value':1}]", "op must be",
     FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH},
    {"no move", "[{'op':'move','from':'/a','path':'/b'}]", "op must be",
     FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH},
    {"the operation that is wrong is named", "[" ADD("/a", "1") ",{'op':'add'}]", "operation 2",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"add needs a value", "[{'op':'add','path':'/a'}]", "value", FAULT_INVALID_DIGITAL_TWIN_PATCH},
    {"which is not null", "[" REPLACE("/a", "null") "]", "value", FAULT_INVALID_DIGITAL_TWIN_PATCH},
    {"a path is a text", "[{'op':'add','path':7,'value':1}]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"and begins with a slash", "[" ADD("a", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"the whole twin is no property", "[" ADD("", "{}") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"an empty name is none", "[" ADD("/", "1") "]", "path", FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"behind a component neither", "[" ADD("/a/", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"nothing is deeper than a property of a component", "[" ADD("/a/b/c", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"the hub's names are its own", "[" REMOVE("/$metadata") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"in components too", "[" ADD("/a/$metadata", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"so is the mark of a component", "[" ADD("/__t", "'c'") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"a tilde alone is no name", "[" ADD("/a~", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
    {"nor one before anything else", "[" ADD("/a~2", "1") "]", "path",
     FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH},
};

static void a_patch_is_refused(void **state)
{
    struct twin_section desired = section_of(TWIN_DESIRED, NULL);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        yyjson_val *merge = NULL;
        struct why why = {0};
        enum err err = digital_twin_read_patch(read_quoted(&mem, refusals[i].patch), &desired, &mem,
                                               &merge, &why);
        if (err != ERR_BAD_INPUT || fault_of(err, &why) != refusals[i].fault)
            fail_msg("broken rule: %s: %s, %s", refusals[i].rule, err_name(err), why.text);
        check_contains(refusals[i].rule, why.text, refusals[i].told);
    }
    arena_reset(&mem);
}

static void a_patch_has_so_many_operations_at_most(void **state)
{
    struct twin_section desired = section_of(TWIN_DESIRED, NULL);
    for (int more = 0; more < 2; more++) {
        struct buf text = {0};
        yyjson_val *merge = NULL;
        struct why why = {0};
        for (int i = 0; i < DIGITAL_TWIN_OPERATIONS_MAX + more; i++)
            buf_printf(&text, "%c{\"op\":\"add\",\"path\":\"/p%d\",\"value\":1}", i ? ',' : '[', i);
        buf_put_char(&text, ']');
        enum err err =
            digital_twin_read_patch(read_text(&mem, buf_str(&text)), &desired, &mem, &merge, &why);
        assert_int_equal(err, more ? ERR_LIMIT : ERR_OK);
        assert_int_equal(yyjson_obj_size(merge), more ? 0 : DIGITAL_TWIN_OPERATIONS_MAX);
        buf_done(&text);
    }
    arena_reset(&mem);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    birth = ticks_of("2024-05-01T08:00:00.1234567Z");
    const struct CMUnitTest tests[] = {
        TEST(a_twin_is_shown),           TEST(a_device_without_a_model_has_an_empty_one),
        TEST(damaged_sections_are_told), TEST(a_patch_amounts_to_a_merge),
        TEST(a_patch_is_refused),        TEST(a_patch_has_so_many_operations_at_most),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&mem);
    return failed;
}
