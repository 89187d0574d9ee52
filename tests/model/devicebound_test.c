/* Cloud-to-device messages: the life of one, and who hears of its end. spec/device-mqtt.md 12.3. */
#include "../base/check.h"
#include "model/devicebound.h"

enum { SECOND = TICKS_PER_SECOND };

static struct message made(uint64_t sequence, int64_t expires_s)
{
    return (struct message){
        .sequence = sequence, .expires_ticks = expires_s * SECOND, .locked_ticks = TIME_UNSET};
}

static void who_hears_of_which_end(void **state)
{
    static const struct {
        const char *ack, *success, *other;
    } wishes[] = {
        {"none", "", ""},
        {"positive", "told", ""},
        {"negative", "", "told"},
        {"full", "told", "told"},
    };
    static const enum message_end others[] = {MESSAGE_EXPIRED, MESSAGE_DELIVERY_COUNT_EXCEEDED,
                                              MESSAGE_REJECTED, MESSAGE_PURGED};
    for (size_t i = 0; i < COUNT(wishes); i++) {
        enum message_ack ack;
        check(wishes[i].ack, message_ack_read(str_from(wishes[i].ack), &ack));
        check(wishes[i].ack,
              message_wants_feedback(ack, MESSAGE_SUCCESS) == (wishes[i].success[0] != 0));
        for (size_t j = 0; j < COUNT(others); j++)
            check(wishes[i].ack,
                  message_wants_feedback(ack, others[j]) == (wishes[i].other[0] != 0));
    }
    enum message_ack ack;
    check("in any case", message_ack_read(STR("Full"), &ack) && ack == MESSAGE_ACK_FULL);
    check("no other word",
          !message_ack_read(STR("always"), &ack) && !message_ack_read(STR(""), &ack));
}

static void the_oldest_that_waits_comes_first(void **state)
{
    struct message items[MESSAGE_QUEUE_MAX];
    struct message_queue queue = {.items = items};
    check("an empty queue has none", message_next(&queue, 0) == NULL);
    check("and nothing is due", message_queue_due(&queue) == TIME_FOREVER);
    for (uint64_t i = 1; i <= 4; i++)
        message_put(&queue, &(struct message){.sequence = i,
                                              .expires_ticks = (int64_t)i * 10 * SECOND,
                                              .locked_ticks = TIME_UNSET});
    check_int("the oldest", (int64_t)message_next(&queue, 0)->sequence, 1);
    message_find(&queue, 1)->locked_ticks = 60 * SECOND;
    check_int("a locked one is invisible", (int64_t)message_next(&queue, 0)->sequence, 2);
    check_int("so is one that has expired", (int64_t)message_next(&queue, 20 * SECOND)->sequence,
              3);
    check_int("an expiry is due", message_queue_due(&queue), 20 * SECOND);
    check("not before its time", message_due(&queue, 20 * SECOND - 1) == NULL);
    check_int("then it is", (int64_t)message_due(&queue, 20 * SECOND)->sequence, 2);
    message_drop(&queue, message_find(&queue, 2));
    check("gone", message_find(&queue, 2) == NULL && queue.count == 3);
    check_int("the others stay in order", (int64_t)queue.items[1].sequence, 3);
    check("a locked one does not expire", message_due(&queue, 30 * SECOND)->sequence == 3);
}

static void a_token_opens_its_lock(void **state)
{
    struct message items[MESSAGE_QUEUE_MAX];
    struct message_queue queue = {.items = items};
    struct message message = made(7, 100);
    message.locked_ticks = 60 * SECOND;
    memset(message.token, 0xab, sizeof(message.token));
    message_put(&queue, &message);
    struct str token = str_of(message.token, sizeof(message.token));
    check("its own", message_locked_by(&queue, token, 0) == items);
    check("until it is over", message_locked_by(&queue, token, 60 * SECOND) == NULL);
    check("a part of it", message_locked_by(&queue, str_take(token, 15), 0) == NULL);
    check("none", message_locked_by(&queue, STR(""), 0) == NULL);
    items[0].holder = 3;
    check("a connection's lock has no token", message_locked_by(&queue, token, 0) == NULL);
    message_unlock(items);
    uint8_t zeros[MESSAGE_TOKEN_SIZE] = {0};
    check("nor has an open one",
          message_locked_by(&queue, str_of(zeros, sizeof(zeros)), 0) == NULL);
}

static void deliveries_are_counted(void **state)
{
    struct message message = made(1, 100);
    for (int i = 1; i < 10; i++) {
        message.locked_ticks = SECOND;
        check("it may be tried again", !message_failed(&message, 10) && message.deliveries == i);
        check("and waits for it", !message_is_locked(&message));
    }
    check("the tenth was the last", message_failed(&message, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_hears_of_which_end),
        cmocka_unit_test(the_oldest_that_waits_comes_first),
        cmocka_unit_test(a_token_opens_its_lock),
        cmocka_unit_test(deliveries_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
