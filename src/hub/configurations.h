/* configurations.h - the configurations of the hub, compiled, and what a turn changes of them.
 *
 *   a twin is written --touches what a condition reads, or what a configuration set--> work
 *   an identity is made or changed ------------------------------------------------> work
 *   a configuration is made, changed or removed: whom it targets, whom it did ------> work
 *                                    work --job/configure.c--> desired properties, targeted, applied
 *
 * *Work* is the set of identities that are to be looked at anew. It is on disk with the commit that made it
 * so, and an identity leaves it with the commit that brought its twin in line; looking twice does no harm.
 * Hub thread. Source: spec/service-rest.md 14. */
#pragma once
#include "hub/config_board.h"
#include "hub/hub.h"

/* A configuration that is in force. */
struct config_live {
    struct configuration row;
    struct query *condition; /* NULL: nobody */
    struct configuration_content content;
    struct twin_writer writer;
    bool resolving;  /* a reader looks for whom it targets */
    bool look_again; /* its condition reads what no write announces, and some time has passed */
    struct arena mem;
};
struct configurations {
    struct config_live *list[CONFIGURATIONS_MAX]; /* the most important first */
    size_t count;
    uint32_t next_number;
    unsigned reads; /* QUERY_NEEDS_ bits of all conditions */
    roaring_bitmap_t *work;
    struct config_board *board;
    struct query_scratch *scratch;
};

enum err configurations_load(struct hub *hub, struct why *why);
void configurations_destroy(struct configurations *configurations); /* accepts NULL */
struct config_live *configuration_live(const struct configurations *all, uint32_t number);

/* Whether a condition and metrics can be understood. ERR_BAD_INPUT with FAULT_CONFIGURATION_CONDITION or
 * FAULT_CONFIGURATION_METRIC. Any thread. */
enum err configuration_check_condition(struct str condition, enum configuration_kind kind,
                                       struct arena *mem, struct query **out, struct why *why);
enum err configuration_check_metric(struct str name, struct str text, struct arena *mem,
                                    struct query **out, struct why *why);

/* ---- decide: the configurations as earlier tasks of the turn left them ---- */
const struct configuration *turn_configuration(struct hub_turn *turn, struct str id);
const struct configuration *turn_configuration_number(struct hub_turn *turn, uint32_t number);
size_t turn_configuration_count(struct hub_turn *turn);
bool turn_configurations_changed(const struct hub_turn *turn); /* by this turn */
/* Made when its number is 0, else changed. The texts must live as long as the turn. */
void turn_put_configuration(struct hub_turn *turn, struct configuration *row);
/* With it goes what it has set: whom it targeted is to be looked at. */
void turn_remove_configuration(struct hub_turn *turn, uint32_t number);

/* ---- decide: who is to be looked at ---- */
void turn_work(struct hub_turn *turn, const roaring_bitmap_t *numbers);
void turn_work_done(struct hub_turn *turn, uint32_t number);
/* The identity itself was made or changed, or is deleted. */
void turn_touch_identity(struct hub_turn *turn, const struct entity *entity);
/* It is no more: nothing targets it. A reader that saw it alive may have found it as a target since. */
void turn_forget_identity(struct hub_turn *turn, uint32_t number);
/* A section of its twin is written by anybody but a configuration. */
void turn_touch_section(struct hub_turn *turn, uint32_t number, enum twin_part part,
                        yyjson_val *patch, bool replace);

/* ---- decide: whom a configuration targets ---- */
void turn_mark(struct hub_turn *turn, uint32_t configuration, uint32_t number, bool targeted,
               bool applied);
/* Likewise a module of a device that a deployment to IoT Edge targets. */
void turn_mark_module(struct hub_turn *turn, uint32_t configuration, uint32_t number, bool targeted,
                      bool applied);
void turn_target(struct hub_turn *turn, uint32_t configuration, const roaring_bitmap_t *numbers);

/* ---- for turn.c ---- */
void config_turn_commit(struct hub_turn *turn, struct store_commit *changes);
void config_turn_committed(struct hub_turn *turn);
void config_turn_done(struct hub_turn *turn);

/* ---- what operators say ---- */
struct configuration_put { /* PUT /configurations/{id} */
    struct hub_task task;
    struct str id;
    yyjson_val *body; /* in task.mem */
    struct str if_match;
    struct configuration result; /* in task.mem */
};
void configuration_put_init(struct configuration_put *task);

/* POST /devices/{id}/applyConfigurationContent with modulesContent: once, into the twins of the modules of an
 * IoT Edge device; those that it has not are made. All or nothing. ERR_NOT_FOUND; ERR_BAD_INPUT
 * FAULT_CONFIGURATION_CONTENT for another device, FAULT_ARGUMENT_INVALID for a twin that would break a limit;
 * ERR_LIMIT as for registry_put. */
struct content_apply {
    struct hub_task task;
    struct str device_id;
    struct configuration_content content; /* in task.mem */
    struct applied_module {
        struct twin_update update;
        struct entity *entity; /* of the turn, then a copy in task.mem */
    } * modules;               /* ours */
};
void content_apply_init(struct content_apply *task);

struct configuration_delete {
    struct hub_task task;
    struct str id;
    struct str if_match;
};
void configuration_delete_init(struct configuration_delete *task);
