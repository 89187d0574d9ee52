#include "app/sim_words.h"
#include <ctype.h>
#include <stdio.h>

static const char *keep_end(char out[SIM_PLACE_MAX], struct buf *text)
{
    struct str all = buf_str(text);
    if (all.len > SIM_PLACE_MAX - 1)
        all = str_skip(all, all.len - (SIM_PLACE_MAX - 1));
    snprintf(out, SIM_PLACE_MAX, "%.*s", STR_ARG(all));
    buf_done(text);
    return out;
}

const char *sim_place(char out[SIM_PLACE_MAX], const char *place, struct str name)
{
    struct buf text = {0};
    buf_printf(&text, "%s%s%.*s", place, place[0] ? "." : "", STR_ARG(name));
    return keep_end(out, &text);
}

const char *sim_place_index(char out[SIM_PLACE_MAX], const char *place, size_t index)
{
    struct buf text = {0};
    buf_printf(&text, "%s[%zu]", place, index);
    return keep_end(out, &text);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned sim_word_distance(struct str a, struct str b)
{
    if (a.len > SIM_WORD_MAX || b.len > SIM_WORD_MAX)
        return SIM_WORD_MAX;
    unsigned rows[3][SIM_WORD_MAX + 1] = {{0}};
    unsigned *older = rows[0], *old = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b.len; j++)
        old[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            int x = tolower((unsigned char)a.ptr[i - 1]), y = tolower((unsigned char)b.ptr[j - 1]);
            row[j] = least(least(old[j] + 1, row[j - 1] + 1), old[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b.ptr[j - 2]) &&
                y == tolower((unsigned char)a.ptr[i - 2]))
                row[j] = least(row[j], older[j - 2] + 1);
        }
        unsigned *spare = older;
        older = old;
        old = row;
        row = spare;
    }
    return old[b.len];
}

enum err sim_unknown_word(struct str word, const char *place, const char *const *known,
                          size_t count, struct why *why)
{
    const char *nearest = NULL, *where = place[0] ? place : "the scenario";
    unsigned distance = (unsigned)word.len / 3 + 1; /* so many letters may be wrong */
    for (size_t i = 0; i < count; i++) {
        unsigned d = sim_word_distance(word, str_from(known[i]));
        if (d <= distance && (!nearest || d < distance)) {
            nearest = known[i];
            distance = d;
        }
    }
    struct str shown = str_clip(word, SIM_WORD_MAX);
    if (nearest)
        return err_fail(ERR_BAD_INPUT, why, "%s does not know '%.*s'; is '%s' meant?", where,
                        STR_ARG(shown), nearest);
    struct buf list = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&list, "%s%s", i > 0 ? ", " : "", known[i]);
    enum err err = err_fail(ERR_BAD_INPUT, why, "%s does not know '%.*s'; it knows %.*s", where,
                            STR_ARG(shown), STR_ARG(buf_str(&list)));
    buf_done(&list);
    return err;
}
