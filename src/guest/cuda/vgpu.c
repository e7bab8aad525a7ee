/* SPDX-License-Identifier: MIT */
#include "guest/cuda/vgpu.h"

#include "guest/cuda/changes.h"
#include "guest/cuda/implicit.h"
#include "guest/cuda/results.h"
#include "guest/cuda/turns.h"
#include "guest/front/lock.h"
#include "guest/front/resolve.h"
#include "guest/opencl/find.h"
#include "link/grant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VGPUS_MAX 64

/* An answer to a recall takes microseconds; a worker that is stopped must not hold us up. */
#define RECALL_TIMEOUT_MS 1000
/* Between two recalls another session may take ahead what the first one freed. */
#define RECALL_TRIES 3

/* How often a suspended one asks whether it is there again. */
#define MOVE_LOOK_NS 50000000

static struct process_lock lock;
static struct vgpu vgpus[VGPUS_MAX];
static struct turns turns[VGPUS_MAX];
static _Atomic uint64_t pinned[VGPUS_MAX]; /* bytes, by this process */
static unsigned n_vgpus;
static int status;             /* of vgpus_open() */
static _Atomic int32_t opened; /* in that process */

static void
note_program(const struct vgpu *v)
{
    snprintf(v->account->slot[v->slot].program, ACCOUNT_PROGRAM_BYTES, "%s",
             program_invocation_short_name);
}

/* -ENOENT: there is no CUDA on that vGPU's GPU. */
static int
open_folder(const char *folder, struct vgpu *ret)
{
    struct vgpu_grant g;
    const int rc = grant_ask(folder, &g);

    if (rc < 0)
        return rc;
    *ret = (struct vgpu){.account = g.account,
                         .slot = g.slot,
                         .view = g.view,
                         .pinned_limit = g.pinned_bytes};
    memcpy(ret->device, g.device, sizeof ret->device);
    ret->folder = strdup(folder);
    note_program(ret);
    return ret->folder ? 0 : -ENOMEM;
}

/*
 * The vGPU was suspended. Its folder stays, and when it is resumed the manager knows us by our
 * number. The mappings of before stay, too: somebody may be on the way out of them.
 */
static bool
move(struct turns *u)
{
    struct vgpu *const v = &vgpus[u - turns];
    const struct timespec moment = {0, MOVE_LOOK_NS};
    struct vgpu_grant g;

    while (grant_ask(v->folder, &g) < 0) {
        if (access(v->folder, F_OK) < 0 && errno == ENOENT)
            return false;
        nanosleep(&moment, NULL);
    }
    v->account = g.account;
    v->slot = g.slot;
    v->view = g.view;
    v->pinned_limit = g.pinned_bytes;
    account_take(v->account, v->slot, LIMIT_PINNED_BYTES, UINT64_MAX,
                 atomic_load(&pinned[u - turns]));
    note_program(v);
    turns_move(u, &g.account->slot[g.slot], &g.view);
    return true;
}

static void
reconcile(struct turns *u)
{
    implicit_reconcile((int)(u - turns));
}

static const struct turns_owner owner = {.move = move, .reconcile = reconcile};

/* Lock held. */
static void
add(const struct vgpu *v)
{
    struct turns *const u = &turns[n_vgpus];
    struct account_slot *const slot = &v->account->slot[v->slot];

    vgpus[n_vgpus] = *v;
    atomic_store(&pinned[n_vgpus], 0);
    if (v->view.file) {
        turns_open(u, &slot->gate, &v->view);
        turns_open_slot(u, slot, &owner);
    }
    n_vgpus++;
}

/* Lock held. */
static int
open_each(char **folders, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct vgpu v;
        const int rc = open_folder(folders[i], &v);

        if (rc == 0)
            add(&v);
        else if (rc != -ENOENT)
            return rc;
    }
    /* They are gone: who is told of vGPUs must not have the whole GPU. */
    return n > 0 && n_vgpus == 0 ? -ENODEV : 0;
}

/* Lock held. The devices in the order of their vGPUs. */
static int
show_devices(void)
{
    char list[VGPUS_MAX * GRANT_DEVICE_BYTES];
    size_t len = 0;

    for (unsigned i = 0; i < n_vgpus; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? "," : "",
                                vgpus[i].device);
    return n_vgpus == 0 || setenv("CUDA_VISIBLE_DEVICES", list, 1) == 0 ? 0 : -ENOMEM;
}

/* Lock held. */
static int
open_all(void)
{
    const char *const named = secure_getenv("TESSERA_VGPU");
    char *folders[VGPUS_MAX];
    const unsigned n = find_vgpus(named, FIND_FOLDER, folders, VGPUS_MAX);
    int rc;

    n_vgpus = 0;
    turns_forget_all();
    if (atomic_load_explicit(&opened, memory_order_relaxed) != 0)
        changes_forget();
    rc = open_each(folders, n);
    for (unsigned i = 0; i < n; i++)
        free(folders[i]);
    /* Also a name that says nothing is a name. */
    if (rc == 0 && named && n == 0)
        rc = -ENODEV;
    return rc == 0 && !named ? show_devices() : rc;
}

int
vgpus_open(void)
{
    const int32_t pid = (int32_t)getpid();
    int rc;

    if (atomic_load_explicit(&opened, memory_order_acquire) == pid)
        return status;
    process_lock(&lock);
    if (atomic_load_explicit(&opened, memory_order_relaxed) != pid) {
        status = open_all();
        /* Who has got nothing may ask again. */
        if (status == 0 || n_vgpus > 0)
            atomic_store_explicit(&opened, pid, memory_order_release);
    }
    rc = status;
    process_unlock(&lock);
    return rc;
}

const struct vgpu *
vgpu_of_device(int device)
{
    if (vgpus_open() < 0 || device < 0 || (unsigned)device >= n_vgpus)
        return NULL;
    return &vgpus[device];
}

int
vgpu_device(const struct vgpu *v)
{
    return (int)(v - vgpus);
}

/* While its vGPU is suspended the account is not. false: it is gone. */
static bool
has_account(const struct vgpu *v)
{
    return !v->view.file || turns_wait_while_held(&turns[v - vgpus]);
}

bool
vgpus_wait_while_held(void)
{
    bool all = true;

    for (unsigned i = 0; vgpus_open() == 0 && i < n_vgpus; i++)
        all &= has_account(&vgpus[i]);
    return all;
}

struct turns *
turns_of_device(int device)
{
    const struct vgpu *const v = vgpu_of_device(device);

    return v && v->view.file ? &turns[device] : NULL;
}

struct turns *
turns_of_current(void)
{
    int device;

    return current_device(&device) ? turns_of_device(device) : NULL;
}

bool
current_device(int *ret)
{
    typedef int device_fn(int *ret);
    device_fn *const get = (device_fn *)front_real(NR_cuCtxGetDevice);

    return get && get(ret) == CUDA_SUCCESS;
}

const struct vgpu *
vgpu_current(void)
{
    int device;

    if (vgpus_open() < 0 || n_vgpus == 0)
        return NULL;
    vgpus_wait_while_held();
    /* Without a context: the driver says so. */
    return current_device(&device) ? vgpu_of_device(device) : NULL;
}

int
vgpu_take(const struct vgpu *v, uint64_t bytes)
{
    int rc = has_account(v) ? 0 : -ENODEV;

    if (rc < 0)
        return rc;
    rc = account_reserve(v->account, v->slot, bytes);

    for (int i = 0; rc == -ENOSPC && i < RECALL_TRIES; i++) {
        const uint32_t recall = account_recall_start(v->account);

        account_recall_wait(v->account, recall, v->slot, RECALL_TIMEOUT_MS);
        rc = account_reserve(v->account, v->slot, bytes);
    }
    if (rc == 0)
        account_use(v->account, v->slot, bytes);
    return rc;
}

void
vgpu_give(const struct vgpu *v, uint64_t bytes)
{
    if (!has_account(v))
        return;
    account_unuse(v->account, v->slot, bytes);
    account_release(v->account, v->slot, bytes);
}

uint64_t
vgpu_take_what_fits(const struct vgpu *v, uint64_t bytes)
{
    if (!has_account(v))
        return 0;
    while (bytes > 0 && account_reserve(v->account, v->slot, bytes) < 0) {
        const uint64_t left = account_free_bytes(v->account);

        /* Others take, too: it is less each time. */
        bytes = left < bytes ? left : bytes / 2;
    }
    if (bytes > 0)
        account_use(v->account, v->slot, bytes);
    return bytes;
}

/* ---- pinned memory of the host ------------------------------------------------------ */

int
vgpu_pin(const struct vgpu *v, uint64_t bytes)
{
    int rc = has_account(v) ? 0 : -ENODEV;

    if (rc < 0)
        return rc;
    rc = account_take(v->account, v->slot, LIMIT_PINNED_BYTES, v->pinned_limit, bytes);
    if (rc == 0)
        atomic_fetch_add(&pinned[v - vgpus], bytes);
    else
        atomic_store_explicit(&v->account->slot[v->slot].limit_reached,
                              LIMIT_PINNED_BYTES + 1u, memory_order_relaxed);
    return rc;
}

void
vgpu_unpin(const struct vgpu *v, uint64_t bytes)
{
    if (!has_account(v))
        return;
    account_give(v->account, v->slot, LIMIT_PINNED_BYTES, bytes);
    atomic_fetch_sub(&pinned[v - vgpus], bytes);
}
