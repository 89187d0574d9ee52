/* seek.h - one value out of a stored JSON text, without parsing the rest of it.
 *
 * A condition reads one or two paths of a section that has dozens. Sections are stored as our own
 * writer put them: valid, compact, no name twice. So members can be skipped by looking for the next
 * quote, comma or bracket only, and what was found is read where it stands.
 *
 *      {"a":1,"loc":{"city":"Graz","no":7},"z":[1]}       names: loc, no
 *           skip      enter  skip        found 7
 *
 * Whatever is not plain (escapes in a name or in the value, arrays, objects, exponents, white space, a text
 * that ends early) is SEEK_UNSURE: parse the text then. */
#pragma once
#include "query/value.h"

enum seek {
    SEEK_FOUND,
    SEEK_ABSENT, /* the object has no such member, or what should hold it is no object */
    SEEK_UNSURE,
};
/* The value at the path `names` (at least one) of the object `text`, as value_of_json would give it.
 * A text in `*out` borrows from `text`. Reads nothing outside of `text`, whatever it is. */
enum seek seek_value(struct str text, const struct str *names, size_t count, struct value *out);
