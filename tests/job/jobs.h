/* jobs.h - a rig with the job engine in it, and what tests ask about jobs. */
#pragma once
#include "../hub/rig.h"
#include "job/engine.h"
#include "job/records.h"
#include "job/request.h"

struct job_rig {
    struct rig rig; /* first */
    struct job_engine_config config;
    struct job_engine *engine;
};
void jobs_open(struct job_rig *jobs, uint32_t devices);
void jobs_open_with(struct job_rig *jobs, uint32_t devices, struct job_engine_config config);
/* Over a folder that exists and stays. */
void jobs_open_at(struct job_rig *jobs, const char *dir);
/* As after a crash between two turns: everything in memory is gone, the store is read again. */
void jobs_restart(struct job_rig *jobs);
/* The two halves of it: time may pass in between. */
void jobs_down(struct job_rig *jobs);
void jobs_up(struct job_rig *jobs);
void jobs_close(struct job_rig *jobs);

/* A create task for a request body with ' for "; the body must be right. */
struct job_create *create_job(struct job_rig *jobs, const char *id, const char *body);
/* Submit it and run one turn only, or until nothing is due. The result must be a success. */
void start_job(struct job_rig *jobs, const char *id, const char *body);
void queue_job(struct job_rig *jobs, const char *id, const char *body);
struct job_cancel *cancel_job(struct job_rig *jobs, const char *id);

/* The stored job; it must exist. In rig.mem. */
const struct job *job_now(struct job_rig *jobs, const char *id);
/* "running 5 = 2 ok, 1 failed, 0 canceled, 1 running" */
void check_job(const char *rule, struct job_rig *jobs, const char *id, const char *want);
/* One line per record, checked to add up to the statistics of the job:
 * "d1 completed {"deviceMethodResponse":...}" / "d2 failed DeviceNotFound" / "d3 pending" */
const char *records(struct job_rig *jobs, const char *id);
void check_records(const char *rule, struct job_rig *jobs, const char *id, const char *want);

/* Bodies of jobs. */
#define TWIN_JOB(condition, update)                                                                \
    "{'type':'scheduleUpdateTwin','queryCondition':'" condition "','updateTwin':{" update "}}"
#define METHOD_JOB(condition)                                                                      \
    "{'type':'scheduleDeviceMethod','queryCondition':'" condition                                  \
    "','cloudToDeviceMethod':{'methodName':'reboot'}}"
#define DESIRED_FAN "'properties':{'desired':{'fan':3}}"

/* The devices first .. last, attached and subscribed to methods, each with this answer. */
struct device *attach_fleet(struct job_rig *jobs, uint32_t first, uint32_t last,
                            const char *answer);
/* $version of desired of the devices first .. last: all must be this. */
void check_versions(const char *rule, struct job_rig *jobs, uint32_t first, uint32_t last,
                    int64_t want);
