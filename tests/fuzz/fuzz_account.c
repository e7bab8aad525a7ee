/* SPDX-License-Identifier: MIT */
/*
 * A manager finds the account page of a manager before it, of whatever version. The bytes are the
 * page but for its lock, whose state only processes that live can make; then it is used.
 */
#include "link/account.h"
#include "manager/words.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct account_page *page;
static struct account_page fresh;
static int fd;

static void
page_open(void)
{
    char path[] = "/dev/shm/tessera-fuzz-XXXXXX";
    int tmp = mkstemp(path);

    if (tmp < 0 || account_create(path, 1u << 20, &page, &fd) < 0)
        abort();
    memcpy(&fresh, page, sizeof fresh);
    unlink(path);
    close(tmp);
}

static void
page_fill(const uint8_t *data, size_t size)
{
    const size_t lock = offsetof(struct account_page, lock);
    uint8_t *bytes = (uint8_t *)page;

    memcpy(page, &fresh, sizeof fresh);
    memcpy(bytes, data, size < lock ? size : lock);
    if (size > lock)
        memcpy(bytes + lock + sizeof fresh.lock, data + lock,
               size - lock < sizeof fresh - lock - sizeof fresh.lock
                   ? size - lock
                   : sizeof fresh - lock - sizeof fresh.lock);
}

/* The sum of the slots, made anew, is what a slot's end leaves. */
static void
page_use(struct account_page *a)
{
    int slot = account_slot_take(a);
    uint64_t had = account_free_bytes(a);
    char text[ACCOUNT_REASON_BYTES];

    if (had > a->limit_bytes || slot >= ACCOUNT_SLOTS)
        abort();
    if (slot >= 0 && account_reserve(a, (unsigned)slot, 4096) == 0) {
        if (had < 4096)
            abort();
        account_release(a, (unsigned)slot, UINT64_MAX);
    }
    for (unsigned which = 0; slot >= 0 && which < LIMIT_COUNT; which++) {
        if (account_take(a, (unsigned)slot, which, 1u << 20, 4096) == 0)
            account_give(a, (unsigned)slot, which, UINT64_MAX);
    }
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++) {
        printable_copy(text, a->slot[i].reason, sizeof text);
        printable_copy(text, a->slot[i].program, ACCOUNT_PROGRAM_BYTES);
    }
    account_recall_answer(a, 1, account_recall_start(a));
    for (unsigned i = 0; i < ACCOUNT_SLOTS; i++)
        account_slot_free(a, i);
    if (account_free_bytes(a) != a->limit_bytes)
        abort();
    for (unsigned which = 0; which < LIMIT_COUNT; which++) {
        if (atomic_load(&a->held[which]) != 0)
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct account_page *a;

    if (!page)
        page_open();
    page_fill(data, size);
    /* A file of another length is none. */
    if (ftruncate(fd,
                  size % 7 == 3 ? (off_t)(size % sizeof fresh) : (off_t)sizeof fresh) < 0)
        abort();
    if (account_map(fd, &a) == 0) {
        page_use(a);
        account_unmap(a);
    }
    if (ftruncate(fd, sizeof fresh) < 0)
        abort();
    return 0;
}
