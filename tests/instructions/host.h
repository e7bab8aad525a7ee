/* SPDX-License-Identifier: MIT */
/*
 * A worker's session inside the guest's process: the real dispatcher, decoder, tables and
 * handlers, on the fake driver, of which all commands are over as soon as they are enqueued.
 * Nothing here waits for another thread, so the instructions of a frame are always the same.
 */
#ifndef TESTS_INSTRUCTIONS_HOST_H
#define TESTS_INSTRUCTIONS_HOST_H

/*
 * Listens on FOLDER/socket for the one guest, and answers it from a thread of its own until
 * host_take_over(). Ends the process with words when something is wrong.
 */
void host_begin(const char *folder);

/* From here on the calling thread is the dispatcher. */
void host_take_over(void);

/*
 * Runs every frame in the ring and all that follows from them. Returns the number of frames.
 */
unsigned host_dispatch(void);

#endif
