#include "hub/telemetry.h"
#include "model/fault.h"

static void on_disk(struct eventlog_append *append, enum err result)
{
    struct telemetry *telemetry =
        (struct telemetry *)((char *)append - offsetof(struct telemetry, append));
    if (result != ERR_OK)
        err_fault(result, FAULT_SERVICE_UNAVAILABLE, &telemetry->task.why,
                  "the event log cannot be written");
    hub_reply(&telemetry->task, result);
}

static enum task_next telemetry_act(struct hub_task *task, struct hub *hub)
{
    struct telemetry *telemetry = (struct telemetry *)task;
    presence_touch(hub->presence, telemetry->number, hub_now_ticks(hub));
    atomic_fetch_add(&hub->stats.telemetry, 1);
    telemetry->append = (struct eventlog_append){
        .event = {.device_id = telemetry->device_id,
                  .module_id = telemetry->module_id,
                  .properties = telemetry->properties,
                  .body = telemetry->body,
                  .enqueued_ticks = hub_now_ticks(hub)},
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
