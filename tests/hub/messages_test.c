/* Cloud-to-device messages: queued, delivered, done with, and what the sender hears.
 * spec/device-mqtt.md 12, spec/device-http-amqp.md A.3, spec/service-rest.md 15. */
#include "hub/messages.h"
#include "hub/notices.h"
#include "rig.h"

/* ---- what services and devices do ---- */

static struct message_send *message_to(struct rig *rig, const char *id, const char *text)
{
    struct message_send *send = rig_task(rig, message_send);
    message_send_init(send);
    send->device_id = str_from(id);
    send->text = (struct message_text){
        .id = str_from(text), .properties = STR("%24.to=x"), .body = str_from(text)};
    return send;
}

static void send_message(struct rig *rig, const char *id, const char *text, enum message_ack ack)
{
    struct message_send *send = message_to(rig, id, text);
    send->ack = ack;
    check_int(text, rig_result(rig, &send->task), 0);
}

static void acknowledge(struct rig *rig, const struct device *device, uint64_t sequence)
{
    struct message_done *done = rig_task(rig, message_done);
    message_done_init(done);
    done->number = device->at.number;
    done->generation = device->generation;
    done->sequence = sequence;
    check_int("acknowledge", rig_result(rig, &done->task), 0);
}

static enum err anybody(struct caller *caller, const struct identity *identity, struct why *why)
{
    return ERR_OK;
}

static struct caller *caller(struct rig *rig, const char *id)
{
    struct caller *caller = arena_new(&rig->mem, struct caller);
    *caller =
        (struct caller){.device_id = str_from(id), .module_id = STR(""), .authenticate = anybody};
    return caller;
}

static struct message_receive *receive_task(struct rig *rig, const char *id)
{
    struct message_receive *receive = rig_task(rig, message_receive);
    message_receive_init(receive);
    receive->caller = caller(rig, id);
    return receive;
}

/* The body of what a device gets over HTTP; "nothing" when there is nothing. */
static const char *received(struct rig *rig, const char *id, uint8_t token[MESSAGE_TOKEN_SIZE])
{
    struct message_receive *receive = receive_task(rig, id);
    check_int("receive", rig_result(rig, &receive->task), 0);
    if (!receive->found)
        return "nothing";
    memcpy(token, receive->message.token, MESSAGE_TOKEN_SIZE);
    return str_copy(&rig->mem, receive->text.body).ptr;
}

static uint32_t settled(struct rig *rig, const char *id, const uint8_t token[MESSAGE_TOKEN_SIZE],
                        enum message_verdict verdict)
{
    struct message_settle *settle = rig_task(rig, message_settle);
    message_settle_init(settle);
    settle->caller = caller(rig, id);
    memcpy(settle->token, token, MESSAGE_TOKEN_SIZE);
    settle->verdict = verdict;
    return rig_result(rig, &settle->task);
}

/* "id:statusCode id:statusCode" of the feedback that is there; complete leaves none of it. */
static const char *feedback(struct rig *rig)
{
    struct notice_receive *receive = rig_task(rig, notice_receive);
    notice_receive_init(receive);
    receive->kind = NOTICE_FEEDBACK;
    check_int("feedback", rig_result(rig, &receive->task), 0);
    struct buf out = {0};
    for (size_t i = 0; i < receive->count; i++) {
        yyjson_val *root = rig_json(&rig->mem, str_copy(&rig->mem, receive->texts[i]).ptr);
        buf_printf(&out, "%s%.*s:%.*s", i ? " " : "",
                   STR_ARG(json_member_str(root, "originalMessageId")),
                   STR_ARG(json_member_str(root, "statusCode")));
    }
    if (receive->count > 0) {
        struct notice_settle *settle = rig_task(rig, notice_settle);
        notice_settle_init(settle);
        settle->token = receive->token;
        check_int("complete", rig_result(rig, &settle->task), 0);
    }
    buf_put_char(&out, '\0');
    const char *text = str_copy(&rig->mem, buf_str(&out)).ptr;
    buf_done(&out);
    return text;
}

static void check_feedback(const char *rule, struct rig *rig, const char *want)
{
    check_str(rule, str_from(feedback(rig)), str_from(want));
}

static unsigned waiting(struct rig *rig, uint32_t number)
{
    return presence_get(rig->hub->presence, number).messages;
}

static void listen(struct rig *rig, struct device *device, const char *id)
{
    device_attach(rig, device, id, false);
    device_subscribe(device, SUB_DEVICEBOUND, true);
}

/* ---- over MQTT ---- */

static void who_listens_gets_it_and_acknowledges(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "hello", MESSAGE_ACK_FULL);
    check_told("at once", &rig, "d1 message %24.to=x hello\n");
    check_int("it counts until it is acknowledged", waiting(&rig, 1), 1);
    check_feedback("nobody is told yet", &rig, "");
    acknowledge(&rig, &d1, d1.message);
    check_int("then it is gone", waiting(&rig, 1), 0);
    check_feedback("and the sender hears", &rig, "hello:Success");
    check_feedback("once", &rig, "");
    acknowledge(&rig, &d1, d1.message);
    acknowledge(&rig, &d1, 12345);
    check_feedback("a second PUBACK is nothing", &rig, "");
    rig_close(&rig);
}

static void what_comes_before_its_device_waits(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    send_message(&rig, "d1", "1", MESSAGE_ACK_NONE);
    send_message(&rig, "d1", "2", MESSAGE_ACK_NONE);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    check_told("not without a subscription", &rig, "");
    device_subscribe(&d1, SUB_TWIN_RES, true);
    check_told("of this kind", &rig, "");
    device_subscribe(&d1, SUB_DEVICEBOUND, true);
    check_told("then in the order of sending", &rig,
               "d1 message %24.to=x 1\nd1 message %24.to=x 2\n");
    device_unsubscribe(&d1, SUB_DEVICEBOUND, true);
    send_message(&rig, "d1", "3", MESSAGE_ACK_NONE);
    check_told("not after it has unsubscribed", &rig, "");
    rig_close(&rig);
}

static void a_lost_connection_gives_back_what_was_in_flight(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "a", MESSAGE_ACK_NONE);
    send_message(&rig, "d1", "b", MESSAGE_ACK_NONE);
    acknowledge(&rig, &d1, d1.message - 1);
    told(&rig);
    device_detach(&d1);
    device_attach(&rig, &d1, "d1", false);
    check_told("a restored session gets a moment", &rig, "");
    rig_pass_ms(&rig, ATTACH_RESTORED_GRACE_MS);
    check_told("then what is left, marked as sent before", &rig, "d1 message %24.to=x b again\n");
    device_detach(&d1);
    device_attach(&rig, &d1, "d1", false);
    device_subscribe(&d1, SUB_DEVICEBOUND, true);
    check_told("or at once when it subscribes", &rig, "d1 message %24.to=x b again\n");
    acknowledge(&rig, &d1, d1.message);
    check_int("none is lost or counted", waiting(&rig, 1), 0);
    rig_close(&rig);
}

static void what_is_not_acknowledged_is_sent_again_and_given_up(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    check_told("first", &rig, "d1 message %24.to=x m\n");
    rig_pass_ms(&rig, SECONDS_MS(MESSAGE_LOCK_S) - 1);
    check_told("not before the lock is over", &rig, "");
    rig_pass_ms(&rig, 1);
    check_told("then again", &rig, "d1 message %24.to=x m again\n");
    for (int i = 2; i < MESSAGE_DELIVERIES; i++) {
        rig_pass_ms(&rig, SECONDS_MS(MESSAGE_LOCK_S));
        check_told("and again", &rig, "d1 message %24.to=x m again\n");
    }
    check_feedback("while it may still succeed", &rig, "");
    rig_pass_ms(&rig, SECONDS_MS(MESSAGE_LOCK_S));
    check_told("not for ever", &rig, "");
    check_feedback("the sender hears", &rig, "m:DeliveryCountExceeded");
    check_int("gone", waiting(&rig, 1), 0);
    rig_close(&rig);
}

static void so_many_are_in_flight(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    for (int i = 0; i < MESSAGE_WINDOW + 2; i++)
        send_message(&rig, "d1", "m", MESSAGE_ACK_NONE);
    size_t lines = 0;
    for (const char *c = told(&rig); *c; c++)
        lines += *c == '\n';
    check_int("the window is full", lines, MESSAGE_WINDOW);
    acknowledge(&rig, &d1, d1.message);
    check_told("one goes, one comes", &rig, "d1 message %24.to=x m\n");
    rig_close(&rig);
}

static void with_qos_0_it_is_done_when_it_is_sent(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {.qos0 = true};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    rig_run(&rig);
    check_told("as it subscribed", &rig, "d1 message %24.to=x m qos 0\n");
    check_int("nothing waits", waiting(&rig, 1), 0);
    check_feedback("", &rig, "m:Success");
    rig_close(&rig);
}

static void who_takes_nothing_is_closed_and_loses_nothing(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    d1.deaf = true;
    send_message(&rig, "d1", "m", MESSAGE_ACK_NONE);
    check_told("closed", &rig, "d1 close does not take it\n");
    check_int("it waits", waiting(&rig, 1), 1);
    listen(&rig, &d1, "d1");
    check_told("for the next connection", &rig, "d1 message %24.to=x m\n");
    rig_close(&rig);
}

/* ---- over HTTP ---- */

static void a_device_over_http_receives_and_settles(void **state)
{
    static const struct {
        const char *rule;
        enum message_verdict verdict;
        const char *next, *feedback;
    } ends[] = {
        {"complete", MESSAGE_COMPLETE, "nothing", "m:Success"},
        {"reject", MESSAGE_REJECT, "nothing", "m:Rejected"},
        {"abandon", MESSAGE_ABANDON, "m", ""},
    };
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct rig rig;
        uint8_t token[MESSAGE_TOKEN_SIZE], other[MESSAGE_TOKEN_SIZE] = {0};
        rig_open(&rig, 2);
        check_str("an empty queue", str_from(received(&rig, "d1", token)), STR("nothing"));
        send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
        check_str(ends[i].rule, str_from(received(&rig, "d1", token)), STR("m"));
        check_str("it is invisible now", str_from(received(&rig, "d1", other)), STR("nothing"));
        check_int("no other token", settled(&rig, "d1", other, ends[i].verdict), FAULT_LOCK_LOST);
        check_int("nor another device", settled(&rig, "d2", token, ends[i].verdict),
                  FAULT_LOCK_LOST);
        check_int(ends[i].rule, settled(&rig, "d1", token, ends[i].verdict), 0);
        check_int("once", settled(&rig, "d1", token, ends[i].verdict), FAULT_LOCK_LOST);
        check_str(ends[i].rule, str_from(received(&rig, "d1", token)), str_from(ends[i].next));
        check_feedback(ends[i].rule, &rig, ends[i].feedback);
        rig_close(&rig);
    }
}

static void two_who_receive_in_one_turn_get_different_ones(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    send_message(&rig, "d1", "1", MESSAGE_ACK_NONE);
    send_message(&rig, "d1", "2", MESSAGE_ACK_NONE);
    struct message_receive *a = receive_task(&rig, "d1"), *b = receive_task(&rig, "d1");
    rig_submit(&rig, &a->task);
    rig_submit(&rig, &b->task);
    rig_turn(&rig);
    check_str("the first", a->text.body, STR("1"));
    check_str("the second", b->text.body, STR("2"));
    rig_close(&rig);
}

static void a_lock_over_http_outlives_the_hub_and_ends_in_time(void **state)
{
    struct rig rig;
    uint8_t token[MESSAGE_TOKEN_SIZE];
    rig_open(&rig, 1);
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    received(&rig, "d1", token);
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("it counts", waiting(&rig, 1), 1);
    check_str("still locked", str_from(received(&rig, "d1", token)), STR("nothing"));
    rig_pass_hub_ms(&rig, SECONDS_MS(MESSAGE_LOCK_S));
    uint8_t second[MESSAGE_TOKEN_SIZE];
    struct message_receive *receive = receive_task(&rig, "d1");
    check_int("receive", rig_result(&rig, &receive->task), 0);
    check_int("its delivery failed", receive->message.deliveries, 1);
    memcpy(second, receive->message.token, sizeof(second));
    check("by another token", memcmp(second, token, sizeof(second)) != 0);
    check_int("the old one is lost", settled(&rig, "d1", token, MESSAGE_COMPLETE), FAULT_LOCK_LOST);
    check_int("the new one is not", settled(&rig, "d1", second, MESSAGE_COMPLETE), 0);
    check_feedback("in the end", &rig, "m:Success");
    rig_close(&rig);
}

/* ---- time, limits, purge ---- */

static void what_expires_is_told(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    send_message(&rig, "d1", "an hour", MESSAGE_ACK_NEGATIVE);
    struct message_send *send = message_to(&rig, "d1", "a minute");
    send->ack = MESSAGE_ACK_FULL;
    send->expires_ticks = RIG_EPOCH + 60 * TICKS_PER_SECOND;
    check_int("send", rig_result(&rig, &send->task), 0);
    send_message(&rig, "d1", "unheard", MESSAGE_ACK_POSITIVE);
    rig_pass_hub_ms(&rig, SECONDS_MS(60) - 1);
    check_feedback("not yet", &rig, "");
    rig_pass_hub_ms(&rig, 1);
    check_feedback("its own expiry", &rig, "a minute:Expired");
    check_int("two wait", waiting(&rig, 1), 2);
    rig_pass_hub_ms(&rig, SECONDS_MS(3540));
    check_feedback("the hub's", &rig, "an hour:Expired");
    check_int("none", waiting(&rig, 1), 0);
    rig_close(&rig);
}

static void an_expiry_lies_ahead(void **state)
{
    static const struct {
        const char *rule;
        int64_t seconds;
        uint32_t fault;
    } expiries[] = {
        {"now", 0, FAULT_INVALID_EXPIRY},
        {"the past", -1, FAULT_INVALID_EXPIRY},
        {"soon", 1, 0},
        {"the latest", MESSAGE_TTL_S_MAX, 0},
        {"too late", MESSAGE_TTL_S_MAX + 1, FAULT_INVALID_EXPIRY},
    };
    struct rig rig;
    rig_open(&rig, 1);
    for (size_t i = 0; i < COUNT(expiries); i++) {
        struct message_send *send = message_to(&rig, "d1", "m");
        send->expires_ticks = RIG_EPOCH + expiries[i].seconds * TICKS_PER_SECOND;
        check_int(expiries[i].rule, rig_result(&rig, &send->task), expiries[i].fault);
    }
    rig_close(&rig);
}

static void a_queue_has_room_for_so_many(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct message_send *sends[MESSAGE_QUEUE_MAX + 1];
    for (size_t i = 0; i < COUNT(sends); i++) {
        sends[i] = message_to(&rig, "d1", "m");
        rig_submit(&rig, &sends[i]->task); /* all in one turn: each sees those before it */
    }
    rig_turn(&rig);
    for (size_t i = 0; i < MESSAGE_QUEUE_MAX; i++)
        check_int("fits", rig_fault(&sends[i]->task), 0);
    check_int("one too many", rig_fault(&sends[MESSAGE_QUEUE_MAX]->task), FAULT_QUEUE_DEPTH);
    check_int("another device", rig_result(&rig, &message_to(&rig, "d2", "m")->task), 0);
    check_int("no device", rig_result(&rig, &message_to(&rig, "d3", "m")->task),
              FAULT_DEVICE_NOT_FOUND);
    rig_close(&rig);
}

static void a_purge_empties_the_queue(void **state)
{
    struct rig rig;
    uint8_t token[MESSAGE_TOKEN_SIZE];
    rig_open(&rig, 1);
    send_message(&rig, "d1", "locked", MESSAGE_ACK_NONE);
    received(&rig, "d1", token);
    send_message(&rig, "d1", "told", MESSAGE_ACK_FULL);
    send_message(&rig, "d1", "positive", MESSAGE_ACK_POSITIVE);
    struct message_purge *purge = rig_task(&rig, message_purge);
    message_purge_init(purge);
    purge->device_id = STR("d1");
    check_int("purge", rig_result(&rig, &purge->task), 0);
    check_int("all of it", purge->purged, 3);
    check_int("nothing waits", waiting(&rig, 1), 0);
    check_feedback("who wanted to know", &rig, "told:Purged");
    check_int("a lock is gone, too", settled(&rig, "d1", token, MESSAGE_COMPLETE), FAULT_LOCK_LOST);
    rig_close(&rig);
}

static void a_deleted_device_takes_its_messages_along(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d1", NULL)->task), 0);
    check_int("create", rig_result(&rig, &put_device(&rig, "d1", "{}", NULL)->task), 0);
    told(&rig);
    listen(&rig, &d1, "d1");
    check_told("its namesake gets none", &rig, "");
    check_feedback("nobody hears", &rig, "");
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("on disk neither", waiting(&rig, 1) + waiting(&rig, 2), 0);
    rig_close(&rig);
}

/* ---- disk ---- */

static void nothing_is_promised_while_the_disk_is_full(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    told(&rig);
    rig_disk_full(&rig, true);
    check_int("send", rig_result(&rig, &message_to(&rig, "d1", "n")->task),
              FAULT_SERVICE_UNAVAILABLE);
    struct message_done *done = rig_task(&rig, message_done);
    message_done_init(done);
    done->number = 1;
    done->generation = d1.generation;
    done->sequence = d1.message;
    check_int("a PUBACK is not noted", rig_result(&rig, &done->task), FAULT_SERVICE_UNAVAILABLE);
    rig_pass_ms(&rig, SECONDS_MS(MESSAGE_LOCK_S));
    check_told("nor is the end of its lock", &rig, "");
    rig_disk_full(&rig, false);
    rig_pass_ms(&rig, HUB_RETRY_MS);
    check_told("so it comes again later", &rig, "d1 message %24.to=x m again\n");
    acknowledge(&rig, &d1, d1.message);
    check_feedback("and is done with", &rig, "m:Success");
    rig_close(&rig);
}

static void everything_survives_a_restart(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    send_message(&rig, "d1", "1", MESSAGE_ACK_NONE);
    send_message(&rig, "d2", "2", MESSAGE_ACK_FULL);
    send_message(&rig, "d1", "3", MESSAGE_ACK_NONE);
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("one device", waiting(&rig, 1), 2);
    check_int("another", waiting(&rig, 2), 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    check_told("in order", &rig, "d1 message %24.to=x 1\nd1 message %24.to=x 3\n");
    send_message(&rig, "d1", "4", MESSAGE_ACK_NONE);
    check_told("new ones come last", &rig, "d1 message %24.to=x 4\n");
    rig_pass_hub_ms(&rig, SECONDS_MS(3600));
    check_feedback("expiry goes on", &rig, "2:Expired");
    rig_close(&rig);
}

/* ---- feedback ---- */

static struct notice_receive *take(struct rig *rig)
{
    struct notice_receive *receive = rig_task(rig, notice_receive);
    notice_receive_init(receive);
    check_int("take", rig_result(rig, &receive->task), 0);
    return receive;
}

static uint32_t give_back(struct rig *rig, const struct notice_receive *receive)
{
    struct notice_settle *settle = rig_task(rig, notice_settle);
    notice_settle_init(settle);
    settle->token = receive->token;
    settle->abandon = true;
    return rig_result(rig, &settle->task);
}

static void feedback_is_locked_given_back_and_given_up(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    listen(&rig, &d1, "d1");
    send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
    acknowledge(&rig, &d1, d1.message);
    struct notice_receive *first = take(&rig);
    check_int("a batch", first->count, 1);
    check_int("nobody else gets it", take(&rig)->count, 0);
    check_int("given back", give_back(&rig, first), 0);
    check_int("once", give_back(&rig, first), FAULT_LOCK_LOST);
    struct notice_receive *second = take(&rig);
    check_int("it comes again", second->count, 1);
    rig_pass_hub_ms(&rig, SECONDS_MS(NOTICE_LOCK_S));
    check_int("a lock ends", give_back(&rig, second), FAULT_LOCK_LOST);
    for (int i = 2; i < NOTICE_DELIVERIES; i++) {
        struct notice_receive *again = take(&rig);
        check_int("and again", again->count, 1);
        check_int("back", give_back(&rig, again), 0);
    }
    check_int("not for ever", take(&rig)->count, 0);
    rig_close(&rig);
}

static void feedback_comes_in_batches_and_expires(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    for (int i = 0; i < 40; i++) {
        send_message(&rig, "d1", "m", MESSAGE_ACK_FULL);
        send_message(&rig, "d2", "m", MESSAGE_ACK_FULL);
    }
    for (int i = 1; i <= 2; i++) {
        struct message_purge *purge = rig_task(&rig, message_purge);
        message_purge_init(purge);
        purge->device_id = i == 1 ? STR("d1") : STR("d2");
        check_int("purge", rig_result(&rig, &purge->task), 0);
    }
    check_int("so many at once", take(&rig)->count, NOTICE_BATCH_MAX);
    check_int("and the rest", take(&rig)->count, 80 - NOTICE_BATCH_MAX);
    rig_pass_hub_ms(&rig, SECONDS_MS(NOTICE_TTL_S) - 1);
    rig_stop(&rig);
    rig_reopen(&rig);
    check_int("they last across a restart", take(&rig)->count, NOTICE_BATCH_MAX);
    rig_pass_hub_ms(&rig, 1);
    check_int("and expire", take(&rig)->count, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_listens_gets_it_and_acknowledges),
        cmocka_unit_test(what_comes_before_its_device_waits),
        cmocka_unit_test(a_lost_connection_gives_back_what_was_in_flight),
        cmocka_unit_test(what_is_not_acknowledged_is_sent_again_and_given_up),
        cmocka_unit_test(so_many_are_in_flight),
        cmocka_unit_test(with_qos_0_it_is_done_when_it_is_sent),
        cmocka_unit_test(who_takes_nothing_is_closed_and_loses_nothing),
        cmocka_unit_test(a_device_over_http_receives_and_settles),
        cmocka_unit_test(two_who_receive_in_one_turn_get_different_ones),
        cmocka_unit_test(a_lock_over_http_outlives_the_hub_and_ends_in_time),
        cmocka_unit_test(what_expires_is_told),
        cmocka_unit_test(an_expiry_lies_ahead),
        cmocka_unit_test(a_queue_has_room_for_so_many),
        cmocka_unit_test(a_purge_empties_the_queue),
        cmocka_unit_test(a_deleted_device_takes_its_messages_along),
        cmocka_unit_test(nothing_is_promised_while_the_disk_is_full),
        cmocka_unit_test(everything_survives_a_restart),
        cmocka_unit_test(feedback_is_locked_given_back_and_given_up),
        cmocka_unit_test(feedback_comes_in_batches_and_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
