/* SPDX-License-Identifier: MIT */
/* tessera-train - an ordinary OpenCL program to measure with: it trains a CNN. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gpu.h"
#include "options.h"
#include "report.h"
#include "train.h"

static int
list_devices(const struct options *options, struct failure *why)
{
    static struct gpu_entry entries[GPU_ENTRIES_MAX];
    const int count = gpu_list(entries, GPU_ENTRIES_MAX, why);
    struct report report;

    report_init(&report, options->json, options->quiet);
    for (int i = 0; i < count; i++)
        report_device(&report, (unsigned)i, entries[i].platform_index, entries[i].index,
                      entries[i].platform_name, entries[i].device_name);
    return count < 0 ? count : 0;
}

int
main(int argc, char **argv)
{
    struct failure why = {0};
    struct options options;
    int r;

    options_parse(&options, argc, argv);
    r = options.list_devices ? list_devices(&options, &why) : train_run(&options, &why);
    if (r >= 0 && (fflush(stdout) || ferror(stdout)))
        r = failure_set(&why, -EIO, "cannot write the output");
    if (r == -EINTR) {
        fprintf(stderr, "tessera-train: interrupted\n");
        return 130;
    }
    if (r < 0) {
        fprintf(stderr, "tessera-train: %s\n", why.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
