/* twin_write.c - what one write of a section costs.
 *
 * A section of some 900 bytes, forty properties as devices report them, and a patch of one; then
 * the same with a patch of all. Takes a number of rounds.
 * `ninja -C <build> bench/twin_write && <build>/bench/twin_write`. */
#include "model/twin.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int rounds = 300000;

/* Written with ' for ". */
static char values[] =
    "{'connectivity':{'type':'cellular',"
    "'cellular':{'status':'connected','carrier':'Example Telecom','signal':-87}},"
    "'firmware':{'version':'4.2.17-release','installed':'2024-03-11T09:20:00Z',"
    "'slots':['a','b']},"
    "'battery':{'level':87,'charging':true,'voltage':3.97,'cycles':412},"
    "'location':{'lat':48.137154,'lon':11.576124,'accuracy':12.5,'source':'gnss'},"
    "'telemetry':{'interval':'5m','batch':20,'compression':'gzip','endpoint':'primary'},"
    "'sensors':{'temperature':{'value':21.75,'unit':'C','calibrated':'2023-11-02'},"
    "'humidity':{'value':48.5,'unit':'%','calibrated':'2023-11-02'},"
    "'pressure':{'value':1013.25,'unit':'hPa','calibrated':'2023-11-02'}},"
    "'serial':'SN-2024-000017-A','uptime':1843200,'restarts':3,'lastError':'none',"
    "'logLevel':'information','ip':'10.20.30.40','timezone':'Europe/Berlin',"
    "'build':{'commit':'3f2a91c07d','channel':'stable','flags':['watchdog','secureboot']}}";

/* Of this process, so that a busy machine does not count. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static yyjson_val *parse(struct str text, struct arena *mem)
{
    yyjson_val *root = NULL;
    struct why why = {.text = ""};
    const struct json_limits limits = {.size_max = TWIN_BODY_MAX, .depth_max = 20};
    if (json_read(text, &limits, mem, &root, &why) != ERR_OK)
        fprintf(stderr, "%s\n", why.text);
    return root;
}

static void measure(const char *what, struct str patch)
{
    struct arena lasting = {0}, mem = {0};
    struct twin_section section = twin_section_fresh(TWIN_REPORTED, 0), next = section;
    struct twin_write fill = {parse(str_from(values), &lasting), true, 1, 0};
    if (twin_section_write(TWIN_REPORTED, &section, &fill, &lasting, &section, NULL) != ERR_OK)
        return;
    int64_t start = cpu_ns();
    for (int i = 0; i < rounds; i++) {
        struct twin_write write = {parse(patch, &mem), false, i * TICKS_PER_SECOND, 0};
        if (twin_section_write(TWIN_REPORTED, &section, &write, &mem, &next, NULL) != ERR_OK)
            return;
        arena_reset(&mem);
    }
    printf("%-22s %zu bytes of values: %" PRId64 " ns of CPU, the patch read as well\n", what,
           section.values.len, (cpu_ns() - start) / rounds);
    arena_done(&mem);
    arena_done(&lasting);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (int)strtol(argv[1], NULL, 10);
    for (char *c = values; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    measure("one property", STR("{\"battery\":{\"level\":86}}"));
    measure("everything", str_from(values));
    return 0;
}
