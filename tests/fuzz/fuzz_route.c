/* Any text as the condition of a message route, on a message that any JSON may fill.
 *
 * Input: a byte of choices, the condition up to a NUL, the properties up to a NUL, then the body, which also
 * stands for the sections of the twin. */
#include "query/route.h"
#include <stdlib.h>

enum { TWIN_CHANGES = 1, WITH_TWIN = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static enum query_verdict verdict_of(const struct route_condition *condition,
                                     const struct route_message *message)
{
    struct route_reading reading = {0};
    route_reading_begin(&reading, message);
    enum query_verdict verdict = route_match(condition, &reading);
    insist(route_match(condition, &reading) == verdict); /* with what is parsed already */
    insist(reading.made <= ROUTE_MADE_MAX);
    insist(!route_is_always(condition) || verdict == QUERY_TRUE);
    route_reading_done(&reading);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena mem = {0};
    struct str text, properties, body;
    str_cut(str_of(data + 1, size - 1), '\0', &text, &body);
    str_cut(body, '\0', &properties, &body);
    struct route_condition *condition;
    struct why why = {0};
    if (route_compile(text, data[0] & TWIN_CHANGES, &mem, &condition, &why) != ERR_OK) {
        insist(why.at <= text.len && why.text[0] != '\0' && str_is_utf8(str_from(why.text)));
    } else {
        struct route_message message = {.properties = properties, .body = body};
        struct str twin = data[0] & WITH_TWIN ? body : STR_NONE;
        message.tags = message.desired = message.reported = twin;
        enum query_verdict verdict = verdict_of(condition, &message);
        message.properties = STR_NONE;
        enum query_verdict bare = verdict_of(condition, &message);
        insist(!route_is_always(condition) || verdict == bare);
    }
    arena_done(&mem);
    return 0;
}
