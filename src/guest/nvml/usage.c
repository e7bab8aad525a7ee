/* SPDX-License-Identifier: MIT */
#include "guest/nvml/usage.h"

#include "guest/front/lock.h"
#include "guest/front/resolve.h"
#include "guest/nvml/results.h"
#include "guest/opencl/find.h"
#include "link/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VGPUS_MAX 64
#define UUID_BYTES 96

static struct process_lock lock;
static struct vgpu_look looks[VGPUS_MAX];
static unsigned n_looks;
static _Atomic bool looked; /* at all of them; a child of fork() has the same */

/* Lock held. Whom nobody shows anything now may ask again later. */
static bool
look_at_all(void)
{
    char *folders[VGPUS_MAX];
    const unsigned n =
        find_vgpus(secure_getenv("TESSERA_VGPU"), FIND_FOLDER, folders, VGPUS_MAX);
    bool all = true;

    n_looks = 0;
    for (unsigned i = 0; i < n; i++) {
        const int rc = all ? grant_look(folders[i], &looks[n_looks]) : -ENOENT;

        n_looks += rc == 0;
        all &= rc == 0 || rc == -ENOENT;
        free(folders[i]);
    }
    return all;
}

static bool
look(void)
{
    bool all = atomic_load_explicit(&looked, memory_order_acquire);

    if (all)
        return true;
    process_lock(&lock);
    all = atomic_load_explicit(&looked, memory_order_relaxed) || look_at_all();
    atomic_store_explicit(&looked, all, memory_order_release);
    process_unlock(&lock);
    return all;
}

/* Is that the device? CUDA takes the beginning of a UUID for it, too. */
static bool
is_named(void *device, const char *name)
{
    typedef int uuid_fn(void *, char *, unsigned);
    typedef int index_fn(void *, unsigned *);
    uuid_fn *const uuid_of = (uuid_fn *)front_real(NR_nvmlDeviceGetUUID);
    index_fn *const index_of = (index_fn *)front_real(NR_nvmlDeviceGetIndex);
    char uuid[UUID_BYTES], *end;
    unsigned index;
    unsigned long number;

    if (strncmp(name, "GPU-", 4) == 0)
        return uuid_of && uuid_of(device, uuid, sizeof uuid) == NVML_SUCCESS &&
               strncmp(uuid, name, strlen(name)) == 0;
    number = strtoul(name, &end, 10);
    return end != name && *end == '\0' && index_of &&
           index_of(device, &index) == NVML_SUCCESS && index == number;
}

const struct account_page *
usage_of(void *device)
{
    if (!look())
        return NULL;
    for (unsigned i = 0; i < n_looks; i++) {
        if (is_named(device, looks[i].device))
            return looks[i].account;
    }
    return NULL;
}
