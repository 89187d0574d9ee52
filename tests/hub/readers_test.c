/* The pool of readers, and the hub on a thread of its own: many clients, devices that come and go,
 * and an end in the middle of it. Meant for ThreadSanitizer. */
#include "rig.h"
#include <stdatomic.h>
#include <time.h>

/* ---- the pool alone ---- */

struct work {
    struct read_work work;
    atomic_int *answered;
    pthread_mutex_t *stop; /* held by the test: the reader waits for it */
    uint32_t seen;
};

static struct work *work_of(struct read_work *work)
{
    return (struct work *)work;
}

static bool count_one(void *arg, const struct entity *entity)
{
    ++*(uint32_t *)arg;
    return true;
}

static void scan(struct read_work *work, struct read_context *context)
{
    struct work *w = work_of(work);
    if (w->stop) {
        pthread_mutex_lock(w->stop);
        pthread_mutex_unlock(w->stop);
    }
    work->result =
        store_scan(context->store, &(struct store_scan){0}, count_one, &w->seen, &work->why);
}

static void answered(struct read_work *work)
{
    atomic_fetch_add(work_of(work)->answered, 1);
}

static void wait_until(atomic_int *count, int want)
{
    while (atomic_load(count) < want)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* A clock that a yield moves on, as if others had had the core: each look is a step later. */
struct steps_clock {
    struct clock clock;
    int64_t now_ns, step_ns;
    int looks;
};

static int64_t step_on(struct clock *clock)
{
    struct steps_clock *c = (struct steps_clock *)clock;
    c->looks++;
    return c->now_ns += c->step_ns;
}

static void who_waited_keeps_the_core_for_a_share_of_it(void **state)
{
    struct steps_clock clock = {.clock.mono_ns = step_on, .step_ns = 8000};
    struct read_context context = {.clock = &clock.clock};
    readers_give_way(&context);
    check_int("it gave way", clock.looks, 2);
    check_int("kept until", context.keep_until_ns, 16000 + 8000 / READERS_WAIT_SHARE);
    clock.step_ns = 1000;
    readers_give_way(&context);
    check_int("it goes on", clock.looks, 3);
    clock.step_ns = 1001;
    readers_give_way(&context);
    check_int("and gives way again", clock.looks, 5);
}

static void only_so_many_works_are_admitted(void **state)
{
    struct rig rig;
    rig_open(&rig, 3);
    readers_destroy(rig.readers);
    struct why why;
    check_int(
        "create",
        readers_create(&(struct readers_config){.hub = rig.hub, .count = 2}, &rig.readers, &why),
        ERR_OK);
    pthread_mutex_t stop = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&stop);
    atomic_int count = 0;
    struct work *works = xcalloc(READERS_QUEUE_MAX + 2, sizeof(*works));
    for (size_t i = 0; i < READERS_QUEUE_MAX + 2; i++)
        works[i] = (struct work){
            .work = {.run = scan, .reply = answered}, .answered = &count, .stop = &stop};
    for (size_t i = 0; i < READERS_QUEUE_MAX; i++)
        check("admitted", readers_submit(rig.readers, &works[i].work));
    check("full", !readers_submit(rig.readers, &works[READERS_QUEUE_MAX].work));
    readers_post(rig.readers, &works[READERS_QUEUE_MAX].work); /* the engine's always come in */
    pthread_mutex_unlock(&stop);
    wait_until(&count, READERS_QUEUE_MAX + 1);
    while (!readers_submit(rig.readers, &works[READERS_QUEUE_MAX + 1].work))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the gate closes after reply */
    readers_destroy(rig.readers);                                /* what is inside is finished */
    rig.readers = NULL;
    check_int("all are answered", atomic_load(&count), READERS_QUEUE_MAX + 2);
    for (size_t i = 0; i < READERS_QUEUE_MAX + 2; i++)
        check_int("and right", works[i].seen, 3);
    free(works);
    rig_close(&rig);
}

/* ---- the hub on its thread ---- */

enum { CLIENTS = 3, ROUNDS = 60, DEVICES = 8 };

struct client {
    pthread_t thread;
    struct hub *hub;
    struct readers *readers;
    unsigned index;
    pthread_mutex_t lock;
    pthread_cond_t back;
    bool is_back;
    size_t refused;
};

static void come_back(struct hub_task *task)
{
    struct client *client = task->owner;
    pthread_mutex_lock(&client->lock);
    client->is_back = true;
    pthread_cond_signal(&client->back);
    pthread_mutex_unlock(&client->lock);
}

static enum err ask(struct client *client, struct hub_task *task)
{
    task->owner = client;
    task->reply = come_back;
    client->is_back = false;
    hub_post(client->hub, task);
    pthread_mutex_lock(&client->lock);
    while (!client->is_back)
        pthread_cond_wait(&client->back, &client->lock);
    pthread_mutex_unlock(&client->lock);
    enum err result = task->result;
    client->refused += result != ERR_OK;
    return result;
}

struct thread_device { /* an attachment that a client thread owns; its ops run on the hub thread */
    struct attachment at;
    atomic_bool released;
    struct hub *hub;
};

struct answer_back {
    struct method_answer answer;
};

static void free_task(struct hub_task *task)
{
    arena_done(&task->mem);
    free(task);
}

static bool patch_ok(struct attachment *at, int64_t version, struct str payload)
{
    return true;
}

static bool call_ok(struct attachment *at, uint64_t call, struct str method, struct str payload)
{
    struct answer_back *back = xcalloc(1, sizeof(*back));
    method_answer_init(&back->answer);
    back->answer.task.reply = free_task;
    back->answer.number = at->number;
    back->answer.call = call;
    back->answer.status = 200;
    back->answer.payload = STR("1");
    hub_post(((struct thread_device *)at)->hub, &back->answer.task);
    return true;
}

static void close_ok(struct attachment *at, enum close_reason reason)
{
}

static void released(struct attachment *at)
{
    atomic_store(&((struct thread_device *)at)->released, true);
}

static const struct attachment_ops thread_device_ops = {
    .patch = patch_ok, .call = call_ok, .close = close_ok, .released = released};

static enum err anyone(struct attach *attach, const struct identity *identity, struct why *why)
{
    return ERR_OK;
}

static void one_round(struct client *client, unsigned round)
{
    char name[16];
    snprintf(name, sizeof(name), "d%u", 1 + (round + client->index) % DEVICES);
    struct thread_device device = {.at.ops = &thread_device_ops, .hub = client->hub};
    struct attach attach = {.device_id = str_from(name),
                            .module_id = STR(""),
                            .clean = true,
                            .model_id = STR_NONE,
                            .at = &device.at,
                            .authenticate = anyone};
    attach_init(&attach);
    bool attached_ = ask(client, &attach.task) == ERR_OK;
    if (attached_) {
        struct subscribe subscribe = {.at = &device.at,
                                      .generation = device.at.generation,
                                      .filters = SUB_METHODS | SUB_DESIRED};
        subscribe_init(&subscribe);
        ask(client, &subscribe.task);
    }
    struct twin_change change = {.device_id = str_from(name), .module_id = STR("")};
    change.update.has_desired = true;
    change.update.desired = rig_json(&change.task.mem, "{'n':1}");
    twin_change_init(&change);
    ask(client, &change.task);
    struct method_invoke call = {.device_id = str_from(name),
                                 .module_id = STR(""),
                                 .request = {STR("m"), STR("null"), 5, 0}};
    method_invoke_init(&call);
    ask(client, &call.task);
    atomic_int count = 0;
    struct work work = {.work = {.run = scan, .reply = answered}, .answered = &count};
    readers_post(client->readers, &work.work);
    wait_until(&count, 1);
    (void)presence_get(client->hub->presence, 1);
    if (attached_) {
        struct detach detach = {.at = &device.at, .generation = device.at.generation};
        detach_init(&detach);
        ask(client, &detach.task);
        check("released before the answer to a detach", atomic_load(&device.released));
    }
    arena_done(&attach.task.mem);
    arena_done(&change.task.mem);
    arena_done(&call.task.mem);
}

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (unsigned round = 0; round < ROUNDS; round++)
        one_round(client, round);
    return NULL;
}

static void many_threads_share_the_hub(void **state)
{
    struct rig rig;
    struct why why;
    rig_open(&rig, DEVICES);
    readers_destroy(rig.readers);
    hub_destroy(rig.hub);
    struct hub_config config = {
        .store = rig.store, .clock = clock_system(), .random = random_system()};
    check_int("hub", hub_create(&config, &rig.hub, &why), ERR_OK);
    check_int("readers",
              readers_create(&(struct readers_config){.hub = rig.hub}, &rig.readers, &why), ERR_OK);
    check_int("start", hub_start(rig.hub, &why), ERR_OK);
    struct client clients[CLIENTS] = {0};
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.hub = rig.hub,
                                     .readers = rig.readers,
                                     .index = i,
                                     .lock = PTHREAD_MUTEX_INITIALIZER,
                                     .back = PTHREAD_COND_INITIALIZER};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    hub_stop(rig.hub);
    hub_stop(rig.hub); /* twice does no harm */
    int64_t versions = 0;
    for (unsigned i = 1; i <= DEVICES; i++)
        versions += stored(&rig, str_format(&rig.mem, "d%u", i).ptr)->desired.version - 1;
    check_int("no change is lost", versions, CLIENTS * ROUNDS);
    check_int("nobody is left", rig.hub->attachments.count, 0);
    check_int("nor any call", rig.hub->calls.count, 0);
    rig_close(&rig);
}

static void the_end_flushes_presence(void **state)
{
    struct rig rig;
    struct why why;
    rig_open(&rig, 2);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    enum { PAGES = 150 }; /* more than one turn flushes */
    for (uint32_t i = 1; i < PAGES; i++)
        presence_touch(rig.hub->presence, i * STORE_PRESENCE_PAGE, RIG_EPOCH + 5);
    check_int("start", hub_start(rig.hub, &why), ERR_OK);
    hub_stop(rig.hub);
    check("devices are let go", d1.released);
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("the first page", presence_get(rig.hub->presence, 1).changed_ticks, RIG_EPOCH);
    for (uint32_t i = 1; i < PAGES; i++)
        check_int("all others",
                  presence_get(rig.hub->presence, i * STORE_PRESENCE_PAGE).activity_ticks,
                  RIG_EPOCH + 5);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waited_keeps_the_core_for_a_share_of_it),
        cmocka_unit_test(only_so_many_works_are_admitted),
        cmocka_unit_test(many_threads_share_the_hub),
        cmocka_unit_test(the_end_flushes_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
