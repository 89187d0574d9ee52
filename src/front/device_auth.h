/* device_auth.h - who a device is: by a token, or by the certificate that it showed in the handshake.
 *
 *     loop thread:  device_offer_read   token parsed, chain verified: all that costs
 *     hub thread:   device_auth         against the stored identity: compares, and one HMAC or two
 *
 * One judge for every way in: MQTT, WebSocket, and the endpoints of devices over HTTPS. Source:
 * spec/device-auth.md 1, 3, 8. */
#pragma once
#include "front/front.h"
#include "wire/sas.h"
#include "wire/x509.h"

/* What a connection's certificate was found to be, kept for the next request. A zeroed struct has looked
 * at nothing; end it with arena_done(&shown->mem). */
struct device_shown {
    struct arena mem;
    struct x509_device device;
    uint64_t generation; /* of the CAs that it was looked at under; 0: not yet */
    bool none;           /* the peer showed no certificate */
};

struct device_offer { /* texts in the arena of whoever reads it */
    bool has_token, has_certificate;
    struct sas_token token;
    struct x509_device certificate;
};
/* `token`: a password or an Authorization header; STR_NONE or empty: there is none. ERR_DENIED
 * FAULT_UNAUTHORIZED, with the reason for the log, when neither a token nor a certificate can be read. */
enum err device_offer_read(struct front *front, const struct net_conn *conn, struct str token,
                           struct device_shown *shown, struct arena *mem, struct device_offer *out,
                           struct why *why);

enum device_auth_by { BY_DEVICE_KEY, BY_MODULE_KEY, BY_POLICY, BY_CERTIFICATE, BY_AUTHORITY };
struct device_grant {
    enum device_auth_by by;
    int64_t expires_s;                                /* of the token, or of the certificates */
    unsigned char anchor[AUTHORITY_FINGERPRINT_SIZE]; /* BY_AUTHORITY: of the CA */
};
/* Against the stored identity. Any thread; pure but for the wall clock and the boards. ERR_DENIED with
 * the reason for the log in `why`. */
enum err device_auth(const struct front *front, const struct device_offer *offer,
                     const struct identity *identity, struct device_grant *out, struct why *why);

/* The stamp iothub-connection-auth-method: JSON, constant. */
const char *device_auth_method(enum device_auth_by by, bool is_module);
