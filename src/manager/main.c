/* SPDX-License-Identifier: MIT */
/* tesserad: options, then a manager from beginning to end. */
#include "base/log.h"
#include "manager/manager.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int
serve(const struct options *o, struct err *e)
{
    struct manager m;
    int rc = manager_init(&m, o, e);

    if (rc == 0)
        manager_run(&m);
    manager_fini(&m);
    /* Started on demand, and somebody else was faster: what was wanted is there. */
    return rc == -EALREADY ? 0 : rc;
}

/*
 * Started on demand: the caller waits for this process to end, the manager goes on in a
 * child that is nobody's.
 */
static void
detach(void)
{
    if (fork() > 0)
        _exit(EXIT_SUCCESS);
}

int
main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct options o;
    int rc;

    log_init("tesserad");
    /* Of libuv's threads operations may keep some waiting (operation.c), but not all. */
    setenv("UV_THREADPOOL_SIZE", "16", 0);
    umask(022);
    rc = options_parse(argc, argv, &o, &e);
    if (rc == 0 && o.daemon_log)
        detach();
    if (rc == 0)
        rc = serve(&o, &e);
    if (rc < 0)
        log_error("%s", err_msg(&e));
    options_fini(&o);
    err_fini(&e);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
