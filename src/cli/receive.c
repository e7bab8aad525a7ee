/* SPDX-License-Identifier: MIT */
/* tessera receive: a vGPU that moves here from another manager. */
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "cli/cli.h"
#include "cli/operation.h"
#include "cli/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct receive_args {
    struct args args;
    const char *listen, *name, *gpu;
};

static const struct args_usage usage = {
    .words = "[-]",
    .max_words = 1,
    .doc = "Receives a vGPU that 'tessera send' sends, or a snapshot from stdin (-), and "
           "resumes it here. Only processes of root's and of your own are listened to.",
    .options =
        {
            {"listen", "SOCKET", "a socket to make, for one sender",
             offsetof(struct receive_args, listen)},
            {"name", "NAME", "the vGPU's name here (the sender's)",
             offsetof(struct receive_args, name)},
            {"gpu", "GPU", "on this GPU (one with room)",
             offsetof(struct receive_args, gpu)},
        },
};

/* A sender. */

/* Takes a connection if it is a sender's: its socket, else -EAGAIN after words on stderr. */
static int
accept_sender(int listener, int cancel_fd, char name[PEER_NAME_BYTES], struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    _cleanup_close_ int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int rc;

    if (sock < 0)
        return errno == EINTR || errno == ECONNABORTED
                   ? -EAGAIN
                   : err_set(e, -errno, "cannot accept a sender: %s", strerror(errno));
    rc = peer_check(sock, &why);
    if (rc == 0)
        rc = peer_receive_name(sock, cancel_fd, name, &why);
    if (rc == 0)
        return take_fd(&sock);
    if (rc == -ECANCELED)
        return err_set(e, rc, "called off");
    if (rc != -ENODATA) { /* it only looked whether somebody listens */
        fprintf(stderr, "tessera: a connection is refused: %s\n", err_msg(&why));
        peer_say(sock, err_msg(&why), NULL);
    }
    return -EAGAIN;
}

static int
wait_for_sender(int listener, char name[PEER_NAME_BYTES], struct err *e)
{
    const int cancel_fd = operation_cancel_fd();
    int rc = -EAGAIN;

    while (rc == -EAGAIN) {
        struct pollfd p[] = {{.fd = listener, .events = POLLIN},
                             {.fd = cancel_fd, .events = POLLIN}};

        if (poll(p, 2, -1) <= 0)
            continue;
        rc = p[1].revents ? err_set(e, -ECANCELED, "called off")
                          : accept_sender(listener, cancel_fd, name, e);
    }
    return rc;
}

static int
connect_sender(const char *path, char name[PEER_NAME_BYTES], int *ret, struct err *e)
{
    const mode_t before = umask(0177); /* nobody else's from its first moment */
    _cleanup_close_ int listener = sock_listen(path, 0600, 1);
    int sock;

    umask(before);
    if (listener == -EADDRINUSE)
        return err_set(e, listener, "%s is in use, or no socket: name another", path);
    if (listener < 0)
        return err_set(e, listener, "cannot listen on %s: %s", path, strerror(-listener));
    sock = wait_for_sender(listener, name, e);
    unlink(path);
    if (sock < 0)
        return sock;
    *ret = sock;
    return 0;
}

/* The vGPU is restored: the sender lets go of it, or it is deleted here again. */
static int
settle(struct client *c, int sock, const char *name, const json_t *vgpu, struct err *e)
{
    const char *folder = json_text_of(vgpu, "folder", NULL);
    _cleanup_free_ char *socket = folder ? str_printf("%s/socket", folder) : NULL;
    char unused[PEER_PATH_BYTES];
    int rc = socket ? peer_say_where(sock, socket, e) : 0;

    if (rc == 0)
        rc = peer_say(sock, NULL, e);
    if (rc == 0)
        rc = peer_hear(sock, operation_cancel_fd(), unused, e);
    if (rc == -EREMOTEIO) {
        err_wrap(e, "it goes on where it was, and is deleted here");
        client_vgpu_delete(c, name, NULL, NULL);
    } else if (rc < 0) {
        err_wrap(e, "it is restored here, but the sender did not say that it let go (see "
                    "'tessera show' there, and delete one of the two)");
    }
    return rc;
}

/* The command. */

static int
resume(struct client *c, const struct receive_args *a, const char *name, int fd,
       json_t **ret, struct err *e)
{
    struct client_operation o = {.op = "resume", .vgpu = name, .gpu = a->gpu, .fd = fd};

    return operation_run(c, &o, ret, e);
}

static int
receive_socket(struct client *c, const struct receive_args *a, char *name, json_t **ret,
               struct err *e)
{
    _cleanup_close_ int sock = -1;
    char given[PEER_NAME_BYTES];
    int rc = connect_sender(a->listen, given, &sock, e);

    if (rc < 0)
        return rc;
    if (!a->name)
        memcpy(name, given, sizeof given);
    rc = resume(c, a, name, sock, ret, e);
    if (rc == 0)
        return settle(c, sock, name, json_object_get(*ret, "vgpu"), e);
    peer_say(sock, err_msg(e), NULL);
    return rc;
}

static int
receive_stdin(struct client *c, const struct receive_args *a, const char *name,
              json_t **ret, struct err *e)
{
    _cleanup_close_ int fd = operation_open("-", NULL, e);

    return fd < 0 ? fd : resume(c, a, name, fd, ret, e);
}

static int
receive(const struct receive_args *a, bool from_stdin)
{
    struct client *c = cli_client(false, EXIT_FAILED);
    _cleanup_err_ struct err e = ERR_INIT;
    char name[PEER_NAME_BYTES];
    json_t *answer = NULL;
    /* First, so that no sender writes all of its snapshot to one who has no manager. */
    int rc = client_call(c, "GET", "/v1/version", NULL, NULL, &e);

    snprintf(name, sizeof name, "%s", a->name ? a->name : "");
    if (rc == 0)
        rc = from_stdin ? receive_stdin(c, a, name, &answer, &e)
                        : receive_socket(c, a, name, &answer, &e);
    if (rc < 0)
        rc = operation_fail(c, rc, &e, "receive",
                            name[0] ? name : (a->listen ? a->listen : "-"));
    else
        cli_print(answer, a->args.json, operation_print_on);
    json_decref(answer);
    client_free(c);
    return rc;
}

int
cmd_receive(int argc, char **argv)
{
    struct receive_args a = {0};
    bool from_stdin;

    args_parse(&usage, argc, argv, &a);
    if (a.args.nwords > 0 && strcmp(a.args.words[0], "-") != 0)
        args_mistake(argv, "'%s': a socket is named by --listen", a.args.words[0]);
    if ((a.args.nwords > 0) == (a.listen != NULL))
        args_mistake(argv, "one of --listen SOCKET and - is needed");
    from_stdin = a.args.nwords > 0 || strcmp(a.listen, "-") == 0;
    if (from_stdin && !a.name)
        args_mistake(argv, "--name NAME is missing: what comes through stdin has none");
    return receive(&a, from_stdin);
}
