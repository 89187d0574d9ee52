/* Which request goes where, and who may send it: every endpoint with every policy, over the wire. */
#include "house.h"
#include <stdio.h>

static const char *const policies[] = {"iothubowner", "service", "device", "registryRead",
                                       "registryReadWrite"};
enum { POLICIES = sizeof policies / sizeof *policies };

/* docs/spec/quotas-errors-auth.md 11: o, s, r, w stand for iothubowner, service, registryRead,
 * registryReadWrite. Nobody gets in with "device". */
static const struct {
    const char *line, *body, *who;
} endpoints[] = {
    {"GET /devices/d", NULL, "orw"},
    {"HEAD /devices/d", NULL, "orw"},
    {"PUT /devices/d", "{}", "ow"},
    {"DELETE /devices/nobody", NULL, "ow"},
    {"GET /devices", NULL, "orw"},
    {"POST /devices", "[{\"id\":\"d\",\"importMode\":\"update\"}]", "ow"},
    {"GET /statistics/devices", NULL, "orw"},
    {"GET /statistics/service", NULL, "orw"},
    {"GET /twins/d", NULL, "os"},
    {"PATCH /twins/d", "{\"tags\":{}}", "os"},
    {"PUT /twins/d", "{\"tags\":{}}", "os"},
    {"POST /twins/d/methods", "{\"methodName\":\"m\"}", "os"},
    {"POST /devices/query", "{\"query\":\"SELECT * FROM devices\"}", "osrw"},
    {"PUT /jobs/v2/j", "{}", "osw"},
    {"GET /jobs/v2/j", NULL, "osrw"},
    {"POST /jobs/v2/j/cancel", "", "osw"},
    {"GET /jobs/v2/query", NULL, "osrw"},
    {"PUT /jobs/v2/d/methods/j", "{}", "osw"},
    {"GET /jobs/v2/d/methods/j", NULL, "osrw"},
    {"GET /policies", NULL, "o"},
    {"GET /policies/service", NULL, "o"},
    {"PUT /policies/one", "{\"rights\":\"RegistryRead\"}", "o"},
    {"POST /policies/nobody/rotate", "{\"key\":\"both\"}", "o"},
    {"DELETE /policies/nobody", NULL, "o"},
};

static bool may(const char *who, const char *policy)
{
    static const char letters[] = {'o', 's', 'd', 'r', 'w'};
    for (size_t i = 0; i < POLICIES; i++)
        if (strcmp(policies[i], policy) == 0)
            return strchr(who, letters[i]) != NULL;
    return false;
}

static void every_endpoint_lets_in_whom_the_contract_names(void **state)
{
    struct house *house = house_of_group();
    house_register(house, "d");
    for (size_t p = 0; p < POLICIES; p++) {
        struct peer peer = peer_greet(house->https_port);
        struct buf headers = {0};
        buf_printf(&headers, "Authorization: %s\r\n%c", house_token(house, policies[p]).ptr, '\0');
        for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
            struct answer answer;
            ask(&peer, endpoints[i].line, headers.ptr, endpoints[i].body);
            read_answer(&peer, strncmp(endpoints[i].line, "HEAD", 4) == 0, &answer);
            if ((answer.status != 401) != may(endpoints[i].who, policies[p]))
                fail_msg("%s as %s: %d", endpoints[i].line, policies[p], answer.status);
            answer_done(&answer);
        }
        buf_done(&headers);
        peer_hang_up(&peer);
    }
}

static void without_a_token_only_health_and_metrics_are_told(void **state)
{
    struct peer peer = peer_greet(house_of_group()->https_port);
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        struct answer answer;
        ask(&peer, endpoints[i].line, "", endpoints[i].body);
        read_answer(&peer, strncmp(endpoints[i].line, "HEAD", 4) == 0, &answer);
        assert_int_equal(answer.status, 401);
        answer_done(&answer);
    }
    static const char *const open[] = {"GET /healthz", "GET /metrics"};
    for (size_t i = 0; i < 2; i++) {
        struct answer answer;
        ask(&peer, open[i], "", NULL);
        read_answer(&peer, false, &answer);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
    }
    peer_hang_up(&peer);
}

static const struct {
    const char *rule, *line, *headers, *body;
    int status;
    const char *fault; /* NULL: no error */
} requests[] = {
    /* paths */
    {"an unknown path", "GET /nowhere", "", NULL, 404, "GenericNotFound"},
    {"the root", "GET /", "", NULL, 404, "GenericNotFound"},
    {"an empty id", "GET /devices//", "", NULL, 404, "GenericNotFound"},
    {"an empty job id", "POST /jobs/v2//cancel", "", "", 404, "GenericNotFound"},
    {"more segments than any route has", "GET /a/b/c/d/e/f/g/h/i/j", "", NULL, 404,
     "GenericNotFound"},
    {"a slash at the end", "GET /devices/", "", NULL, 200, NULL},
    {"words without case", "GET /DEVICES/d", "", NULL, 200, NULL},
    {"ids with case", "GET /devices/D", "", NULL, 404, "DeviceNotFound"},
    {"an encoded id", "GET /devices/%64", "", NULL, 200, NULL},
    {"an encoded slash stays in its segment", "GET /devices/a%2Fb", "", NULL, 400,
     "ArgumentInvalid"},
    {"an escape that is none", "GET /devices/%zz", "", NULL, 400, "ArgumentInvalid"},
    {"an encoded NUL", "GET /devices/%00", "", NULL, 400, "ArgumentInvalid"},
    {"an id with characters that ids do not have", "GET /devices/a%20b", "", NULL, 400,
     "ArgumentInvalid"},
    {"a device may be called query", "GET /devices/query", "", NULL, 404, "DeviceNotFound"},
    /* methods */
    {"a known path with another method", "POST /twins/d", "", "{}", 405, "GenericMethodNotAllowed"},
    {"a method that nobody speaks here", "OPTIONS /twins/d", "", NULL, 405,
     "GenericMethodNotAllowed"},
    {"PATCH as POST", "POST /twins/d", "X-HTTP-Method-Override: PATCH\r\n", "{\"tags\":{}}", 200,
     NULL},
    {"an override counts on POST only", "GET /twins/d", "X-HTTP-Method-Override: DELETE\r\n", NULL,
     200, NULL},
    /* api-version */
    {"no api-version", "GET /twins/d?x=1", "", NULL, 400, "InvalidProtocolVersion"},
    {"an old one", "GET /twins/d?api-version=2016-02-03", "", NULL, 200, NULL},
    {"an older one", "GET /twins/d?api-version=2016-02-02", "", NULL, 400,
     "InvalidProtocolVersion"},
    {"one of the future", "GET /twins/d?api-version=2031-12-31", "", NULL, 200, NULL},
    {"a preview", "GET /twins/d?API-Version=2016-09-30-preview", "", NULL, 200, NULL},
    {"another tail", "GET /twins/d?api-version=2021-04-12-alpha", "", NULL, 400,
     "InvalidProtocolVersion"},
    {"a month that is none", "GET /twins/d?api-version=2021-13-01", "", NULL, 400,
     "InvalidProtocolVersion"},
    {"a day that is none", "GET /twins/d?api-version=2021-04-00", "", NULL, 400,
     "InvalidProtocolVersion"},
    {"a word", "GET /twins/d?api-version=latest", "", NULL, 400, "InvalidProtocolVersion"},
    /* bodies */
    {"no body where one is needed", "PATCH /twins/d", "", "", 400, "ArgumentNull"},
    {"no JSON", "PATCH /twins/d", "", "{", 400, "IotHubFormatError"},
    {"a name twice", "PATCH /twins/d", "", "{\"tags\":{\"a\":1,\"a\":2}}", 400,
     "IotHubFormatError"},
    {"any content type", "PATCH /twins/d", "Content-Type: text/plain\r\n", "{\"tags\":{}}", 200,
     NULL},
    {"one that may be left out, left out", "POST /jobs/v2/none/retry", "", "", 404, "JobNotFound"},
    {"one that may be left out, wrong", "POST /jobs/v2/none/retry", "", "{", 400,
     "IotHubFormatError"},
    {"one that may be left out, with what it may not say", "POST /jobs/v2/none/retry", "",
     "{\"type\":\"scheduleUpdateTwin\"}", 400, "ArgumentInvalid"},
    {"a body on GET is not looked at", "GET /twins/d", "", "{", 200, NULL},
    /* If-Match */
    {"absent", "PATCH /twins/d", "", "{\"tags\":{}}", 200, NULL},
    {"a star", "PATCH /twins/d", "If-Match: *\r\n", "{\"tags\":{}}", 200, NULL},
    {"a star in quotes", "PATCH /twins/d", "If-Match: \"*\"\r\n", "{\"tags\":{}}", 200, NULL},
    {"an empty one counts as absent", "PATCH /twins/d", "If-Match: \"\"\r\n", "{\"tags\":{}}", 200,
     NULL},
    {"another etag", "PATCH /twins/d", "If-Match: \"AAAAAAAAAAE=\"\r\n", "{\"tags\":{}}", 412,
     "PreconditionFailed"},
    {"a weak etag", "PATCH /twins/d", "If-Match: W/\"AAAAAAAAAAE=\"\r\n", "{\"tags\":{}}", 412,
     "PreconditionFailed"},
    {"creating what is there", "PUT /devices/d", "", "{}", 409, "DeviceAlreadyExists"},
    {"creating what is there, with an empty one", "PUT /devices/d", "If-Match: \"\"\r\n", "{}", 409,
     "DeviceAlreadyExists"},
    {"replacing what is not there", "PUT /devices/nobody", "If-Match: *\r\n", "{}", 404,
     "DeviceNotFound"},
};

static void requests_are_answered_as_the_contract_says(void **state)
{
    struct house *house = house_of_group();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct answer answer;
        print_message("  %s\n", requests[i].rule);
        house_ask(house, requests[i].line, requests[i].headers, requests[i].body, &answer);
        assert_int_equal(answer.status, requests[i].status);
        struct str fault = answer_header(&answer, "iothub-errorcode");
        assert_true(str_eq(fault, str_from(requests[i].fault)));
        if (requests[i].fault) { /* header and body name the same */
            char form[128];
            snprintf(form, sizeof form, "{\"Message\":\"ErrorCode:%s;", requests[i].fault);
            assert_memory_equal(answer.body.ptr, form, strlen(form));
        }
        assert_true(
            str_eq(answer_header(&answer, "Content-Type"), STR("application/json; charset=utf-8")));
        assert_int_equal(answer_header(&answer, "x-ms-request-id").len, 36);
        assert_true(str_eq(answer_header(&answer, "Vary"), STR("Origin")));
        answer_done(&answer);
    }
}

static void identities_have_an_etag_header_and_twins_have_none(void **state)
{
    struct answer answer;
    house_ask(house_of_group(), "GET /devices/d", "", NULL, &answer);
    struct str etag = answer_header(&answer, "ETag");
    assert_true(etag.len > 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"');
    answer_done(&answer);
    house_ask(house_of_group(), "GET /twins/d", "", NULL, &answer);
    assert_null(answer_header(&answer, "ETag").ptr);
    answer_done(&answer);
}

/* ---- jobs of one device, api-version 2016-09-30-preview ---- */

static void put_job(const char *line, const char *body)
{
    struct answer answer;
    house_ask(house_of_group(), line, "", body, &answer);
    if (answer.status != 200)
        fail_msg("%s: %.*s", line, STR_ARG(answer.body));
    answer_done(&answer);
}

static const struct {
    const char *rule, *line;
    int status;
} seen[] = {
    {"a job is seen where it was put", "GET /jobs/v2/d/methods/one", 200},
    {"and as the v2 job that it is", "GET /jobs/v2/one", 200},
    {"not at another device", "GET /jobs/v2/e/methods/one", 404},
    {"a v2 job for this device alone is seen", "GET /jobs/v2/d/methods/same", 200},
    {"a v2 job for many devices is not", "GET /jobs/v2/d/methods/many", 404},
    {"an id with a quote", "GET /jobs/v2/it's/methods/quoted", 200},
    {"a job that is not there", "GET /jobs/v2/d/methods/none", 404},
};

static void a_job_of_one_device_is_seen_there_and_nowhere_else(void **state)
{
#define METHOD "\"cloudToDeviceMethod\":{\"methodName\":\"m\"},\"type\":\"scheduleDeviceMethod\""
#define LATER "\"startTime\":\"2099-01-01T00:00:00Z\""
    put_job("PUT /jobs/v2/d/methods/one", "{\"methodName\":\"m\"," LATER "}");
    put_job("PUT /jobs/v2/it's/methods/quoted", "{" METHOD "," LATER "}");
    put_job("PUT /jobs/v2/same", "{" METHOD ",\"queryCondition\":\"deviceId = 'd'\"," LATER "}");
    put_job("PUT /jobs/v2/many", "{" METHOD ",\"queryCondition\":\"*\"," LATER "}");
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        struct answer answer;
        print_message("  %s\n", seen[i].rule);
        house_ask(house_of_group(), seen[i].line, "", NULL, &answer);
        assert_int_equal(answer.status, seen[i].status);
        answer_done(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_endpoint_lets_in_whom_the_contract_names),
        cmocka_unit_test(without_a_token_only_health_and_metrics_are_told),
        cmocka_unit_test(requests_are_answered_as_the_contract_says),
        cmocka_unit_test(identities_have_an_etag_header_and_twins_have_none),
        cmocka_unit_test(a_job_of_one_device_is_seen_there_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, house_group_setup, house_group_teardown);
}
