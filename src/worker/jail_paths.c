/* SPDX-License-Identifier: MIT */
/*
 * Files, by Landlock. A rule opens what lies beneath a path for some kinds of access; all else
 * is refused (EACCES), whoever the worker's user is. What was open before stays open.
 *
 * Landlock knows execve(), not PROT_EXEC: a shared library needs reading alone. So EXECUTE is the
 * linker's, which PoCL starts at the first launch of a kernel, and the loader's that Linux
 * starts for it. (By that loader any readable program could be run: it can do no more than the
 * worker itself.)
 */
#include "worker/jail.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Later than the headers of Debian 12; the kernel tells whether it has them. */
#define FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_BIND_TCP UINT64_C(1)         /* ABI 4 */
#define NET_CONNECT_TCP UINT64_C(2)
#define SCOPE_ABSTRACT_UNIX UINT64_C(1) /* ABI 6 */
#define SCOPE_SIGNAL UINT64_C(2)

struct ruleset {
    uint64_t fs, net, scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                            \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |              \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                      \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |                         \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define RUN (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)
#define DEVICE (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_IOCTL_DEV)
/* What makes sense of a file; the rest is a folder's. */
#define OF_FILES                                                                         \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                         \
     LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
/* All of ABI 2: up to REFER. */
#define FS_ABI_2 ((LANDLOCK_ACCESS_FS_REFER << 1) - 1)

struct path {
    const char *pattern; /* glob(7) */
    uint64_t access;
};

static const struct path paths_of_all[] = {
    {"/usr", READ},
    {"/lib*", READ},
    {"/etc/OpenCL", READ},
    {"/etc/alternatives", READ},
    {"/etc/ld.so.cache", READ},
    {"/proc/self", READ},
    {"/proc/cpuinfo", READ},
    {"/proc/meminfo", READ},
    {"/sys/devices/system", READ},
    {"/sys/bus/pci/devices/0000:00:00.0/vendor", READ}, /* PoCL's CL_DEVICE_VENDOR_ID */
    {"/sys/kernel/mm/hugepages", READ},
    {"/dev/urandom", READ},
    {"/dev/zero", READ},
    {"/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/usr/bin/ld", RUN},
    {"/lib64/ld-linux-x86-64.so.2", RUN},
    {"/lib/ld-linux-aarch64.so.1", RUN},
};

/* What drivers of cards look at: their configuration, the bus, their device nodes. */
static const struct path paths_of_hardware[] = {
    {"/opt", READ},
    {"/etc", READ},
    {"/proc", READ},
    {"/sys", READ},
    {"/run/nvidia-persistenced", READ},
    {"/dev/nvidia*", DEVICE},
    {"/dev/dri", DEVICE},
    {"/dev/kfd", DEVICE},
    {"/dev/shm", WRITE},
};

static long
abi_of_kernel(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static struct ruleset
ruleset_of(long abi)
{
    struct ruleset r = {.fs = FS_ABI_2};

    if (abi >= 3)
        r.fs |= FS_TRUNCATE;
    if (abi >= 4)
        r.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return r;
}

static int
path_allow(int rules, const struct ruleset *r, const char *path, uint64_t access)
{
    _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = access & r->fs,
                                              .parent_fd = fd};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_FILES;
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
               ? -errno
               : 0;
}

/* What this machine does not have, or keeps from this user, needs no rule. */
static void
paths_allow(int rules, const struct ruleset *r, const struct path *paths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        glob_t found = {0};

        if (glob(paths[i].pattern, 0, NULL, &found) == 0) {
            for (size_t k = 0; k < found.gl_pathc; k++)
                path_allow(rules, r, found.gl_pathv[k], paths[i].access);
        }
        globfree(&found);
    }
}

/* The folder of a driver that lies apart, with what it brings along. */
static void
library_allow(int rules, const struct ruleset *r, const char *library)
{
    char folder[PATH_MAX];
    size_t len = strcspn(library, "\n");
    char *slash;

    if (library[0] != '/' || len >= sizeof folder)
        return;
    memcpy(folder, library, len);
    folder[len] = '\0';
    path_allow(rules, r, folder, READ);
    slash = strrchr(folder, '/');
    if (slash == folder)
        return;
    *slash = '\0';
    path_allow(rules, r, folder, READ);
}

/* OCL_ICD_VENDORS is the one file that names the GPU's driver, or a folder of such. */
static void
driver_allow(int rules, const struct ruleset *r)
{
    const char *icd = getenv("OCL_ICD_VENDORS"), *log = getenv("TESSERA_CALLLOG");
    const char *behind = getenv("TESSERA_CALLLOG_DRIVER");
    _cleanup_fclose_ FILE *f = icd ? fopen(icd, "re") : NULL;
    char library[PATH_MAX];

    if (icd)
        path_allow(rules, r, icd, READ);
    if (f && fgets(library, sizeof library, f))
        library_allow(rules, r, library);
    /* The tests' interposing driver: what it writes, and the driver behind it. */
    if (log)
        path_allow(rules, r, log, WRITE);
    if (behind)
        library_allow(rules, r, behind);
}

int
jail_paths(const struct jail_options *o)
{
    const long abi = abi_of_kernel();
    const struct ruleset r = ruleset_of(abi);
    _cleanup_close_ int rules = -1;
    int rc = 0;

    /* Without REFER PoCL could not move files within its cache. The manager has warned. */
    if (abi < 2)
        return 0;
    rules = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
    if (rules < 0)
        return -errno;
    paths_allow(rules, &r, paths_of_all, sizeof paths_of_all / sizeof *paths_of_all);
    if (o->profile == JAIL_HARDWARE)
        paths_allow(rules, &r, paths_of_hardware,
                    sizeof paths_of_hardware / sizeof *paths_of_hardware);
    driver_allow(rules, &r);
    if (o->cache)
        rc = path_allow(rules, &r, o->cache, WRITE);
    if (rc == 0 && o->tmp)
        rc = path_allow(rules, &r, o->tmp, WRITE);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        rc = -errno;
    return rc;
}
