/* twin_told.h - a change of a twin as the hub tells it to those who asked for twin changes.
 *
 *   {"version":4,"tags":{..},"properties":{"reported":{"fw":"2","$metadata":{..},"$version":3}}}
 *
 * A section is there when it was written: after a merge the patch, its nulls included, with the metadata
 * of what it touched; after a replace the whole section. Source: spec/device-auth.md 7.3. */
#pragma once
#include "model/twin.h"

struct twin_told_section {
    const struct twin_section *now; /* NULL: not written */
    yyjson_val *patch; /* what was written; NULL or no object: the whole section is told */
    struct str
        metadata; /* of what the patch touched; empty: all of it was written just now, by nobody's
                            configuration */
};
struct twin_told {
    int64_t version; /* of the twin, now */
    int64_t now_ticks;
    struct twin_told_section tags, desired, reported;
};
void twin_put_told(struct buf *out, const struct twin_told *told);

/* The same change as a JSON Patch of the digital twin: an operation per property of the device's reported
 * and desired sections ("add", or "remove" for a null). False when neither was written. */
bool twin_put_told_as_patch(struct buf *out, const struct twin_told *told);
