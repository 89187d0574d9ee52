/* house.h - a whole hub in the test's own process, and clients that speak to it over real TLS.
 *
 * One store in a folder of its own, hub thread, readers, job engine, and a net on 127.0.0.1 with an
 * HTTPS and an MQTT port. Clients block; every wait of theirs ends (net/rig.h), and then the test
 * has failed. house_stop gives everything back, so a leak is the front's. */
#pragma once
#include "../net/rig.h"
#include "../wire/ws_client.h"
#include "front/front.h"
#include "wire/mqtt.h"

#define HOUSE_HOST "localhost"
#define HOUSE_VERSION "api-version=2021-04-12"
/* The keys of every device that house_register makes. */
#define HOUSE_KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

struct house {
    char dir[64];
    struct arena mem;
    struct policy policies[POLICY_BUILT_IN_COUNT]; /* as they were at the start */
    struct policy_board *board;
    struct quota_board quotas; /* of profile none */
    struct transfers *transfers;
    struct authority_board *authorities;
    struct store *store;
    struct eventlog *eventlog;
    struct hub *hub;
    struct readers *readers;
    struct job_engine *engine;
    struct front *front;
    struct net *net;
    uint16_t https_port, mqtt_port;
};
struct house_config {
    unsigned loops;                                                          /* 0: two */
    int64_t http_idle_ms, http_request_ms, stream_trust_ms, mqtt_connect_ms; /* 0: the front's */
    size_t mqtt_unheard_max;                                                 /* likewise */
};
void house_start(struct house *house, const struct house_config *config);
/* End it as `muster serve` does. The folder stays, for house_events. */
void house_stop(struct house *house);
void house_remove(struct house *house);

/* After house_stop: properties and body of every stored event, one a line, in the order of their
 * arrival when one device sent them. */
void house_events(struct house *house, struct buf *out);

/* For tests of a single exchange: cmocka's set-up and tear-down of one house for a whole group. */
int house_group_setup(void **state);
int house_group_teardown(void **state);
struct house *house_of_group(void);

/* As strict as Azure from now on, or no longer, as if it had been started again with or without
 * --strict-azure. Between requests. */
void house_be_strict(struct house *house, bool strict);

/* ---- operators ---- */

/* A token of a policy for the whole hub, good for an hour. In house->mem. */
struct str house_token(struct house *house, const char *policy);

struct answer {
    int status;
    struct str head, body; /* views into `bytes` */
    struct buf bytes;
};
void answer_done(struct answer *answer);
/* The value of a header, STR_NONE when it is not there. */
struct str answer_header(const struct answer *answer, const char *name);

/* One request: "GET /devices/d", headers as lines that end in \r\n (or ""), body may be NULL. The
 * api-version is added when the target has no query. */
void ask(struct peer *peer, const char *line, const char *headers, const char *body);
/* The next answer of a connection. `to_head`: it has no body. */
void read_answer(struct peer *peer, bool to_head, struct answer *out);
/* All of it on a connection of its own, as `iothubowner`. */
void house_ask(struct house *house, const char *line, const char *headers, const char *body,
               struct answer *out);
void house_register(struct house *house, const char *device);
/* Ask for the identity until it says "Disconnected": what its connection left behind has been done. */
void house_await_gone(struct house *house, const char *device);

/* ---- devices ---- */

struct line { /* one MQTT connection */
    struct peer peer;
    struct buf in;
    size_t taken;     /* of `in` */
    bool ws;          /* over WebSocket */
    struct buf ws_in; /* frames that are not whole yet */
    bool over;        /* a close frame came */
};
void line_open(struct line *line, struct house *house);
void line_open_ws(struct line *line, struct house *house, const char *path);
void line_send(struct line *line, struct str packets);
/* The next packet; its views are good until the next call. */
struct mqtt_packet line_read(struct line *line);
/* Nothing more comes but the end. */
void line_expect_end(struct line *line);
void line_cut(struct line *line); /* hang up without a word */
/* For a line that the hub has ended, or that the test is done with. */
void line_done(struct line *line);

/* A CONNECT of a registered device with its own key; change it before it is put. Texts live in
 * house->mem. */
struct mqtt_connect house_connect(struct house *house, const char *device);
void put_connect(struct buf *out, const struct mqtt_connect *connect);
void put_publish(struct buf *out, const char *topic, struct str payload, uint16_t packet_id);
void put_subscribe(struct buf *out, uint16_t packet_id, const char *filter);
/* Open, CONNECT, read CONNACK 0. */
void line_join(struct line *line, struct house *house, const char *device);
void expect_packet(struct line *line, enum mqtt_type type);
void expect_id(struct line *line, enum mqtt_type type, uint16_t packet_id);
/* A PUBLISH of the hub with this topic and payload. */
void expect_publish(struct line *line, const char *topic, const char *payload);
