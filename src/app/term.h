/* term.h - words and numbers for people at a terminal.
 *
 * The put functions are pure and append to a buf; the live line is one line on stderr that is
 * written over again and again. */
#pragma once
#include "base/str.h"

void term_put_count(struct buf *out, uint64_t n); /* "1,234,567" */
/* "400 ms", "1.4 s", "12 s", "3 min 20 s", "1 h 5 min", "2 d 3 h". */
void term_put_duration(struct buf *out, double seconds);
/* "1,020/s", "3.4/s"; nothing per second is "0/s". */
void term_put_rate(struct buf *out, double per_second);
/* At most `columns` characters of a text from outside: control characters become '.', what does not
 * fit ends in "...". Gives the number of characters. */
size_t term_put_safe(struct buf *out, struct str text, size_t columns);
/* The same, filled with blanks up to `columns`. */
void term_put_cell(struct buf *out, struct str text, size_t columns);

enum { TERM_COLUMNS_DEFAULT = 80, TERM_COLUMNS_MIN = 20 };
bool term_is_tty(int fd);
unsigned term_columns(int fd);

/* A line that replaces itself, on a terminal. */
void term_live(struct str line);
/* Wipe it, before something is printed to stay. */
void term_live_end(void);

/* Write all of it to stdout. */
void term_print(const struct buf *text);

/* "90", "90s", "5m", "2h", "1d" into seconds, at least 1. Complains on stderr and gives false
 * otherwise. */
bool option_duration(const char *command, const char *option, const char *text, int64_t *seconds);
