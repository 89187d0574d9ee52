/* link.h - the way from the hub thread to one device's MQTT session.
 *
 * The hub holds `at`; the session holds the link; a letter on its way holds it too. What is on its way
 * is bounded: a device that does not take its patches is given up and rereads its twin later. */
#pragma once
#include "front/front.h"
#include "hub/attach.h"

enum { LINK_QUEUED_MAX = 512 * 1024 }; /* bytes on their way to a session */

struct mqtt_session;
struct device_link {
    struct attachment at;
    atomic_uint refs;
    atomic_size_t queued;
    struct net_loop *loop;
    struct mqtt_session *session; /* loop thread; NULL when the session is gone */
};

struct device_link *link_create(struct net_loop *loop, struct mqtt_session *session); /* one ref */
void link_ref(struct device_link *link);
void link_unref(struct device_link *link);

enum link_order { LINK_PATCH, LINK_CALL, LINK_MESSAGE, LINK_CLOSE };
struct link_letter {
    struct net_mail mail;
    struct device_link *link;
    enum link_order order;
    int64_t version; /* of a patch */
    uint64_t call;   /* or the sequence number of a message */
    bool qos1, dup;  /* of a message */
    enum close_reason reason;
    struct str name,
        payload; /* behind the struct; the name is that of a call, or a message's bag */
    size_t size;
};
