/* The blob endpoint: what Azure's storage clients ask for when a file goes up, and comes down again.
 *
 *   PUT      /uploads/{d}/{name}?{sas}                        the file
 *   PUT      /uploads/{d}/{name}?{sas}&comp=block&blockid=    a block of it
 *   PUT      /uploads/{d}/{name}?{sas}&comp=blocklist         the file, of blocks
 *   GET HEAD /uploads/{d}/{name}[?{sas}]                      read, by its address or with a token of a service
 *
 * Source: spec/device-http-amqp.md A.4; Azure's pages Put Blob, Put Block, Put Block List, Get Blob. */
#include "front/rest_blob.h"
#include "base/codec.h"
#include "model/blob_name.h"
#include "model/fault.h"
#include "model/storage_fault.h"
#include "wire/blob.h"

/* ---- addresses ---- */

struct str blob_host(struct exchange *exchange)
{
    const struct front *front = exchange->front;
    if (front->https_port == 0 || front->https_port == 443)
        return str_from(front->config.host);
    return str_format(&exchange->mem, "%s:%u", front->config.host, front->https_port);
}

struct str blob_uri(struct exchange *exchange, struct str device_id, struct str name)
{
    struct buf out = {0};
    struct str rest = name, segment;
    buf_put(&out, STR("https://"));
    buf_put(&out, blob_host(exchange));
    buf_put(&out, STR("/" BLOB_CONTAINER "/"));
    percent_encode(&out, device_id);
    for (bool more = true; more;) {
        more = str_cut(rest, '/', &segment, &rest);
        buf_put_char(&out, '/');
        percent_encode(&out, segment);
    }
    struct str uri = str_copy(&exchange->mem, buf_str(&out));
    buf_done(&out);
    return uri;
}

static struct str path_of(struct exchange *exchange, struct str device_id, struct str name)
{
    return str_format(&exchange->mem, BLOB_CONTAINER "/%.*s/%.*s", STR_ARG(device_id),
                      STR_ARG(name));
}

static int64_t now_s(const struct exchange *exchange)
{
    struct clock *clock = exchange->front->config.clock;
    return clock->wall_ticks(clock) / TICKS_PER_SECOND;
}

static struct str key_of(const struct exchange *exchange)
{
    return str_of(exchange->front->config.blob_key, BLOB_KEY_SIZE);
}

struct str blob_address(struct exchange *exchange, struct str device_id, struct str name,
                        char permission, int64_t life_s)
{
    struct blob_grant grant = {.path = path_of(exchange, device_id, name),
                               .permission = permission,
                               .expires_s = now_s(exchange) + life_s};
    return blob_sign(&grant, key_of(exchange), &exchange->mem);
}

/* ---- at the head ---- */

static enum err refuse(struct why *why, uint32_t code, const char *text)
{
    return err_fault(ERR_BAD_INPUT, code, why, "%s", text);
}

static enum err admit_writer(struct exchange *exchange, struct why *why)
{
    struct str comp = exchange_param(exchange, STR("comp"));
    struct blob *blob = exchange->blob;
    if (str_eq(comp, STR("blocklist"))) {
        exchange->body_max = BLOCK_LIST_MAX;
        return ERR_OK;
    }
    exchange->pours = true;
    if (str_eq(comp, STR("block"))) {
        exchange->body_max = (size_t)BLOB_BLOCK_SIZE_MAX;
        if (!block_id_read(exchange_param(exchange, STR("blockid")), &blob->mem, &blob->block_id))
            return refuse(why, STORAGE_INVALID_QUERY,
                          "blockid must be base64 of 1 to 64 bytes, percent-encoded");
    } else if (comp.ptr) {
        return refuse(why, STORAGE_INVALID_QUERY, "comp is one of block and blocklist, or absent");
    } else if (!str_eq_nocase(exchange_sent(exchange, STR("x-ms-blob-type")), STR("BlockBlob"))) {
        return refuse(why, STORAGE_MISSING_HEADER, "x-ms-blob-type must be BlockBlob");
    } else {
        exchange->body_max = (size_t)blobs_size_max(blob->blobs);
    }
    struct str md5 = exchange_sent(exchange, STR("Content-MD5"));
    if (md5.ptr && (!base64_decode(&blob->mem, md5, &blob->md5) || blob->md5.len != 16))
        return refuse(why, STORAGE_INVALID_HEADER, "Content-MD5 must be base64 of 16 bytes");
    if (blob->md5.ptr)
        blob->md5 = str_copy(&blob->mem, blob->md5);
    exchange->counted_body = true;
    if (atomic_fetch_add(&exchange->front->bodies, 1) >= BLOB_BODIES_MAX)
        return err_fault(ERR_BUSY, STORAGE_BUSY, why, "%d uploads are coming in: try again",
                         BLOB_BODIES_MAX);
    return ERR_OK;
}

static bool is_service(struct exchange *exchange)
{
    struct auth_proof proof = {0};
    const char *reason;
    struct why why;
    struct str shown = exchange_sent(exchange, STR("Authorization"));
    bool is = shown.ptr &&
              auth_service(exchange->front, shown, (struct auth_need){RIGHT_SERVICE_CONNECT, 0},
                           &proof, &reason, &why) == ERR_OK;
    buf_done(&proof.header);
    return is;
}

enum err blob_admit(struct exchange *exchange, struct why *why)
{
    struct blobs *blobs = exchange->front->config.blobs;
    struct str device_id = exchange->segments[1], name = exchange->segments[2];
    bool writes = exchange->method == HTTP_METHOD_PUT;
    struct blob_grant wish = {.path = path_of(exchange, device_id, name),
                              .permission = writes ? 'w' : 'r'};
    exchange->client_request_id = exchange_sent(exchange, STR("x-ms-client-request-id"));
    if (!blobs)
        return err_fault(ERR_NOT_FOUND, STORAGE_BLOB_NOT_FOUND, why, "this hub takes no files");
    enum err err = blob_verify(exchange->query, &wish, now_s(exchange), key_of(exchange), why);
    if (err != ERR_OK && (writes || !is_service(exchange))) {
        why->code = STORAGE_AUTHENTICATION_FAILED;
        return err;
    }
    if (blob_name_check(device_id, name, why) != ERR_OK) { /* a service may ask for any */
        why->code = STORAGE_INVALID_URI;
        return ERR_BAD_INPUT;
    }
    exchange->blob = blob_create(blobs, device_id, name);
    exchange->blob->only_new = str_eq(exchange_sent(exchange, STR("If-None-Match")), STR("*"));
    return writes ? admit_writer(exchange, why) : ERR_OK;
}

/* ---- PUT ---- */

static void put_marks(struct exchange *exchange)
{
    const struct blob *blob = exchange->blob;
    char time[TIME_TEXT_MAX];
    size_t length = time_print_http(blob->modified_ticks, time);
    exchange_header(exchange, "ETag",
                    str_format(&exchange->mem, "\"0x%llX\"",
                               (unsigned long long)blob->modified_ticks ^
                                   (unsigned long long)blob->size << 40));
    exchange_header(exchange, "Last-Modified", str_of(time, length));
}

static void put_version(struct exchange *exchange)
{
    struct str version = exchange_sent(exchange, STR("x-ms-version"));
    if (version.ptr)
        exchange_header(exchange, "x-ms-version", version);
}

static void put_sum(struct exchange *exchange)
{
    exchange_header(exchange, "Content-MD5",
                    base64_encode(&exchange->mem, str_of(exchange->blob->sum, 16)));
}

static void put_finish(struct exchange *exchange)
{
    exchange->status = 201;
    if (exchange->blob->op != BLOB_PUT_BLOCK)
        put_marks(exchange);
    if (exchange->blob->op != BLOB_JOIN)
        put_sum(exchange);
    put_version(exchange);
    exchange_header(exchange, "x-ms-request-server-encrypted", STR("false"));
}

void rest_blob_put(struct exchange *exchange)
{
    struct blob *blob = exchange->blob;
    struct why why;
    struct str *ids;
    if (exchange->pours) {
        exchange_blob(exchange, blob->block_id.ptr ? BLOB_PUT_BLOCK : BLOB_PUT, put_finish);
        return;
    }
    enum err err = block_list_read(exchange->body, &blob->mem, &ids, &blob->id_count, &why);
    if (err != ERR_OK) {
        why.code = err == ERR_LIMIT ? STORAGE_INVALID_BLOCK_LIST : STORAGE_INVALID_XML;
        exchange_fail(exchange, ERR_BAD_INPUT, &why);
        exchange_done(exchange);
        return;
    }
    blob->ids = ids;
    exchange_blob(exchange, BLOB_JOIN, put_finish);
}

/* ---- GET ---- */

/* "bytes=a-b", "bytes=a-": what of a file is wanted. Anything else is ignored, as RFC 9110, 14.2 says. */
static bool read_range(struct exchange *exchange, int64_t *first, int64_t *last)
{
    struct str range = exchange_sent(exchange, STR("x-ms-range")), low, high;
    uint64_t from, to = INT64_MAX - 1;
    if (!range.ptr)
        range = exchange_sent(exchange, STR("Range"));
    if (!range.ptr || !str_starts(range, STR("bytes=")) ||
        !str_cut(str_skip(range, 6), '-', &low, &high) || !str_to_u64(low, INT64_MAX - 1, &from) ||
        (high.len > 0 && !str_to_u64(high, INT64_MAX - 1, &to)) || to < from)
        return false;
    *first = (int64_t)from;
    *last = (int64_t)to;
    return true;
}

static void get_finish(struct exchange *exchange)
{
    struct blob *blob = exchange->blob;
    int64_t first = 0, last = blob->size - 1;
    struct why why;
    if (read_range(exchange, &first, &last)) {
        if (first >= blob->size) {
            err_fault(ERR_BAD_INPUT, STORAGE_INVALID_RANGE, &why,
                      "the range begins behind the end");
            exchange_fail(exchange, ERR_BAD_INPUT, &why);
            exchange_header(exchange, "Content-Range",
                            str_format(&exchange->mem, "bytes */%lld", (long long)blob->size));
            return;
        }
        if (last >= blob->size)
            last = blob->size - 1;
        exchange->status = 206;
        exchange_header(exchange, "Content-Range",
                        str_format(&exchange->mem, "bytes %lld-%lld/%lld", (long long)first,
                                   (long long)last, (long long)blob->size));
    }
    exchange->media = "application/octet-stream";
    put_marks(exchange);
    put_version(exchange);
    exchange_header(exchange, "x-ms-blob-type", STR("BlockBlob"));
    exchange_header(exchange, "Accept-Ranges", STR("bytes"));
    exchange->length = last + 1 - first;
    exchange->rest = exchange->head_only ? 0 : exchange->length;
    blob->offset = first;
    blob->end = last + 1;
}

void rest_blob_get(struct exchange *exchange)
{
    exchange_blob(exchange, BLOB_LOOK, get_finish);
}
