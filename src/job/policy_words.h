/* policy_words.h - words of the policy object, for who reads and who writes it. */
#pragma once
#include "job/policy.h"

enum { RETRY_WORDS = 3 };
struct retry_word {
    const char *word;
    unsigned bit;
};
extern const char *const abort_words[ABORT_KINDS];
extern const char *const offline_words[OFFLINE_RULES];
extern const struct retry_word retry_words[RETRY_WORDS];
