/* digital_twin.h - a device twin seen as a digital twin: properties and components of a model.
 *
 *   twin                                             digital twin
 *   desired  {"targetTemperature":21}                {"$dtId":"dev1","targetTemperature":20,
 *   reported {"targetTemperature":{"value":20,        "thermostat1":{"max":30,"$metadata":{..}},
 *              "ac":200,"av":2,"ad":"ok"},             "$metadata":{"$model":"dtmi:..",
 *             "thermostat1":{"__t":"c","max":30}}        "targetTemperature":{"desiredValue":21,
 *                                                          "desiredVersion":2,"ackVersion":2,..}}}
 *
 * A component is an object with "__t":"c". The value of a property is the one that the device reported;
 * what an operator wants and what the device said to it stand in its metadata. The hub knows no models: it
 * checks no names and no types against them. Source: spec/service-rest.md 16. */
#pragma once
#include "model/twin.h"

enum { DIGITAL_TWIN_OPERATIONS_MAX = 256 };

/* All of one digital twin; `desired` and `reported` of the view must be loaded. ERR_CORRUPT: stored
 * sections are not what we wrote. */
enum err digital_twin_put_json(struct buf *out, const struct twin_view *view, struct arena *mem,
                               struct why *why);

/* A JSON Patch (add, replace, remove; paths "/property", "/component", "/component/property") as the merge of
 * the desired section that it amounts to, in `mem`: an object for twin_section_write.
 * ERR_BAD_INPUT  FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH  no JSON Patch, or another operation
 *                FAULT_INVALID_DIGITAL_TWIN_PATCH       a value that is missing, or cannot be one
 *                FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH  a path that names neither property nor component
 * ERR_LIMIT      more than DIGITAL_TWIN_OPERATIONS_MAX operations */
enum err digital_twin_read_patch(yyjson_val *patch, const struct twin_section *desired,
                                 struct arena *mem, yyjson_val **out, struct why *why);
