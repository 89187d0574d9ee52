/* banned.h - functions that nobody calls here.
 *
 * They write without knowing how much room there is, keep hidden state, or cannot say that they
 * failed. Use str_copy, str_format, buf_printf, str_cut and str_to_u64. The headers that declare
 * them come first, because a poisoned name may not even be declared any more. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#undef sprintf /* with _FORTIFY_SOURCE clang has macros of these names */
#undef vsprintf

#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets
#pragma GCC poison strtok atoi atol atoll atof
