/* SPDX-License-Identifier: MIT */
/* The fake driver's front: its dispatch table, its platform, its faults. */
#include "worker/fake.h"

#include "worker/fake_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENTRY(name) .name = fake_##name,

const struct _cl_icd_dispatch fake_dispatch = {FAKE_CALLS(ENTRY)};

struct _cl_platform_id fake_platform = {
    .base = {.dispatch = &fake_dispatch, .kind = FAKE_PLATFORM}};

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t fake_changed = PTHREAD_COND_INITIALIZER;

/* alloc, enqueue and build count down to their turn at 1; 0 never gets there. */
static struct {
    _Atomic long alloc, enqueue, build, slow_us, late_us;
} faults;

bool
fake_fault_alloc(void)
{
    return atomic_fetch_sub_explicit(&faults.alloc, 1, memory_order_relaxed) == 1;
}

bool
fake_fault_enqueue(void)
{
    return atomic_fetch_sub_explicit(&faults.enqueue, 1, memory_order_relaxed) == 1;
}

bool
fake_fault_build(void)
{
    return atomic_fetch_sub_explicit(&faults.build, 1, memory_order_relaxed) == 1;
}

static bool
fault_sleep(_Atomic long *number)
{
    const long us = atomic_load_explicit(number, memory_order_relaxed);
    const struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    if (us > 0)
        nanosleep(&t, NULL);
    return us > 0;
}

void
fake_fault_slow(void)
{
    fault_sleep(&faults.slow_us);
}

bool
fake_fault_is_late(void)
{
    return atomic_load_explicit(&faults.late_us, memory_order_relaxed) > 0;
}

void
fake_fault_late(void)
{
    fault_sleep(&faults.late_us);
}

/* One word "name:number" at s; the place behind it, or NULL. */
static const char *
fault_read(const char *s)
{
    static const struct {
        const char *prefix;
        _Atomic long *number;
    } known[] = {
        {"alloc:", &faults.alloc},  {"enqueue:", &faults.enqueue},
        {"build:", &faults.build},  {"slow:", &faults.slow_us},
        {"late:", &faults.late_us},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const size_t len = strlen(known[i].prefix);
        char *end;
        long number;

        if (strncmp(s, known[i].prefix, len) != 0)
            continue;
        number = strtol(s + len, &end, 10);
        if (end == s + len || number <= 0)
            return NULL;
        atomic_store_explicit(known[i].number, number, memory_order_relaxed);
        return end;
    }
    return NULL;
}

static bool
faults_read(const char *s)
{
    atomic_store_explicit(&faults.alloc, 0, memory_order_relaxed);
    atomic_store_explicit(&faults.enqueue, 0, memory_order_relaxed);
    atomic_store_explicit(&faults.build, 0, memory_order_relaxed);
    atomic_store_explicit(&faults.slow_us, 0, memory_order_relaxed);
    atomic_store_explicit(&faults.late_us, 0, memory_order_relaxed);

    if (!s || !*s)
        return true;
    while ((s = fault_read(s)) && *s == ',')
        s++;
    return s && !*s;
}

const struct _cl_icd_dispatch *
fake_driver(cl_platform_id *ret_platform, cl_device_id *ret_device)
{
    if (!faults_read(getenv("TESSERA_FAKE_FAULT")))
        return NULL;

    *ret_platform = &fake_platform;
    *ret_device = &fake_device;
    return &fake_dispatch;
}

cl_int
fake_clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms,
                      cl_uint *num_platforms)
{
    if ((platforms && num_entries == 0) || (!platforms && !num_platforms))
        return CL_INVALID_VALUE;
    if (platforms)
        platforms[0] = &fake_platform;
    if (num_platforms)
        *num_platforms = 1;
    return CL_SUCCESS;
}

cl_int
fake_clGetPlatformInfo(cl_platform_id platform, cl_platform_info param_name,
                       size_t param_value_size, void *param_value,
                       size_t *param_value_size_ret)
{
    static const char profile[] = "FULL_PROFILE", version[] = "OpenCL 3.0 fake",
                      name[] = "Fake OpenCL", vendor[] = "Tessera",
                      extensions[] = "cl_khr_icd", suffix[] = "FAKE";
    static const cl_version numeric = CL_MAKE_VERSION(3, 0, 0);
    static const cl_name_version versions[] = {{CL_MAKE_VERSION(1, 0, 0), "cl_khr_icd"}};
    static const cl_ulong timer_ns = 1;
    static const struct fake_info table[] = {
        FAKE_INFO(CL_PLATFORM_PROFILE, profile),
        FAKE_INFO(CL_PLATFORM_VERSION, version),
        FAKE_INFO(CL_PLATFORM_NAME, name),
        FAKE_INFO(CL_PLATFORM_VENDOR, vendor),
        FAKE_INFO(CL_PLATFORM_EXTENSIONS, extensions),
        FAKE_INFO(CL_PLATFORM_ICD_SUFFIX_KHR, suffix),
        FAKE_INFO(CL_PLATFORM_NUMERIC_VERSION, numeric),
        FAKE_INFO(CL_PLATFORM_EXTENSIONS_WITH_VERSION, versions),
        FAKE_INFO(CL_PLATFORM_HOST_TIMER_RESOLUTION, timer_ns),
    };
    struct fake_out out = {param_value_size, param_value, param_value_size_ret};

    if (platform && !fake_is(platform, FAKE_PLATFORM))
        return CL_INVALID_PLATFORM;
    return fake_answer_from(table, ARRAY_LEN(table), param_name, out);
}

cl_int
fake_clUnloadCompiler(void)
{
    return CL_SUCCESS;
}

cl_int
fake_clUnloadPlatformCompiler(cl_platform_id platform)
{
    return fake_is(platform, FAKE_PLATFORM) ? CL_SUCCESS : CL_INVALID_PLATFORM;
}
