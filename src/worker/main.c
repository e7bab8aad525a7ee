/* SPDX-License-Identifier: MIT */
/* tessera-worker: options and wiring (docs/architecture.md, "The worker's command line"). */
#include "base/log.h"
#include "link/turn.h"
#include "worker/checkpoint.h"
#include "worker/cores.h"
#include "worker/probe.h"
#include "worker/session.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
    OPT_PROBE = 1,
    OPT_SESSION_FD,
    OPT_ACCOUNT_FD,
    OPT_TURNS_FD,
    OPT_GATE_FD,
    OPT_GATE,
    OPT_SLOT,
    OPT_BAR_FD,
    OPT_VGPU,
    OPT_FRAMEBUFFER,
    OPT_PLATFORM,
    OPT_DEVICE,
    OPT_DISCRETE,
    OPT_CORES,
    OPT_THREADS,
    OPT_BACKEND,
    OPT_JAIL,
    OPT_CACHE,
    OPT_TMP,
    OPT_CGROUP,
    OPT_UID,
    OPT_GID,
    OPT_LIMIT,
    OPT_CONTROL_FD,
    OPT_RESTORE,
    OPT_PROBE_NVML,
    OPT_CHECKPOINT,
    OPT_CUDA_DRIVER,
    OPT_GPUS,
};

struct arguments {
    bool probe, nvml;
    const char *nvml_path;
    struct checkpoint_options checkpoint;
    struct session_options session;
};

static const struct argp_option options[] = {
    {"probe", OPT_PROBE, NULL, 0, "Print the host's OpenCL devices as JSON", 0},
    {"probe-nvml", OPT_PROBE_NVML, "PATH", OPTION_ARG_OPTIONAL,
     "Print NVIDIA's cards as JSON, by its management library", 0},
    {"checkpoint", OPT_CHECKPOINT, "ACTION", 0,
     "freeze, restore, unlock or thaw the CUDA programs with these process numbers", 0},
    {"cuda-driver", OPT_CUDA_DRIVER, "PATH", 0, "CUDA's driver library, for that", 0},
    {"gpus", OPT_GPUS, "OLD=NEW", 0, "The GPU that takes another one's place, by UUID",
     0},
    {"session-fd", OPT_SESSION_FD, "FD", 0, "Serve the guest on this socket", 1},
    {"restore", OPT_RESTORE, NULL, 0, "Make a session from a snapshot, without a guest",
     1},
    {"control-fd", OPT_CONTROL_FD, "FD", 0, "Listen here to the manager", 1},
    {"account-fd", OPT_ACCOUNT_FD, "FD", 0, "The vGPU's account", 1},
    {"turns-fd", OPT_TURNS_FD, "FD", 0, "The GPU's turns, to read", 1},
    {"gate-fd", OPT_GATE_FD, "FD", 0, "The same, to write the gate's page", 1},
    {"gate", OPT_GATE, "N", 0, "The session's number in the GPU's turns", 1},
    {"slot", OPT_SLOT, "N", 0, "The session's slot in the account", 1},
    {"bar-fd", OPT_BAR_FD, "FD", 0, "The memory that a virtual machine shares", 1},
    {"vgpu", OPT_VGPU, "NAME", 0, "The vGPU's name, for the log", 1},
    {"framebuffer", OPT_FRAMEBUFFER, "BYTES", 0, "The vGPU's framebuffer", 1},
    {"platform", OPT_PLATFORM, "NAME", 0, "The GPU's OpenCL platform", 1},
    {"device", OPT_DEVICE, "INDEX", 0, "The GPU's index on its platform", 1},
    {"discrete", OPT_DISCRETE, NULL, 0, "Share no buffer storage with the guest", 1},
    {"cores", OPT_CORES, "LIST", 0, "Run the driver's threads on these cores (0,2-3)", 1},
    {"threads", OPT_THREADS, "N", 0, "Threads of a software GPU", 1},
    {"limit", OPT_LIMIT, "NAME=VALUE", 0, "A limit of the guest (tesserad --limit)", 1},
    {"backend", OPT_BACKEND, "opencl|fake", 0, "The driver (fake: for tests)", 1},
    {"jail", OPT_JAIL, "none|software|hardware", 0,
     "How much is forbidden to this process (none)", 1},
    {"cache", OPT_CACHE, "DIR", 0, "The driver's caches: may be written to", 1},
    {"cgroup", OPT_CGROUP, "DIR", 0, "Enter this control group (up to 3)", 1},
    {"uid", OPT_UID, "UID", 0, "Become this user, without capabilities", 1},
    {"gid", OPT_GID, "GID", 0, "And this group", 1},
    {"tmp", OPT_TMP, "DIR", 0, "Temporary files: may be written to", 1},
    {0},
};

static unsigned long long
number(struct argp_state *state, const char *what, const char *arg,
       unsigned long long max)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(arg, &end, 10);
    if (errno != 0 || end == arg || *end != '\0' || *arg == '-' || v > max)
        argp_error(state, "%s: '%s' is no number from 0 to %llu", what, arg, max);
    return v;
}

static int
is_fake(struct argp_state *state, const char *arg)
{
    if (strcmp(arg, "fake") != 0 && strcmp(arg, "opencl") != 0)
        argp_error(state, "--backend: '%s' is neither opencl nor fake", arg);
    return strcmp(arg, "fake") == 0;
}

static void
check_complete(struct argp_state *state, const struct arguments *a)
{
    const struct session_options *o = &a->session;
    cpu_set_t set;

    if (a->probe || a->checkpoint.action)
        return;
    if (o->account_fd < 0 || o->framebuffer_bytes == 0 ||
        (o->restore ? o->control_fd < 0 : o->session_fd < 0))
        argp_error(state, "--probe, --probe-nvml, or --account-fd, --framebuffer and "
                          "either --session-fd or "
                          "--restore with --control-fd");
    if (!o->device.platform && !o->device.fake)
        argp_error(state, "--platform is missing");
    if (o->device.cores && cores_parse(o->device.cores, &set) < 0)
        argp_error(state, "--cores: '%s' is no list of cores", o->device.cores);
}

static void
add_process(struct argp_state *state, struct checkpoint_options *o, const char *arg)
{
    if (!o->action || o->n == CHECKPOINT_PIDS_MAX)
        argp_error(state, "what is '%s' for?", arg);
    o->pids[o->n++] = (pid_t)number(state, "a process", arg, INT32_MAX);
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct session_options *o = &a->session;

    switch (key) {
    case OPT_PROBE:
        a->probe = true;
        return 0;
    case OPT_CHECKPOINT:
        a->checkpoint.action = arg;
        return 0;
    case OPT_CUDA_DRIVER:
        a->checkpoint.driver = arg;
        return 0;
    case OPT_GPUS:
        a->checkpoint.gpus = arg;
        return 0;
    case ARGP_KEY_ARG:
        add_process(state, &a->checkpoint, arg);
        return 0;
    case OPT_PROBE_NVML:
        a->probe = a->nvml = true;
        a->nvml_path = arg;
        return 0;
    case OPT_SESSION_FD:
        o->session_fd = (int)number(state, "--session-fd", arg, INT32_MAX);
        return 0;
    case OPT_ACCOUNT_FD:
        o->account_fd = (int)number(state, "--account-fd", arg, INT32_MAX);
        return 0;
    case OPT_TURNS_FD:
        o->turns_fd = (int)number(state, "--turns-fd", arg, INT32_MAX);
        return 0;
    case OPT_GATE_FD:
        o->gate_fd = (int)number(state, "--gate-fd", arg, INT32_MAX);
        return 0;
    case OPT_GATE:
        o->gate = (unsigned)number(state, "--gate", arg, TURN_GATES - 1);
        return 0;
    case OPT_SLOT:
        o->slot = (unsigned)number(state, "--slot", arg, ACCOUNT_SLOTS - 1);
        return 0;
    case OPT_BAR_FD:
        o->bar_fd = (int)number(state, "--bar-fd", arg, INT32_MAX);
        return 0;
    case OPT_VGPU:
        o->vgpu = arg;
        return 0;
    case OPT_FRAMEBUFFER:
        o->framebuffer_bytes = number(state, "--framebuffer", arg, INT64_MAX / 4);
        return 0;
    case OPT_PLATFORM:
        o->device.platform = arg;
        return 0;
    case OPT_DEVICE:
        o->device.index = (unsigned)number(state, "--device", arg, UINT32_MAX);
        return 0;
    case OPT_DISCRETE:
        o->discrete = true;
        return 0;
    case OPT_CORES:
        o->device.cores = arg;
        return 0;
    case OPT_THREADS:
        o->device.threads = (unsigned)number(state, "--threads", arg, 4096);
        return 0;
    case OPT_BACKEND:
        o->device.fake = is_fake(state, arg);
        return 0;
    case OPT_JAIL:
        if (jail_profile_parse(arg, &o->jail.profile) < 0)
            argp_error(state, "--jail: there is no '%s'", arg);
        return 0;
    case OPT_CACHE:
        o->jail.cache = arg;
        return 0;
    case OPT_CGROUP:
        if (o->jail.n_cgroups == JAIL_CGROUPS_MAX)
            argp_error(state, "--cgroup: too many");
        o->jail.cgroups[o->jail.n_cgroups++] = arg;
        return 0;
    case OPT_UID:
        o->jail.uid = (uid_t)number(state, "--uid", arg, INT32_MAX);
        return 0;
    case OPT_GID:
        o->jail.gid = (gid_t)number(state, "--gid", arg, INT32_MAX);
        return 0;
    case OPT_TMP:
        o->jail.tmp = arg;
        return 0;
    case OPT_CONTROL_FD:
        o->control_fd = (int)number(state, "--control-fd", arg, INT32_MAX);
        return 0;
    case OPT_RESTORE:
        o->restore = true;
        return 0;
    case OPT_LIMIT:
        if (limits_set(&o->limits, arg) < 0)
            argp_error(state, "--limit: '%s' is no limit", arg);
        return 0;
    case ARGP_KEY_END:
        check_complete(state, a);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int
main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = "Serves one session of a vGPU. Started by tesserad, not by hand.",
    };
    static char log_name[128];
    struct arguments a = {.session = {.session_fd = -1,
                                      .account_fd = -1,
                                      .turns_fd = -1,
                                      .gate_fd = -1,
                                      .bar_fd = -1,
                                      .control_fd = -1,
                                      .vgpu = "?"}};

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    snprintf(log_name, sizeof log_name, "tessera-worker %s",
             a.probe               ? "probe"
             : a.checkpoint.action ? "checkpoint"
                                   : a.session.vgpu);
    log_init(log_name);
    if (a.checkpoint.action)
        return checkpoint_main(&a.checkpoint);
    if (a.probe) {
        setenv("TESSERA_WORKER", "1", 1);
        return probe_main(a.nvml, a.nvml_path);
    }
    session_run(&a.session);
}
