/* SPDX-License-Identifier: MIT */
#include "cad/report.h"

#include <inttypes.h>
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

void
report_frame(const struct report *r, uint64_t frame, double frame_s, uint64_t missed)
{
    if (r->quiet)
        return;
    if (r->json) {
        printf("{\"event\":\"frame\",\"frame\":%" PRIu64, frame);
        json_number("frame_s", frame_s);
        json_count("missed", missed);
        puts("}");
    } else {
        printf("frame %6" PRIu64 "   %8.2f ms   %" PRIu64 " missed so far\n", frame,
               frame_s * 1e3, missed);
    }
    fflush(stdout);
}

static void
json_stats(const char *name, const struct stats *s)
{
    static const char *const kinds[] = {"median", "p99", "mean", "mad"};
    const double values[] = {s->median, s->p99, s->mean, s->mad};
    char field[64];

    for (int i = 0; i < 4; i++) {
        snprintf(field, sizeof field, "%s_%s_s", name, kinds[i]);
        json_number(field, values[i]);
    }
}

static void
result_json(const struct result *result)
{
    fputs("{\"event\":\"result\",", stdout);
    json_string("mesh", result->mesh);
    json_count("triangles", result->triangles);
    json_count("width", result->width);
    json_count("height", result->height);
    json_count("seed", result->seed);
    json_count("frames", result->pace.drawn);
    json_count("missed", result->pace.missed);
    json_count("late", result->pace.late);
    json_count("last_frame", result->last_frame);
    json_number("rate", result->pace.rate);
    json_number("rate_reached", result->rate_reached);
    json_stats("frame", &result->frame_s);
    json_stats("due", &result->due_s);
    json_number("compile_s", result->compile_s);
    json_number("draw_s", result->draw_s);
    json_count("device_bytes", result->device_bytes);
    printf(",\"checksum\":\"%016" PRIx64 "\",", result->checksum);
    json_string("device", result->device);
    putchar(',');
    json_string("platform", result->platform);
    puts("}");
}

static void
text_stats(const char *name, const struct stats *s)
{
    printf("%-10s median %.3f ms, MAD %.3f, mean %.3f, p99 %.3f\n", name, s->median * 1e3,
           s->mad * 1e3, s->mean * 1e3, s->p99 * 1e3);
}

static void
result_text(const struct report *r, const struct result *result)
{
    const struct pace *const p = &result->pace;
    const char *const mark = !r->colour ? "" : p->missed ? "\033[1;33m" : "\033[1;32m";
    const char *const plain = r->colour ? "\033[0m" : "";

    printf("mesh       %s, %u triangles, %u x %u, seed %" PRIu64 "\n", result->mesh,
           result->triangles, result->width, result->height, result->seed);
    printf("device     %s (%s), %.1f MiB in use\n", result->device, result->platform,
           (double)result->device_bytes / 0x1p20);
    printf("compile    %.2f s\n", result->compile_s);
    printf("rate       %.1f of %.6g frames/s in %.2f s\n", result->rate_reached, p->rate,
           result->draw_s);
    text_stats("frame", &result->frame_s);
    text_stats("from due", &result->due_s);
    printf("picture    %016" PRIx64 ", frame %" PRIu64 "\n", result->checksum,
           result->last_frame);
    printf("%smissed     %" PRIu64 "%s of %" PRIu64 " frames, %" PRIu64 " late\n", mark,
           p->missed, plain, p->drawn + p->missed, p->late);
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
