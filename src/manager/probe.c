/* SPDX-License-Identifier: MIT */
#include "manager/probe.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/inventory.h"
#include "manager/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ICD_FOLDER "/etc/OpenCL/vendors"
#define PROBE_MAX_BYTES 262144
/* from the answer's last byte to the worker's end */
#define END_GRACE_MS 5000

/* All that comes out of fd until its end, at most PROBE_LIMIT_S from now. */
static int
read_until_end(int fd, char *buf, size_t cap, size_t *ret_len)
{
    const uint64_t end = now_ns() + PROBE_LIMIT_S * UINT64_C(1000000000);
    size_t len = 0;

    while (len < cap) {
        const uint64_t now = now_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = now < end ? poll(&p, 1, (int)((end - now) / 1000000 + 1)) : 0;
        ssize_t n;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready < 0 ? -errno : -ETIMEDOUT;
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *ret_len = len;
            return n < 0 ? -errno : 0;
        }
        len += (size_t)n;
    }
    return -EFBIG;
}

/* Reaps the worker; kills it when it has no time left, or does not end by itself. */
static int
wait_for_end(pid_t pid, int grace_ms)
{
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int status;

    if (pidfd < 0 || poll(&p, 1, grace_ms) <= 0)
        kill(-pid, SIGKILL); /* its process group: drivers have helpers */
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static int
run_probe(const char *worker, const char *what, const char *icd, char *buf,
          size_t *ret_len, struct err *e)
{
    _cleanup_close_ int in = -1, out = -1;
    _cleanup_strv_ struct strv argv = {0}, env = {0};
    int ends[2], rc, status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, -errno, "no pipe: %s", strerror(errno));
    in = ends[0];
    out = ends[1];
    strv_add(&argv, "%s", worker);
    strv_add(&argv, "%s", what);
    worker_environment(&env, icd, NULL, NULL);
    pid = spawn_process(&argv, &env, out, NULL, 0);
    if (pid < 0)
        return err_set(e, pid, "cannot start %s: %s", worker, strerror(-pid));
    cleanup_closep(&out);
    out = -1;
    rc = read_until_end(in, buf, PROBE_MAX_BYTES, ret_len);
    status = wait_for_end(pid, rc < 0 ? 0 : END_GRACE_MS);
    if (rc == -ETIMEDOUT)
        return err_set(e, rc, "no answer within %d s", PROBE_LIMIT_S);
    if (rc < 0)
        return err_set(e, rc, "cannot read the answer: %s", strerror(-rc));
    return status < 0 ? err_set(e, status, "the probe failed") : 0;
}

/* Appends to *devices; returns how many that were, or a negative errno. */
static int
probe_append(const char *worker, const char *what, const char *icd,
             struct probe_device **devices, int n, struct err *e)
{
    _cleanup_free_ char *buf = malloc(PROBE_MAX_BYTES);
    size_t len = 0;
    int rc;

    if (!buf)
        return err_set(e, -ENOMEM, "out of memory");
    rc = run_probe(worker, what, icd, buf, &len, e);
    return rc < 0 ? rc : probe_parse(buf, len, devices, (unsigned)n, e);
}

/* Appends one driver's devices to *devices; returns how many there are then. */
static int
probe_driver(const char *worker, const char *icd, struct probe_device **devices, int n,
             struct err *e)
{
    const int found = probe_append(worker, "--probe", icd, devices, n, e);

    if (found < 0) {
        err_wrap(e, "OpenCL driver %s", icd ? icd : "(all)");
        return n;
    }
    for (int i = n; icd && i < n + found; i++)
        snprintf((*devices)[i].icd, sizeof(*devices)[i].icd, "%s", icd);
    return n + found;
}

static int
is_icd_file(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');

    return dot && strcmp(dot, ".icd") == 0;
}

static int
probe_folder(const char *worker, const char *folder, struct probe_device **ret,
             struct err *e)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_icd_file, alphasort), n = 0;

    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *icd = str_printf("%s/%s", folder, names[i]->d_name);

        if (icd)
            n = probe_driver(worker, icd, ret, n, e);
        free(names[i]);
    }
    free(names);
    return n;
}

int
probe_all(const char *worker, struct probe_device **ret, struct err *e)
{
    const char *vendors = getenv("TESSERA_VGPU") ? NULL : getenv("OCL_ICD_VENDORS");
    struct stat st;
    int n = 0;

    if (!vendors)
        vendors = ICD_FOLDER;
    *ret = NULL;
    if (stat(vendors, &st) == 0 && S_ISDIR(st.st_mode))
        n = probe_folder(worker, vendors, ret, e);
    else if (access(vendors, R_OK) == 0)
        n = probe_driver(worker, vendors, ret, 0, e);
    if (n == 0)
        n = probe_driver(worker, NULL, ret, 0, e);
    return n;
}

int
probe_cards(const char *worker, const char *nvml, struct probe_device **devices, int n,
            struct err *e)
{
    _cleanup_free_ char *what =
        nvml ? str_printf("--probe-nvml=%s", nvml) : strdup("--probe-nvml");
    int found = what ? probe_append(worker, what, NULL, devices, n, e) : -ENOMEM;

    if (found >= 0)
        return n + found;
    err_wrap(e, "NVML");
    return n;
}
