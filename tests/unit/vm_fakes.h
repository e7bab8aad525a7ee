/* SPDX-License-Identifier: MIT */
/*
 * A libvirt and a manager for the tests of what src/vm does with both: they stand in for host.c,
 * the client and job_prepare(). Each call that can fail is counted; one of them fails, or is when
 * the caller calls off. world_text() is all there is, to compare before with after.
 */
#ifndef TESSERA_TESTS_VM_FAKES_H
#define TESSERA_TESTS_VM_FAKES_H

#include "base/cleanup.h"
#include "base/io.h"
#include "client/operation.h"
#include "vm/domain.h"
#include "vm/host.h"
#include "vm/job.h"
#include "vm/save_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define MOST 8
#define NAME_BYTES 64

struct host_domain {
    char name[NAME_BYTES];
    bool runs, saved, paused;
    char *xml;
};

struct fake_vgpu {
    char name[NAME_BYTES], label[NAME_BYTES];
    bool exists, suspended;
};

static struct {
    struct host_domain domains[MOST];
    struct fake_vgpu vgpus[MOST];
    char folder[64];
    unsigned calls, fail_at, cancel_at; /* from 1; 0: none */
    char last[NAME_BYTES]; /* the call that failed, or at which was called off */
    int cancel_fd;
} world;

/* ---- failing ------------------------------------------------------------------------------ */

static int
call(const char *what, struct err *e)
{
    world.calls++;
    if (world.calls == world.cancel_at) {
        snprintf(world.last, sizeof world.last, "%s", what);
        eventfd_write(world.cancel_fd, 1);
    }
    if (world.calls != world.fail_at)
        return 0;
    snprintf(world.last, sizeof world.last, "%s", what);
    return err_set(e, -EIO, "%s fails", what);
}

/* ---- the world ---------------------------------------------------------------------- */

static struct host_domain *
domain_at(const char *name)
{
    for (unsigned i = 0; i < MOST; i++) {
        if (world.domains[i].xml && strcmp(world.domains[i].name, name) == 0)
            return &world.domains[i];
    }
    return NULL;
}

static struct fake_vgpu *
vgpu_at(const char *name)
{
    for (unsigned i = 0; i < MOST; i++) {
        if (world.vgpus[i].exists && strcmp(world.vgpus[i].name, name) == 0)
            return &world.vgpus[i];
    }
    return NULL;
}

/* Those that must be there. */

static struct host_domain *
domain_of(const char *name)
{
    struct host_domain *d = domain_at(name);

    if (!d)
        abort();
    return d;
}

static struct fake_vgpu *
vgpu_of(const char *name)
{
    struct fake_vgpu *v = vgpu_at(name);

    if (!v)
        abort();
    return v;
}

static void
vgpu_make(const char *name, bool suspended)
{
    unsigned i = 0;

    while (world.vgpus[i].exists)
        i++;
    world.vgpus[i] = (struct fake_vgpu){.exists = true, .suspended = suspended};
    snprintf(world.vgpus[i].name, NAME_BYTES, "%s", name);
}

static char *
path_of(const char *file)
{
    return str_printf("%s/%s", world.folder, file);
}

/* What libvirt would have written of a domain, and of a machine with memory. */
static void
put_memory_at(const struct host_domain *d, const char *path)
{
    const uint32_t xml = (uint32_t)strlen(d->xml) + 1;
    const uint32_t numbers[] = {2, xml + 1024, 1, 0, 0};
    char header[SAVE_IMAGE_HEADER_BYTES] = "LibvirtQemudSave";
    _cleanup_fclose_ FILE *f = fopen(path, "w");

    if (!f)
        abort();
    memcpy(header + 16, numbers, sizeof numbers);
    fwrite(header, sizeof header, 1, f);
    fwrite(d->xml, xml, 1, f);
    for (unsigned i = 0; i < 1024; i++)
        fputc(0, f);
    fputs("QEVM", f);
}

static void
put_memory(const struct host_domain *d)
{
    _cleanup_free_ char *path = str_printf("%s/%s.save", world.folder, d->name);

    put_memory_at(d, path);
}

static void
drop_memory(const struct host_domain *d)
{
    _cleanup_free_ char *path = str_printf("%s/%s.save", world.folder, d->name);

    unlink(path);
}

static int
no_points(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static void
print_files(FILE *f, const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, no_points, alphasort);

    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = str_printf("%s/%s", folder, names[i]->d_name);

        fprintf(f, "file %s\n", path + strlen(world.folder) + 1);
        if (names[i]->d_type == DT_DIR)
            print_files(f, path);
        free(names[i]);
    }
    free(names);
}

/* The caller's. */
static char *
world_text(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    for (unsigned i = 0; i < MOST; i++) {
        const struct host_domain *d = &world.domains[i];

        if (d->xml)
            fprintf(f, "domain %s%s%s%s\n", d->name, d->runs ? " runs" : "",
                    d->saved ? " saved" : "", d->paused ? " paused" : "");
    }
    for (unsigned i = 0; i < MOST; i++) {
        const struct fake_vgpu *v = &world.vgpus[i];

        if (v->exists)
            fprintf(f, "vgpu %s%s\n", v->name, v->suspended ? " suspended" : "");
    }
    print_files(f, world.folder);
    fclose(f);
    return text;
}

static void
world_begin(void)
{
    memset(&world, 0, sizeof world);
    strcpy(world.folder, "/tmp/tessera-test-XXXXXX");
    if (!mkdtemp(world.folder))
        abort();
    world.cancel_fd = eventfd(0, EFD_CLOEXEC);
}

static void
world_end(void)
{
    for (unsigned i = 0; i < MOST; i++)
        free(world.domains[i].xml);
    remove_tree(world.folder);
    close(world.cancel_fd);
}

/* ---- libvirt ------------------------------------------------------------------------ */

int
host_find(struct host *h, const char *name, struct host_domain **ret, struct err *e)
{
    struct host_domain *d = domain_at(name);

    (void)h;
    if (!d)
        return err_set(e, -ENOENT, "there is no domain '%s'", name);
    *ret = d;
    return 0;
}

void
host_domain_free(struct host_domain *d)
{
    (void)d;
}

const char *
host_name(const struct host_domain *d)
{
    return d->name;
}

bool
host_runs(const struct host_domain *d)
{
    return d->runs;
}

bool
host_is_persistent(const struct host_domain *d)
{
    (void)d;
    return true;
}

bool
host_is_saved(const struct host_domain *d)
{
    return d->saved;
}

int
host_xml(const struct host_domain *d, bool running, char **ret, struct err *e)
{
    int rc = call("xml", e);

    (void)running;
    if (rc == 0)
        *ret = strdup(d->xml);
    return rc;
}

int
host_saved_xml(const struct host_domain *d, char **ret, struct err *e)
{
    return host_xml(d, false, ret, e);
}

int
host_saved_path(const struct host *h, const char *domain, char **ret, struct err *e)
{
    (void)h;
    *ret = str_printf("%s/%s.save", world.folder, domain);
    return call("saved-path", e);
}

static void
text_between(const char *xml, const char *tag, char *buf)
{
    const char *at = strstr(xml, tag);

    if (!at)
        abort();
    at += strlen(tag);
    snprintf(buf, NAME_BYTES, "%.*s", (int)strcspn(at, "<"), at);
}

int
host_define(struct host *h, const char *xml, struct err *e)
{
    int rc = call("define", e);
    unsigned i = 0;

    (void)h;
    if (rc < 0)
        return rc;
    while (world.domains[i].xml)
        i++;
    world.domains[i] = (struct host_domain){.xml = strdup(xml)};
    text_between(xml, "<name>", world.domains[i].name);
    return 0;
}

int
host_undefine(struct host_domain *d, struct err *e)
{
    int rc = call("undefine", e);

    if (rc == 0)
        free(take_ptr(d->xml));
    return rc;
}

int
host_start(struct host_domain *d, struct err *e)
{
    int rc = call("start", e);

    if (rc < 0)
        return rc;
    drop_memory(d);
    d->runs = true;
    d->saved = false;
    return 0;
}

int
host_save(struct host_domain *d, struct err *e)
{
    int rc = call("save", e);

    if (rc < 0)
        return rc;
    put_memory(d);
    d->runs = false;
    d->saved = true;
    return 0;
}

int
host_save_to(struct host_domain *d, const char *path, struct err *e)
{
    int rc = call("save-to", e);

    if (rc < 0)
        return rc;
    put_memory_at(d, path);
    d->runs = false;
    return 0;
}

int
host_go_on(struct host_domain *d, struct err *e)
{
    int rc = call("go-on", e);

    if (rc == 0)
        d->paused = false;
    return rc;
}

int
host_restore(struct host *h, const char *path, bool paused, struct err *e)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char name[NAME_BYTES];
    int rc = call("restore", e);

    (void)h;
    if (rc < 0)
        return rc;
    if (save_image_read(fd, &i, e) < 0)
        abort();
    text_between(i.xml, "<name>", name);
    domain_of(name)->runs = true;
    domain_of(name)->paused = paused;
    return 0;
}

int
host_power_off(struct host_domain *d, struct err *e)
{
    int rc = call("power-off", e);

    if (rc == 0)
        d->runs = d->paused = false;
    return rc;
}

long
host_uid(struct host *h, const char *xml)
{
    (void)h;
    (void)xml;
    return VM_NO_UID;
}

int
job_prepare(struct vm *vm, const struct host_domain *d, struct err *e)
{
    (void)vm;
    (void)d;
    return call("prepare", e);
}

/* ---- the manager -------------------------------------------------------------------- */

static json_t *
vgpu_answer(const struct fake_vgpu *v)
{
    json_t *ports = json_array();

    for (unsigned i = 0; i < VM_PORTS; i++) {
        _cleanup_free_ char *path = str_printf("/run/tessera/vm/%s/port%u", v->name, i);

        json_array_append_new(ports, json_string(path));
    }
    return json_pack("{ss ss ss sn s{ss ss sI so si}}", "name", v->name, "type", "cpu-1g",
                     "state", v->suspended ? "suspended" : "idle", "passthrough", "vm",
                     "label", v->label[0] ? v->label : v->name, "memory",
                     "/dev/shm/tessera-x", "memory_bytes", (json_int_t)1 << 30, "ports",
                     ports, "connected", 0);
}

int
client_vgpu_get(struct client *c, const char *name, json_t **ret, struct err *e)
{
    const struct fake_vgpu *v = vgpu_at(name);

    (void)c;
    if (!v)
        return err_set(e, -ENOENT, "there is no vGPU '%s'", name);
    if (ret)
        *ret = vgpu_answer(v);
    return 0;
}

char *
client_path(const char *prefix, const char *name, const char *suffix)
{
    return str_printf("%s%s%s", prefix, name, suffix);
}

/* PUT /v1/vgpus/NAME/vm */
int
client_call(struct client *c, const char *method, const char *path, const json_t *body,
            json_t **ret, struct err *e)
{
    char name[NAME_BYTES];
    const char *label = json_string_value(json_object_get(body, "label"));
    int rc = call("give", e);

    (void)c;
    (void)method;
    if (rc < 0)
        return rc;
    snprintf(name, sizeof name, "%s", path + strlen("/v1/vgpus/"));
    *strchr(name, '/') = '\0';
    snprintf(vgpu_of(name)->label, NAME_BYTES, "%s", label ? label : "");
    *ret = vgpu_answer(vgpu_of(name));
    return 0;
}

int
client_vgpu_create(struct client *c, const struct client_vgpu *v, json_t **ret,
                   struct err *e)
{
    int rc = call("create", e);

    (void)c;
    (void)ret;
    if (rc == 0)
        vgpu_make(v->name, false);
    return rc;
}

int
client_vgpu_delete(struct client *c, const char *name, json_t **ret, struct err *e)
{
    (void)c;
    (void)ret;
    if (!vgpu_at(name))
        return err_set(e, -ENOENT, "there is no vGPU '%s'", name);
    vgpu_of(name)->exists = false;
    return 0;
}

int
client_operate(struct client *c, const struct client_operation *o, json_t **ret,
               struct err *e)
{
    struct pollfd p = {.fd = o->cancel_fd, .events = POLLIN};
    struct fake_vgpu *v = vgpu_at(o->vgpu);
    int rc = call(o->op, e);

    (void)c;
    (void)ret;
    if (rc < 0)
        return rc;
    if (o->cancel_fd >= 0 && poll(&p, 1, 0) > 0)
        return err_set(e, -ECANCELED, "called off");
    if (strcmp(o->op, "clone") == 0)
        vgpu_make(o->name, o->suspended);
    else if (!v)
        vgpu_make(o->vgpu, o->suspended);
    else
        v->suspended = strcmp(o->op, "suspend") == 0;
    return 0;
}

#endif
