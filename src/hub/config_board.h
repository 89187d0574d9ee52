/* config_board.h - whom a configuration targets and on whom it is applied, for every thread.
 *
 * Sets of identity numbers, as committed. The hub thread writes, readers look: queries on
 * configurations.[[id]].status, twins, system metrics. What readers see is as it is now, not as of their
 * snapshot, as with presence. */
#pragma once
#include "model/configuration.h"
#include <roaring/roaring.h>

enum config_set {
    CONFIG_TARGETED,
    CONFIG_APPLIED,
    /* of a deployment to IoT Edge, whose targets are devices: their modules, which are not counted */
    CONFIG_MODULES_TARGETED,
    CONFIG_MODULES_APPLIED,
    CONFIG_SETS,
};

struct config_board;
struct config_board *config_board_create(void);
void config_board_destroy(struct config_board *board); /* accepts NULL */

/* ---- any thread ---- */
/* {"c1":{"status":"Applied"}}; false, and nothing written, when no configuration targets it, or there is no
 * board. */
bool config_board_put(struct config_board *board, uint32_t number, struct buf *out);
void config_board_count(struct config_board *board, uint32_t configuration, uint64_t *targeted,
                        uint64_t *applied);

/* ---- hub thread ---- */
void config_board_add(struct config_board *board, uint32_t configuration, struct str id);
void config_board_remove(struct config_board *board, uint32_t configuration);
/* As it stands; valid until the board is changed. NULL when there is no such configuration. */
const roaring_bitmap_t *config_board_set(const struct config_board *board, uint32_t configuration,
                                         enum config_set set);
void config_board_change(struct config_board *board, uint32_t configuration, enum config_set set,
                         const roaring_bitmap_t *come, const roaring_bitmap_t *gone);
