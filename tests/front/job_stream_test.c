/* The events of a job over HTTPS: GET /jobs/v2/{id}/events. */
#include "house.h"

#define TWIN_JOB(more)                                                                             \
    "{\"type\":\"scheduleUpdateTwin\",\"queryCondition\":\"*\",\"updateTwin\":{\"tags\":{\"a\":1}" \
    "}" more "}"
#define LATER ",\"startTime\":\"2124-05-01T08:00:00Z\""
#define STREAM_END "0\r\n\r\n"

static void expect(const char *line, const char *headers, const char *body, int status)
{
    struct answer answer;
    house_ask(house_of_group(), line, headers, body, &answer);
    if (answer.status != status)
        fail_msg("%s: %d %.*s", line, answer.status, STR_ARG(answer.body));
    answer_done(&answer);
}

/* Watch as the policy `service`. */
static struct peer watch_in(struct house *house, const char *job, const char *more)
{
    struct peer peer = peer_greet(house->https_port);
    struct buf headers = {0};
    char line[128];
    snprintf(line, sizeof line, "GET /jobs/v2/%s/events", job);
    buf_printf(&headers, "Authorization: %s\r\n%s%c", house_token(house, "service").ptr, more,
               '\0');
    ask(&peer, line, headers.ptr, NULL);
    buf_done(&headers);
    return peer;
}

static struct peer watch(const char *job, const char *more)
{
    return watch_in(house_of_group(), job, more);
}

/* All that comes up to and with `mark`, 0-terminated, in `out`. */
static const char *read_to(struct peer *peer, const char *mark, struct buf *out)
{
    size_t length = strlen(mark);
    buf_reset(out);
    do {
        peer_read(peer, buf_room(out, 2), 1);
        out->len++;
        out->ptr[out->len] = '\0';
    } while (out->len < length || strcmp(out->ptr + out->len - length, mark) != 0);
    return out->ptr;
}

/* The words of the states in it: "created running ". */
static const char *states_in(const char *text)
{
    static char words[256];
    words[0] = '\0';
    while ((text = strstr(text, "\"event\":\""))) {
        text += strlen("\"event\":\"");
        snprintf(words + strlen(words), sizeof words - strlen(words), "%.*s ",
                 (int)strcspn(text, "\""), text);
    }
    return words;
}

/* The stream of a job that has ended, which is an answer like any other. */
static struct answer past(const char *job, const char *headers, int status)
{
    struct answer answer;
    char line[128];
    snprintf(line, sizeof line, "GET /jobs/v2/%s/events", job);
    house_ask(house_of_group(), line, headers, NULL, &answer);
    assert_int_equal(answer.status, status);
    return answer;
}

static void a_finished_job_tells_its_whole_life(void **state)
{
    expect("PUT /jobs/v2/past", "", TWIN_JOB(""), 200);
    struct buf all = {0};
    struct peer peer = watch("past", ""); /* perhaps before it has ended */
    read_to(&peer, "\"event\":\"completed\"", &all);
    peer_hang_up(&peer);
    buf_done(&all);
    struct answer answer = past("past", "", 200);
    assert_true(str_eq(answer_header(&answer, "Content-Type"), STR("text/event-stream")));
    assert_non_null(strstr(answer.body.ptr, "retry: "));
    assert_non_null(strstr(answer.body.ptr,
                           "event: numbers\ndata: {\"status\":\"completed\","
                           "\"deviceJobStatistics\":{\"deviceCount\":1,\"failedCount\":0,"
                           "\"succeededCount\":1,"));
    assert_string_equal(states_in(answer.body.ptr), "created running completed ");
    answer_done(&answer);
}

static void what_happens_is_told_as_it_happens(void **state)
{
    struct buf all = {0};
    expect("PUT /jobs/v2/live", "", TWIN_JOB(LATER), 200);
    struct peer peer = watch("live", "");
    assert_string_equal(states_in(read_to(&peer, "\"event\":\"scheduled\"", &all)),
                        "created scheduled ");
    expect("POST /jobs/v2/live/pause", "", NULL, 200);
    assert_string_equal(states_in(read_to(&peer, "\"event\":\"paused\"", &all)), "paused ");
    expect("POST /jobs/v2/live/cancel", "", NULL, 200);
    assert_string_equal(states_in(read_to(&peer, STREAM_END, &all)), "cancelled ");
    struct answer answer;
    ask(&peer, "GET /healthz", "", NULL);
    read_answer(&peer, false, &answer);
    assert_int_equal(answer.status, 200); /* the connection goes on */
    answer_done(&answer);
    peer_hang_up(&peer);
    buf_done(&all);
}

static void who_comes_back_is_told_what_he_missed(void **state)
{
    unsigned long ids[3];
    char header[64];
    struct answer answer = past("past", "", 200);
    const char *at = answer.body.ptr;
    for (int i = 0; i < 3; i++) {
        at = strstr(at, "\nid: ") + 5;
        ids[i] = strtoul(at, NULL, 10);
    }
    answer_done(&answer);
    snprintf(header, sizeof header, "Last-Event-ID: %lu\r\n", ids[1]);
    answer = past("past", header, 200);
    assert_string_equal(states_in(answer.body.ptr), "completed ");
    answer_done(&answer);
    snprintf(header, sizeof header, "Last-Event-ID: %lu\r\n", ids[2]);
    answer = past("past", header, 204); /* and need not come again */
    answer_done(&answer);
}

static void bad_requests_follow_the_table(void **state)
{
    static const struct {
        const char *rule, *line, *headers;
        int status;
    } cases[] = {
        {"no such job", "GET /jobs/v2/nobody/events", "", 404},
        {"nor can there be", "GET /jobs/v2/no%20body/events", "", 404},
        {"an id that we never sent", "GET /jobs/v2/past/events", "Last-Event-ID: x\r\n", 400},
        {"nothing can be posted there", "POST /jobs/v2/past/events", "", 405},
        {"a look at the head alone", "HEAD /jobs/v2/past/events", "", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("  %s\n", cases[i].rule);
        expect(cases[i].line, cases[i].headers, NULL, cases[i].status);
    }
}

static void a_watcher_that_leaves_is_forgotten(void **state)
{
    struct house *house = house_of_group();
    struct buf all = {0};
    expect("PUT /jobs/v2/left", "", TWIN_JOB(LATER), 200);
    for (int i = 0; i < 3; i++) {
        struct peer peer = watch("left", "");
        read_to(&peer, "event: numbers", &all);
        peer_hang_up(&peer);
    }
    expect("POST /jobs/v2/left/cancel", "", NULL, 200);
    while (atomic_load(&house->front->streams) > 0)
        expect("GET /healthz", "", NULL, 200);
    buf_done(&all);
}

static void only_so_many_may_watch(void **state)
{
    enum { MOST = 256 };
    struct buf all = {0};
    static struct peer peers[MOST];
    expect("PUT /jobs/v2/crowd", "", TWIN_JOB(LATER), 200);
    for (int i = 0; i < MOST; i++) {
        peers[i] = watch("crowd", "");
        read_to(&peers[i], "event: numbers", &all);
    }
    expect("GET /jobs/v2/crowd/events", "", NULL, 429);
    expect("POST /jobs/v2/crowd/cancel", "", NULL, 200);
    for (int i = 0; i < MOST; i++) {
        read_to(&peers[i], STREAM_END, &all);
        peer_hang_up(&peers[i]);
    }
    expect("GET /jobs/v2/past/events", "", NULL, 200);
    buf_done(&all);
}

static void a_stream_ends_with_the_right_to_it(void **state)
{
    struct house house;
    struct buf all = {0};
    struct answer answer;
    house_start(&house, &(struct house_config){.stream_trust_ms = 1});
    house_ask(&house, "PUT /jobs/v2/j", "", TWIN_JOB(LATER), &answer);
    answer_done(&answer);
    struct peer peer = watch_in(&house, "j", "");
    read_to(&peer, "event: numbers", &all);
    house_ask(&house, "DELETE /policies/service", "", NULL, &answer);
    assert_int_equal(answer.status, 204);
    answer_done(&answer);
    read_to(&peer, STREAM_END, &all);
    peer_hang_up(&peer);
    buf_done(&all);
    house_stop(&house);
    house_remove(&house);
}

static void a_hub_that_stops_ends_its_streams(void **state)
{
    struct house house;
    struct buf all = {0};
    struct answer answer;
    house_start(&house, &(struct house_config){0});
    house_ask(&house, "PUT /jobs/v2/j", "", TWIN_JOB(LATER), &answer);
    answer_done(&answer);
    struct peer peer = watch_in(&house, "j", "");
    read_to(&peer, "event: numbers", &all);
    house_stop(&house);
    read_to(&peer, STREAM_END, &all);
    peer_hang_up(&peer);
    buf_done(&all);
    house_remove(&house);
}

static int set_up(void **state)
{
    int failed = house_group_setup(state);
    if (!failed)
        house_register(house_of_group(), "d1");
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_job_tells_its_whole_life),
        cmocka_unit_test(what_happens_is_told_as_it_happens),
        cmocka_unit_test(who_comes_back_is_told_what_he_missed),
        cmocka_unit_test(bad_requests_follow_the_table),
        cmocka_unit_test(a_watcher_that_leaves_is_forgotten),
        cmocka_unit_test(only_so_many_may_watch),
        cmocka_unit_test(a_stream_ends_with_the_right_to_it),
        cmocka_unit_test(a_hub_that_stops_ends_its_streams),
    };
    return cmocka_run_group_tests(tests, set_up, house_group_teardown);
}
