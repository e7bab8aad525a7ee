/* SPDX-License-Identifier: MIT */
/* A recorded trace: a command a line, of all vGPUs of one GPU. */
#include "cli/simulate.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024
#define MOST_COMMANDS (1u << 26) /* of one vGPU: 1 GiB */

/* The guest of that name; NULL: there are too many. */
static struct sim_guest *
guest_of(struct simulate *s, const char *name)
{
    struct sim_guest *g;

    for (unsigned i = 0; i < s->n; i++)
        if (strcmp(s->guests[i].name, name) == 0)
            return &s->guests[i];
    if (s->n == SIM_VGPUS_MAX)
        return NULL;
    g = &s->guests[s->n++];
    memset(g, 0, sizeof *g);
    memcpy(g->name, name, strlen(name) + 1);
    return g;
}

/* Its first command makes a guest one of the trace. Room doubles at powers of two. */
static int
add_command(struct simulate *s, struct sim_guest *g, const struct sim_command *c)
{
    struct sim_command **list = &s->traces[g - s->guests];
    const size_t n = g->trace_length;

    if ((n & (n - 1)) == 0) {
        struct sim_command *more =
            n < MOST_COMMANDS ? reallocarray(*list, n ? 2 * n : 1, sizeof **list) : NULL;

        if (!more)
            return -ENOMEM;
        *list = more;
    }
    (*list)[n] = *c;
    g->arrival = SIM_TRACE;
    g->trace = *list;
    g->trace_length++;
    return 0;
}

/* One line without its end. NULL, or what is wrong. */
static const char *
take_line(struct simulate *s, const char *line)
{
    char name[SIM_NAME_MAX];
    const char *problem;
    struct sim_command c;
    struct sim_guest *g;
    int rc = sim_parse_line(line, name, &c, &problem);

    if (rc <= 0)
        return rc < 0 ? problem : NULL;
    g = guest_of(s, name);
    if (!g)
        return "that are too many vGPUs for one GPU (32)";
    return add_command(s, g, &c) < 0 ? "no memory for so many commands" : NULL;
}

static int
compare_times(const void *a, const void *b)
{
    const struct sim_command *x = a, *y = b;

    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Recorders that write from several threads do not keep the order. */
static int
sort_commands(struct simulate *s, const char *name, struct err *e)
{
    size_t n = 0;

    for (unsigned i = 0; i < s->n; i++) {
        if (s->guests[i].arrival != SIM_TRACE)
            continue;
        n += s->guests[i].trace_length;
        qsort(s->traces[i], s->guests[i].trace_length, sizeof **s->traces, compare_times);
    }
    return n > 0 ? 0 : err_set(e, -EINVAL, "%s: no command is in it", name);
}

int
simulate_read_trace(struct simulate *s, FILE *in, const char *name, struct err *e)
{
    char line[LINE_BYTES];

    for (unsigned long number = 1; fgets(line, sizeof line, in); number++) {
        const char *problem;

        if (!strchr(line, '\n') && !feof(in))
            problem = "the line is too long, or no text";
        else
            problem = take_line(s, line);
        if (problem)
            return err_set(e, -EINVAL, "%s:%lu: %s", name, number, problem);
    }
    if (ferror(in))
        return err_set(e, -EIO, "%s: %s", name, strerror(errno));
    return sort_commands(s, name, e);
}

int
simulate_load_trace(struct simulate *s, const char *path, struct err *e)
{
    _cleanup_fclose_ FILE *in = NULL;

    if (strcmp(path, "-") == 0)
        return simulate_read_trace(s, stdin, "stdin", e);
    in = fopen(path, "re");
    if (!in)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    return simulate_read_trace(s, in, path, e);
}
