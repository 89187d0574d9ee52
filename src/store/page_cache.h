/* page_cache.h - SQLite's own page cache, without a walk through all of it at each commit.
 *
 * When SQLite splits a page of a tree, it lets two pages change places by way of a number that no
 * page ever has: that of the lock page, 262,145 with pages of 4 KiB. The cache remembers it as the
 * largest number it has seen, so that the end of the transaction, which asks it to drop what lies
 * behind the end of the file, makes it look at every page: 1.3 ms with a cache of 256 MiB, a third
 * of a twin job on a million devices. Files of more than 1 GiB are past that number. What we put
 * around it knows the largest number that a page really has. */
#pragma once
#include <sqlite3.h>

/* For SQLITE_CONFIG_PCACHE2, around `inner`, which is copied. Once per process. */
sqlite3_pcache_methods2 page_cache_around(const sqlite3_pcache_methods2 *inner);
