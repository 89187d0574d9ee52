/* username.h - the MQTT user name of a device connection.
 *
 *   {host}/{device}/?api-version=2021-04-12&DeviceClientType=...[&model-id=...]
 *   {host}/{device}/{module}/?api-version=...
 *
 * Also without the '?', and "{host}/{device}" with nothing after it. Ids stand raw and may contain
 * '?', '=' and '%', so the text is cut at '/' first and only then at '?'. Query values are
 * percent-encoded by most SDKs and raw in some; '+' is a plus.
 *
 * Source: docs/spec/device-mqtt.md 2.2. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    USERNAME_SIZE_MAX = 16384, /* bytes of the whole */
    USERNAME_ID_MAX = 128,     /* bytes of a device or module id */
};

struct username {
    struct str host;        /* without port; compare with str_eq_nocase */
    struct str device;      /* raw, 1 to USERNAME_ID_MAX bytes; its alphabet is not checked here */
    struct str module;      /* likewise, or empty for a device */
    struct str api_version; /* decoded UTF-8, not checked; STR_NONE when absent */
    struct str client_type; /* DeviceClientType, decoded UTF-8; STR_NONE when absent */
    struct str model_id;    /* decoded UTF-8; STR_NONE when absent */
};

/* Read a user name. Views borrow from `text`, decoded values may live in `mem`. Of a repeated key
 * the first counts; unknown keys are ignored.
 *
 * ERR_BAD_INPUT  not of this form
 * ERR_LIMIT      longer than USERNAME_SIZE_MAX, or an id longer than USERNAME_ID_MAX
 * On an error `*out` is left alone. */
enum err username_parse(struct str text, struct arena *mem, struct username *out, struct why *why);

/* True when the client id names the same identity: "{device}" or "{device}/{module}", case counts.
 */
bool username_agrees(const struct username *name, struct str client_id);

/* Append the canonical form, for simulated devices and tests. Absent parts are left out. */
void username_put(struct buf *out, const struct username *name);
