/* Properties of messages between headers and bags. spec/device-http-amqp.md A.2, A.3. */
#include "../base/check.h"
#include "front/message_head.h"
#include "model/fault.h"

static struct bag bag_of(struct arena *mem, const char *const *names, size_t count)
{
    struct http_header headers[8];
    struct bag bag = {0};
    struct why why;
    for (size_t i = 0; i < count; i++) {
        struct str name, value;
        str_cut(str_from(names[i]), ':', &name, &value);
        headers[i] = (struct http_header){name, value};
    }
    check_int("read", message_head_read(headers, count, mem, &bag, &why), ERR_OK);
    return bag;
}

static void headers_become_a_bag(void **state)
{
    static const struct {
        const char *rule, *header, *bag;
    } headers[] = {
        {"a system property", "iothub-messageid:m", "%24.mid=m"},
        {"in any case", "IoTHub-MessageId:m", "%24.mid=m"},
        {"content type of the message", "iothub-contenttype:text/plain", "%24.ct=text%2Fplain"},
        {"not that of the request", "Content-Type:text/plain", ""},
        {"an application property keeps its case", "iothub-app-Colour:red", "Colour=red"},
        {"an empty value", "iothub-app-a:", "a="},
        {"an empty name is none", "iothub-app-:x", ""},
        {"a security message", "iothub-interface-id:urn:x", "%24.ifid=urn%3Ax"},
        {"a component", "dt-subject:thermostat", "%24.sub=thermostat"},
        {"anything else", "User-Agent:x", ""},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct bag bag = bag_of(&mem, &headers[i].header, 1);
        struct buf text = {0};
        bag_put(&text, bag.pairs, bag.count);
        check_str(headers[i].rule, buf_str(&text), str_from(headers[i].bag));
        buf_done(&text);
    }
    arena_done(&mem);
}

static void an_application_cannot_pass_for_the_system(void **state)
{
    static const char *const names[] = {"iothub-app-$.to", "iothub-app-$.", "IOTHUB-APP-iothub-ack",
                                        "iothub-app-IoTHub-x"};
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct http_header header = {str_from(names[i]), STR("x")};
        struct bag bag;
        struct why why;
        check_int(names[i], message_head_read(&header, 1, &mem, &bag, &why), ERR_BAD_INPUT);
        check_int(names[i], why.code, FAULT_ARGUMENT_INVALID);
    }
    arena_done(&mem);
}

static void a_refusal_does_not_cut_a_character(void **state)
{
    char name[sizeof("iothub-app-$.") + 64];
    struct arena mem = {0};
    for (size_t pad = 0; pad < 4; pad++) {
        size_t used = (size_t)snprintf(name, sizeof(name), "iothub-app-$.%.*s", (int)pad, "aaa");
        for (; used + 2 < sizeof(name); used += 2)
            memcpy(name + used, "\xc3\xa9", 3);
        struct http_header header = {str_from(name), STR("x")};
        struct bag bag;
        struct why why;
        check_int("refused", message_head_read(&header, 1, &mem, &bag, &why), ERR_BAD_INPUT);
        assert_true(str_is_utf8(str_from(why.text)));
    }
    arena_done(&mem);
}

static void what_a_service_may_send(void **state)
{
    static const struct {
        const char *rule, *header;
        uint32_t fault;
        const char *bag; /* behind the id and the address */
    } sends[] = {
        {"nothing", "x:y", 0, ""},
        {"an acknowledgement in any case", "iothub-ack:Full", 0, "&iothub-ack=Full"},
        {"no such acknowledgement", "iothub-ack:maybe", FAULT_ARGUMENT_INVALID, ""},
        {"an expiry gets seven digits", "iothub-expiry:2030-01-02T03:04:05Z", 0,
         "&%24.exp=2030-01-02T03%3A04%3A05.0000000Z"},
        {"no time", "iothub-expiry:tomorrow", FAULT_ARGUMENT_INVALID, ""},
        {"an address of its own is ignored", "iothub-to:/devices/other", 0, ""},
        {"an empty id", "iothub-correlationid:", FAULT_ARGUMENT_INVALID, ""},
        {"a property", "iothub-app-a.b:x y", 0, "&a.b=x%20y"},
        {"a name that is no name of a header", "iothub-app-a b:x", FAULT_ARGUMENT_INVALID, ""},
        {"a control character", "iothub-app-a:x\1", FAULT_ARGUMENT_INVALID, ""},
        {"bytes that are no text", "iothub-app-a:\xff", FAULT_ARGUMENT_INVALID, ""},
    };
    struct random_fake random;
    random_fake_init(&random, 1);
    for (size_t i = 0; i < COUNT(sends); i++) {
        struct message_send send = {.device_id = STR("d")};
        struct why why = {0};
        message_send_init(&send);
        const char *names[] = {"iothub-messageid:m", sends[i].header};
        struct bag bag = bag_of(&send.task.mem, names, 2);
        enum err err = message_head_send(&bag, STR("body"), &random.random, &send, &why);
        check_int(sends[i].rule, err == ERR_OK ? 0 : why.code, sends[i].fault);
        if (err == ERR_OK)
            check_str(sends[i].rule, send.text.properties,
                      str_format(&send.task.mem,
                                 "%%24.mid=m&%%24.to=%%2Fdevices%%2Fd%%2Fmessages%%2Fdevicebound%s",
                                 sends[i].bag));
        arena_done(&send.task.mem);
    }
}

static void an_id_is_made_up_where_none_was_given(void **state)
{
    struct random_fake random;
    struct message_send send = {.device_id = STR("d")};
    struct bag none = {0};
    struct why why;
    random_fake_init(&random, 1);
    message_send_init(&send);
    check_int("send", message_head_send(&none, STR(""), &random.random, &send, &why), ERR_OK);
    uint8_t bytes[GUID_SIZE];
    check("a GUID", guid_read(send.text.id, bytes));
    arena_done(&send.task.mem);
}

static void properties_and_body_have_a_size(void **state)
{
    struct random_fake random;
    struct bag none = {0};
    struct why why;
    random_fake_init(&random, 1);
    char *body = xcalloc(1, MESSAGE_BOUND_SIZE_MAX);
    for (int fits = 0; fits < 2; fits++) {
        struct message_send send = {.device_id = STR("d")};
        message_send_init(&send);
        size_t size = MESSAGE_BOUND_SIZE_MAX - (fits ? 200 : 10);
        check_int("size", message_head_send(&none, str_of(body, size), &random.random, &send, &why),
                  fits ? ERR_OK : ERR_LIMIT);
        arena_done(&send.task.mem);
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_become_a_bag),
        cmocka_unit_test(an_application_cannot_pass_for_the_system),
        cmocka_unit_test(a_refusal_does_not_cut_a_character),
        cmocka_unit_test(what_a_service_may_send),
        cmocka_unit_test(an_id_is_made_up_where_none_was_given),
        cmocka_unit_test(properties_and_body_have_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
