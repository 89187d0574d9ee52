/* sim_read.h - inside the reading of scenarios: tables of members, and the values that recur.
 *
 * Each object of a scenario is a table. What is in no table is refused, with its place and with the
 * word that is probably meant. */
#pragma once
#include "app/sim_scenario.h"
#include "app/sim_words.h"

enum { SIM_MEMBERS_MAX = 24 }; /* of one table */

struct sim_reader {
    struct arena *mem;
    struct why *why;
    yyjson_val
        *methods; /* of the group at hand: read when the answer that they start from is known */
    yyjson_val *groups; /* read when the top level is known */
    struct sim_group *common;
};

/* `read` puts what `value`, found at `place`, means into the field at `offset` of the object's struct.
 */
struct sim_member {
    const char *name;
    enum err (*read)(struct sim_reader *reader, const char *place, yyjson_val *value, void *into);
    size_t offset;
};
#define SIM_MEMBERS(table) (table), sizeof(table) / sizeof((table)[0])

/* ERR_BAD_INPUT: "answer.delay takes .." */
enum err sim_refuse(struct sim_reader *reader, const char *place, const char *takes);
enum err sim_read_members(struct sim_reader *reader, const char *place, yyjson_val *object,
                          const struct sim_member *members, size_t count, void *into);

/* For tables: what `into` points to stands behind each. */
enum err sim_read_note(struct sim_reader *reader, const char *place, yyjson_val *value,
                       void *into); /* nothing: text for people */
enum err sim_read_text(struct sim_reader *reader, const char *place, yyjson_val *value,
                       void *into); /* struct str */
enum err sim_read_share(struct sim_reader *reader, const char *place, yyjson_val *value,
                        void *into); /* uint32_t: percent, into hundredths */
enum err sim_read_time(struct sim_reader *reader, const char *place, yyjson_val *value,
                       void *into); /* uint32_t: ms */
enum err sim_read_delay(struct sim_reader *reader, const char *place, yyjson_val *value,
                        void *into); /* struct sim_delay */

/* A whole number from 1 to `most`. */
enum err sim_read_count(struct sim_reader *reader, const char *place, yyjson_val *value,
                        uint32_t most, uint32_t *out);
