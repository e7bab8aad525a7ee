/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "client/connect.h"
#include "client/http.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The slowest answer: a delete waits out the grace of workers and a kernel's end. */
#define ANSWER_LIMIT_S 120

/* What the manager's words mean to a caller in C. */
static const struct {
    const char *code;
    int rc;
} code_rows[] = {
    {"bad-request", -EINVAL},      {"not-allowed", -EPERM}, {"not-found", -ENOENT},
    {"name-taken", -EEXIST},       {"in-use", -EBUSY},      {"no-space", -ENOSPC},
    {"too-large", -EMSGSIZE},      {"no-device", -ENODEV},  {"out-of-memory", -ENOMEM},
    {"wrong-method", -EOPNOTSUPP},
};

/* A user whom the system-wide manager lets in uses it; any other has one of their own. */
static char *
usual_runtime_dir(void)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");

    if (geteuid() == 0 || access(SYSTEM_RUNTIME_DIR "/control.sock", W_OK) == 0)
        return strdup(SYSTEM_RUNTIME_DIR);
    if (xdg && xdg[0] == '/')
        return str_printf("%s/tessera", xdg);
    return str_printf("/tmp/tessera-%u", (unsigned)geteuid());
}

static char *
find_runtime_dir(const char *given)
{
    _cleanup_free_ char *cwd = NULL;

    if (!given || !given[0])
        given = getenv("TESSERA_RUNTIME_DIR");
    if (!given || !given[0])
        return usual_runtime_dir();
    if (given[0] == '/')
        return strdup(given);
    cwd = getcwd(NULL, 0);
    return cwd ? str_printf("%s/%s", cwd, given) : NULL;
}

int
client_new(const struct client_options *o, struct client **ret, struct err *e)
{
    const char *no_start = getenv("TESSERA_NO_START");
    struct client *c = calloc(1, sizeof *c);

    if (!c)
        return err_set(e, -ENOMEM, "out of memory");
    c->runtime_dir = find_runtime_dir(o->runtime_dir);
    if (c->runtime_dir) {
        c->socket = str_printf("%s/control.sock", c->runtime_dir);
        c->operations = str_printf("%s/operations.sock", c->runtime_dir);
    }
    c->no_start = o->no_start || (no_start && strcmp(no_start, "1") == 0);
    c->note = o->note;
    if (!c->socket || !c->operations) {
        client_free(c);
        return err_set(e, -ENOMEM, "out of memory");
    }
    *ret = c;
    return 0;
}

void
client_free(struct client *c)
{
    if (!c)
        return;
    free(c->runtime_dir);
    free(c->socket);
    free(c->operations);
    free(c);
}

const char *
client_error_code(const struct client *c)
{
    return c->code;
}

void
client_forbid_start(struct client *c)
{
    c->no_start = true;
}

const char *
client_runtime_dir(const struct client *c)
{
    return c->runtime_dir;
}

pid_t
client_manager_pid(const struct client *c)
{
    return c->manager;
}

/* Asking. */

static int
exchange_once(struct client *c, const char *method, const char *path, const char *body,
              struct http_answer *ret, struct err *e)
{
    const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
    _cleanup_close_ int sock = client_connect(c, e);
    int rc;

    if (sock < 0)
        return sock;
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    rc = http_exchange(sock, method, path, body, ret);
    if (rc == -EAGAIN)
        return err_set(e, -ETIMEDOUT, "the manager does not answer within %d s",
                       ANSWER_LIMIT_S);
    if (rc < 0)
        return err_set(e, rc, "the manager's answer: %s", strerror(-rc));
    return 0;
}

int
client_refused(struct client *c, const json_t *error, struct err *e)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *words = json_string_value(json_object_get(error, "message"));
    int rc = -EIO;

    if (!code || !words)
        return err_set(e, -EPROTO, "the manager says that it failed, and not why");
    snprintf(c->code, sizeof c->code, "%s", code);
    for (size_t i = 0; i < sizeof code_rows / sizeof *code_rows; i++) {
        if (strcmp(code_rows[i].code, code) == 0)
            rc = code_rows[i].rc;
    }
    return err_set(e, rc, "%s", words);
}

static int
read_answer(struct client *c, const struct http_answer *a, json_t **ret, struct err *e)
{
    json_error_t why;
    json_t *answer = json_loads(a->text + a->body, 0, &why);
    const json_t *error = json_object_get(answer, "error");
    int rc = 0;

    if (a->status >= 300)
        rc = error ? client_refused(c, error, e)
                   : err_set(e, -EIO, "the manager answered with HTTP status %d",
                             a->status);
    else if (!answer)
        rc = err_set(e, -EPROTO, "the manager's answer is not JSON: %s", why.text);
    if (rc == 0 && ret)
        *ret = json_incref(answer);
    json_decref(answer);
    return rc;
}

int
client_call(struct client *c, const char *method, const char *path, const json_t *body,
            json_t **ret, struct err *e)
{
    _cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_answer a = {0};
    int rc;

    if (body && !text)
        return err_set(e, -ENOMEM, "out of memory");
    c->code[0] = '\0';
    rc = exchange_once(c, method, path, text, &a, e);
    /* It left before it took us in, so nothing has happened yet: ask its successor. */
    if (rc == -ECONNRESET)
        rc = exchange_once(c, method, path, text, &a, e);
    if (rc == 0)
        rc = read_answer(c, &a, ret, e);
    free(a.text);
    return rc;
}

/* vGPUs. */

char *
client_path(const char *prefix, const char *name, const char *suffix)
{
    const size_t room = strlen(prefix) + 3 * strlen(name) + strlen(suffix) + 1;
    char *path = malloc(room), *p = path;

    if (!path)
        return NULL;
    p += sprintf(p, "%s", prefix);
    for (const char *s = name; *s; s++) {
        if (isalnum((unsigned char)*s) || *s == '-' || *s == '_')
            *p++ = *s;
        else
            p += sprintf(p, "%%%02X", (unsigned)(unsigned char)*s);
    }
    sprintf(p, "%s", suffix);
    return path;
}

int
client_vgpu_create(struct client *c, const struct client_vgpu *v, json_t **ret,
                   struct err *e)
{
    json_t *body =
        json_pack("{ss* ss* ss* sb sb}", "name", v->name, "type", v->type, "gpu", v->gpu,
                  "passthrough", (int)(v->type == NULL), "ephemeral", (int)v->ephemeral);
    int rc;

    if (!body)
        return err_set(e, -EINVAL, "the name, type or GPU is not UTF-8");
    rc = client_call(c, "POST", "/v1/vgpus", body, ret, e);
    json_decref(body);
    return rc;
}

static int
call_by_name(struct client *c, const char *method, const char *name, json_t **ret,
             struct err *e)
{
    _cleanup_free_ char *path = client_path("/v1/vgpus/", name, "");

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    return client_call(c, method, path, NULL, ret, e);
}

int
client_vgpu_get(struct client *c, const char *name, json_t **ret, struct err *e)
{
    return call_by_name(c, "GET", name, ret, e);
}

int
client_vgpu_moved(struct client *c, const char *name, const char *socket, struct err *e)
{
    _cleanup_free_ char *path = client_path("/v1/vgpus/", name, "/moved");
    json_t *body = json_pack("{ss}", "socket", socket);
    int rc;

    if (path && body)
        rc = client_call(c, "PUT", path, body, NULL, e);
    else
        rc = err_set(e, -ENOMEM, "out of memory");
    json_decref(body);
    return rc;
}

int
client_vgpu_delete(struct client *c, const char *name, json_t **ret, struct err *e)
{
    return call_by_name(c, "DELETE", name, ret, e);
}
