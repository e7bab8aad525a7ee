/* SPDX-License-Identifier: MIT */
/*
 * Time on the device, which does one command after the other, in the order in which they came, of
 * whatever process. Their results are there at once.
 */
#include "tests/cuda/fake/fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* When the device has done all that it was given. */
static _Atomic uint64_t own_free_ns[FAKE_DEVICES_MAX];
static _Atomic(_Atomic uint64_t *) shared_free_ns;

static _Atomic uint64_t *
map_shared(const char *path)
{
    const size_t bytes = sizeof own_free_ns;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *at = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? own_free_ns : at;
}

static _Atomic uint64_t *
free_ns(CUdevice device)
{
    const char *const path = getenv("FAKECUDA_SHARED");
    _Atomic uint64_t *all = shared_free_ns;

    if (!all) {
        all = path && path[0] == '/' ? map_shared(path) : own_free_ns;
        shared_free_ns = all;
    }
    return &all[device];
}

uint64_t
fake_now(CUdevice device)
{
    return fake_is_on_the_hosts_clock() ? fake_host_ns() : *free_ns(device);
}

void
fake_sleep_until(CUdevice device, uint64_t ns)
{
    if (fake_now(device) < ns)
        fake_host_sleep_until(ns);
}

_Atomic uint64_t *
fake_stream_end(struct CUctx_st *context, CUstream stream)
{
    return (uintptr_t)stream <= 2 ? &context->end_ns : &stream->end_ns;
}

static void
raise_to(_Atomic uint64_t *at, uint64_t ns)
{
    uint64_t was = *at;

    while (was < ns && !atomic_compare_exchange_weak(at, &was, ns))
        ;
}

void
fake_submit(struct CUctx_st *context, CUstream stream, uint64_t ns)
{
    _Atomic uint64_t *const busy_until = free_ns(context->device);
    uint64_t was = *busy_until, end;

    do {
        const uint64_t now = fake_is_on_the_hosts_clock() ? fake_host_ns() : was;

        end = (was > now ? was : now) + ns;
    } while (!atomic_compare_exchange_weak(busy_until, &was, end));
    raise_to(fake_stream_end(context, stream), end);
    raise_to(&context->end_ns, end);
}

void
fake_finish(struct CUctx_st *context, CUstream stream)
{
    fake_sleep_until(context->device, *fake_stream_end(context, stream));
}
