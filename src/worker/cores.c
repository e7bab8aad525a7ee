/* SPDX-License-Identifier: MIT */
#include "worker/cores.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One core or range at *p, which moves behind it. */
static int
cores_parse_range(const char **p, cpu_set_t *set)
{
    char *end;
    unsigned long first = strtoul(*p, &end, 10), last = first;

    if (end == *p)
        return -EINVAL;
    if (*end == '-') {
        const char *from = end + 1;

        last = strtoul(from, &end, 10);
        if (end == from)
            return -EINVAL;
    }
    if (first > last || last >= CPU_SETSIZE)
        return -EINVAL;
    for (unsigned long core = first; core <= last; core++)
        CPU_SET(core, set);
    *p = end;
    return 0;
}

int
cores_parse(const char *list, cpu_set_t *ret)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (const char *p = list;; p++) {
        if (cores_parse_range(&p, &set) < 0)
            return -EINVAL;
        if (*p == '\0')
            break;
        if (*p != ',')
            return -EINVAL;
    }
    *ret = set;
    return 0;
}

/*
 * A thread that becomes ready does not interrupt another of SCHED_BATCH, until that has run for its
 * own slice; from Linux 6.12 on that can be asked for. Longer than what runs on into the next turn;
 * but not much: with no manager, slices of 20 ms and more have let one of two busy vGPUs stand
 * still for seconds (Linux 6.18).
 */
#define BATCH_SLICE_NS 5000000u

static void
set_batch(bool batch)
{
    /* As sched_setattr(2) has it; some C libraries have no name for it. */
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof attr,
              .policy = batch ? SCHED_BATCH : SCHED_OTHER,
              .runtime_ns = batch ? BATCH_SLICE_NS : 0};

    syscall(SYS_sched_setattr, 0, &attr, 0u);
}

int
cores_pin(const char *list, struct cores_saved *ret_saved)
{
    cpu_set_t set, before;
    int rc;

    ret_saved->pinned = false;
    if (!list)
        return 0;
    rc = cores_parse(list, &set);
    if (rc < 0)
        return rc;
    if (sched_getaffinity(0, sizeof before, &before) < 0 ||
        sched_setaffinity(0, sizeof set, &set) < 0)
        return -errno;
    ret_saved->batch = sched_getscheduler(0) == SCHED_OTHER;
    if (ret_saved->batch)
        set_batch(true);
    CPU_AND(&set, &set, &before);
    CPU_XOR(&ret_saved->set, &before, &set);
    if (CPU_COUNT(&ret_saved->set) == 0)
        ret_saved->set = before;
    ret_saved->pinned = true;
    return 0;
}

void
cores_restore(const struct cores_saved *saved)
{
    if (!saved->pinned)
        return;
    if (saved->batch)
        set_batch(false);
    sched_setaffinity(0, sizeof saved->set, &saved->set);
}
