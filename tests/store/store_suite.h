/* store_suite.h - what store.h promises, for every database behind it. */
#pragma once
#include "store/store.h"

struct store_backend {
    const char *name;
    void (*wipe)(void); /* nothing was ever stored */
    enum err (*open)(bool read_only, struct store **out, struct why *why);
};
/* Run all tests; gives the number of failures. */
int store_suite_run(const struct store_backend *backend);
