/* configuration.h - automatic device management: settings that every device has whose twin matches.
 *
 * A configuration names devices (or modules) by a condition and says what shall stand in their desired
 * properties. Where two of them set the same property, the higher priority wins, then the younger one. The
 * content never changes after the creation; condition, priority, labels and metrics may.
 * A deployment to IoT Edge names edge devices, and says what shall stand in the twins of their modules. Of those
 * that name a device one alone applies, which says what $edgeAgent has as a whole (a base); layered ones, which
 * set single properties of $edgeAgent, or none, come on top of it when their priority is higher.
 * Pure: what a condition means is not known here. Source: spec/service-rest.md 14. */
#pragma once
#include "model/twin_configure.h"

enum {
    CONFIGURATIONS_MAX = 100,
    CONFIGURATION_ID_MAX = 128,
    CONFIGURATION_BODY_MAX = 256 * 1024, /* bytes of a request */
    CONFIGURATION_DEPTH_MAX = 20,
    CONFIGURATION_LABELS_MAX = 64,
    CONFIGURATION_LABEL_SIZE_MAX = 1024, /* bytes of a label's name or value */
    CONFIGURATION_METRICS_MAX = 5,
    CONFIGURATION_METRIC_NAME_MAX = 128,
    CONFIGURATION_SETTINGS_MAX = 1024, /* properties that one configuration sets */
};

enum configuration_kind { CONFIGURES_DEVICES, CONFIGURES_MODULES, CONFIGURES_EDGE };

struct configuration {
    uint32_t number; /* 0 = not yet numbered */
    struct str id;
    enum configuration_kind kind;
    struct str schema_version, labels, content, metrics; /* JSON; metrics: name -> query */
    struct str condition;                                /* empty: nobody */
    int64_t created_ticks, updated_ticks;
    int64_t etag; /* counts from 1; on the wire base64 of its decimal text */
    int32_t priority;
    bool pending; /* who matches is still to be looked for */
};

/* 1 to 128 of the signs of spec/service-rest.md 1.6. */
bool configuration_id_valid(struct str id);

/* Read a Configuration object. `old` is the stored one when it is changed, else NULL; what is absent then
 * stays. Fills all but the number; `pending` is set. Texts go to `mem`. Conditions and queries are not looked
 * into. ERR_BAD_INPUT: FAULT_ARGUMENT_INVALID, FAULT_CONFIGURATION_CONTENT, FAULT_CONFIGURATION_IMMUTABLE. */
enum err configuration_read(struct str id, yyjson_val *body, const struct configuration *old,
                            int64_t now_ticks, struct arena *mem, struct configuration *out,
                            struct why *why);

/* A `content` object: which kind, and its properties one by one. ERR_BAD_INPUT, FAULT_CONFIGURATION_CONTENT. */
struct configuration_content {
    enum configuration_kind kind;
    struct twin_setting *settings;
    size_t count;
    struct edge_module *modules; /* of CONFIGURES_EDGE */
    size_t module_count;
    bool base; /* likewise: $edgeAgent is set as a whole */
};
struct edge_module {
    struct str id;
    bool named; /* its twin is written; else only $edgeAgent speaks of it */
    bool whole; /* and nothing else stays in it */
};
enum err configuration_content_read(yyjson_val *content, struct arena *mem,
                                    struct configuration_content *out, struct why *why);
/* Is it good for being taken? Of two paths that lead to one property nobody says which one holds: the fault
 * CONFIGURATION_CONTENT. What older hubs have stored is read without being asked this. */
enum err configuration_content_check(const struct configuration_content *content, struct arena *mem,
                                     struct why *why);

const struct edge_module *configuration_edge_module(const struct configuration_content *content,
                                                    struct str id); /* NULL: none */
/* The settings (of `module`; STR_NONE: of the device) as one object below desired, in `mem`. */
enum err configuration_content_patch(const struct configuration_content *content, struct str module,
                                     struct arena *mem, yyjson_val **out, struct why *why);

struct configuration configuration_copy(struct arena *mem, const struct configuration *c);
struct str configuration_etag(const struct configuration *c, struct arena *mem);
/* What stands for its content in metadata. */
struct str configuration_digest(const struct configuration *c, struct arena *mem);

/* The condition as it is carried out: of a deployment only edge devices are meant. In `mem`. */
struct str configuration_condition(const struct configuration *c, struct arena *mem);
/* The queries whose rows are the system metrics; the last two are of deployments alone. */
enum system_query {
    SYSTEM_TARGETED,
    SYSTEM_APPLIED,
    SYSTEM_REPORTED_SUCCESSFUL,
    SYSTEM_REPORTED_FAILED,
    SYSTEM_QUERIES,
};
struct str configuration_system_query(const struct configuration *c, enum system_query which,
                                      struct arena *mem);

/* As an export has it: what an import, or a PUT, takes. Without a line end. */
void configuration_put_export(struct buf *out, const struct configuration *c);

/* The object as clients get it. `results` is the JSON object of custom metrics. */
struct configuration_numbers {
    uint64_t targeted, applied;
    bool reported; /* of a deployment: these are counted, too */
    uint64_t successful, failed;
    struct str results;
};
void configuration_put_json(struct buf *out, const struct configuration *c,
                            const struct configuration_numbers *numbers);
