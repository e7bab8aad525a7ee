/* SPDX-License-Identifier: MIT */
#include "manager/options.h"

#include "manager/metrics_http.h"
#include "policy/types.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SOFTWARE_GPUS 64 /* far more than cores would serve well */
/*
 * Above all 16-bit numbers, where systemd has its ranges, and below what it and useradd(8) give
 * to containers (from 100,000).
 */
#define DEFAULT_WORKER_UID_BASE 70000
/* Compilers take some hundreds of MiB a session; a vGPU seldom has many at once. */
#define DEFAULT_WORKER_MEMORY (UINT64_C(4) << 30)
#define MIN_WORKER_MEMORY (UINT64_C(64) << 20) /* less, and no driver starts */
#define DEFAULT_WORKER_TASKS 4096
#define MAX_WORKER_CPUS 4096
#define MIN_WORKER_TASKS 16
#define DEFAULT_SOFTWARE_MEMORY (UINT64_C(2) << 30)

typedef int set_fn(struct options *o, const char *value);

static int
set_text(char **field, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int
set_number(const char *value, unsigned long max, unsigned *ret)
{
    unsigned long v;
    char *end;

    errno = 0;
    v = strtoul(value, &end, 10);
    if (errno || end == value || *end || value[0] == '-' || v > max)
        return -EINVAL;
    *ret = (unsigned)v;
    return 0;
}

static int
set_runtime_dir(struct options *o, const char *value)
{
    return set_text(&o->runtime_dir, value);
}

static int
set_state_dir(struct options *o, const char *value)
{
    return set_text(&o->state_dir, value);
}

static int
set_worker(struct options *o, const char *value)
{
    return set_text(&o->worker, value);
}

static int
set_icd(struct options *o, const char *value)
{
    return set_text(&o->icd, value);
}

static int
set_cuda_driver(struct options *o, const char *value)
{
    return value[0] == '/' ? set_text(&o->cuda_driver, value) : -EINVAL;
}

static int
set_nvml_driver(struct options *o, const char *value)
{
    return value[0] == '/' ? set_text(&o->nvml_driver, value) : -EINVAL;
}

static int
set_cgroup_mount(struct options *o, const char *value)
{
    return value[0] == '/' ? set_text(&o->cgroup_mount, value) : -EINVAL;
}

static int
set_dmem(struct options *o, const char *value)
{
    o->no_dmem = strcmp(value, "none") == 0;
    return o->no_dmem || strcmp(value, "auto") == 0 ? 0 : -EINVAL;
}

static int
set_backend(struct options *o, const char *value)
{
    if (strcmp(value, "opencl") != 0 && strcmp(value, "fake") != 0)
        return -EINVAL;
    return set_text(&o->backend, value);
}

static int
set_jail(struct options *o, const char *value)
{
    static const char *const words[] = {"auto", "none", "software", "hardware"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i]) == 0)
            return set_text(&o->jail, value);
    }
    return -EINVAL;
}

static int
set_software_gpus(struct options *o, const char *value)
{
    unsigned n;
    int rc = set_number(value, MAX_SOFTWARE_GPUS, &n);

    if (rc == 0)
        o->software_gpus = (int)n;
    return rc;
}

static int
set_software_memory(struct options *o, const char *value)
{
    uint64_t bytes;
    int rc = size_parse(value, &bytes);

    if (rc < 0)
        return rc;
    if (bytes < TYPE_MIN_BYTES || bytes > INT64_MAX)
        return -EINVAL;
    o->software_memory_bytes = bytes;
    return 0;
}

static int
set_software_discrete(struct options *o, const char *value)
{
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return -EINVAL;
    o->software_discrete = !value || value[0] == '1';
    return 0;
}

static int
set_share_cache(struct options *o, const char *value)
{
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return -EINVAL;
    o->share_cache = !value || value[0] == '1';
    return 0;
}

static int
set_worker_uid_base(struct options *o, const char *value)
{
    return set_number(value, INT_MAX - WORKER_UIDS, &o->worker_uid_base);
}

static int
set_worker_memory(struct options *o, const char *value)
{
    uint64_t bytes;
    int rc = size_parse(value, &bytes);

    if (rc < 0)
        return rc;
    if (bytes < MIN_WORKER_MEMORY || bytes > INT64_MAX / 4)
        return -EINVAL;
    o->worker_memory_bytes = bytes;
    return 0;
}

static int
set_worker_tasks(struct options *o, const char *value)
{
    unsigned n;
    int rc = set_number(value, INT_MAX, &n);

    if (rc == 0 && n < MIN_WORKER_TASKS)
        rc = -EINVAL;
    if (rc == 0)
        o->worker_tasks = n;
    return rc;
}

/* Cores in decimals, as exact as a percent of one. */
static int
set_worker_cpus(struct options *o, const char *value)
{
    char *end;
    double cores;

    if (value[strspn(value, "0123456789.")])
        return -EINVAL;
    cores = strtod(value, &end);
    if (end == value || *end || cores > MAX_WORKER_CPUS || (cores > 0 && cores < 0.01))
        return -EINVAL;
    o->worker_cpu_percent = (unsigned)(cores * 100 + 0.5);
    return 0;
}

static int
set_idle_exit(struct options *o, const char *value)
{
    return set_number(value, INT_MAX / 1000, &o->idle_exit_s);
}

static int
set_metrics_listen(struct options *o, const char *value)
{
    struct sockaddr_storage address;
    socklen_t len;
    int rc = metrics_address_parse(value, &address, &len);

    return rc < 0 ? rc : set_text(&o->metrics_listen, value);
}

static int
set_limit(struct options *o, const char *value)
{
    return limits_set(&o->limits, value);
}

static int
set_foreground(struct options *o, const char *value)
{
    (void)value;
    o->daemon_log = false;
    return 0;
}

static int
set_daemon_log(struct options *o, const char *value)
{
    (void)value;
    o->daemon_log = true;
    return 0;
}

/* clang-format off */
static const struct {
    const char *name, *arg, *env;
    set_fn *set;
    int flags;
    const char *doc;
} option_rows[] = {
    {"runtime-dir", "DIR", "TESSERA_RUNTIME_DIR", set_runtime_dir, 0,
     "Sockets and accounts (/run/tessera, or $XDG_RUNTIME_DIR/tessera)"},
    {"state-dir", "DIR", "TESSERA_STATE_DIR", set_state_dir, 0,
     "vGPUs and settings (/var/lib/tessera, or ~/.local/state/tessera)"},
    {"software-gpus", "N", "TESSERA_SOFTWARE_GPUS", set_software_gpus, 0,
     "Make N GPUs out of CPU cores (one if the machine has no GPU)"},
    {"software-memory", "SIZE", "TESSERA_SOFTWARE_MEMORY", set_software_memory, 0,
     "Framebuffer of each software GPU (2g)"},
    {"software-discrete", NULL, "TESSERA_SOFTWARE_DISCRETE", set_software_discrete, 0,
     "Software GPUs share no storage with the guest, as a card would"},
    {"idle-exit", "SECONDS", NULL, set_idle_exit, 0,
     "Leave after that long without vGPUs and requests (0: never)"},
    {"metrics-listen", "[ADDRESS:]PORT", NULL, set_metrics_listen, 0,
     "Serve GET /metrics there, too, to anybody (an address is loopback unless given)"},
    {"limit", "NAME=VALUE", NULL, set_limit, 0,
     "Limits: sessions, process-sessions, objects, commands, program-bytes, inflight-bytes,"
     " pinned-bytes"},
    {"worker", "PATH", NULL, set_worker, 0,
     "The tessera-worker program (beside tesserad, else the installed one)"},
    {"icd", "PATH", NULL, set_icd, 0,
     "The guests' OpenCL library (beside tesserad, else the installed one)"},
    {"cuda-driver", "PATH", NULL, set_cuda_driver, 0,
     "CUDA's driver library (the kernel module's); software GPUs are its devices then: for tests"},
    {"nvml-driver", "PATH", NULL, set_nvml_driver, 0,
     "NVIDIA's management library, by which its cards are found (the installed one)"},
    {"dmem", "auto|none", NULL, set_dmem, 0,
     "Have the kernel hold CUDA programs to their framebuffer, by cgroup, where it can (auto)"},
    {"cgroup-mount", "DIR", NULL, set_cgroup_mount, 0,
     "Where control groups are (/sys/fs/cgroup): for tests"},
    {"backend", "NAME", "TESSERA_BACKEND", set_backend, 0,
     "What workers run on: opencl, or fake for tests"},
    {"jail", "auto|none|software|hardware", "TESSERA_JAIL", set_jail, 0,
     "How much is forbidden to workers (auto: by the kind of GPU)"},
    {"share-cache", NULL, "TESSERA_SHARE_CACHE", set_share_cache, 0,
     "One compiler cache for all vGPUs of a GPU: for guests that trust each other"},
    {"worker-uid-base", "N", "TESSERA_WORKER_UID_BASE", set_worker_uid_base, 0,
     "Started by root: run workers as users N+1 to N+4095 (70000; 0: as root)"},
    {"worker-memory", "SIZE", "TESSERA_WORKER_MEMORY", set_worker_memory, 0,
     "Host memory of a vGPU's workers beside the framebuffer, by cgroup (4g)"},
    {"worker-tasks", "N", "TESSERA_WORKER_TASKS", set_worker_tasks, 0,
     "Processes and threads of a vGPU's workers, by cgroup (4096)"},
    {"worker-cpus", "CORES", "TESSERA_WORKER_CPUS", set_worker_cpus, 0,
     "CPU time of a vGPU's workers, by cgroup: 1.5 is one and a half cores (0: no limit)"},
    {"foreground", NULL, NULL, set_foreground, 0,
     "Stay in the foreground, log to stderr (this is what it does anyway)"},
    {"daemon-log", NULL, NULL, set_daemon_log, OPTION_HIDDEN, NULL},
};
/* clang-format on */

#define NROWS (sizeof option_rows / sizeof *option_rows)
#define FIRST_KEY 256 /* past all characters: there are no short options */

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    const int row = key - FIRST_KEY;

    if (key == ARGP_KEY_ARG)
        argp_error(state, "'%s' is not expected here", arg);
    if (row < 0 || row >= (int)NROWS)
        return ARGP_ERR_UNKNOWN;
    if (option_rows[row].set(state->input, arg) < 0)
        argp_error(state, "--%s: '%s' is not a possible value", option_rows[row].name,
                   arg ? arg : "");
    return 0;
}

static int
options_from_environment(struct options *o, struct err *e)
{
    for (size_t i = 0; i < NROWS; i++) {
        const char *value = option_rows[i].env ? getenv(option_rows[i].env) : NULL;

        if (value && value[0] && option_rows[i].set(o, value) < 0)
            return err_set(e, -EINVAL, "%s='%s' in the environment is not possible",
                           option_rows[i].env, value);
    }
    return 0;
}

static void
print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    fprintf(out, "tesserad %s\n", TESSERA_VERSION);
}

int
options_parse(int argc, char **argv, struct options *ret, struct err *e)
{
    struct argp_option rows[NROWS + 1] = {0};
    const struct argp argp = {
        .options = rows,
        .parser = option_seen,
        .doc = "Tessera's manager: shares the GPUs of this machine as vGPUs.",
    };
    int rc;

    for (size_t i = 0; i < NROWS; i++)
        rows[i] = (struct argp_option){.name = option_rows[i].name,
                                       .key = FIRST_KEY + (int)i,
                                       .arg = option_rows[i].arg,
                                       .flags = option_rows[i].flags,
                                       .doc = option_rows[i].doc};
    argp_program_version_hook = print_version;
    argp_err_exit_status = 2;
    *ret = (struct options){.software_gpus = -1,
                            .software_memory_bytes = DEFAULT_SOFTWARE_MEMORY,
                            .worker_uid_base = DEFAULT_WORKER_UID_BASE,
                            .worker_memory_bytes = DEFAULT_WORKER_MEMORY,
                            .worker_tasks = DEFAULT_WORKER_TASKS};
    rc = set_backend(ret, "opencl");
    if (rc == 0)
        rc = set_jail(ret, "auto");
    if (rc == 0)
        rc = options_from_environment(ret, e);
    if (rc == 0)
        rc = -(int)argp_parse(&argp, argc, argv, 0, NULL, ret);
    return rc;
}

void
options_fini(struct options *o)
{
    free(o->runtime_dir);
    free(o->state_dir);
    free(o->worker);
    free(o->icd);
    free(o->cgroup_mount);
    free(o->cuda_driver);
    free(o->nvml_driver);
    free(o->backend);
    free(o->jail);
    free(o->metrics_listen);
}
