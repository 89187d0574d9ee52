/* sim_words.h - places and words of a scenario, for messages that say what to change. Pure. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { SIM_PLACE_MAX = 96, SIM_WORD_MAX = 48 /* longer ones are like no other */ };

/* "groups[1].tags" and "site" into "groups[1].tags.site", in `out`; what is too long loses its
 * front. Gives `out`. */
const char *sim_place(char out[SIM_PLACE_MAX], const char *place, struct str name);
const char *sim_place_index(char out[SIM_PLACE_MAX], const char *place, size_t index);

/* How many letters must be put in, left out, replaced or swapped to make `b` of `a`. Case counts half
 * a letter, which makes it 0 here. Words over SIM_WORD_MAX are far from all: SIM_WORD_MAX. */
unsigned sim_word_distance(struct str a, struct str b);

/* ERR_BAD_INPUT, with `why`: "groups[0] does not know 'telemetri'; is 'telemetry' meant?", or when
 * no word is near, the words that are known. */
enum err sim_unknown_word(struct str word, const char *place, const char *const *known,
                          size_t count, struct why *why);
