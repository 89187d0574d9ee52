/* step.h - how a decoder of a byte stream says where it stands.
 *
 * A decoder gets everything that is there, takes one whole unit or nothing, and keeps no state of
 * its own between calls. */
#pragma once

enum step {
    STEP_DONE, /* one unit taken; the decoder says how many bytes it was */
    STEP_MORE, /* nothing taken; call again with at least one byte more */
    STEP_BAD,  /* the stream cannot be trusted again: close it */
};
