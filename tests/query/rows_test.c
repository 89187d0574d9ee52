/* Rows: projections, and groups with aggregates; spec/query-language.md 5.3 and 6.3. */
#include "doc.h"

static const char twin[] =
    "{'deviceId':'pump-1','status':'disabled','connectionState':'Connected','lastActivityTime':"
    "'2024-05-03T10:15:30.5Z','x509Thumbprint':{'primaryThumbprint':'A1'},'version':13,"
    "'capabilities':{'iotEdge':true},'parentScopes':['p'],'tags':{'site':'north','floor':3,"
    "'half':2.5,'big':4503599627370495,'on':true,'no':null,'list':[1,'a',{'k':null}],'map':{'k':"
    "{'v':1}},'q':'say \\\"hi\\\"'},'properties':{'desired':{'fw':'2','$version':4,'$metadata':"
    "{'$lastUpdated':'2024-05-01T08:00:00Z'}},'reported':{'$version':7,'$metadata':"
    "{'$lastUpdated':'2024-05-02T08:00:00Z'}}}}";

static const struct {
    const char *rule, *list, *row;
} projections[] = {
    {"canonical names", "DeviceId, STATUS", "{'deviceId':'pump-1','status':'disabled'}"},
    {"the alias as written", "deviceId AS DeviceId", "{'DeviceId':'pump-1'}"},
    {"an alias with quotes is escaped", "deviceId AS [[a\"b]]", "{'a\\\"b':'pump-1'}"},
    {"the last name is the key", "tags.map.k, properties.desired.FW", "{'k':{'v':1}}"},
    {"a key as typed", "tags.site", "{'site':'north'}"},
    {"an escaped key without brackets", "tags.[[site]]", "{'site':'north'}"},
    {"containers in canonical spelling", "Tags.map AS m, PROPERTIES.Desired.fw",
     "{'m':{'k':{'v':1}},'fw':'2'}"},
    {"undefined is left out", "deviceId, statusUpdatedTime AS t, tags.none",
     "{'deviceId':'pump-1'}"},
    {"a row may be empty", "tags.none, nothing", "{}"},
    {"null is a value", "tags.no, x509Thumbprint.secondaryThumbprint",
     "{'no':null,'secondaryThumbprint':null}"},
    {"numbers as stored", "tags.floor, tags.half, tags.big",
     "{'floor':3,'half':2.5,'big':4503599627370495}"},
    {"numbers of the system", "version, properties.desired.$version",
     "{'version':13,'$version':4}"},
    {"Booleans", "tags.on, capabilities.iotEdge", "{'on':true,'iotEdge':true}"},
    {"texts are escaped", "tags.q", "{'q':'say \\\"hi\\\"'}"},
    {"arrays whole", "tags.list, parentScopes", "{'list':[1,'a',{'k':null}],'parentScopes':['p']}"},
    {"sections whole, as twins show them", "properties.desired",
     "{'desired':{'fw':'2','$metadata':{'$lastUpdated':'2024-05-01T08:00:00Z'},'$version':4}}"},
    {"an empty section", "properties.reported AS r",
     "{'r':{'$metadata':{'$lastUpdated':'2024-05-02T08:00:00Z'},'$version':7}}"},
    {"all properties", "properties",
     "{'properties':{'desired':{'fw':'2','$metadata':{'$lastUpdated':'2024-05-01T08:00:00Z'},"
     "'$version':4},'reported':{'$metadata':{'$lastUpdated':'2024-05-02T08:00:00Z'},"
     "'$version':7}}}"},
    {"metadata", "properties.desired.$metadata",
     "{'$metadata':{'$lastUpdated':"
     "'2024-05-01T08:00:00Z'}}"},
    {"composed objects", "x509Thumbprint, capabilities",
     "{'x509Thumbprint':{'primaryThumbprint':'A1','secondaryThumbprint':null},'capabilities':"
     "{'iotEdge':true}}"},
    {"the last of two equal keys wins", "deviceId AS x, status AS y, version AS x",
     "{'y':'disabled','x':13}"},
    {"even when it is undefined", "deviceId AS x, tags.none AS x", "{}"},
    {"keys differ in case", "deviceId AS x, status AS X", "{'x':'pump-1','X':'disabled'}"},
    {"times as text", "lastActivityTime", "{'lastActivityTime':'2024-05-03T10:15:30.5Z'}"},
};

static void a_projection_is_one_object(void **state)
{
    struct query_scratch *scratch = query_scratch_create();
    for (size_t i = 0; i < COUNT(projections); i++)
        for (int matched = 0; matched < 2; matched++) { /* what was parsed before is used again */
            struct arena mem = {0};
            struct test_doc doc;
            struct buf out = {0};
            read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
            struct str text = str_format(
                &mem, "SELECT %s FROM devices WHERE tags.floor = 3 AND properties.desired.fw = '2'",
                projections[i].list);
            struct query *query = compile(&mem, text.ptr);
            buf_put(&out, STR("[")); /* rows are appended */
            if (matched)
                assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
            query_project(query, &doc.doc, scratch, &out);
            check_str(projections[i].rule, str_skip(buf_str(&out), 1),
                      quoted(&mem, projections[i].row));
            buf_done(&out);
            arena_done(&mem);
        }
    query_scratch_destroy(scratch);
}

/* Who skips query_match must not get the row of the document before. */
static void rows_do_not_mix(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct buf out = {0};
    struct query_scratch *scratch = query_scratch_create();
    struct query *query = compile(&mem, "SELECT tags.a FROM devices WHERE tags.a > 0");
    char tags[] = "{\"a\":1}", others[] = "{\"a\":3}";
    read_twin(&mem, read_json(&mem, STR("{\"deviceId\":\"d\"}")), &doc);
    doc.tags.values = (struct str){tags, strlen(tags)};
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
    query_project(query, &doc.doc, scratch, &out);
    tags[5] = '2'; /* the same place, the same length */
    query_project(query, &doc.doc, scratch, &out);
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
    doc.tags.values.ptr = others; /* another place */
    query_project(query, &doc.doc, scratch, &out);
    check_str("each document its row", buf_str(&out), STR("{\"a\":1}{\"a\":2}{\"a\":3}"));
    query_scratch_destroy(scratch);
    buf_done(&out);
    arena_done(&mem);
}

/* ---- groups ---- */

static void put_rows(struct buf *out, const char *text, yyjson_val *twins)
{
    struct arena mem = {0};
    struct query *query = compile(&mem, text);
    struct query_scratch *scratch = query_scratch_create();
    struct query_groups *groups = query_groups_create(query);
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(twins, i, count, item)
    {
        struct test_doc doc;
        read_twin(&mem, item, &doc);
        if (query_match(query, &doc.doc, scratch) == QUERY_TRUE)
            assert_int_equal(query_groups_add(groups, &doc.doc, scratch, NULL), ERR_OK);
    }
    for (i = 0; i < query_groups_count(groups); i++) {
        if (i)
            buf_put_char(out, ' ');
        query_groups_put(groups, i, out);
    }
    query_groups_destroy(groups);
    query_scratch_destroy(scratch);
    arena_done(&mem);
}

static const struct {
    const char *rule, *text, *tags, *rows; /* tags: of one twin each */
} groupings[] = {
    {"COUNT counts documents", "SELECT COUNT() AS n FROM devices", "[{},{'a':1}]", "{'n':2}"},
    {"of nothing it is 0", "SELECT COUNT() AS n FROM devices", "[]", "{'n':0}"},
    {"only those that match", "SELECT COUNT() AS n FROM devices WHERE tags.a = 1",
     "[{'a':1},{'a':2},{},{'a':1}]", "{'n':2}"},
    {"SUM AVG MIN MAX",
     "SELECT SUM(tags.a) AS s, AVG(tags.a) AS m, MIN(tags.a) AS l, MAX(tags.a) AS h FROM devices",
     "[{'a':4},{'a':-1},{'a':1.5}]", "{'s':4.5,'m':1.5,'l':-1,'h':4}"},
    {"only of numbers", "SELECT SUM(tags.a) AS s, AVG(tags.a) AS m FROM devices",
     "[{'a':4},{'a':'5'},{'a':null},{'a':true},{'a':[6]},{}]", "{'s':4,'m':4}"},
    {"without any the key is left out",
     "SELECT SUM(tags.a) AS s, AVG(tags.a) AS m, MIN(tags.a) AS l, MAX(tags.a) AS h FROM devices",
     "[{'a':'5'},{}]", "{}"},
    {"one number is all four",
     "SELECT SUM(tags.a) AS s, AVG(tags.a) AS m, MIN(tags.a) AS l, MAX(tags.a) AS h FROM devices",
     "[{'a':-2}]", "{'s':-2,'m':-2,'l':-2,'h':-2}"},
    {"whole numbers stay whole", "SELECT AVG(tags.a) AS m FROM devices",
     "[{'a':1},{'a':2},{'a':3}]", "{'m':2}"},
    {"a sum beyond the numbers is left out",
     "SELECT SUM(tags.a) AS s, MAX(tags.a) AS h FROM devices", "[{'a':1e308},{'a':1e308}]",
     "{'h':1e308}"},
    {"groups in the order of arrival", "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a",
     "[{'a':'y'},{'a':'x'},{'a':'y'}]", "{'a':'y','n':2} {'a':'x','n':1}"},
    {"no documents, no groups", "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a", "[]",
     ""},
    {"undefined is a group without the key",
     "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a", "[{},{'a':null},{'b':1}]",
     "{'n':2} {'a':null,'n':1}"},
    {"equal values of different types are different groups",
     "SELECT tags.a FROM devices GROUP BY tags.a", "[{'a':1},{'a':'1'},{'a':true},{'a':'true'}]",
     "{'a':1} {'a':'1'} {'a':true} {'a':'true'}"},
    {"equal numbers are one group", "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a",
     "[{'a':1},{'a':1.0},{'a':10e-1},{'a':0},{'a':-0.0}]", "{'a':1,'n':3} {'a':0,'n':2}"},
    {"close numbers are not", "SELECT COUNT() AS n FROM devices GROUP BY tags.a",
     "[{'a':0.1},{'a':0.10000000000000002}]", "{'n':1} {'n':1}"},
    {"texts by case", "SELECT tags.a FROM devices GROUP BY tags.a", "[{'a':'x'},{'a':'X'}]",
     "{'a':'x'} {'a':'X'}"},
    {"arrays by elements", "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a",
     "[{'a':[1,2]},{'a':[1.0,2]},{'a':[2,1]},{'a':[12]}]",
     "{'a':[1,2],'n':2} {'a':[2,1],'n':1} {'a':[12],'n':1}"},
    {"objects in any order of members", "SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a",
     "[{'a':{'x':1,'y':{'p':1,'q':2}}},{'a':{'y':{'q':2,'p':1},'x':1}},{'a':{'x':1}}]",
     "{'a':{'x':1,'y':{'p':1,'q':2}},'n':2} {'a':{'x':1},'n':1}"},
    {"several paths", "SELECT tags.a, tags.b, COUNT() AS n FROM devices GROUP BY tags.a, tags.b",
     "[{'a':1,'b':2},{'a':1},{'b':2},{'a':1,'b':2}]",
     "{'a':1,'b':2,'n':2} {'a':1,'n':1} "
     "{'b':2,'n':1}"},
    {"texts do not run into each other", "SELECT COUNT() AS n FROM devices GROUP BY tags.a, tags.b",
     "[{'a':'x','b':'y'},{'a':'xy','b':''},{'a':'','b':'xy'}]", "{'n':1} {'n':1} {'n':1}"},
    {"not every path is selected", "SELECT tags.b AS only FROM devices GROUP BY tags.a, tags.b",
     "[{'a':1,'b':2},{'a':3,'b':2}]", "{'only':2} {'only':2}"},
    {"a path may be selected twice, spelled otherwise",
     "SELECT Tags.a AS x, devices.tags.[[a]] AS y FROM devices GROUP BY tags.a", "[{'a':1}]",
     "{'x':1,'y':1}"},
    {"composed objects are values too",
     "SELECT capabilities, COUNT() AS n FROM devices "
     "GROUP BY capabilities",
     "[{},{}]", "{'capabilities':{'iotEdge':false},'n':2}"},
    {"whole sections too", "SELECT COUNT() AS n FROM devices GROUP BY properties.desired",
     "[{},{}]", "{'n':2}"},
    {"undefined everywhere is one group", "SELECT COUNT() AS n FROM devices GROUP BY nothing",
     "[{},{'nothing':1}]", "{'n':2}"},
};

static void groups_follow_value_and_type(void **state)
{
    for (size_t i = 0; i < COUNT(groupings); i++) {
        struct arena mem = {0};
        struct buf twins = {0}, rows = {0};
        yyjson_val *tags = read_json(&mem, quoted(&mem, groupings[i].tags)), *item;
        size_t at, count;
        buf_put_char(&twins, '[');
        yyjson_arr_foreach(tags, at, count, item)
        {
            buf_printf(&twins, "%s{\"deviceId\":\"d%zu\",\"tags\":", at ? "," : "", at);
            json_put_value(&twins, item);
            buf_put_char(&twins, '}');
        }
        buf_put_char(&twins, ']');
        put_rows(&rows, groupings[i].text, read_json(&mem, buf_str(&twins)));
        check_str(groupings[i].rule, buf_str(&rows), quoted(&mem, groupings[i].rows));
        buf_done(&twins);
        buf_done(&rows);
        arena_done(&mem);
    }
}

/* Feeds `count` twins with different tags of about `size` bytes; gives the first error. */
static enum err feed_many(size_t count, size_t size, size_t *groups_made, struct why *why)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    struct query *query = compile(&mem, "SELECT COUNT() AS n FROM devices GROUP BY tags.a");
    struct query_groups *groups = query_groups_create(query);
    struct buf values = {0};
    enum err err = ERR_OK;
    read_twin(&mem, read_json(&mem, STR("{\"deviceId\":\"d\"}")), &doc);
    for (size_t i = 0; i < count && !err; i++) {
        buf_reset(&values);
        buf_printf(&values, "{\"a\":\"%0*zu\"}", (int)size, i);
        doc.tags.values = buf_str(&values);
        assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
        err = query_groups_add(groups, &doc.doc, scratch, why);
    }
    if (err) { /* known groups still count */
        buf_reset(&values);
        buf_printf(&values, "{\"a\":\"%0*d\"}", (int)size, 0);
        doc.tags.values = buf_str(&values);
        assert_int_equal(query_groups_add(groups, &doc.doc, scratch, NULL), ERR_OK);
    }
    *groups_made = query_groups_count(groups);
    buf_done(&values);
    query_groups_destroy(groups);
    query_scratch_destroy(scratch);
    arena_done(&mem);
    return err;
}

static void groups_are_limited(void **state)
{
    struct why why = {0};
    size_t made;
    assert_int_equal(feed_many(QUERY_GROUPS_MAX, 6, &made, &why), ERR_OK);
    assert_int_equal(made, QUERY_GROUPS_MAX);
    assert_int_equal(feed_many(QUERY_GROUPS_MAX + 1, 6, &made, &why), ERR_LIMIT);
    assert_int_equal(made, QUERY_GROUPS_MAX);
    assert_non_null(strstr(why.text, "100000 groups"));
    assert_int_equal(feed_many(QUERY_GROUPS_MAX, 8000, &made, &why), ERR_LIMIT);
    assert_true(made > 1000 && made * 8000 <= QUERY_GROUPS_SIZE_MAX);
    assert_non_null(strstr(why.text, "bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_projection_is_one_object),
        cmocka_unit_test(rows_do_not_mix),
        cmocka_unit_test(groups_follow_value_and_type),
        cmocka_unit_test(groups_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
