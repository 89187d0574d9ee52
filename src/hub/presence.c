#include "hub/presence.h"
#include <stdatomic.h>

enum {
    PAGES_MAX = 1 << 22, /* times 1,024 numbers: the whole 32-bit space */
    PAGE_VERSION = 1,
    ENTRY_SIZE = 16, /* packed: changed, activity, little-endian int64 each */
    PAGE_SIZE = 1 + STORE_PRESENCE_PAGE * ENTRY_SIZE,
};

struct entry {
    /* (ticks << 1 | connected), so that a copy never mixes the state of one time with another's. */
    atomic_int_fast64_t changed;
    atomic_int_fast64_t activity;
};

struct page {
    bool dirty; /* hub thread */
    struct page *next_dirty;
    uint32_t index;
    struct entry entries[STORE_PRESENCE_PAGE];
    atomic_uchar messages[STORE_PRESENCE_PAGE]; /* that wait; not packed */
};

struct presence_table {
    struct page *_Atomic *pages; /* PAGES_MAX pointers; untouched ones cost no memory */
    uint32_t page_end;           /* no page from here on; hub thread */
    struct page *dirty;
    atomic_uint_fast32_t connected;
};

struct presence_table *presence_create(void)
{
    struct presence_table *table = xcalloc(1, sizeof(*table));
    table->pages = xcalloc(PAGES_MAX, sizeof(*table->pages));
    return table;
}

void presence_destroy(struct presence_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < table->page_end; i++)
        free(atomic_load_explicit(&table->pages[i], memory_order_relaxed));
    free(table->pages);
    free(table);
}

static struct page *page_of(struct presence_table *table, uint32_t index)
{
    struct page *page = atomic_load_explicit(&table->pages[index], memory_order_relaxed);
    if (page)
        return page;
    page = xcalloc(1, sizeof(*page));
    page->index = index;
    if (index >= table->page_end)
        table->page_end = index + 1;
    for (size_t i = 0; i < STORE_PRESENCE_PAGE; i++) {
        atomic_init(&page->entries[i].changed, TIME_UNSET * 2);
        atomic_init(&page->entries[i].activity, TIME_UNSET);
    }
    atomic_store_explicit(&table->pages[index], page, memory_order_release);
    return page;
}

static void mark(struct presence_table *table, struct page *page)
{
    if (page->dirty)
        return;
    page->dirty = true;
    page->next_dirty = table->dirty;
    table->dirty = page;
}

static struct entry *writable(struct presence_table *table, uint32_t number)
{
    struct page *page = page_of(table, number / STORE_PRESENCE_PAGE);
    mark(table, page);
    return &page->entries[number % STORE_PRESENCE_PAGE];
}

struct presence presence_get(const struct presence_table *table, uint32_t number)
{
    struct page *page =
        atomic_load_explicit(&table->pages[number / STORE_PRESENCE_PAGE], memory_order_acquire);
    if (!page)
        return PRESENCE_NEVER;
    struct entry *entry = &page->entries[number % STORE_PRESENCE_PAGE];
    int64_t changed = atomic_load_explicit(&entry->changed, memory_order_relaxed);
    return (struct presence){
        .connected = changed & 1,
        .changed_ticks = changed >> 1,
        .activity_ticks = atomic_load_explicit(&entry->activity, memory_order_relaxed),
        .messages = atomic_load_explicit(&page->messages[number % STORE_PRESENCE_PAGE],
                                         memory_order_relaxed)};
}

uint32_t presence_connected_count(const struct presence_table *table)
{
    return (uint32_t)atomic_load_explicit(&table->connected, memory_order_relaxed);
}

static bool set_state(struct presence_table *table, uint32_t number, int64_t ticks, bool connected)
{
    struct entry *entry = writable(table, number);
    bool was = atomic_load_explicit(&entry->changed, memory_order_relaxed) & 1;
    atomic_store_explicit(&entry->changed, ticks * 2 + connected, memory_order_relaxed);
    return was;
}

void presence_connect(struct presence_table *table, uint32_t number, int64_t now_ticks)
{
    if (!set_state(table, number, now_ticks, true))
        atomic_fetch_add_explicit(&table->connected, 1, memory_order_relaxed);
    presence_touch(table, number, now_ticks);
}

void presence_disconnect(struct presence_table *table, uint32_t number, int64_t now_ticks)
{
    if (set_state(table, number, now_ticks, false))
        atomic_fetch_sub_explicit(&table->connected, 1, memory_order_relaxed);
}

void presence_touch(struct presence_table *table, uint32_t number, int64_t now_ticks)
{
    atomic_store_explicit(&writable(table, number)->activity, now_ticks, memory_order_relaxed);
}

void presence_set_messages(struct presence_table *table, uint32_t number, unsigned count)
{
    struct page *page = page_of(table, number / STORE_PRESENCE_PAGE);
    atomic_store_explicit(&page->messages[number % STORE_PRESENCE_PAGE], (unsigned char)count,
                          memory_order_relaxed);
}

void presence_forget(struct presence_table *table, uint32_t number)
{
    presence_disconnect(table, number, TIME_UNSET);
    presence_touch(table, number, TIME_UNSET);
}

/* ---- pages to and from the store ---- */

static void put_i64(char *out, int64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)((uint64_t)value >> (8 * i));
}

static int64_t get_i64(const char *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)(uint8_t)in[i] << (8 * i);
    return (int64_t)value;
}

bool presence_take_page(struct presence_table *table, struct arena *mem, struct presence_page *out)
{
    struct page *page = table->dirty;
    if (!page)
        return false;
    table->dirty = page->next_dirty;
    page->dirty = false;
    char *bytes = arena_alloc(mem, PAGE_SIZE);
    bytes[0] = PAGE_VERSION;
    for (size_t i = 0; i < STORE_PRESENCE_PAGE; i++) {
        char *at = bytes + 1 + i * ENTRY_SIZE;
        put_i64(at, atomic_load_explicit(&page->entries[i].changed, memory_order_relaxed) >> 1);
        put_i64(at + 8, atomic_load_explicit(&page->entries[i].activity, memory_order_relaxed));
    }
    *out = (struct presence_page){.page = page->index, .bytes = str_of(bytes, PAGE_SIZE)};
    return true;
}

void presence_unflushed(struct presence_table *table, uint32_t index)
{
    mark(table, page_of(table, index));
}

bool presence_load_page(struct presence_table *table, const struct presence_page *stored)
{
    if (stored->page >= PAGES_MAX || stored->bytes.len != PAGE_SIZE ||
        stored->bytes.ptr[0] != PAGE_VERSION)
        return false;
    struct page *page = page_of(table, stored->page);
    for (size_t i = 0; i < STORE_PRESENCE_PAGE; i++) {
        const char *at = stored->bytes.ptr + 1 + i * ENTRY_SIZE;
        atomic_store_explicit(&page->entries[i].changed, get_i64(at) * 2, memory_order_relaxed);
        atomic_store_explicit(&page->entries[i].activity, get_i64(at + 8), memory_order_relaxed);
    }
    return true;
}
