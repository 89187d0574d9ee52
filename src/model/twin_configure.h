/* twin_configure.h - desired properties as configurations want them.
 *
 *   desired and who wrote what      settings, most important first
 *             \                        /
 *              what is set anew, what is taken away, or nothing at all
 *
 * Metadata says of each property whether a configuration wrote it last. So no other record is needed: what a
 * configuration wrote and none wants any more goes; what somebody else has written since is theirs and stays
 * when no configuration wants it; what is as it should be is left alone. Arrays and values are properties,
 * and so is an object that holds nothing. Pure. Source: spec/service-rest.md 9.2, 14. */
#pragma once
#include "model/twin.h"

struct twin_setting { /* one property below desired */
    const struct str *names;
    size_t count;      /* of names, 1 at least */
    yyjson_val *value; /* no object, unless it is empty; not null */
    size_t by;         /* which writer wants it */
    size_t claim;      /* of so many names nobody less important sets anything; 0: of all of them */
    struct str module; /* of a deployment to IoT Edge: in whose twin; not read here */
};
struct twin_writer {
    struct str id, digest;
};
struct twin_configuring {
    const struct twin_setting
        *settings; /* where two are about the same place, the first one counts */
    size_t count;
    const struct twin_writer *writers;
    int64_t now_ticks, stamp; /* as in struct twin_write */
    bool tells;               /* the metadata of the change is wanted, too */
    bool whole;               /* what no setting wants goes, whoever wrote it */
    bool keep_deployed; /* what a deployment wrote (its digest begins so) is nobody's: it stays */
};
#define TWIN_DEPLOYED "edge-"
struct twin_configured {
    bool changed;             /* false: the section is as it should be */
    struct twin_section next; /* when changed, texts in `mem` */
    struct str patch; /* when changed: what a device that has the old section has to merge */
    struct str
        metadata; /* and of what it touches: {"$lastUpdated":..}; empty unless it is wanted */
};

/* `won[i]` becomes true for each writer that has a property of its own there.
 * ERR_BAD_INPUT  the section would break a rule or a limit: nothing is to be written
 * ERR_CORRUPT    `old` is not what we wrote */
enum err twin_configure(const struct twin_section *old, const struct twin_configuring *want,
                        bool *won, struct arena *mem, struct twin_configured *out, struct why *why);
