#include "hub/outbox.h"
#include "sim.h"
#include <string.h>

/* Modules: operators make them, delete them, also with their device, and write their twins; modules report. What was
 * answered is there, as for devices. The rest of the oracle does not see them. */

enum { REPORTED_BY_MODULE = 3 };

/* ---- registry ---- */

static void name_of(const struct sim *sim, const struct module_story *module, char out[32])
{
    snprintf(out, 32, "%s/%s", sim->devices[module->device].id, module->id);
}

static void made_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct module_story *module = order->about;
    uint32_t fault = fault_told(task);
    char name[32];
    name_of(sim, module, name);
    module->orders--;
    module->doubt |= was_disturbed(task);
    say(sim, "put of %s: fault %u", name, fault);
    if (was_disturbed(task))
        return;
    uint32_t want = !sim->devices[module->device].number ? (uint32_t)FAULT_DEVICE_NOT_FOUND
                    : module->number                     ? (uint32_t)FAULT_MODULE_ALREADY_EXISTS
                                                         : 0;
    if (fault != want)
        broken(sim, "a module is made once, and beneath a device", "%s: fault %u, not %u", name,
               fault, want);
    if (fault == 0)
        module->number = ((struct registry_put *)task)->result->number;
}

static void make(struct sim *sim, struct module_story *module)
{
    struct registry_put *put = sim_order(sim, registry_put, .told = made_told, .about = module);
    registry_put_init(put);
    put->device_id = str_from(sim->devices[module->device].id);
    put->module_id = str_from(module->id);
    put->if_match = STR_NONE;
    put->body = world_json(&put->task.mem, STR("{}"));
    module->orders++;
    world_submit(sim, &put->task);
}

static void deleted_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct module_story *module = order->about;
    char name[32];
    name_of(sim, module, name);
    module->orders--;
    module->doubt |= was_disturbed(task);
    say(sim, "delete of %s: fault %u", name, fault_told(task));
    if (was_disturbed(task))
        return;
    if ((fault_told(task) == 0) != (module->number != 0))
        broken(sim, "a module is deleted when it exists", "%s", name);
    module->number = 0;
}

static void delete_one(struct sim *sim, struct module_story *module)
{
    struct registry_delete *gone =
        sim_order(sim, registry_delete, .told = deleted_told, .about = module);
    registry_delete_init(gone);
    gone->device_id = str_from(sim->devices[module->device].id);
    gone->module_id = str_from(module->id);
    gone->if_match = STR("*");
    module->orders++;
    world_submit(sim, &gone->task);
}

void modules_device_deleted(struct sim *sim, int device)
{
    for (int i = 0; i < SIM_MODULES; i++)
        if (sim->modules[i].device == device)
            sim->modules[i].number = 0;
}

/* ---- twins ---- */

static void write_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct module_write *write = order->about;
    write->fate = task->result == ERR_OK ? DONE : was_disturbed(task) ? DISTURBED : REFUSED;
    write->refused = write->fate == REFUSED;
    if (task->result == ERR_OK && write->where != MARK_REPORTED)
        write->number = ((struct twin_change *)task)->result->id.number;
}

static void write_twin(struct sim *sim, int index)
{
    struct module_story *module = &sim->modules[index];
    if (sim->module_write_count == SIM_WRITES_MAX)
        return;
    size_t n = sim->module_write_count++;
    struct module_write *write = &sim->module_writes[n];
    *write = (struct module_write){
        .where = chance(sim, 50) ? MARK_TAGS : MARK_DESIRED, .module = index, .fate = SENT};
    struct twin_change *change = sim_order(sim, twin_change, .told = write_told, .about = write);
    struct arena *mem = &change->task.mem;
    struct why why;
    twin_change_init(change);
    change->device_id = str_from(sim->devices[module->device].id);
    change->module_id = str_from(module->id);
    struct str text = write->where == MARK_TAGS
                          ? str_format(mem, "{\"tags\":{\"m%zu\":1}}", n)
                          : str_format(mem, "{\"properties\":{\"desired\":{\"m%zu\":1}}}", n);
    if (twin_update_read(world_json(mem, text), false, &change->update, &why) != ERR_OK)
        broken(sim, "the operator writes what is allowed", "%s", why.text);
    world_submit(sim, &change->task);
}

static void report(struct sim *sim, int index)
{
    if (sim->module_write_count == SIM_WRITES_MAX || !sim->modules[index].number)
        return;
    size_t n = sim->module_write_count++;
    struct module_write *write = &sim->module_writes[n];
    *write = (struct module_write){.where = MARK_REPORTED,
                                   .module = index,
                                   .number = sim->modules[index].number,
                                   .fate = SENT};
    struct twin_report *task = sim_order(sim, twin_report, .told = write_told, .about = write);
    twin_report_init(task);
    task->number = write->number;
    task->patch = world_json(&task->task.mem, str_format(&task->task.mem, "{\"m%zu\":1}", n));
    world_submit(sim, &task->task);
}

void modules_begin(struct sim *sim)
{
    for (int i = 0; i < SIM_MODULES; i++) {
        sim->modules[i].device = (int)draw(sim, (uint64_t)sim->device_count);
        snprintf(sim->modules[i].id, sizeof(sim->modules[i].id), "m%d", i);
    }
}

void modules_play(struct sim *sim)
{
    int index = (int)draw(sim, SIM_MODULES);
    struct module_story *module = &sim->modules[index];
    bool room = sim->hub->counters.next_number + SIM_DEVICES_MAX < SIM_NUMBERS_MAX;
    if (chance(sim, 5) && !module->orders && (module->number || room)) {
        if (module->number && chance(sim, 70))
            delete_one(sim, module);
        else if (room)
            make(sim, module);
    }
    if (chance(sim, 12))
        write_twin(sim, index);
    if (chance(sim, REPORTED_BY_MODULE))
        report(sim, index);
}

/* ---- what must hold ---- */

static unsigned count_marks(struct sim *sim, struct str section)
{
    return (unsigned)yyjson_obj_size(world_json(&sim->look, section));
}

static bool marked(struct sim *sim, const struct entity *twin, size_t n, unsigned where)
{
    const struct str section = where == MARK_TAGS      ? twin->tags.values
                               : where == MARK_DESIRED ? twin->desired.values
                                                       : twin->reported.values;
    char name[24];
    snprintf(name, sizeof(name), "m%zu", n);
    return yyjson_obj_get(world_json(&sim->look, section), name) != NULL;
}

static void check_write(struct sim *sim, size_t n, const struct store_want *all, size_t count,
                        bool recovered)
{
    struct module_write *write = &sim->module_writes[n];
    const struct module_story *module = &sim->modules[write->module];
    uint32_t found = 0;
    for (uint32_t at = 1; at < count; at++) {
        const struct entity *twin = all[at].found;
        if (!twin || twin->id.module_id.len == 0 || !marked(sim, twin, n, write->where))
            continue;
        if (found || !str_eq(twin->id.module_id, str_from(module->id)))
            broken(sim, "a write reaches its own module", "m%zu at number %u", n, at);
        found = at;
    }
    if (recovered && (write->fate == SENT || write->fate == DISTURBED)) {
        write->fate = found ? DONE : REFUSED;
        write->number = found;
    }
    bool lives = write->number && write->number < count && all[write->number].found;
    if (write->fate == DONE && lives && found != write->number)
        broken(sim, "what was answered is there", "m%zu is not at number %u", n, write->number);
    if (write->fate != DONE && found)
        broken(sim, "what was refused, or not answered yet, is not there", "m%zu at number %u", n,
               found);
}

static void check_module(struct sim *sim, struct module_story *module, const struct store_want *all,
                         size_t count, bool recovered)
{
    struct sim_device *device = &sim->devices[module->device];
    const struct entity *there = NULL;
    bool beneath = false;
    char name[32];
    name_of(sim, module, name);
    for (uint32_t n = 1; n < count; n++) {
        const struct entity *entity = all[n].found;
        if (!entity || !str_eq(entity->id.device_id, str_from(device->id)))
            continue;
        beneath |= entity->id.module_id.len == 0;
        if (str_eq(entity->id.module_id, str_from(module->id)))
            there = entity;
    }
    if (there && !beneath)
        broken(sim, "a module goes with its device", "%s", name);
    if (recovered && (module->orders || module->doubt || device->orders || device->doubt))
        module->number = there ? there->id.number : 0;
    if (recovered) {
        module->orders = 0;
        module->doubt = false;
    }
    if ((there ? there->id.number : 0) != module->number)
        broken(sim, "the registry holds what was answered", "%s has number %u, not %u", name,
               there ? there->id.number : 0, module->number);
    if (!there)
        return;
    if (there->desired.version != 1 + (int64_t)count_marks(sim, there->desired.values) ||
        there->reported.version != 1 + (int64_t)count_marks(sim, there->reported.values))
        broken(sim, "no twin write is applied twice", "%s", name);
}

/* Before the devices are looked at: what is in doubt about one is in doubt about its modules. */
void modules_look(struct sim *sim, const struct store_want *all, size_t count, bool recovered)
{
    for (int i = 0; i < SIM_MODULES; i++)
        check_module(sim, &sim->modules[i], all, count, recovered);
    for (size_t n = 0; n < sim->module_write_count; n++)
        check_write(sim, n, all, count, recovered);
}
