#include "kit.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void must(bool done, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

uint32_t random_below(uint32_t below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 33) % below);
}

/* ---- runs ---- */

void runs_add(struct runs *runs, double value)
{
    must(runs->count < KIT_RUNS_MAX, "too many runs");
    runs->at[runs->count++] = value;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double share_of(double *values, size_t count, double share)
{
    must(count > 0, "nothing was measured");
    qsort(values, count, sizeof *values, by_size);
    size_t at = (size_t)((double)count * share);
    return values[at < count ? at : count - 1];
}

double runs_median(const struct runs *runs)
{
    struct runs sorted = *runs;
    return share_of(sorted.at, sorted.count, 0.5);
}

double runs_least(const struct runs *runs)
{
    struct runs sorted = *runs;
    return share_of(sorted.at, sorted.count, 0);
}

double runs_most(const struct runs *runs)
{
    struct runs sorted = *runs;
    return share_of(sorted.at, sorted.count, 1);
}

unsigned runs_wanted(void)
{
    const char *text = getenv("MUSTER_BENCH_RUNS");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : RUNS;
    must(wanted >= 1 && wanted <= KIT_RUNS_MAX, "MUSTER_BENCH_RUNS is a number from 1 to 64");
    return (unsigned)wanted;
}

/* ---- printing ---- */

static void first_value(const char *path, const char *key, char *out, size_t size)
{
    char line[512];
    snprintf(out, size, "?");
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        char *value = strpbrk(line, ":=");
        snprintf(out, size, "%s", value ? value + 1 + strspn(value + 1, " \t\"") : "?");
        out[strcspn(out, "\"\n")] = 0;
        break;
    }
    if (file)
        fclose(file);
}

void print_machine(const char *title)
{
    struct utsname kernel;
    char cpu[128], system[128];
    double load[3] = {0};
    uname(&kernel);
    getloadavg(load, 3);
    first_value("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    first_value("/etc/os-release", "PRETTY_NAME", system, sizeof system);
    long mib = sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024;
    printf("== %s\n", title);
    printf("   %ld cores of %s, %ld GB, %s, Linux %s, gcc %s, load %.1f before\n",
           sysconf(_SC_NPROCESSORS_ONLN), cpu, (mib + 512) / 1024, system, kernel.release,
           __VERSION__, load[0]);
    fflush(stdout);
}

void print_figure(const char *name, double value, const char *unit, enum figure_target kind,
                  double target)
{
    bool met = kind == FIGURE_AT_MOST ? value <= target : value >= target;
    printf("   %-58s %12.*f %-10s", name, value < 1 ? 4 : value < 100 ? 2 : 0, value, unit);
    if (kind != FIGURE_REPORTED)
        printf(" target: at %s %g: %s", kind == FIGURE_AT_MOST ? "most" : "least", target,
               met ? "met" : "MISSED");
    printf("\n");
    fflush(stdout);
}

/* ---- folders ---- */

const char *bench_path(struct arena *mem, const char *name)
{
    const char *root = getenv("MUSTER_BENCH_DIR");
    root = root ? root : "/tmp/muster-bench";
    mkdir(root, 0700);
    return str_format(mem, "%s/%s", root, name).ptr;
}

static void each_file(const char *path, void (*visit)(void *arg, const char *name), void *arg)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_type == DT_REG)
            visit(arg, entry->d_name);
    if (dir)
        closedir(dir);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *bench_folder(struct arena *mem, const char *name)
{
    const char *path = bench_path(mem, name);
    folder_remove(path);
    must(mkdir(path, 0700) == 0, "a folder cannot be made: set MUSTER_BENCH_DIR");
    return path;
}

struct copying {
    const char *from, *to;
};

static void copy_file(void *arg, const char *name)
{
    const struct copying *copying = arg;
    char path[KIT_PATH_MAX];
    static char bytes[1 << 20];
    snprintf(path, sizeof path, "%s/%s", copying->from, name);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/%s", copying->to, name);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(from >= 0 && to >= 0, "a file cannot be copied");
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
        must(write(to, bytes, (size_t)n) == n, "a file cannot be copied: disk full?");
    fsync(to);
    close(from);
    close(to);
}

void folder_copy(const char *from, const char *to)
{
    struct copying copying = {from, to};
    folder_remove(to);
    must(mkdir(to, 0700) == 0, "a folder cannot be made");
    each_file(from, copy_file, &copying);
}

const char *program_folder(struct arena *mem)
{
    char path[KIT_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    must(length > 0, "/proc/self/exe cannot be read");
    path[length] = 0;
    *strrchr(path, '/') = 0;
    return str_copy(mem, str_from(path)).ptr;
}

/* ---- processes ---- */

int64_t process_kib(pid_t pid, const char *what)
{
    char path[64], value[128];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    first_value(path, what, value, sizeof value);
    return strtoll(value, NULL, 10);
}

double process_cpu_s(pid_t pid)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    must(file && fgets(line, sizeof line, file), "no such process");
    fclose(file);
    unsigned long user, system;
    char *rest = strrchr(line, ')');
    must(rest && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) == 2,
         "/proc/PID/stat cannot be read");
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 &&
             getsockname(fd, (struct sockaddr *)&at, &size) == 0,
         "no free port");
    close(fd);
    return ntohs(at.sin_port);
}
