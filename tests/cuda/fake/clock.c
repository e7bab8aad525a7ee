/* SPDX-License-Identifier: MIT */
/* What time it is: the host's, or the device's own, which stands still but for its work. */
#include "tests/cuda/fake/fake.h"

#include <stdlib.h>
#include <time.h>

/* Both by now_ns() of the process, once. */
bool
fake_is_on_the_hosts_clock(void)
{
    static _Atomic int known; /* + 1 */

    if (!known)
        known = getenv("FAKECUDA_SHARED") ? 2 : 1;
    return known == 2;
}

uint64_t
fake_host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void
fake_host_sleep_until(uint64_t ns)
{
    const struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
        ;
}
