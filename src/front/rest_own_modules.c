/* A device manages its own modules over HTTPS: the routes of the registry, with the device's credentials.
 *
 *   policy fails --> is it the token, or the certificate, of a device? --> the hub is told who asks
 *                                                    --> the handler of the route, as for a service
 *
 * Only the device of the path, by its own key or certificate: neither a module nor a policy of devices has this
 * right. Source: spec/device-http-amqp.md A.5. */
#include "front/rest_device.h"
#include "model/fault.h"

struct own {
    struct hub_task task; /* of the check */
    struct device_request request;
    const struct route *route;
};

bool own_modules_offered(struct exchange *exchange, const struct route *route,
                         struct str authorization)
{
    struct str path = str_from(route->path);
    struct net_conn *conn = net_find(exchange->loop, exchange->conn);
    struct device_offer offer;
    struct why why;
    bool ours =
        str_eq(path, STR("/devices/{}/modules")) || str_eq(path, STR("/devices/{}/modules/{}"));
    if (!ours || !conn ||
        device_offer_read(exchange->front, conn, authorization, exchange->shown, &exchange->mem,
                          &offer, &why) != ERR_OK)
        return false;
    if (authorization.len == 0)
        return offer.has_certificate;
    return offer.has_token &&
           (offer.token.skn.len == 0 || str_eq_nocase(offer.token.skn, exchange->segments[1]));
}

static void check_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(&((struct own *)task)->request.caller, turn);
}

static enum err check_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct own *own = (struct own *)task;
    enum err err = caller_check(&own->request.caller, turn, NULL, why);
    if (err == ERR_OK && own->request.grant.by == BY_POLICY)
        err = err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "Unauthorized");
    return err;
}

static const struct hub_task_ops check_ops = {
    .name = "device.own", .load = check_load, .decide = check_decide};

/* From here on it is a request like that of a service, which goes to the hub or a reader again. */
static void go_on(struct exchange *exchange)
{
    struct own *own = (struct own *)exchange->task;
    arena_done(&own->task.mem);
    exchange->task = NULL;
    struct why why;
    enum err err = ERR_OK;
    if (own->route->body == BODY_JSON)
        err = exchange_read_json(exchange, exchange->body, own->route->body_max, &why);
    if (err == ERR_OK)
        own->route->handle(exchange);
    else
        device_fail(exchange, err, &why);
}

void rest_own_modules(struct exchange *exchange, const struct route *route)
{
    struct own *own = exchange_new(exchange, struct own);
    if (!device_request_init(exchange, &own->request))
        return;
    own->request.caller.module_id = STR(""); /* the device asks, not the module */
    own->request.quota = QUOTA_REGISTRY;
    own->request.quota_count = 1;
    own->route = route;
    own->task.ops = &check_ops;
    exchange_task(exchange, &own->task, go_on);
}
