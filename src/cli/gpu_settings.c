/* SPDX-License-Identifier: MIT */
/*
 * A GPU's settings: words of the command line into a request, and an answer into words. Units are
 * the command line's; whether a value is allowed is for the manager to say.
 */
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_NS 1000
#define SECOND_NS UINT64_C(1000000000)

/* Reads a time that is a whole number of units; `word` stands for 0. */
static int
read_time(const char *text, const char *word, uint64_t unit_ns, json_int_t *ret)
{
    uint64_t ns = 0;

    if (strcmp(text, word) != 0 && (duration_parse(text, &ns) < 0 || ns == 0))
        return -1;
    if (ns % unit_ns || ns / unit_ns > INT32_MAX)
        return -1;
    *ret = (json_int_t)(ns / unit_ns);
    return 0;
}

static int
add_slice(json_t *body, const char *text, char *mistake, size_t cap)
{
    json_int_t us;

    if (!text)
        return 0;
    if (read_time(text, "default", US_NS, &us) < 0) {
        snprintf(mistake, cap,
                 "--slice '%s': a time with its unit, such as 2ms or 1500us, or default",
                 text);
        return -1;
    }
    return json_object_set_new(body, "slice_us", json_integer(us));
}

static int
add_watchdog(json_t *body, const char *text, char *mistake, size_t cap)
{
    json_int_t seconds;

    if (!text)
        return 0;
    if (read_time(text, "off", SECOND_NS, &seconds) < 0) {
        snprintf(mistake, cap,
                 "--watchdog '%s': whole seconds with their unit, such as 30s, or off",
                 text);
        return -1;
    }
    return json_object_set_new(body, "watchdog_seconds", json_integer(seconds));
}

/* "20" and "20%" are the same. */
static int
add_elastic(json_t *body, const char *text, char *mistake, size_t cap)
{
    unsigned long percent;
    char *end;

    if (!text)
        return 0;
    percent = strtoul(text, &end, 10);
    if (end == text || text[0] == '-' || (*end && strcmp(end, "%") != 0) ||
        percent > 100) {
        snprintf(mistake, cap, "--elastic '%s': percent, from 0 to 100", text);
        return -1;
    }
    return json_object_set_new(body, "elastic_percent",
                               json_integer((json_int_t)percent));
}

json_t *
gpu_settings_json(const struct gpu_settings *s, char *mistake, size_t cap)
{
    json_t *body = json_pack("{ss* ss* ss*}", "mode", s->mode, "placement", s->placement,
                             "policy", s->policy);

    snprintf(mistake, cap, "the words are not UTF-8");
    if (body && add_slice(body, s->slice, mistake, cap) == 0 &&
        add_elastic(body, s->elastic, mistake, cap) == 0 &&
        add_watchdog(body, s->watchdog, mistake, cap) == 0)
        return body;
    json_decref(body);
    return NULL;
}

static void
print_gpu(const json_t *g)
{
    const uint64_t seconds = json_u64_of(g, "watchdog_seconds");
    char slice[DURATION_TEXT_BYTES], watchdog[DURATION_TEXT_BYTES] = "off";

    duration_format(json_u64_of(g, "slice_us") * US_NS, slice, sizeof slice);
    if (seconds)
        duration_format(seconds * SECOND_NS, watchdog, sizeof watchdog);
    printf("%s: mode %s, placement %s, policy %s, slice %s, elastic %d %%, watchdog %s\n",
           json_text_of(g, "name", "-"), json_text_of(g, "mode", "-"),
           json_text_of(g, "placement", "-"), json_text_of(g, "policy", "-"), slice,
           (int)json_u64_of(g, "elastic_percent"), watchdog);
}

void
gpu_print_settings(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "gpus");

    if (!list)
        print_gpu(answer);
    for (size_t i = 0; i < json_array_size(list); i++)
        print_gpu(json_array_get(list, i));
}
