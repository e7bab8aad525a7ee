/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/gpu.h"
#include "common/gpu_error.h"

enum { PLATFORMS_MAX = 16 };

static int
list_platform(cl_platform_id platform, unsigned index, struct gpu_entry *entries, int max)
{
    cl_device_id devices[GPU_ENTRIES_MAX];
    cl_uint count = 0;

    if (max <= 0 ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, (cl_uint)max, devices, &count))
        return 0;
    if (count > (cl_uint)max)
        count = (cl_uint)max;

    for (cl_uint i = 0; i < count; i++) {
        struct gpu_entry *const e = &entries[i];

        *e = (struct gpu_entry){.platform = platform,
                                .device = devices[i],
                                .platform_index = index,
                                .index = i};
        if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof e->platform_name - 1,
                              e->platform_name, NULL))
            snprintf(e->platform_name, sizeof e->platform_name, "platform %u", index);
        if (clGetDeviceInfo(devices[i], CL_DEVICE_NAME, sizeof e->device_name - 1,
                            e->device_name, NULL))
            snprintf(e->device_name, sizeof e->device_name, "device %u", i);
    }
    return (int)count;
}

int
gpu_list(struct gpu_entry *entries, int max, struct failure *why)
{
    /* cl_khr_icd's answer of a loader that knows no implementation. */
    const cl_int platform_not_found = -1001;
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_uint count = 0;
    cl_int code;
    int found = 0;

    if (max > GPU_ENTRIES_MAX)
        max = GPU_ENTRIES_MAX;
    code = clGetPlatformIDs(PLATFORMS_MAX, platforms, &count);
    if (code == platform_not_found || (!code && !count))
        return failure_set(why, -ENODEV,
                           "no OpenCL platform found: is an implementation installed?");
    if (code)
        return failure_set(why, -ENODEV, "clGetPlatformIDs: %s", gpu_error_name(code));

    for (cl_uint i = 0; i < count && i < PLATFORMS_MAX; i++)
        found += list_platform(platforms[i], i, entries + found, max - found);
    if (!found)
        return failure_set(why, -ENODEV, "no OpenCL device found on %u platform%s", count,
                           count == 1 ? "" : "s");
    return found;
}

/* Whether the entry's platform is the one meant by the first len bytes of words. */
static bool
platform_matches(const struct gpu_entry *entry, const char *words, size_t len)
{
    char part[128], *end;
    unsigned long index;

    if (len >= sizeof part)
        return false;
    memcpy(part, words, len);
    part[len] = '\0';

    index = strtoul(part, &end, 10);
    if (end != part && !*end)
        return index == entry->platform_index;
    return strcasestr(entry->platform_name, part);
}

int
gpu_find(struct gpu_entry *ret_entry, const char *words, struct failure *why)
{
    static struct gpu_entry entries[GPU_ENTRIES_MAX]; /* too large for the stack */
    const int count = gpu_list(entries, GPU_ENTRIES_MAX, why);
    const char *const colon = words ? strrchr(words, ':') : NULL;
    const char *const number = colon ? colon + 1 : words ? words : "0";
    unsigned long wanted;
    char *end;

    if (count < 0)
        return count;
    wanted = strtoul(number, &end, 10);
    if (end == number || *end || *number == '-')
        return failure_set(why, -EINVAL, "device \"%s\": give N or PLATFORM:N", words);

    for (int i = 0; i < count; i++) {
        if (colon && !platform_matches(&entries[i], words, (size_t)(colon - words)))
            continue;
        if (colon ? wanted == entries[i].index : wanted == (unsigned long)i) {
            *ret_entry = entries[i];
            return 0;
        }
    }
    return failure_set(why, -ENODEV,
                       "no device \"%s\": OpenCL lists %d (see --list-devices)",
                       words ? words : "0", count);
}

int
gpu_find_all(struct gpu_entry *ret_entries, int max, const char *words,
             struct failure *why)
{
    char *const copy = strdup(words ? words : "0"), *rest = copy, *one;
    int count = 0, r = 0;

    if (!copy)
        return failure_set(why, -ENOMEM, "out of memory");
    while (r >= 0 && (one = strsep(&rest, ","))) {
        if (count == max)
            r = failure_set(why, -EINVAL,
                            "device \"%s\": this program works on %d together at most",
                            words, max);
        else
            r = gpu_find(&ret_entries[count++], one, why);
    }
    free(copy);
    return r < 0 ? r : count;
}
