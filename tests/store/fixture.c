#include "fixture.h"
#include "base/banned.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void folder_make(char out[64])
{
    static const char form[] = "/tmp/muster-store-XXXXXX";
    memcpy(out, form, sizeof form);
    assert_non_null(mkdtemp(out));
}

struct entity full_device(uint32_t number, const char *device_id)
{
    return (struct entity){
        .id =
            {
                .number = number,
                .device_id = str_from(device_id),
                .module_id = STR(""),
                .created_ticks = 7000 + number,
                .etag = INT64_C(123456789),
                .status = IDENTITY_DISABLED,
                .status_reason = STR("lost \xE2\x82\xAC"),
                .status_ticks = 7100,
                .auth = AUTH_SELF_SIGNED,
                .primary_key = STR("cHJpbWFyeQ=="),
                .secondary_key = STR(""),
                .primary_thumbprint = STR("AB"),
                .secondary_thumbprint = STR("CD"),
                .iot_edge = true,
                .device_scope = STR("ms-azure-iot-edge://x"),
                .parent_scopes = STR("[\"p\"]"),
                .model_id = STR("dtmi:x;1"),
            },
        .tags = section_of("{\"floor\":3}", 4),
        .desired = section_of("{\"fan\":{\"speed\":2}}", 5),
        .reported = section_of("{\"fan\":null}", 6),
        .session = {.exists = true, .filters = 5, .qos1 = 4},
        .dirty = PART_IDENTITY | PART_TWIN | PART_SESSION,
        .created = true,
    };
}

struct entity bare_device(uint32_t number, const char *device_id)
{
    return (struct entity){
        .id =
            {
                .number = number,
                .device_id = str_from(device_id),
                .module_id = STR(""),
                .created_ticks = 7000 + number,
                .status_ticks = TIME_UNSET,
                .auth = AUTH_NONE,
            },
        .dirty = PART_IDENTITY,
        .created = true,
    };
}

struct twin_section section_of(const char *values, int64_t version)
{
    static const char meta[] = {'\x01', '\0', '\xff'}; /* opaque bytes, a NUL among them */
    return (struct twin_section){
        .values = str_from(values),
        .meta = str_of(meta, sizeof meta),
        .version = version,
        .stamp = version + 1,
    };
}

struct job some_job(uint32_t number, const char *id)
{
    return (struct job){
        .number = number,
        .id = str_from(id),
        .type = number % 2 ? JOB_TYPE_DEVICE_METHOD : JOB_TYPE_UPDATE_TWIN,
        .state = JOB_SCHEDULED,
        .condition = STR("tags.floor = 3"),
        .body = STR("{\"methodName\":\"reboot\"}"),
        .created_ticks = 100,
        .start_ticks = 200,
        .window_s = 3600,
        .begun_ticks = TIME_UNSET,
        .end_ticks = TIME_UNSET,
        .counts = {.devices = 9, .succeeded = 1, .failed = 2, .canceled = 3, .running = 4},
        .owner = 1,
        .epoch = 2,
    };
}

enum err commit_one(struct store *store, struct entity *entity, struct why *why)
{
    return store_commit(
        store, &(struct store_commit){.entities = (struct entity *[]){entity}, .entity_count = 1},
        why);
}

/* ---- dumping ---- */

static void put_text(struct buf *out, struct str text)
{
    if (!text.ptr)
        buf_put(out, STR(" -"));
    else
        buf_printf(out, " '%.*s'", STR_ARG(text));
}

static void put_bytes(struct buf *out, struct str bytes)
{
    buf_put_char(out, ' ');
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
}

static void put_section(struct buf *out, const char *name, const struct twin_section *s)
{
    buf_printf(out, "  %s v%" PRId64 " s%" PRId64, name, s->version, s->stamp);
    put_text(out, s->values);
    put_bytes(out, s->meta);
    buf_put_char(out, '\n');
}

static bool put_entity(void *arg, const struct entity *e)
{
    struct buf *out = arg;
    const struct identity *id = &e->id;
    buf_printf(out, "identity %u", id->number);
    struct str texts[] = {id->device_id,
                          id->module_id,
                          id->status_reason,
                          id->primary_key,
                          id->secondary_key,
                          id->primary_thumbprint,
                          id->secondary_thumbprint,
                          id->device_scope,
                          id->parent_scopes,
                          id->model_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        put_text(out, texts[i]);
    buf_printf(out, " %" PRId64 " %" PRId64 " %d %" PRId64 " %d %d\n", id->created_ticks, id->etag,
               (int)id->status, id->status_ticks, (int)id->auth, id->iot_edge);
    put_section(out, "tags", &e->tags);
    put_section(out, "desired", &e->desired);
    put_section(out, "reported", &e->reported);
    if (e->session.exists)
        buf_printf(out, "  session %d %d\n", e->session.filters, e->session.qos1);
    return true;
}

static bool put_number(void *arg, const struct entity *e)
{
    buf_printf(arg, " %u", e->id.number);
    return true;
}

static bool put_page(void *arg, const struct presence_page *page)
{
    buf_printf(arg, "presence %u", page->page);
    put_bytes(arg, page->bytes);
    buf_put_char(arg, '\n');
    return true;
}

static bool put_entry(void *arg, const struct job_entry *e)
{
    buf_printf(arg, "  entry %u %d %" PRIu64 " %u %u %" PRId64, e->number, (int)e->status, e->call,
               e->outcome, e->fault, e->updated_ticks);
    put_text(arg, e->error_text);
    buf_put_char(arg, '\n');
    return true;
}

static bool put_chunk(void *arg, const struct job_chunk *c)
{
    buf_printf(arg, "  chunk %u..%u %" PRId64 "\n", c->first, c->last, c->updated_ticks);
    return true;
}

static bool put_outcome(void *arg, const struct job_outcome *o)
{
    buf_printf(arg, "  outcome %u %d", o->id, o->status);
    put_text(arg, o->payload);
    buf_put_char(arg, '\n');
    return true;
}

static bool put_job(void *arg, const struct job *j)
{
    struct buf *out = arg;
    buf_printf(out, "job %u", j->number);
    put_text(out, j->id);
    put_text(out, j->condition);
    put_text(out, j->body);
    put_text(out, j->failure_reason);
    buf_printf(out, " %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, (int)j->type,
               (int)j->state, j->created_ticks, j->start_ticks, j->window_s, j->begun_ticks,
               j->end_ticks);
    buf_printf(out, " %u/%u/%u/%u/%u %u %u\n", j->counts.devices, j->counts.succeeded,
               j->counts.failed, j->counts.canceled, j->counts.running, j->owner, j->epoch);
    return true;
}

static void put_policies(struct store_reader *reader, struct arena *mem, struct buf *out)
{
    struct policy *policies;
    size_t count;
    assert_int_equal(store_read_policies(reader, mem, &policies, &count, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "policy %u", policies[i].rights);
        put_text(out, policies[i].name);
        put_bytes(out, policies[i].primary_key);
        put_bytes(out, policies[i].secondary_key);
        buf_put_char(out, '\n');
    }
}

static bool put_outbox(void *arg, const struct outbox_row *row)
{
    struct buf *out = arg;
    buf_printf(out, "outbox %" PRIu64 " %d %" PRId64, row->id, (int)row->source, row->ticks);
    put_text(out, row->device_id);
    put_text(out, row->module_id);
    put_text(out, row->properties);
    put_text(out, row->body);
    buf_put_char(out, '\n');
    return true;
}

static void put_routes(struct store_reader *reader, struct arena *mem, struct buf *out)
{
    struct message_route *routes;
    size_t count;
    assert_int_equal(store_read_routes(reader, mem, &routes, &count, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "route %d %d", (int)routes[i].source, routes[i].enabled);
        put_text(out, routes[i].name);
        put_text(out, routes[i].condition);
        buf_put_char(out, '\n');
    }
}

static void put_rows_of_job(struct store_reader *reader, uint32_t job, struct arena *mem,
                            struct buf *out)
{
    struct job_slice *slices;
    size_t count;
    assert_int_equal(store_job_slices(reader, job, mem, &slices, &count, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "  slice %u at %u", slices[i].slice, slices[i].cursor);
        put_bytes(out, slices[i].targets);
        buf_put_char(out, '\n');
    }
    assert_int_equal(store_job_entries(reader, job, 0, UINT32_MAX, put_entry, out, NULL), ERR_OK);
    assert_int_equal(store_job_chunks(reader, job, 0, UINT32_MAX, put_chunk, out, NULL), ERR_OK);
    assert_int_equal(store_job_outcomes(reader, job, 0, put_outcome, out, NULL), ERR_OK);
}

static bool put_message(void *arg, uint32_t number, const struct message *message)
{
    struct buf *out = arg;
    buf_printf(out, "message %u %" PRIu64 " %" PRId64 " %" PRId64 " %u %u %u %" PRId64 " %02x\n",
               number, message->sequence, message->enqueued_ticks, message->expires_ticks,
               message->size, message->deliveries, (unsigned)message->ack, message->locked_ticks,
               (unsigned)message->token[0]);
    return true;
}

static bool put_notice(void *arg, const struct notice *notice)
{
    struct buf *out = arg;
    buf_printf(out, "notice %d %" PRIu64 " %" PRId64 " %" PRId64 " %u %" PRId64, (int)notice->kind,
               notice->sequence, notice->enqueued_ticks, notice->expires_ticks, notice->deliveries,
               notice->locked_ticks);
    put_text(out, notice->token);
    put_text(out, notice->text);
    buf_put_char(out, '\n');
    return true;
}

static bool put_upload(void *arg, const struct upload *upload)
{
    struct buf *out = arg;
    char id[UPLOAD_ID_TEXT + 1];
    upload_id_print(upload->id, id);
    buf_printf(out, "upload %s %u %" PRId64, id, upload->number, upload->expires_ticks);
    put_text(out, upload->name);
    buf_put_char(out, '\n');
    return true;
}

static void put_messages(struct store_reader *reader, struct arena *mem, struct buf *out)
{
    uint64_t next = 0;
    assert_int_equal(store_next_sequence(reader, &next, NULL), ERR_OK);
    buf_printf(out, "sequence %" PRIu64 "\n", next);
    assert_int_equal(store_messages(reader, put_message, out, NULL), ERR_OK);
    for (uint64_t sequence = 1; sequence < next; sequence++) {
        struct message_text text;
        assert_int_equal(store_message_text(reader, sequence, true, mem, &text, NULL), ERR_OK);
        put_text(out, text.id);
        put_text(out, text.properties);
        put_text(out, text.body);
        buf_put_char(out, '\n');
    }
    assert_int_equal(store_notices(reader, NOTICE_FEEDBACK, STR_NONE, put_notice, out, NULL),
                     ERR_OK);
    assert_int_equal(store_notices(reader, NOTICE_FILE, STR_NONE, put_notice, out, NULL), ERR_OK);
}

void dump_store(struct store_reader *reader, struct buf *out)
{
    struct arena mem = {0};
    struct store_counters c;
    assert_int_equal(store_begin(reader, NULL), ERR_OK);
    assert_int_equal(store_read_counters(reader, &c, NULL), ERR_OK);
    buf_printf(out, "counters %u %u %" PRIu64 " %u %u %u\n", c.next_number, c.next_job, c.next_call,
               c.devices_enabled, c.devices_disabled, c.modules);
    put_policies(reader, &mem, out);
    put_routes(reader, &mem, out);
    assert_int_equal(store_outbox(reader, 0, put_outbox, out, NULL), ERR_OK);
    for (int modules = 0; modules < 2; modules++) {
        struct store_scan scan = {.modules = modules, .parts = PART_TWIN | PART_SESSION};
        assert_int_equal(store_scan(reader, &scan, put_entity, out, NULL), ERR_OK);
    }
    buf_put(out, STR("fleet"));
    struct store_scan bare = {.bare = true};
    assert_int_equal(store_scan(reader, &bare, put_number, out, NULL), ERR_OK);
    buf_put_char(out, '\n');
    assert_int_equal(store_read_presence(reader, put_page, out, NULL), ERR_OK);
    assert_int_equal(store_scan_jobs(reader, &(struct store_jobs){0}, put_job, out, NULL), ERR_OK);
    for (uint32_t job = 1; job < c.next_job; job++)
        put_rows_of_job(reader, job, &mem, out);
    for (uint32_t number = 1; number < c.next_number; number++) {
        struct store_name name = {.number = number};
        assert_int_equal(store_names(reader, &name, 1, &mem, NULL), ERR_OK);
        buf_printf(out, "name %u %d", number, name.deleted);
        put_text(out, name.device_id);
        put_text(out, name.module_id);
        buf_put_char(out, '\n');
    }
    put_messages(reader, &mem, out);
    assert_int_equal(store_uploads(reader, put_upload, out, NULL), ERR_OK);
    store_end(reader);
    buf_put_char(out, '\0');
    arena_done(&mem);
}
