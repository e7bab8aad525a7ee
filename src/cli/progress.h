/* SPDX-License-Identifier: MIT */
/* How far long work has come, on stderr: a bar on a terminal, else a line a phase. */
#ifndef TESSERA_CLI_PROGRESS_H
#define TESSERA_CLI_PROGRESS_H

void progress_start(unsigned total);
void progress_phase(const char *name, unsigned units); /* name is kept, not copied */
void progress_tick(unsigned done);                     /* of the phase */
void progress_skip(unsigned units);                    /* there is that much less to do */
void progress_end(void);

/* For what mostly is over soon: a bar on a terminal, nothing before so long, and no lines. */
void progress_start_late(unsigned delay_ms);
void progress_part(const char *name, double part); /* of this phase; each fills the bar */

#endif
