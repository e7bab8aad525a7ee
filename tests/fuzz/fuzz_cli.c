/* SPDX-License-Identifier: MIT */
/*
 * The command line tool reads a manager's answers: HTTP, JSON, tables for people. The first byte
 * picks the command, the second whether the rest is the whole answer or a good head's body.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *data;
    size_t size;
    const char *head;
} answer;

/* The manager: says the same to everybody. */
static void *
serve(void *arg)
{
    const int listener = *(int *)arg;
    char request[4096];

    for (;;) {
        int sock = accept(listener, NULL, NULL);

        if (sock < 0)
            continue;
        if (sock_send_fds(sock, answer.head, strlen(answer.head), NULL, 0) == 0 &&
            answer.size > 0)
            sock_send_fds(sock, answer.data, answer.size, NULL, 0);
        shutdown(sock, SHUT_WR);
        while (read(sock, request, sizeof request) > 0)
            ;
        close(sock);
    }
    return NULL;
}

static void
start(void)
{
    static char folder[] = "/tmp/tessera-fuzz-XXXXXX";
    static int listener;
    _cleanup_free_ char *path = NULL;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pthread_t thread;

    if (!mkdtemp(folder) || null < 0 || dup2(null, STDOUT_FILENO) < 0)
        abort();
    path = str_printf("%s/control.sock", folder);
    listener = sock_listen(path, 0600, 8);
    if (listener < 0 || setenv("TESSERA_RUNTIME_DIR", folder, 1) < 0 ||
        setenv("TESSERA_NO_START", "1", 1) < 0 ||
        pthread_create(&thread, NULL, serve, &listener) != 0)
        abort();
    close(null);
}

/* As `tessera send` ends. */
static int
cmd_moved(int argc, char **argv)
{
    const struct client_options o = {.no_start = true};
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c;
    int rc;

    if (client_new(&o, &c, &e) < 0)
        abort();
    rc = client_vgpu_moved(c, argv[1], argv[argc - 1], &e);
    client_free(c);
    if (rc > 0 || (rc < 0 && !e.msg))
        abort();
    return rc < 0;
}

static char *list[] = {"tessera list", NULL};
static char *list_json[] = {"tessera list", "-o", "json", NULL};
static char *gpus[] = {"tessera gpus", NULL};
static char *types[] = {"tessera types", NULL};
static char *show[] = {"tessera show", "train", NULL};
static char *set[] = {"tessera gpu", "set", "gpu0", "--mode", "equal-size", NULL};
static char *delete[] = {"tessera delete", "train", NULL};
static char *create[] = {"tessera create", "train", "--type", "cpu-1g", NULL};
static char *moved[] = {"moved", "the first", "/run/qemu/gpu.sock", NULL};

static const struct {
    int (*run)(int argc, char **argv);
    char **argv;
    int argc;
} runs[] = {
    {cmd_list, list, 1},     {cmd_list, list_json, 3}, {cmd_gpus, gpus, 1},
    {cmd_types, types, 1},   {cmd_show, show, 2},      {cmd_gpu, set, 5},
    {cmd_delete, delete, 2}, {cmd_create, create, 4},  {cmd_moved, moved, 3},
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    unsigned which;
    int rc;

    if (size < 2)
        return 0;
    /* Three commands' complaints go to stderr, where libFuzzer's words are. */
    answer.head = data[1] % 4 == 3   ? ""
                  : data[1] % 4 == 2 ? "HTTP/1.1 409 no\r\n\r\n"
                                     : "HTTP/1.0 200 OK\r\n\r\n";
    answer.data = data + 2;
    answer.size = size - 2;
    if (!started)
        start();
    started = true;
    which = data[0] % (sizeof runs / sizeof *runs);
    rc = runs[which].run(runs[which].argc, runs[which].argv);
    if (rc < 0 || rc > 255)
        abort();
    return 0;
}
