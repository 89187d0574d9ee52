#include "hub/messages.h"
#include "sim.h"
#include <string.h>

/* Messages to devices: operators send them, devices acknowledge them soon, late or never, and what was promised
 * about each holds: it waits on disk from the answer to its end, goes to its device alone and in its place, and
 * does not come back once it is done with. */

/* ---- operators ---- */

static void sent_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct message_send *send = (struct message_send *)task;
    struct message_story *story = order->about;
    uint32_t fault = fault_told(task);
    say(sim, "message %zu: fault %u", (size_t)(story - sim->messages), fault);
    story->fate = fault == 0 ? DONE : was_disturbed(task) ? DISTURBED : REFUSED;
    if (fault == 0) {
        story->number = send->number;
        story->sequence = send->result.sequence;
        story->expires_ticks = send->result.expires_ticks;
    } else if (story->fate == REFUSED && fault != FAULT_DEVICE_NOT_FOUND &&
               fault != FAULT_QUEUE_DEPTH) {
        broken(sim, "a good message is taken", "fault %u", fault);
    }
}

static void send_message(struct sim *sim, int device)
{
    if (sim->message_count == SIM_MESSAGES_MAX)
        return;
    struct message_story *story = &sim->messages[sim->message_count];
    *story = (struct message_story){.device = device, .fate = SENT};
    struct message_send *send = sim_order(sim, message_send, .told = sent_told, .about = story);
    struct arena *mem = &send->task.mem;
    message_send_init(send);
    struct str name = str_format(mem, "c%zu", sim->message_count++);
    send->device_id = str_from(sim->devices[device].id);
    send->ack = (enum message_ack)draw(sim, 4);
    send->text = (struct message_text){.id = name, .properties = STR("%24.to=x"), .body = name};
    if (chance(sim, 40))
        send->expires_ticks =
            sim->clock.hub_ticks + (int64_t)(1 + draw(sim, 900)) * TICKS_PER_SECOND;
    world_submit(sim, &send->task);
}

static void purged_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    say(sim, "purge of %s: fault %u", sim->devices[order->what].id, fault_told(task));
}

/* Whether it comes before or behind a message that is on its way is not told: those may go, too. */
static void purge(struct sim *sim, int device)
{
    struct message_purge *purge =
        sim_order(sim, message_purge, .told = purged_told, .what = device);
    message_purge_init(purge);
    purge->device_id = str_from(sim->devices[device].id);
    for (size_t i = 0; i < sim->message_count; i++)
        sim->messages[i].may_go |= sim->messages[i].device == device;
    world_submit(sim, &purge->task);
}

/* ---- devices ---- */

bool messages_take(struct sim *sim, struct link *link, const struct attached_message *message)
{
    uint64_t n;
    uint32_t number = link->at.number;
    if (!str_starts(message->body, STR("c")) ||
        !str_to_u64(str_skip(message->body, 1), sim->message_count - 1, &n))
        broken(sim, "a device gets what was sent", "%.*s", STR_ARG(message->body));
    struct message_story *story = &sim->messages[n];
    say(sim, "%s, number %u, gets message %zu", sim->devices[link->device].id, number, (size_t)n);
    if (story->device != link->device || (story->number && story->number != number))
        broken(sim, "a message goes to its device alone", "message %zu at number %u", (size_t)n,
               number);
    if (story->fate == REFUSED)
        broken(sim, "what was refused is not delivered", "message %zu", (size_t)n);
    if (story->gone)
        broken(sim, "what is done with does not come again", "message %zu", (size_t)n);
    if (story->deliveries++ == 0) {
        if (message->sequence < sim->first_delivered[number])
            broken(sim, "messages come in the order in which they were sent", "message %zu",
                   (size_t)n);
        sim->first_delivered[number] = message->sequence;
    }
    story->may_go |= !message->qos1 || story->deliveries >= MESSAGE_DELIVERIES;
    story->sequence = message->sequence;
    story->generation = link->generation ? link->generation : link->at.generation;
    story->number = number;
    story->locked_ticks = sim->clock.hub_ticks + MESSAGE_LOCK_S * TICKS_PER_SECOND;
    if (message->qos1 && chance(sim, 75))
        story->ack_ns =
            sim->clock.mono_ns + 1 + (chance(sim, 60) ? 0 : (int64_t)draw(sim, 90) * NS_PER_S);
    return true;
}

static bool holds(const struct sim *sim, uint32_t number, uint64_t generation)
{
    for (const struct link *link = sim->links; link; link = link->next)
        if (link->attached && !link->released && !link->closing && !link->leaving &&
            link->at.number == number && link->generation == generation)
            return true;
    return false;
}

static void done_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    const struct message_done *done = (const struct message_done *)task;
    struct message_story *story = order->about;
    bool counts = task->result == ERR_OK && story->generation == done->generation &&
                  sim->clock.hub_ticks < story->locked_ticks &&
                  holds(sim, done->number, done->generation);
    if (counts)
        story->gone = true;
}

static void acknowledge(struct sim *sim, struct message_story *story)
{
    struct message_done *done = sim_order(sim, message_done, .told = done_told, .about = story);
    message_done_init(done);
    done->number = story->number;
    done->generation = story->generation;
    done->sequence = story->sequence;
    story->ack_ns = 0;
    story->may_go = true;
    hub_post(sim->hub, &done->task);
}

void messages_play(struct sim *sim)
{
    if (chance(sim, 10))
        send_message(sim, (int)draw(sim, (uint64_t)sim->device_count));
    if (chance(sim, 1))
        purge(sim, (int)draw(sim, (uint64_t)sim->device_count));
    for (size_t i = 0; i < sim->message_count; i++)
        if (sim->messages[i].ack_ns && sim->messages[i].ack_ns <= sim->clock.mono_ns)
            acknowledge(sim, &sim->messages[i]);
}

/* ---- what was promised ---- */

struct waiting { /* on disk */
    uint64_t sequence;
    uint32_t number;
};
struct looking {
    struct waiting *list;
    size_t count, max;
};

static bool note_waiting(void *arg, uint32_t number, const struct message *message)
{
    struct looking *looking = arg;
    if (looking->count < looking->max)
        looking->list[looking->count] = (struct waiting){message->sequence, number};
    looking->count++;
    return true;
}

static void check_waiting(struct sim *sim, size_t n, const struct waiting *waiting, bool recovered)
{
    struct message_story *story = &sim->messages[n];
    if (story->fate == REFUSED || story->gone)
        broken(sim,
               story->gone ? "what is done with does not come again"
                           : "what was refused is not there",
               "message %zu", n);
    if (story->fate == DONE &&
        (waiting->number != story->number || waiting->sequence != story->sequence))
        broken(sim, "a message stays as it was taken", "message %zu", n);
    if (recovered && story->fate == UNKNOWN) {
        story->fate = DONE;
        story->number = waiting->number;
        story->sequence = waiting->sequence;
        story->expires_ticks = TIME_UNSET; /* not told, so it may be over any time */
    }
}

static void check_gone(struct sim *sim, size_t n, const struct store_want *twins, size_t count,
                       bool recovered)
{
    struct message_story *story = &sim->messages[n];
    if (story->fate == UNKNOWN && recovered)
        story->gone = true;
    if (story->fate != DONE || story->gone)
        return;
    bool lives = story->number < count && twins[story->number].found;
    bool over = story->expires_ticks == TIME_UNSET || story->expires_ticks <= sim->latest_hub_ticks;
    if (lives && !over && !story->may_go)
        broken(sim, "what was answered waits until it is done with",
               "message %zu for number %u, delivered %u times", n, story->number,
               story->deliveries);
    story->gone = true;
}

void messages_look(struct sim *sim, const struct store_want *twins, size_t count, bool recovered)
{
    struct why why = {0};
    struct looking looking = {.max = SIM_MESSAGES_MAX};
    bool *seen = arena_array(&sim->look, bool, SIM_MESSAGES_MAX);
    memset(seen, 0, SIM_MESSAGES_MAX * sizeof(*seen));
    looking.list = arena_array(&sim->look, struct waiting, looking.max);
    if (store_messages(sim->eye, note_waiting, &looking, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    if (looking.count > sim->message_count)
        broken(sim, "no message is there twice", "%zu of %zu", looking.count, sim->message_count);
    for (size_t i = 0; i < looking.count; i++) {
        struct message_text text;
        uint64_t n = SIM_MESSAGES_MAX;
        if (store_message_text(sim->eye, looking.list[i].sequence, false, &sim->look, &text,
                               &why) != ERR_OK ||
            !text.id.ptr || !str_to_u64(str_skip(text.id, 1), sim->message_count - 1, &n) ||
            seen[n])
            broken(sim, "each message has its text, once", "sequence %llu",
                   (unsigned long long)looking.list[i].sequence);
        seen[n] = true;
        check_waiting(sim, n, &looking.list[i], recovered);
    }
    for (size_t n = 0; n < sim->message_count; n++)
        if (!seen[n])
            check_gone(sim, n, twins, count, recovered);
}
