/* kit.h - what the measurements share: time, folders, figures.
 *
 * A measurement that cannot be made ends the program: must(). Medians are of RUNS runs in which
 * subject and bound take turns, so that a busy machine is busy for both. */
#pragma once
#include "base/arena.h"
#include "base/str.h"
#include <sys/types.h>

enum { RUNS = 5, KIT_PATH_MAX = 512, KIT_RUNS_MAX = 64 };

void must(bool done, const char *what);
double seconds(void); /* of the monotonic clock */
void pause_ms(int64_t ms);
uint32_t random_below(uint32_t below); /* the same numbers in every run of a program */

/* Results of runs, in the order in which they came. */
struct runs {
    double at[KIT_RUNS_MAX];
    size_t count;
};
void runs_add(struct runs *runs, double value);
double runs_median(const struct runs *runs);
double runs_least(const struct runs *runs);
double runs_most(const struct runs *runs);
/* How many runs: MUSTER_BENCH_RUNS in the environment, else RUNS. */
unsigned runs_wanted(void);

/* A sorted share of many values, 0.99 for p99. Sorts in place. */
double share_of(double *values, size_t count, double share);

/* The processor, cores, memory, system and compiler, in a line. Flushes as it goes. */
void print_machine(const char *title);

/* A line of the table: name, figure, unit, and the target with whether it is met. A target of 0 is
 * none. `bench/chart.py` and `bench/all` read these lines. */
enum figure_target { FIGURE_REPORTED, FIGURE_AT_MOST, FIGURE_AT_LEAST };
void print_figure(const char *name, double value, const char *unit, enum figure_target kind,
                  double target);

/* Folders live under MUSTER_BENCH_DIR, else /tmp/muster-bench. `folder` gives `name` in there, empty,
 * `fleet` templates are kept. Paths live in `mem`. */
const char *bench_folder(struct arena *mem, const char *name);
const char *bench_path(struct arena *mem, const char *name); /* not emptied, perhaps not there */
void folder_remove(const char *path);
/* Its regular files, one level: what a hub keeps without uploads. On disk when it returns. */
void folder_copy(const char *from, const char *to);
/* The folder of this program's own file; "" never. */
const char *program_folder(struct arena *mem);

/* A line of /proc/PID/status in KiB: "VmRSS", "RssAnon", "VmHWM". */
int64_t process_kib(pid_t pid, const char *what);
double process_cpu_s(pid_t pid); /* user and system, of all its threads */
/* On 127.0.0.1; nobody listens there now. A server takes it a moment later. */
uint16_t free_port(void);
