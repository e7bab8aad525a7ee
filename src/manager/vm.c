/* SPDX-License-Identifier: MIT */
#include "manager/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/sock.h"
#include "manager/guests.h"
#include "manager/session.h"
#include "manager/vgpu_internal.h"
#include "manager/words.h"
#include "manager/worker_link.h"
#include "wire/hello.h"
#include "wire/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Where QEMU finds it: libvirt names shared memory without a folder, which is this one. */
#define MEMORY_FOLDER "/dev/shm"

#define HEADER_BYTES 4096

#define PORT_BACKLOG 2

/* Bells that a session leaves unheard when it ends are a few, and so are hellos at a limit. */
#define IDLE_BYTES_MOST 4096

/* ---- the memory ---------------------------------------------------------------------------- */

/* FNV-1a: tells managers with runtime folders of their own apart. */
static uint32_t
folder_number(const char *path)
{
    uint32_t n = 2166136261u;

    for (; *path; path++)
        n = (n ^ (unsigned char)*path) * 16777619u;
    return n;
}

static char *
memory_path(const struct vgpu *v)
{
    const char *runtime = v->m->folders.runtime;

    if (strcmp(runtime, SYSTEM_RUNTIME) == 0)
        return str_printf("%s/tessera-%s", MEMORY_FOLDER, v->s.name);
    return str_printf("%s/tessera-%08x-%s", MEMORY_FOLDER, folder_number(runtime),
                      v->s.name);
}

static uid_t
memory_owner(const struct vgpu *v)
{
    return (uid_t)(v->s.vm.has_uid ? v->s.vm.uid : v->s.owner_uid);
}

/* The file of before, which sessions and a virtual machine may still have mapped. */
static int
memory_open(const struct vgpu *v, const struct vm *vm)
{
    _cleanup_close_ int fd = open(vm->memory_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != vm->memory_bytes || (st.st_mode & 077) ||
        (st.st_uid != memory_owner(v) && st.st_uid != geteuid()))
        return -1;
    return take_fd(&fd);
}

static int
memory_create(const struct vgpu *v, const struct vm *vm)
{
    _cleanup_close_ int fd = -1;

    unlink(vm->memory_path);
    fd = open(vm->memory_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)vm->memory_bytes) < 0)
        return -errno;
    if (v->account)
        bar_map_clear(&v->account->bar);
    return take_fd(&fd);
}

/* A machine that was copied has the header of before in its memory, and ports of that name. */
static const char *
vm_label(const struct vgpu *v)
{
    return v->s.vm.label[0] ? v->s.vm.label : v->s.name;
}

static int
memory_write_header(const struct vgpu *v, const struct vm *vm)
{
    union {
        struct bar_header h;
        uint8_t page[HEADER_BYTES];
    } first = {.page = {0}};

    bar_header_fill(&first.h, vm_label(v), vm->memory_bytes, v->s.framebuffer_bytes);
    return pwrite(vm->memory_fd, &first, sizeof first, 0) == (ssize_t)sizeof first
               ? 0
               : -errno;
}

static int
memory_make(const struct vgpu *v, struct vm *vm, struct err *e)
{
    int rc;

    vm->memory_path = memory_path(v);
    vm->memory_bytes = bar_bytes_for(v->s.framebuffer_bytes);
    if (!vm->memory_path)
        return err_set(e, -ENOMEM, "out of memory");
    vm->memory_fd = memory_open(v, vm);
    if (vm->memory_fd < 0)
        vm->memory_fd = memory_create(v, vm);
    rc = vm->memory_fd < 0 ? vm->memory_fd : memory_write_header(v, vm);
    if (rc == 0 && memory_owner(v) != geteuid() &&
        fchown(vm->memory_fd, memory_owner(v), (gid_t)-1) < 0)
        rc = -errno;
    if (rc < 0)
        return err_set(e, rc, "cannot make the shared memory %s: %s", vm->memory_path,
                       strerror(-rc));
    return 0;
}

/*
 * A machine can write where no session of its has anything, and into the header. The next machine
 * that has the vGPU must not find that.
 */
static void
memory_clear(const struct vgpu *v)
{
    const struct vm *vm = v->vm;

    if (fallocate(vm->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HEADER_BYTES,
                  (off_t)(vm->memory_bytes - HEADER_BYTES)) < 0 ||
        memory_write_header(v, vm) < 0)
        log_warning("cannot clear %s: %s", vm->memory_path, strerror(errno));
}

static void
memory_renew(const struct vgpu *v)
{
    /* While it is suspended the memory is that of its sessions. */
    if (v->vm && v->account && !v->s.suspended.number && vm_connected(v) == 0 &&
        bar_map_is_free(&v->account->bar))
        memory_clear(v);
}

/*
 * Of a suspended vGPU, when the last connection is gone: a machine that was saved has the memory
 * in its own file, and writes it here before it goes on; of one that was killed nobody needs it.
 */
static void
memory_drop(const struct vgpu *v)
{
    if (v->vm && v->s.suspended.number && !v->operation && !v->leaving &&
        vm_connected(v) == 0)
        memory_clear(v);
}

struct clearing {
    uv_work_t work;
    struct manager *m;
    struct vm *vm; /* which waits for us */
    struct bar_map *map;
    unsigned slot;
    char *vgpu;
};

static void
clearing_run(uv_work_t *work)
{
    struct clearing *c = work->data;
    struct vm *vm = c->vm;
    const uint64_t chunk = bar_chunk_bytes(vm->memory_bytes);
    uint64_t off = 0, bytes;

    while (bar_map_next(c->map, chunk, c->slot, &off, &bytes)) {
        if (fallocate(vm->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)off, (off_t)bytes) < 0)
            log_warning("cannot clear %s: %s", vm->memory_path, strerror(errno));
        bar_map_give(c->map, chunk, off, bytes);
        off += bytes;
    }
    atomic_fetch_sub(&vm->clearing, 1);
}

static void
clearing_done(uv_work_t *work, int status)
{
    struct clearing *c = work->data;
    struct vgpu *v = vgpu_find(c->m, c->vgpu);

    (void)status;
    if (v) {
        memory_renew(v);
        session_slot_cleared(v, c->slot);
    }
    free(c->vgpu);
    free(c);
}

bool
vm_clear_slot(struct vgpu *v, unsigned slot)
{
    uint64_t off = 0, bytes;
    struct clearing *c;

    if (!v->vm || !bar_map_next(&v->account->bar, bar_chunk_bytes(v->vm->memory_bytes),
                                slot, &off, &bytes))
        return false;
    c = calloc(1, sizeof *c);
    if (!c)
        return false;
    *c = (struct clearing){.m = v->m,
                           .vm = v->vm,
                           .map = &v->account->bar,
                           .slot = slot,
                           .vgpu = strdup(v->s.name)};
    c->work.data = c;
    atomic_fetch_add(&v->vm->clearing, 1);
    if (c->vgpu && uv_queue_work(&v->m->loop, &c->work, clearing_run, clearing_done) == 0)
        return true;
    clearing_run(&c->work);
    free(c->vgpu);
    free(c);
    return false;
}

/* ---- ports --------------------------------------------------------------------------------- */

static void port_speaks(void *port);

static void
port_is_idle(struct vm_port *p, int fd)
{
    if (watch_new(&p->v->m->loop, fd, port_speaks, p, &p->idle) < 0)
        log_error("vGPU '%s': port %u cannot be watched", p->v->s.name, p->number);
}

/* QEMU's connection, as a worker reads any guest's. */
static int
port_take(struct vm_port *p)
{
    p->fd = fcntl(watch_fd(p->idle), F_DUPFD_CLOEXEC, 3);
    watch_free(take_ptr(p->idle));
    p->parked = false;
    if (p->fd >= 0)
        fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) & ~O_NONBLOCK);
    return p->fd;
}

static void
port_start(struct vm_port *p)
{
    int rc;

    if (port_take(p) < 0)
        return;
    rc = session_accept_port(p);
    p->idle_bytes = rc == 0 ? 0 : p->idle_bytes + (unsigned)sizeof(struct hello);
    if (rc < 0)
        vm_port_is_free(p, rc == -EUSERS && p->idle_bytes < IDLE_BYTES_MOST);
}

static void
port_lost(struct vm_port *p)
{
    watch_free(take_ptr(p->idle));
    p->parked = false;
    memory_renew(p->v);
    memory_drop(p->v);
}

/* QEMU connects again in a second. */
static void
port_rings_on(struct vm_port *p)
{
    port_lost(p);
    if (vgpu_refusal_is_news(p->v))
        log_warning("vGPU '%s': port %u was closed: its virtual machine rings and rings, "
                    "and says nothing",
                    p->v->s.name, p->number);
}

/* ---- guests of a vGPU that is suspended, or was ------------------------------------------- */

/* The port stays open for others. */
static void
port_refuse(struct vm_port *p, int status, const char *why)
{
    const int fd = watch_fd(p->idle);

    p->idle_bytes += (unsigned)sizeof(struct hello);
    if (hello_take(fd) < 0 || p->idle_bytes > IDLE_BYTES_MOST) {
        port_lost(p);
        return;
    }
    session_refuse(fd, status, why);
    p->parked = false;
    watch_readable(p->idle);
}

static void
port_goes_on(struct vm_port *p, const struct hello *h)
{
    const struct control_msg m = {.op = CONTROL_GUEST};
    struct session *s = guests_find_waiting(p->v, h->token, true);
    int rc;

    if (!s) {
        port_refuse(p, -ESTALE, "the session is gone");
        return;
    }
    if (port_take(p) < 0)
        return;
    rc = session_tell(s, &m, p->fd);
    if (rc < 0) {
        log_warning("vGPU '%s': worker %d does not take its guest back: %s", p->v->s.name,
                    (int)s->pid, strerror(-rc));
        vm_port_is_free(p, false);
        return;
    }
    s->joining = true;
    s->port = p;
    s->vm_port = p->number + 1;
    atomic_store(&p->v->account->slot[s->slot].vm_port, s->vm_port);
}

static void
port_refuse_new(struct vm_port *p)
{
    char why[ACCOUNT_REASON_BYTES];

    snprintf(why, sizeof why, "the vGPU is suspended: tessera resume %s on the host",
             p->v->s.name);
    port_refuse(p, -EUSERS, why);
}

static bool
port_is_deserted(const struct vm_port *p)
{
    struct pollfd f = {.fd = watch_fd(p->idle), .events = POLLRDHUP};

    return poll(&f, 1, 0) > 0 && f.revents != 0;
}

/* What is not taken stays readable: until something changes, hanging up is all there is to see. */
static void
port_park(struct vm_port *p)
{
    p->parked = true;
    watch_hang_up_only(p->idle);
    guests_watch(p->v);
}

static void
port_look(struct vm_port *p)
{
    struct vgpu *v = p->v;
    struct hello h;
    int rc;
    bool is_new;

    if (guests_are_looked_at(v))
        hello_take_older(watch_fd(p->idle));
    rc = hello_peek(watch_fd(p->idle), &h);
    is_new = rc == -EPROTO || (rc == 0 && hello_token_is_zero(&h));

    if (rc == -EPIPE || port_is_deserted(p))
        port_lost(p);
    else if (!guests_are_looked_at(v) || (is_new && !v->held && !v->s.suspended.number))
        port_start(p);
    else if (rc == -EAGAIN || v->held || (v->s.suspended.number && !is_new))
        port_park(p);
    else if (is_new)
        port_refuse_new(p);
    else
        port_goes_on(p, &h);
}

void
vm_route(struct vgpu *v)
{
    for (unsigned i = 0; v->vm && i < BAR_PORTS; i++) {
        if (v->vm->ports[i].parked)
            port_look(&v->vm->ports[i]);
    }
}

bool
vm_any_parked(const struct vgpu *v)
{
    bool any = false;

    for (unsigned i = 0; v->vm && i < BAR_PORTS; i++)
        any = any || v->vm->ports[i].parked;
    return any;
}

/* ---- connections -------------------------------------------------------------------------- */

/* A guest begins to speak, or QEMU has left. */
static void
port_speaks(void *arg)
{
    struct vm_port *p = arg;
    const int rc = bells_skip(watch_fd(p->idle), &p->idle_bytes);

    if (rc < 0)
        port_lost(p);
    else if (rc > 0)
        port_look(p);
    else if (p->idle_bytes > IDLE_BYTES_MOST)
        port_rings_on(p);
}

void
vm_port_is_free(struct vm_port *p, bool in_order)
{
    int fd = take_fd(&p->fd);

    if (fd < 0)
        return;
    if (in_order && !p->v->deleting)
        port_is_idle(p, fd);
    else
        close(fd);
    memory_renew(p->v);
}

/* NULL: it may have the port. Who has it already keeps it, so that no two machines share a vGPU. */
static const char *
port_problem(const struct vm_port *p, const struct peer *who)
{
    if (p->v->operation)
        return "the vGPU is being suspended, resumed or cloned";
    if (p->idle || p->fd >= 0)
        return "another virtual machine has the vGPU";
    if (who->uid != 0 && who->uid != geteuid() && who->uid != p->v->s.owner_uid &&
        who->uid != memory_owner(p->v))
        return "the vGPU was given to another user's virtual machine";
    return NULL;
}

/* QEMU connects. */
static void
port_connected(void *arg)
{
    struct vm_port *p = arg;
    _cleanup_close_ int fd = accept4(watch_fd(p->listener), NULL, NULL, SOCK_CLOEXEC);
    const char *problem;
    struct peer who;

    if (fd < 0 || peer_of_socket(fd, &who) < 0)
        return;
    problem = port_problem(p, &who);
    if (!problem) {
        memory_renew(p->v);
        p->idle_bytes = 0;
        port_is_idle(p, take_fd(&fd));
    } else if (vgpu_refusal_is_news(p->v)) {
        log_warning("vGPU '%s': process %d of user %u was turned away: %s", p->v->s.name,
                    (int)who.pid, (unsigned)who.uid, problem);
    }
}

static char *
port_path(const struct vm *vm, unsigned n)
{
    return str_printf("%s/port%u", vm->folder, n);
}

static int
port_listen(struct vgpu *v, struct vm *vm, unsigned n, struct err *e)
{
    _cleanup_free_ char *path = port_path(vm, n);
    int fd, rc;

    vm->ports[n] = (struct vm_port){.v = v, .number = n, .fd = -1};
    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    fd = sock_listen(path, 0600, PORT_BACKLOG);
    if (fd < 0)
        return err_set(e, fd, "cannot listen at %s: %s", path, strerror(-fd));
    if (memory_owner(v) != geteuid() && lchown(path, memory_owner(v), (gid_t)-1) < 0) {
        rc = -errno;
        close(fd);
        return err_set(e, rc, "cannot give %s to user %u: %s", path,
                       (unsigned)memory_owner(v), strerror(-rc));
    }
    rc =
        watch_new(&v->m->loop, fd, port_connected, &vm->ports[n], &vm->ports[n].listener);
    return rc < 0 ? err_set(e, rc, "cannot watch %s: %s", path, strerror(-rc)) : 0;
}

static int
ports_make(struct vgpu *v, struct vm *vm, struct err *e)
{
    int rc = mkdir_parents(vm->folder, 0711);

    if (rc < 0)
        return err_set(e, rc, "cannot make %s: %s", vm->folder, strerror(-rc));
    for (unsigned i = 0; i < BAR_PORTS && rc == 0; i++)
        rc = port_listen(v, vm, i, e);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void
vm_free(struct vm *vm)
{
    if (!vm)
        return;
    while (atomic_load(&vm->clearing) > 0)
        usleep(1000);
    for (unsigned i = 0; i < BAR_PORTS; i++) {
        watch_free(vm->ports[i].listener);
        watch_free(vm->ports[i].idle);
        cleanup_closep(&vm->ports[i].fd);
    }
    cleanup_closep(&vm->memory_fd);
    free(vm->folder);
    free(vm->memory_path);
    free(vm);
}

static struct vm *
vm_new(const struct vgpu *v)
{
    struct vm *vm = calloc(1, sizeof *vm);

    if (!vm)
        return NULL;
    vm->memory_fd = -1;
    for (unsigned i = 0; i < BAR_PORTS; i++)
        vm->ports[i].fd = -1;
    vm->folder = str_printf("%s/%s", v->m->folders.vm, v->s.name);
    if (vm->folder)
        return vm;
    vm_free(vm);
    return NULL;
}

/* Of a GPU that it has whole: served by workers all the same, which nothing governs. */
static int
vm_serve_passthrough(struct vgpu *v, struct err *e)
{
    if (!v->s.passthrough || v->account)
        return 0;
    if (v->gpu && !v->gpu->software)
        return err_set(e, -EINVAL,
                       "vGPU '%s' is a GPU of its own: give it to the virtual machine by "
                       "its PCI address (tessera vm attach DOMAIN --pci ADDRESS)",
                       v->s.name);
    return vgpu_make_account(v, e);
}

int
vm_resume(struct vgpu *v, struct err *e)
{
    struct vm *vm;
    int rc;

    if (!v->s.vm.attached || v->vm)
        return 0;
    rc = vm_serve_passthrough(v, e);
    if (rc < 0)
        return rc;
    vm = vm_new(v);
    if (!vm)
        return err_set(e, -ENOMEM, "out of memory");
    rc = memory_make(v, vm, e);
    if (rc == 0)
        rc = ports_make(v, vm, e);
    if (rc < 0)
        vm_free(vm);
    else
        v->vm = vm;
    return rc;
}

static int
vm_check_user(const struct vgpu *v, const struct request_vm *r, struct err *e)
{
    if (geteuid() == 0 || !r->has_uid || r->uid == geteuid())
        return 0;
    return err_set(e, -EPERM,
                   "vGPU '%s' is of a manager of user %u: a virtual machine that runs as "
                   "user %llu needs the system's (started by root)",
                   v->s.name, (unsigned)geteuid(), (unsigned long long)r->uid);
}

/* What has been made is another user's, or has another name for the machine. */
static bool
is_made_otherwise(const struct vgpu *v, const struct request_vm *r)
{
    return (r->has_uid && memory_owner(v) != r->uid) ||
           (r->label[0] && strcmp(r->label, vm_label(v)) != 0);
}

int
vm_attach(struct vgpu *v, const struct request_vm *r, struct err *e)
{
    const struct vgpu_vm_state before = v->s.vm;
    int rc = vm_check_user(v, r, e);

    if (rc < 0)
        return rc;
    if (v->unavailable)
        return err_set(e, -ENODEV, "vGPU '%s' is unavailable: %s", v->s.name,
                       v->unavailable);
    if (v->vm && is_made_otherwise(v, r)) {
        if (vm_connected(v) > 0)
            return vm_is_connected_error(v, "be given to another user or name", e);
        vm_forget(v);
    }
    v->s.vm.attached = true;
    if (r->label[0])
        text_copy(v->s.vm.label, sizeof v->s.vm.label, r->label);
    if (r->has_uid) {
        v->s.vm.has_uid = true;
        v->s.vm.uid = r->uid;
    }
    if (r->domain[0])
        text_copy(v->s.vm.domain, sizeof v->s.vm.domain, r->domain);
    rc = vm_resume(v, e);
    if (rc == 0)
        rc = vgpu_state_save(v->m->folders.state_vgpus, &v->s, e);
    if (rc < 0 && !before.attached) {
        vm_remove_files(v);
        vm_forget(v);
        v->s.vm = before;
    }
    return rc;
}

int
vm_detach(struct vgpu *v, struct err *e)
{
    if (!v->s.vm.attached)
        return 0;
    if (vm_connected(v) > 0)
        return vm_is_connected_error(v, "be detached", e);
    vm_remove_files(v);
    vm_forget(v);
    v->s.vm = (struct vgpu_vm_state){0};
    return vgpu_state_save(v->m->folders.state_vgpus, &v->s, e);
}

int
vm_check_size(const struct vgpu *v, uint64_t framebuffer_bytes, struct err *e)
{
    char size[SIZE_TEXT_BYTES];

    if (!v->vm || bar_bytes_for(framebuffer_bytes) == v->vm->memory_bytes)
        return 0;
    size_format(framebuffer_bytes, size, sizeof size);
    return err_set(
        e, -ENOSPC,
        "the only room for '%s' is a vGPU of %s: its virtual machine has memory "
        "for one of its own size",
        v->s.name, size);
}

unsigned
vm_connected(const struct vgpu *v)
{
    unsigned n = 0;

    for (unsigned i = 0; v->vm && i < BAR_PORTS; i++)
        n += v->vm->ports[i].idle || v->vm->ports[i].fd >= 0;
    /* Sessions of a manager before us keep their connections to themselves. */
    for (struct list *l = v->sessions.next; l != &v->sessions; l = l->next)
        n += session_is_adopted_from_vm(container_of(l, struct session, link));
    return n;
}

int
vm_is_connected_error(const struct vgpu *v, const char *what, struct err *e)
{
    return err_set(e, -EBUSY,
                   "vGPU '%s' cannot %s: the virtual machine%s%s that has it is running",
                   v->s.name, what, v->s.vm.domain[0] ? " " : "", v->s.vm.domain);
}

void
vm_forget(struct vgpu *v)
{
    vm_free(take_ptr(v->vm));
}

void
vm_remove_files(const struct vgpu *v)
{
    const struct vm *vm = v->vm;

    if (!vm)
        return;
    for (unsigned i = 0; i < BAR_PORTS; i++) {
        _cleanup_free_ char *path = port_path(vm, i);

        if (path)
            unlink(path);
    }
    rmdir(vm->folder);
    unlink(vm->memory_path);
}

json_t *
vm_json(const struct vgpu *v)
{
    json_t *ports = json_array();

    if (!v->vm) {
        json_decref(ports);
        return json_null();
    }
    for (unsigned i = 0; i < BAR_PORTS; i++) {
        _cleanup_free_ char *path = port_path(v->vm, i);

        json_array_append_new(ports, json_string(path ? path : ""));
    }
    return json_pack(
        "{so ss so ss sI so si}", "domain",
        v->s.vm.domain[0] ? json_string(v->s.vm.domain) : json_null(), "label",
        vm_label(v), "uid",
        v->s.vm.has_uid ? json_integer((json_int_t)v->s.vm.uid) : json_null(), "memory",
        v->vm->memory_path, "memory_bytes", (json_int_t)v->vm->memory_bytes, "ports",
        ports, "connected", (int)vm_connected(v));
}
