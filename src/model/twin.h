/* twin.h - the document that a device and its operators share.
 *
 * A twin has three sections. Operators write `tags` and `desired`, the device writes `reported`.
 * A section is kept as the JSON text that clients get, without `$` members; its `$metadata` apart
 * and compactly (twin_meta.c). Its twin's version is the larger of two stamps kept in tags and
 * desired. A section that was never written has no row anywhere: twin_section_fresh gives it.
 *
 * Pure: no clock, no store. The caller brings the time and the arena.
 * Source: spec/service-rest.md 9, spec/quotas-errors-auth.md 4.1, spec/device-mqtt.md 13. */
#pragma once
#include "model/identity.h"

enum {
    TWIN_TAGS_SIZE_MAX = 8 * 1024, /* by the measure of spec 9.4, not bytes of text */
    TWIN_PROPERTIES_SIZE_MAX = 32 * 1024,
    TWIN_KEY_SIZE_MAX = 1024,
    TWIN_TEXT_SIZE_MAX = 4096,           /* bytes of a string value */
    TWIN_DEPTH_MAX = 10,                 /* levels below the root of a section; arrays count */
    TWIN_SECTION_BYTES_MAX = 256 * 1024, /* of text: what the measure counts as nothing ends here */
    TWIN_BODY_MAX = 512 * 1024,          /* bytes of a request that carries a twin */
    TWIN_VERSION_FRESH = 2,
};
#define TWIN_INTEGER_MIN INT64_C(-4503599627370496)
#define TWIN_INTEGER_MAX INT64_C(4503599627370495)

enum twin_part { TWIN_TAGS, TWIN_DESIRED, TWIN_REPORTED };

struct twin_section {
    struct str values; /* a JSON object, minified, without `$` members: "{}" when empty */
    struct str meta; /* compact form of $metadata, opaque; empty for tags and when never written */
    int64_t born_ticks; /* $lastUpdated while `meta` is empty */
    int64_t version;    /* $version of desired and reported: 1 at birth, +1 per accepted write */
    int64_t stamp;      /* tags and desired: the twin's version at the last write of this section */
};

/* The section that nobody has written yet; its $lastUpdated is the identity's creation. */
struct twin_section twin_section_fresh(enum twin_part part, int64_t created_ticks);

struct twin_write {
    yyjson_val *patch; /* an object without duplicate names, or JSON null: clears the section */
    bool replace;      /* PUT: the section becomes the patch; otherwise merge, null deletes */
    int64_t now_ticks;
    int64_t stamp; /* the twin's next version; ignored for reported */
};

/* Write `old` and give the next section in `*out` (texts in `mem`), which is left alone on error.
 * Members of the section root that begin with `$` are dropped silently. Version +1 in every case.
 *
 * ERR_BAD_INPUT  (FAULT_ARGUMENT_INVALID) the patch is no object, or a key, value, depth or size
 *                rule is broken: the text names the property and the rule
 * ERR_CORRUPT    `old` is not what we wrote; with `replace` or a null patch it is not looked at */
enum err twin_section_write(enum twin_part part, const struct twin_section *old,
                            const struct twin_write *write, struct arena *mem,
                            struct twin_section *out, struct why *why);

/* What a request to PATCH or PUT /twins/{id} (or a job's updateTwin) asks for. */
struct twin_update {
    bool has_tags, has_desired;
    yyjson_val *tags, *desired; /* object or JSON null */
    bool replace;
};
/* Whether a write of a section touches what stands at `names`, or something above or below it. */
bool twin_patch_touches(yyjson_val *patch, bool replace, const struct str *names, size_t count);

/* Read it from a Twin object; other members are ignored. ERR_BAD_INPUT when a section is neither
 * object nor null, or the root is no object. */
enum err twin_update_read(yyjson_val *root, bool replace, struct twin_update *out, struct why *why);

/* Everything that is shown of one twin. A section that was not loaded is NULL. */
struct twin_view {
    const struct identity *identity;
    struct presence presence;
    const struct twin_section *tags, *desired, *reported;
    struct str configurations; /* {"id":{"status":"Applied"}}; STR_NONE: none targets it */
};
static inline int64_t twin_version(const struct twin_section *tags,
                                   const struct twin_section *desired)
{
    return tags->stamp > desired->stamp ? tags->stamp : desired->stamp;
}
/* base64 of the 8-byte big-endian counter, which is version - 1. */
struct str twin_etag(int64_t version, struct arena *mem);

/* The Twin object as services get it (spec 9.1); all three sections must be loaded. */
void twin_put_json(struct buf *out, const struct twin_view *view);
/* The `$metadata` object of one section; "{}" for tags. Of damaged metadata the root is shown. */
void twin_put_metadata(struct buf *out, enum twin_part part, const struct twin_section *section);
/* One section as shown inside `properties`: values, "$metadata", "$version". */
void twin_put_section(struct buf *out, enum twin_part part, const struct twin_section *section);

/* What a device reads: {"desired":{...,"$version":n},"reported":{...,"$version":n}}. */
void twin_put_device_json(struct buf *out, const struct twin_section *desired,
                          const struct twin_section *reported);
/* The notification of an accepted write of desired: the patch with its nulls (or, after a replace,
 * the whole new section) plus "$version". `$` members of the patch's root are left out. */
void twin_put_notification(struct buf *out, const struct twin_write *write,
                           const struct twin_section *now);
