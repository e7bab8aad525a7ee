/* SPDX-License-Identifier: MIT */
/*
 * A copy of a domain, in steps of which each leaves what it made in struct clone, so that undo()
 * can take it away again, from the last to the first:
 *
 *   look ▸ pause ▸ vGPUs ▸ disks ▸ memory ▸ the original goes on ▸ define ▸ restore ▸ resume vGPUs
 *
 * The new vGPUs are made suspended, since their sessions come back to a machine that is there.
 */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "client/operation.h"
#include "vm/copies.h"
#include "vm/domain_copy.h"
#include "vm/pair.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

struct clone {
    struct vm *vm;
    const struct vm_clone *o;
    struct pair of;
    struct domain_copy copy;
    struct domain_parts parts; /* of both texts */
    char *config, *saved;      /* the texts; saved NULL: it has no memory */
    bool paused;               /* by us */
    uint64_t paused_ns, gone_on_ns;
    uint64_t copied, total; /* bytes of files */
    /* What has been made. */
    struct vm_vgpu vgpus[DOMAIN_MOST_VGPUS];
    char *names[DOMAIN_MOST_VGPUS]; /* of all that will be */
    bool waits[DOMAIN_MOST_VGPUS];  /* is suspended */
    unsigned nvgpus;
    char *image;
    struct host_domain *domain;
};

/* ---- looking ----------------------------------------------------------------------------- */

static int
check_name(struct clone *c, struct err *e)
{
    struct host_domain *other = NULL;
    int rc = host_find(c->vm->h, c->o->name, &other, NULL);

    if (rc == 0) {
        host_domain_free(other);
        return err_set(e, -EEXIST, "a domain '%s' exists already", c->o->name);
    }
    if (strchr(c->o->name, '/') || !c->o->name[0])
        return err_set(e, -EINVAL, "'%s' cannot name a domain", c->o->name);
    return 0;
}

/* Of both texts; what they share counts once. */
static int
add_parts(struct clone *c, const char *xml, struct err *e)
{
    struct domain_parts *to = &c->parts, p = {0};
    int rc = domain_parts(xml, &p, e);

    for (unsigned i = 0; i < p.nvgpus && rc == 0; i++) {
        if (domain_has_vgpu(to, p.vgpus[i]) || to->nvgpus == DOMAIN_MOST_VGPUS)
            continue;
        to->vgpus[to->nvgpus] = take_ptr(p.vgpus[i]);
        to->labels[to->nvgpus++] = take_ptr(p.labels[i]);
    }
    domain_parts_fini(&p);
    return rc;
}

static int
look_at(struct clone *c, const char *xml, struct err *e)
{
    int rc = domain_copy_look(&c->copy, xml, e);

    return rc == 0 ? add_parts(c, xml, e) : rc;
}

/* NEW for one, else NEW-1, NEW-2, …; or as asked for. */
static int
name_vgpus(struct clone *c, struct err *e)
{
    const struct vm_clone *o = c->o;
    const unsigned n = c->parts.nvgpus;

    if (o->nvgpus > 0 && o->nvgpus != n)
        return err_set(e, -EINVAL, "it has %u vGPU%s, and --vgpu names %u", n,
                       n == 1 ? "" : "s", o->nvgpus);
    for (unsigned i = 0; i < n; i++) {
        char *name = o->nvgpus > 0 ? strdup(o->vgpus[i])
                     : n == 1      ? strdup(o->name)
                                   : str_printf("%s-%u", o->name, i + 1);

        if (!name)
            return err_set(e, -ENOMEM, "out of memory");
        free(c->names[i]);
        c->names[i] = name;
        if (!vm_name_is_good(name))
            return err_set(e, -EINVAL,
                           "'%s' cannot name a vGPU: --vgpu NAME says what it is called",
                           name);
    }
    return 0;
}

static int
check_vgpus(const struct clone *c, struct err *e)
{
    for (unsigned i = 0; i < c->parts.nvgpus; i++) {
        int rc = client_vgpu_get(c->vm->c, c->names[i], NULL, NULL);

        if (rc == 0)
            return err_set(e, -EEXIST, "a vGPU '%s' exists already: --vgpu names another",
                           c->names[i]);
        rc = client_vgpu_get(c->vm->c, c->parts.vgpus[i], NULL, e);
        if (rc < 0)
            return err_wrap(e, "its vGPU '%s'", c->parts.vgpus[i]);
    }
    return 0;
}

/* It is read there, and its copy lies beside it for a while. */
static int
check_memory_folder(const struct clone *c, struct err *e)
{
    _cleanup_free_ char *path = NULL;
    int rc = host_saved_path(c->vm->h, c->o->domain, &path, e);

    if (rc < 0)
        return rc;
    *strrchr(path, '/') = '\0';
    if (access(path, R_OK | W_OK | X_OK) == 0)
        return 0;
    return err_set(e, -errno, "libvirt's folder of saved memory, %s: %s (%s)", path,
                   strerror(errno),
                   geteuid() == 0 ? "this libvirt has another"
                                  : "to copy memory at qemu:///system takes root");
}

static int
look_at_memory(struct clone *c, struct err *e)
{
    _cleanup_free_ char *running = NULL;
    const struct host_domain *d = c->of.domain;
    int rc = check_memory_folder(c, e);

    if (rc < 0)
        return rc;
    rc = host_runs(d) ? host_xml(d, true, &running, e) : host_saved_xml(d, &c->saved, e);
    return rc == 0 ? look_at(c, running ? running : c->saved, e) : rc;
}

/* What would be in the way is found before anything is paused. */
static int
look(struct clone *c, struct err *e)
{
    const struct host_domain *d = c->of.domain;
    int rc = host_xml(d, false, &c->config, e);

    if (rc == 0)
        rc = check_name(c, e);
    if (rc == 0 && (host_runs(d) || host_is_saved(d)))
        rc = look_at_memory(c, e);
    if (rc == 0)
        rc = look_at(c, c->config, e);
    if (rc == 0)
        rc = name_vgpus(c, e);
    return rc == 0 ? check_vgpus(c, e) : rc;
}

/* ---- pausing ----------------------------------------------------------------------------- */

static void
tell(const struct clone *c, const char *phase, uint64_t done, uint64_t total)
{
    if (c->o->progress)
        c->o->progress(c->o->user, phase, done, total);
}

static int
pause_it(struct clone *c, struct err *e)
{
    int rc;

    if (!host_runs(c->of.domain))
        return 0;
    tell(c, "saving", 0, 0);
    c->paused_ns = now_ns();
    rc = pair_put_away(&c->of, e);
    c->paused = rc == 0;
    if (rc == 0)
        rc = host_saved_xml(c->of.domain, &c->saved, e);
    return rc;
}

static int
go_on(struct clone *c, struct err *e)
{
    int rc;

    if (!c->paused)
        return 0;
    tell(c, "starting", 0, 0);
    c->of.cancel_fd = -1;
    rc = pair_bring_back(&c->of, e);
    if (rc < 0)
        return err_wrap(e, "it is suspended ('tessera vm resume %s')", c->o->domain);
    c->paused = false;
    c->gone_on_ns = now_ns();
    return 0;
}

/* ---- vGPUs ------------------------------------------------------------------------------- */

static int
clone_suspended(const struct clone *c, unsigned i, struct err *e)
{
    const struct client_operation o = {.op = "clone",
                                       .vgpu = c->parts.vgpus[i],
                                       .name = c->names[i],
                                       .suspended = true,
                                       .fd = -1,
                                       .cancel_fd = c->o->cancel_fd,
                                       .user = c->o->user,
                                       .progress = c->o->progress};

    return client_operate(c->vm->c, &o, NULL, e);
}

/* Nothing of a machine is on it: another of its type does. */
static int
create_same(const struct clone *c, unsigned i, struct err *e)
{
    json_t *v = NULL;
    const char *type;
    int rc = client_vgpu_get(c->vm->c, c->parts.vgpus[i], &v, e);
    struct client_vgpu spec = {.name = c->names[i]};

    if (rc < 0)
        return rc;
    type = json_string_value(json_object_get(v, "type"));
    if (!json_is_object(json_object_get(v, "passthrough")))
        spec.type = type;
    rc = client_vgpu_create(c->vm->c, &spec, NULL, e);
    json_decref(v);
    return rc;
}

static int
make_vgpu(struct clone *c, unsigned i, struct err *e)
{
    const struct vm_gift g = {.name = c->names[i],
                              .domain = c->o->name,
                              .label = c->parts.labels[i],
                              .uid = host_uid(c->vm->h, c->config)};
    int rc = pair_is_suspended(c->vm->c, c->parts.vgpus[i], &c->waits[i], e);

    if (rc == 0)
        rc = c->waits[i] ? clone_suspended(c, i, e) : create_same(c, i, e);
    if (rc < 0)
        return err_wrap(e, "its vGPU '%s'", c->parts.vgpus[i]);
    c->nvgpus++;
    return vm_vgpu_give(c->vm->c, &g, &c->vgpus[i], e);
}

static int
make_vgpus(struct clone *c, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < c->parts.nvgpus && rc == 0; i++)
        rc = make_vgpu(c, i, e);
    return rc;
}

static int
resume_vgpus(struct clone *c, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < c->nvgpus && rc == 0 && c->saved; i++) {
        const struct client_operation o = {.op = "resume",
                                           .vgpu = c->names[i],
                                           .fd = -1,
                                           .cancel_fd = c->o->cancel_fd,
                                           .user = c->o->user,
                                           .progress = c->o->progress};

        if (c->waits[i])
            rc = client_operate(c->vm->c, &o, NULL, e);
        if (rc < 0)
            err_wrap(e, "its vGPU '%s'", c->names[i]);
    }
    return rc;
}

/* ---- files ------------------------------------------------------------------------------- */

static void
copied(void *user, uint64_t bytes)
{
    struct clone *c = user;

    c->copied += bytes;
    tell(c, "copying-machine", c->copied, c->total);
}

static int
copy_one(struct clone *c, struct copy_file *f, struct err *e)
{
    const struct copy_watch w = {c->o->cancel_fd, c, copied};
    int rc = copies_file(f->from, f->to, &w, &f->made, e);

    return rc == -ENOENT && f->optional && !f->made ? 0 : rc;
}

static uint64_t
bytes_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int
copy_files(struct clone *c, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < c->copy.nfiles; i++)
        c->total += bytes_of(c->copy.files[i].from);
    for (unsigned i = 0; i < c->copy.nfiles && rc == 0; i++)
        rc = copy_one(c, &c->copy.files[i], e);
    return rc;
}

/* ---- memory and texts -------------------------------------------------------------------- */

static int
text_of_copy(const struct clone *c, const char *xml, char **ret, struct err *e)
{
    _cleanup_free_ char *named = NULL;
    int rc = domain_copy_apply(&c->copy, xml, &named, e);

    if (rc == 0)
        rc = domain_lead_to(named, c->vgpus, c->nvgpus, ret, e);
    return rc < 0 ? rc : 0;
}

/* Where libvirt has its files elsewhere, there may be those of another one's domain. */
static int
check_image(const struct clone *c, const struct save_image *i, struct err *e)
{
    return domain_is_same(i->xml, c->config)
               ? 0
               : err_set(e, -ESTALE, "the saved memory is of another domain");
}

/* What is in libvirt's file, and where that is. */
static int
read_image(const struct clone *c, struct save_image *ret, int *ret_fd, char **ret_path,
           struct err *e)
{
    int rc = host_saved_path(c->vm->h, c->o->domain, ret_path, e);

    if (rc == 0)
        rc = copies_open(*ret_path, ret_fd, e);
    if (rc == 0)
        rc = save_image_read(*ret_fd, ret, e);
    if (rc == 0)
        rc = check_image(c, ret, e);
    return rc < 0 ? err_wrap(e, "its saved memory") : 0;
}

static int
copy_image(struct clone *c, struct err *e)
{
    const struct copy_watch w = {c->o->cancel_fd, c, copied};
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    _cleanup_free_ char *path = NULL, *xml = NULL, *to = NULL;
    _cleanup_close_ int from = -1;
    int rc = c->saved ? read_image(c, &i, &from, &path, e) : 0;

    if (rc < 0 || !c->saved)
        return rc;
    rc = text_of_copy(c, i.xml, &xml, e);
    if (rc < 0)
        return rc;
    to = str_printf("%.*s.%s.tessera-XXXXXX", (int)(strrchr(path, '/') + 1 - path), path,
                    c->o->name);
    if (!to)
        return err_set(e, -ENOMEM, "out of memory");
    c->total += bytes_of(path);
    rc = copies_image(from, &i, xml, &w, to, e);
    if (rc == 0)
        c->image = take_ptr(to);
    return rc;
}

static int
define(struct clone *c, struct err *e)
{
    _cleanup_free_ char *xml = NULL;
    int rc = text_of_copy(c, c->config, &xml, e);

    if (rc == 0)
        rc = host_define(c->vm->h, xml, e);
    return rc == 0 ? host_find(c->vm->h, c->o->name, &c->domain, e) : rc;
}

static int
restore(struct clone *c, struct err *e)
{
    if (!c->saved)
        return 0;
    tell(c, "starting", 0, 0);
    return host_restore(c->vm->h, c->image, false, e);
}

/* ---- all of it --------------------------------------------------------------------------- */

static void
remove_files(const struct clone *c)
{
    for (unsigned i = 0; i < c->copy.nfiles; i++) {
        if (c->copy.files[i].made)
            unlink(c->copy.files[i].to);
    }
}

static void
undo(struct clone *c, struct err *e)
{
    if (c->domain && host_runs(c->domain))
        host_power_off(c->domain, NULL);
    if (c->domain && host_undefine(c->domain, NULL) < 0)
        err_wrap(e, "the domain '%s' stays ('virsh undefine')", c->o->name);
    for (unsigned i = 0; i < c->nvgpus; i++)
        pair_delete_vgpu(c->vm->c, c->names[i]);
    remove_files(c);
    c->of.cancel_fd = -1;
    if (c->paused && pair_bring_back(&c->of, NULL) < 0)
        err_wrap(e, "'%s' is suspended ('tessera vm resume')", c->o->domain);
}

static bool
called_off(const struct clone *c)
{
    struct pollfd p = {.fd = c->o->cancel_fd, .events = POLLIN};

    return c->o->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

static int
run(struct clone *c, struct err *e)
{
    static int (*const steps[])(struct clone * c, struct err * e) = {
        look,  pause_it, make_vgpus, copy_files,   copy_image,
        go_on, define,   restore,    resume_vgpus,
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof steps / sizeof *steps && rc == 0; i++)
        rc = called_off(c) ? err_set(e, -ECANCELED, "called off") : steps[i](c, e);
    return rc;
}

static json_t *
answer(const struct clone *c)
{
    const uint64_t paused_ms = (c->gone_on_ns - c->paused_ns) / 1000000;
    json_t *vgpus = json_array(), *files = json_array();

    for (unsigned i = 0; i < c->nvgpus; i++)
        json_array_append_new(vgpus, json_string(c->names[i]));
    for (unsigned i = 0; i < c->copy.nfiles; i++) {
        if (c->copy.files[i].made)
            json_array_append_new(files, json_string(c->copy.files[i].to));
    }
    return json_pack("{ss ss ss ss so so sI}", "domain", c->o->name, "of", c->o->domain,
                     "uuid", c->copy.uuid, "state", c->saved ? "running" : "off", "vgpus",
                     vgpus, "files", files, "paused_ms", (json_int_t)paused_ms);
}

static void
clone_fini(struct clone *c)
{
    if (c->image)
        unlink(c->image);
    free(c->image);
    free(c->config);
    free(c->saved);
    for (unsigned i = 0; i < DOMAIN_MOST_VGPUS; i++) {
        vm_vgpu_fini(&c->vgpus[i]);
        free(c->names[i]);
    }
    host_domain_free(c->domain);
    domain_parts_fini(&c->parts);
    domain_copy_fini(&c->copy);
    pair_fini(&c->of);
    free(c);
}

int
vm_clone(struct vm *vm, const struct vm_clone *o, json_t **ret, struct err *e)
{
    struct clone *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_set(e, -ENOMEM, "out of memory");
    c->vm = vm;
    c->o = o;
    rc = pair_open(vm, o->domain, o->cancel_fd, &c->of, e);
    if (rc == 0)
        rc = domain_copy_init(&c->copy, o->domain, o->name, e);
    if (rc == 0)
        rc = run(c, e);
    if (rc < 0)
        undo(c, e);
    else
        *ret = answer(c);
    clone_fini(c);
    return rc;
}
