#include "hub/telemetry.h"
#include "hub/router.h"
#include "model/fault.h"

static struct telemetry *telemetry_of(struct eventlog_append *append)
{
    return (struct telemetry *)((char *)append - offsetof(struct telemetry, append));
}

/* On the event log's thread. What nobody asks for is acknowledged all the same: the device has done its
 * part. */
static bool wanted(struct eventlog_append *append)
{
    struct hub *hub = telemetry_of(append)->task.hub;
    bool asked = router_wants(hub->config.router, SOURCE_TELEMETRY, &append->event);
    if (!asked)
        atomic_fetch_add(&hub->stats.unrouted, 1);
    return asked;
}

static void on_disk(struct eventlog_append *append, enum err result)
{
    struct telemetry *telemetry = telemetry_of(append);
    if (result != ERR_OK)
        err_fault(result, FAULT_SERVICE_UNAVAILABLE, &telemetry->task.why,
                  "the event log cannot be written");
    hub_reply(&telemetry->task, result);
}

static enum task_next telemetry_act(struct hub_task *task, struct hub *hub)
{
    struct telemetry *telemetry = (struct telemetry *)task;
    bool all = !hub->config.router || router_takes_all_telemetry(hub->config.router);
    presence_touch(hub->presence, telemetry->number, hub_now_ticks(hub));
    atomic_fetch_add(&hub->stats.telemetry, 1);
    telemetry->append = (struct eventlog_append){
        .event = {.device_id = telemetry->device_id,
                  .module_id = telemetry->module_id,
                  .properties = telemetry->properties,
                  .body = telemetry->body,
                  .enqueued_ticks = hub_now_ticks(hub)},
        .wanted = all ? NULL : wanted,
        .done = on_disk,
    };
    eventlog_append(hub->config.eventlog, &telemetry->append);
    return TASK_HOLD;
}

static const struct hub_task_ops telemetry_ops = {.name = "telemetry", .act = telemetry_act};

void telemetry_init(struct telemetry *task)
{
    task->task.ops = &telemetry_ops;
}
