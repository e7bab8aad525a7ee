/* SPDX-License-Identifier: MIT */
/*
 * account_forge ACCOUNT SLOT PID: writes into an account what a guest's kernel can, in its worker:
 * that the session of that slot is served by another process.
 */
#include "base/cleanup.h"
#include "link/account.h"

#include <fcntl.h>

int
main(int argc, char **argv)
{
    _cleanup_close_ int fd = argc == 4 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    struct account_page *a;
    struct account_slot *slot;
    unsigned long i;
    pid_t pid;

    if (fd < 0 || account_map(fd, &a) < 0) {
        fprintf(stderr, "usage: account_forge ACCOUNT SLOT PID\n");
        return 2;
    }
    i = strtoul(argv[2], NULL, 10);
    pid = (pid_t)strtoul(argv[3], NULL, 10);
    slot = &a->slot[i % ACCOUNT_SLOTS];
    atomic_store(&slot->pid, pid);
    atomic_store(&slot->pid_start, process_start_ticks(pid));
    atomic_store(&slot->state, SLOT_LIVE);
    account_unmap(a);
    return 0;
}
