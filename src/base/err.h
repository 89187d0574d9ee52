/* err.h - how anything says that it failed.
 *
 * A kind exists because a caller acts differently on it. The cause, one sentence for a human, goes
 * into `why`, filled in once by whoever notices. Where the outside world has a finer name for the
 * failure (our catalogue: model/fault.h), its number goes into `why.code`.
 *
 * The world failing is an `enum err`; us failing is an assert, on in release too. */
#pragma once
#include <stdint.h>

enum err {
    ERR_OK,
    ERR_BAD_INPUT, /* the peer's bytes or arguments are wrong: tell them */
    ERR_DENIED,    /* well formed, not allowed */
    ERR_NOT_FOUND, /* no such device, twin, job or route */
    ERR_CONFLICT,  /* somebody wrote first: reread and retry */
    ERR_LIMIT,     /* a named limit was reached */
    ERR_BUSY,      /* nothing is wrong, come back later */
    ERR_OUTSIDE,   /* disk, database or network let us down */
    ERR_CORRUPT,   /* our own stored bytes are not what we wrote */
    ERR_COUNT,
};

struct why {
    uint32_t at;    /* byte offset in the input, when there is one */
    uint32_t code;  /* number in the catalogue of faults, 0 = the usual one of its kind */
    char text[248]; /* one sentence for a human; never a secret */
};

/* Fill `why` (which may be NULL) and give `kind` back, so that a caller can `return err_fail(...)`.
 * `why->at` and `why->code` become 0. */
enum err err_fail(enum err kind, struct why *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a number of the catalogue of faults. */
enum err err_fault(enum err kind, uint32_t code, struct why *why, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A word for logs: "conflict", "limit" ... */
const char *err_name(enum err kind);
