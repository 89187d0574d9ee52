/* sim_device.h - one simulated device on its connection: the protocol half of its life.
 *
 *            connected              CONNACK                 SUBACK
 *   AWAY ----------------> SIGNING_IN -------> SUBSCRIBING --------> READY
 *    ^                         |                    |                  |
 *    +-------------------------+------- lost -------+------------------+
 *
 * A device that is READY reads its twin, reports what it has not reported, and does what its group of
 * the scenario says (sim_behaviour.h). It behaves like the official SDKs: clean session off,
 * subscriptions at QoS 0, telemetry at QoS 1.
 *
 * No I/O and no clock: bytes and times in, bytes out. Source: docs/spec/device-mqtt.md. */
#pragma once
#include "app/sim_scenario.h"
#include "base/hist.h"

enum {
    SIM_TODO_MAX = 64, /* answers that wait for their time; beyond, they go at once */
    SIM_PACKET_MAX = 512 << 10,
    SIM_KEEP_ALIVE_S = 240,
    SIM_LOGIN_S = 30,    /* from the TLS handshake's start to SUBACK */
    SIM_TOKEN_S = 86400, /* a hub closes the connection after; the device comes back */
    SIM_BACK_OFF_MIN_MS = 1000,
    SIM_BACK_OFF_MAX_MS = 60000,
    SIM_JSON_DEPTH_MAX = 32,
    SIM_RESTART_MS = 200, /* from an answer that ends in a restart to the end of the line */
};
#define SIM_NEVER INT64_MAX

struct sim_counts { /* since the start; `ready` and `away` are now */
    uint64_t ready;
    uint64_t away;                   /* as the scenario wants it: flapping, restarting */
    uint64_t met;                    /* devices that were READY at least once */
    uint64_t logins, refused, lost;  /* refused: CONNACK with another code than 0 */
    uint64_t reconnects, departures; /* READY again; gone as the scenario wants it */
    uint64_t calls, answered, answered_error, ignored;
    uint64_t desired, reports, reported, report_errors;
    uint64_t messages, acknowledged;
};

struct sim_times {          /* in microseconds */
    struct hist connect_us; /* from opening the socket to READY; the fleet's to fill in */
    struct hist puback_us;  /* from a message to its PUBACK */
    struct hist answer_us;  /* from a method call to its answer, the drawn delay included */
    struct hist late_us;    /* how much later than wanted something was sent: our own slowness */
};

enum sim_state { SIM_AWAY, SIM_SIGNING_IN, SIM_SUBSCRIBING, SIM_READY };

struct sim_todo; /* something to be sent later */

struct sim_device {
    uint32_t number; /* 1 .. */
    enum sim_state state;
    const struct sim_group *group;
    struct str id;
    struct str key; /* decoded; a secret. Empty: not registered */
    bool slow, flaps;
    bool met;                     /* was READY before */
    bool leaving;                 /* wants its line closed now, for a while */
    bool planned;                 /* is away because it wanted to */
    uint16_t packet_id, timed_id; /* timed_id: the message that is being timed, 0: none */
    uint32_t rid;                 /* of the last twin request */
    uint32_t get_rid;             /* of the twin GET on its way; 0: none */
    uint32_t unacknowledged;
    uint32_t away_ms; /* how long it will leave */
    /* How often before: what is drawn depends on it. */
    uint64_t calls, changes, messages, failures, departures;
    int64_t desired_version;
    int64_t wall_ticks; /* what to add to now_ns / 100 */
    int64_t timed_ns;
    int64_t deadline_ns, ping_ns, telemetry_ns, leave_ns; /* SIM_NEVER: not waiting */
    struct sim_todo *todo;                                /* by time */
    uint32_t todo_count;
    struct buf in; /* a packet that is not whole yet */
};

/* Where a device does its work; borrowed by each call. */
struct sim_world {
    const struct sim_scenario *scenario;
    struct sim_counts *counts;
    struct sim_times *times;
};

/* `id` and `key` are borrowed for good, as is the scenario's group. */
void sim_device_init(struct sim_device *device, const struct sim_scenario *scenario,
                     uint32_t number, struct str id, struct str key);
void sim_device_done(struct sim_device *device);

/* The line is open (TLS included): begin with CONNECT. `now_s` is wall time, for the token. */
void sim_device_connected(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                          uint64_t now_s, struct buf *out);
/* Bytes came. An error means: close the line; `why` says why. */
enum err sim_device_input(struct sim_device *device, const struct sim_world *world,
                          struct str bytes, int64_t now_ns, struct buf *out, struct why *why);
/* When it wants to be called; SIM_NEVER. */
int64_t sim_device_due(const struct sim_device *device);
/* It is that time. An error as above. Afterwards `leaving` may be set. */
enum err sim_device_tick(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                         struct buf *out, struct why *why);
/* How many bytes it reads in a second now: SIM_READS_ALL, or 0 for none. */
int64_t sim_device_reads(const struct sim_device *device);
/* The line is gone, or never came to be. Gives when to try again. */
int64_t sim_device_lost(struct sim_device *device, const struct sim_world *world, int64_t now_ns);
/* Say goodbye, for a clean end. */
void sim_device_leave(struct sim_device *device, struct buf *out);
