/* swarm.h - many MQTT clients over TLS, in a process of their own, for a hub or for a plain broker.
 *
 * The lines are those of `muster sim` (app/sim_fleet.h, app/sim_line.h): sockets, TLS, buffers and
 * time are the same code for both servers, and the same as users run. What a client says on its line
 * is in swarm_device.c; the two dialects differ in topics and in how one signs in, in nothing else:
 *
 *                 hub                                    broker
 *   sign in       SAS token, session kept                client id, clean session
 *   subscribe     $iothub/methods/POST/# ..              to/{id}
 *   ANSWER        $iothub/methods/res/200/?$rid=..       from/{id}
 *   SEND          devices/{id}/messages/events/          from/{id}
 *
 * All publishes of clients, and all that is subscribed to, have QoS 1. */
#pragma once
#include "base/hist.h"
#include "kit.h"
#include <stdatomic.h>

enum swarm_speech { SPEAK_HUB, SPEAK_BROKER };
enum swarm_role {
    SWARM_ANSWER,    /* does nothing, or answers what it is sent */
    SWARM_SEND,      /* keeps `window` messages under way while `go` is set */
    SWARM_READ_TWIN, /* while `go` is set asks for its twin every `gap_ms` */
    SWARM_COMMAND,   /* broker: sends one message to each of `addressees`, counts what comes back */
};

struct swarm_plan {
    enum swarm_speech speech;
    enum swarm_role role;
    const char *ca; /* the file of the server's authority */
    uint16_t port;  /* on 127.0.0.1 */
    uint32_t count; /* clients: device-0000001 and so on (fleet.h), with the fleet's key */
    uint32_t rate;  /* lines opened per second */
    uint32_t window, gap_ms, addressees;
};

/* Memory that both processes see. */
struct swarm_seen {
    atomic_bool go, over;
    atomic_uint ready; /* clients that are signed in and subscribed now */
    atomic_uint_fast64_t
        done; /* messages acknowledged, calls answered, twins read, answers counted */
    atomic_uint_fast64_t lost; /* lines that broke; a measurement with any is void */
    struct hist took_us;       /* of twins read; look when `go` is not set */
};

struct swarm {
    pid_t pid;
    uint32_t count;
    struct swarm_seen *seen;
};

/* Start the process and wait until all are ready. The caller has one thread only. */
void swarm_start(struct swarm *swarm, const struct swarm_plan *plan);
void swarm_stop(struct swarm *swarm);

/* A COMMAND client on the caller's thread: seconds from the first message until `plan->addressees`
 * answers are here. Its connection is made before and closed afterwards. */
double swarm_command(const struct swarm_plan *plan);

/* ---- a plain broker: mosquitto of the system's packages, TLS, persistence off ---- */

struct broker {
    pid_t pid;
    uint16_t port;
    const char *ca;
    struct arena mem;
};
/* False: mosquitto is not installed; a line says so. */
bool broker_start(struct broker *broker, const char *dir);
void broker_stop(struct broker *broker);
