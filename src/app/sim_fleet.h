/* sim_fleet.h - the lines of many simulated devices: sockets, TLS and time, on one thread.
 *
 * A fleet opens lines at a given rate, hands bytes and times to each device (sim_device.h) and
 * writes what they say. A line that breaks is opened again when its device wants to come back. */
#pragma once
#include "app/sim_device.h"
#include "base/heap.h"
#include <sys/socket.h>

enum {
    SIM_ADDRESSES_MAX = 8,
    SIM_OPENING_MAX = 512,    /* lines that are being opened at a time */
    SIM_UNSENT_MAX = 1 << 20, /* bytes that a line may owe; then it is broken */
    SIM_EVENTS_MAX = 512,
    SIM_COMPLAIN_S = 30, /* the same trouble again is told so much later */
};

struct sim_link; /* a device and its line */

struct sim_fleet {
    const struct sim_scenario *scenario; /* borrowed */
    struct sim_counts counts;
    struct sim_times times;
    struct sim_link *links;
    uint32_t device_count, online_count; /* online: those that ever connect */
    uint32_t opening;                    /* lines between socket and READY */
    int64_t open_every_ns, next_open_ns;
    struct tls_client *tls;
    const char *host; /* that the certificate must prove */
    struct {
        struct sockaddr_storage address;
        socklen_t size;
    } addresses[SIM_ADDRESSES_MAX];
    size_t address_count, address_at;
    int poll;
    struct heap timers;  /* lines by when something is due */
    struct heap waiting; /* devices without a line, by when to open one */
    struct buf out;      /* what one device says in one go */
    char trouble[256];   /* the last that was told */
    int64_t trouble_ns;
};

struct sim_fleet_config {
    const struct sim_scenario *scenario;
    const char *host;    /* of the hub; borrowed, as the rest */
    const char *address; /* an IP literal, or NULL to ask for the host's */
    uint16_t port;
    const char *ca; /* NULL: the system's */
    uint32_t rate;  /* lines opened per second */
    uint32_t device_count;
    const struct str *ids, *keys; /* of device 1, 2, ..; borrowed */
};

/* May this process have a connection for each device that ever connects? Raises its own limit as far
 * as it may. ERR_LIMIT: too few. */
enum err sim_fleet_room(const struct sim_scenario *scenario, uint32_t device_count,
                        struct why *why);

/* ERR_OUTSIDE    no such host, or the machine gives no more
 * and those of tls_client_create. On an error `fleet` is done with. */
enum err sim_fleet_init(struct sim_fleet *fleet, const struct sim_fleet_config *config,
                        struct why *why);
/* Says goodbye on every line, then lets go. */
void sim_fleet_done(struct sim_fleet *fleet);

/* Do what is to be done now, waiting up to `wait_ms` for something. */
void sim_fleet_turn(struct sim_fleet *fleet, int64_t wait_ms);
