/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned group;
} groups[] = {{"memory", MEMORY}, {"events", EVENT},  {"programs", PROGRAM},
              {"images", IMAGE},  {"queries", QUERY}, {"wrong", WRONG},
              {"link", LINK},     {"clone", CLONE},   {"samplers", SAMPLER}};

static void
usage(FILE *f)
{
    fputs("usage: sequences [OPTION...]\n"
          "Makes random but valid sequences of OpenCL calls and prints what they bring.\n"
          "  --seed N       of the first sequence (1)\n"
          "  --count M      how many, seeds N to N+M-1 (1)\n"
          "  --ops K        steps of each (40)\n"
          "  --devices D    1 or 2 in each context; a lone device is split in two (1)\n"
          "  --only LIST    of memory,events,programs,images,queries,wrong,link,clone,\n"
          "                 samplers (all)\n"
          "  --skip LIST    numbers of steps to leave out\n"
          "  --verbose      print bytes, not only their hash\n",
          f);
}

static _Noreturn void
bad_usage(void)
{
    usage(stderr);
    exit(2);
}

static unsigned
groups_of(char *list)
{
    unsigned all = 0;

    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        size_t i = 0;

        while (i < sizeof groups / sizeof groups[0] && strcmp(groups[i].name, word) != 0)
            i++;
        if (i == sizeof groups / sizeof groups[0])
            bad_usage();
        all |= groups[i].group;
    }
    return all;
}

static char *
skip_list(const char *list)
{
    char *with_commas = NULL;

    if (asprintf(&with_commas, ",%s,", list) < 0)
        exit(1);
    return with_commas;
}

static uint64_t
number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    const uint64_t n = strtoull(text, &end, 10);

    if (*end || n < least || n > most)
        bad_usage();
    return n;
}

static void
options_parse(struct options *o, int argc, char **argv)
{
    static const struct option list[] = {{"seed", required_argument, NULL, 's'},
                                         {"count", required_argument, NULL, 'c'},
                                         {"ops", required_argument, NULL, 'k'},
                                         {"devices", required_argument, NULL, 'd'},
                                         {"only", required_argument, NULL, 'o'},
                                         {"skip", required_argument, NULL, 'x'},
                                         {"verbose", no_argument, NULL, 'v'},
                                         {"help", no_argument, NULL, 'h'},
                                         {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (c == 's')
            o->seed = number(optarg, 0, UINT64_C(1) << 40);
        else if (c == 'c')
            o->count = (unsigned)number(optarg, 1, 1000000);
        else if (c == 'k')
            o->ops = (unsigned)number(optarg, 1, 300);
        else if (c == 'd')
            o->devices = (unsigned)number(optarg, 1, DEVICES);
        else if (c == 'o')
            o->groups = groups_of(optarg);
        else if (c == 'x')
            o->skip = skip_list(optarg);
        else if (c == 'v')
            o->verbose = true;
        else if (c == 'h') {
            usage(stdout);
            exit(0);
        } else
            bad_usage();
    }
    if (optind < argc)
        bad_usage();
}

int
main(int argc, char **argv)
{
    static struct options o = {
        .seed = 1, .count = 1, .devices = 1, .ops = 40, .groups = EVERYTHING};
    static struct world fresh, w;

    options_parse(&o, argc, argv);
    fresh.options = &o;
    devices_open(&fresh);
    for (unsigned i = 0; i < o.count; i++) {
        memcpy(&w, &fresh, sizeof w);
        sequence_run(&w, o.seed + i);
    }
    return 0;
}
