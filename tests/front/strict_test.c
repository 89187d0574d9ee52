/* --strict-azure at the door: nothing is shown that Azure's jobs have not, not even of jobs that the hub
 * began when it was not strict. docs/compatibility.md, "What Azure's jobs lack". */
#include "house.h"
#include <stdio.h>

enum { TRIES = 20000 };

/* ---- asking ---- */

static void must_ask(const char *line, const char *body, struct answer *out)
{
    house_ask(house_of_group(), line, "", body, out);
    if (out->status != 200)
        fail_msg("%s: %d %.*s", line, out->status, STR_ARG(out->body));
}

static void do_ask(const char *line, const char *body)
{
    struct answer answer;
    must_ask(line, body, &answer);
    answer_done(&answer);
}

static bool shows(const char *line, const char *body, const char *text)
{
    struct answer answer;
    must_ask(line, body, &answer);
    bool found = strstr(answer.body.ptr, text) != NULL;
    answer_done(&answer);
    return found;
}

static void await(const char *line, const char *body, const char *text)
{
    for (int i = 0; i < TRIES; i++)
        if (shows(line, body, text))
            return;
    fail_msg("%s never shows %s", line, text);
}

static void await_status(const char *id, const char *status)
{
    char line[128], text[64];
    snprintf(line, sizeof line, "GET /jobs/v2/%s", id);
    snprintf(text, sizeof text, "\"status\":\"%s\"", status);
    await(line, NULL, text);
}

/* ---- jobs that have everything ---- */

#define METHOD "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{\"methodName\":\"m\"}"
#define TWIN "\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"tags\":{\"a\":1}}"
#define RECORDS(id) "{\"query\":\"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '" id "'\"}"

static void reject_calls(struct line *line, int count)
{
    for (int i = 0; i < count; i++) {
        char topic[256];
        struct buf packets = {0};
        struct mqtt_packet packet = line_read(line);
        assert_int_equal(packet.type, MQTT_PUBLISH);
        const char *rid = strstr(packet.publish.topic.ptr, "?$rid=");
        size_t at = (size_t)(rid - packet.publish.topic.ptr);
        snprintf(topic, sizeof topic, "$iothub/methods/res/500/%.*s",
                 (int)(packet.publish.topic.len - at), rid);
        put_publish(&packets, topic, STR("null"), 0);
        line_send(line, buf_str(&packets));
        buf_done(&packets);
    }
}

static void make_jobs(void)
{
    struct line line;
    struct buf packets = {0};
    house_register(house_of_group(), "away");
    house_register(house_of_group(), "here");
    do_ask("PUT /jobs/v2/runs", "{" METHOD ",\"queryCondition\":\"deviceId = 'away'\"}");
    do_ask("PUT /jobs/v2/rests", "{" TWIN ",\"queryCondition\":\"*\","
                                 "\"startTime\":\"2099-01-01T00:00:00Z\"}");
    do_ask("POST /jobs/v2/rests/pause", NULL);
    do_ask("PUT /jobs/v2/late", "{" TWIN ",\"startTime\":\"2020-01-01T00:00:00Z\","
                                "\"policy\":{\"targets\":{\"deviceIds\":[\"here\",\"nobody\"]}}}");
    await_status("late", "completed");
    do_ask("POST /jobs/v2/late/retry", "");
    await_status("late-r2", "completed");
    line_join(&line, house_of_group(), "here");
    put_subscribe(&packets, 1, "$iothub/methods/POST/#");
    line_send(&line, buf_str(&packets));
    buf_done(&packets);
    expect_id(&line, MQTT_SUBACK, 1);
    do_ask("PUT /jobs/v2/again",
           "{" METHOD ",\"queryCondition\":\"deviceId = 'here'\",\"policy\":{\"retry\":"
           "{\"attempts\":2,\"on\":[\"rejected\"],\"delayInSeconds\":0.001}}}");
    reject_calls(&line, 2);
    await_status("again", "completed");
    line_cut(&line);
    await("GET /jobs/v2/runs", NULL, "devicesPerSecond");
}

/* ---- what is ours ---- */

static const struct {
    const char *member, *line, *body;
} ours[] = {
    {"\"devicesPerSecond\"", "GET /jobs/v2/runs", NULL},
    {"\"paused\"", "GET /jobs/v2/rests", NULL},
    {"\"policy\"", "GET /jobs/v2/late", NULL},
    {"\"devicesNotFound\"", "GET /jobs/v2/late", NULL},
    {"\"topFailures\"", "GET /jobs/v2/late", NULL},
    {"\"parentJobId\"", "GET /jobs/v2/late-r2", NULL},
    {"\"policy\"", "GET /jobs/v2/query", NULL},
    {"\"parentJobId\"", "GET /jobs/v2/query", NULL},
    {"\"attempts\"", "POST /devices/query", RECORDS("again")},
};

static void a_strict_hub_shows_no_member_that_azure_has_not(void **state)
{
    make_jobs();
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        print_message("  %s of %s\n", ours[i].member, ours[i].line);
        assert_true(shows(ours[i].line, ours[i].body, ours[i].member));
        house_be_strict(house_of_group(), true);
        assert_false(shows(ours[i].line, ours[i].body, ours[i].member));
        house_be_strict(house_of_group(), false);
    }
}

static void a_strict_hub_cancels_in_azures_members(void **state)
{
    do_ask("PUT /jobs/v2/later",
           "{" TWIN ",\"queryCondition\":\"*\",\"startTime\":\"2099-01-01T00:00:00Z\","
           "\"policy\":{\"pace\":{\"devicesPerSecond\":1}}}");
    house_be_strict(house_of_group(), true);
    assert_false(shows("POST /jobs/v2/later/cancel", NULL, "\"policy\""));
    house_be_strict(house_of_group(), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strict_hub_shows_no_member_that_azure_has_not),
        cmocka_unit_test(a_strict_hub_cancels_in_azures_members),
    };
    return cmocka_run_group_tests(tests, house_group_setup, house_group_teardown);
}
