/* `muster job cancel, pause, resume, change`: a word to a job that is there. */
#include "app/job_cli.h"
#include <stdio.h>

/* Then "job x {done}". */
static int command(struct service *service, const struct job_options *options, const char *method,
                   const char *tail, struct str body, const char *done)
{
    struct arena mem = {0};
    struct service_answer answer;
    int code = job_ask(service, options,
                       &(struct service_request){.method = method,
                                                 .path = job_path(&mem, options, tail),
                                                 .body = body,
                                                 .continue_at = STR_NONE},
                       &mem, &answer);
    if (code == EXIT_OK && options->json)
        printf("%.*s\n", STR_ARG(answer.body));
    else if (code == EXIT_OK)
        printf("job %s %s\n", options->id, done);
    arena_done(&mem);
    return code;
}

int job_cancel(struct service *service, const struct job_options *options)
{
    return command(service, options, "POST", "/cancel", STR_NONE, "cancelled");
}

int job_pause(struct service *service, const struct job_options *options)
{
    return command(service, options, "POST", "/pause", STR_NONE, "paused");
}

int job_resume(struct service *service, const struct job_options *options)
{
    return command(service, options, "POST", "/resume", STR_NONE, "resumed");
}

int job_change(struct service *service, const struct job_options *given)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct job_options options = *given;
    struct why why;
    enum err err = job_input_read(&options, &mem, &why);
    if (err == ERR_OK && !options.policy && !options.window_s)
        err = err_fail(ERR_BAD_INPUT, &why, "what shall be different? Give --window or --policy");
    if (err == ERR_OK)
        err = job_change_write(&options, 0, &body, &why);
    int code = EXIT_USAGE;
    if (err == ERR_OK)
        code = command(service, &options, "PATCH", "", buf_str(&body), "changed");
    else
        job_complain(&options, err, &why);
    buf_done(&body);
    arena_done(&mem);
    return code;
}
