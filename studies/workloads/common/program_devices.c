/* SPDX-License-Identifier: MIT */
/* Apart from program.c, so that a program without OpenCL need not link it. */
#include <stdio.h>

#include "common/gpu.h"
#include "common/json.h"
#include "common/program.h"

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
