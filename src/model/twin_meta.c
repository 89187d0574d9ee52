#include "model/twin_meta.h"

enum { VARINT_SIZE_MAX = 10 };

/* ---- numbers ---- */

static void put_varint(struct buf *out, uint64_t value)
{
    char *at = buf_room(out, VARINT_SIZE_MAX);
    size_t size = 0;
    while (value >= 0x80) {
        at[size++] = (char)(uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (char)(uint8_t)value;
    out->len += size;
}

static bool get_varint(const char **at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX && *at < end; i++) {
        uint8_t byte = (uint8_t) * (*at)++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Differences wrap around, so that damaged bytes give a wrong time and never an overflow. */
static uint64_t zigzag(uint64_t value)
{
    return (value << 1) ^ (value >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t value)
{
    return (value >> 1) ^ (value & 1 ? UINT64_MAX : 0);
}

/* ---- reading ---- */

static bool read_stamps(struct twin_meta_reader *reader, struct twin_stamp *stamps)
{
    uint64_t ticks, version;
    for (size_t i = 1; i < reader->count; i++) {
        if (!get_varint(&reader->at, reader->end, &ticks))
            return false;
        stamps[i].ticks = (int64_t)((uint64_t)stamps[0].ticks - unzigzag(ticks));
        if (stamps[0].version == 0)
            continue;
        if (!get_varint(&reader->at, reader->end, &version))
            return false;
        stamps[i].version = (int64_t)((uint64_t)stamps[0].version - version);
    }
    return true;
}

bool twin_meta_open(struct twin_meta_reader *reader, struct str meta, struct arena *mem)
{
    uint64_t ticks, version, older;
    if (meta.len == 0)
        return false; /* a never-written section has none; no arithmetic on a null pointer */
    *reader = (struct twin_meta_reader){.at = meta.ptr, .end = meta.ptr + meta.len};
    if (!get_varint(&reader->at, reader->end, &ticks) ||
        !get_varint(&reader->at, reader->end, &version) ||
        !get_varint(&reader->at, reader->end, &older))
        return false;
    if (older > (uint64_t)(reader->end - reader->at)) /* each takes a byte at least */
        return false;
    reader->count = (size_t)older + 1;
    struct twin_stamp *stamps = arena_array(mem, struct twin_stamp, reader->count);
    stamps[0] = (struct twin_stamp){(int64_t)unzigzag(ticks), (int64_t)version};
    reader->stamps = stamps;
    return read_stamps(reader, stamps);
}

size_t twin_meta_next(struct twin_meta_reader *reader)
{
    if (reader->count == 1)
        return 0;
    uint64_t index = 0;
    if (!get_varint(&reader->at, reader->end, &index) || index >= reader->count) {
        reader->bad = true;
        return 0;
    }
    return (size_t)index;
}

bool twin_meta_is_done(const struct twin_meta_reader *reader)
{
    return !reader->bad && reader->at == reader->end;
}

/* ---- writing ---- */

void twin_meta_begin(struct twin_meta_writer *writer, struct twin_stamp now,
                     const struct twin_meta_reader *old, struct arena *mem)
{
    *writer = (struct twin_meta_writer){.now = now, .old = old};
    if (old)
        writer->moved = arena_array(mem, uint32_t, old->count);
}

void twin_meta_put_touched(struct twin_meta_writer *writer)
{
    buf_put_char(&writer->nodes, 0);
}

void twin_meta_put_kept(struct twin_meta_writer *writer, size_t index)
{
    if (writer->moved[index] == 0) {
        const struct twin_stamp *stamp = &writer->old->stamps[index];
        put_varint(&writer->stamps, zigzag((uint64_t)writer->now.ticks - (uint64_t)stamp->ticks));
        if (writer->now.version != 0)
            put_varint(&writer->stamps, (uint64_t)writer->now.version - (uint64_t)stamp->version);
        writer->moved[index] = (uint32_t)++writer->count;
    }
    put_varint(&writer->nodes, writer->moved[index]);
}

struct str twin_meta_take(struct twin_meta_writer *writer, struct arena *mem)
{
    size_t size_max = 3 * VARINT_SIZE_MAX + writer->stamps.len + writer->nodes.len;
    struct buf packed = {0};
    buf_room(&packed, size_max);
    put_varint(&packed, zigzag((uint64_t)writer->now.ticks));
    put_varint(&packed, (uint64_t)writer->now.version);
    put_varint(&packed, writer->count);
    if (writer->count > 0) {
        buf_put(&packed, buf_str(&writer->stamps));
        buf_put(&packed, buf_str(&writer->nodes));
    }
    struct str taken = str_copy(mem, buf_str(&packed));
    buf_done(&packed);
    twin_meta_drop(writer);
    return taken;
}

void twin_meta_drop(struct twin_meta_writer *writer)
{
    buf_done(&writer->stamps);
    buf_done(&writer->nodes);
}
