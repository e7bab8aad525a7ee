/* SPDX-License-Identifier: MIT */
#include "manager/manager.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "manager/gpu_time.h"
#include "manager/http.h"
#include "manager/jail.h"
#include "manager/metrics_http.h"
#include "manager/notify.h"
#include "manager/operation.h"
#include "manager/operation_socket.h"
#include "manager/shared.h"
#include "manager/vgpu.h"
#include "manager/vgpu_suspend.h"
#include "manager/words.h"
#include "manager/worker_link.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/*
 * How long we wait for a manager that is just leaving; one started on demand may meet
 * another that is just coming, and waits until that one answers.
 */
#define LOCK_WAIT_MS 2000u
#define ON_DEMAND_WAIT_MS 60000u
#define ON_DEMAND_POLL_MS 100u
#define WARNING_BYTES 1024

void
manager_warn(struct manager *m, const char *words)
{
    char clean[WARNING_BYTES];

    /* Words may quote file names, which may be any bytes. */
    printable_copy(clean, words, sizeof clean);
    log_warning("%s", clean);
    json_array_append_new(m->warnings, json_string(clean));
}

void
manager_stop(struct manager *m)
{
    uv_stop(&m->loop);
}

static void
signal_seen(uv_signal_t *handle, int number)
{
    log_info("%s: leaving; vGPUs and their sessions go on", strsignal(number));
    manager_stop(handle->data);
}

static int
watch_signals(struct manager *m, struct err *e)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    signal(SIGPIPE, SIG_IGN);
    shared_guard();
    for (size_t i = 0; i < 2; i++) {
        int rc = uv_signal_init(&m->loop, &m->signals[i]);

        m->signals[i].data = m;
        if (rc == 0)
            rc = uv_signal_start(&m->signals[i], signal_seen, numbers[i]);
        if (rc < 0)
            return err_set(e, rc, "cannot watch signals: %s", strerror(-rc));
    }
    return 0;
}

/* -EALREADY: another manager, started at the same time, answers in our place. */
static int
lock_on_demand(struct manager *m, struct err *e)
{
    int rc = -EBUSY;

    for (unsigned ms = 0; rc == -EBUSY && ms < ON_DEMAND_WAIT_MS;
         ms += ON_DEMAND_POLL_MS) {
        int other = sock_connect(m->folders.control);

        if (other >= 0) {
            close(other);
            return err_set(e, -EALREADY, "another manager serves %s", m->folders.runtime);
        }
        rc = folders_lock(&m->folders, ON_DEMAND_POLL_MS, e);
    }
    return rc;
}

static int
find_programs(struct manager *m, struct err *e)
{
    int rc;

    m->worker = program_path(m->options->worker, "tessera-worker", TESSERA_LIBEXECDIR);
    m->icd_library =
        program_path(m->options->icd, "libtessera-opencl.so", TESSERA_LIBDIR);
    m->cuda_library = program_path(NULL, "libtessera-cuda.so", TESSERA_LIBDIR);
    m->nvml_library = program_path(NULL, "libtessera-nvml.so", TESSERA_LIBDIR);
    if (!m->worker || !m->icd_library || !m->cuda_library || !m->nvml_library)
        return err_set(e, -ENOMEM, "out of memory");
    if (access(m->icd_library, R_OK) < 0) {
        _cleanup_free_ char *words = str_printf(
            "the guests' library %s is not there: no guest can connect", m->icd_library);

        manager_warn(m, words ? words : "the guests' library is not there");
    }
    rc = folders_write_icd(m->folders.icd, m->icd_library, e);
    if (rc == 0)
        rc = folders_link_library(m->folders.cuda, "libcuda.so.1", m->cuda_library, e);
    if (rc == 0)
        rc = folders_link_library(m->folders.cuda, "libnvidia-ml.so.1", m->nvml_library,
                                  e);
    return rc < 0
               ? rc
               : folders_write_icd(m->folders.container_icd, VGPU_CONTAINER_LIBRARY, e);
}

static int
find_gpus(struct manager *m, struct err *e)
{
    _cleanup_err_ struct err warning = ERR_INIT;
    int rc = inventory_init(&m->inventory, m->options, m->worker, &warning);

    if (rc < 0)
        return err_set(e, rc, "%s", err_msg(&warning));
    if (warning.code)
        manager_warn(m, err_msg(&warning));
    for (unsigned i = 0; i < m->inventory.n; i++) {
        struct gpu *g = &m->inventory.gpus[i];
        _cleanup_err_ struct err bad = ERR_INIT;

        log_info("%s: %s, model %s", g->name, g->device.name, g->model);
        if (gpu_settings_load(m->folders.state_gpus, g, &m->order, &bad) < 0)
            manager_warn(m, err_msg(&bad));
    }
    if (m->inventory.n == 0)
        log_warning("no OpenCL device found");
    jail_init(m);
    return 0;
}

/* The idle exit. */

static void
idle_check(void *arg)
{
    struct manager *m = arg;
    const uint64_t limit_ms = m->options->idle_exit_s * UINT64_C(1000);
    const uint64_t idle_ms = (now_ns() - m->last_request_ns) / 1000000;

    if (idle_ms < limit_ms || !list_empty(&m->vgpus) || !list_empty(&m->operations)) {
        alarm_set(m->idle, idle_ms < limit_ms ? limit_ms - idle_ms + 1 : limit_ms);
        return;
    }
    log_info("no vGPU and no request for %u s: leaving", m->options->idle_exit_s);
    manager_stop(m);
}

static int
start_idle(struct manager *m, struct err *e)
{
    int rc;

    m->last_request_ns = now_ns();
    if (m->options->idle_exit_s == 0)
        return 0;
    rc = alarm_new(&m->loop, idle_check, m, &m->idle);
    if (rc < 0)
        return err_set(e, rc, "out of memory");
    idle_check(m);
    return 0;
}

/* Settings. */

static int
check_mode(const struct manager *m, const struct gpu *g, enum gpu_mode mode,
           struct err *e)
{
    struct placement_problem why;
    _cleanup_(vgpu_placement_fini) struct placement_gpu p = {0};
    enum placement_refusal refusal;

    if (vgpu_placement_of_gpu(m, g, &p) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    refusal = placement_mode_change_check(&p, mode, &why);
    if (refusal == PLACEMENT_OK)
        return 0;
    return err_set(e, placement_errno(refusal), "%s", why.text);
}

/* Every file holds the order, so that each can be read alone. */
static int
save_settings(const struct manager *m, struct err *e)
{
    for (unsigned i = 0; i < m->inventory.n; i++) {
        int rc =
            gpu_settings_save(m->folders.state_gpus, &m->inventory.gpus[i], m->order, e);

        if (rc < 0)
            return rc;
    }
    return 0;
}

int
manager_set_gpus(struct manager *m, struct gpu *g, const struct request_gpu *r,
                 struct err *e)
{
    struct gpu *first = g ? g : m->inventory.gpus;
    const unsigned n = g ? 1 : m->inventory.n;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0 && r->has_mode; i++)
        rc = check_mode(m, &first[i], r->mode, e);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < n; i++)
        gpu_apply(&first[i], r);
    if (r->has_order)
        m->order = r->order;
    for (unsigned i = 0; i < n; i++)
        gpu_time_changed(m, &first[i]);
    return save_settings(m, e);
}

/* Beginning and end. */

static int
take_place(struct manager *m, struct err *e)
{
    int rc = folders_init(&m->folders, m->options, e);

    if (rc == 0)
        rc = m->options->daemon_log ? lock_on_demand(m, e)
                                    : folders_lock(&m->folders, LOCK_WAIT_MS, e);
    return rc;
}

/* What was said before went to the caller that started us. */
static int
log_to_file(const struct manager *m, struct err *e)
{
    int rc = folders_log_to_file(&m->folders, e);

    for (size_t i = 0; rc == 0 && i < json_array_size(m->warnings); i++)
        log_warning("%s", json_string_value(json_array_get(m->warnings, i)));
    return rc;
}

int
manager_init(struct manager *m, const struct options *o, struct err *e)
{
    int rc;

    *m = (struct manager){.options = o, .folders = {.lock_fd = -1}};
    list_init(&m->vgpus);
    list_init(&m->operations);
    m->warnings = json_array();
    m->started_ns = now_ns();
    rc = uv_loop_init(&m->loop);
    if (rc < 0)
        return err_set(e, rc, "no event loop: %s", strerror(-rc));
    m->loop_made = true;
    rc = watch_signals(m, e);
    if (rc == 0)
        rc = take_place(m, e);
    if (rc == 0)
        rc = find_programs(m, e);
    if (rc == 0)
        rc = find_gpus(m, e);
    if (rc < 0)
        return rc;
    gpu_time_init(m);
    vgpu_restore_all(m);
    gpu_time_run(m);
    jail_sweep(m);
    worker_sockets_sweep(m);
    snapshots_sweep(m);
    rc = http_start(m, &m->http, e);
    if (rc == 0)
        rc = operation_socket_start(m, &m->operation_socket, e);
    if (rc == 0)
        rc = metrics_http_start(m, &m->metrics, e);
    if (rc == 0)
        rc = start_idle(m, e);
    if (rc == 0 && o->daemon_log)
        rc = log_to_file(m, e);
    return rc;
}

void
manager_run(struct manager *m)
{
    /* One started on demand is not what a service that needed it is waited for. */
    int rc = m->options->daemon_log ? 0 : notify_ready();

    log_info("serving %s, %u GPUs", m->folders.control, m->inventory.n);
    if (rc < 0)
        log_warning("cannot tell the service manager: %s", strerror(-rc));
    uv_run(&m->loop, UV_RUN_DEFAULT);
}

void
manager_fini(struct manager *m)
{
    if (m->loop_made)
        operations_forget(m);
    operation_socket_stop(m->operation_socket);
    http_stop(m->http);
    metrics_http_stop(m->metrics);
    gpu_time_stop(m);
    while (!list_empty(&m->vgpus))
        vgpu_forget(container_of(m->vgpus.next, struct vgpu, link));
    gpu_time_fini(m);
    alarm_free(m->idle);
    alarm_free(take_ptr(m->groups_left));
    for (size_t i = 0; i < 2; i++) {
        if (m->signals[i].data)
            uv_close((uv_handle_t *)&m->signals[i], NULL);
    }
    if (m->loop_made) {
        uv_run(&m->loop, UV_RUN_DEFAULT); /* closed handles give back their memory */
        uv_loop_close(&m->loop);
    }
    json_decref(m->warnings);
    inventory_fini(&m->inventory);
    jail_remove_groups(m); /* no vGPU is known any more */
    cgroups_fini(&m->cgroups);
    folders_fini(&m->folders);
    free(m->worker);
    free(m->icd_library);
    free(m->cuda_library);
    free(m->nvml_library);
}
