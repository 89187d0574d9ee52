/* `muster job run`: describe a job, create it, watch it. `muster job retry`: once more, likewise. */
#include "app/job_cli.h"
#include "base/clock.h"
#include "model/job.h"
#include <stdio.h>

static int64_t now_ticks(void)
{
    struct clock *clock = clock_system();
    return clock->wall_ticks(clock);
}

static int refuse(const struct job_options *options, enum err err, const struct why *why)
{
    job_complain(options, err, why);
    return EXIT_USAGE;
}

static int create(struct service *service, struct job_options *options, struct arena *mem)
{
    struct buf body = {0};
    struct why why;
    int64_t now = now_ticks();
    if (!options->id)
        options->id = job_request_id(options, now, (uint16_t)random_u64(random_system()), mem).ptr;
    enum err err = job_request_write(options, str_from(options->id), now, &body, &why);
    struct service_answer answer;
    int code = err != ERR_OK ? refuse(options, err, &why)
                             : job_ask(service, options,
                                       &(struct service_request){.method = "PUT",
                                                                 .path = job_path(mem, options, ""),
                                                                 .body = buf_str(&body),
                                                                 .continue_at = STR_NONE},
                                       mem, &answer);
    buf_done(&body);
    return code;
}

/* The child's id comes with the answer. */
static int create_child(struct service *service, struct job_options *options, struct arena *mem)
{
    struct buf body = {0};
    struct why why;
    struct job_view child;
    yyjson_val *root;
    struct service_answer answer;
    enum err err = job_change_write(options, now_ticks(), &body, &why);
    int code = err != ERR_OK
                   ? refuse(options, err, &why)
                   : job_ask(service, options,
                             &(struct service_request){.method = "POST",
                                                       .path = job_path(mem, options, "/retry"),
                                                       .body = buf_str(&body),
                                                       .continue_at = STR_NONE},
                             mem, &answer);
    buf_done(&body);
    if (code != EXIT_OK)
        return code;
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 64};
    if (json_read(answer.body, &limits, mem, &root, &why) != ERR_OK || !job_view_read(root, &child))
        return job_complain(
            options, err_fail(ERR_CORRUPT, &why, "the hub's answer is not a job in JSON"), &why);
    options->id = str_copy(mem, child.id).ptr;
    return EXIT_OK;
}

static int create_and_watch(struct service *service, const struct job_options *given,
                            int (*make)(struct service *service, struct job_options *options,
                                        struct arena *mem))
{
    struct arena mem = {0};
    struct job_options options = *given;
    struct why why;
    enum err err = job_input_read(&options, &mem, &why);
    int code = err == ERR_OK ? make(service, &options, &mem) : refuse(&options, err, &why);
    if (code == EXIT_OK && options.no_wait) {
        printf("%s\n", options.id);
    } else if (code == EXIT_OK) {
        fprintf(stderr, "job %s created\n", options.id);
        code = job_watch(service, &options);
    }
    arena_done(&mem);
    return code;
}

int job_run(struct service *service, const struct job_options *options)
{
    return create_and_watch(service, options, create);
}

int job_retry(struct service *service, const struct job_options *options)
{
    return create_and_watch(service, options, create_child);
}
