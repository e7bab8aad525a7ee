/* SPDX-License-Identifier: MIT */
#include "base/futex.h"

#include "base/io.h"

#include <errno.h>
#include <time.h>

#define POLL_NS 500000u

static struct timespec
timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

void
futex_wait(_Atomic uint32_t *word, uint32_t seen, int timeout_ms)
{
    const struct timespec ts = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000l};

    syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout_ms < 0 ? NULL : &ts, NULL, 0);
}

void
futex_wait_until(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns)
{
    const struct timespec ts = timespec_of(until_ns);

    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

void
futex_wait_any(const struct futex_word *words, unsigned n, uint64_t until_ns)
{
    const struct timespec ts = timespec_of(until_ns);
    struct futex_waitv wait[FUTEX_WORDS_MAX] = {0};
    long rc;

    for (unsigned i = 0; i < n; i++)
        wait[i] = (struct futex_waitv){.val = words[i].seen,
                                       .uaddr = (uint64_t)(uintptr_t)words[i].word,
                                       .flags = FUTEX_32};
    rc = syscall(SYS_futex_waitv, wait, n, 0, until_ns == UINT64_MAX ? NULL : &ts,
                 CLOCK_MONOTONIC);
    if (rc == 0 || errno != ENOSYS)
        return;
    if (until_ns > now_ns() + POLL_NS)
        until_ns = now_ns() + POLL_NS;
    futex_wait_until(words[0].word, words[0].seen, until_ns);
}
