/* SPDX-License-Identifier: MIT */
#include "manager/api.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/metrics.h"
#include "manager/session.h"
#include "manager/stats.h"
#include "manager/vgpu_json.h"
#include "manager/vgpu_suspend.h"
#include "manager/vm.h"
#include "manager/words.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ERROR_WORDS_BYTES 1024
#define API_LATER 1 /* a handler's answer comes by finished() */

typedef int api_handler(struct api_call *c, struct err *e);

struct route {
    const char *method, *path; /* one * stands for a name */
    unsigned status;           /* when all goes well */
    bool admin;                /* for root and the manager's own user alone */
    api_handler *handle;
};

/* Errors. */

struct http_error {
    unsigned status;
    const char *code;
};

static struct http_error
http_error_of(int rc)
{
    switch (-rc) {
    case EINVAL:
        return (struct http_error){400, "bad-request"};
    case EPERM:
    case EACCES:
        return (struct http_error){403, "not-allowed"};
    case ENOENT:
        return (struct http_error){404, "not-found"};
    case EOPNOTSUPP:
        return (struct http_error){405, "wrong-method"};
    case EEXIST:
        return (struct http_error){409, "name-taken"};
    case EBUSY:
        return (struct http_error){409, "in-use"};
    case ENOSPC:
        return (struct http_error){409, "no-space"};
    case EMSGSIZE:
        return (struct http_error){413, "too-large"};
    case EBADMSG:
    case ENODATA:
    case EPROTO:
        return (struct http_error){422, "bad-snapshot"};
    case ENODEV:
        return (struct http_error){503, "no-device"};
    case ENOMEM:
        return (struct http_error){503, "out-of-memory"};
    default:
        return (struct http_error){500, "internal"};
    }
}

const char *
api_error_code(int rc)
{
    return http_error_of(rc).code;
}

void
api_fail(struct api_call *c, const struct err *e)
{
    const struct http_error h = http_error_of(e->code);
    char words[ERROR_WORDS_BYTES];

    /* The words may quote what was asked, which may be any bytes. */
    printable_copy(words, err_msg(e), sizeof words);
    json_decref(c->json);
    c->status = h.status;
    c->json = json_pack("{s{ss ss}}", "error", "code", h.code, "message", words);
}

static int
no_such_vgpu(const struct api_call *c, struct err *e)
{
    return err_set(e, -ENOENT, "there is no vGPU '%s'", c->name);
}

/* What is there. */

static unsigned
count_vgpus(const struct manager *m, unsigned *ret_sessions)
{
    unsigned n = 0, sessions = 0;

    for (struct list *l = m->vgpus.next; l != &m->vgpus; l = l->next) {
        n++;
        sessions += container_of(l, struct vgpu, link)->nsessions;
    }
    *ret_sessions = sessions;
    return n;
}

static int
get_version(struct api_call *c, struct err *e)
{
    (void)e;
    c->json = json_pack("{ss si}", "version", TESSERA_VERSION, "api", 1);
    return 0;
}

static int
get_status(struct api_call *c, struct err *e)
{
    const struct manager *m = c->m;
    unsigned sessions, vgpus = count_vgpus(m, &sessions);

    (void)e;
    c->json =
        json_pack("{ss si sI si si si ss ss ss sO}", "version", TESSERA_VERSION, "pid",
                  (int)getpid(), "uptime_seconds",
                  (json_int_t)((now_ns() - m->started_ns) / 1000000000), "gpus",
                  (int)m->inventory.n, "vgpus", (int)vgpus, "sessions", (int)sessions,
                  "runtime_dir", m->folders.runtime, "state_dir", m->folders.state,
                  "icd_folder", m->folders.icd, "warnings", m->warnings);
    return 0;
}

static int
get_gpus(struct api_call *c, struct err *e)
{
    json_t *list = json_array();

    (void)e;
    for (unsigned i = 0; i < c->m->inventory.n; i++)
        json_array_append_new(list, gpu_json(c->m, &c->m->inventory.gpus[i]));
    c->json = json_pack("{so}", "gpus", list);
    return 0;
}

static int
get_gpu(struct api_call *c, struct err *e)
{
    const struct gpu *g = inventory_find(&c->m->inventory, c->name);

    if (!g)
        return inventory_no_such(&c->m->inventory, c->name, e);
    c->json = gpu_json(c->m, g);
    return 0;
}

static int
get_gpu_log(struct api_call *c, struct err *e)
{
    const struct gpu *g = inventory_find(&c->m->inventory, c->name);

    if (!g)
        return inventory_no_such(&c->m->inventory, c->name, e);
    c->json = gpu_log_json(c->m, g);
    return 0;
}

static int
get_stats(struct api_call *c, struct err *e)
{
    (void)e;
    c->json = stats_json(c->m);
    return 0;
}

static int
get_gpu_types(struct api_call *c, struct err *e)
{
    const struct gpu *g = inventory_find(&c->m->inventory, c->name);

    if (!g)
        return inventory_no_such(&c->m->inventory, c->name, e);
    c->json = json_pack("{so}", "types", gpu_types_json(c->m, g));
    return 0;
}

static int
get_types(struct api_call *c, struct err *e)
{
    json_t *all = json_array();

    (void)e;
    for (unsigned i = 0; i < c->m->inventory.n; i++) {
        json_t *types = gpu_types_json(c->m, &c->m->inventory.gpus[i]);

        json_array_extend(all, types);
        json_decref(types);
    }
    c->json = json_pack("{so}", "types", all);
    return 0;
}

static int
get_vgpus(struct api_call *c, struct err *e)
{
    json_t *list = json_array();

    (void)e;
    for (struct list *l = c->m->vgpus.next; l != &c->m->vgpus; l = l->next)
        json_array_append_new(list, vgpu_json(container_of(l, struct vgpu, link)));
    c->json = json_pack("{so}", "vgpus", list);
    return 0;
}

static int
get_vgpu(struct api_call *c, struct err *e)
{
    const struct vgpu *v = vgpu_find(c->m, c->name);

    if (!v)
        return no_such_vgpu(c, e);
    c->json = vgpu_json(v);
    return 0;
}

static int
get_metrics(struct api_call *c, struct err *e)
{
    c->text = metrics_text(c->m, c->openmetrics);
    c->text_type = metrics_type(c->openmetrics);
    return c->text ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* What changes. */

static int
post_vgpu(struct api_call *c, struct err *e)
{
    struct request_create r;
    struct vgpu *v;
    int rc = request_parse_create(c->body, c->body_len, &r, e);

    if (rc == 0)
        rc = vgpu_create(c->m, &r, &c->peer, &v, e);
    if (rc == 0)
        c->json = vgpu_json(v);
    return rc;
}

static void
deleted(struct vgpu_waiter *w, json_t *last)
{
    struct api_call *c = w->arg;

    c->json = json_incref(last);
    c->finished(c);
}

/* The vGPU that is named, if it is the caller's. */
static int
find_own(const struct api_call *c, struct vgpu **ret, struct err *e)
{
    struct vgpu *v = vgpu_find(c->m, c->name);
    const uid_t uid = c->peer.uid;

    if (!v)
        return no_such_vgpu(c, e);
    if (uid != 0 && uid != geteuid() && uid != v->s.owner_uid)
        return err_set(e, -EPERM, "vGPU '%s' belongs to user %llu", c->name,
                       (unsigned long long)v->s.owner_uid);
    *ret = v;
    return 0;
}

/* The same where it must not be in the middle of anything; it may be suspended. */
static int
find_own_settled(const struct api_call *c, struct vgpu **ret, struct err *e)
{
    struct vgpu *v = NULL;
    const int rc = find_own(c, &v, e);

    if (rc < 0)
        return rc;
    if (v->deleting)
        return err_set(e, -EBUSY, "vGPU '%s' is being deleted", c->name);
    if (v->operation || v->leaving)
        return err_set(e, -EBUSY, "vGPU '%s' is being suspended, resumed or cloned",
                       c->name);
    *ret = v;
    return 0;
}

static int
put_moved(struct api_call *c, struct err *e)
{
    struct request_moved r;
    struct vgpu *v = NULL;
    int rc = request_parse_moved(c->body, c->body_len, &r, e);

    if (rc == 0)
        rc = find_own(c, &v, e);
    if (rc == 0 && (v->deleting || v->operation || v->s.suspended.number == 0))
        rc = err_set(e, -EBUSY, "vGPU '%s' is not suspended, so it has not moved",
                     c->name);
    if (rc == 0)
        rc = vgpu_has_moved(v, r.socket, e);
    if (rc == 0)
        c->json = vgpu_json(v);
    return rc;
}

static int
put_vm(struct api_call *c, struct err *e)
{
    struct request_vm r;
    struct vgpu *v = NULL;
    int rc = request_parse_vm(c->body, c->body_len, &r, e);

    if (rc == 0)
        rc = find_own_settled(c, &v, e);
    if (rc == 0)
        rc = vm_attach(v, &r, e);
    if (rc == 0)
        c->json = vgpu_json(v);
    return rc;
}

static int
delete_vm(struct api_call *c, struct err *e)
{
    struct vgpu *v = NULL;
    int rc = find_own_settled(c, &v, e);

    if (rc == 0)
        rc = vm_detach(v, e);
    if (rc == 0)
        c->json = vgpu_json(v);
    return rc;
}

static int
delete_vgpu(struct api_call *c, struct err *e)
{
    struct vgpu *v = NULL;
    int rc = find_own(c, &v, e);

    if (rc < 0)
        return rc;
    if (vm_connected(v) > 0)
        return vm_is_connected_error(v, "be deleted", e);
    c->waiter.gone = deleted;
    c->waiter.arg = c;
    vgpu_delete(v, &c->waiter);
    return API_LATER;
}

static int
patch_gpu(struct api_call *c, struct err *e)
{
    struct request_gpu r;
    struct gpu *g = inventory_find(&c->m->inventory, c->name);
    const bool all = strcmp(c->name, "all") == 0;
    int rc = request_parse_gpu(c->body, c->body_len, &r, e);

    if (rc < 0)
        return rc;
    if (!g && (!all || c->m->inventory.n == 0))
        return inventory_no_such(&c->m->inventory, c->name, e);
    rc = manager_set_gpus(c->m, g, &r, e);
    if (rc < 0)
        return rc;
    return all ? get_gpus(c, e) : get_gpu(c, e);
}

static void
shutdown_answer(struct api_call *c)
{
    c->json = json_pack("{si}", "pid", (int)getpid());
    c->stops_manager = true;
}

static void
shutdown_one_gone(struct vgpu_waiter *w, json_t *last)
{
    struct api_call *c = w->arg;

    (void)last;
    if (--c->nleft > 0)
        return;
    shutdown_answer(c);
    c->finished(c);
}

static int
post_shutdown(struct api_call *c, struct err *e)
{
    struct request_shutdown r;
    struct list *l, *tmp;
    unsigned sessions, n = count_vgpus(c->m, &sessions), i = 0;
    int rc = request_parse_shutdown(c->body, c->body_len, &r, e);

    if (rc < 0)
        return rc;
    if (!r.end_vgpus || n == 0) {
        shutdown_answer(c);
        return 0;
    }
    c->ending = calloc(n, sizeof *c->ending);
    if (!c->ending)
        return err_set(e, -ENOMEM, "out of memory");
    c->nending = c->nleft = n;
    for (i = 0; i < n; i++) {
        c->ending[i] = (struct vgpu_waiter){.gone = shutdown_one_gone, .arg = c};
        list_init(&c->ending[i].link);
    }
    i = 0;
    list_for_each_safe(l, tmp, &c->m->vgpus)
        vgpu_delete(container_of(l, struct vgpu, link), &c->ending[i++]);
    return API_LATER;
}

/* Dispatch. */

static const struct route routes[] = {
    {"GET", "/v1/version", 200, false, get_version},
    {"GET", "/v1/status", 200, false, get_status},
    {"GET", "/v1/gpus", 200, false, get_gpus},
    {"GET", "/v1/gpus/*", 200, false, get_gpu},
    {"PATCH", "/v1/gpus/*", 200, true, patch_gpu},
    {"GET", "/v1/gpus/*/types", 200, false, get_gpu_types},
    {"GET", "/v1/gpus/*/log", 200, false, get_gpu_log},
    {"GET", "/v1/stats", 200, false, get_stats},
    {"GET", "/v1/types", 200, false, get_types},
    {"GET", "/v1/vgpus", 200, false, get_vgpus},
    {"POST", "/v1/vgpus", 201, false, post_vgpu},
    {"GET", "/v1/vgpus/*", 200, false, get_vgpu},
    {"DELETE", "/v1/vgpus/*", 200, false, delete_vgpu},
    {"PUT", "/v1/vgpus/*/vm", 200, false, put_vm},
    {"DELETE", "/v1/vgpus/*/vm", 200, false, delete_vm},
    {"PUT", "/v1/vgpus/*/moved", 200, false, put_moved},
    {"POST", "/v1/shutdown", 200, true, post_shutdown},
    {"GET", "/metrics", 200, false, get_metrics},
};

/* Does the path fit the pattern? What stands for * goes to name. */
static bool
path_fits(const char *pattern, const char *path, char *name, size_t cap)
{
    const char *star = strchr(pattern, '*');
    size_t before, len;

    if (!star)
        return strcmp(pattern, path) == 0;
    before = (size_t)(star - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    len = strcspn(path + before, "/");
    if (len == 0 || len >= cap || strcmp(star + 1, path + before + len) != 0)
        return false;
    memcpy(name, path + before, len);
    name[len] = '\0';
    return true;
}

static int
find_route(struct api_call *c, const char *method, const char *path,
           const struct route **ret, struct err *e)
{
    bool path_known = false;

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!path_fits(routes[i].path, path, c->name, sizeof c->name))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, method) == 0) {
            *ret = &routes[i];
            return 0;
        }
    }
    if (path_known)
        return err_set(e, -EOPNOTSUPP, "%s is not possible on %s", method, path);
    return err_set(e, -ENOENT, "there is no %.200s", path);
}

int
api_check_peer(uid_t uid, bool admin, struct err *e)
{
    if (uid == 0 || uid == geteuid())
        return 0;
    /*
     * The system-wide manager serves those who may open its socket; a user's own serves
     * that user.
     */
    if (geteuid() != 0 || admin)
        return err_set(e, -EPERM, "user %u may not do this", (unsigned)uid);
    return 0;
}

bool
api_dispatch(struct api_call *c, const char *method, const char *path)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const struct route *r = routes; /* which one it is find_route() says */
    int rc = find_route(c, method, path, &r, &e);

    if (rc == 0)
        rc = api_check_peer(c->peer.uid, r->admin, &e);
    if (rc == 0) {
        c->status = r->status;
        rc = r->handle(c, &e);
    }
    if (rc < 0)
        api_fail(c, &e);
    return rc != API_LATER;
}

void
api_call_init(struct api_call *c, struct manager *m)
{
    *c = (struct api_call){.m = m};
    list_init(&c->waiter.link);
}

void
api_call_fini(struct api_call *c)
{
    list_del(&c->waiter.link);
    for (unsigned i = 0; i < c->nending; i++)
        list_del(&c->ending[i].link);
    json_decref(c->json);
    free(c->text);
    free(c->body);
    free(c->ending);
}
