/* job_cli.h - `muster job`: an operator's hand on the jobs of a hub, ours or any that speaks the
 * same REST.
 *
 *   run      job_run.c      describe a job (job_request.c, job_input.c), create it, watch it; also retry
 *   preview  job_preview.c  the same description: what would happen
 *   watch    job_watch.c    progress until it is final, then what failed and why
 *   change   job_command.c  also cancel, pause, resume
 *   results  job_read.c     what every device said; also list, show
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
    const char *policy_file, *targets_file, *module, *failed_of;
    yyjson_val *policy;                            /* read from the file; NULL: none */
    struct str target_ids;                         /* likewise, a JSON array; STR_NONE: none */
    int64_t response_timeout_s, connect_timeout_s; /* -1: not given */
    int64_t window_s;                              /* 0: not given */
    int64_t limit;                                 /* -1: not given */
    bool no_wait, failed, json;
};

/* Each gives an exit code and has complained when it is not EXIT_OK. */
int job_run(struct service *service, const struct job_options *options);
int job_retry(struct service *service, const struct job_options *options);
int job_preview(struct service *service, const struct job_options *options);
int job_watch(struct service *service, const struct job_options *options);
int job_list(struct service *service, const struct job_options *options);
int job_show(struct service *service, const struct job_options *options);
int job_cancel(struct service *service, const struct job_options *options);
int job_pause(struct service *service, const struct job_options *options);
int job_resume(struct service *service, const struct job_options *options);
int job_change(struct service *service, const struct job_options *options);
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

/* Fill `policy` and `target_ids` from the files that the options name; `-` is standard input. */
enum err job_input_read(struct job_options *options, struct arena *mem, struct why *why);
/* Device ids, one a line or as a JSON array, as a JSON array in `mem`. Pure. ERR_BAD_INPUT names the
 * line that holds none; ERR_LIMIT when there are more than a job takes. */
enum err job_targets_read(struct str text, struct arena *mem, struct str *out, struct why *why);

/* One request about the job that the options name; complains. EXIT_OK or the exit code. */
int job_ask(struct service *service, const struct job_options *options,
            const struct service_request *request, struct arena *mem, struct service_answer *out);

/* The body of a PUT, or of a preview with `id` STR_NONE. Pure. ERR_BAD_INPUT when the options describe
 * no job; `why` says which one is wrong. */
enum err job_request_write(const struct job_options *options, struct str id, int64_t now_ticks,
                           struct buf *out, struct why *why);
/* What a retry or a change may say: start, window, policy. Pure. */
enum err job_change_write(const struct job_options *options, int64_t now_ticks, struct buf *out,
                          struct why *why);
/* A name that nobody has: "reboot-20240501-081000-3f9a", in `mem`. Pure. */
struct str job_request_id(const struct job_options *options, int64_t now_ticks, uint16_t salt,
                          struct arena *mem);

/* What a preview says, for people: at most `columns` characters a line. Pure. `what` is in its first
 * line: "method reboot". */
void job_preview_print(struct buf *out, yyjson_val *preview, struct str what, size_t columns);
