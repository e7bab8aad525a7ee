/* SPDX-License-Identifier: MIT */
/*
 * System calls. What is refused does not exist for the worker (ENOSYS): libc then falls back to
 * an older call where there is one, and goes on as on an older kernel. A call through another
 * machine's entry (32 bits) ends the process.
 *
 * The software profile lists what PoCL, LLVM, the linker and the worker itself use. Vendors'
 * drivers differ too much for that: for them everything is there but what could touch another
 * process, the network or the kernel's own affairs.
 */
#include "worker/jail.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NONE SCMP_ACT_ERRNO(ENOSYS)
#define COUNT(a) (sizeof(a) / sizeof *(a))

#define NAMESPACES                                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |       \
     CLONE_NEWPID | CLONE_NEWNET)

static const char *const software_calls[] = {
    /* the time that a hello may take */
    "alarm",
    "setitimer",
    /* memory */
    "brk",
    "madvise",
    "membarrier",
    "memfd_create",
    "mincore",
    "mlock",
    "mlock2",
    "mmap",
    "mprotect",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    /* files: which ones is a matter of paths */
    "access",
    "chdir",
    "chmod",
    "close",
    "close_range",
    "copy_file_range",
    "dup",
    "dup2",
    "dup3",
    "execve",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fchdir",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents",
    "getdents64",
    "lseek",
    "lstat",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "pwrite64",
    "pwritev",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "umask",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
    /* waiting and time */
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "eventfd2",
    "futex",
    "futex_waitv",
    "getrusage",
    "gettimeofday",
    "nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "restart_syscall",
    "select",
    "time",
    "times",
    /* threads, signals and the linker's process */
    "arch_prctl",
    "exit",
    "exit_group",
    "get_robust_list",
    "getcpu",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "wait4",
    "waitid",
    /* who and where am I */
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpid",
    "getppid",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "gettid",
    "getuid",
    "sysinfo",
    "uname",
    /* the guest's socket and the manager's, which are there already; memory that a guest brings */
    "accept4",
    "getsockopt",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
};

/* Allowed with this argument. */
static const struct {
    const char *name;
    unsigned arg;
    uint64_t mask, value;
} software_arguments[] = {
    /* A thread; or a program that is started, as posix_spawn() does. */
    {"clone", 0, NAMESPACES | CLONE_THREAD, CLONE_THREAD},
    {"clone", 0, NAMESPACES | CLONE_PARENT | CLONE_THREAD | CLONE_VM | CLONE_VFORK,
     CLONE_VM | CLONE_VFORK},
    /* Without F_SETOWN and F_SETSIG, which send signals. */
    {"fcntl", 1, UINT32_MAX, F_DUPFD},
    {"fcntl", 1, UINT32_MAX, F_DUPFD_CLOEXEC},
    {"fcntl", 1, UINT32_MAX, F_GETFD},
    {"fcntl", 1, UINT32_MAX, F_SETFD},
    {"fcntl", 1, UINT32_MAX, F_GETFL},
    {"fcntl", 1, UINT32_MAX, F_SETFL},
    {"fcntl", 1, UINT32_MAX, F_GETLK},
    {"fcntl", 1, UINT32_MAX, F_SETLK},
    {"fcntl", 1, UINT32_MAX, F_SETLKW},
    {"fcntl", 1, UINT32_MAX, F_OFD_GETLK},
    {"fcntl", 1, UINT32_MAX, F_OFD_SETLK},
    {"fcntl", 1, UINT32_MAX, F_OFD_SETLKW},
    {"fcntl", 1, UINT32_MAX, F_ADD_SEALS},
    {"fcntl", 1, UINT32_MAX, F_GET_SEALS},
    {"ioctl", 1, UINT32_MAX, TCGETS},
    {"ioctl", 1, UINT32_MAX, TIOCGWINSZ},
    {"ioctl", 1, UINT32_MAX, FIONREAD},
    {"ioctl", 1, UINT32_MAX, SIOCOUTQ},
    {"prctl", 0, UINT32_MAX, PR_SET_NAME},
    {"prctl", 0, UINT32_MAX, PR_SET_TIMERSLACK},
    {"prctl", 0, UINT32_MAX, PR_GET_NAME},
    {"prctl", 0, UINT32_MAX, PR_SET_VMA},
    {"prctl", 0, UINT32_MAX, PR_GET_DUMPABLE},
    /* 0: ourselves */
    {"prlimit64", 0, UINT32_MAX, 0},
    {"sched_setaffinity", 0, UINT32_MAX, 0},
    {"sched_setattr", 0, UINT32_MAX, 0},
    {"setpriority", 1, UINT32_MAX, 0},
};

static const char *const hardware_refused[] = {
    /* other processes */
    "kcmp",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "process_madvise",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "setpgid",
    "setsid",
    "tkill",
    /* other users and namespaces */
    "capset",
    "chroot",
    "clone3",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setns",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    "unshare",
    /* mounts, and files without their paths */
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "pivot_root",
    "swapoff",
    "swapon",
    "umount2",
    /* the kernel's own affairs */
    "acct",
    "add_key",
    "adjtimex",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "finit_module",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "perf_event_open",
    "personality",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "syslog",
    "userfaultfd",
    "vhangup",
    /* a server of its own: the manager's socket listens already */
    "accept",
    "listen",
};

static const struct {
    const char *name;
    unsigned arg;
    uint64_t mask, value;
} hardware_arguments[] = {
    {"clone", 0, CLONE_NEWNS, CLONE_NEWNS},
    {"clone", 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP},
    {"clone", 0, CLONE_NEWUTS, CLONE_NEWUTS},
    {"clone", 0, CLONE_NEWIPC, CLONE_NEWIPC},
    {"clone", 0, CLONE_NEWUSER, CLONE_NEWUSER},
    {"clone", 0, CLONE_NEWPID, CLONE_NEWPID},
    {"clone", 0, CLONE_NEWNET, CLONE_NEWNET},
    {"fcntl", 1, UINT32_MAX, F_SETOWN},
    {"fcntl", 1, UINT32_MAX, F_SETOWN_EX},
    {"fcntl", 1, UINT32_MAX, F_SETSIG},
    {"ioctl", 1, UINT32_MAX, TIOCSTI},
    /* Drivers talk to their daemons (AF_UNIX) and listen to the kernel (AF_NETLINK). */
    {"socket", 0, UINT32_MAX, AF_INET},
    {"socket", 0, UINT32_MAX, AF_INET6},
    {"socket", 0, UINT32_MAX, AF_PACKET},
    {"socket", 0, UINT32_MAX, AF_ALG},
    {"socket", 0, UINT32_MAX, AF_VSOCK},
    {"socket", 0, UINT32_MAX, AF_BLUETOOTH},
    {"socket", 0, UINT32_MAX, AF_XDP},
};

/* Calls that this machine's kernel never had need no rule. */
static int
rule_add(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
         const struct scmp_arg_cmp *cmp)
{
    int number = seccomp_syscall_resolve_name(name);

    return number < 0 ? 0 : seccomp_rule_add_array(f, action, number, n, cmp);
}

static int
rule_add_masked(scmp_filter_ctx f, uint32_t action, const char *name, unsigned arg,
                uint64_t mask, uint64_t value)
{
    const struct scmp_arg_cmp cmp = {arg, SCMP_CMP_MASKED_EQ, mask, value};

    return rule_add(f, action, name, 1, &cmp);
}

/* Signals go to ourselves alone: the driver's abort(), and threads of ours. */
static int
rules_signal(scmp_filter_ctx f, uint32_t action, enum scmp_compare op)
{
    const struct scmp_arg_cmp self = {0, op, (scmp_datum_t)getpid(), 0};
    int rc = rule_add(f, action, "kill", 1, &self);

    return rc < 0 ? rc : rule_add(f, action, "tgkill", 1, &self);
}

static int
rules_software(scmp_filter_ctx f)
{
    int rc = rules_signal(f, SCMP_ACT_ALLOW, SCMP_CMP_EQ);

    for (size_t i = 0; i < COUNT(software_calls) && rc == 0; i++)
        rc = rule_add(f, SCMP_ACT_ALLOW, software_calls[i], 0, NULL);
    for (size_t i = 0; i < COUNT(software_arguments) && rc == 0; i++)
        rc = rule_add_masked(f, SCMP_ACT_ALLOW, software_arguments[i].name,
                             software_arguments[i].arg, software_arguments[i].mask,
                             software_arguments[i].value);
    return rc;
}

static int
rules_hardware(scmp_filter_ctx f)
{
    int rc = rules_signal(f, NONE, SCMP_CMP_NE);

    for (size_t i = 0; i < COUNT(hardware_refused) && rc == 0; i++)
        rc = rule_add(f, NONE, hardware_refused[i], 0, NULL);
    for (size_t i = 0; i < COUNT(hardware_arguments) && rc == 0; i++)
        rc = rule_add_masked(f, NONE, hardware_arguments[i].name,
                             hardware_arguments[i].arg, hardware_arguments[i].mask,
                             hardware_arguments[i].value);
    return rc;
}

int
jail_calls(enum jail_profile profile)
{
    const bool software = profile == JAIL_SOFTWARE;
    scmp_filter_ctx f = seccomp_init(software ? NONE : SCMP_ACT_ALLOW);
    int rc;

    if (!f)
        return -ENOMEM;
    rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* Older kernels would slow the process down for side channels, which we do not close. */
    if (rc == 0)
        rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
    /* A tree of comparisons: a call costs the same wherever it is in the list. */
    if (rc == 0)
        rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = software ? rules_software(f) : rules_hardware(f);
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc;
}
