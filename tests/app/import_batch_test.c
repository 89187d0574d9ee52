/* Lines of an import become bodies of POST /devices. */
#include "../base/check.h"
#include "app/import_batch.h"

static void lines_become_records(void **state)
{
    static const struct {
        const char *rule, *line;
        enum import_step step;
        const char *body, *says;
    } table[] = {
        {"a record is taken as it is", "{\"id\":\"a\",\"tags\":{\"x\":1}}\n", IMPORT_TAKEN,
         "[{\"importMode\":\"create\",\"id\":\"a\",\"tags\":{\"x\":1}}]", NULL},
        {"its own mode counts", "{\"id\":\"a\",\"importMode\":\"delete\"}", IMPORT_TAKEN,
         "[{\"id\":\"a\",\"importMode\":\"delete\"}]", NULL},
        {"line ends of another system", "  {\"id\":\"a\",\"importMode\":\"x\"} \r\n", IMPORT_TAKEN,
         "[{\"id\":\"a\",\"importMode\":\"x\"}]", NULL},
        {"a blank line is none", " \r\n", IMPORT_BLANK, "[]", NULL},
        {"not JSON", "{\"id\":", IMPORT_BAD, "[]", "not JSON: "},
        {"no object", "[1]", IMPORT_BAD, "[]", "an object with an id"},
        {"no id", "{\"deviceId\":\"a\"}", IMPORT_BAD, "[]", "an object with an id"},
        {"two in a line", "{\"id\":\"a\"},{\"id\":\"b\"}", IMPORT_BAD, "[]", "not JSON: "},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct import_batch batch = {.mode = "create"};
        struct why why = {0};
        check_int(table[i].rule, import_batch_add(&batch, str_from(table[i].line), 7, &why),
                  table[i].step);
        check_str(table[i].rule, import_batch_body(&batch), str_from(table[i].body));
        if (table[i].says)
            check(table[i].rule, strstr(why.text, table[i].says) != NULL);
        import_batch_done(&batch);
    }
}

static void a_batch_ends_at_a_hundred_lines(void **state)
{
    struct import_batch batch = {0};
    struct why why;
    char line[64];
    for (size_t i = 1; i <= BULK_RECORDS_MAX; i++) {
        snprintf(line, sizeof line, "{\"id\":\"d%zu\"}", i);
        check_int(line, import_batch_add(&batch, str_from(line), i, &why), IMPORT_TAKEN);
    }
    check_int("the next", import_batch_add(&batch, STR("{\"id\":\"e\"}"), 101, &why), IMPORT_FULL);
    check_int("a line that is none is told at once", import_batch_add(&batch, STR("{"), 102, &why),
              IMPORT_BAD);
    check_int("where it came from", (int)import_batch_find(&batch, STR("d7"), STR(""))->number, 7);
    import_batch_reset(&batch);
    check_int("after it was sent", import_batch_add(&batch, STR("{\"id\":\"e\"}"), 101, &why),
              IMPORT_TAKEN);
    check("what was sent is forgotten", !import_batch_find(&batch, STR("d7"), STR("")));
    import_batch_done(&batch);
}

static void a_batch_names_an_identity_once(void **state)
{
    struct import_batch batch = {0};
    struct why why;
    struct str device = STR("{\"id\":\"a\"}"), module = STR("{\"id\":\"a\",\"moduleId\":\"m\"}");
    check_int("a device", import_batch_add(&batch, device, 1, &why), IMPORT_TAKEN);
    check_int("its module", import_batch_add(&batch, module, 2, &why), IMPORT_TAKEN);
    check_int("the device again", import_batch_add(&batch, device, 3, &why), IMPORT_FULL);
    check_int("the module again", import_batch_add(&batch, module, 4, &why), IMPORT_FULL);
    import_batch_done(&batch);
}

static void a_batch_has_a_size(void **state)
{
    struct import_batch batch = {0};
    struct buf line = {0};
    struct why why;
    size_t taken = 0;
    for (enum import_step step = IMPORT_TAKEN; step == IMPORT_TAKEN; taken++) {
        buf_reset(&line);
        buf_printf(&line, "{\"id\":\"d%zu\",\"x\":\"", taken);
        memset(buf_room(&line, IMPORT_LINE_MAX / 2), 'x', IMPORT_LINE_MAX / 2);
        line.len += IMPORT_LINE_MAX / 2;
        buf_put(&line, STR("\"}"));
        step = import_batch_add(&batch, buf_str(&line), taken, &why);
    }
    check_int("half a megabyte each", (int)taken - 1,
              IMPORT_BATCH_SIZE / (IMPORT_LINE_MAX / 2) - 1);
    check("a request may have that much", import_batch_body(&batch).len < BULK_BODY_MAX);
    buf_done(&line);
    import_batch_done(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_records),
        cmocka_unit_test(a_batch_ends_at_a_hundred_lines),
        cmocka_unit_test(a_batch_names_an_identity_once),
        cmocka_unit_test(a_batch_has_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
