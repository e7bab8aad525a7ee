/* SPDX-License-Identifier: MIT */
#include "manager/metrics_http.h"

#include "base/cleanup.h"
#include "manager/http_loop.h"
#include "manager/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A few scrapers; more wait in the backlog. */
#define MAX_CONNECTIONS 16u
#define IDLE_CONNECTION_S 10u
#define BACKLOG 16
#define PORT_CHARS 5

struct metrics_http {
    struct manager *m;
    struct http_loop loop;
};

static int
port_parse(const char *text, in_port_t *ret)
{
    const size_t len = strlen(text);
    unsigned long port;

    if (len == 0 || len > PORT_CHARS || strspn(text, "0123456789") != len)
        return -EINVAL;
    port = strtoul(text, NULL, 10);
    if (port == 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret = htons((uint16_t)port);
    return 0;
}

/* The address, without brackets, goes to host; returns the port's text. */
static const char *
address_split(const char *text, char *host, size_t cap)
{
    const char *colon = strrchr(text, ':');
    size_t len;

    snprintf(host, cap, "127.0.0.1");
    if (!colon)
        return text;
    len = (size_t)(colon - text);
    if (len > 1 && text[0] == '[' && colon[-1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return NULL; /* version 6 without brackets: which colon is the port's? */
    }
    if (len == 0 || len >= cap)
        return NULL;
    memcpy(host, text, len);
    host[len] = '\0';
    return colon + 1;
}

int
metrics_address_parse(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char host[INET6_ADDRSTRLEN];
    const char *port = address_split(text, host, sizeof host);
    in_port_t number;

    if (!port || port_parse(port, &number) < 0)
        return -EINVAL;
    v4.sin_port = v6.sin6_port = number;
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof v4);
        *ret_len = sizeof v4;
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof v6);
        *ret_len = sizeof v6;
    } else {
        return -EINVAL;
    }
    return 0;
}

static enum MHD_Result
send_text(struct MHD_Connection *connection, unsigned status, char *text,
          const char *type)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result rc;

    if (!r) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    rc = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result
refuse(struct MHD_Connection *connection, unsigned status, const char *words)
{
    char *copy = strdup(words);

    return copy ? send_text(connection, status, copy, "text/plain") : MHD_NO;
}

static enum MHD_Result /* NOLINTNEXTLINE(readability-function-size): not our signature */
on_request(void *arg, struct MHD_Connection *connection, const char *path,
           const char *method, const char *version, const char *data, size_t *data_len,
           void **call)
{
    const struct metrics_http *h = arg;
    const bool open = metrics_wants_open(
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
    char *text;

    (void)version;
    (void)data;
    (void)call;
    *data_len = 0; /* a body is not read */
    if (strcmp(path, "/metrics") != 0)
        return refuse(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics here\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET alone\n");
    text = metrics_text(h->m, open);
    return text ? send_text(connection, MHD_HTTP_OK, text, metrics_type(open)) : MHD_NO;
}

static int
listen_at(const struct sockaddr_storage *a, socklen_t len)
{
    _cleanup_close_ int fd =
        socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)a, len) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return take_fd(&fd);
}

int
metrics_http_start(struct manager *m, struct metrics_http **ret, struct err *e)
{
    const char *where = m->options->metrics_listen;
    struct sockaddr_storage address;
    struct metrics_http *h;
    socklen_t len;
    int fd, rc;

    if (!where)
        return 0;
    if (metrics_address_parse(where, &address, &len) < 0)
        return err_set(e, -EINVAL, "'%s' is no address to listen at", where);
    fd = listen_at(&address, len);
    if (fd < 0)
        return err_set(e, fd, "cannot listen at %s for metrics: %s", where,
                       strerror(-fd));
    h = calloc(1, sizeof *h);
    if (h)
        h->loop.daemon = MHD_start_daemon(
            MHD_USE_EPOLL, 0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
            IDLE_CONNECTION_S, MHD_OPTION_END);
    if (!h || !h->loop.daemon) {
        close(fd);
        free(h);
        return err_set(e, -EIO, "the metrics server does not start");
    }
    h->m = m;
    rc = http_loop_start(&h->loop, &m->loop);
    if (rc < 0) {
        metrics_http_stop(h);
        return err_set(e, rc, "the metrics server does not run: %s", strerror(-rc));
    }
    *ret = h;
    return 0;
}

void
metrics_http_stop(struct metrics_http *h)
{
    if (!h)
        return;
    http_loop_stop(&h->loop);
    free(h);
}
