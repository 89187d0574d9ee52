/* fleet.h - folders with many devices in them, made once and copied.
 *
 * Twins of some 1 KB as clients get them: tags, desired and six reported properties, metadata. */
#pragma once
#include "kit.h"

#define FLEET_KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" /* of every device */

/* "device-0000042", numbers from 1. */
void fleet_device_id(uint32_t number, char out[16]);
/* The folder of a hub with `count` devices; made when there is none yet, straight in a store. Never
 * start a hub in it: copy it. */
const char *fleet_template(struct arena *mem, uint32_t count);
