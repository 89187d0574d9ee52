/* fixture.h - folders, identities and a canonical text of all that a store holds, for the tests. */
#pragma once
#include "../base/folder.h"
#include "store/store.h"

/* An empty folder that goes away with folder_remove. */
void folder_make(char out[64]);

/* A device whose every member is set, and another one with as little as possible. */
struct entity full_device(uint32_t number, const char *device_id);
struct entity bare_device(uint32_t number, const char *device_id);
struct twin_section section_of(const char *values, int64_t version);
struct job some_job(uint32_t number, const char *id);

/* One entity; `dirty`, `created` and `deleted` say what happens. */
enum err commit_one(struct store *store, struct entity *entity, struct why *why);

/* Everything that store.h lets one read, as text: equal states give equal texts. */
void dump_store(struct store_reader *reader, struct buf *out);
