/* https_conn.h - one connection over HTTPS, for the files that carry its requests.
 *
 * READING --head--> (100-continue | upgrade -> WEBSOCKET) --request--> ANSWERING --answer--> READING
 *                                                              |  ^
 *             (held for its quota |)        part of a stream -> +--+ <- time for the next one
 *
 * While a request is being answered, or an answer waits for a peer that does not read, bytes of the next request
 * stay with net.
 *
 *   https.c       the connection's life: requests come, are sent off and answered
 *   https_head.c  what the head of a request says, and whether it may go on
 *   https_file.c  files, which come and go in pieces */
#pragma once
#include "front/device_auth.h"
#include "front/exchange.h"
#include "front/https.h"
#include "front/mqtt.h"
#include "front/routes.h"

enum {
    HTTPS_STALL_MS = 60 * 1000, /* a reader that takes nothing for so long is given up */
};

struct https_conn {
    struct front *front;
    struct net_conn *conn;
    struct http_reader reader;
    struct exchange *exchange; /* made at the head of a request, sent off at its end */
    const struct route *route;
    struct why refusal; /* what is wrong with the request at hand, found at its head */
    enum err refused;
    bool answering, paused, stopping, ending;
    struct auth_proof proof;
    struct device_shown shown;
    struct mqtt_session *session; /* after an upgrade */

    struct exchange *held;     /* by its quota, until a deadline */
    struct exchange *stream;   /* between two parts */
    struct exchange *outgoing; /* a file between two pieces */
    size_t progress;           /* of a file's piece, when it was last told to the deadline */
    int64_t stalled_ms;        /* the peer has not taken the last one for so long */
    int64_t trusted_ms;        /* since its token was looked at */
};

/* The head in https->reader: fills `exchange` and finds the route. Whatever can be refused without the body is
 * refused here; an error is the answer. */
enum err https_read_head(struct https_conn *https, struct exchange *exchange, struct why *why);

/* What there is of the answer goes, and with its end the exchange. */
void https_answer(struct https_conn *https, struct exchange *exchange);
/* All of the answer is written. */
void https_answered(struct https_conn *https, struct exchange *exchange);

/* ---- a file comes ---- */
/* More of a body has come. */
void https_file_more(struct https_conn *https);
/* A piece of it is on disk, or the exchange has failed. */
void https_file_written(struct https_conn *https, struct exchange *exchange);

/* ---- a file goes ---- */
/* The head of its answer is written, or a piece, and there is more: that is read when this is sent. */
void https_file_out(struct https_conn *https, struct exchange *exchange);
/* What was written of https->outgoing is sent. */
void https_file_next(struct https_conn *https);
/* A piece was read, or could not be. */
void https_file_read(struct https_conn *https, struct exchange *exchange);
