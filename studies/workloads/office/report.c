/* SPDX-License-Identifier: MIT */
#include "office/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/json.h"

void
report_init(struct report *r, bool json, bool quiet)
{
    *r = (struct report){.json = json,
                         .quiet = quiet,
                         .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
}

static void
operation_json(const struct message *m)
{
    printf("{\"event\":\"operation\",\"worker\":%u,\"operation\":%u,", m->worker,
           m->number);
    json_string("kind", operations[m->kind].name);
    json_number("latency_s", m->seconds);
    json_number("wake_s", m->late_s < 0.0 ? NAN : m->late_s);
    if (m->why[0]) {
        putchar(',');
        json_string("error", m->why);
    } else {
        json_count("answer", m->answer);
    }
    puts("}");
}

void
report_operation(const struct report *r, const struct message *m)
{
    if (r->quiet)
        return;
    if (r->json)
        operation_json(m);
    else
        printf("worker %4u   operation %6u   %-13s %8.2f ms   %s\n", m->worker, m->number,
               operations[m->kind].name, m->seconds * 1e3, m->why[0] ? m->why : "");
    fflush(stdout);
}

/* The part of a core that one worker kept busy. */
static double
busy_share(const struct result *result)
{
    return result->cpu_s / result->run_s / result->workers;
}

static void
latency_json(const char *name, const struct latency *l)
{
    const bool any = l->count;

    printf("\"%s\":{\"count\":%zu", name, l->count);
    json_number("p50_s", any ? l->s.median : NAN);
    json_number("p95_s", any ? l->s.p95 : NAN);
    json_number("p99_s", any ? l->s.p99 : NAN);
    json_number("mean_s", any ? l->s.mean : NAN);
    putchar('}');
}

static void
result_json(const struct result *result)
{
    printf("{\"event\":\"result\",\"workers\":%u", result->workers);
    json_count("seed", result->seed);
    json_count("operations", result->all.count + result->failed);
    json_count("failed", result->failed);
    json_number("run_s", result->run_s);
    json_number("cpu_s", result->cpu_s);
    json_number("busy_share", busy_share(result));
    json_number("wake_p95_s", result->late.count ? result->late.s.p95 : NAN);
    putchar(',');
    latency_json("all", &result->all);
    fputs(",\"kinds\":{", stdout);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        latency_json(operations[i].name, &result->kinds[i]);
        fputs(i + 1 < OPERATIONS ? "," : "}}\n", stdout);
    }
}

static void
latency_text(const char *name, const struct latency *l)
{
    if (l->count)
        printf("%-13s %8zu %9.2f %9.2f %9.2f %9.2f\n", name, l->count, l->s.median * 1e3,
               l->s.p95 * 1e3, l->s.p99 * 1e3, l->s.mean * 1e3);
}

static void
result_text(const struct report *r, const struct result *result)
{
    const char *const bold = r->colour ? "\033[1;32m" : "";
    const char *const plain = r->colour ? "\033[0m" : "";

    printf("workers    %u, seed %" PRIu64 ", %.2f s\n", result->workers, result->seed,
           result->run_s);
    printf("busy       %.2f %% of a core by each worker\n", busy_share(result) * 100.0);
    if (result->late.count)
        printf("wake-up    p95 %.3f ms late, p99 %.3f\n", result->late.s.p95 * 1e3,
               result->late.s.p99 * 1e3);
    printf("\n%-13s %8s %9s %9s %9s %9s\n", "latency in ms", "count", "p50", "p95", "p99",
           "mean");
    for (unsigned i = 0; i < OPERATIONS; i++)
        latency_text(operations[i].name, &result->kinds[i]);
    fputs(bold, stdout);
    latency_text("all", &result->all);
    fputs(plain, stdout);
    if (result->failed)
        printf("%-13s %8" PRIu64 "\n", "failed", result->failed);
}

void
report_result(const struct report *r, const struct result *result)
{
    if (r->json)
        result_json(result);
    else
        result_text(r, result);
    fflush(stdout);
}
