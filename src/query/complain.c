#include "query/complain.h"
#include "base/banned.h"
#include "model/fault.h"
#include <stdarg.h>
#include <stdio.h>

enum {
    SLIPS_MAX = 2,         /* edits between what was typed and what was meant */
    SHORT_WORD = 4,        /* up to this length one slip is all we believe in */
    EXCERPT_SIDE_MAX = 32, /* bytes shown before and behind the place */
    EXCERPT_SIDE_MIN = 6,
};

struct place {
    unsigned line, column;
};

static bool is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static struct place find_place(struct str text, size_t at)
{
    struct place place = {1, 1};
    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else if (!is_inside_character(text.ptr[i]))
            place.column++;
    }
    return place;
}

struct str complain_cut(struct str word)
{
    return str_clip(word, COMPLAIN_WORD_MAX);
}

/* What stands around `at`, on one line whatever the query contains. */
static size_t print_excerpt(char *out, size_t size, struct str text, size_t at)
{
    static const char head[] = " near: ", mark[] = ">>>";
    size_t frame = sizeof head + sizeof mark - 1; /* with the final NUL */
    size_t side = size > frame ? (size - frame) / 2 : 0;
    if (side < EXCERPT_SIDE_MIN || text.len == 0)
        return 0;
    if (side > EXCERPT_SIDE_MAX)
        side = EXCERPT_SIDE_MAX;
    if (at > text.len)
        at = text.len;
    size_t first = at > side ? at - side : 0;
    while (first < at && is_inside_character(text.ptr[first]))
        first++;
    struct str before = str_of(text.ptr + first, at - first);
    struct str after = str_clip(str_skip(text, at), side);
    int len = snprintf(out, size, "%s%.*s%s%.*s", head, STR_ARG(before), mark, STR_ARG(after));
    for (int i = 0; i < len; i++)
        if ((unsigned char)out[i] < ' ')
            out[i] = ' ';
    return (size_t)len;
}

enum err complain(struct str text, size_t at, struct why *why, const char *format, ...)
{
    if (!why)
        return ERR_BAD_INPUT;
    struct place place = find_place(text, at);
    char message[sizeof why->text];
    int len = snprintf(message, sizeof message, "line %u, column %u: ", place.line, place.column);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(message + len, sizeof message - (size_t)len, format, args);
    va_end(args);
    size_t used = (size_t)len + (size_t)(more > 0 ? more : 0);
    if (used < sizeof message)
        print_excerpt(message + used, sizeof message - used, text, at);
    err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "%s", message);
    why->at = (uint32_t)at;
    return ERR_BAD_INPUT;
}

/* ---- what was meant ---- */

static char to_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edits that turn one word into the other; two neighbours that changed places are one edit. */
static unsigned distance(struct str a, struct str b)
{
    unsigned rows[3][COMPLAIN_WORD_MAX + 1];
    unsigned *above = rows[0], *row = rows[1], *two_above = rows[2];
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *free_row = two_above;
        two_above = above;
        above = row;
        row = free_row;
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char p = to_lower(a.ptr[i - 1]), q = to_lower(b.ptr[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (p != q));
            if (i > 1 && j > 1 && p == to_lower(b.ptr[j - 2]) && q == to_lower(a.ptr[i - 2]) &&
                two_above[j - 2] + 1 < row[j])
                row[j] = two_above[j - 2] + 1;
        }
    }
    return row[b.len];
}

const char *complain_closest(struct str word, const char *const *words)
{
    if (word.len < 2 || word.len > COMPLAIN_WORD_MAX)
        return NULL;
    const char *best = NULL;
    unsigned best_slips = SLIPS_MAX + 1;
    for (; *words; words++) {
        struct str known = str_from(*words);
        if (known.len > COMPLAIN_WORD_MAX)
            continue;
        unsigned slips_max = known.len <= SHORT_WORD ? 1 : SLIPS_MAX;
        unsigned slips = distance(word, known);
        if (slips <= slips_max && slips < best_slips) {
            best = *words;
            best_slips = slips;
        }
    }
    return best;
}
