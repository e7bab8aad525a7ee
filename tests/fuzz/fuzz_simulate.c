/* SPDX-License-Identifier: MIT */
/*
 * What people write for `tessera simulate`. The first byte picks: a guest's words, or a trace; then
 * the policy. What is taken is simulated for a moment, and the GPU's time must add up.
 */
#include "base/cleanup.h"
#include "cli/simulate.h"

#include <stdlib.h>
#include <string.h>

#define MOMENT_NS 100000 /* a command may be as short as 1 ns */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only the last turn, a command among them, may reach past the end. */
static void
run(const struct sim_guest *guests, unsigned n, uint8_t policy)
{
    static struct sim_result r[SIM_VGPUS_MAX];
    struct sim_params p = {.policy = policy % SCHED_POLICIES,
                           .sched = {.slice_ns = SCHED_SLICE_MIN_NS},
                           .length_ns = MOMENT_NS,
                           .handover_ns = 1000,
                           .linger_ns = 1000};
    struct sim_gpu gpu;
    uint64_t sum = 0;

    sim_run(&p, guests, n, &gpu, r);
    for (unsigned i = 0; i < n; i++) {
        sum += r[i].used_ns;
        if (r[i].waits.n != r[i].commands || r[i].used_ns < r[i].commands)
            abort();
    }
    if (sum + gpu.idle_ns + gpu.handover_ns < MOMENT_NS)
        abort();
}

static void
guest_words(const char *words, uint8_t policy)
{
    struct sim_guest g[2] = {{.share = SCHED_SHARE_ONE / 2}, {.share = 1 << 20}};
    const char *problem;
    char key[64];

    g[1].kernel.a_ns = 1000;
    if (sim_parse_guest(words, &g[0], &problem, key) == 0)
        run(g, 2, policy);
    else if (!problem || strlen(key) >= sizeof key)
        abort();
}

static void
trace(const uint8_t *data, size_t size, uint8_t policy)
{
    static struct simulate s;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fclose_ FILE *in = fmemopen((void *)data, size, "r");

    if (!in)
        return;
    memset(&s, 0, sizeof s);
    if (simulate_read_trace(&s, in, "trace", &e) == 0) {
        for (unsigned i = 0; i < s.n; i++)
            s.guests[i].share = SCHED_SHARE_ONE / s.n;
        run(s.guests, s.n, policy);
    }
    simulate_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] % 2) {
        trace(data + 1, size - 1, data[0] / 2);
    } else {
        _cleanup_free_ char *words = strndup((const char *)data + 1, size - 1);

        if (words)
            guest_words(words, data[0] / 2);
    }
    return 0;
}
