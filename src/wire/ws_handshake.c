/* The opening handshake: RFC 6455, 4. */
#include "base/codec.h"
#include "wire/ws.h"
#include <openssl/evp.h>
#include <stdlib.h>

enum { KEY_SIZE = 16 }; /* bytes behind Sec-WebSocket-Key */

static const struct str upgraded = STR("HTTP/1.1 101 Switching Protocols\r\n"
                                       "Upgrade: websocket\r\n"
                                       "Connection: Upgrade\r\n");

/* Base64 of SHA-1 of the key's text and a fixed GUID: proves that the peer speaks WebSocket. */
static struct str accept_of(struct arena *mem, struct str key)
{
    struct str text = str_format(mem, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARG(key));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_Digest(text.ptr, text.len, digest, &size, EVP_sha1(), NULL))
        abort();
    return base64_encode(mem, str_of(digest, size));
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || (unsigned char)s.ptr[i] >= 0x7F)
            return false;
    return s.len > 0;
}

static enum ws_protocol protocol_of(struct str offer)
{
    if (str_eq_nocase(offer, STR("mqtt")))
        return WS_PROTOCOL_MQTT;
    if (str_eq_nocase(offer, STR("AMQPWSB10")) || str_eq_nocase(offer, STR("amqp")))
        return WS_PROTOCOL_AMQP;
    return WS_PROTOCOL_NONE;
}

/* The best offer of one header line; what was found in an earlier line stands unless bettered. */
static bool choose(struct str list, size_t *count, struct str *chosen, enum ws_protocol *protocol)
{
    bool more = true;
    while (more) {
        struct str offer;
        more = str_cut(list, ',', &offer, &list);
        offer = str_trim(offer);
        if (++*count > WS_PROTOCOLS_MAX || !is_token(offer))
            return false;
        enum ws_protocol found = protocol_of(offer);
        bool better = *protocol == WS_PROTOCOL_NONE ||
                      (*protocol == WS_PROTOCOL_AMQP && found == WS_PROTOCOL_MQTT);
        if (found != WS_PROTOCOL_NONE && better) {
            *protocol = found;
            *chosen = offer;
        }
    }
    return true;
}

static bool choose_protocol(const struct http_request *request, struct str *chosen,
                            enum ws_protocol *protocol)
{
    size_t count = 0;
    *protocol = WS_PROTOCOL_NONE;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (str_eq_nocase(header->name, STR("Sec-WebSocket-Protocol")) &&
            !choose(header->value, &count, chosen, protocol))
            return false;
    }
    return *protocol != WS_PROTOCOL_NONE;
}

static bool is_key(struct arena *mem, struct str text)
{
    struct str bytes;
    return text.len == 24 && base64_decode(mem, text, &bytes) && bytes.len == KEY_SIZE;
}

/* 0, or the status to refuse with. */
static int judge(const struct http_request *request, struct arena *mem, struct str *chosen,
                 enum ws_protocol *protocol, const char **text)
{
    *text = "not a WebSocket upgrade";
    if (request->method != HTTP_METHOD_GET || !request->upgrade ||
        !http_header_has(request, STR("Upgrade"), STR("websocket")))
        return 400;
    *text = "only version 13 of WebSocket is spoken here";
    if (!str_eq(http_header_get(request, STR("Sec-WebSocket-Version")), STR("13")))
        return 426;
    *text = "Sec-WebSocket-Key is not 16 bytes of base64";
    if (!is_key(mem, http_header_get(request, STR("Sec-WebSocket-Key"))))
        return 400;
    *text = "no sub-protocol that is known here is offered";
    if (!choose_protocol(request, chosen, protocol))
        return 400;
    return 0;
}

enum err ws_accept(const struct http_request *request, struct buf *out, enum ws_protocol *protocol,
                   struct why *why)
{
    struct arena mem;
    struct str chosen = STR_NONE;
    const char *text = NULL;
    arena_init(&mem, 512);
    *protocol = WS_PROTOCOL_NONE;
    int status = judge(request, &mem, &chosen, protocol, &text);
    if (status) {
        ws_refuse(out, status);
        *protocol = WS_PROTOCOL_NONE;
    } else {
        struct str key = http_header_get(request, STR("Sec-WebSocket-Key"));
        buf_put(out, upgraded);
        buf_printf(out, "Sec-WebSocket-Accept: %.*s\r\n", STR_ARG(accept_of(&mem, key)));
        buf_printf(out, "Sec-WebSocket-Protocol: %.*s\r\n\r\n", STR_ARG(chosen));
    }
    arena_done(&mem);
    return status ? err_fail(ERR_BAD_INPUT, why, "%s", text) : ERR_OK;
}

void ws_refuse(struct buf *out, int status)
{
    struct http_header version = {STR("Sec-WebSocket-Version"), STR("13")};
    http_put_response(out, &(struct http_response){.status = status,
                                                   .headers = &version,
                                                   .header_count = status == 426,
                                                   .close = true});
}
