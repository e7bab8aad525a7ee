/* SPDX-License-Identifier: MIT */
#include "guest/check/process.h"
#include "guest/check/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CONTAINER_FOLDER "/run/tessera-guest"
#define CHECK "socket"

static const char *
advice_for(int rc)
{
    switch (rc) {
    case -ENOENT:
        return "on the host: does 'tessera list' show this vGPU? Is the manager there? A "
               "container "
               "that was started before the vGPU was made anew must be started again";
    case -ECONNREFUSED:
        return "on the host: start the manager (systemctl start tesserad, or any tessera "
               "command)";
    case -EACCES:
    case -EPERM:
        return "a vGPU is for its owner: make one for this user, or run as its owner";
    default:
        return "on the host: the manager's log may tell more";
    }
}

/* A worker is started for who says hello; we hang up before that. */
static void
check_folder(struct report *r, const char *folder)
{
    _cleanup_free_ char *here = report_path(r, folder);
    _cleanup_free_ char *path = here ? str_printf("%s/socket", here) : NULL;
    _cleanup_close_ int fd = -1;

    if (here && vm_check_mounted(r, here))
        return;
    fd = path ? sock_connect(path) : -ENOMEM;
    if (fd >= 0)
        report_ok(r, CHECK, "%s: the manager answers", path);
    else
        report_failed(r, CHECK, advice_for(fd), "cannot connect to %s: %s",
                      path ? path : folder, strerror(-fd));
}

static void
check_named(struct report *r, const char *named)
{
    _cleanup_free_ char *copy = strdup(named);
    char *save = NULL;
    unsigned n = 0;

    r->way = "process";
    for (char *f = copy ? strtok_r(copy, ":", &save) : NULL; f;
         f = strtok_r(NULL, ":", &save), n++)
        check_folder(r, f);
    if (n == 0)
        report_failed(r, CHECK, "run the program by: tessera run NAME -- PROGRAM",
                      "TESSERA_VGPU is set, and names no folder");
}

static int
is_shown(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void
check_mounted(struct report *r, struct dirent **names, int count)
{
    r->way = "container";
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *folder =
            str_printf(CONTAINER_FOLDER "/%s", names[i]->d_name);

        if (folder)
            check_folder(r, folder);
    }
}

bool
process_check(struct report *r)
{
    const char *named = getenv("TESSERA_VGPU");
    _cleanup_free_ char *mounted = report_path(r, CONTAINER_FOLDER);
    struct dirent **names = NULL;
    int count;

    if (named) {
        check_named(r, named);
        return true;
    }
    count = mounted ? scandir(mounted, &names, is_shown, alphasort) : -1;
    if (count > 0)
        check_mounted(r, names, count);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return count > 0;
}
