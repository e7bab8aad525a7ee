/* SPDX-License-Identifier: MIT */
#include "common/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/json.h"

void
report_init(struct report *r, const struct report_words *words, bool json, bool quiet)
{
    *r = (struct report){.words = words,
                         .json = json,
                         .quiet = quiet,
                         .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
}

void
report_step(const struct report *r, uint32_t step, double loss, double step_s,
            uint32_t units)
{
    if (r->quiet)
        return;
    if (r->json) {
        printf("{\"event\":\"step\",\"step\":%u", step);
        json_number("loss", loss);
        json_number("step_s", step_s);
        puts("}");
    } else {
        printf("step %6u   loss %.4f   %8.2f ms/step   %7.0f %s/s\n", step, loss,
               step_s * 1e3, units / step_s, r->words->unit);
    }
    fflush(stdout);
}

static double
units_per_s(const struct result *result)
{
    return result->steps * (double)result->units / result->train_s;
}

static void
result_json(const struct report *r, const struct result *result)
{
    char speed[32];

    snprintf(speed, sizeof speed, "%s_per_s", r->words->unit);
    fputs("{\"event\":\"result\",", stdout);
    json_string("model", result->model);
    if (result->source) {
        putchar(',');
        json_string("data", result->source);
    }
    printf(",\"parameters\":%u,\"batch\":%u,\"steps\":%u,\"seed\":%llu",
           result->parameters, result->batch, result->steps,
           (unsigned long long)result->seed);
    json_number("loss", result->loss);
    json_number(r->words->score, result->score < 0.0 ? NAN : result->score);
    json_number("step_median_s", result->step_s.median);
    json_number("step_p99_s", result->step_s.p99);
    json_number("step_mean_s", result->step_s.mean);
    json_number("step_mad_s", result->step_s.mad);
    json_number(speed, units_per_s(result));
    json_number("compile_s", result->compile_s);
    json_number("train_s", result->train_s);
    json_number("eval_s", result->eval_s);
    printf(",\"devices\":%u,\"device_bytes\":%llu,", result->devices,
           (unsigned long long)result->device_bytes);
    json_string("device", result->device);
    putchar(',');
    json_string("platform", result->platform);
    puts("}");
}

static void
result_text(const struct report *r, const struct result *result)
{
    const char *const bold = r->colour ? "\033[1;32m" : "";
    const char *const plain = r->colour ? "\033[0m" : "";

    printf("model      %s, %u parameters, batch %u, seed %llu\n", result->model,
           result->parameters, result->batch, (unsigned long long)result->seed);
    if (result->source)
        printf("data       %s\n", result->source);
    printf("device     %s (%s)", result->device, result->platform);
    if (result->devices > 1)
        printf(" and %u more", result->devices - 1);
    printf(", %.1f MiB in use\n", (double)result->device_bytes / 0x1p20);
    printf("compile    %.2f s\n", result->compile_s);
    printf("training   %u steps in %.2f s, %.0f %s/s\n", result->steps, result->train_s,
           units_per_s(result), r->words->unit);
    printf("step       median %.3f ms, MAD %.3f, mean %.3f, p99 %.3f\n",
           result->step_s.median * 1e3, result->step_s.mad * 1e3,
           result->step_s.mean * 1e3, result->step_s.p99 * 1e3);
    printf("loss       %.9g\n", result->loss);
    if (result->score >= 0.0)
        printf("%s%-10s %.*f%s on %s, in %.2f s\n", bold, r->words->score,
               r->words->digits, result->score, plain, r->words->judged_on,
               result->eval_s);
}

void
report_result(const struct report *r, const struct result *result)
{
    if (r->json)
        result_json(r, result);
    else
        result_text(r, result);
    fflush(stdout);
}
