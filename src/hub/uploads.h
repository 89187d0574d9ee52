/* uploads.h - files that devices upload: begun with an address, ended with the device's word.
 *
 *   upload_begin --> OPEN --upload_close--> gone, and services are told of a success
 *                     |
 *                     +--its address expires, its device is deleted--> gone
 *
 * What is open is on disk and, by device, in memory. The bytes are no affair of the hub thread: the front brings
 * what is known of them. Source: spec/device-http-amqp.md A.4, C.4. */
#pragma once
#include "hub/caller.h"
#include "model/upload.h"

enum { UPLOAD_SWEEP_MAX = 500 }; /* expired ones removed by one task */

/* FAULT_ACTIVE_UPLOADS with UPLOADS_OPEN_MAX open; FAULT_QUOTA_EXCEEDED with UPLOADS_MAX in the hub. The name was
 * checked. */
struct upload_begin {
    struct hub_task task;
    struct caller *caller;
    struct str name;
    struct upload upload; /* result */
};
void upload_begin_init(struct upload_begin *task);

/* A device says how an upload ended. Asked first without `known`, a success only finds out its name; then, with what is
 * known of the file, it ends. FAULT_INVALID_CORRELATION_ID: none of this device's; FAULT_EXPIRED_CORRELATION_ID. */
struct upload_close {
    struct hub_task task;
    struct caller *caller;
    uint8_t id[UPLOAD_ID_SIZE];
    bool success, known;
    struct str uri; /* of the file, for services */
    int64_t size, modified_ticks;
    struct str name; /* result, in task.mem */
};
void upload_close_init(struct upload_close *task);

/* ---- for the other files of hub/, hub thread ---- */
struct hub_uploads;
enum err uploads_create(struct hub *hub, struct why *why);
void uploads_destroy(struct hub *hub);
void uploads_forget(struct hub_turn *turn, uint32_t number); /* decide: its device is deleted */
void uploads_put_rows(const struct hub_turn *turn, struct store_commit *changes);
void uploads_committed(struct hub_turn *turn);
