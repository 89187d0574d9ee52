/* `muster job watch`: progress until a job is final, then what failed and why. */
#include "app/interrupt.h"
#include "app/job_cli.h"
#include "app/term.h"
#include "base/clock.h"
#include <stdio.h>
#include <unistd.h>

enum {
    LOOK_MS = 250,        /* between looks, at first */
    LOOK_LATER_MS = 1000, /* and after LOOK_SOON_S, so that a long job is not asked all the time */
    LOOK_SOON_S = 10,
    LINE_S = 5,                  /* between lines where no line can be written over */
    PATIENCE_S = 60,             /* with a hub that went away, once it had answered */
    LOOK_AT_FAILED_MAX = 20000,  /* records read to group failures */
    LOOK_AT_ANSWERS_MAX = 20000, /* method answers are grouped for jobs up to this */
};

struct watch {
    struct service *service;
    const struct job_options *options;
    struct job_pace pace;
    int64_t begun_ns, line_ns, heard_ns; /* heard_ns: the last answer; 0 before the first */
    char status[32];                     /* of the last line */
    bool live;
};

static int64_t now_ns(void)
{
    struct clock *clock = clock_system();
    return clock->mono_ns(clock);
}

static int64_t seconds_ns(int64_t seconds)
{
    return seconds * 1000000000;
}

/* ---- progress ---- */

static void show(struct watch *watch, const struct job_view *view)
{
    struct clock *clock = clock_system();
    struct buf line = {0};
    int64_t now = now_ns();
    job_pace_add(&watch->pace, now, view->ok + view->failed);
    double rate = job_pace_rate(&watch->pace);
    if (watch->live) {
        job_view_put_line(&line, view, rate, clock->wall_ticks(clock),
                          term_columns(STDERR_FILENO) - 1);
        term_live(buf_str(&line));
    } else if (!str_eq(job_view_word(view), str_from(watch->status)) ||
               now - watch->line_ns >= seconds_ns(LINE_S)) {
        job_view_put_plain(&line, view, rate, clock->wall_ticks(clock));
        fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&line)));
        snprintf(watch->status, sizeof watch->status, "%.*s", STR_ARG(job_view_word(view)));
        watch->line_ns = now;
    }
    buf_done(&line);
}

/* A hub that restarts in the middle of a job is no reason to stop watching. */
static bool be_patient(struct watch *watch, enum err err, const struct why *why)
{
    bool passing = err == ERR_OUTSIDE || err == ERR_BUSY;
    if (!passing || !watch->heard_ns || interrupted() ||
        now_ns() - watch->heard_ns > seconds_ns(PATIENCE_S))
        return false;
    if (watch->live)
        term_live(STR("the hub does not answer, trying again"));
    return true;
}

static enum err watch_on(struct watch *watch, struct arena *mem, struct job_view *view,
                         struct str *json, struct why *why)
{
    watch->begun_ns = now_ns();
    for (;;) {
        arena_reset(mem);
        enum err err = job_fetch(watch->service, watch->options, mem, view, json, why);
        if (err != ERR_OK && !be_patient(watch, err, why))
            return err;
        if (err == ERR_OK) {
            watch->heard_ns = now_ns();
            show(watch, view);
            if (job_view_is_final(view))
                return ERR_OK;
        }
        bool soon = now_ns() - watch->begun_ns < seconds_ns(LOOK_SOON_S);
        interrupt_sleep_ms(soon ? LOOK_MS : LOOK_LATER_MS);
        if (interrupted())
            return err_fail(ERR_BUSY, why, "watching ended, the job goes on");
    }
}

/* ---- what came of it ---- */

struct tally {
    struct job_groups groups;
    uint64_t left; /* records that may still be looked at */
};

static bool count(void *arg, yyjson_val *record)
{
    struct tally *tally = arg;
    job_groups_add(&tally->groups, record);
    return --tally->left > 0 && !interrupted();
}

static enum err tell(struct watch *watch, const struct job_view *view, struct why *why)
{
    struct tally tally = {.left = LOOK_AT_FAILED_MAX};
    struct buf out = {0};
    enum err err = ERR_OK;
    job_view_put_summary(&out, view);
    if (view->failed > 0 && !str_eq(view->status, STR("cancelled")))
        err = job_records(watch->service, watch->options, "failed", count, &tally, why);
    bool partly = tally.left == 0;
    tally.left = LOOK_AT_ANSWERS_MAX;
    if (err == ERR_OK && view->method.len > 0 && view->ok > 0 && view->ok <= LOOK_AT_ANSWERS_MAX)
        err = job_records(watch->service, watch->options, "completed", count, &tally, why);
    job_groups_put(&out, &tally.groups);
    if (partly)
        buf_printf(&out, "          (of the first %d failures)\n", LOOK_AT_FAILED_MAX);
    if (view->failed > 0 && err == ERR_OK)
        buf_printf(&out, "see all: muster job results --failed %s\n", watch->options->id);
    term_print(&out);
    buf_done(&out);
    job_groups_done(&tally.groups);
    return err;
}

static int verdict(const struct job_view *view)
{
    if (!str_eq(view->status, STR("completed")))
        return EXIT_FAILED;
    return view->failed > 0 ? EXIT_PARTLY : EXIT_OK;
}

int job_watch(struct service *service, const struct job_options *options)
{
    struct watch watch = {
        .service = service, .options = options, .live = term_is_tty(STDERR_FILENO)};
    struct arena mem = {0};
    struct job_view view;
    struct str json;
    struct why why;
    enum err err = watch_on(&watch, &mem, &view, &json, &why);
    if (watch.live)
        term_live_end();
    int code = EXIT_FAILED;
    if (err == ERR_OK && options->json)
        printf("%.*s\n", STR_ARG(json));
    else if (err == ERR_OK)
        err = tell(&watch, &view, &why);
    if (err == ERR_OK)
        code = verdict(&view);
    else if (interrupted())
        fprintf(stderr,
                "the job goes on: 'muster job watch %s' shows it, 'muster job cancel %s' ends it\n",
                options->id, options->id);
    else
        job_complain(options, err, &why);
    arena_done(&mem);
    return code;
}
