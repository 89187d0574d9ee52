/* Power cuts while the hub tells of its changes: no event is lost, and none comes out of order.
 *
 *   parent                       child, a life
 *   new folder            --->   hub with an event log, on a disk that forgets
 *   dies at operation n   <---   change twins, note each that was acknowledged, until the disk ends it
 *   next life, ... until one ends by itself: all changes made, all told
 *   verify                --->   every change of a twin stands in the log, first times in order
 *
 * usage: outbox_crash_test [runs [seed]] */
#include "../base/folder.h"
#include "../hub/rig.h"
#include "../store/lossy_vfs.h"
#include "hub/outbox.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANGES = 120, DEVICES = 3, RUNS_DEFAULT = 20, LIVES_MAX = 60, EXIT_BROKEN = 1 };

static void broken(const char *rule, unsigned device, int64_t n)
{
    fprintf(stderr, "broken rule: %s (d%u, change %lld)\n", rule, device, (long long)n);
    _exit(EXIT_BROKEN);
}

/* The last change of each device that an operator was told of: a byte per change in a file of its own. */
static int64_t acknowledged(const char *notes, unsigned device)
{
    char byte;
    int64_t count = 0;
    int fd = open(notes, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && read(fd, &byte, 1) == 1)
        count += (unsigned char)byte == device;
    if (fd >= 0)
        close(fd);
    return count;
}

static void note(const char *notes, unsigned device)
{
    char byte = (char)device;
    int fd = open(notes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &byte, 1) != 1 || fsync(fd) != 0)
        broken("the test's own notes can be written", device, 0);
    close(fd);
}

/* How often a twin was changed so far: each change adds one to its number. */
static int64_t changes_of(struct rig *rig, unsigned device)
{
    const struct entity *entity = stored(rig, str_format(&rig->mem, "d%u", device).ptr);
    const struct json_limits limits = {.size_max = 65536, .depth_max = 4};
    yyjson_val *tags;
    struct why why;
    if (!entity || json_read(entity->tags.values, &limits, &rig->mem, &tags, &why) != ERR_OK)
        broken("the twin can be read", device, 0);
    return yyjson_get_sint(yyjson_obj_get(tags, "n"));
}

static void live(const char *dir, const char *notes, const struct lossy_plan *plan, bool first)
{
    struct rig rig;
    lossy_vfs_register("lossy");
    lossy_vfs_arm(plan);
    rig_open_telling(&rig, dir);
    if (first || rig.hub->counters.next_outbox == 1)
        rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "true");
    for (unsigned device = 1; device <= DEVICES; device++)
        if (changes_of(&rig, device) < acknowledged(notes, device))
            broken("an acknowledged change is there", device, changes_of(&rig, device));
    for (int i = 0; i < CHANGES; i++) {
        unsigned device = 1 + (unsigned)i % DEVICES;
        int64_t n = changes_of(&rig, device) + 1;
        if (n > CHANGES / DEVICES)
            continue;
        char twin[64];
        snprintf(twin, sizeof(twin), "{'tags':{'n':%lld}}", (long long)n);
        struct str id = str_format(&rig.mem, "d%u", device);
        if (rig_result(&rig, &change_twin(&rig, id.ptr, twin)->task) != 0)
            broken("a change is taken", device, n);
        note(notes, device);
        hub_take_in(rig.hub, mailbox_take(&rig.hub->inbox));
    }
    rig_tell(&rig);
    rig_close(&rig);
    _exit(0);
}

static bool see(void *arg, const struct event *event)
{
    int64_t *last = arg; /* by device: the highest change that was told so far */
    struct arena mem = {0};
    const struct json_limits limits = {.size_max = 65536, .depth_max = 8};
    yyjson_val *body;
    struct why why;
    unsigned device = (unsigned)(event->device_id.ptr[1] - '0');
    if (json_read(event->body, &limits, &mem, &body, &why) != ERR_OK)
        broken("an event is whole", device, 0);
    int64_t n = yyjson_get_sint(yyjson_obj_get(yyjson_obj_get(body, "tags"), "n"));
    if (n > last[device] + 1)
        broken("no event is lost, none comes before an older one", device, n);
    if (n > last[device])
        last[device] = n;
    arena_done(&mem);
    return true;
}

static void verify(const char *dir)
{
    struct rig rig;
    int64_t last[DEVICES + 1] = {0};
    struct why why;
    rig_open_telling(&rig, dir);
    rig_tell(&rig);
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        if (eventlog_read(rig.eventlog, i, 0, SIZE_MAX >> 1, see, last, &why) != ERR_OK)
            broken("the event log can be read", 0, i);
    for (unsigned device = 1; device <= DEVICES; device++)
        if (last[device] != CHANGES / DEVICES)
            broken("every change is told", device, last[device]);
    rig_close(&rig);
    _exit(0);
}

static int end_of(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return EXIT_BROKEN;
    return WEXITSTATUS(status);
}

static bool run(uint64_t seed)
{
    char dir[] = "/tmp/muster-outbox-XXXXXX", notes[64];
    struct rig rig;
    if (!mkdtemp(dir))
        return false;
    snprintf(notes, sizeof(notes), "%s.notes", dir);
    pid_t maker = fork();
    if (maker == 0) { /* devices, on a quiet disk */
        rig_open_store(&rig, DEVICES);
        char command[256];
        store_close(rig.store);
        snprintf(command, sizeof(command), "cp -r %s/. %s", rig.dir, dir);
        int copied = system(command);
        folder_remove(rig.dir);
        _exit(copied == 0 ? 0 : EXIT_BROKEN);
    }
    int code = end_of(maker);
    uint64_t draw = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    for (int life = 0; code == 0 || code == LOSSY_EXIT; life++) {
        draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407;
        struct lossy_plan plan = {.die_at = life < LIVES_MAX ? 1 + (draw >> 33) % 900 : 0,
                                  .survivors = true,
                                  .seed = draw};
        pid_t child = fork();
        if (child == 0)
            live(dir, notes, &plan, life == 0);
        code = end_of(child);
        if (code == 0)
            break;
    }
    pid_t judge = code == 0 ? fork() : -1;
    if (judge == 0)
        verify(dir);
    if (judge > 0)
        code = end_of(judge);
    folder_remove(dir);
    unlink(notes);
    if (code != 0)
        fprintf(stderr, "again: outbox_crash_test 1 %llu\n", (unsigned long long)seed);
    return code == 0;
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : RUNS_DEFAULT;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (int i = 0; i < runs; i++)
        if (!run(seed + (uint64_t)i))
            return 1;
    printf("%d runs: nothing lost, nothing out of order\n", runs);
    return 0;
}
