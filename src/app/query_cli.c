/* query_cli.c - `muster query`: a query's rows for people, or for programs. */
#include "app/operator_cli.h"
#include "app/table.h"
#include "app/term.h"
#include <inttypes.h>
#include <unistd.h>

struct rows {
    const struct operator_options *options;
    struct table table;
    size_t line_max;
    uint64_t count, limit; /* limit 0: all */
    size_t header_columns; /* as printed last */
    bool twins;            /* rows are whole twins: what people look for first */
};

/* ---- rows ---- */

static void flush(struct rows *rows)
{
    struct buf out = {0};
    if (rows->table.row_count > 0) {
        table_put(&rows->table, rows->line_max, rows->header_columns != rows->table.column_count,
                  &out);
        rows->header_columns = rows->table.column_count;
    }
    term_print(&out);
    buf_done(&out);
    table_reset(&rows->table);
}

static bool is_twin(yyjson_val *row)
{
    return yyjson_obj_get(row, "deviceEtag") && yyjson_obj_get(row, "properties");
}

/* Of a whole twin a table shows what fits on a line; --json has the rest. */
static void add_twin(struct rows *rows, yyjson_val *twin)
{
    static const char *const shown[] = {"deviceId",        "moduleId", "status",
                                        "connectionState", "version",  "tags"};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *row = yyjson_mut_obj(doc);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        yyjson_val *value = yyjson_obj_get(twin, shown[i]);
        if (value)
            yyjson_mut_obj_add_val(doc, row, shown[i], yyjson_val_mut_copy(doc, value));
    }
    yyjson_mut_doc_set_root(doc, row);
    yyjson_doc *copy = yyjson_mut_doc_imut_copy(doc, NULL);
    table_add(&rows->table, yyjson_doc_get_root(copy));
    yyjson_doc_free(copy);
    yyjson_mut_doc_free(doc);
}

static void print_json(yyjson_val *row)
{
    struct buf line = {0};
    json_put_value(&line, row);
    buf_put_char(&line, '\n');
    fwrite(line.ptr, 1, line.len, stdout);
    buf_done(&line);
}

static bool take_row(void *arg, yyjson_val *row)
{
    struct rows *rows = arg;
    if (rows->options->json) {
        print_json(row);
    } else {
        if (is_twin(row))
            add_twin(rows, row);
        else
            table_add(&rows->table, row);
        if (rows->table.row_count == SERVICE_PAGE_MAX)
            flush(rows);
    }
    return ++rows->count != rows->limit;
}

/* ---- the command ---- */

static bool is_explain(struct str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]))
        text = str_skip(text, 1);
    return str_eq_nocase(str_take(text, 7), STR("EXPLAIN"));
}

/* Of a plan, members are the lines. */
static int explain(struct service *service, const struct operator_options *options,
                   struct service_request *request)
{
    struct arena mem = {0};
    struct service_answer answer;
    yyjson_val *root;
    int code = operator_ask(service, options, request, &mem, &answer, &root);
    if (code == EXIT_OK) {
        size_t size;
        yyjson_write_flag how = options->json ? YYJSON_WRITE_NOFLAG : YYJSON_WRITE_PRETTY;
        char *text = yyjson_val_write(root, how, &size);
        printf("%s\n", text ? text : "");
        free(text);
    }
    arena_done(&mem);
    return code;
}

int query_print(struct service *service, const struct operator_options *options, struct str text)
{
    struct buf body = {0};
    buf_put_char(&body, '{');
    json_put_member_str(&body, "query", text);
    buf_put_char(&body, '}');
    struct service_request request = {.method = "POST",
                                      .path = STR("/devices/query"),
                                      .body = buf_str(&body),
                                      .continue_at = STR_NONE,
                                      .page_size = SERVICE_PAGE_MAX};
    bool tty = term_is_tty(STDOUT_FILENO);
    struct rows rows = {.options = options,
                        .line_max = tty ? term_columns(STDOUT_FILENO) : SIZE_MAX,
                        .limit = options->limit > 0 ? (uint64_t)options->limit : 0};
    int code;
    if (is_explain(text)) {
        code = explain(service, options, &request);
    } else {
        struct why why;
        enum err err = service_pages(service, &request, take_row, &rows, &why);
        flush(&rows);
        if (err == ERR_OK && !options->json && tty)
            fprintf(stderr, "%" PRIu64 " row%s\n", rows.count, rows.count == 1 ? "" : "s");
        fflush(stdout);
        code = err == ERR_OK ? EXIT_OK : operator_complain(options, err, &why);
    }
    table_done(&rows.table);
    buf_done(&body);
    return code;
}

static int run_query(struct service *service, const struct operator_options *options)
{
    return query_print(service, options, str_from(options->id));
}

static const struct operator_command commands[] = {
    {"", " QUERY", "", "Lj", 1, 1, run_query,
     "Runs a query over devices, devices.modules or devices.jobs, and prints its rows: a table, "
     "as\n"
     "wide as the terminal, or, when piped, as wide as it needs. Of whole twins it shows what\n"
     "fits on a line. EXPLAIN in front of the query shows how it would be done.\n\n"
     "  --limit N              stop after N rows\n"
     "  --json                 one JSON object per line, whole\n"},
};

int cmd_query(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "query",
        .examples =
            "  muster query --data hub \"SELECT * FROM devices WHERE tags.site = 'north'\"\n"
            "  muster query --data hub \"SELECT tags.site AS site, COUNT() AS n FROM devices "
            "GROUP BY tags.site\"\n",
        .commands = commands,
        .count = 1,
    };
    return operator_main(&family, argc, argv);
}
