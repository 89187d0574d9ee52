#include "model/upload.h"
#include "base/codec.h"

void upload_id_make(int64_t expires_s, struct random *random, uint8_t out[UPLOAD_ID_SIZE])
{
    random->fill(random, out, UPLOAD_ID_SIZE);
    for (int i = 0; i < 5; i++)
        out[i] = (uint8_t)((uint64_t)expires_s >> (32 - 8 * i));
}

int64_t upload_id_expires_s(const uint8_t id[UPLOAD_ID_SIZE])
{
    int64_t seconds = 0;
    for (int i = 0; i < 5; i++)
        seconds = seconds << 8 | id[i];
    return seconds;
}

void upload_id_print(const uint8_t id[UPLOAD_ID_SIZE], char out[UPLOAD_ID_TEXT + 1])
{
    hex_print(id, UPLOAD_ID_SIZE, out);
}

bool upload_id_read(struct str text, uint8_t out[UPLOAD_ID_SIZE])
{
    return hex_read(text, out, UPLOAD_ID_SIZE);
}
