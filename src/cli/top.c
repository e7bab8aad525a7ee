/* SPDX-License-Identifier: MIT */
/* tessera top: who gets how much of the GPUs, live or once. */
#include "cli/top.h"

#include "base/args.h"
#include "cli/duration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DELAY_NS UINT64_C(1000000000)

struct top_args {
    struct args args;
    const char *delay, *sort;
    bool once;
};

static const struct args_usage usage = {
    .doc =
        "Shows, live, how much of its GPU each vGPU was promised and got. Keys: q quits; "
        "g, a, m, w, k, n sort; + and - change the interval; h tells more.",
    .letters = "d",
    .options =
        {
            {"delay", "TIME",
             "between two readings, such as 500ms; a mere number: seconds (1)",
             offsetof(struct top_args, delay)},
            {"once", NULL, "print one interval as a table, and leave",
             offsetof(struct top_args, once)},
            {"sort", "KEY", "got, asked, memory, waiting, kernels or name (got)",
             offsetof(struct top_args, sort)},
        },
};

int
top_read(struct top *t, struct sample *ret, struct err *e)
{
    json_t *now;
    int rc = client_call(t->client, "GET", "/v1/stats", NULL, &now, e);

    if (rc < 0)
        return rc;
    rc = sample_init(ret, t->last, now);
    if (rc == -EAGAIN) {
        json_decref(now);
        return rc;
    }
    json_decref(t->last);
    t->last = now;
    if (rc < 0)
        return err_set(e, rc, "the manager answered something else than statistics");
    sample_sort(ret, t->order);
    return 0;
}

/* A mere number is seconds, as for top(1). */
static int
parse_delay(const char *text, uint64_t *ret_ns)
{
    char *end;
    const double seconds = strtod(text, &end);

    if (end != text && !*end && seconds >= 0 && seconds < 1e6) {
        *ret_ns = (uint64_t)(seconds * 1e9);
        return 0;
    }
    return duration_parse(text, ret_ns);
}

static void
take_args(struct top *t, const struct top_args *a, char **argv)
{
    if (a->delay && (parse_delay(a->delay, &t->delay_ns) < 0 ||
                     t->delay_ns < TOP_DELAY_MIN_NS || t->delay_ns > TOP_DELAY_MAX_NS))
        args_mistake(argv, "--delay '%s': from 100ms to 1h", a->delay);
    if (a->sort && !sample_order_parse(a->sort, &t->order))
        args_mistake(argv, "--sort '%s': got, asked, memory, waiting, kernels or name",
                     a->sort);
}

int
cmd_top(int argc, char **argv)
{
    struct top t = {.delay_ns = DELAY_NS, .order = ORDER_GOT};
    struct top_args a = {0};
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int rc;

    args_parse(&usage, argc, argv, &a);
    take_args(&t, &a, argv);
    if (!terminal && !a.once && !a.args.json)
        fputs("tessera: top: no terminal here: one interval, as with --once\n", stderr);
    t.client = cli_client(false, EXIT_FAILED);
    rc = terminal && !a.once && !a.args.json ? top_live(&t) : top_once(&t, a.args.json);
    json_decref(t.last);
    client_free(t.client);
    return rc;
}
