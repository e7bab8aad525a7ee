/* SPDX-License-Identifier: MIT */
/*
 *     MHD_run() (http_loop.h) ──▶ on_request() ──▶ api_dispatch()
 *
 * A request that has to wait suspends its connection; its answer resumes it.
 */
#include "manager/http.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "manager/api.h"
#include "manager/http_loop.h"
#include "manager/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_GROUP "tessera" /* its members may use the system-wide manager */
#define BACKLOG 64
#define MAX_CONNECTIONS 128u
#define IDLE_CONNECTION_S 30u

struct http {
    struct manager *m;
    struct http_loop loop;
    struct list waiting; /* struct http_call, suspended */
};

struct http_call {
    struct api_call api;
    struct list link; /* http.waiting */
    struct http *http;
    struct MHD_Connection *connection;
    bool suspended, answered, too_large;
};

/* The answer as text with a newline at its end, as terminals like it. */
static char *
json_line(const json_t *json)
{
    _cleanup_free_ char *text = json_dumps(json, JSON_INDENT(2));

    return text ? str_printf("%s\n", text) : NULL;
}

static enum MHD_Result
send_answer(struct http_call *c)
{
    char *body = c->api.text ? take_ptr(c->api.text) : json_line(c->api.json);
    const bool text = c->api.json == NULL;
    struct MHD_Response *r;
    enum MHD_Result rc;

    if (!body)
        return MHD_NO;
    r = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
                            text ? c->api.text_type : "application/json");
    rc = MHD_queue_response(c->connection, c->api.status, r);
    MHD_destroy_response(r);
    return rc;
}

/*
 * A late answer. It may also come before the handler has returned: then nothing was
 * suspended yet.
 */
static void
call_finished(struct api_call *api)
{
    struct http_call *c = container_of(api, struct http_call, api);

    c->answered = true;
    if (!c->suspended)
        return;
    c->suspended = false;
    list_del(&c->link);
    MHD_resume_connection(c->connection);
    http_loop_wake(&c->http->loop);
}

static struct http_call *
call_new(struct http *h, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_call *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    list_init(&c->link);
    c->http = h;
    c->connection = connection;
    api_call_init(&c->api, h->m);
    c->api.finished = call_finished;
    c->api.openmetrics = metrics_wants_open(
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
    if (!info || peer_of_socket(info->connect_fd, &c->api.peer) < 0) {
        free(c);
        return NULL;
    }
    h->m->last_request_ns = now_ns();
    return c;
}

static void
call_add_body(struct http_call *c, const char *data, size_t len)
{
    char *more;

    if (c->too_large || len > REQUEST_MAX_BYTES - c->api.body_len) {
        c->too_large = true;
        return;
    }
    more = realloc(c->api.body, c->api.body_len + len);
    if (!more) {
        c->too_large = true;
        return;
    }
    memcpy(more + c->api.body_len, data, len);
    c->api.body = more;
    c->api.body_len += len;
}

static enum MHD_Result
call_dispatch(struct http_call *c, const char *method, const char *path)
{
    if (c->too_large) {
        struct err e = ERR_INIT;

        err_set(&e, -EMSGSIZE, "the request is larger than %d bytes", REQUEST_MAX_BYTES);
        api_fail(&c->api, &e);
        err_fini(&e);
        c->answered = true;
    } else if (api_dispatch(&c->api, method, path)) {
        c->answered = true;
    }
    if (c->answered)
        return send_answer(c);
    c->suspended = true;
    list_add_tail(&c->http->waiting, &c->link);
    MHD_suspend_connection(c->connection);
    return MHD_YES;
}

/*
 * Called with the head, then for each part of the body, then once with none; and again
 * after a suspended connection was resumed.
 */
static enum MHD_Result /* NOLINTNEXTLINE(readability-function-size): not our signature */
on_request(void *arg, struct MHD_Connection *connection, const char *path,
           const char *method, const char *version, const char *data, size_t *data_len,
           void **call)
{
    struct http_call *c = *call;

    (void)version;
    if (!c) {
        *call = call_new(arg, connection);
        return *call ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        call_add_body(c, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    return c->answered ? send_answer(c) : call_dispatch(c, method, path);
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **call,
             enum MHD_RequestTerminationCode code)
{
    struct http *h = arg;
    struct http_call *c = *call;

    (void)connection;
    (void)code;
    if (!c)
        return;
    if (c->api.stops_manager)
        manager_stop(h->m);
    list_del(&c->link);
    api_call_fini(&c->api);
    free(c);
    *call = NULL;
}

/* root's manager: its group may use it too. A user's: that user alone. */
int
control_listen(const char *path, struct err *e)
{
    const struct group *group = geteuid() == 0 ? getgrnam(CONTROL_GROUP) : NULL;
    int fd = sock_listen(path, 0600, BACKLOG);

    if (fd < 0)
        return err_set(e, fd, "cannot listen at %s: %s", path, strerror(-fd));
    if (group && (chown(path, (uid_t)-1, group->gr_gid) < 0 || chmod(path, 0660) < 0))
        log_warning("cannot open %s to the group %s", path, CONTROL_GROUP);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int
http_start(struct manager *m, struct http **ret, struct err *e)
{
    struct http *h = calloc(1, sizeof *h);
    int fd, rc;

    if (!h)
        return err_set(e, -ENOMEM, "out of memory");
    h->m = m;
    list_init(&h->waiting);
    fd = control_listen(m->folders.control, e);
    if (fd < 0) {
        free(h);
        return fd;
    }
    h->loop.daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_CONNECTION_S, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, h, MHD_OPTION_END);
    if (!h->loop.daemon) {
        close(fd);
        free(h);
        return err_set(e, -EIO, "the HTTP server does not start");
    }
    rc = http_loop_start(&h->loop, &m->loop);
    if (rc < 0) {
        http_stop(h);
        return err_set(e, rc, "the HTTP server does not run: %s", strerror(-rc));
    }
    *ret = h;
    return 0;
}

/* A connection must not be suspended when the daemon stops. */
static void
drop_waiting(struct http *h)
{
    struct list *l, *tmp;

    list_for_each_safe(l, tmp, &h->waiting)
    {
        struct http_call *c = container_of(l, struct http_call, link);

        list_del(&c->link);
        c->suspended = false;
        MHD_resume_connection(c->connection);
    }
}

void
http_stop(struct http *h)
{
    if (!h)
        return;
    unlink(h->m->folders.control);
    drop_waiting(h);
    http_loop_stop(&h->loop);
    free(h);
}
