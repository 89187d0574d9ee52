#include "base/log.h"
#include "sim.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EPOCH_TICKS (INT64_C(1714550400) * TICKS_PER_SECOND) /* 2024-05-01T08:00:00Z */
enum {
    STARTS_MAX = 50, /* of a hub whose disk fails while it starts */
    READS_AT_ONCE = 3,
};

/* ---- clocks ---- */

static int64_t hub_ticks(struct clock *clock)
{
    return ((struct sim_clock *)clock)->hub_ticks;
}

static int64_t wall_ticks(struct clock *clock)
{
    return ((struct sim_clock *)clock)->wall_ticks;
}

static int64_t mono_ns(struct clock *clock)
{
    return ((struct sim_clock *)clock)->mono_ns;
}

/* Hub time is wall time that does not run backwards while the hub lives. */
static void follow_wall(struct sim *sim)
{
    if (sim->clock.hub_ticks < sim->clock.wall_ticks)
        sim->clock.hub_ticks = sim->clock.wall_ticks;
    if (sim->latest_hub_ticks < sim->clock.hub_ticks)
        sim->latest_hub_ticks = sim->clock.hub_ticks;
}

void world_pass_ns(struct sim *sim, int64_t ns)
{
    sim->clock.mono_ns += ns;
    sim->clock.wall_ticks += ns / 100;
    follow_wall(sim);
}

void world_jump(struct sim *sim, int64_t ticks)
{
    sim->clock.wall_ticks += ticks;
    follow_wall(sim);
    say(sim, "the clock jumps by %lld s", (long long)(ticks / TICKS_PER_SECOND));
}

/* ---- up and down ---- */

static enum err come_up(struct sim *sim, struct why *why)
{
    sim->clock.hub_ticks = sim->clock.wall_ticks;
    struct store_options options = {
        .dir = sim->dir, .clock = &sim->clock.clock, .vfs = "lossy", .by_hand = true};
    enum err err = store_open(&options, &sim->store, why);
    if (err == ERR_OK)
        err = store_reader_open(sim->store, &sim->eye, why);
    struct hub_config config = {
        .store = sim->store, .clock = &sim->clock.clock, .random = &sim->hub_random.random};
    if (err == ERR_OK)
        err = eventlog_come_up(sim, &config, why);
    if (err == ERR_OK)
        err = hub_create(&config, &sim->hub, why);
    if (err == ERR_OK)
        err = readers_create(&(struct readers_config){.hub = sim->hub, .by_hand = true},
                             &sim->readers, why);
    if (err != ERR_OK)
        return err;
    sim->config.hub = sim->hub;
    sim->config.readers = sim->readers;
    return job_engine_create(&sim->config, &sim->engine, why);
}

static void go_down(struct sim *sim)
{
    eventlog_lose_power(sim);
    readers_destroy(sim->readers);
    job_engine_destroy(sim->engine);
    hub_destroy(sim->hub);
    eventlog_go_down(sim);
    store_reader_close(sim->eye);
    store_close(sim->store);
    sim->readers = NULL;
    sim->engine = NULL;
    sim->hub = NULL;
    sim->eye = NULL;
    sim->store = NULL;
}

/* Some starts fail, because the power goes again, or the disk does not work yet. */
static void start(struct sim *sim)
{
    for (int i = 0; i < STARTS_MAX; i++) {
        struct why why = {0};
        struct lossy_plan plan = {.survivors = chance(sim, 50), .seed = draw(sim, UINT64_MAX)};
        bool trouble = sim->life > 0 && chance(sim, 15);
        if (trouble && chance(sim, 70))
            plan.cut_at = 1 + draw(sim, 12);
        else if (trouble)
            plan.full_from = 1 + draw(sim, 6);
        lossy_vfs_arm(&plan);
        enum err err = come_up(sim, &why);
        if (err == ERR_OK && !lossy_vfs_cut()) {
            lossy_vfs_arm(&(struct lossy_plan){0});
            sim->healthy_ns = sim->clock.mono_ns;
            sim->healthy_turn = sim->turn;
            return;
        }
        if (!trouble)
            broken(sim, "a hub starts on what a crash left", "%s: %s", err_name(err), why.text);
        say(sim, "the start fails: %s", err_name(err));
        if (!lossy_vfs_cut())
            lossy_vfs_arm(&(struct lossy_plan){.cut_at = 1, .keeps_all = true});
        go_down(sim);
        lossy_vfs_lose();
    }
    broken(sim, "a hub starts in the end", "%d starts failed", STARTS_MAX);
}

void world_create(struct sim *sim)
{
    const char *base = getenv("TMPDIR");
    snprintf(sim->dir, sizeof(sim->dir), "%.40s/muster-soak-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(sim->dir))
        broken(sim, "a folder can be made", "%s", sim->dir);
    log_setup(LOG_ERROR + 1, LOG_TEXT);
    lossy_vfs_register("lossy");
    sim->clock = (struct sim_clock){.clock = {hub_ticks, wall_ticks, mono_ns},
                                    .wall_ticks = EPOCH_TICKS,
                                    .hub_ticks = EPOCH_TICKS,
                                    .mono_ns = NS_PER_S};
    random_fake_init(&sim->hub_random, sim->seed + 1);
    sim->config.active_max = chance(sim, 20) ? 5 : 0;
    sim->config.devices_per_second = chance(sim, 20) ? 30 : 0;
    start(sim);
}

static void remove_folder(const char *dir)
{
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(dir);
}

void world_destroy(struct sim *sim)
{
    lossy_vfs_arm(&(struct lossy_plan){.cut_at = 1});
    go_down(sim);
    devices_lose_power(sim);
    lossy_vfs_lose();
    remove_folder(sim->dir);
    free(sim->eventlog);
    arena_done(&sim->mem);
    arena_done(&sim->look);
}

void world_crash(struct sim *sim)
{
    struct lossy_plan plan = {.cut_at = 1,
                              .survivors = chance(sim, 40),
                              .keeps_all = chance(sim, 15),
                              .seed = draw(sim, UINT64_MAX)};
    say(sim, "POWER OFF%s, %s", lossy_vfs_cut() ? " in a write" : "",
        plan.keeps_all   ? "only the process died"
        : plan.survivors ? "some of what was not synced survives"
                         : "clean");
    lossy_vfs_arm(&plan);
    sim->crashes++;
    go_down(sim);
    devices_lose_power(sim);
    lossy_vfs_lose();
    sim->life++;
    if (chance(sim, 30))
        world_pass_ns(sim, (int64_t)draw(sim, 120) * NS_PER_S);
    sim->failing = false;
    start(sim);
    say(sim, "POWER ON, life %u", sim->life);
    oracle_recovered(sim);
}

/* ---- the disk ---- */

void world_heal(struct sim *sim)
{
    if (!sim->failing)
        return;
    say(sim, "the disk is well");
    sim->failing = false;
    sim->healthy_ns = sim->clock.mono_ns;
    sim->healthy_turn = sim->turn;
    lossy_vfs_arm(&(struct lossy_plan){0});
}

void world_disk(struct sim *sim)
{
    if (sim->failing) {
        if (chance(sim, 10))
            world_heal(sim);
        return;
    }
    if (!chance(sim, 4))
        return;
    struct lossy_plan plan = {.seed = draw(sim, UINT64_MAX)};
    uint64_t from = 1 + draw(sim, 40), until = from + draw(sim, 40);
    switch (draw(sim, 6)) {
    case 0:
        plan.full_from = from;
        break;
    case 1:
        plan.sync_fails_from = from;
        break;
    case 2:
        plan.writes_fail_from = from;
        plan.writes_fail_until = until;
        break;
    case 3:
        plan.reads_fail_from = from;
        plan.reads_fail_until = until;
        break;
    default:
        plan.cut_at = from;
        break;
    }
    say(sim, "the disk gets ill: full %llu, sync %llu, write %llu, read %llu, cut %llu",
        (unsigned long long)plan.full_from, (unsigned long long)plan.sync_fails_from,
        (unsigned long long)plan.writes_fail_from, (unsigned long long)plan.reads_fail_from,
        (unsigned long long)plan.cut_at);
    sim->failing = true;
    lossy_vfs_arm(&plan);
}

/* ---- a turn ---- */

void world_turn(struct sim *sim)
{
    struct why why;
    sim->turn++;
    if (chance(sim, 70)) {
        for (int i = 0; i < READS_AT_ONCE && readers_step(sim->readers); i++) {
        }
        if (!lossy_vfs_cut())
            oracle_readers_ran(sim);
    }
    if (chance(sim, 3) && store_checkpoint(sim->store, &why) == ERR_OK)
        say(sim, "checkpoint");
    sim->first_call = sim->hub->next_call;
    sim->wait_ns = hub_run(sim->hub);
}

/* ---- orders ---- */

struct sent { /* stands before the task */
    struct order order;
    _Alignas(max_align_t) char task[];
};

static void replied(struct hub_task *task)
{
    struct sent *sent = task->owner;
    struct sim *sim = sent->order.sim;
    if (!lossy_vfs_cut() && sent->order.told)
        sent->order.told(sim, task, &sent->order);
    arena_done(&task->mem);
    free(sent);
}

void *world_order(struct sim *sim, size_t size, const struct order *order)
{
    struct sent *sent = xcalloc(1, sizeof(*sent) + size);
    sent->order = *order;
    sent->order.sim = sim;
    struct hub_task *task = (struct hub_task *)sent->task;
    task->owner = sent;
    task->reply = replied;
    return task;
}

void world_submit(struct sim *sim, struct hub_task *task)
{
    if (!hub_submit(sim->hub, task))
        broken(sim, "the door is wide enough for this story", "%s", task->ops->name);
}

uint32_t fault_told(const struct hub_task *task)
{
    return task->result == ERR_OK ? 0 : fault_of(task->result, &task->why);
}

bool was_disturbed(const struct hub_task *task)
{
    return task->result == ERR_OUTSIDE || task->result == ERR_CORRUPT ||
           (task->result == ERR_BUSY && fault_told(task) == FAULT_SERVICE_UNAVAILABLE);
}

yyjson_val *world_json(struct arena *mem, struct str text)
{
    yyjson_val *root = NULL;
    struct why why;
    const struct json_limits limits = {.size_max = 1 << 20, .depth_max = 64};
    enum err err = json_read(text, &limits, mem, &root, &why);
    return err == ERR_OK ? root : NULL;
}
