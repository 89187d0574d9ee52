#include "configuring.h"
#include "hub/configurations.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct configuration_put *put_task(struct job_rig *jobs, const char *id, const char *body,
                                          const char *if_match)
{
    struct configuration_put *task = rig_task(&jobs->rig, configuration_put);
    configuration_put_init(task);
    task->id = str_from(id);
    task->body = rig_json(&task->task.mem, body);
    task->if_match = if_match ? str_from(if_match) : STR_NONE;
    return task;
}

uint32_t put(struct job_rig *jobs, const char *id, const char *body, const char *if_match)
{
    return rig_result(&jobs->rig, &put_task(jobs, id, body, if_match)->task);
}

void put_unheard(struct job_rig *jobs, const char *id, const char *body)
{
    rig_submit(&jobs->rig, &put_task(jobs, id, body, NULL)->task);
}

uint32_t take_away(struct job_rig *jobs, const char *id)
{
    struct configuration_delete *task = rig_task(&jobs->rig, configuration_delete);
    configuration_delete_init(task);
    task->id = str_from(id);
    task->if_match = STR_NONE;
    return rig_result(&jobs->rig, &task->task);
}

void made(struct job_rig *jobs, const char *id, const char *body)
{
    check_int(id, put(jobs, id, body, NULL), 0);
}

void changed(struct job_rig *jobs, const char *id, const char *body)
{
    check_int(id, put(jobs, id, body, "*"), 0);
}

/* Desired values of a device, and which configurations it has. */
void check_device(const char *rule, struct job_rig *jobs, const char *id, const char *want)
{
    const struct entity *entity = stored(&jobs->rig, id);
    struct buf configured = {0};
    bool any =
        config_board_put(jobs->rig.hub->configurations->board, entity->id.number, &configured);
    struct str got = str_format(&jobs->rig.mem, "%.*s %.*s", STR_ARG(entity->desired.values),
                                any ? (int)configured.len : 1, any ? configured.ptr : "-");
    char *text = (char *)(uintptr_t)got.ptr;
    for (char *c = text; *c; c++)
        if (*c == '"')
            *c = '\'';
    check_str(rule, got, str_from(want));
    buf_done(&configured);
}

void check_counts(const char *rule, struct job_rig *jobs, const char *id, uint64_t targeted,
                  uint64_t applied)
{
    const struct configurations *all = jobs->rig.hub->configurations;
    for (size_t i = 0; i < all->count; i++) {
        uint64_t counts[2];
        if (!str_eq(all->list[i]->row.id, str_from(id)))
            continue;
        config_board_count(all->board, all->list[i]->row.number, &counts[0], &counts[1]);
        check_int(rule, (int64_t)counts[0], (int64_t)targeted);
        check_int(rule, (int64_t)counts[1], (int64_t)applied);
        return;
    }
    fail_msg("%s: there is no configuration %s", rule, id);
}

void tag(struct job_rig *jobs, const char *id, const char *twin)
{
    check_int(id, rig_result(&jobs->rig, &change_twin(&jobs->rig, id, twin)->task), 0);
}
