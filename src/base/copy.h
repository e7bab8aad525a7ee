/* SPDX-License-Identifier: MIT */
/* Copying files that may be large. */
#ifndef TESSERA_BASE_COPY_H
#define TESSERA_BASE_COPY_H

#include <stdint.h>

/* Who watches a copy; all may be 0 and NULL, but cancel_fd. */
struct copy_watch {
    int cancel_fd; /* calls it off when it can be read from; -1: nothing does */
    void *user;
    void (*copied)(void *user, uint64_t bytes); /* so many more, holes among them */
};

/*
 * Makes `to`, an empty regular file, what `from`, another one, is: by sharing its blocks where the
 * file system can, else with its holes. The offset of `from` is anywhere afterwards. 0 or a
 * negative errno: -ECANCELED, -ENODATA when it became shorter meanwhile.
 */
int copy_file(int from, int to, const struct copy_watch *w);

#endif
