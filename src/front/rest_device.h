/* rest_device.h - what the endpoints for devices share: who asks, proven on the hub thread.
 * Source: spec/device-http-amqp.md A.1. */
#pragma once
#include "front/device_auth.h"
#include "front/routes.h"
#include "hub/caller.h"

struct device_request {
    struct caller caller; /* first */
    struct front *front;
    struct exchange *exchange; /* held by whoever checks the caller */
    struct device_offer offer;
    struct device_grant grant; /* once the caller was checked */
    int64_t created_ticks;     /* likewise: generation of the identity */
    enum quota_class quota;    /* what it draws on once the caller was checked */
    uint64_t quota_count;
    size_t quota_size;
    enum err refused; /* what else is wrong with the request: told when it is known who asks */
    struct why refusal;
};
/* Read who asks from path and credentials. False: answered with 401. */
bool device_request_init(struct exchange *exchange, struct device_request *request);

/* Segments behind "/devices/{d}" or "/devices/{d}/modules/{m}" begin at this index. */
size_t device_tail(const struct exchange *exchange);

/* A device may ask for its own modules as a service may: does a request that no policy allows show the
 * credentials of one, on a route of modules? Then it is answered by rest_own_modules, which has the hub check
 * them. */
bool own_modules_offered(struct exchange *exchange, const struct route *route,
                         struct str authorization);
void rest_own_modules(struct exchange *exchange, const struct route *route);

void device_fail(struct exchange *exchange, enum err err, const struct why *why);
