/* SPDX-License-Identifier: MIT */
#include "manager/cores.h"

#include <errno.h>
#include <stdio.h>

int
cores_of_process(cpu_set_t *ret)
{
    return sched_getaffinity(0, sizeof *ret, ret) < 0 ? -errno : 0;
}

void
cores_share(const cpu_set_t *all, unsigned i, unsigned n, cpu_set_t *ret)
{
    const unsigned count = (unsigned)CPU_COUNT(all);
    const unsigned first = i * count / n, end = (i + 1) * count / n;
    unsigned seen = 0;

    CPU_ZERO(ret);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, all))
            continue;
        if (seen >= first && seen < end)
            CPU_SET(cpu, ret);
        seen++;
    }
}

void
cores_format(const cpu_set_t *set, char *buf, size_t cap)
{
    size_t len = 0;

    buf[0] = '\0';
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && len < cap; cpu++) {
        unsigned last = cpu;

        if (!CPU_ISSET(cpu, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        len += (size_t)snprintf(buf + len, cap - len, len ? ",%u" : "%u", cpu);
        if (last > cpu && len < cap)
            len += (size_t)snprintf(buf + len, cap - len, "-%u", last);
        cpu = last;
    }
}
