/* Whatever arrives, the MQTT decoder takes whole packets or refuses; what it takes can be written
 * and reads back alike; a packet short of its last byte is never taken. */
#include "../wire/mqtt_again.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKET_MAX = 4096 };

static void check_limits(struct str packet)
{
    struct mqtt_packet out;
    size_t used = 0;
    enum step step = mqtt_decode(packet, packet.len, &out, &used, NULL);
    assert(step == STEP_DONE);
    step = mqtt_decode(packet, packet.len - 1, &out, &used, NULL);
    assert(step == STEP_BAD);
    step = mqtt_decode(str_take(packet, packet.len - 1), PACKET_MAX, &out, &used, NULL);
    assert(step == STEP_MORE);
}

static void check_round_trip(const struct mqtt_packet *packet)
{
    if (packet->type == MQTT_CONNECT && !packet->connect.spoken)
        return;
    struct buf once = {0}, twice = {0};
    struct mqtt_packet again;
    size_t used = 0;
    bool written = mqtt_put_again(&once, packet);
    assert(written);
    enum step step = mqtt_decode(buf_str(&once), once.len, &again, &used, NULL);
    assert(step == STEP_DONE);
    assert(used == once.len);
    written = mqtt_put_again(&twice, &again);
    assert(written);
    assert(str_eq(buf_str(&once), buf_str(&twice)));
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct mqtt_packet packet;
    struct why why;
    size_t used = 0;
    while (mqtt_decode(in, PACKET_MAX, &packet, &used, &why) == STEP_DONE) {
        assert(used > 0 && used <= in.len);
        check_limits(str_take(in, used));
        check_round_trip(&packet);
        in = str_skip(in, used);
    }
    return 0;
}
