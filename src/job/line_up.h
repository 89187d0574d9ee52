/* line_up.h - a step that brings twins in line with configurations, between configure.c and deploy.c. */
#pragma once
#include "hub/configurations.h"
#include "job/run.h"

enum { TOLD_MAX = CONFIGURE_CHUNK_MAX + 2 * (IDENTITY_MODULES_ALL + 1) };

struct told { /* a device or module that hears of it after the commit */
    uint32_t number;
    int64_t version;
    struct str patch; /* in task.mem */
};
struct lining {
    struct hub_task task;
    struct job_engine *engine;
    uint32_t numbers[CONFIGURE_CHUNK_MAX];
    size_t count, twins_max; /* twins_max: so many twins are enough, but for the last device */
    struct told told[TOLD_MAX];
    size_t told_count;
    uint32_t done[CONFIGURE_CHUNK_MAX]; /* edge devices whose modules are in line */
    size_t done_count;
};

/* ---- configure.c ---- */
bool line_up_matches(struct configurations *all, const struct config_live *live,
                     const struct entity *entity, struct hub_turn *turn);
/* Bring the twin of `entity` in line with those that apply to it; of deployments, their settings for its module.
 * `won` as from twin_configure. False: it cannot be, and the log says why. */
struct line_up {
    const bool *applies; /* by place in the list of configurations */
    bool whole, keep_deployed;
};
bool line_up_twin(struct lining *step, struct hub_turn *turn, struct entity *entity,
                  const struct line_up *how, bool *won);

/* ---- deploy.c ---- */
/* Load, of the devices among the numbers of a step and of the devices of its modules, what deployments want to
 * see. When that is too much the step gets shorter. */
void deploy_load(struct lining *step, struct hub_turn *turn);
/* The edge device that `entity` is, or is a module of, when deployments may say something about it; else NULL. */
struct entity *deploy_device(struct hub_turn *turn, struct entity *entity);
/* The modules of an edge device, once a step. */
void deploy(struct lining *step, struct hub_turn *turn, struct entity *device);
