/* sim_device.h - one simulated device: what it is, and how it behaves on its connection.
 *
 *            connected              CONNACK                 SUBACK
 *   AWAY ----------------> SIGNING_IN -------> SUBSCRIBING --------> READY
 *    ^                         |                    |                  |
 *    +-------------------------+------- lost -------+------------------+
 *
 * A device that is READY reads its twin, reports what it has not reported, answers methods after a
 * while, reports each desired change back, sends a message now and then, and pings. It behaves like
 * the official SDKs: clean session off, subscriptions at QoS 0, telemetry at QoS 1.
 *
 * Everything random is drawn from (seed, number of the device, what for, how often before), never
 * from the order in which things happen between devices: same seed, same fleet, same fates.
 *
 * No I/O and no clock: bytes and times in, bytes out. Source: docs/spec/device-mqtt.md. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    SIM_PERCENT = 100, /* shares are in hundredths of a percent: 10,000 is all */
    SIM_SHARE_MAX = 10000,
    SIM_TODO_MAX = 64, /* answers that wait for their time; beyond, they go at once */
    SIM_PACKET_MAX = 512 << 10,
    SIM_KEEP_ALIVE_S = 240,
    SIM_LOGIN_S = 30,    /* from the TLS handshake's start to SUBACK */
    SIM_TOKEN_S = 86400, /* a hub closes the connection after; the device comes back */
    SIM_BACK_OFF_MIN_MS = 1000,
    SIM_BACK_OFF_MAX_MS = 60000,
    SIM_JSON_DEPTH_MAX = 32,
};
#define SIM_NEVER INT64_MAX

struct sim_behaviour {
    uint64_t seed;
    struct str host;                       /* of the hub, as in user names and tokens */
    struct str prefix;                     /* of device ids */
    uint32_t answer_min_ms, answer_max_ms; /* until a method is answered, a change reported */
    uint32_t fail_share, silent_share;     /* of method calls: answered 500, not answered */
    uint32_t offline_share;                /* of devices: never connect */
    uint32_t telemetry_s;                  /* between messages of a device; 0: none */
};

struct sim_counts { /* since the start; `ready` is now */
    uint64_t ready;
    uint64_t logins, refused, lost; /* refused: CONNACK with another code than 0 */
    uint64_t calls, answered, answered_error, ignored;
    uint64_t desired, reports, reported, report_errors;
    uint64_t messages, acknowledged;
};

enum sim_state { SIM_AWAY, SIM_SIGNING_IN, SIM_SUBSCRIBING, SIM_READY };

struct sim_todo; /* something to be sent later */

struct sim_device {
    uint32_t number; /* 1 .. */
    enum sim_state state;
    struct str id;
    struct str key; /* decoded; a secret. Empty: not registered */
    uint16_t packet_id;
    uint32_t rid;     /* of the last twin request */
    uint32_t get_rid; /* of the twin GET on its way; 0: none */
    uint32_t unacknowledged;
    uint64_t calls, changes, messages, failures; /* how often before: what is drawn depends on it */
    int64_t desired_version;
    int64_t deadline_ns, ping_ns, telemetry_ns; /* SIM_NEVER: not waiting */
    struct sim_todo *todo;                      /* by time */
    uint32_t todo_count;
    struct buf in; /* a packet that is not whole yet */
};

/* Where a device does its work; borrowed by each call. */
struct sim_world {
    const struct sim_behaviour *behaviour;
    struct sim_counts *counts;
};

/* ---- what it is: pure functions of seed and number ---- */

/* A number below `below`, drawn for one purpose and occasion. */
uint64_t sim_draw(uint64_t seed, uint32_t number, const char *what, uint64_t occasion,
                  uint64_t below);
/* "sim-00042", in `mem`. */
struct str sim_device_name(const struct sim_behaviour *behaviour, uint32_t number,
                           struct arena *mem);
bool sim_device_is_offline(const struct sim_behaviour *behaviour, uint32_t number);
/* The body of a twin PATCH: tags and desired properties of some variety. */
void sim_device_put_twin(struct buf *out, const struct sim_behaviour *behaviour, uint32_t number);
/* What it reports of its own: an object. */
void sim_device_put_state(struct buf *out, const struct sim_behaviour *behaviour, uint32_t number);

/* ---- its life ---- */

/* `id` and `key` are borrowed for good. */
void sim_device_init(struct sim_device *device, uint32_t number, struct str id, struct str key);
void sim_device_done(struct sim_device *device);

/* The line is open (TLS included): begin with CONNECT. `now_s` is wall time, for the token. */
void sim_device_connected(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                          uint64_t now_s, struct buf *out);
/* Bytes came. An error means: close the line; `why` says why. */
enum err sim_device_input(struct sim_device *device, const struct sim_world *world,
                          struct str bytes, int64_t now_ns, struct buf *out, struct why *why);
/* When it wants to be called; SIM_NEVER. */
int64_t sim_device_due(const struct sim_device *device);
/* It is that time. An error as above. */
enum err sim_device_tick(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out, struct why *why);
/* The line is gone, or never came to be. Gives when to try again. */
int64_t sim_device_lost(struct sim_device *device, const struct sim_world *world, int64_t now_ns);
/* Say goodbye, for a clean end. */
void sim_device_leave(struct sim_device *device, struct buf *out);
