/* time.h - instants as text.
 *
 * An instant is an int64_t count of ticks of 100 ns since 1970-01-01T00:00:00Z, the resolution that
 * the wire shows (seven digits). Names of such values end in `_ticks` or say so.
 * Source: spec/service-rest.md 1.5. */
#pragma once
#include "base/str.h"

#define TICKS_PER_SECOND INT64_C(10000000)
#define TICKS_PER_MS INT64_C(10000)
#define TIME_UNSET (INT64_C(-62135596800) * TICKS_PER_SECOND) /* 0001-01-01T00:00:00Z */
#define TIME_FOREVER                                                                               \
    (INT64_C(253402300799) * TICKS_PER_SECOND + 9999999) /* 9999-12-31T23:59:59.9999999Z */
enum { TIME_TEXT_MAX = 32 };

/* UTC, ISO 8601, trailing zeros of the fraction dropped, 'Z' at the end: "2024-05-01T08:00:00.5Z".
 * Gives the length; `out` is NUL-terminated. `ticks` outside years 1 to 9999 is clamped. */
size_t time_print(int64_t ticks, char out[TIME_TEXT_MAX]);
/* The same with exactly seven digits (cloud-to-device $.exp, job records). */
size_t time_print_full(int64_t ticks, char out[TIME_TEXT_MAX]);
/* "MM/dd/yyyy HH:mm:ss", as tracking ids have it. */
size_t time_print_us(int64_t ticks, char out[TIME_TEXT_MAX]);
/* RFC 1123, for the Date header. */
size_t time_print_http(int64_t ticks, char out[TIME_TEXT_MAX]);

/* Date and time with 'T' or blank, up to 7 used digits of fraction (more are cut), then 'Z', an
 * offset "+02:00", or nothing (UTC). False when it is not such a text or not a real date. */
bool time_parse(struct str text, int64_t *ticks);
