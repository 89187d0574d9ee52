#include "app/interrupt.h"
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t noted;

static void note(int signal)
{
    noted = 1;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    noted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A connection that breaks is an error of a write, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
}

bool interrupted(void)
{
    return noted != 0;
}

void interrupt_sleep_ms(int64_t ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (!interrupted())
        nanosleep(&rest, NULL);
}
