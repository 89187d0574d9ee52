/* twin_check.h - what may stand in a twin: names, values, and where in it one is.
 *
 * The sentences are those of Microsoft's edge hub, which clients have seen; each names the
 * property. Source: spec/service-rest.md 9.4, spec/quotas-errors-auth.md 4.1. Private to model/. */
#pragma once
#include "model/twin.h"

/* Where we are, as a chain of frames up the stack: tags.a.b[2].c */
struct twin_path {
    const struct twin_path *up; /* NULL at the section */
    struct str name; /* of the section or member; STR_NONE: element `index` of an array */
    size_t index;
};

/* The frame of a section: "tags", "properties.desired", "properties.reported". */
struct twin_path twin_path_root(enum twin_part part);

/* ERR_BAD_INPUT with FAULT_ARGUMENT_INVALID when a rule is broken, else ERR_OK. */
enum err twin_check_key(const struct twin_path *path, struct why *why);
/* A string, number or Boolean. */
enum err twin_check_scalar(yyjson_val *value, const struct twin_path *path, struct why *why);
/* An object or array that stands `level` levels below the section's root, which is level 0. */
enum err twin_check_level(size_t level, const struct twin_path *path, struct why *why);
/* The whole section: `size` by the measure of the spec, `bytes` of its text. */
enum err twin_check_size(enum twin_part part, size_t size, size_t bytes, struct why *why);

/* The section itself is neither an object nor null. */
enum err twin_refuse_root(enum twin_part part, struct why *why);
enum twin_null { TWIN_NULL_ELEMENT, TWIN_NULL_MEMBER };
enum err twin_refuse_null(enum twin_null where, const struct twin_path *path, struct why *why);

/* Bytes of a text that count: control characters do not. */
size_t twin_measure_text(struct str text);
/* A string, number or Boolean by the measure of the spec. */
size_t twin_measure_scalar(yyjson_val *value);
