#include "app/service_client.h"
#include "app/interrupt.h"
#include "base/clock.h"
#include "base/time.h"
#include "wire/sas.h"
#include <assert.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    TOKEN_S = 3600,
    TOKEN_MARGIN_S = 600, /* a token with less left is renewed */
    CONNECT_S = 10,
    ANSWER_S = 130,  /* a hub may take its time; for ever it may not */
    TRIES_MAX = 6,   /* of a hub that is busy */
    PAUSE_MS = 1000, /* before the next one, unless it says Retry-After */
    PAUSE_MAX_MS = 30000,
    WAIT_MS = 200, /* how long an interrupt may go unnoticed */
};
#define API_VERSION "api-version=2021-04-12"

struct service_lane {
    CURL *easy;
    struct curl_slist *headers;
    struct arena mem; /* of one request */
    struct service_request request;
    struct buf body;
    struct str more_at, etag;
    uint16_t port;                 /* where it was sent to */
    int64_t retry_ms, again_at_ns; /* while it waits to ask again */
    unsigned tries;
    enum { LANE_IDLE, LANE_BUSY, LANE_PAUSED, LANE_OVER } state;
    char error[CURL_ERROR_SIZE];
};

/* ---- what curl calls ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct service_lane *lane = arg;
    if (size * count > SERVICE_ANSWER_MAX - lane->body.len)
        return 0;
    buf_put(&lane->body, str_of(bytes, size * count));
    return size * count;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct service_lane *lane = arg;
    struct str name, value;
    uint64_t seconds;
    if (str_cut(str_of(bytes, size * count), ':', &name, &value)) {
        while (value.len > 0 && strchr("\r\n", value.ptr[value.len - 1]))
            value.len--;
        value = str_trim(value);
        if (str_eq_nocase(name, STR("x-ms-continuation")) && value.len > 0)
            lane->more_at = str_copy(&lane->mem, value);
        else if (str_eq_nocase(name, STR("ETag")) && value.len >= 2 && *value.ptr == '"')
            lane->etag = str_copy(&lane->mem, str_of(value.ptr + 1, value.len - 2));
        else if (str_eq_nocase(name, STR("Retry-After")) &&
                 str_to_u64(value, PAUSE_MAX_MS / 1000, &seconds))
            lane->retry_ms = (int64_t)seconds * 1000;
    }
    return size * count;
}

/* ---- a request ---- */

static struct str authorization(struct service *service)
{
    struct clock *clock = clock_system();
    uint64_t now_s = (uint64_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND);
    if (now_s + TOKEN_MARGIN_S > service->authorized_until_s) {
        service->authorized_until_s = now_s + TOKEN_S;
        struct sas_grant grant = {.resource = service->who.host,
                                  .key = service->key,
                                  .policy = service->who.policy,
                                  .expires_s = service->authorized_until_s};
        struct str token = sas_make(&grant, &service->mem);
        service->authorization = str_format(&service->mem, "Authorization: %.*s", STR_ARG(token));
    }
    return service->authorization;
}

static void add_header(struct service_lane *lane, const char *line)
{
    struct curl_slist *longer = curl_slist_append(lane->headers, line);
    assert(longer);
    lane->headers = longer;
}

static void put_headers(struct service *service, struct service_lane *lane)
{
    const struct service_request *request = &lane->request;
    curl_slist_free_all(lane->headers);
    lane->headers = NULL;
    add_header(lane, authorization(service).ptr);
    add_header(lane, "Accept: application/json");
    add_header(lane, "Expect:");
    if (request->body.ptr)
        add_header(lane, "Content-Type: application/json; charset=utf-8");
    if (request->any_version)
        add_header(lane, "If-Match: *");
    else if (request->etag.ptr)
        add_header(lane, str_format(&lane->mem, "If-Match: \"%.*s\"", STR_ARG(request->etag)).ptr);
    if (request->page_size)
        add_header(lane, str_format(&lane->mem, "x-ms-max-item-count: %u", request->page_size).ptr);
    if (request->continue_at.ptr)
        add_header(
            lane,
            str_format(&lane->mem, "x-ms-continuation: %.*s", STR_ARG(request->continue_at)).ptr);
    for (size_t i = 0; i < request->header_count; i++)
        add_header(lane, request->headers[i].ptr);
    curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, lane->headers);
}

static void put_body(struct service_lane *lane)
{
    const struct service_request *request = &lane->request;
    bool get = str_eq(str_from(request->method), STR("GET"));
    if (get) {
        curl_easy_setopt(lane->easy, CURLOPT_CUSTOMREQUEST, NULL);
        curl_easy_setopt(lane->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(lane->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
    curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    curl_easy_setopt(lane->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void put_address(struct service *service, struct service_lane *lane)
{
    lane->port = service->port;
    bool has_query = memchr(lane->request.path.ptr, '?', lane->request.path.len) != NULL;
    struct str url =
        str_format(&lane->mem, "https://%.*s:%u%.*s%c" API_VERSION, STR_ARG(service->who.host),
                   service->port, STR_ARG(lane->request.path), has_query ? '&' : '?');
    curl_easy_setopt(lane->easy, CURLOPT_URL, url.ptr);
}

static struct curl_slist *other_address(const struct service *service)
{
    if (!service->address)
        return NULL;
    const char *form = strchr(service->address, ':') ? "::[%s]:" : "::%s:";
    char text[128];
    snprintf(text, sizeof text, form, service->address);
    return curl_slist_append(NULL, text);
}

static void open_lane(struct service *service, struct service_lane *lane)
{
    lane->easy = curl_easy_init();
    assert(lane->easy);
    curl_easy_setopt(lane->easy, CURLOPT_PRIVATE, lane);
    curl_easy_setopt(lane->easy, CURLOPT_ERRORBUFFER, lane->error);
    curl_easy_setopt(lane->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(lane->easy, CURLOPT_WRITEDATA, lane);
    curl_easy_setopt(lane->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(lane->easy, CURLOPT_HEADERDATA, lane);
    curl_easy_setopt(lane->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(lane->easy, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(lane->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(lane->easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(lane->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(lane->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(lane->easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
    if (service->ca)
        curl_easy_setopt(lane->easy, CURLOPT_CAINFO, service->ca);
    if (service->address)
        curl_easy_setopt(lane->easy, CURLOPT_CONNECT_TO, service->connect_to);
}

static void send_lane(struct service *service, struct service_lane *lane)
{
    if (!lane->easy)
        open_lane(service, lane);
    buf_reset(&lane->body);
    lane->more_at = STR_NONE;
    lane->etag = STR_NONE;
    lane->retry_ms = PAUSE_MS;
    lane->error[0] = '\0';
    put_address(service, lane);
    put_headers(service, lane);
    put_body(lane);
    lane->state = LANE_BUSY;
    CURLMcode code = curl_multi_add_handle(service->multi, lane->easy);
    assert(code == CURLM_OK);
}

/* ---- an answer ---- */

static enum err explain(const struct service *service, const struct service_lane *lane,
                        CURLcode code, struct why *why)
{
    struct arena mem = {0};
    const char *at = service_name(service, &mem).ptr;
    const char *detail = lane->error[0] ? lane->error : curl_easy_strerror(code);
    enum err err;
    if (code == CURLE_COULDNT_CONNECT && service->tried_fallback)
        err = err_fail(ERR_OUTSIDE, why,
                       "nobody answers at %.*s, ports %d and %d: is the hub running, and is "
                       "--https-port right?",
                       STR_ARG(service->who.host), SERVICE_HTTPS_PORT, SERVICE_FALLBACK_PORT);
    else if (code == CURLE_COULDNT_CONNECT)
        err = err_fail(ERR_OUTSIDE, why,
                       "nobody answers at %s: is the hub running, and is --https-port right?", at);
    else if (code == CURLE_COULDNT_RESOLVE_HOST)
        err = err_fail(ERR_OUTSIDE, why,
                       "the name %.*s means nothing to DNS: --address IP says where it is",
                       STR_ARG(service->who.host));
    else if (code == CURLE_SSL_CACERT_BADFILE)
        err = err_fail(ERR_OUTSIDE, why, "the CA file '%s' holds no usable certificate",
                       service->ca ? service->ca : "(system)");
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        err = err_fail(ERR_OUTSIDE, why, "%s cannot be trusted (%s)%s", at, detail,
                       service->ca ? "" : ": give the hub's CA with --ca FILE or use --data");
    else if (code == CURLE_WRITE_ERROR)
        err = err_fail(ERR_CORRUPT, why, "the answer of %s is larger than any of a hub's", at);
    else
        err = err_fail(ERR_OUTSIDE, why, "no answer from %s (%s): is it the hub's HTTPS port?", at,
                       detail);
    arena_done(&mem);
    return err;
}

/* "ErrorCode:JobNotFound;Job x not found." */
static void read_refusal(struct service_answer *answer, struct arena *mem)
{
    yyjson_val *root;
    struct str text, head;
    if (json_read(answer->body, &(struct json_limits){.size_max = 64 << 10, .depth_max = 8}, mem,
                  &root, NULL) != ERR_OK)
        return;
    text = json_member_str(root, "Message");
    if (!str_starts(text, STR("ErrorCode:")) || !str_cut(text, ';', &head, &text))
        return;
    answer->error = str_skip(head, STR("ErrorCode:").len);
    answer->message = text;
}

static struct service_answer read_answer(struct service_lane *lane, struct arena *mem)
{
    struct service_answer answer = {.body = buf_str(&lane->body),
                                    .more_at = lane->more_at,
                                    .etag = lane->etag,
                                    .error = STR_NONE,
                                    .message = STR_NONE};
    curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status >= 300)
        read_refusal(&answer, mem);
    return answer;
}

enum err service_judge(const struct service *service, const struct service_answer *answer,
                       struct why *why)
{
    static const struct {
        long status;
        enum err err;
    } kinds[] = {
        {401, ERR_DENIED},   {403, ERR_DENIED},   {404, ERR_NOT_FOUND},
        {405, ERR_CONFLICT}, {409, ERR_CONFLICT}, {412, ERR_CONFLICT},
        {413, ERR_LIMIT},    {429, ERR_BUSY},     {503, ERR_BUSY},
    };
    if (answer->status >= 200 && answer->status < 300)
        return ERR_OK;
    if (answer->status == 401)
        return err_fail(ERR_DENIED, why,
                        "the hub refuses policy '%.*s' (401): is the key the current one, has the "
                        "policy the right, and is this machine's clock right?",
                        STR_ARG(service->who.policy));
    enum err err = answer->status >= 400 && answer->status < 500 ? ERR_BAD_INPUT : ERR_CORRUPT;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].status == answer->status)
            err = kinds[i].err;
    if (answer->message.len > 0)
        return err_fail(err, why, "%.*s (%ld %.*s)",
                        STR_ARG(str_clip(answer->message, sizeof why->text - 60)), answer->status,
                        STR_ARG(answer->error));
    return err_fail(err, why, "the answer was %ld, which says nothing more: is it a hub's port?",
                    answer->status);
}

/* ---- lanes ---- */

static bool busy_hub(const struct service_answer *answer)
{
    return answer->status == 429 || answer->status == 503;
}

static int64_t now_ns(void)
{
    struct clock *clock = clock_system();
    return clock->mono_ns(clock);
}

static void begin_next(struct service *service, const struct service_lanes *lanes, unsigned index)
{
    struct service_lane *lane = &service->lanes[index];
    arena_reset(&lane->mem);
    lane->tries = 0;
    lane->request = (struct service_request){.body = STR_NONE, .continue_at = STR_NONE};
    if (lanes->next(lanes->arg, index, &lane->request))
        send_lane(service, lane);
    else
        lane->state = LANE_OVER;
}

/* Without --https-port a hub may be at either of two ports; the first request finds out. */
static bool try_fallback(struct service *service, const struct service_lane *lane, CURLcode code)
{
    if (code != CURLE_COULDNT_CONNECT || service->port_given || lane->port == SERVICE_FALLBACK_PORT)
        return false;
    service->port = SERVICE_FALLBACK_PORT;
    service->tried_fallback = true;
    return true;
}

static enum err finish_lane(struct service *service, const struct service_lanes *lanes,
                            struct service_lane *lane, CURLcode code, struct why *why)
{
    lane->state = LANE_IDLE;
    if (code != CURLE_OK && try_fallback(service, lane, code)) {
        send_lane(service, lane);
        return ERR_OK;
    }
    if (code != CURLE_OK)
        return explain(service, lane, code, why);
    struct service_answer answer = read_answer(lane, &lane->mem);
    if (busy_hub(&answer) && ++lane->tries < TRIES_MAX) {
        lane->again_at_ns = now_ns() + lane->retry_ms * 1000000;
        lane->state = LANE_PAUSED;
        return ERR_OK;
    }
    unsigned index = (unsigned)(lane - service->lanes);
    enum err err = lanes->answered(lanes->arg, index, &answer, why);
    if (err == ERR_OK)
        begin_next(service, lanes, index);
    return err;
}

static enum err collect(struct service *service, const struct service_lanes *lanes, struct why *why)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(service->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *arg;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &arg);
        curl_multi_remove_handle(service->multi, easy);
        enum err err = finish_lane(service, lanes, (struct service_lane *)(void *)arg, code, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static bool resume_lanes(struct service *service, unsigned count)
{
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        struct service_lane *lane = &service->lanes[i];
        if (lane->state == LANE_PAUSED && now_ns() >= lane->again_at_ns)
            send_lane(service, lane);
        any |= lane->state != LANE_OVER;
    }
    return any;
}

static void set_up(struct service *service)
{
    if (service->multi)
        return;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    service->multi = curl_multi_init();
    service->lanes = xcalloc(SERVICE_LANES_MAX, sizeof(struct service_lane));
    service->connect_to = other_address(service);
    assert(service->multi);
    curl_multi_setopt(service->multi, CURLMOPT_MAXCONNECTS, (long)SERVICE_LANES_MAX);
}

enum err service_run(struct service *service, const struct service_lanes *lanes, struct why *why)
{
    assert(lanes->count >= 1);
    assert(lanes->count <= SERVICE_LANES_MAX);
    set_up(service);
    enum err err = ERR_OK;
    for (unsigned i = 0; i < lanes->count; i++)
        begin_next(service, lanes, i);
    while (err == ERR_OK && resume_lanes(service, lanes->count) && !interrupted()) {
        int running;
        curl_multi_perform(service->multi, &running);
        err = collect(service, lanes, why);
        if (err == ERR_OK)
            curl_multi_poll(service->multi, NULL, 0, running ? WAIT_MS : 0, NULL);
    }
    for (unsigned i = 0; i < lanes->count; i++)
        if (service->lanes[i].state == LANE_BUSY)
            curl_multi_remove_handle(service->multi, service->lanes[i].easy);
    return err;
}

void service_done(struct service *service)
{
    for (unsigned i = 0; service->lanes && i < SERVICE_LANES_MAX; i++) {
        struct service_lane *lane = &service->lanes[i];
        curl_easy_cleanup(lane->easy);
        curl_slist_free_all(lane->headers);
        buf_done(&lane->body);
        arena_done(&lane->mem);
    }
    free(service->lanes);
    curl_slist_free_all(service->connect_to);
    curl_multi_cleanup(service->multi);
    arena_done(&service->mem);
    *service = (struct service){.authorization = STR_NONE};
}

/* ---- one at a time ---- */

struct single {
    const struct service *service;
    const struct service_request *request; /* NULL when sent */
    struct arena *mem;
    struct service_answer *out;
    bool answered;
};

static bool single_next(void *arg, unsigned lane, struct service_request *out)
{
    struct single *single = arg;
    if (!single->request)
        return false;
    *out = *single->request;
    single->request = NULL;
    return true;
}

static enum err single_answered(void *arg, unsigned lane, const struct service_answer *answer,
                                struct why *why)
{
    struct single *single = arg;
    *single->out = (struct service_answer){.status = answer->status,
                                           .body = str_copy(single->mem, answer->body),
                                           .more_at = str_copy(single->mem, answer->more_at),
                                           .etag = str_copy(single->mem, answer->etag),
                                           .error = str_copy(single->mem, answer->error),
                                           .message = str_copy(single->mem, answer->message)};
    single->answered = true;
    return service_judge(single->service, answer, why);
}

enum err service_call(struct service *service, const struct service_request *request,
                      struct arena *mem, struct service_answer *out, struct why *why)
{
    struct single single = {service, request, mem, out, false};
    *out = (struct service_answer){.body = STR_NONE};
    enum err err = service_run(
        service,
        &(struct service_lanes){
            .count = 1, .next = single_next, .answered = single_answered, .arg = &single},
        why);
    if (err == ERR_OK && !single.answered)
        return err_fail(ERR_OUTSIDE, why, "interrupted");
    return err;
}

/* ---- pages ---- */

static enum err read_page(struct str body, struct arena *mem, yyjson_val **out, struct why *why)
{
    struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 64};
    if (json_read(body, &limits, mem, out, NULL) == ERR_OK && yyjson_is_arr(*out))
        return ERR_OK;
    return err_fail(ERR_CORRUPT, why, "the hub's answer is not a list in JSON");
}

enum err service_pages(struct service *service, struct service_request *request,
                       bool (*visit)(void *arg, yyjson_val *item), void *arg, struct why *why)
{
    struct arena mem = {0};
    struct buf token = {0};
    enum err err = ERR_OK;
    bool more = true;
    request->continue_at = STR_NONE;
    while (err == ERR_OK && more) {
        struct service_answer answer;
        yyjson_val *list, *item;
        yyjson_arr_iter at;
        arena_reset(&mem);
        err = service_call(service, request, &mem, &answer, why);
        if (err == ERR_OK)
            err = read_page(answer.body, &mem, &list, why);
        if (err != ERR_OK)
            break;
        yyjson_arr_iter_init(list, &at);
        while (more && (item = yyjson_arr_iter_next(&at)))
            more = visit(arg, item);
        more = more && answer.more_at.len > 0;
        buf_reset(&token);
        buf_put(&token, answer.more_at);
        request->continue_at = buf_str(&token);
    }
    request->continue_at = STR_NONE;
    buf_done(&token);
    arena_done(&mem);
    return err;
}
