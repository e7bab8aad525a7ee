/* SPDX-License-Identifier: MIT */
#include "guest/nvml/usage.h"

#include "base/io.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"
#include "guest/nvml/results.h"
#include "guest/opencl/find.h"
#include "link/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* A vGPU that was suspended has another account afterwards. */
static bool
is_current(void)
{
    if (!atomic_load_explicit(&looked, memory_order_acquire))
        return false;
    for (unsigned i = 0; i < n_looks; i++) {
        if (atomic_load_explicit(&looks[i].account->suspended, memory_order_relaxed))
            return false;
    }
    return true;
}

static bool
look(void)
{
    bool all;

    if (is_current())
        return true;
    process_lock(&lock);
    all = is_current() || look_at_all();
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

/* ---- time --------------------------------------------------------------------------- */

/* NVML's own figures are of the last sixth of a second to a second. */
#define SAMPLE_NS 200000000u

static struct process_lock rate_lock;
static struct {
    const struct account_page *account;
    uint64_t at_ns, used_ns;
    unsigned percent;
} rates[VGPUS_MAX];

static uint64_t
used_ns(const struct account_page *a)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        sum += atomic_load_explicit(&a->slot[i].gate.used_ns, memory_order_relaxed);
    return sum;
}

static void
sleep_ns(long ns)
{
    const struct timespec ts = {0, ns};

    nanosleep(&ts, NULL);
}

/* Lock held: the place of that account, or a free one. */
static unsigned
place_of(const struct account_page *a)
{
    unsigned i = 0;

    while (i < VGPUS_MAX - 1 && rates[i].account && rates[i].account != a)
        i++;
    return i;
}

unsigned
usage_percent(const struct account_page *a)
{
    unsigned i, percent;
    uint64_t now, used;

    process_lock(&rate_lock);
    i = place_of(a);
    if (rates[i].account != a) {
        rates[i].account = a;
        rates[i].at_ns = now_ns();
        rates[i].used_ns = used_ns(a);
        sleep_ns(SAMPLE_NS);
    }
    now = now_ns();
    used = used_ns(a);
    if (now - rates[i].at_ns >= SAMPLE_NS) {
        /* Of sessions that have ended nothing is left. */
        used = used > rates[i].used_ns ? used - rates[i].used_ns : 0;
        rates[i].percent = (unsigned)(used * 100 / (now - rates[i].at_ns));
        rates[i].used_ns = used_ns(a);
        rates[i].at_ns = now;
    }
    percent = rates[i].percent < 100 ? rates[i].percent : 100;
    process_unlock(&rate_lock);
    return percent;
}
