/* SPDX-License-Identifier: MIT */
#include "manager/jail.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/session_program.h"
#include "manager/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LANDLOCK_ABI_NEEDED 2 /* Linux 5.19 */
#define GROUPS_WAIT_MS 50
#define GROUPS_WAIT_MAX_MS 10000
#define WINDOW_BYTES (UINT64_C(1) << 30)

/* Can users other than root get to the folder (an absolute path)? */
static bool
others_reach(const char *folder)
{
    _cleanup_free_ char *path = strdup(folder);
    struct stat st;

    if (!path)
        return false;
    for (;;) {
        if (stat(path[0] ? path : "/", &st) < 0 || !(st.st_mode & S_IXOTH))
            return false;
        if (!path[0])
            return true;
        *strrchr(path, '/') = '\0';
    }
}

/* In a user namespace (a container's) there may be no such numbers. */
static bool
users_exist(const struct manager *m)
{
    const uid_t base = m->options->worker_uid_base;
    _cleanup_free_ char *probe = str_printf("%s/.probe", m->folders.tmp);
    bool ok;

    if (!probe || (mkdir(probe, 0700) < 0 && errno != EEXIST))
        return false;
    ok = chown(probe, base + WORKER_UIDS - 1, base) == 0;
    rmdir(probe);
    return ok;
}

/* What root needs to start other users' processes, to end them and to clear up after them. */
static bool
root_is_whole(void)
{
    static const unsigned needed[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,
                                      CAP_KILL,  CAP_SETGID,       CAP_SETUID};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capget, &header, have) < 0)
        return false;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!(have[0].effective & CAP_TO_MASK(needed[i])))
            return false;
    }
    return true;
}

static void
users_init(struct manager *m)
{
    if (geteuid() != 0 || m->options->worker_uid_base == 0 || m->options->share_cache)
        return;
    if (!others_reach(m->folders.cache) || !others_reach(m->folders.tmp))
        manager_warn(m,
                     "workers run as root, without its capabilities: other users cannot "
                     "reach the runtime folder (chmod o+x the folders above it)");
    else if (!root_is_whole() || !users_exist(m))
        manager_warn(m, "workers run as root, without its capabilities: here root cannot "
                        "give them users of their own (a container? --worker-uid-base)");
    else
        m->worker_users = true;
}

static const char *
cgroup_mount(const struct manager *m)
{
    return m->options->cgroup_mount ? m->options->cgroup_mount : CGROUP_MOUNT;
}

/* Of which cards does the kernel account for the memory? */
static void
find_regions(struct manager *m)
{
    for (unsigned i = 0; i < m->inventory.n; i++) {
        struct gpu *const g = &m->inventory.gpus[i];

        if (dmem_region(cgroup_mount(m), g->device.pci, g->dmem_region))
            log_info("%s: the kernel accounts for its memory (%s), and %s programs of "
                     "CUDA's to theirs",
                     g->name, g->dmem_region,
                     m->cgroups.programs ? "holds" : "does not hold");
    }
}

void
jail_init(struct manager *m)
{
    if (!folder_runs_code(m->folders.cache))
        manager_warn(m,
                     "drivers cannot load what they compile: the runtime and the state "
                     "folder are on file systems mounted noexec");
    if (strcmp(m->options->jail, "none") == 0) {
        manager_warn(m, "workers are not jailed (--jail none)");
        find_regions(m);
        return;
    }
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) <
        LANDLOCK_ABI_NEEDED)
        manager_warn(m, "this kernel has no Landlock (2 or later): workers may open what "
                        "their user may");
    users_init(m);
    cgroups_init(&m->cgroups, cgroup_mount(m), m->folders.runtime, !m->options->no_dmem);
    find_regions(m);
    if (!m->cgroups.has_memory)
        log_info(
            "no cgroups of our own (systemd: Delegate=yes): workers' host memory and "
            "number of threads are not limited");
}

static const char *
jail_profile(const struct vgpu *v)
{
    const char *told = v->m->options->jail;

    if (strcmp(told, "auto") != 0)
        return told;
    return v->gpu->software ? "software" : "hardware";
}

static char *
cache_path(const struct vgpu *v)
{
    const char *folder = v->m->folders.cache;

    if (v->m->options->share_cache)
        return str_printf("%s/.%s", folder, v->gpu->name);
    if (v->s.owner.pid)
        return str_printf("%s/.owner-%llu", folder, (unsigned long long)v->s.owner_uid);
    return str_printf("%s/%s", folder, v->s.name);
}

static char *
tmp_path(const struct vgpu *v, unsigned slot)
{
    return str_printf("%s/%s.%u", v->m->folders.tmp, v->s.name, slot);
}

static bool
is_worker_uid(const struct manager *m, uid_t uid)
{
    return uid > m->options->worker_uid_base &&
           uid < m->options->worker_uid_base + WORKER_UIDS;
}

/* The first number that no cache has. 0 when there is none. */
static uid_t
uid_pick(const struct manager *m)
{
    const unsigned base = m->options->worker_uid_base;
    _cleanup_free_ bool *taken = calloc(WORKER_UIDS, sizeof *taken);
    _cleanup_closedir_ DIR *d = opendir(m->folders.cache);
    struct dirent *e;
    struct stat st;

    if (!taken || !d)
        return 0;
    while ((e = readdir(d))) {
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            is_worker_uid(m, st.st_uid))
            taken[st.st_uid - base] = true;
    }
    for (unsigned i = 1; i < WORKER_UIDS; i++) {
        if (!taken[i])
            return base + i;
    }
    return 0;
}

static int
folder_make(const struct manager *m, const char *path, uid_t uid)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (uid && chown(path, uid, m->options->worker_uid_base) < 0)
        return -errno;
    return 0;
}

/* *ret_uid is 0 where workers have no users of their own. */
static int
cache_make(struct manager *m, const char *path, uid_t *ret_uid)
{
    struct stat st;
    uid_t uid;

    if (!m->worker_users) {
        *ret_uid = 0;
        return folder_make(m, path, 0);
    }
    if (lstat(path, &st) == 0) {
        if (is_worker_uid(m, st.st_uid)) {
            *ret_uid = st.st_uid;
            return 0;
        }
        /* Of a time when workers ran as others. */
        trash(m, path);
    }
    uid = uid_pick(m);
    if (uid == 0)
        return -EUSERS;
    *ret_uid = uid;
    return folder_make(m, path, uid);
}

/*
 * What the guest and the worker share counts as host memory, and on a device without memory of
 * its own the framebuffer once more; of a card's it is a window (src/worker/session.c).
 */
static struct cgroup_limits
limits_of(const struct vgpu *v)
{
    const struct options *o = v->m->options;
    const uint64_t framebuffer = v->s.framebuffer_bytes;
    uint64_t shared = framebuffer < WINDOW_BYTES ? framebuffer : WINDOW_BYTES;

    if (v->gpu->software || v->gpu->device.host_unified)
        shared = 2 * framebuffer;
    return (struct cgroup_limits){
        .memory_bytes = o->worker_memory_bytes + shared,
        .tasks = o->worker_tasks,
        .cpu_percent = o->worker_cpu_percent,
    };
}

int
jail_prepare(const struct vgpu *v, unsigned slot, struct strv *argv,
             struct jail_folders *ret)
{
    uid_t uid = 0;
    int rc;

    *ret = (struct jail_folders){cache_path(v), tmp_path(v, slot)};
    if (!ret->cache || !ret->tmp)
        return -ENOMEM;
    rc = cache_make(v->m, ret->cache, &uid);
    if (rc == 0)
        rc = folder_make(v->m, ret->tmp, uid);
    if (rc == 0 && strcmp(jail_profile(v), "none") != 0) {
        const struct cgroup_limits limits = limits_of(v);

        rc = cgroups_prepare(&v->m->cgroups, v->s.name, &limits, argv);
    }
    strv_add(argv, "--jail");
    strv_add(argv, "%s", jail_profile(v));
    strv_add(argv, "--cache");
    strv_add(argv, "%s", ret->cache);
    strv_add(argv, "--tmp");
    strv_add(argv, "%s", ret->tmp);
    if (uid) {
        strv_add(argv, "--uid");
        strv_add(argv, "%u", (unsigned)uid);
        strv_add(argv, "--gid");
        strv_add(argv, "%u", v->m->options->worker_uid_base);
    }
    return rc;
}

void
jail_folders_fini(struct jail_folders *f)
{
    free(f->cache);
    free(f->tmp);
}

void
jail_session_over(const struct vgpu *v, unsigned slot)
{
    _cleanup_free_ char *path = tmp_path(v, slot);

    if (path)
        trash(v->m, path);
}

/* Of vGPUs that are gone. */
static bool
remove_groups_in(const struct manager *m, const char *folder)
{
    _cleanup_closedir_ DIR *d = opendir(folder);
    struct dirent *e;
    bool all = true;

    while (d && (e = readdir(d))) {
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && !vgpu_find(m, e->d_name))
            all &= cgroups_remove(&m->cgroups, e->d_name);
    }
    return all;
}

bool
jail_remove_groups(const struct manager *m)
{
    bool all = true;

    for (unsigned i = 0; i < m->cgroups.n; i++)
        all &= remove_groups_in(m, m->cgroups.parents[i]);
    if (m->cgroups.programs)
        all &= remove_groups_in(m, m->cgroups.programs);
    return all;
}

static void sweep_groups(void *arg);

/* A process that was killed is in its group until it has given back its memory: tries again. */
static void
groups_removed(struct manager *m, bool all)
{
    if (all) {
        m->groups_wait_ms = 0;
        return;
    }
    m->groups_wait_ms = m->groups_wait_ms ? 2 * m->groups_wait_ms : GROUPS_WAIT_MS;
    if (m->groups_wait_ms > GROUPS_WAIT_MAX_MS)
        m->groups_wait_ms = GROUPS_WAIT_MAX_MS;
    if (m->groups_left || alarm_new(&m->loop, sweep_groups, m, &m->groups_left) == 0)
        alarm_set(m->groups_left, m->groups_wait_ms);
}

static void
sweep_groups(void *arg)
{
    groups_removed(arg, jail_remove_groups(arg));
}

void
jail_vgpu_over(const struct vgpu *v)
{
    _cleanup_free_ char *path = str_printf("%s/%s", v->m->folders.cache, v->s.name);

    if (path)
        trash(v->m, path);
    v->m->groups_wait_ms = 0;
    groups_removed(v->m, cgroups_remove(&v->m->cgroups, v->s.name));
}

static void
sweep_folder(struct manager *m, const char *folder,
             bool (*is_used)(const struct manager *m, const char *entry))
{
    _cleanup_closedir_ DIR *d = opendir(folder);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        _cleanup_free_ char *path = str_printf("%s/%s", folder, e->d_name);

        if (path && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            !is_used(m, e->d_name))
            trash(m, path);
    }
}

/* Those of owners and GPUs stay warm for as long as the runtime folder is there. */
static bool
cache_is_used(const struct manager *m, const char *entry)
{
    return entry[0] == '.' || vgpu_find(m, entry);
}

void
jail_sweep(struct manager *m)
{
    sweep_folder(m, m->folders.tmp, vgpu_slot_file_is_used);
    sweep_folder(m, m->folders.cache, cache_is_used);
    sweep_groups(m);
    trash_empty(m);
}

/* Whose group they are in: that of `home`. */
static void
limit_programs(const struct vgpu *v, const struct vgpu *home)
{
    uint64_t bytes = v->s.framebuffer_bytes;
    int rc = -ENOTSUP;

    if (home != v && home->gpu == v->gpu)
        bytes += home->s.framebuffer_bytes;
    if (v->gpu && v->gpu->dmem_region[0])
        rc = cgroups_limit_programs(&v->m->cgroups, home->s.name, v->gpu->dmem_region,
                                    bytes);
    if (rc < 0 && rc != -ENOTSUP)
        log_warning("vGPU '%s': the kernel does not hold its programs to %s: %s",
                    v->s.name, v->gpu->dmem_region, strerror(-rc));
}

void
jail_limit_programs(const struct vgpu *v)
{
    limit_programs(v, v);
}

/* A process is in one group: that of the first of its vGPUs. */
void
jail_add_program(struct vgpu *v, pid_t pid)
{
    const struct vgpu *const home = session_program_elsewhere(v, pid);
    int rc;

    if (!v->m->cgroups.programs || !v->gpu || !v->gpu->dmem_region[0])
        return;
    limit_programs(v, home ? home : v);
    rc = home ? 0 : cgroups_add_program(&v->m->cgroups, v->s.name, pid);
    if (rc < 0 && vgpu_refusal_is_news(v))
        log_warning(
            "vGPU '%s': the kernel does not hold process %d to its framebuffer: %s",
            v->s.name, (int)pid, strerror(-rc));
}
