/* folder.h - a test's folder goes with all that is in it. */
#pragma once
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static inline int folder_remove_one(const char *path, const struct stat *about, int kind,
                                    struct FTW *where)
{
    return remove(path);
}

static inline void folder_remove(const char *dir)
{
    if (nftw(dir, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        perror(dir);
        abort();
    }
}
