#include "base/clock.h"
#include "fixture.h"
#include "store_suite.h"

static char dir[64];

static void wipe(void)
{
    if (dir[0])
        folder_remove(dir);
    folder_make(dir);
}

static enum err open_sqlite(bool read_only, struct store **out, struct why *why)
{
    struct store_options options = {.dir = dir, .clock = clock_system(), .read_only = read_only};
    return store_open(&options, out, why);
}

int main(void)
{
    struct store_backend sqlite = {"sqlite", wipe, open_sqlite};
    int failures = store_suite_run(&sqlite);
    folder_remove(dir);
    return failures;
}
