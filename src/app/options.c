#include "app/app.h"
#include <inttypes.h>
#include <stdio.h>

bool option_number(const char *command, const char *option, const char *text, int64_t least,
                   int64_t most, int64_t *out)
{
    if (str_to_i64(str_from(text), out) && *out >= least && *out <= most)
        return true;
    fprintf(stderr,
            "muster %s: --%s takes a whole number from %" PRId64 " to %" PRId64 ", not '%s'\n",
            command, option, least, most, text);
    return false;
}
