/* SPDX-License-Identifier: MIT */
/* tessera shutdown: the manager leaves. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEAVE_LIMIT_MS 5000

struct shutdown_args {
    struct args args;
    bool end;
};

static const struct args_usage usage = {
    .doc = "Ends the manager. vGPUs and running programs go on and are adopted by the "
           "next manager, unless --end is given.",
    .options = {{"end", NULL, "delete every vGPU first, ending all sessions",
                 offsetof(struct shutdown_args, end)}},
};

static void
print_nothing(const json_t *answer)
{
    (void)answer;
}

/*
 * It has answered; once it is gone too, its folders may be removed or served by another.
 */
static void
wait_until_gone(pid_t manager)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, manager, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd >= 0)
        poll(&p, 1, LEAVE_LIMIT_MS);
}

int
cmd_shutdown(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct shutdown_args a = {0};
    struct client *c;
    json_t *answer, *body;
    int rc;

    args_parse(&usage, argc, argv, &a);
    c = cli_client(true, EXIT_FAILED);
    body = json_pack("{ss}", "vgpus", a.end ? "end" : "keep");
    rc = client_call(c, "POST", "/v1/shutdown", body, &answer, &e);
    json_decref(body);
    if (rc == 0) {
        wait_until_gone(client_manager_pid(c));
        cli_print(answer, a.args.json, print_nothing);
        json_decref(answer);
    } else if (rc == -ESRCH) {
        fprintf(stderr, "tessera: %s\n", err_msg(&e));
        rc = 0;
    } else {
        rc = cli_fail(c, &e, "shutdown");
    }
    client_free(c);
    return rc;
}
