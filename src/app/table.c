#include "app/table.h"
#include "app/term.h"
#include <string.h>

enum { GAP = 2, WIDTH_MIN = 4 };

static size_t column_of(struct table *table, struct str name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_eq(table->names[i], name))
            return i;
    if (table->column_count == TABLE_COLUMNS_MAX)
        return SIZE_MAX;
    table->names[table->column_count] = str_copy(&table->mem, name);
    return table->column_count++;
}

static struct str text_of(struct table *table, yyjson_val *value)
{
    if (yyjson_is_str(value))
        return str_copy(&table->mem, json_str(value));
    struct buf text = {0};
    json_put_value(&text, value);
    struct str copy = str_copy(&table->mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

bool table_add(struct table *table, yyjson_val *object)
{
    if (table->row_count == TABLE_ROWS_MAX)
        return false;
    struct str *cells = arena_array(&table->mem, struct str, TABLE_COLUMNS_MAX);
    table->cells[table->row_count++] = cells;
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, max, key, value)
    {
        size_t column = column_of(table, json_str(key));
        if (column != SIZE_MAX)
            cells[column] = text_of(table, value);
    }
    return true;
}

/* ---- widths ---- */

static size_t characters(struct str text)
{
    struct buf shown = {0};
    size_t count = term_put_safe(&shown, text, SIZE_MAX);
    buf_done(&shown);
    return count;
}

static void measure(const struct table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = characters(table->names[c]);
        for (size_t r = 0; r < table->row_count; r++) {
            size_t width = characters(table->cells[r][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
}

static void shrink(size_t *widths, size_t count, size_t line_max)
{
    for (;;) {
        size_t total = 0, widest = 0;
        for (size_t c = 0; c < count; c++) {
            total += widths[c] + (c ? GAP : 0);
            widest = widths[c] > widths[widest] ? c : widest;
        }
        if (total <= line_max || widths[widest] <= WIDTH_MIN)
            return;
        widths[widest]--;
    }
}

/* ---- printing ---- */

static void put_line(const struct str *cells, const size_t *widths, size_t count, struct buf *out)
{
    size_t last = 0;
    for (size_t c = 0; c < count; c++)
        if (cells[c].len > 0)
            last = c;
    for (size_t c = 0; c < count && c <= last; c++) {
        if (c > 0)
            buf_put(out, STR("  "));
        if (c < last)
            term_put_cell(out, cells[c], widths[c]);
        else
            term_put_safe(out, cells[c], widths[c]);
    }
    buf_put_char(out, '\n');
}

void table_put(const struct table *table, size_t line_max, bool header, struct buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    if (table->column_count == 0)
        return;
    measure(table, widths);
    if (line_max != SIZE_MAX)
        shrink(widths, table->column_count, line_max);
    if (header)
        put_line(table->names, widths, table->column_count, out);
    for (size_t r = 0; r < table->row_count; r++)
        put_line(table->cells[r], widths, table->column_count, out);
}

void table_reset(struct table *table)
{
    struct arena old = table->mem;
    table->mem = (struct arena){0};
    for (size_t c = 0; c < table->column_count; c++)
        table->names[c] = str_copy(&table->mem, table->names[c]);
    table->row_count = 0;
    arena_done(&old);
}

void table_done(struct table *table)
{
    arena_done(&table->mem);
    *table = (struct table){0};
}
