/* check.h - what the tables of these tests share: a failure names the rule that was broken. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static inline void check(const char *rule, bool holds)
{
    if (!holds)
        fail_msg("broken rule: %s", rule);
}

static inline void check_str(const char *rule, struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("broken rule: %s\n  got  \"%.*s\"\n  want \"%.*s\"", rule, STR_ARG(got),
                 STR_ARG(want));
}

#define check_int(rule, got, want) check_int64((rule), (int64_t)(got), (int64_t)(want))
static inline void check_int64(const char *rule, int64_t got, int64_t want)
{
    if (got != want)
        fail_msg("broken rule: %s: got %lld, want %lld", rule, (long long)got, (long long)want);
}

/* `act` must stop the process by abort(). It runs in a child, whose complaint nobody wants to see.
 */
static inline void check_stops(const char *rule, void (*act)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        act();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    check(rule, WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
