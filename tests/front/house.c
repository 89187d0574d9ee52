#include "house.h"
#include "../base/folder.h"
#include "base/codec.h"
#include "base/time.h"
#include "wire/sas.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(enum err err, const struct why *why)
{
    if (err != ERR_OK)
        fail_msg("%s: %s", err_name(err), why->text);
}

/* ---- the house ---- */

static void start_domain(struct house *house, struct why *why)
{
    struct clock *clock = clock_system();
    must(store_open(&(struct store_options){.dir = house->dir, .clock = clock}, &house->store, why),
         why);
    must(eventlog_open(&(struct eventlog_options){.dir = house->dir, .clock = clock},
                       &house->eventlog, why),
         why);
    struct hub_config hub = {.store = house->store,
                             .eventlog = house->eventlog,
                             .clock = clock,
                             .random = random_system(),
                             .policies = house->board,
                             .authorities = house->authorities,
                             .quotas = &house->quotas};
    must(hub_create(&hub, &house->hub, why), why);
    must(readers_create(&(struct readers_config){.hub = house->hub}, &house->readers, why), why);
    must(
        job_engine_create(&(struct job_engine_config){.hub = house->hub, .readers = house->readers},
                          &house->engine, why),
        why);
}

static enum err refuse_all(void *arg, const struct transfer *wish, struct why *why)
{
    return err_fail(ERR_BAD_INPUT, why, "nobody carries it out here");
}

void house_start(struct house *house, const struct house_config *config)
{
    struct why why = {0};
    *house = (struct house){.dir = "/tmp/muster-front-XXXXXX"};
    assert_non_null(mkdtemp(house->dir));
    policy_built_in(random_system(), &house->mem, house->policies);
    house->board = policy_board_create(house->policies, POLICY_BUILT_IN_COUNT);
    house->authorities = authority_board_create(NULL, 0);
    start_domain(house, &why);
    must(transfers_create(&(struct transfers_config){.hub = house->hub, .check = refuse_all},
                          &house->transfers, &why),
         &why);
    house->front =
        front_create(&(struct front_config){.hub = house->hub,
                                            .readers = house->readers,
                                            .engine = house->engine,
                                            .store = house->store,
                                            .eventlog = house->eventlog,
                                            .clock = clock_system(),
                                            .random = random_system(),
                                            .policies = house->board,
                                            .quotas = &house->quotas,
                                            .transfers = house->transfers,
                                            .authorities = house->authorities,
                                            .host = HOUSE_HOST,
                                            .http_idle_ms = config->http_idle_ms,
                                            .http_request_ms = config->http_request_ms,
                                            .stream_trust_ms = config->stream_trust_ms,
                                            .mqtt_connect_ms = config->mqtt_connect_ms,
                                            .mqtt_unheard_max = config->mqtt_unheard_max});
    house->net = net_create(&(struct net_config){.thread_count = config->loops ? config->loops : 2,
                                                 .tls = rig_tls(),
                                                 .clock = clock_system()});
    house->front->net = house->net;
    must(net_listen(house->net, "127.0.0.1", 0, &front_https_ops, house->front, &house->https_port,
                    &why),
         &why);
    must(net_listen(house->net, "127.0.0.1", 0, &front_mqtt_ops, house->front, &house->mqtt_port,
                    &why),
         &why);
    must(hub_start(house->hub, &why), &why);
    must(net_start(house->net, &why), &why);
}

void house_stop(struct house *house)
{
    net_stop(house->net, 2000);
    house->front->closing = true;
    hub_stop(house->hub);
    readers_destroy(house->readers);
    eventlog_close(house->eventlog);
    hub_drain(house->hub);
    net_destroy(house->net);
    job_engine_destroy(house->engine);
    hub_destroy(house->hub);
    front_destroy(house->front);
    transfers_destroy(house->transfers);
    policy_board_destroy(house->board);
    authority_board_destroy(house->authorities);
    store_close(house->store);
}

void house_remove(struct house *house)
{
    folder_remove(house->dir);
    arena_done(&house->mem);
}

static bool note_event(void *arg, const struct event *event)
{
    buf_put(arg, event->properties);
    buf_put_char(arg, ' ');
    buf_put(arg, event->body);
    buf_put_char(arg, '\n');
    return true;
}

void house_events(struct house *house, struct buf *out)
{
    struct why why = {0};
    struct eventlog *log;
    must(eventlog_open(&(struct eventlog_options){.dir = house->dir, .clock = clock_system()}, &log,
                       &why),
         &why);
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        must(eventlog_read(log, i, 0, SIZE_MAX >> 1, note_event, out, &why), &why);
    eventlog_close(log);
    buf_put_char(out, '\0');
    out->len--;
}

static struct house of_group;

int house_group_setup(void **state)
{
    if (rig_group_setup(state) != 0)
        return -1;
    house_start(&of_group, &(struct house_config){0});
    return 0;
}

int house_group_teardown(void **state)
{
    house_stop(&of_group);
    house_remove(&of_group);
    return rig_group_teardown(state);
}

struct house *house_of_group(void)
{
    return &of_group;
}

void house_be_strict(struct house *house, bool strict)
{
    house->front->config.strict_azure = strict;
}

/* ---- operators ---- */

static uint64_t in_an_hour(void)
{
    struct clock *clock = clock_system();
    return (uint64_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND) + 3600;
}

struct str house_token(struct house *house, const char *policy)
{
    const struct policy *found =
        policy_find(house->policies, POLICY_BUILT_IN_COUNT, str_from(policy));
    assert_non_null(found);
    return sas_make(&(struct sas_grant){.resource = STR(HOUSE_HOST),
                                        .key = found->primary_key,
                                        .policy = found->name,
                                        .expires_s = in_an_hour()},
                    &house->mem);
}

void answer_done(struct answer *answer)
{
    buf_done(&answer->bytes);
    *answer = (struct answer){0};
}

struct str answer_header(const struct answer *answer, const char *name)
{
    struct str rest = answer->head, line, key, value;
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, str_from(name)))
            return str_trim(str_take(value, value.len - (str_ends(value, STR("\r")) ? 1 : 0)));
    }
    return STR_NONE;
}

void ask(struct peer *peer, const char *line, const char *headers, const char *body)
{
    struct buf text = {0};
    buf_printf(&text, "%s%s HTTP/1.1\r\nHost: " HOUSE_HOST "\r\n%s", line,
               strchr(line, '?') ? "" : "?" HOUSE_VERSION, headers);
    if (body)
        buf_printf(&text, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&text, "\r\n%s", body ? body : "");
    peer_send(peer, buf_str(&text));
    buf_done(&text);
}

/* Byte by byte up to the blank line: what follows stays with TLS. */
static void read_head(struct peer *peer, struct buf *out)
{
    while (!str_ends(buf_str(out), STR("\r\n\r\n"))) {
        peer_read(peer, buf_room(out, 1), 1);
        out->len++;
    }
}

void read_answer(struct peer *peer, bool to_head, struct answer *out)
{
    uint64_t status = 0, size = 0;
    *out = (struct answer){0};
    read_head(peer, &out->bytes);
    size_t head = out->bytes.len;
    out->head = buf_str(&out->bytes);
    assert_true(str_to_u64(str_take(str_skip(out->head, strlen("HTTP/1.1 ")), 3), 999, &status));
    assert_true(status == 100 || status == 101 ||
                str_to_u64(answer_header(out, "Content-Length"), 1 << 24, &size));
    if (to_head)
        size = 0;
    peer_read(peer, buf_room(&out->bytes, size + 1), size);
    out->bytes.len += size;
    out->bytes.ptr[out->bytes.len] = '\0'; /* so that tests may print and search it */
    out->status = (int)status;
    out->head = str_take(buf_str(&out->bytes), head);
    out->body = str_skip(buf_str(&out->bytes), head);
}

void house_ask(struct house *house, const char *line, const char *headers, const char *body,
               struct answer *out)
{
    struct peer peer = peer_greet(house->https_port);
    struct buf all = {0};
    buf_printf(&all, "Authorization: %s\r\n%s%c", house_token(house, "iothubowner").ptr, headers,
               '\0');
    ask(&peer, line, all.ptr, body);
    buf_done(&all);
    read_answer(&peer, strncmp(line, "HEAD", 4) == 0, out);
    peer_hang_up(&peer);
}

void house_register(struct house *house, const char *device)
{
    char line[256], body[512];
    struct buf encoded = {0};
    struct answer answer;
    percent_encode(&encoded, str_from(device));
    snprintf(line, sizeof line, "PUT /devices/%.*s", (int)encoded.len, encoded.ptr);
    snprintf(body, sizeof body,
             "{\"deviceId\":\"%s\",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":"
             "{\"primaryKey\":\"" HOUSE_KEY "\",\"secondaryKey\":\"" HOUSE_KEY "\"}}}",
             device);
    house_ask(house, line, "", body, &answer);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    buf_done(&encoded);
}

void house_await_gone(struct house *house, const char *device)
{
    char line[256];
    bool gone = false;
    snprintf(line, sizeof line, "GET /devices/%s", device);
    for (int i = 0; i < 10000 && !gone; i++) {
        struct answer answer;
        house_ask(house, line, "", NULL, &answer);
        assert_int_equal(answer.status, 200);
        gone = strstr(answer.body.ptr, "\"connectionState\":\"Disconnected\"") != NULL;
        answer_done(&answer);
    }
    assert_true(gone);
}

/* ---- devices ---- */

void line_open(struct line *line, struct house *house)
{
    *line = (struct line){.peer = peer_greet(house->mqtt_port)};
}

void line_open_ws(struct line *line, struct house *house, const char *path)
{
    struct buf text = {0};
    *line = (struct line){.peer = peer_greet(house->https_port), .ws = true};
    buf_printf(&text,
               "GET %s HTTP/1.1\r\nHost: " HOUSE_HOST "\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: " WS_CLIENT_KEY "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
               path);
    peer_send(&line->peer, buf_str(&text));
    buf_reset(&text);
    read_head(&line->peer, &text);
    assert_true(str_starts(buf_str(&text), STR("HTTP/1.1 101 ")));
    buf_done(&text);
}

void line_send(struct line *line, struct str packets)
{
    struct buf frames = {0};
    if (!line->ws) {
        peer_send(&line->peer, packets);
        return;
    }
    ws_put_frame(&frames, WS_FIN | WS_BINARY, WS_MASK, packets);
    peer_send(&line->peer, buf_str(&frames));
    buf_done(&frames);
}

static void take_frames(struct line *line)
{
    struct str rest = buf_str(&line->ws_in), payload;
    unsigned first;
    while (!line->over && ws_take_frame(&rest, &first, &payload)) {
        if (first == (WS_FIN | WS_BINARY))
            buf_put(&line->in, payload);
        line->over = first == (WS_FIN | WS_CLOSE);
    }
    if (rest.len > 0)
        memmove(line->ws_in.ptr, rest.ptr, rest.len);
    line->ws_in.len = rest.len;
}

/* Some more bytes; false at the end of the connection. */
static bool line_fill(struct line *line)
{
    struct buf *raw = line->ws ? &line->ws_in : &line->in;
    if (line->over)
        return false;
    int n = PATIENTLY(SSL_read(line->peer.ssl, buf_room(raw, 16384), 16384));
    if (n <= 0)
        return false;
    raw->len += (size_t)n;
    if (line->ws)
        take_frames(line);
    return true;
}

struct mqtt_packet line_read(struct line *line)
{
    struct mqtt_packet packet = {0};
    struct why why = {0};
    size_t used = 0;
    if (line->taken > 0)
        memmove(line->in.ptr, line->in.ptr + line->taken, line->in.len - line->taken);
    line->in.len -= line->taken;
    line->taken = 0;
    enum step step;
    while ((step = mqtt_decode(buf_str(&line->in), MQTT_REMAINING_MAX, &packet, &used, &why)) ==
           STEP_MORE)
        if (!line_fill(line))
            fail_msg("the connection ended where a packet should come");
    assert_int_equal(step, STEP_DONE);
    line->taken = used;
    return packet;
}

void line_expect_end(struct line *line)
{
    while (line_fill(line))
        ;
    if (line->in.len != line->taken)
        fail_msg("%zu bytes came before the end", line->in.len - line->taken);
    line_done(line);
}

void line_cut(struct line *line)
{
    line_done(line);
}

void line_done(struct line *line)
{
    peer_hang_up(&line->peer);
    buf_done(&line->in);
    buf_done(&line->ws_in);
    *line = (struct line){0};
}

struct mqtt_connect house_connect(struct house *house, const char *device)
{
    struct arena *mem = &house->mem;
    struct str key;
    assert_true(base64_decode(mem, STR(HOUSE_KEY), &key));
    return (struct mqtt_connect){
        .has_user_name = true,
        .has_password = true,
        .keep_alive_s = 60,
        .client_id = str_copy(mem, str_from(device)),
        .user_name = str_format(mem, HOUSE_HOST "/%s/?" HOUSE_VERSION, device),
        .password = sas_make(
            &(struct sas_grant){.resource = str_format(mem, HOUSE_HOST "/devices/%s", device),
                                .key = key,
                                .expires_s = in_an_hour()},
            mem),
    };
}

void put_connect(struct buf *out, const struct mqtt_connect *connect)
{
    assert_true(mqtt_put_connect(out, connect));
}

void put_publish(struct buf *out, const char *topic, struct str payload, uint16_t packet_id)
{
    assert_true(mqtt_put_publish(out, &(struct mqtt_publish){.topic = str_from(topic),
                                                             .payload = payload,
                                                             .qos = packet_id ? 1 : 0,
                                                             .packet_id = packet_id}));
}

void put_subscribe(struct buf *out, uint16_t packet_id, const char *filter)
{
    assert_true(mqtt_put_subscribe(out, packet_id,
                                   &(struct mqtt_filter){.text = str_from(filter), .qos = 0}, 1));
}

void expect_packet(struct line *line, enum mqtt_type type)
{
    assert_string_equal(mqtt_type_name(line_read(line).type), mqtt_type_name(type));
}

void expect_id(struct line *line, enum mqtt_type type, uint16_t packet_id)
{
    struct mqtt_packet packet = line_read(line);
    assert_string_equal(mqtt_type_name(packet.type), mqtt_type_name(type));
    assert_int_equal(type == MQTT_SUBACK ? packet.suback.packet_id : packet.packet_id, packet_id);
}

void expect_publish(struct line *line, const char *topic, const char *payload)
{
    struct mqtt_packet packet = line_read(line);
    assert_string_equal(mqtt_type_name(packet.type), "PUBLISH");
    char text[1024];
    snprintf(text, sizeof text, "%.*s %.*s", STR_ARG(packet.publish.topic),
             STR_ARG(packet.publish.payload));
    char want[1024];
    snprintf(want, sizeof want, "%s %s", topic, payload);
    assert_string_equal(text, want);
}

void line_join(struct line *line, struct house *house, const char *device)
{
    struct buf packet = {0};
    struct mqtt_connect connect = house_connect(house, device);
    line_open(line, house);
    put_connect(&packet, &connect);
    line_send(line, buf_str(&packet));
    buf_done(&packet);
    struct mqtt_packet connack = line_read(line);
    assert_int_equal(connack.type, MQTT_CONNACK);
    assert_int_equal(connack.connack.code, MQTT_ACCEPTED);
}
