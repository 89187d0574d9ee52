/* export_line.h - an identity and its twin as one line of an export, which an import reads again.
 *
 * The members are those of a record of POST /devices, so that a line is one. Source:
 * spec/service-rest.md 7 and 13.3. */
#pragma once
#include "model/twin.h"

struct export_form {
    bool no_keys;  /* keys are null: an import makes fresh ones */
    bool metadata; /* with $metadata and $version, as Azure writes them; an import drops both */
};
/* Append it, without a line end. `view` has all three sections; its presence is not told. */
void export_line_put(struct buf *out, const struct twin_view *view, struct export_form form);
