/* SPDX-License-Identifier: MIT */
/* Which VM has which vGPU: what libvirt's domains say, joined with what the manager says. */
#include "vm/vm.h"

#include "base/cleanup.h"
#include "vm/job.h"

#include <errno.h>
#include <string.h>

struct list {
    json_t *rows;
    const json_t *vgpus; /* the manager's, by /v1/vgpus */
};

static const json_t *
vgpu_of(const struct list *l, const char *name)
{
    for (size_t i = 0; i < json_array_size(l->vgpus); i++) {
        const json_t *v = json_array_get(l->vgpus, i);
        const char *has = json_string_value(json_object_get(v, "name"));

        if (has && strcmp(has, name) == 0)
            return v;
    }
    return NULL;
}

/* A member as it is, null where there is none. */
static void
copy(json_t *row, const char *key, const json_t *from)
{
    json_t *value = json_object_get(from, key);

    if (value)
        json_object_set(row, key, value);
    else
        json_object_set_new(row, key, json_null());
}

static void
set_text(json_t *row, const char *key, const char *text)
{
    json_object_set_new(row, key, text ? json_string(text) : json_null());
}

/* One row; name is a vGPU's, which the manager may not know (any more). */
static json_t *
add_row(struct list *l, const char *domain, const char *state, const char *name)
{
    const json_t *v = vgpu_of(l, name);
    json_t *row = json_object();

    set_text(row, "domain", domain);
    set_text(row, "state", state);
    set_text(row, "vgpu", name);
    copy(row, "gpu", v);
    copy(row, "type", v);
    copy(row, "framebuffer_bytes", v);
    copy(row, "connected", json_object_get(v, "vm"));
    set_text(row, "pci", NULL);
    json_object_set_new(row, "exists", json_boolean(v != NULL));
    json_array_append_new(l->rows, row);
    return row;
}

static void
set_where(json_t *row, bool running, bool config)
{
    json_object_set_new(row, "running", json_boolean(running));
    json_object_set_new(row, "config", json_boolean(config));
}

static void
add_vgpus(struct list *l, const struct host_domain *d, const struct domain_parts *running,
          const struct domain_parts *config)
{
    const char *name = host_name(d), *state = host_state(d);

    for (unsigned i = 0; i < config->nvgpus; i++)
        set_where(add_row(l, name, state, config->vgpus[i]),
                  domain_has_vgpu(running, config->vgpus[i]), true);
    for (unsigned i = 0; i < running->nvgpus; i++) {
        if (!domain_has_vgpu(config, running->vgpus[i]))
            set_where(add_row(l, name, state, running->vgpus[i]), true, false);
    }
}

static void
add_device(struct list *l, const struct host_domain *d, const struct pci_address *a,
           bool running, bool config)
{
    char name[PCI_VGPU_BYTES], address[PCI_TEXT_BYTES];
    json_t *row;

    pci_vgpu_name(a, name);
    pci_format(a, address);
    row = add_row(l, host_name(d), host_state(d), name);
    set_text(row, "pci", address);
    set_where(row, running, config);
}

static void
add_pci(struct list *l, const struct host_domain *d, const struct domain_parts *running,
        const struct domain_parts *config)
{
    for (unsigned i = 0; i < config->pci.n; i++) {
        if (config->ours[i])
            add_device(l, d, &config->pci.items[i],
                       pci_listed(&running->pci, &config->pci.items[i]), true);
    }
    for (unsigned i = 0; i < running->pci.n; i++) {
        if (running->ours[i] && !pci_listed(&config->pci, &running->pci.items[i]))
            add_device(l, d, &running->pci.items[i], true, false);
    }
}

/* A domain that goes meanwhile, or that we cannot read, has no row. */
static void
add_domain(struct list *l, const struct host_domain *d)
{
    _cleanup_free_ char *config_xml = NULL, *running_xml = NULL;
    struct domain_parts config = {0}, running = {0};

    if (host_is_persistent(d) && host_xml(d, false, &config_xml, NULL) == 0)
        domain_parts(config_xml, &config, NULL);
    if (host_runs(d) && host_xml(d, true, &running_xml, NULL) == 0)
        domain_parts(running_xml, &running, NULL);
    add_vgpus(l, d, &running, &config);
    add_pci(l, d, &running, &config);
    domain_parts_fini(&config);
    domain_parts_fini(&running);
}

static bool
has_row(const struct list *l, const char *name)
{
    for (size_t i = 0; i < json_array_size(l->rows); i++) {
        const json_t *row = json_array_get(l->rows, i);

        if (strcmp(json_string_value(json_object_get(row, "vgpu")), name) == 0)
            return true;
    }
    return false;
}

/* Those that QEMU has without libvirt, or another libvirt's domain. */
static void
add_rest(struct list *l)
{
    for (size_t i = 0; i < json_array_size(l->vgpus); i++) {
        const json_t *v = json_array_get(l->vgpus, i), *vm = json_object_get(v, "vm");
        const char *name = json_string_value(json_object_get(v, "name"));

        if (!name || !json_is_object(vm) || has_row(l, name))
            continue;
        set_where(
            add_row(l, json_string_value(json_object_get(vm, "domain")), NULL, name),
            json_integer_value(json_object_get(vm, "connected")) > 0, false);
    }
}

int
vm_list(struct vm *vm, json_t **ret, struct err *e)
{
    struct list l = {.rows = json_array()};
    struct host_domain **all = NULL;
    json_t *answer = NULL;
    unsigned n = 0;
    int rc = client_call(vm->c, "GET", "/v1/vgpus", NULL, &answer, e);

    if (rc == 0 && (rc = host_all(vm->h, &all, &n, e)) < 0)
        json_decref(answer);
    if (rc < 0) {
        json_decref(l.rows);
        return rc;
    }
    l.vgpus = json_object_get(answer, "vgpus");
    for (unsigned i = 0; i < n; i++)
        add_domain(&l, all[i]);
    add_rest(&l);
    host_all_free(all, n);
    json_decref(answer);
    *ret = json_pack("{so}", "vms", l.rows);
    return 0;
}
