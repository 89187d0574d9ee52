/* message_route.h - which messages and events of the hub go into the event log.
 *
 * A route asks for what comes from one source and makes its condition TRUE. The only endpoint is the
 * built-in event log, so a message that several routes ask for stands there once. What devices send and
 * no route asks for goes there too as long as the route `$fallback` is enabled, which it is on a new hub;
 * everything else that a hub could tell is told only while a route asks for it.
 *
 * Names and members are those of Azure's route resource. Source: spec/query-language.md 8,
 * spec/device-auth.md 7.2, 7.3; spec/quotas-errors-auth.md (100 routes). */
#pragma once
#include "base/err.h"
#include "base/json.h"

enum {
    MESSAGE_ROUTES_MAX = 100, /* besides $fallback */
    MESSAGE_ROUTE_NAME_MAX = 64,
    MESSAGE_ROUTE_CONDITION_MAX = 32768, /* bytes; in characters: ROUTE_TEXT_MAX of query/route.h */
};
#define MESSAGE_ROUTE_FALLBACK STR("$fallback")
#define MESSAGE_ROUTE_ENDPOINT STR("events")

/* Numbers are stored: never renumber them. */
enum event_source {
    SOURCE_TELEMETRY,
    SOURCE_TWIN_CHANGES,
    SOURCE_LIFECYCLE,
    SOURCE_CONNECTION,
    SOURCE_JOBS,
    SOURCE_DIGITAL_TWINS,
    SOURCES,
};
const char *event_source_stamp(enum event_source source); /* of an event: "twinChangeEvents" */
bool event_source_read(struct str word, enum event_source *out); /* of a route, any case */

struct message_route {
    struct str name;
    enum event_source source;
    struct str condition; /* text; not looked at here */
    bool enabled;
};

/* 1 to 64 of letters, digits, - _ . and none of the names that Azure keeps for itself. */
bool message_route_name_valid(struct str name);

/* Read a body {"source","condition","isEnabled"}; `endpointNames`, if given, must be ["events"]. Without a
 * condition it is `true`. The name is the caller's: for $fallback only isEnabled may differ. Texts borrow
 * from `body`. ERR_BAD_INPUT with the fault and what to write instead. */
enum err message_route_read(struct str name, yyjson_val *body, struct message_route *out,
                            struct why *why);
void message_route_put_json(struct buf *out, const struct message_route *route);

/* The one of that name (any case), NULL when there is none. */
const struct message_route *message_route_find(const struct message_route *routes, size_t count,
                                               struct str name);
struct message_route message_route_copy(struct arena *mem, const struct message_route *route);
struct message_route message_route_fallback(bool enabled);
