#include "base/clock.h"
#include "base/map.h"
#include <pthread.h>

static uint64_t process_key[2];

static void draw_process_key(void)
{
    random_system()->fill(random_system(), process_key, sizeof process_key);
}

static void fix_process_key(void)
{
    process_key[0] = UINT64_C(0x9E3779B97F4A7C15);
    process_key[1] = UINT64_C(0xBF58476D1CE4E5B9);
}

static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static const uint64_t *key_of_process(void)
{
    pthread_once(&key_once, draw_process_key);
    return process_key;
}

void hash_key_fixed(void)
{
    pthread_once(&key_once, fix_process_key);
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t load_little_endian(const char *from, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return word;
}

uint64_t hash_sip(const uint64_t key[2], struct str s)
{
    struct sip state = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };
    size_t whole = s.len / 8 * 8;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(&state, load_little_endian(s.ptr + i, 8));
    uint64_t rest = s.len > whole ? load_little_endian(s.ptr + whole, s.len - whole) : 0;
    sip_word(&state, (uint64_t)s.len << 56 | rest);
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&state);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint64_t hash_bytes(struct str s)
{
    return hash_sip(key_of_process(), s);
}

uint64_t hash_number(uint64_t n)
{
    const uint64_t *key = key_of_process();
    unsigned __int128 product = (unsigned __int128)(n ^ key[0]) * (key[1] | 1);
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return folded ^ folded >> 32;
}

uint64_t hash_stable(struct str s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}
