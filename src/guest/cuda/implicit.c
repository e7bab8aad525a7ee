/* SPDX-License-Identifier: MIT */
#include "guest/cuda/implicit.h"

#include "guest/cuda/changes.h"
#include "guest/cuda/pool.h"
#include "guest/cuda/results.h"
#include "guest/cuda/vgpu.h"
#include "guest/front/driver.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define DEVICES_MAX 64
#define PROCESSES_MAX 1024
#define PCI_BYTES 32
#define NVML "libnvidia-ml.so.1"
#define NOT_KNOWN UINT64_MAX
#define TRIES 3

/* nvmlProcessInfo_t (NVML API reference, 5.16). */
struct process {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
};

typedef int init_fn(void);
typedef int handle_fn(const char *pci, void **ret);
typedef int processes_fn(void *device, unsigned *count, struct process *ret);

static struct process_lock lock;
static uint64_t charged[DEVICES_MAX];
static void *cards[DEVICES_MAX]; /* NVML's of each, once it was looked for */
static processes_fn *processes_of;
static bool
    another_has_our_number[DEVICES_MAX]; /* inside of the container, outside of it */
static int32_t of_process;               /* all of it is; 0: of none */

/*
 * Lock held. The real one is asked. But first the one that a program finds by the name is loaded:
 * the loader gives to whoever asks for the name later what has it already, and that must be ours.
 */
static void *
open_nvml(void)
{
    dlopen(NVML, RTLD_LAZY | RTLD_LOCAL);
    return driver_open("libnvidia-ml.so", "TESSERA_NVML_DRIVER", "nvmlInit_v2");
}

/* Lock held. NVML is begun once in a process, and never ended: the program may use it, too. */
static void
begin(void)
{
    void *const nvml = open_nvml();
    init_fn *const init = nvml ? (init_fn *)dlsym(nvml, "nvmlInit_v2") : NULL;
    handle_fn *const card_of =
        nvml ? (handle_fn *)dlsym(nvml, "nvmlDeviceGetHandleByPciBusId_v2") : NULL;
    typedef int pci_fn(char *, int, int);
    pci_fn *const pci_of = (pci_fn *)front_real(NR_cuDeviceGetPCIBusId);
    char pci[PCI_BYTES];

    memset(charged, 0, sizeof charged);
    memset(another_has_our_number, 0, sizeof another_has_our_number);
    memset(cards, 0, sizeof cards);
    processes_of = NULL;
    if (!init || !card_of || !pci_of || init() != 0)
        return;
    processes_of = (processes_fn *)dlsym(nvml, "nvmlDeviceGetComputeRunningProcesses_v3");
    for (int i = 0; i < DEVICES_MAX; i++) {
        if (pci_of(pci, sizeof pci, i) != CUDA_SUCCESS || card_of(pci, &cards[i]) != 0)
            cards[i] = NULL;
    }
}

static uint64_t
bytes_of(const struct process *all, unsigned n, int32_t pid)
{
    for (unsigned i = 0; i < n; i++) {
        if (all[i].pid == (unsigned)pid)
            return all[i].bytes == ~0ull ? NOT_KNOWN : all[i].bytes;
    }
    return NOT_KNOWN;
}

/* Lock held. */
static int32_t
number_outside(const struct vgpu *v)
{
    return atomic_load(&v->account->slot[v->slot].guest_pid);
}

/* Lock held. How many, at most PROCESSES_MAX; 0 also where NVML does not say. */
static unsigned
processes_on(int device, struct process *ret)
{
    unsigned n = PROCESSES_MAX;

    if (!processes_of || !cards[device] || processes_of(cards[device], &n, ret) != 0)
        return 0;
    return n < PROCESSES_MAX ? n : PROCESSES_MAX;
}

static struct process all[PROCESSES_MAX]; /* lock held */

/*
 * Lock held. What this process has of the device, in all. In a container the driver may know it by
 * its number outside of it, which is the one that the manager knows, or by that inside, if that was
 * nobody else's before.
 */
static uint64_t
bytes_of_process(const struct vgpu *v, int device)
{
    const unsigned n = processes_on(device, all);
    const uint64_t bytes = bytes_of(all, n, number_outside(v));

    if (bytes != NOT_KNOWN || another_has_our_number[device])
        return bytes;
    return bytes_of(all, n, of_process);
}

struct comparison {
    uint64_t in_all, held;
    bool sure; /* nothing was changed meanwhile */
};

/* Lock held. What is freed meanwhile was held before, and what is allocated is held after it. */
static struct comparison
compare(const struct vgpu *v, int device)
{
    const _Atomic uint64_t *const used = &v->account->slot[v->slot].used_bytes;
    struct comparison c = {0};

    for (int i = 0; i < TRIES && !c.sure; i++) {
        uint64_t begun, before, after;
        const bool none = changes_none(&begun);

        before = atomic_load(used);
        c.in_all = bytes_of_process(v, device);
        after = atomic_load(used);
        c.held = before > after ? before : after;
        c.sure = none && !changes_since(begun);
    }
    return c;
}

enum how {
    AS_IT_IS, /* more has to fit, or nothing changes */
    ALL_THAT_FITS,
    IF_SURE, /* the same, but nothing where that is not */
};

/* Lock held. false: it does not fit. */
static bool
settle(const struct vgpu *v, int device, enum how how)
{
    const struct comparison c = compare(v, device);
    const uint64_t asked = c.held > charged[device] ? c.held - charged[device] : 0;
    const uint64_t want = c.in_all > asked ? c.in_all - asked : 0;
    uint64_t more;

    if (c.in_all == NOT_KNOWN || want == charged[device] || (how == IF_SURE && !c.sure))
        return true;
    if (want < charged[device]) {
        /* What a pool has let go of since is held, and the driver has it no more. */
        if (c.sure && pools_keep_nothing()) {
            vgpu_give(v, charged[device] - want);
            charged[device] = want;
        }
        return true;
    }
    more = want - charged[device];
    if (how == IF_SURE || vgpu_take(v, more) < 0)
        more = how == AS_IT_IS ? 0 : vgpu_take_what_fits(v, more);
    charged[device] += more;
    return charged[device] == want;
}

/* Lock held. */
static void
begin_once(void)
{
    const int32_t pid = (int32_t)getpid();

    if (of_process == pid)
        return;
    of_process = pid;
    begin();
}

/* Lock held. */
static bool
settle_now(int device, enum how how)
{
    const struct vgpu *const v = vgpu_of_device(device);

    if (!v || device >= DEVICES_MAX)
        return true;
    begin_once();
    return settle(v, device, how);
}

static bool
settle_soon(int device, enum how how)
{
    bool fits;

    process_lock(&lock);
    fits = settle_now(device, how);
    process_unlock(&lock);
    return fits;
}

bool
implicit_settle(int device)
{
    return settle_soon(device, AS_IT_IS);
}

bool
implicit_settle_current(void)
{
    int device;

    return !current_device(&device) || implicit_settle(device);
}

void
implicit_charge_current(void)
{
    int device;

    if (current_device(&device))
        settle_soon(device, ALL_THAT_FITS);
}

void
implicit_reconcile(int device)
{
    if (!process_trylock(&lock))
        return;
    settle_now(device, IF_SURE);
    process_unlock(&lock);
}

/* Lock held. */
static void
look_for_our_number(void)
{
    for (int i = 0; i < DEVICES_MAX && vgpu_of_device(i); i++)
        another_has_our_number[i] =
            bytes_of(all, processes_on(i, all), of_process) != NOT_KNOWN;
}

void
implicit_before_contexts(void)
{
    const struct vgpu *const v = vgpu_of_device(0);

    if (!v || number_outside(v) == (int32_t)getpid())
        return;
    process_lock(&lock);
    if (of_process != (int32_t)getpid()) {
        begin_once();
        look_for_our_number();
    }
    process_unlock(&lock);
}
