/* Where the hub is, and what is said when it is not. */
#include "../base/check.h"
#include "app/service_client.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#define HUB "HostName=localhost;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0"
#define DEVICE "HostName=localhost;DeviceId=d;SharedAccessKey=c2VjcmV0"

/* A file with `text`; its name is good until the next. */
static const char *file_with(const char *text)
{
    static char path[] = "/tmp/muster-test-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static const struct {
    const char *rule, *option, *file, *environment;
    const char *policy; /* NULL: refused */
} places[] = {
    {"an option", HUB, NULL, NULL, "service"},
    {"a file", NULL, HUB "\n", NULL, "service"},
    {"only a file's first line counts", NULL, HUB "\r\nx", NULL, "service"},
    {"the environment", NULL, NULL, HUB, "service"},
    {"an option wins over the environment", HUB, NULL, "HostName=other", "service"},
    {"nothing", NULL, NULL, NULL, NULL},
    {"an empty environment variable is nothing", NULL, NULL, "", NULL},
    {"two ways at once", HUB, HUB, NULL, NULL},
    {"an empty file", NULL, "", NULL, NULL},
    {"a device's connection string", DEVICE, NULL, NULL, NULL},
    {"no connection string", "HostName", NULL, NULL, NULL},
};

static void a_connection_string_has_many_ways_to_us(void **state)
{
    for (size_t i = 0; i < COUNT(places); i++) {
        struct service_place place = {.connection_string = places[i].option};
        struct service service;
        struct why why = {0};
        if (places[i].file)
            place.connection_string_file = file_with(places[i].file);
        unsetenv(SERVICE_ENVIRONMENT);
        if (places[i].environment)
            setenv(SERVICE_ENVIRONMENT, places[i].environment, 1);
        enum err err = service_init(&service, &place, &why);
        check_int(places[i].rule, err == ERR_OK, places[i].policy != NULL);
        if (err == ERR_OK) {
            check_str(places[i].rule, service.who.policy, str_from(places[i].policy));
            check_str(places[i].rule, service.key, STR("secret"));
            service_done(&service);
        } else {
            check_int(places[i].rule, err, ERR_BAD_INPUT);
            check("a reason", why.text[0] != '\0');
            check("never the key", !strstr(why.text, "c2VjcmV0"));
        }
        if (place.connection_string_file)
            unlink(place.connection_string_file);
    }
    unsetenv(SERVICE_ENVIRONMENT);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct service service;
    struct why why;
    check_int("connection string",
              service_init(&service,
                           &(struct service_place){.connection_string_file = "/nonexistent/a"},
                           &why),
              ERR_NOT_FOUND);
    check("its name", strstr(why.text, "/nonexistent/a") != NULL);
    check_int("CA",
              service_init(
                  &service,
                  &(struct service_place){.connection_string = HUB, .ca = "/nonexistent/b"}, &why),
              ERR_NOT_FOUND);
    check("its name", strstr(why.text, "/nonexistent/b") != NULL);
}

static const struct {
    long status;
    const char *message;
    enum err err;
    const char *words;
} refusals[] = {
    {200, NULL, ERR_OK, ""},
    {204, NULL, ERR_OK, ""},
    {400, "Bad condition.", ERR_BAD_INPUT, "Bad condition."},
    {401, "Unauthorized", ERR_DENIED, "policy 'service'"},
    {403, "Quota", ERR_DENIED, "Quota"},
    {404, "Job x not found.", ERR_NOT_FOUND, "Job x not found. (404 Name)"},
    {405, "Not now.", ERR_CONFLICT, "Not now."},
    {409, "There already.", ERR_CONFLICT, "There already."},
    {412, "Changed.", ERR_CONFLICT, "Changed."},
    {429, "Slowly.", ERR_BUSY, "Slowly."},
    {503, NULL, ERR_BUSY, "503"},
    {500, NULL, ERR_CORRUPT, "500"},
    {302, NULL, ERR_CORRUPT, "is it a hub's port?"},
    {404, NULL, ERR_NOT_FOUND, "is it a hub's port?"},
};

static void each_refusal_has_a_kind_and_a_sentence(void **state)
{
    struct service service;
    struct why why;
    assert_int_equal(
        service_init(&service, &(struct service_place){.connection_string = HUB}, &why), ERR_OK);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct service_answer answer = {.status = refusals[i].status,
                                        .error = STR("Name"),
                                        .message = str_from(refusals[i].message)};
        why.text[0] = '\0';
        check_int("kind", service_judge(&service, &answer, &why), refusals[i].err);
        check(refusals[i].words, strstr(why.text, refusals[i].words) != NULL);
    }
    service_done(&service);
}

/* A port at which nobody listens: ours, without listen(2). */
static int closed_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void a_hub_that_is_not_there_is_said_to_be_so(void **state)
{
    int fd;
    struct service_place place = {
        .connection_string = HUB, .address = "127.0.0.1", .https_port = closed_port(&fd)};
    struct service service;
    struct why why;
    assert_int_equal(service_init(&service, &place, &why), ERR_OK);
    struct arena mem = {0};
    struct service_answer answer;
    enum err err = service_call(
        &service,
        &(struct service_request){
            .method = "GET", .path = STR("/jobs/v2/x"), .body = STR_NONE, .continue_at = STR_NONE},
        &mem, &answer, &why);
    check_int("outside", err, ERR_OUTSIDE);
    check("in plain words", strstr(why.text, "is the hub running") != NULL);
    arena_done(&mem);
    service_done(&service);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_string_has_many_ways_to_us),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(each_refusal_has_a_kind_and_a_sentence),
        cmocka_unit_test(a_hub_that_is_not_there_is_said_to_be_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
