/* SPDX-License-Identifier: MIT */
#include "worker/checkpoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LOCK_TIMEOUT_MS 10000u
#define UUID_BYTES 16

enum state { STATE_RUNNING, STATE_LOCKED, STATE_CHECKPOINTED, STATE_FAILED };

/* All arguments of these calls have 64 bytes; what is not said is 0. */
struct lock_args {
    unsigned timeout_ms, reserved0;
    uint64_t reserved[7];
};
struct gpu_pair {
    uint8_t from[UUID_BYTES], to[UUID_BYTES];
};
struct restore_args {
    struct gpu_pair *pairs;
    unsigned n;
    char reserved[52 - sizeof(void *)];
};
struct no_args {
    uint64_t reserved[8];
};

static struct {
    int (*init)(unsigned flags);
    int (*state)(int pid, int *ret);
    int (*lock)(int pid, struct lock_args *args);
    int (*checkpoint)(int pid, struct no_args *args);
    int (*restore)(int pid, void *args);
    int (*unlock)(int pid, struct no_args *args);
    int (*error)(int error, const char **ret);
} cu;

static struct gpu_pair pair;
static bool has_pair;

static bool
find(void *library, const char *name, void *ret)
{
    void *const found = dlsym(library, name);

    memcpy(ret, &found, sizeof found);
    if (!found)
        printf(
            "the driver has no %s: suspending programs takes one of CUDA 12.8 or later",
            name);
    return found;
}

static bool
load(const char *path)
{
    void *const library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

    if (!library) {
        printf("CUDA's driver library cannot be opened%s%s", path ? ": " : "",
               path ? dlerror() : "");
        return false;
    }
    return find(library, "cuInit", &cu.init) &&
           find(library, "cuGetErrorString", &cu.error) &&
           find(library, "cuCheckpointProcessGetState", &cu.state) &&
           find(library, "cuCheckpointProcessLock", &cu.lock) &&
           find(library, "cuCheckpointProcessCheckpoint", &cu.checkpoint) &&
           find(library, "cuCheckpointProcessRestore", &cu.restore) &&
           find(library, "cuCheckpointProcessUnlock", &cu.unlock);
}

/* 0; or says what it was. */
static int
told(int result, pid_t pid, const char *what)
{
    const char *words = NULL;

    if (result == 0)
        return 0;
    if (cu.error(result, &words) != 0 || !words)
        words = "?";
    printf("process %d cannot be %s: %s (%d)", (int)pid, what, words, result);
    return -1;
}

/* One that has ended needs nothing any more. */
static bool
is_gone(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}

static int
state_of(pid_t pid)
{
    int state;

    return cu.state((int)pid, &state) == 0 ? state : STATE_FAILED;
}

static int
restore(pid_t pid)
{
    struct restore_args args = {.pairs = &pair, .n = 1};

    if (state_of(pid) != STATE_CHECKPOINTED)
        return 0;
    return told(cu.restore((int)pid, has_pair ? &args : NULL), pid, "restored");
}

static int
unlock(pid_t pid)
{
    struct no_args args = {0};

    if (state_of(pid) != STATE_LOCKED)
        return 0;
    return told(cu.unlock((int)pid, &args), pid, "unlocked");
}

static int
checkpoint(pid_t pid)
{
    struct no_args args = {0};

    if (is_gone(pid) || state_of(pid) == STATE_CHECKPOINTED)
        return 0;
    return told(cu.checkpoint((int)pid, &args), pid, "checkpointed");
}

static int
freeze(pid_t pid)
{
    struct lock_args args = {.timeout_ms = LOCK_TIMEOUT_MS};

    if (is_gone(pid))
        return 0;
    if (state_of(pid) == STATE_RUNNING &&
        told(cu.lock((int)pid, &args), pid, "locked") < 0)
        return -1;
    return checkpoint(pid);
}

static int
thaw(pid_t pid)
{
    return restore(pid) < 0 ? -1 : unlock(pid);
}

/* If one fails, those before it, and what is left of it, are undone. */
static int
all_or_none(const struct checkpoint_options *o, int (*act)(pid_t pid),
            int (*undo)(pid_t pid))
{
    for (unsigned i = 0; i < o->n; i++) {
        if (act(o->pids[i]) == 0)
            continue;
        for (unsigned k = 0; k <= i; k++)
            undo(o->pids[k]);
        return 1;
    }
    return 0;
}

/* One that cannot be is no reason to leave the others. */
static int
each(const struct checkpoint_options *o, int (*act)(pid_t pid))
{
    int status = 0;

    for (unsigned i = 0; i < o->n; i++)
        status |= act(o->pids[i]) < 0;
    return status;
}

static bool
parse_uuid(const char *text, uint8_t *ret, const char **ret_end)
{
    unsigned n = 0;

    for (; n < UUID_BYTES && *text; text++) {
        unsigned byte;

        if (*text == '-')
            continue;
        if (sscanf(text, "%2x", &byte) != 1)
            return false;
        ret[n++] = (uint8_t)byte;
        text++;
        if (!*text)
            break;
    }
    *ret_end = text;
    return n == UUID_BYTES;
}

static bool
parse_gpus(const char *text)
{
    const char *end;

    if (!text)
        return true;
    has_pair = parse_uuid(text, pair.from, &end) && *end == '=' &&
               parse_uuid(end + 1, pair.to, &end) && *end == '\0';
    if (!has_pair)
        printf("'%s' is no pair of GPUs", text);
    return has_pair;
}

int
checkpoint_main(const struct checkpoint_options *o)
{
    /* Whoever comes after the manager must not find us at work. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == 1 || !parse_gpus(o->gpus) || !load(o->driver))
        return 1;
    if (cu.init(0) != 0) {
        printf("CUDA's driver does not begin");
        return 1;
    }
    if (strcmp(o->action, "freeze") == 0)
        return all_or_none(o, freeze, thaw);
    if (strcmp(o->action, "again") == 0)
        return each(o, freeze);
    if (strcmp(o->action, "restore") == 0)
        return all_or_none(o, restore, checkpoint);
    if (strcmp(o->action, "unlock") == 0)
        return each(o, unlock);
    if (strcmp(o->action, "thaw") == 0)
        return each(o, thaw);
    printf("'%s' is none of freeze, again, restore, unlock and thaw", o->action);
    return 1;
}
