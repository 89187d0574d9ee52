/* throttle.h - which quota a request draws on, and what happens where it is used up.
 *
 *   request, known and trusted --> class of its route --> go | be held on its connection | 429
 *
 * Operations of all endpoints are classed here and nowhere else, by their path, so that a new route
 * needs no word about it as long as it stands below a path that is known. A request is held without a
 * thread: its connection has a deadline. Source: spec/quotas-errors-auth.md 1 (mapping of service
 * endpoints to classes), 2 and 6. */
#pragma once
#include "front/routes.h"

/* By method and the pattern of a route. */
enum quota_class throttle_class(enum http_method method, const char *path);

/* Take what the request costs; only while quota_on. `*wait_ms` above 0: taken, but it has to wait so
 * long. ERR_BUSY FAULT_THROTTLING with exchange->retry_after_s set; ERR_LIMIT FAULT_QUOTA_EXCEEDED when
 * the day's messages are used up. */
enum err throttle_request(struct exchange *exchange, const struct route *route, size_t body_size,
                          int64_t *wait_ms, struct why *why);
/* For the endpoints of devices: the same on the hub thread, once it is known who asks, and without a wait:
 * `count` operations of a class by the identity `number` (0: nobody), and `size` bytes for the day. A
 * refusal sets `*retry_after_s`. QUOTA_FREE takes nothing. */
enum err throttle_device(const struct front *front, enum quota_class class, uint32_t number,
                         uint64_t count, size_t size, int64_t *retry_after_s, struct why *why);
/* The answer is made: charge the day with what the request was. */
void throttle_answered(struct exchange *exchange);
