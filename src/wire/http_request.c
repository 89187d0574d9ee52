/* Looking at a request: headers, query parameters, path segments. */
#include "base/codec.h"
#include "wire/http.h"

static const char *const method_names[] = {
    [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_PUT] = "PUT",       [HTTP_METHOD_POST] = "POST",
    [HTTP_METHOD_PATCH] = "PATCH",     [HTTP_METHOD_DELETE] = "DELETE", [HTTP_METHOD_HEAD] = "HEAD",
    [HTTP_METHOD_OPTIONS] = "OPTIONS", [HTTP_METHOD_OTHER] = "other",
};

const char *http_method_name(enum http_method method)
{
    return method_names[method];
}

struct str http_header_get(const struct http_request *request, struct str name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    return STR_NONE;
}

static bool list_has(struct str list, struct str token)
{
    bool more = true;
    while (more) {
        struct str item;
        more = str_cut(list, ',', &item, &list);
        if (str_eq_nocase(str_trim(item), token))
            return true;
    }
    return false;
}

bool http_header_has(const struct http_request *request, struct str name, struct str token)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (str_eq_nocase(header->name, name) && list_has(header->value, token))
            return true;
    }
    return false;
}

bool http_query_find(struct str query, struct str name, struct arena *mem, struct str *value)
{
    bool more = query.len > 0;
    while (more) {
        struct str pair, key, raw;
        more = str_cut(query, '&', &pair, &query);
        bool valued = str_cut(pair, '=', &key, &raw);
        if (str_eq_nocase(percent_decode(mem, key), name)) {
            *value = valued ? percent_decode(mem, raw) : STR("");
            return true;
        }
    }
    return false;
}

enum http_path http_path_next(struct str *rest, struct arena *mem, struct str *segment)
{
    if (rest->len == 0 || str_eq(*rest, STR("/")))
        return HTTP_PATH_END;
    struct str raw, left;
    if (rest->ptr[0] == '/')
        *rest = str_skip(*rest, 1);
    bool more = str_cut(*rest, '/', &raw, &left);
    /* Keep the slash: what stands behind it, even nothing, is a segment or the end. */
    *rest = more ? str_skip(*rest, raw.len) : STR_NONE;
    if (!percent_decode_strict(mem, raw, segment) ||
        (segment->len && memchr(segment->ptr, '\0', segment->len)))
        return HTTP_PATH_BAD;
    return HTTP_PATH_SEGMENT;
}
