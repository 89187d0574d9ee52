/* interrupt.h - Ctrl-C and SIGTERM for client commands: finish what is begun, then end.
 *
 * The first signal only leaves a note; a second one ends the process as usual. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Called again, it forgets what was noted: another signal ends what comes now. */
void interrupt_watch(void);
bool interrupted(void);
/* Sleep so long, or until a signal comes. */
void interrupt_sleep_ms(int64_t ms);
