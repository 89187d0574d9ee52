/* file.h - small files that are whole or as they were. */
#pragma once
#include "base/err.h"
#include "base/str.h"

/* Put `bytes` in the place of `dir`/`name`, mode 0600 whatever the umask says: written beside it, synced,
 * renamed, and the folder synced. ERR_OUTSIDE, and what was there stays. */
enum err file_replace(const char *dir, const char *name, struct str bytes, struct why *why);
