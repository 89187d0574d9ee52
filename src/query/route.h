/* route.h - conditions of message routes: text -> typed tree -> verdict on one message.
 *
 * A language of its own (Profile R of spec/query-language.md, chapter 8), with types that are known when
 * it is compiled: properties are texts, so `level > 3` is refused with the advice to use as_number. What
 * stands in a body or a twin has the type that it has at run time.
 *
 *   level = 'critical' AND as_number(count) > 3        application properties
 *   $contentType = 'application/json'                  system properties; {$name} when hidden by an own one
 *   $body.t[0].temp > 21 AND $twin.tags.env = 'prod'   JSON
 *
 * A route asks for what makes its condition TRUE. */
#pragma once
#include "query/query.h"

enum {
    ROUTE_TEXT_MAX = 8192,        /* characters of a condition */
    ROUTE_DEPTH_MAX = 64,         /* brackets, NOTs and function calls inside each other */
    ROUTE_STEPS_MAX = 32,         /* names and indexes of one path */
    ROUTE_MADE_MAX = 1024 * 1024, /* bytes of text that a verdict may make; more is undefined */
};

struct route_condition; /* immutable after compiling; lives in the arena it was compiled in */

/* `twin_changes`: the source is that of twin changes, where TWIN_CHANGE_INCLUDES has a meaning.
 * ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID): text outside the language, types that do not fit, over a limit;
 * why->text says what and where ("line 1, column 9: ..."), why->at is the byte offset. An empty text
 * compiles and is never TRUE. */
enum err route_compile(struct str text, bool twin_changes, struct arena *mem,
                       struct route_condition **out, struct why *why);

/* TRUE whatever the message: `true`. */
bool route_is_always(const struct route_condition *condition);
bool route_reads_twin(const struct route_condition *condition);

/* What a message is judged by. Texts outlive the reading. */
struct route_message {
    struct str properties;  /* JSON object as the event log stores it (model/message.h) */
    struct str body;        /* bytes */
    int64_t enqueued_ticks; /* for $enqueuedTime */
    struct str tags, desired,
        reported; /* values of the twin's sections; STR_NONE: there is no twin */
};

/* A message while several conditions look at it: what was parsed once stays. Begin with a zeroed struct;
 * its memory is used again by the next begin, and given back by route_reading_done. */
struct route_reading {
    struct route_message message;
    struct arena mem;
    size_t made;
    bool has_properties, has_body;
    bool has_section[3];                         /* tags, desired, reported */
    yyjson_val *properties, *body, *sections[3]; /* NULL: none, or not JSON */
};
void route_reading_begin(struct route_reading *reading, const struct route_message *message);
void route_reading_done(struct route_reading *reading);

/* null counts as FALSE; anything that is no Boolean, as UNDEFINED. */
enum query_verdict route_match(const struct route_condition *condition,
                               struct route_reading *reading);
