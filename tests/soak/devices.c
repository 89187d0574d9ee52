#include "sim.h"
#include <stdlib.h>
#include <string.h>

/* Devices come and go, subscribe late, report, and answer as is their habit. */

enum { FILTERS = SUB_METHODS | SUB_DESIRED | SUB_DEVICEBOUND };

/* ---- answers ---- */

static void answer_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct method_answer *answer = (struct method_answer *)task;
    for (size_t i = sim->call_count; i-- > 0;) {
        struct call *call = &sim->calls[i];
        if (call->id != answer->call || call->number != answer->number)
            continue;
        if (!call->over && call->life == sim->life && sim->clock.mono_ns < call->deadline_ns) {
            call->over = true;
            call->bad = answer->bad;
            call->status = answer->status;
        }
        return;
    }
}

static void send_answer(struct sim *sim, const struct late_answer *late)
{
    struct method_answer *answer = sim_order(sim, method_answer, .told = answer_told);
    method_answer_init(answer);
    answer->number = late->number;
    answer->call = late->call;
    answer->status = late->status;
    answer->bad = late->bad;
    answer->payload = STR("null");
    say(sim, "number %u answers call %llu with %d%s", late->number, (unsigned long long)late->call,
        late->status, late->bad ? " garbled" : "");
    hub_post(sim->hub, &answer->task);
}

static void plan_answer(struct sim *sim, const struct late_answer *answer)
{
    if (sim->answer_count < SIM_ANSWERS_MAX)
        sim->answers[sim->answer_count++] = *answer;
}

static void answers_play(struct sim *sim)
{
    for (size_t i = 0; i < sim->answer_count;) {
        if (sim->answers[i].due_ns > sim->clock.mono_ns) {
            i++;
            continue;
        }
        struct late_answer due = sim->answers[i];
        memmove(&sim->answers[i], &sim->answers[i + 1],
                (--sim->answer_count - i) * sizeof(sim->answers[0]));
        send_answer(sim, &due);
    }
}

/* ---- what the hub tells a link ---- */

static struct link *link_of(struct attachment *at)
{
    return (struct link *)at;
}

static bool take_call(struct attachment *at, uint64_t id, struct str method, struct str payload)
{
    struct link *link = link_of(at);
    struct sim *sim = link->sim;
    uint64_t job = 0;
    if (lossy_vfs_cut())
        return true;
    if (link->deaf)
        return false;
    bool of_job =
        str_starts(method, STR("m")) && str_to_u64(str_skip(method, 1), SIM_JOBS_MAX, &job);
    say(sim, "%s, number %u, is called: %.*s, call %llu", sim->devices[link->device].id, at->number,
        STR_ARG(method), (unsigned long long)id);
    oracle_call(sim, link, id, of_job ? (int)job : -1);

    enum habit habit =
        chance(sim, 80) ? sim->devices[link->device].habit : (enum habit)draw(sim, HABITS);
    struct late_answer answer = {
        .due_ns = sim->clock.mono_ns + (chance(sim, 50) ? 0 : (int64_t)draw(sim, 4000)) * NS_PER_MS,
        .number = at->number,
        .call = id,
        .status = 200 + (int)draw(sim, 3)};
    if (habit == LATE)
        answer.due_ns += (int64_t)(4 + draw(sim, 30)) * NS_PER_S;
    if (habit == REJECTING)
        answer.status = 400 + (int)draw(sim, 100);
    answer.bad = habit == GARBLED;
    if (chance(sim, 5)) { /* somebody else's, too */
        struct late_answer foreign = answer;
        foreign.number = 1 + (uint32_t)draw(sim, SIM_DEVICES_MAX);
        if (foreign.number != answer.number)
            plan_answer(sim, &foreign);
    }
    if (habit != MUTE)
        plan_answer(sim, &answer);
    if (habit == TWICE) {
        answer.status++;
        answer.due_ns += (int64_t)draw(sim, 100) * NS_PER_MS;
        plan_answer(sim, &answer);
    }
    return true;
}

static bool take_patch(struct attachment *at, int64_t version, struct str payload)
{
    struct link *link = link_of(at);
    if (lossy_vfs_cut())
        return true;
    if (link->deaf)
        return false;
    say(link->sim, "%s, number %u, hears of version %lld", link->sim->devices[link->device].id,
        at->number, (long long)version);
    oracle_patch(link->sim, link, version);
    return true;
}

static bool take_message(struct attachment *at, const struct attached_message *message)
{
    struct link *link = link_of(at);
    if (lossy_vfs_cut())
        return true;
    return !link->deaf && messages_take(link->sim, link, message);
}

static void take_close(struct attachment *at, enum close_reason reason)
{
    link_of(at)->closing = true;
}

static void take_released(struct attachment *at)
{
    struct link *link = link_of(at);
    if (link->released)
        broken(link->sim, "a link is released once", "%s", link->sim->devices[link->device].id);
    link->released = true;
    link->hears = false;
}

static const struct attachment_ops link_ops = {.patch = take_patch,
                                               .call = take_call,
                                               .message = take_message,
                                               .close = take_close,
                                               .released = take_released};

/* ---- links ---- */

static void drop(struct sim *sim, struct link *link)
{
    struct link **at = &sim->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    if (sim->devices[link->device].link == link)
        sim->devices[link->device].link = NULL;
    free(link);
}

void devices_lose_power(struct sim *sim)
{
    while (sim->links)
        drop(sim, sim->links);
}

static enum err let_in(struct attach *attach, const struct identity *identity, struct why *why)
{
    return ERR_OK;
}

static void attach_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct attach *attach = (struct attach *)task;
    struct link *link = order->about;
    struct sim_device *device = &sim->devices[link->device];
    device->session_orders -= attach->clean;
    if (task->result != ERR_OK) {
        say(sim, "%s is not let in: %s", device->id, err_name(task->result));
        device->session_doubt |= attach->clean && was_disturbed(task);
        drop(sim, link);
        return;
    }
    link->attached = true;
    link->generation = link->at.generation;
    if (attach->clean)
        device->session = 0;
    else if (attach->filters != device->session)
        broken(sim, "a stored session is kept as it was granted", "%s has %x, not %x", device->id,
               attach->filters, device->session);
    link->hears = attach->filters & SUB_DESIRED;
    link->heard = 0;
    say(sim, "%s is here, number %u", device->id, link->at.number);
}

static void come(struct sim *sim, int index)
{
    struct sim_device *device = &sim->devices[index];
    struct link *link = xcalloc(1, sizeof(*link));
    *link = (struct link){.at.ops = &link_ops,
                          .sim = sim,
                          .next = sim->links,
                          .device = index,
                          .deaf = chance(sim, 2)};
    sim->links = link;
    device->link = link;
    struct attach *attach = sim_order(sim, attach, .told = attach_told, .about = link);
    attach_init(attach);
    attach->device_id = str_from(device->id);
    attach->module_id = STR("");
    attach->clean = chance(sim, 50);
    attach->model_id = STR_NONE;
    attach->at = &link->at;
    attach->authenticate = let_in;
    device->session_orders += attach->clean;
    world_submit(sim, &attach->task);
}

static void gone(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct link *link = order->about;
    if (!link->released)
        broken(sim, "the hub lets go before it says so", "%s", sim->devices[link->device].id);
    drop(sim, link);
}

static void leave(struct sim *sim, struct link *link)
{
    struct detach *detach = sim_order(sim, detach, .told = gone, .about = link);
    detach_init(detach);
    detach->at = &link->at;
    detach->generation = link->generation;
    link->leaving = true;
    hub_post(sim->hub, &detach->task);
}

static void subscribed(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct subscribe *subscribe = (struct subscribe *)task;
    struct sim_device *device = &sim->devices[order->what];
    uint8_t next = subscribe->remove ? device->session & (uint8_t)~subscribe->filters
                                     : device->session | subscribe->filters;
    if (subscribe->stored && task->result == ERR_OK)
        device->session = next;
    device->session_orders -= subscribe->stored;
    device->session_doubt |= subscribe->stored && was_disturbed(task);
    for (struct link *link = sim->links; link; link = link->next)
        if (&link->at == subscribe->at && task->result == ERR_OK && !link->released &&
            (subscribe->filters & SUB_DESIRED) && link->hears == subscribe->remove) {
            link->hears = !subscribe->remove;
            link->heard = 0;
        }
}

static void subscribe(struct sim *sim, struct link *link)
{
    struct sim_device *device = &sim->devices[link->device];
    struct subscribe *task = sim_order(sim, subscribe, .told = subscribed, .what = link->device);
    subscribe_init(task);
    task->at = &link->at;
    task->generation = link->generation;
    task->remove = chance(sim, 10);
    task->stored = chance(sim, 50);
    task->filters = chance(sim, 60) ? FILTERS : chance(sim, 60) ? SUB_METHODS : SUB_DESIRED;
    task->qos1 = chance(sim, 80) ? task->filters & SUB_DEVICEBOUND : 0;
    device->session_orders += task->stored;
    world_submit(sim, &task->task);
}

/* A report is a write like an operator's, but by number. */
static void report_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct write *write = order->about;
    write->fate = task->result == ERR_OK ? DONE : was_disturbed(task) ? DISTURBED : REFUSED;
    write->refused = write->fate == REFUSED;
}

static void report(struct sim *sim, struct link *link)
{
    if (sim->write_count == SIM_WRITES_MAX)
        return;
    struct write *write = &sim->writes[sim->write_count];
    *write = (struct write){.where = MARK_REPORTED,
                            .device = link->device,
                            .number = link->at.number,
                            .fate = SENT,
                            .deletions = sim->devices[link->device].deletions};
    struct twin_report *task = sim_order(sim, twin_report, .told = report_told, .about = write);
    twin_report_init(task);
    task->number = link->at.number;
    task->patch = world_json(&task->task.mem,
                             str_format(&task->task.mem, "{\"w%zu\":1}", sim->write_count++));
    world_submit(sim, &task->task);
}

void devices_play(struct sim *sim)
{
    answers_play(sim);
    messages_play(sim);
    for (int i = 0; i < sim->device_count; i++) {
        struct link *link = sim->devices[i].link;
        if (!link && chance(sim, 15))
            come(sim, i);
        else if (link && link->attached && !link->leaving && !link->released) {
            if (chance(sim, 20))
                subscribe(sim, link);
            if (chance(sim, 3))
                report(sim, link);
            if (chance(sim, 1))
                come(sim, i); /* a second connection takes over */
        }
    }
    for (struct link *link = sim->links, *next; link; link = next) {
        next = link->next;
        if (link->attached && !link->leaving && (link->closing || link->released || chance(sim, 2)))
            leave(sim, link);
    }
}
