/* job_cli.h - `muster job`: an operator's hand on the jobs of a hub, ours or any that speaks the
 * same REST.
 *
 *   run      job_run.c     describe a job, create it, watch it
 *   watch    job_watch.c   progress until it is final, then what failed and why
 *   results  job_read.c    what every device said; also list, show, cancel
 *
 * What is asked for goes to stdout, progress and complaints to stderr. */
#pragma once
#include "app/app.h"
#include "app/job_view.h"
#include "app/service_client.h"

struct job_options {
    struct service_place place;
    const char *command; /* "job run", for complaints */
    const char *id;      /* --id or the argument; NULL when absent */
    const char *method, *payload, *desired, *tags, *where, *start, *status, *type;
    int64_t response_timeout_s, connect_timeout_s; /* -1: not given */
    int64_t window_s;                              /* 0: not given */
    int64_t limit;                                 /* -1: not given */
    bool no_wait, failed, json;
};

/* Each gives an exit code and has complained when it is not EXIT_OK. */
int job_run(struct service *service, const struct job_options *options);
int job_watch(struct service *service, const struct job_options *options);
int job_list(struct service *service, const struct job_options *options);
int job_show(struct service *service, const struct job_options *options);
int job_cancel(struct service *service, const struct job_options *options);
int job_pause(struct service *service, const struct job_options *options);
int job_resume(struct service *service, const struct job_options *options);
int job_results(struct service *service, const struct job_options *options);

/* Complain; the exit code for it. */
int job_complain(const struct job_options *options, enum err err, const struct why *why);

/* GET the job `options->id` names; its texts are in `mem`. */
enum err job_fetch(struct service *service, const struct job_options *options, struct arena *mem,
                   struct job_view *out, struct str *json, struct why *why);
/* "/jobs/v2/{id}{tail}", in `mem`. */
struct str job_path(struct arena *mem, const struct job_options *options, const char *tail);

/* Rows of devices.jobs of that job, all or those with one status (NULL: all). */
enum err job_records(struct service *service, const struct job_options *options, const char *status,
                     bool (*visit)(void *arg, yyjson_val *record), void *arg, struct why *why);

/* The body of a PUT. Pure. `start_ticks` is TIME_UNSET for now. ERR_BAD_INPUT when the options
 * describe no job; `why` says which one is wrong. */
enum err job_request_write(const struct job_options *options, struct str id, int64_t now_ticks,
                           struct buf *out, struct why *why);
/* A name that nobody has: "reboot-20240501-081000-3f9a", in `mem`. Pure. */
struct str job_request_id(const struct job_options *options, int64_t now_ticks, uint16_t salt,
                          struct arena *mem);
