/* fuzz_body.c - what operators send as bodies: identities, configurations, routes, transfers.
 *
 * The first byte says which; the rest is the body. What is refused has a fault and a sentence; what is taken is written, read again, and the same then. */
#include "base/clock.h"
#include "model/configuration.h"
#include "model/export_line.h"
#include "model/fault.h"
#include "model/message_route.h"
#include "model/transfer.h"
#include <assert.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64, BODY_MAX = 1 << 20 };
#define NOW (INT64_C(1714550400) * TICKS_PER_SECOND)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_json(struct str text, struct arena *mem, yyjson_val **out)
{
    const struct json_limits limits = {.size_max = BODY_MAX, .depth_max = DEPTH_MAX};
    return json_read(text, &limits, mem, out, NULL) == ERR_OK;
}

static bool taken(enum err err, const struct why *why)
{
    if (err == ERR_OK)
        return true;
    assert(err == ERR_BAD_INPUT || err == ERR_LIMIT);
    assert(fault_of(err, why) != 0);
    assert(why->text[0] != '\0' && str_is_utf8(str_from(why->text)));
    return false;
}

static yyjson_val *again(struct buf *out, struct arena *mem)
{
    yyjson_val *json;
    assert(read_json(buf_str(out), mem, &json) && yyjson_is_obj(json));
    return json;
}

static void read_identity(yyjson_val *body, struct str module, struct arena *mem)
{
    struct random_fake random;
    struct identity first, second;
    struct why why = {.text = ""};
    random_fake_init(&random, 1);
    struct identity_put put = {.device_id = STR("d"),
                               .module_id = module,
                               .body = body,
                               .now_ticks = NOW,
                               .random = &random.random};
    if (!taken(identity_read(&put, mem, &first, &why), &why))
        return;
    struct presence presence = {0};
    struct buf out = {0}, next = {0};
    identity_put_json(&out, &first, &presence);
    put.body = again(&out, mem);
    put.old = &first;
    assert(taken(identity_read(&put, mem, &second, &why), &why));
    second.etag = first.etag; /* an update counts on */
    identity_put_json(&next, &second, &presence);
    assert(str_eq(buf_str(&out), buf_str(&next)));
    buf_reset(&out);
    struct twin_section sections[] = {twin_section_fresh(TWIN_TAGS, NOW),
                                      twin_section_fresh(TWIN_DESIRED, NOW),
                                      twin_section_fresh(TWIN_REPORTED, NOW)};
    struct twin_view view = {.identity = &first,
                             .tags = &sections[0],
                             .desired = &sections[1],
                             .reported = &sections[2]};
    export_line_put(&out, &view, (struct export_form){0});
    again(&out, mem);
    assert(!memchr(out.ptr, '\n', out.len));
    buf_done(&out);
    buf_done(&next);
}

static void read_configuration(yyjson_val *body, struct arena *mem)
{
    struct configuration first, second;
    struct configuration_content content;
    struct why why = {.text = ""};
    struct str id = STR("c");
    if (!taken(configuration_read(id, body, NULL, NOW, mem, &first, &why), &why))
        return;
    struct buf out = {0}, next = {0};
    configuration_put_export(&out, &first);
    assert(!memchr(out.ptr, '\n', out.len));
    assert(taken(configuration_read(id, again(&out, mem), NULL, NOW, mem, &second, &why), &why));
    configuration_put_export(&next, &second);
    assert(str_eq(buf_str(&out), buf_str(&next)));
    yyjson_val *json, *patch;
    if (read_json(first.content, mem, &json)) {
        assert(configuration_content_read(json, mem, &content, &why) == ERR_OK);
        if (first.kind != CONFIGURES_EDGE)
            taken(configuration_content_patch(&content, STR_NONE, mem, &patch, &why), &why);
        for (size_t i = 0; i < content.module_count; i++)
            taken(configuration_content_patch(&content, content.modules[i].id, mem, &patch, &why),
                  &why);
    }
    configuration_condition(&first, mem);
    configuration_digest(&first, mem);
    buf_done(&out);
    buf_done(&next);
}

static void read_route(yyjson_val *body, struct str name)
{
    struct message_route route;
    struct why why = {.text = ""};
    struct buf out = {0};
    if (taken(message_route_read(name, body, &route, &why), &why)) {
        route.name = name;
        message_route_put_json(&out, &route);
    }
    buf_done(&out);
}

static void read_transfer(yyjson_val *body, struct arena *mem)
{
    struct transfer transfer = {0};
    struct why why = {.text = ""};
    struct buf out = {0};
    if (taken(transfer_read(body, mem, &transfer, &why), &why)) {
        transfer_put(&out, &transfer, true);
        again(&out, mem);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    yyjson_val *body;
    if (size == 0 || !read_json(str_of(data + 1, size - 1), &mem, &body)) {
        arena_reset(&mem);
        return 0;
    }
    switch (data[0] % 6) {
    case 0:
        read_identity(body, STR(""), &mem);
        break;
    case 1:
        read_identity(body, STR("m"), &mem);
        break;
    case 2:
        read_configuration(body, &mem);
        break;
    case 3:
        read_route(body, STR("r"));
        break;
    case 4:
        read_route(body, STR("$fallback"));
        break;
    default:
        read_transfer(body, &mem);
    }
    arena_reset(&mem);
    return 0;
}
