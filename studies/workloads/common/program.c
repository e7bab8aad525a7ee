/* SPDX-License-Identifier: MIT */
#include "common/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/gpu.h"
#include "common/json.h"

static void
print_device(bool json, unsigned number, const struct gpu_entry *e)
{
    if (!json) {
        printf("%-3u %u:%-3u  %s: %s\n", number, e->platform_index, e->index,
               e->platform_name, e->device_name);
        return;
    }
    printf("{\"event\":\"device\",\"number\":%u,\"platform_index\":%u,\"index\":%u,",
           number, e->platform_index, e->index);
    json_string("platform", e->platform_name);
    putchar(',');
    json_string("device", e->device_name);
    puts("}");
}

int
program_list_devices(bool json, struct failure *why)
{
    static struct gpu_entry entries[GPU_ENTRIES_MAX];
    const int count = gpu_list(entries, GPU_ENTRIES_MAX, why);

    for (int i = 0; i < count; i++)
        print_device(json, (unsigned)i, &entries[i]);
    return count < 0 ? count : 0;
}

int
program_status(const char *name, int r, struct failure *why)
{
    if (r >= 0 && (fflush(stdout) || ferror(stdout)))
        r = failure_set(why, -EIO, "cannot write the output");
    if (r == -EINTR) {
        fprintf(stderr, "%s: interrupted\n", name);
        return 130;
    }
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", name, why->text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
