/* Where a hub listens, for the commands that get its folder: "ADDRESS HTTPS-PORT MQTT-PORT". A hub that was killed
 * leaves the file, which does no harm: nobody answers there. */
#include "app/app.h"
#include "base/file.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

static bool is_address(const char *text)
{
    struct in6_addr bytes;
    return inet_pton(AF_INET, text, &bytes) == 1 || inet_pton(AF_INET6, text, &bytes) == 1;
}

bool listening_read(const char *dir, struct arena *mem, struct listening *out)
{
    char address[INET6_ADDRSTRLEN];
    unsigned https, mqtt;
    FILE *file = fopen(str_format(mem, "%s/%s", dir, APP_LISTENING_FILE).ptr, "re");
    int got = file ? fscanf(file, "%45s %5u %5u", address, &https, &mqtt) : 0;
    if (file)
        fclose(file);
    if (got != 3 || !is_address(address) || https == 0 || https > UINT16_MAX || mqtt == 0 ||
        mqtt > UINT16_MAX)
        return false;
    *out = (struct listening){.address = str_copy(mem, str_from(address)).ptr,
                              .https_port = (uint16_t)https,
                              .mqtt_port = (uint16_t)mqtt};
    return true;
}

enum err listening_write(const char *dir, struct listening at, struct why *why)
{
    struct arena mem = {0};
    struct str line = str_format(&mem, "%s %u %u\n", at.address ? at.address : "127.0.0.1",
                                 at.https_port, at.mqtt_port);
    enum err err = file_replace(dir, APP_LISTENING_FILE, line, why);
    arena_done(&mem);
    return err;
}

void listening_end(const char *dir)
{
    struct arena mem = {0};
    unlink(str_format(&mem, "%s/%s", dir, APP_LISTENING_FILE).ptr);
    arena_done(&mem);
}
