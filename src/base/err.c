#include "base/err.h"
#include "base/str.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const names[ERR_COUNT] = {
    [ERR_OK] = "ok",
    [ERR_BAD_INPUT] = "bad input",
    [ERR_DENIED] = "denied",
    [ERR_NOT_FOUND] = "not found",
    [ERR_CONFLICT] = "conflict",
    [ERR_LIMIT] = "limit",
    [ERR_BUSY] = "busy",
    [ERR_OUTSIDE] = "outside",
    [ERR_CORRUPT] = "corrupt",
};

static void fill(struct why *why, uint32_t code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

enum err err_fail(enum err kind, struct why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(why, 0, format, args);
    va_end(args);
    return kind;
}

enum err err_fault(enum err kind, uint32_t code, struct why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(why, code, format, args);
    va_end(args);
    return kind;
}

const char *err_name(enum err kind)
{
    return (unsigned)kind < ERR_COUNT ? names[kind] : "unknown";
}

/* A sentence that was cut short must not end inside a character: it goes into JSON bodies. */
static void drop_cut_character(char *text, size_t len)
{
    size_t last = len - 1;
    while (last > 0 && ((unsigned char)text[last] & 0xC0) == 0x80)
        last--;
    if (str_utf8_len(str_of(text + last, len - last)) == 0)
        text[last] = '\0';
}

static void fill(struct why *why, uint32_t code, const char *format, va_list args)
{
    if (!why)
        return;
    why->at = 0;
    why->code = code;
    int len = vsnprintf(why->text, sizeof why->text, format, args);
    if (len < 0)
        why->text[0] = '\0';
    else if ((size_t)len >= sizeof why->text)
        drop_cut_character(why->text, sizeof why->text - 1);
}
