/* sim_shape.h - JSON with blanks that chance fills in.
 *
 * A shape is a JSON value. Objects with '$' members in it are generators; all else stands for itself:
 *
 *   {"$pick": [a, b, ..]}             one of them; with "$weights": [1, 9, ..] not all alike
 *   {"$int": [1, 8]}                  a whole number, both ends included
 *   {"$number": [18.5, 24, 1]}        a number with so many digits (2) after the point
 *   {"$near": [20, 50, 2, 1]}         near a point that is the device's own: between 20 and 50, give or
 *                                     take 2, with so many digits (2)
 *   {"$id": "SN-####-@@-{n}"}         '#' a digit, '@' a letter, {n} the device's number, {id} its id
 *   {"$get": "call"}                  something known: see enum sim_get
 *
 * "$as": "NAME" beside $pick, $int, $number, $near or $id: all of that name draw alike.
 * Pure. The reference for users is docs/sim.md. */
#pragma once
#include "app/sim_draw.h"
#include "base/json.h"

enum { SIM_SHAPE_DIGITS_MAX = 9, SIM_SHAPE_DEPTH_MAX = 16 };

/* What {"$get": ..} may ask for; a set of bits says what there is at a place. */
enum sim_get {
    SIM_GET_ID = 1,       /* "id": of the device */
    SIM_GET_NUMBER = 2,   /* "number": of the device, from 1 */
    SIM_GET_COUNT = 4,    /* "count": of calls, changes or messages of the device, from 1 */
    SIM_GET_TIME = 8,     /* "time": now, ISO 8601 */
    SIM_GET_METHOD = 16,  /* "method": name of the one that was called */
    SIM_GET_PAYLOAD = 32, /* "payload": of that call */
    SIM_GET_VALUE = 64,   /* "value": of the desired property that changed */
};

struct sim_facts {
    uint64_t seed;
    uint32_t number;
    uint64_t occasion; /* for draws: 0 draws once for all, as for tags */
    struct str id;
    uint64_t count;
    int64_t now_ticks;
    struct str method, payload; /* payload: JSON text, or empty */
    yyjson_val *value;          /* or NULL */
};

/* `place` names the shape in messages, `may_get` is what may be asked for.
 * ERR_BAD_INPUT  a generator is unknown, incomplete or at odds with itself; deeper than a shape may */
enum err sim_shape_check(yyjson_val *shape, const char *place, unsigned may_get, struct why *why);

/* Append the JSON text of a checked shape. `what` keeps the draws of one shape apart from others'. */
void sim_shape_put(struct buf *out, yyjson_val *shape, const struct sim_facts *facts,
                   uint64_t what);
