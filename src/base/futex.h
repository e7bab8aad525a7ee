/* SPDX-License-Identifier: MIT */
/* futex(2) on a word that processes share (no FUTEX_PRIVATE_FLAG). */
#ifndef TESSERA_BASE_FUTEX_H
#define TESSERA_BASE_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Wakes up to n who sleep on the word. */
static inline void
futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
}

/* Sleeps while the word is `seen`, at most timeout_ms (-1: for ever). May wake for nothing. */
static inline void
futex_wait(_Atomic uint32_t *word, uint32_t seen, int timeout_ms)
{
    const struct timespec ts = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000l};

    syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout_ms < 0 ? NULL : &ts, NULL, 0);
}

/* The same until a time of CLOCK_MONOTONIC. */
static inline void
futex_wait_until(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns)
{
    const struct timespec ts = {(time_t)(until_ns / 1000000000u),
                                (long)(until_ns % 1000000000u)};

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

struct futex_word {
    _Atomic uint32_t *word;
    uint32_t seen;
};

#define FUTEX_WORDS_MAX 4

/*
 * Sleeps until one of up to FUTEX_WORDS_MAX words is not `seen` any more, or until a time of
 * CLOCK_MONOTONIC (UINT64_MAX: for ever). May wake for nothing. -ENOSYS before Linux 5.16, else 0.
 */
static inline int
futex_wait_any(const struct futex_word *words, unsigned n, uint64_t until_ns)
{
    const struct timespec ts = {(time_t)(until_ns / 1000000000u),
                                (long)(until_ns % 1000000000u)};
    struct futex_waitv wait[FUTEX_WORDS_MAX] = {0};
    long rc;

    for (unsigned i = 0; i < n; i++)
        wait[i] = (struct futex_waitv){.val = words[i].seen,
                                       .uaddr = (uint64_t)(uintptr_t)words[i].word,
                                       .flags = FUTEX_32};
    rc = syscall(SYS_futex_waitv, wait, n, 0, until_ns == UINT64_MAX ? NULL : &ts,
                 CLOCK_MONOTONIC);
    return rc < 0 && errno == ENOSYS ? -ENOSYS : 0;
}

#endif
