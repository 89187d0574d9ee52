/* Any headers become the bag of a message or are refused, and what a service may send fits a topic and
 * reads back alike. */
#include "front/message_head.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "name: value" per line, as the HTTP reader gives them: no line ends and no NUL inside. */
static size_t read_lines(struct str text, struct http_header *out, size_t most)
{
    size_t count = 0;
    struct str line;
    while (text.len > 0 && count < most) {
        str_cut(text, '\n', &line, &text);
        str_cut(line, ':', &out[count].name, &out[count].value);
        out[count].value = str_trim(out[count].value.ptr ? out[count].value : STR(""));
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct http_header headers[HTTP_HEADERS_MAX];
    if (size == 0 || size > HTTP_HEADER_BYTES_MAX || memchr(data, 0, size))
        return 0;
    size_t count = read_lines(text, headers, HTTP_HEADERS_MAX);
    struct message_send send = {.device_id = STR("a+b#c")};
    struct random_fake random;
    struct bag bag, again;
    random_fake_init(&random, 1);
    message_send_init(&send);
    if (message_head_read(headers, count, &send.task.mem, &bag, NULL) == ERR_OK &&
        message_head_send(&bag, STR("body"), &random.random, &send, NULL) == ERR_OK) {
        assert(send.text.id.len > 0 && send.text.id.len <= MESSAGE_ID_MAX);
        assert(send.text.properties.len <= MESSAGE_PROPERTIES_MAX);
        assert(bag_decode(send.text.properties, &send.task.mem, &again, NULL) == ERR_OK);
        for (size_t i = 0; i < bag.count; i++) {
            if (str_eq(bag.pairs[i].key, STR("$.to")) || str_eq(bag.pairs[i].key, STR("$.exp")))
                continue; /* ours; and written anew */
            const struct bag_pair *pair = bag_find(&again, bag.pairs[i].key);
            assert(pair && str_eq(pair->value, bag.pairs[i].value));
        }
    }
    arena_done(&send.task.mem);
    return 0;
}
