/* sim_behaviour.h - inside a simulated device: what it does when, drawn from its group.
 *
 * What is to be said later waits in a list by time and is forgotten with the line: a device that comes
 * back compares its twin anew. Called by sim_device.c only, for devices that are READY or about to be.
 */
#pragma once
#include "app/sim_device.h"
#include "wire/topic.h"

#define SIM_MS INT64_C(1000000)
#define SIM_SECOND (1000 * SIM_MS)

enum { SIM_NO_REACTION = -1 };

struct sim_todo {
    struct sim_todo *next;
    int64_t at_ns, begun_ns;   /* begun_ns: when the call came */
    struct str topic, payload; /* behind this struct */
    enum { SIM_TODO_ANSWER, SIM_TODO_REPORT } kind;
    bool error, restarts;
    uint32_t restart_ms;
    int32_t reaction; /* index of the group's, or SIM_NO_REACTION */
    char bytes[];
};

struct topic_owner sim_owner(const struct sim_device *device);
uint16_t sim_next_packet_id(struct sim_device *device);
/* Hex digits of a request id, as a view into `text`. */
struct str sim_rid(char text[16], uint32_t number);
void sim_publish(struct buf *out, struct str topic, struct str payload, uint16_t packet_id);
struct sim_facts sim_facts(const struct sim_device *device, const struct sim_world *world,
                           uint64_t occasion, int64_t now_ns);
struct sim_chance sim_chance(const struct sim_device *device, const struct sim_world *world,
                             const char *what, uint64_t occasion);

/* ---- later (sim_behaviour.c) ---- */

/* A thing to be said, all else zero. */
struct sim_todo *sim_todo_make(struct str topic, struct str payload);
/* Takes `todo`. What is due already is sent at once, as is what exceeds SIM_TODO_MAX. */
void sim_do_later(struct sim_device *device, const struct sim_world *world, struct sim_todo *todo,
                  int64_t now_ns, struct buf *out);
void sim_do_due(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                struct buf *out);
/* Forget what waits of one reaction. */
void sim_do_not(struct sim_device *device, int32_t reaction);
void sim_forget_todo(struct sim_device *device);

/* It became READY: begin with messages, and with the time until it goes. */
void sim_begin(struct sim_device *device, const struct sim_world *world, int64_t now_ns);
void sim_take_call(struct sim_device *device, const struct sim_world *world,
                   const struct topic *call, struct str payload, int64_t now_ns, struct buf *out);
void sim_send_message(struct sim_device *device, const struct sim_world *world, int64_t now_ns,
                      struct buf *out);

/* ---- the twin (sim_twin.c) ---- */

void sim_ask_for_twin(struct sim_device *device, struct buf *out);
/* Desired properties changed. ERR_BAD_INPUT: what came is no twin. */
enum err sim_take_change(struct sim_device *device, const struct sim_world *world,
                         struct str payload, int64_t now_ns, struct buf *out, struct why *why);
/* The answer to a twin request. ERR_BUSY: the hub does not show the twin. */
enum err sim_take_result(struct sim_device *device, const struct sim_world *world,
                         const struct topic *topic, struct str payload, int64_t now_ns,
                         struct buf *out, struct why *why);
