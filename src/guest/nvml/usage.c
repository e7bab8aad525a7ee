/* SPDX-License-Identifier: MIT */
#include "guest/nvml/usage.h"

#include "base/cleanup.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"
#include "guest/nvml/results.h"
#include "link/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VGPUS_MAX 64
#define UUID_BYTES 96

static struct process_lock lock;
static const struct account_page *accounts[VGPUS_MAX];
static unsigned n_accounts;
static _Atomic bool looked; /* at all of them; a child of fork() has the same */

/* Lock held. Whom nobody shows anything now may ask again later. */
static bool
look_at_all(const char *folders)
{
    _cleanup_free_ char *copy = folders ? strdup(folders) : NULL;
    char *rest = copy, *folder;

    n_accounts = 0;
    while ((folder = strsep(&rest, ":")) && n_accounts < VGPUS_MAX) {
        const int rc = folder[0] ? grant_look(folder, &accounts[n_accounts]) : -ENOENT;

        if (rc == 0)
            n_accounts++;
        else if (rc != -ENOENT)
            return false;
    }
    return true;
}

static bool
look(void)
{
    bool all = atomic_load_explicit(&looked, memory_order_acquire);

    if (all)
        return true;
    process_lock(&lock);
    all = atomic_load_explicit(&looked, memory_order_relaxed) ||
          look_at_all(secure_getenv("TESSERA_VGPU"));
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
    const char *const visible = secure_getenv("CUDA_VISIBLE_DEVICES");
    _cleanup_free_ char *copy = NULL;
    char *rest, *name;

    if (!visible || !look() || n_accounts == 0)
        return NULL;
    copy = rest = strdup(visible);
    for (unsigned i = 0; i < n_accounts && (name = strsep(&rest, ",")); i++) {
        if (is_named(device, name))
            return accounts[i];
    }
    return NULL;
}
