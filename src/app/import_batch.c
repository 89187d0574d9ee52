#include "app/import_batch.h"

enum { LINE_DEPTH_MAX = 48 };

bool import_read_line(FILE *in, struct buf *out)
{
    int c = 0;
    buf_reset(out);
    while (out->len <= IMPORT_LINE_MAX && (c = getc_unlocked(in)) != EOF && c != '\n')
        buf_put_char(out, (char)c);
    return out->len > 0 || c != EOF;
}

static struct str trimmed(struct str text)
{
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
        text.len--;
    while (text.len > 0 && memchr(" \t", text.ptr[0], 2))
        text = str_skip(text, 1);
    return text;
}

const struct import_line *import_batch_find(const struct import_batch *batch, struct str id,
                                            struct str module)
{
    for (size_t i = 0; i < batch->count; i++)
        if (str_eq(batch->lines[i].id, id) && str_eq(batch->lines[i].module, module))
            return &batch->lines[i];
    return NULL;
}

static enum import_step read_line(struct str text, struct arena *mem, struct import_line *out,
                                  bool *has_mode, struct why *why)
{
    yyjson_val *root;
    struct why inner;
    const struct json_limits limits = {.size_max = IMPORT_LINE_MAX, .depth_max = LINE_DEPTH_MAX};
    if (json_read(text, &limits, mem, &root, &inner) != ERR_OK) {
        err_fail(ERR_BAD_INPUT, why, "not JSON: %s", inner.text);
        return IMPORT_BAD;
    }
    out->id = json_member_str(root, "id");
    out->module = json_member_str(root, "moduleId");
    if (!out->module.ptr)
        out->module = STR("");
    if (!yyjson_is_obj(root) || out->id.len == 0) {
        err_fail(ERR_BAD_INPUT, why, "a line must be an object with an id");
        return IMPORT_BAD;
    }
    if (yyjson_is_obj(yyjson_obj_get(root, "content")))
        return IMPORT_CONFIGURATION;
    *has_mode = yyjson_obj_get(root, "importMode") != NULL;
    return IMPORT_TAKEN;
}

enum import_step import_batch_add(struct import_batch *batch, struct str text, size_t number,
                                  struct why *why)
{
    struct arena mem = {0};
    struct import_line line = {.number = number};
    bool has_mode = false;
    text = trimmed(text);
    if (text.len == 0)
        return IMPORT_BLANK;
    enum import_step step = read_line(text, &mem, &line, &has_mode, why);
    bool full = batch->count == BULK_RECORDS_MAX ||
                (batch->count > 0 && batch->body.len + text.len > IMPORT_BATCH_SIZE) ||
                import_batch_find(batch, line.id, line.module);
    if (step == IMPORT_TAKEN && full)
        step = IMPORT_FULL;
    if (step == IMPORT_TAKEN) {
        line.id = str_copy(&batch->mem, line.id);
        line.module = str_copy(&batch->mem, line.module);
        batch->lines[batch->count++] = line;
        buf_put(&batch->body, batch->body.len ? STR(",{") : STR("[{"));
        if (batch->mode && !has_mode)
            buf_printf(&batch->body, "\"importMode\":\"%s\",", batch->mode);
        buf_put(&batch->body, str_skip(text, 1));
    }
    arena_done(&mem);
    return step;
}

struct str import_batch_body(struct import_batch *batch)
{
    if (batch->body.len == 0)
        buf_put_char(&batch->body, '[');
    buf_put_char(&batch->body, ']');
    return buf_str(&batch->body);
}

void import_batch_reset(struct import_batch *batch)
{
    arena_reset(&batch->mem);
    buf_reset(&batch->body);
    batch->count = 0;
}

void import_batch_done(struct import_batch *batch)
{
    arena_done(&batch->mem);
    buf_done(&batch->body);
}
