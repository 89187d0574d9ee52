#include "job/run.h"
#include "model/fault.h"

void method_call_ended(struct job_call *call)
{
    struct run *run = call->run;
    call->updated_ticks = hub_now_ticks(run->engine->hub);
    call->next = NULL;
    *run->ended_last = call;
    run->ended_last = &call->next;
    run->ended_count++;
    run_wake(run);
}

static struct str timed_out_text(const struct job_call *call)
{
    const struct run *run = call->run;
    return hub_now_ticks(run->engine->hub) >= wait_deadline(run, call->first_ticks)
               ? STR("The device did not answer in the time that the policy gives to one device.")
               : STR("Timed out waiting for the response from device.");
}

static void call_done(struct hub_call *base, struct hub *hub, enum call_end end, int32_t status,
                      struct str payload)
{
    struct job_call *call = (struct job_call *)base;
    call->run->in_flight--;
    wait_leave_group(call->run, call->call.number);
    switch (end) {
    case CALL_ANSWERED: {
        char *copy = xmalloc(payload.len + 1);
        memcpy(copy, payload.ptr, payload.len);
        call->payload = str_of(copy, payload.len);
        call->status = status;
        break;
    }
    case CALL_BAD_ANSWER:
        call->fault = FAULT_BAD_GATEWAY;
        call->error_text = STR("The device answered with something that is not JSON or too large.");
        break;
    case CALL_TIMED_OUT:
        call->fault = FAULT_GATEWAY_TIMEOUT;
        call->error_text = timed_out_text(call);
        break;
    case CALL_CONNECTION_LOST:
        call->fault = FAULT_GATEWAY_TIMEOUT;
        call->error_text = STR("The connection of the device was lost before it answered.");
        break;
    case CALL_DELETED:
        call->fault = FAULT_DEVICE_NOT_FOUND;
        call->error_text = STR("The device was deleted before it answered.");
        break;
    }
    method_call_ended(call);
}

struct job_call *method_call_new(struct run *run, uint32_t number, uint64_t id)
{
    struct job_call *call = xcalloc(1, sizeof(*call));
    call->run = run;
    call->call = (struct hub_call){.id = id, .number = number, .done = call_done};
    return call;
}

void method_call_lost(struct run *run, const struct job_entry *entry)
{
    struct job_call *call = method_call_new(run, entry->number, entry->call);
    call->fault = FAULT_GATEWAY_TIMEOUT;
    call->error_text =
        STR("The hub restarted while the call was in flight: it is not known whether the "
            "device carried it out.");
    call->attempts = entry->attempts;
    call->first_ticks = entry->first_ticks;
    method_call_ended(call);
}

/* ---- the end of the hub ---- */

void method_calls_abandon(struct hub *hub)
{
    size_t at = 0;
    uint64_t id;
    void *found;
    while (map_next(&hub->calls, &at, &id, &found)) {
        struct hub_call *call = found;
        if (call->done != call_done)
            continue;
        call_abandon(hub, call);
        free(call); /* the first member of a job_call */
    }
}
