/* SPDX-License-Identifier: MIT */
/* futex(2) on a word that processes share (no FUTEX_PRIVATE_FLAG). */
#ifndef TESSERA_BASE_FUTEX_H
#define TESSERA_BASE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Wakes up to n who sleep on the word. */
static inline void
futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
}

/* Sleeps while the word is `seen`, at most timeout_ms (-1: for ever). May wake for nothing. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen, int timeout_ms);

/* The same until a time of CLOCK_MONOTONIC. */
void futex_wait_until(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns);

struct futex_word {
    _Atomic uint32_t *word;
    uint32_t seen;
};

#define FUTEX_WORDS_MAX 4

/*
 * Sleeps until one of up to FUTEX_WORDS_MAX words is not `seen` any more, or until a time of
 * CLOCK_MONOTONIC (UINT64_MAX: for ever). May wake for nothing; where the kernel cannot wait for
 * several words (before Linux 5.16) it does so every half millisecond, and at once for the first.
 */
void futex_wait_any(const struct futex_word *words, unsigned n, uint64_t until_ns);

#endif
