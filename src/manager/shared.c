/* SPDX-License-Identifier: MIT */
#include "manager/shared.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uintptr_t page_bytes;

static void
tell(void)
{
    static const char words[] =
        "tesserad: warning: a guest has shortened what it shares with the manager\n";

    /* Nothing can be done if that fails. */
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
        return;
}

/* Any other cause is met again, without us. */
static void
bus_error(int number, siginfo_t *info, void *context)
{
    void *const page = (void *)((uintptr_t)info->si_addr & ~(page_bytes - 1));

    (void)context;
    if (info->si_code == BUS_ADRERR &&
        mmap(page, page_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page)
        tell();
    else
        signal(number, SIG_DFL);
}

void
shared_guard(void)
{
    struct sigaction action = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO};

    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
