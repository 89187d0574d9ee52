/* connstr.h - connection strings: where the hub is, who I am and how I prove it.
 *
 *     HostName=hub.example.net;DeviceId=dev-01;SharedAccessKey=...
 *
 * Names of fields compare without case; values run from the first '=' to the next ';'.
 * Source: spec/quotas-errors-auth.md 14. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { CONNSTR_TEXT_MAX = 8 << 10, CONNSTR_FIELDS_MAX = 16 };

/* What is absent is STR_NONE. */
struct connstr {
    struct str host;    /* HostName: letters, digits, '-', '.', '_' */
    struct str gateway; /* GatewayHostName */
    struct str policy;  /* SharedAccessKeyName */
    struct str device;  /* DeviceId */
    struct str module;  /* ModuleId */
    struct str key;     /* SharedAccessKey: base64 text, checked to be such */
    struct str token;   /* SharedAccessSignature: a ready token */
    bool x509;          /* x509=true */
};

/* Read a connection string; views borrow from `text`. Unknown fields are ignored, as SDKs do.
 *
 * ERR_BAD_INPUT  no or a malformed host, neither policy nor device, a module without its device, a
 *                field twice, a key that is not base64, or not exactly one proof out of key, token
 *                and certificate. The text of `why` names fields, never values.
 * ERR_LIMIT      longer than CONNSTR_TEXT_MAX, more than CONNSTR_FIELDS_MAX fields */
enum err connstr_parse(struct str text, struct connstr *out, struct why *why);

/* Append it in the order of the documentation. */
void connstr_put(struct buf *out, const struct connstr *connstr);
