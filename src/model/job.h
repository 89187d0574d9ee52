/* job.h - a job as operators see it, its life, and one device's part in it.
 *
 *                 later
 *   QUEUED ---------------> SCHEDULED
 *     |  \                    |   |
 *     |   +-----begin---------|---+---> RUNNING --drain--> COMPLETED
 *     |                       |          |  |
 *     |                       |          |  +---break----> FAILED
 *     +--------cancel---------+--cancel--+---------------> CANCELLED
 *     +--------break----------+--------------------------> FAILED
 *
 * The last three are final. `begin` is the commit that stores the last slice of the target set.
 * Source: spec/jobs.md 1, 4, 6, 7, 8. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/time.h"

enum {
    JOB_ID_MAX = 64,
    JOB_CONDITION_MAX = 8192,   /* characters, as for queries */
    JOB_BODY_MAX = 512 * 1024,  /* bytes of updateTwin or cloudToDeviceMethod */
    JOB_REQUEST_MAX = 16 << 20, /* bytes of a request that may hold a list of devices */
    JOB_WINDOW_DEFAULT_S = 3600,
    JOB_WINDOW_MAX_S = 2147483647,
};

enum job_type { JOB_TYPE_UPDATE_TWIN, JOB_TYPE_DEVICE_METHOD, JOB_TYPES };
enum job_state {
    JOB_NOWHERE, /* what the table of transitions does not list */
    JOB_QUEUED,
    JOB_SCHEDULED,
    JOB_RUNNING,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATES,
};
enum job_trigger { JOB_LATER, JOB_BEGIN, JOB_DRAIN, JOB_BREAK, JOB_CANCEL, JOB_TRIGGERS };

struct job_counts { /* of devices; pending is what remains of `devices` */
    uint32_t devices, succeeded, failed, canceled, running;
};

struct job {
    uint32_t number; /* in the order of creation, never reused; 0 = not yet numbered */
    struct str id;
    enum job_type type;
    enum job_state state;
    struct str condition; /* as sent */
    struct str body;      /* JSON of updateTwin or cloudToDeviceMethod, as sent */
    int64_t created_ticks;
    int64_t start_ticks;       /* planned start, as sent; "now" equals created_ticks */
    int64_t window_s;          /* maxExecutionTimeInSeconds */
    int64_t begun_ticks;       /* when the target set was fixed, TIME_UNSET before */
    int64_t end_ticks;         /* when it became final, TIME_UNSET before */
    struct str failure_reason; /* STR_NONE unless FAILED */
    struct job_counts counts;
    struct str policy;     /* JSON, our addition to the request; STR_NONE when there is none */
    struct str parent;     /* the job that this one retries; STR_NONE: none */
    uint32_t missing;      /* ids of its list that were not there when it began */
    struct str failures;   /* JSON of job/failures.h; STR_NONE: nobody failed */
    struct str list;       /* JSON array of ids, of a job to be stored; never read with the row */
    bool paused;           /* takes no further devices until it is resumed */
    uint32_t owner, epoch; /* which node carries it, how often it changed hands */
};

/* With all its texts. */
struct job *job_copy(struct arena *mem, const struct job *job);

bool job_id_valid(struct str id); /* 1 to 64 of letters, digits, - _ . : */
bool job_is_final(enum job_state state);
const char *job_state_word(enum job_state state); /* "cancelled", two l */
const char *job_type_word(enum job_type type);    /* "scheduleUpdateTwin" */
/* Without case. False for an unknown word. `enqueued` reads as JOB_QUEUED. */
bool job_state_read(struct str word, enum job_state *out);
bool job_type_read(struct str word, enum job_type *out);

/* Move along the table. ERR_CONFLICT (FAULT_NOT_ALLOWED_IN_STATE) when the trigger does not fit, with
 * Azure's text for a cancel: "Job cannot be cancelled in 'Completed' status." */
enum err job_move(struct job *job, enum job_trigger trigger, struct why *why);

/* The refusal alone, for a hub that is as strict as Azure about running jobs. */
enum err job_cancel_refused(const struct job *job, struct why *why);

/* End of the window: start + window, capped at TIME_FOREVER. */
int64_t job_window_end(const struct job *job);

/* The answer to a PUT: jobId, type, status. */
void job_put_short_json(struct buf *out, const struct job *job);
/* The full JobResponse, members in the order of spec/jobs.md 6, in parts: what Azure's jobs have, still open;
 * what only ours have, where there is something to say, so that a client of Azure's is not surprised. '}' is the
 * caller's. */
void job_put_json_open(struct buf *out, const struct job *job);
void job_put_json_ours(struct buf *out, const struct job *job);
/* The member deviceJobStatistics alone. */
void job_put_statistics_json(struct buf *out, const struct job_counts *counts);

/* ---- one device's part ---- */
enum record_status {
    RECORD_PENDING,
    RECORD_SCHEDULED,
    RECORD_RUNNING,
    RECORD_COMPLETED,
    RECORD_FAILED,
    RECORD_CANCELED, /* one l */
};
const char *record_status_word(enum record_status status);

struct job_record { /* a row of devices.jobs, complete */
    struct str device_id, module_id, job_id;
    enum job_type type;
    enum record_status status;
    int64_t start_ticks, end_ticks; /* the window */
    int64_t created_ticks, updated_ticks;
    uint32_t attempts;                 /* ours: calls of the device, shown when over 1 */
    struct str outcome;                /* JSON object, STR_NONE until final */
    struct str error_code, error_text; /* STR_NONE unless failed, or left out by policy */
};
void record_put_json(struct buf *out, const struct job_record *record);
/* The same record without what Azure's have not. */
struct job_record record_as_azure(const struct job_record *record);
