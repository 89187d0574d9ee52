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

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool upload_id_read(struct str text, uint8_t out[UPLOAD_ID_SIZE])
{
    if (text.len != UPLOAD_ID_TEXT)
        return false;
    for (size_t i = 0; i < UPLOAD_ID_SIZE; i++) {
        int high = digit(text.ptr[2 * i]), low = digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
