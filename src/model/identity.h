/* identity.h - who may connect: devices and their modules.
 *
 * An identity has a 32-bit number from one space, never reused, by which everything else refers to
 * it, and names that clients see. Its generation is the instant of its creation: a device that is
 * deleted and made again is another one. Pure: no clock, no store.
 *
 * A module is an identity of its own beneath a device: it has keys, a twin and a connection, but no
 * status, capabilities or scopes; its device's status is its status. A device of IoT Edge has two system
 * modules, which come and go with its capability and cannot be changed by hand.
 * Source: spec/service-rest.md 1.6, 5, 6; spec/device-auth.md 1.6 to 1.8. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/time.h"

enum {
    IDENTITY_ID_MAX = 128,
    IDENTITY_REASON_MAX = 128, /* characters of statusReason */
    IDENTITY_KEY_SIZE = 32,    /* bytes of a key that we generate */
    IDENTITY_KEY_SIZE_MIN = 16,
    IDENTITY_KEY_SIZE_MAX = 64,
    IDENTITY_SCOPE_MAX = 256,    /* bytes of deviceScope */
    IDENTITY_PARENTS_MAX = 8,    /* members of parentScopes */
    IDENTITY_MANAGER_MAX = 128,  /* characters of managedBy */
    IDENTITY_SYSTEM_MODULES = 2, /* of a device of IoT Edge */
    IDENTITY_MODULES_MAX = 50,   /* of a device, system modules not counted */
    IDENTITY_MODULES_ALL = IDENTITY_MODULES_MAX + IDENTITY_SYSTEM_MODULES,
    IDENTITY_BODY_MAX = 64 * 1024, /* bytes of a Device object in a request */
};

enum identity_status { IDENTITY_ENABLED, IDENTITY_DISABLED };
enum identity_auth { AUTH_SAS, AUTH_SELF_SIGNED, AUTH_AUTHORITY, AUTH_NONE };

struct identity {
    uint32_t number; /* 0 = not yet numbered */
    struct str device_id;
    struct str module_id;  /* empty for a device */
    int64_t created_ticks; /* generationId is this, in ticks since year 1 */
    int64_t etag;          /* a counter; on the wire base64 of its decimal text */
    enum identity_status status;
    struct str status_reason; /* STR_NONE when unset */
    int64_t status_ticks;     /* last change of status, TIME_UNSET before the first */
    enum identity_auth auth;
    struct str primary_key, secondary_key; /* base64 text; empty unless AUTH_SAS */
    struct str primary_thumbprint;         /* hex text, upper case; STR_NONE when unset */
    struct str secondary_thumbprint;
    bool iot_edge;
    struct str device_scope;  /* STR_NONE when unset */
    struct str parent_scopes; /* a JSON array, STR_NONE when unset */
    struct str model_id;      /* announced by the device, STR_NONE when unset */
    struct str managed_by;    /* of a module: "IotEdge", for one; STR_NONE when unset */
};

/* What the hub knows of the live side of an identity. */
struct presence {
    bool connected;
    int64_t changed_ticks;  /* TIME_UNSET before the first connection */
    int64_t activity_ticks; /* TIME_UNSET before the first */
    unsigned messages;      /* cloud-to-device, that wait */
};
#define PRESENCE_NEVER ((struct presence){false, TIME_UNSET, TIME_UNSET, 0})

/* 1 to 128 characters of the alphabet of spec/quotas-errors-auth.md 4.2. */
bool identity_id_valid(struct str id);

/* Read a Device or a Module object of a PUT. `old` is the stored identity when it is replaced, else NULL.
 * Fills everything of `*out` but number; sets the etag (a random start of nine digits, or old + 1),
 * created_ticks (now, or the old one), status_ticks, generated keys (32 random bytes each) where
 * none were sent, and the edge scope. Texts are copied to `mem`.
 * ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID, FAULT_INVALID_DEVICE_SCOPE for a scope, FAULT_FORMAT_ERROR
 * when not an object) names the member; never a key's text. `*out` is left alone then. */
struct identity_put {
    struct str device_id, module_id; /* of the path; module_id empty for a device */
    yyjson_val *body;
    const struct identity *old;
    int64_t now_ticks;
    struct random *random;
    bool keep_scope; /* of an import: a new edge device gets the scope that its children know */
};
enum err identity_read(const struct identity_put *put, struct arena *mem, struct identity *out,
                       struct why *why);

/* Nobody has this name: gives ERR_NOT_FOUND with FAULT_DEVICE_NOT_FOUND, or FAULT_MODULE_NOT_FOUND when
 * the name is a module's and its device exists. */
enum err identity_missing(struct str device_id, struct str module_id, bool device_exists,
                          struct why *why);

/* The system modules of a device of IoT Edge: "$edgeAgent" and "$edgeHub". */
extern const char *const identity_system_modules[IDENTITY_SYSTEM_MODULES];
bool identity_is_system_module(struct str module_id);
/* A system module as the registry makes it, with generated keys. `device` outlives it. */
struct identity identity_system_module(const struct identity *device, struct str module_id,
                                       int64_t now_ticks, struct random *random, struct arena *mem);

/* Fresh keys, 32 random bytes each, and the next etag. Texts in `mem`. */
void identity_renew_keys(struct identity *identity, bool primary, bool secondary,
                         struct random *random, struct arena *mem);

/* The device that a scope names ("ms-azure-iot-edge://{device}-{number}"); STR_NONE when it cannot be one. */
struct str identity_scope_device(struct str scope);

/* The Device or Module object as answered, member order as recorded (spec 5.1, 6). Times carry no 'Z'. */
void identity_put_json(struct buf *out, const struct identity *identity,
                       const struct presence *presence);

/* generationId: the creation in ticks since year 1. */
static inline int64_t identity_generation(const struct identity *identity)
{
    return identity->created_ticks - TIME_UNSET;
}
/* When its twin says that it was born: a module's does not say (spec 9.1, as recorded). */
static inline int64_t identity_twin_birth(const struct identity *identity)
{
    return identity->module_id.len > 0 ? TIME_UNSET : identity->created_ticks;
}
const char *identity_status_word(enum identity_status status); /* "enabled" */
const char *identity_auth_word(enum identity_auth auth);       /* "certificateAuthority" */
/* Members that identities and twins show alike: "x509Thumbprint", and "capabilities" with the
 * scopes where there are any. */
void identity_put_thumbprints(struct buf *out, const struct identity *identity);
void identity_put_edge(struct buf *out, const struct identity *identity);

/* The etag text, without quotes. */
struct str identity_etag(const struct identity *identity, struct arena *mem);

/* Does an If-Match header let this etag pass? Absent (STR_NONE) or "" passes always; `*` in any
 * quoting passes; otherwise the inner text must be equal (spec 1.6). */
bool etag_matches(struct str if_match, struct str etag);
/* True when the header is present and means something ("" counts as absent). */
bool etag_is_given(struct str if_match);
