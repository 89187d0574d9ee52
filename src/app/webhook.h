/* webhook.h - events of jobs, told to a program of the operator's over HTTPS.
 *
 *   hub thread --webhook_notify--> thread: rows of job_event after the cursor, one POST each, in order
 *                                     |         2xx: the cursor moves, on disk
 *                                     +---- else: again after 1 s, 2 s, .. 5 min
 *
 * Each event is delivered at least once: after a crash the last one may come again, under the same
 * webhook-id. One that is refused for WEBHOOK_PATIENCE_S is given up, so that a receiver that is gone
 * for good does not hold back what comes after. A hub that is given a webhook for the first time tells
 * what happens from then on. Headers and signature: Standard Webhooks 1.0 (standardwebhooks.com), for
 * which there are libraries that check them. */
#pragma once
#include "front/front.h"

enum {
    WEBHOOK_SECRET_MIN = 24, /* bytes */
    WEBHOOK_SECRET_MAX = 256,
    WEBHOOK_URL_MAX = 2048,
    WEBHOOK_CONNECT_S = 10,
    WEBHOOK_ANSWER_S = 30,
    WEBHOOK_PAUSE_MIN_MS = 1000,
    WEBHOOK_PAUSE_MAX_MS = 5 * 60 * 1000,
    WEBHOOK_PATIENCE_S = 24 * 3600,
};
#define WEBHOOK_CURSOR_FILE "webhook.cursor" /* in the data folder: the last number delivered */

struct webhook_options {
    const char *url;         /* https://... */
    const char *secret_file; /* "whsec_" and base64, or the bytes themselves */
    const char *ca;          /* a PEM file; NULL: the system's */
};

struct webhook;
/* Read secret and address. ERR_BAD_INPUT: an address that is not https, a secret that is too short or no
 * base64; ERR_NOT_FOUND: no such file. */
enum err webhook_create(const struct webhook_options *options, struct webhook **out,
                        struct why *why);
/* Read the cursor and begin. `dir` and `store` outlive it. ERR_OUTSIDE, ERR_CORRUPT. */
enum err webhook_start(struct webhook *webhook, const char *dir, struct store *store,
                       struct why *why);
/* For job_engine_config.on_event; `arg` is the webhook. Never waits for the network. */
void webhook_notify(void *arg, uint64_t sequence);
/* What is under way is broken off and comes again at the next start. Accepts NULL. */
void webhook_destroy(struct webhook *webhook);
const struct webhook_stats *webhook_stats(const struct webhook *webhook);

/* ---- webhook_sign.c ---- */

/* The bytes of a secret as its file has it, in `mem`; line ends around it do not count. ERR_BAD_INPUT. */
enum err webhook_secret(struct str text, struct arena *mem, struct str *out, struct why *why);
/* "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body", in `mem`. */
struct str webhook_signature(struct str secret, struct str id, int64_t timestamp_s, struct str body,
                             struct arena *mem);
