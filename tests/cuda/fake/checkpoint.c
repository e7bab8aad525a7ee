/* SPDX-License-Identifier: MIT */
/*
 * Processes that are locked, and whose memory is put aside: as FAKECUDA_CHECKPOINT's folder says,
 * by a file for each, that any process may write. Its memory is on the host anyway.
 */
#include "tests/cuda/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNNING, LOCKED, CHECKPOINTED };

static bool
path_of(int pid, char *ret, size_t cap)
{
    const char *const folder = getenv("FAKECUDA_CHECKPOINT");

    return folder && snprintf(ret, cap, "%s/%d", folder, pid) < (int)cap;
}

static int
state_of(int pid)
{
    char path[512];
    FILE *f = path_of(pid, path, sizeof path) ? fopen(path, "re") : NULL;
    int state = RUNNING;

    if (f) {
        if (fscanf(f, "%d", &state) != 1)
            state = RUNNING;
        fclose(f);
    }
    return state;
}

static CUresult
change(int pid, int from, int to)
{
    char path[512], beside[520];
    FILE *f;

    if (!path_of(pid, path, sizeof path))
        return CUDA_ERROR_NOT_SUPPORTED;
    if (state_of(pid) != from || access("/proc", R_OK) < 0)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(beside, sizeof beside, "%s.new", path);
    f = fopen(beside, "we");
    if (!f)
        return CUDA_ERROR_INVALID_VALUE;
    fprintf(f, "%d\n", to);
    fclose(f);
    return rename(beside, path) == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void
fake_wait_while_locked(void)
{
    const struct timespec moment = {0, 1000000};

    if (!getenv("FAKECUDA_CHECKPOINT"))
        return;
    while (state_of(getpid()) != RUNNING)
        nanosleep(&moment, NULL);
}

/* Of who calls, not of that process: they come here without fake_enter(). */
CUresult
cuCheckpointProcessGetState(int pid, int *ret)
{
    *ret = state_of(pid);
    return CUDA_SUCCESS;
}

CUresult
cuCheckpointProcessLock(int pid, void *args)
{
    (void)args;
    FAKE_ENTER();
    return change(pid, RUNNING, LOCKED);
}

CUresult
cuCheckpointProcessCheckpoint(int pid, void *args)
{
    (void)args;
    FAKE_ENTER();
    return change(pid, LOCKED, CHECKPOINTED);
}

CUresult
cuCheckpointProcessRestore(int pid, void *args)
{
    (void)args;
    FAKE_ENTER();
    return change(pid, CHECKPOINTED, LOCKED);
}

CUresult
cuCheckpointProcessUnlock(int pid, void *args)
{
    (void)args;
    FAKE_ENTER();
    return change(pid, LOCKED, RUNNING);
}
