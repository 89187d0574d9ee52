/* Power cuts in the middle of jobs: nothing acknowledged is lost, nothing is done twice.
 *
 *   parent                       child, a life
 *   copy the folder       --->   hub, engine and devices in process, on a disk that forgets
 *   dies at operation n   <---   (create the job, tell;) run, until the disk ends it
 *   next life, perhaps with another cut, ... until a life ends by itself
 *   verify                --->   a last look: targets, records, statistics, calls
 *
 * n is drawn from 1 to the operations of a run without a cut. What a device was called is written to
 * a file and synced before the device does anything, so that calls of all lives can be counted.
 *
 * usage: crash_test [runs of each kind [seed]] */
#include "../base/folder.h"
#include "../job/jobs.h"
#include "../store/lossy_vfs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

enum {
    TWIN_DEVICES = 2000,
    METHOD_DEVICES = 200,
    RUNS_DEFAULT = 20,
    LIVES_MAX = 50,   /* more cannot be needed: cuts get rarer from life to life */
    COME_AT_ONCE = 7, /* devices that attach per turn */
    TURNS_MAX = 5000,
    EXIT_BROKEN = 1,
};

enum kind { TWIN, METHOD, KINDS };
static const char *const kind_words[KINDS] = {"twin", "method"};
static const char *const bodies[KINDS] = {TWIN_JOB("*", DESIRED_FAN), METHOD_JOB("*")};
static const uint32_t device_counts[KINDS] = {TWIN_DEVICES, METHOD_DEVICES};

/* What is known outside the hub: files beside its folder. */
struct trial {
    enum kind kind;
    char dir[64];        /* the hub's */
    char notes[96];      /* "created": the operator was told; "call <number>": a device was */
    char operations[96]; /* how many a life made that ended by itself */
};

static void broken(const char *rule, const char *detail)
{
    fprintf(stderr, "broken rule: %s%s%s\n", rule, *detail ? ": " : "", detail);
    _exit(EXIT_BROKEN);
}

/* ---- notes ---- */

static void note(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size_t size = strlen(line);
    if (fd < 0 || write(fd, line, size) != (ssize_t)size || fsync(fd) != 0)
        broken("the test's own notes can be written", path);
    close(fd);
}

static bool was_created(const struct trial *trial)
{
    char line[32];
    bool created = false;
    FILE *file = fopen(trial->notes, "re");
    while (file && fgets(line, sizeof(line), file))
        created |= strcmp(line, "created\n") == 0;
    if (file)
        fclose(file);
    return created;
}

static void count_calls(const struct trial *trial, unsigned *calls)
{
    char line[32];
    uint64_t number;
    FILE *file = fopen(trial->notes, "re");
    while (file && fgets(line, sizeof(line), file)) {
        struct str text = str_of(line, strcspn(line, "\n"));
        if (str_starts(text, STR("call ")) &&
            str_to_u64(str_skip(text, 5), METHOD_DEVICES, &number))
            calls[number]++;
    }
    if (file)
        fclose(file);
}

/* ---- devices ---- */

static const struct trial *living; /* the trial of this child */

static bool note_call(struct attachment *at, uint64_t call, struct str method, struct str payload)
{
    struct device *device = (struct device *)at;
    char line[32];
    snprintf(line, sizeof(line), "call %u\n", at->number);
    note(living->notes, line);
    if (at->number % 10 != 0) /* every tenth takes its time: see below */
        device_answer(device, call, 200, at->number % 3 ? "\"done\"" : "{\"level\":3}");
    else
        device->calls[device->call_count++] = call;
    return true;
}

static bool no_patch(struct attachment *at, int64_t version, struct str payload)
{
    return true;
}

static void nothing(struct attachment *at, enum close_reason reason)
{
}

static void let_go(struct attachment *at)
{
}

static const struct attachment_ops noting_ops = {
    .patch = no_patch, .call = note_call, .close = nothing, .released = let_go};

static void come(struct job_rig *jobs, struct device *device, uint32_t number)
{
    *device = (struct device){.rig = &jobs->rig,
                              .id = str_format(&jobs->rig.mem, "d%u", number).ptr,
                              .at.ops = &noting_ops};
    rig_submit(&jobs->rig, &attach_task(device, true)->task);
}

static void subscribe_to_methods(struct device *device)
{
    struct subscribe *task = rig_task(device->rig, subscribe);
    subscribe_init(task);
    task->at = &device->at;
    task->generation = device->at.generation;
    task->filters = SUB_METHODS;
    rig_submit(device->rig, &task->task);
}

/* Some come in each turn; those who took their time answer one turn later. */
static void move_fleet(struct job_rig *jobs, struct device *fleet, uint32_t *here)
{
    for (uint32_t i = 0; i < *here; i++) {
        if (fleet[i].generation == 0 && fleet[i].at.generation) {
            fleet[i].generation = fleet[i].at.generation;
            subscribe_to_methods(&fleet[i]);
        }
        if (fleet[i].call_count) {
            device_answer(&fleet[i], fleet[i].calls[0], 200, "null");
            fleet[i].call_count = 0;
        }
    }
    for (int i = 0; i < COME_AT_ONCE && *here < METHOD_DEVICES; i++, ++*here)
        come(jobs, &fleet[*here], *here + 1);
}

/* ---- a life ---- */

static struct job *find_job(struct job_rig *jobs)
{
    struct job *job;
    struct why why;
    if (store_find_job(store_main(jobs->rig.store), STR("j"), 0, &jobs->rig.mem, &job, &why) !=
        ERR_OK)
        broken("the job can be read", why.text);
    return job;
}

static void create(struct job_rig *jobs, const struct trial *trial)
{
    if (find_job(jobs))
        return;
    if (was_created(trial))
        broken("an acknowledged job is there", "");
    struct job_create *task = create_job(jobs, "j", bodies[trial->kind]);
    rig_submit(&jobs->rig, &task->task);
    rig_turn(&jobs->rig);
    if (rig_fault(&task->task))
        broken("the job is created", task->task.why.text);
    note(trial->notes, "created\n");
}

static void live(const struct trial *trial, const struct lossy_plan *plan)
{
    struct job_rig jobs;
    struct device *fleet = xcalloc(METHOD_DEVICES, sizeof(*fleet));
    uint32_t here = trial->kind == METHOD ? 0 : METHOD_DEVICES;
    living = trial;
    lossy_vfs_register("lossy");
    lossy_vfs_arm(plan);
    jobs_open_at(&jobs, trial->dir);
    create(&jobs, trial);
    for (int turn = 0; !job_is_final(find_job(&jobs)->state); turn++) {
        if (turn == TURNS_MAX)
            broken("the job comes to its end", "");
        if (trial->kind == METHOD)
            move_fleet(&jobs, fleet, &here);
        rig_turn(&jobs.rig);
        arena_reset(&jobs.rig.mem);
        for (uint32_t i = 0; trial->kind == METHOD && i < here; i++)
            fleet[i].id = "d";
    }
    jobs_close(&jobs);
    free(fleet);
    char line[32];
    snprintf(line, sizeof(line), "%" PRIu64 "\n", lossy_vfs_count());
    note(trial->operations, line);
}

/* ---- the last look ---- */

static bool check_record(void *arg, uint32_t number, const struct job_record *record)
{
    const unsigned *calls = arg;
    if (record->status != RECORD_COMPLETED && record->status != RECORD_FAILED)
        broken("every device has an outcome", record_status_word(record->status));
    if (record->status == RECORD_COMPLETED && calls[number] != 1)
        broken("who answered was called", "");
    return true;
}

static void verify(const struct trial *trial)
{
    struct job_rig jobs;
    unsigned calls[METHOD_DEVICES + 1] = {0};
    uint32_t devices = device_counts[trial->kind];
    jobs_open_at(&jobs, trial->dir);
    const struct job *job = job_now(&jobs, "j");
    check_int("the job is completed", job->state, JOB_COMPLETED);
    check_int("all devices are targets", job->counts.devices, devices);
    check_int("all are counted", job->counts.succeeded + job->counts.failed, devices);
    records(&jobs, "j"); /* the statistics equal the records */
    if (trial->kind == TWIN) {
        check_int("every update succeeded", job->counts.succeeded, devices);
        check_versions("every target is updated exactly once", &jobs, 1, devices, 2);
        for (uint32_t i = 1; i <= devices; i++)
            check_str("to the right value",
                      stored(&jobs.rig, str_format(&jobs.rig.mem, "d%u", i).ptr)->desired.values,
                      STR("{\"fan\":3}"));
    } else {
        count_calls(trial, calls);
        for (uint32_t i = 1; i <= devices; i++)
            check("no device is called twice, whatever happens", calls[i] <= 1);
        struct why why;
        check_int("records",
                  records_of_job(store_main(jobs.rig.store), job, 0, &(struct records_filter){0},
                                 &(struct records_visit){check_record, calls}, &why),
                  ERR_OK);
    }
    jobs_close(&jobs);
}

/* ---- the parent ---- */

/* Run a step in a process of its own; gives how it ended. */
static int in_child(void (*step)(const struct trial *, const struct lossy_plan *),
                    const struct trial *trial, const struct lossy_plan *plan)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        step(trial, plan);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void verify_step(const struct trial *trial, const struct lossy_plan *plan)
{
    verify(trial);
}

static void fill_step(const struct trial *trial, const struct lossy_plan *plan)
{
    struct rig rig;
    rig_open_store(&rig, device_counts[trial->kind]);
    note(trial->notes, rig.dir); /* the folder is the result */
    rig_stop(&rig);
}

/* A folder with all devices in it, to be copied for each trial. */
static void make_template(enum kind kind, char dir[64])
{
    struct trial trial = {.kind = kind};
    snprintf(trial.notes, sizeof(trial.notes), "/tmp/muster-crash-template.%d", getpid());
    if (in_child(fill_step, &trial, NULL) != 0)
        broken("the template is made", "");
    FILE *file = fopen(trial.notes, "re");
    if (!file || !fgets(dir, 64, file))
        broken("the template has a name", "");
    fclose(file);
    unlink(trial.notes);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t got = 0;
    while (in >= 0 && out >= 0 && (got = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)got) != got)
            broken("the folder can be copied", to);
    if (in < 0 || out < 0 || got < 0)
        broken("the folder can be copied", from);
    close(in);
    close(out);
}

static void trial_begin(struct trial *trial, enum kind kind, const char *template)
{
    static const char form[] = "/tmp/muster-crash-XXXXXX";
    *trial = (struct trial){.kind = kind};
    memcpy(trial->dir, form, sizeof(form));
    if (!mkdtemp(trial->dir))
        broken("a folder can be made", "");
    snprintf(trial->notes, sizeof(trial->notes), "%s.notes", trial->dir);
    snprintf(trial->operations, sizeof(trial->operations), "%s.operations", trial->dir);
    DIR *folder = opendir(template);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char from[400], to[400];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(from, sizeof(from), "%s/%s", template, entry->d_name);
        snprintf(to, sizeof(to), "%s/%s", trial->dir, entry->d_name);
        copy_file(from, to);
    }
    if (folder)
        closedir(folder);
}

static void trial_end(const struct trial *trial)
{
    unlink(trial->notes);
    unlink(trial->operations);
    folder_remove(trial->dir);
}

/* What a whole run without a cut needs of the disk. */
static uint64_t count_operations(enum kind kind, const char *template)
{
    struct trial trial;
    char line[32] = "";
    uint64_t count = 0;
    trial_begin(&trial, kind, template);
    if (in_child(live, &trial, &(struct lossy_plan){0}) != 0 ||
        in_child(verify_step, &trial, NULL) != 0)
        broken("a run without a cut is right", kind_words[kind]);
    FILE *file = fopen(trial.operations, "re");
    if (!file || !fgets(line, sizeof(line), file) ||
        !str_to_u64(str_of(line, strcspn(line, "\n")), UINT64_MAX, &count) || count == 0)
        broken("the operations are counted", "");
    fclose(file);
    trial_end(&trial);
    return count;
}

struct tally {
    uint64_t lives, cuts;
};

/* Cut at n; then with falling probability again and again. */
static bool run_trial(enum kind kind, const char *template, uint64_t operations, uint64_t seed,
                      struct tally *tally)
{
    struct random_fake random;
    struct trial trial;
    random_fake_init(&random, seed);
    uint64_t n = 1 + random_u64(&random.random) % operations;
    trial_begin(&trial, kind, template);
    printf("%s job, seed %" PRIu64 ", n %" PRIu64 " of %" PRIu64 ":", kind_words[kind], seed, n,
           operations);
    int end = LOSSY_EXIT;
    for (unsigned life = 0; end == LOSSY_EXIT && life < LIVES_MAX; life++) {
        struct lossy_plan plan = {.die_at = n,
                                  .survivors = random_u64(&random.random) % 2 == 0,
                                  .seed = random_u64(&random.random)};
        end = in_child(live, &trial, &plan);
        tally->lives++;
        tally->cuts += end == LOSSY_EXIT;
        printf(" %s", end == LOSSY_EXIT ? "cut" : end == 0 ? "done" : "BROKEN");
        bool again = random_u64(&random.random) % (life + 2) == 0;
        n = again ? 1 + random_u64(&random.random) % operations : 0;
    }
    if (end == 0)
        end = in_child(verify_step, &trial, NULL);
    printf("%s\n", end == 0 ? "" : " BROKEN");
    if (end != 0)
        printf("replay: crash_test 1 %" PRIu64 " (the %s job; left in %s)\n", seed,
               kind_words[kind], trial.dir);
    else
        trial_end(&trial);
    return end == 0;
}

int main(int argc, char **argv)
{
    uint64_t runs = RUNS_DEFAULT, seed = 1;
    if (argc > 3 || (argc > 1 && !str_to_u64(str_from(argv[1]), 1000000, &runs)) ||
        (argc > 2 && !str_to_u64(str_from(argv[2]), UINT64_MAX, &seed))) {
        fprintf(stderr, "usage: crash_test [runs of each kind [seed]]\n");
        return 2;
    }
    unsigned broken_count = 0;
    struct tally tally = {0};
    for (enum kind kind = 0; kind < KINDS; kind++) {
        char template[64];
        make_template(kind, template);
        uint64_t operations = count_operations(kind, template);
        for (uint64_t i = 0; i < runs; i++)
            broken_count += !run_trial(kind, template, operations, seed + i, &tally);
        folder_remove(template);
    }
    printf("%" PRIu64 " runs of each kind, %" PRIu64 " lives, %" PRIu64 " power cuts, %u broken\n",
           runs, tally.lives, tally.cuts, broken_count);
    return broken_count ? EXIT_BROKEN : 0;
}
