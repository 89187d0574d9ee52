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

static bool get_text(struct twin_meta_reader *reader, struct str *out)
{
    uint64_t size;
    if (!get_varint(&reader->at, reader->end, &size) || size > (uint64_t)(reader->end - reader->at))
        return false;
    *out = str_of(reader->at, (size_t)size);
    reader->at += size;
    return true;
}

/* `*marked`: somebody of them wrote something. */
static bool read_writers(struct twin_meta_reader *reader, bool *marked, struct arena *mem)
{
    uint64_t count;
    *marked = reader->end - reader->at >= 2 && (uint8_t)reader->at[0] == 0x80 && reader->at[1] == 0;
    if (!*marked)
        return true;
    reader->at += 2;
    if (!get_varint(&reader->at, reader->end, &count) ||
        count > (uint64_t)(reader->end - reader->at)) /* each takes two bytes at least */
        return false;
    reader->writer_count = (size_t)count;
    reader->writers = arena_array(mem, struct twin_stamp, reader->writer_count);
    for (size_t i = 0; i < reader->writer_count; i++)
        if (!get_text(reader, &reader->writers[i].by) ||
            !get_text(reader, &reader->writers[i].digest))
            return false;
    return true;
}

static bool read_bys(struct twin_meta_reader *reader, struct twin_stamp *stamps)
{
    uint64_t by;
    for (size_t i = 0; i < reader->count; i++) {
        if (!get_varint(&reader->at, reader->end, &by) || by > reader->writer_count)
            return false;
        if (by == 0)
            continue;
        stamps[i].by = reader->writers[by - 1].by;
        stamps[i].digest = reader->writers[by - 1].digest;
    }
    return true;
}

bool twin_meta_open(struct twin_meta_reader *reader, struct str meta, struct arena *mem)
{
    uint64_t ticks, version, older;
    bool marked;
    if (meta.len == 0)
        return false; /* a never-written section has none; no arithmetic on a null pointer */
    *reader = (struct twin_meta_reader){.at = meta.ptr, .end = meta.ptr + meta.len};
    if (!read_writers(reader, &marked, mem) || !get_varint(&reader->at, reader->end, &ticks) ||
        !get_varint(&reader->at, reader->end, &version) ||
        !get_varint(&reader->at, reader->end, &older))
        return false;
    if (older > (uint64_t)(reader->end - reader->at)) /* each takes a byte at least */
        return false;
    reader->count = (size_t)older + 1;
    struct twin_stamp *stamps = arena_array(mem, struct twin_stamp, reader->count);
    stamps[0] = (struct twin_stamp){.ticks = (int64_t)unzigzag(ticks), .version = (int64_t)version};
    reader->stamps = stamps;
    return read_stamps(reader, stamps) && (!marked || read_bys(reader, stamps));
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

/* Which writer it is, 0 for none. */
static size_t writer_index(struct twin_meta_writer *writer, const struct twin_stamp *stamp)
{
    if (stamp->by.len == 0)
        return 0;
    for (size_t i = 0; i < writer->known_count; i++)
        if (str_eq(writer->known[i].by, stamp->by) &&
            str_eq(writer->known[i].digest, stamp->digest))
            return i + 1;
    if (writer->known_count == writer->known_cap) {
        size_t size = writer->known_cap * sizeof(*writer->known);
        writer->known_cap = writer->known_cap ? writer->known_cap * 2 : 4;
        writer->known = arena_resize(writer->mem, writer->known, size,
                                     writer->known_cap * sizeof(*writer->known));
    }
    writer->known[writer->known_count++] = *stamp;
    put_varint(&writer->writers, stamp->by.len);
    buf_put(&writer->writers, stamp->by);
    put_varint(&writer->writers, stamp->digest.len);
    buf_put(&writer->writers, stamp->digest);
    return writer->known_count;
}

static void put_older(struct twin_meta_writer *writer, const struct twin_stamp *stamp)
{
    put_varint(&writer->stamps, zigzag((uint64_t)writer->now.ticks - (uint64_t)stamp->ticks));
    if (writer->now.version != 0)
        put_varint(&writer->stamps, (uint64_t)writer->now.version - (uint64_t)stamp->version);
    put_varint(&writer->bys, writer_index(writer, stamp));
    writer->count++;
}

void twin_meta_begin(struct twin_meta_writer *writer, struct twin_stamp now,
                     const struct twin_meta_reader *old, struct arena *mem)
{
    *writer = (struct twin_meta_writer){.now = now, .old = old, .mem = mem};
    put_varint(&writer->bys, writer_index(writer, &now));
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
        put_older(writer, &writer->old->stamps[index]);
        writer->moved[index] = (uint32_t)writer->count;
    }
    put_varint(&writer->nodes, writer->moved[index]);
}

static bool same_stamp(const struct twin_stamp *a, const struct twin_stamp *b)
{
    return a->ticks == b->ticks && a->version == b->version && str_eq(a->by, b->by) &&
           str_eq(a->digest, b->digest);
}

void twin_meta_put_stamp(struct twin_meta_writer *writer, struct twin_stamp stamp)
{
    if (same_stamp(&stamp, &writer->now)) {
        twin_meta_put_touched(writer);
        return;
    }
    size_t at = 0;
    while (at < writer->count && !same_stamp(&stamp, &writer->older[at]))
        at++;
    if (at == writer->older_cap) {
        size_t size = writer->older_cap * sizeof(*writer->older);
        writer->older_cap = writer->older_cap ? writer->older_cap * 2 : 8;
        writer->older = arena_resize(writer->mem, writer->older, size,
                                     writer->older_cap * sizeof(*writer->older));
    }
    if (at == writer->count) {
        writer->older[at] = stamp;
        put_older(writer, &stamp);
    }
    put_varint(&writer->nodes, at + 1);
}

struct str twin_meta_take(struct twin_meta_writer *writer, struct arena *mem)
{
    size_t size_max = 4 * VARINT_SIZE_MAX + writer->stamps.len + writer->nodes.len +
                      writer->writers.len + writer->bys.len;
    struct buf packed = {0};
    bool marked = writer->known_count > 0;
    buf_room(&packed, size_max);
    if (marked) {
        buf_put(&packed, str_of("\x80\0", 2));
        put_varint(&packed, writer->known_count);
        buf_put(&packed, buf_str(&writer->writers));
    }
    put_varint(&packed, zigzag((uint64_t)writer->now.ticks));
    put_varint(&packed, (uint64_t)writer->now.version);
    put_varint(&packed, writer->count);
    buf_put(&packed, buf_str(&writer->stamps));
    if (marked)
        buf_put(&packed, buf_str(&writer->bys));
    if (writer->count > 0)
        buf_put(&packed, buf_str(&writer->nodes));
    struct str taken = str_copy(mem, buf_str(&packed));
    buf_done(&packed);
    twin_meta_drop(writer);
    return taken;
}

void twin_meta_drop(struct twin_meta_writer *writer)
{
    buf_done(&writer->writers);
    buf_done(&writer->bys);
    buf_done(&writer->stamps);
    buf_done(&writer->nodes);
}
