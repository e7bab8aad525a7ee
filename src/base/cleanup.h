/* SPDX-License-Identifier: MIT */
/*
 * Scoped ownership. A local marked _cleanup_X_ is released when its scope ends;
 * take_ptr() and take_fd() move it out. Each helper accepts the empty value (NULL, -1).
 */
#ifndef TESSERA_BASE_CLEANUP_H
#define TESSERA_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void
cleanup_freep(void *p)
{
    free(*(void **)p);
}

static inline void
cleanup_closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void
cleanup_fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void
cleanup_closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)
#define _cleanup_closedir_ _cleanup_(cleanup_closedirp)

#define take_ptr(p)                                                                      \
    ({                                                                                   \
        __typeof__(p) *take_p_ = &(p);                                                   \
        __typeof__(p) take_v_ = *take_p_;                                                \
        *take_p_ = NULL;                                                                 \
        take_v_;                                                                         \
    })

static inline int
take_fd(int *fd)
{
    int v = *fd;

    *fd = -1;
    return v;
}

#endif
