/* router.h - the routes in force: compiled once, asked from any thread.
 *
 * A board with one table of compiled routes. Changing it puts a new table in its place; who is judging a
 * message goes on with the one it began with. What the hub thread needs to know, whether anybody asks for
 * a source at all, is a bit in one word: a hub with nothing but its fallback route compares that and pays
 * nothing else.
 *
 * Conditions are judged on the threads of the event log, right before an event would be written. Twins are
 * read there as well, when a condition looks at one, through a connection of the router's own: what the
 * twin is at that moment. Source: spec/query-language.md 8. */
#pragma once
#include "model/message_route.h"
#include "query/route.h"
#include "store/eventlog.h"
#include "store/store.h"

struct router;
/* With the fallback route alone, until router_set. The store outlives the router; NULL where no condition
 * reads a twin (tests). ERR_OUTSIDE when it cannot be read. */
enum err router_create(struct store *store, struct router **out, struct why *why);
void router_destroy(struct router *router); /* nobody judges any more; accepts NULL */

/* Compile a condition as router_set will: for whoever wants to know beforehand. */
enum err router_check(const struct message_route *route, struct why *why);

/* From now on these are the routes; one that does not compile asks for nothing (it was checked when it
 * was made). Copies. The hub thread. */
void router_set(struct router *router, const struct message_route *routes, size_t count);
/* As they were set, $fallback among them. Any thread. */
const struct message_route *router_all(struct router *router, struct arena *mem, size_t *count);

/* Whether anybody asks for events of a source; for telemetry, unless it is decided that all of it is
 * wanted. Any thread, one atomic look. */
bool router_asked(const struct router *router, enum event_source source);
bool router_takes_all_telemetry(const struct router *router);

/* Does a route ask for this event? Takes some microseconds, more with a body or a twin to parse; any
 * thread but the hub's, which has better things to do. */
bool router_wants(struct router *router, enum event_source source, const struct event *event);
