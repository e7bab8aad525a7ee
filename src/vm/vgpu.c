/* SPDX-License-Identifier: MIT */
#include "vm/vgpu.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

#define SHM_FOLDER "/dev/shm/"
#define LEAST_BYTES (UINT64_C(1) << 20)

bool
vm_name_is_good(const char *name)
{
    const size_t len = strlen(name);

    return len > 0 && len < VM_NAME_BYTES && name[0] != '-' && name[len - 1] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* libvirt makes the path of the name: so it lies in /dev/shm itself. */
static bool
memory_is_good(const char *path)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_";
    const size_t folder = strlen(SHM_FOLDER);

    return path && strncmp(path, SHM_FOLDER, folder) == 0 && path[folder] &&
           path[folder + strspn(path + folder, good)] == '\0';
}

static bool
size_is_good(uint64_t bytes)
{
    return bytes >= LEAST_BYTES && (bytes & (bytes - 1)) == 0;
}

/* Bytes that no XML text may hold are refused with the rest of the control characters. */
static bool
port_is_good(const char *path)
{
    if (!path || path[0] != '/')
        return false;
    for (; *path; path++) {
        if ((unsigned char)*path < ' ' || *path == 0x7f)
            return false;
    }
    return true;
}

static int
take_text(char **to, const char *text)
{
    *to = strdup(text);
    return *to ? 0 : -ENOMEM;
}

static int
parse_ports(const json_t *vm, struct vm_vgpu *v, struct err *e)
{
    const json_t *ports = json_object_get(vm, "ports");

    if (json_array_size(ports) != VM_PORTS)
        return err_set(e, -EPROTO, "the manager names %zu ports, not %d",
                       json_array_size(ports), VM_PORTS);
    for (unsigned i = 0; i < VM_PORTS; i++) {
        const char *path = json_string_value(json_array_get(ports, i));

        if (!port_is_good(path))
            return err_set(e, -EPROTO, "the manager's path of port %u is not usable", i);
        if (take_text(&v->ports[i], path) < 0)
            return err_set(e, -ENOMEM, "out of memory");
    }
    return 0;
}

static int
parse_memory(const json_t *vm, struct vm_vgpu *v, struct err *e)
{
    const char *memory = json_string_value(json_object_get(vm, "memory"));

    v->memory_bytes = (uint64_t)json_integer_value(json_object_get(vm, "memory_bytes"));
    if (!memory_is_good(memory))
        return err_set(e, -EPROTO, "the manager's memory file '%s' is not in %s",
                       memory ? memory : "", SHM_FOLDER);
    if (!size_is_good(v->memory_bytes))
        return err_set(e, -EPROTO, "the size of %s is no power of two from 1 MiB on",
                       memory);
    return take_text(&v->memory, memory) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

static int
parse_all(const json_t *vgpu, struct vm_vgpu *v, struct err *e)
{
    const json_t *vm = json_object_get(vgpu, "vm");
    const char *name = json_string_value(json_object_get(vgpu, "name"));
    const char *domain = json_string_value(json_object_get(vm, "domain"));
    const char *label = json_string_value(json_object_get(vm, "label"));
    int rc;

    if (!name || !vm_name_is_good(name))
        return err_set(e, -EPROTO, "the manager's answer names no vGPU");
    if (label && !vm_name_is_good(label))
        return err_set(e, -EPROTO, "the manager's label of the vGPU is none");
    if (!json_is_object(vm))
        return err_set(e, -EPROTO, "the manager's answer says nothing of a VM");
    if (take_text(&v->name, name) < 0 || take_text(&v->label, label ? label : name) < 0 ||
        (domain && take_text(&v->domain, domain) < 0))
        return err_set(e, -ENOMEM, "out of memory");
    v->connected = (unsigned)json_integer_value(json_object_get(vm, "connected"));
    rc = parse_memory(vm, v, e);
    return rc < 0 ? rc : parse_ports(vm, v, e);
}

int
vm_vgpu_parse(const json_t *vgpu, struct vm_vgpu *ret, struct err *e)
{
    struct vm_vgpu v = {0};
    int rc = parse_all(vgpu, &v, e);

    if (rc < 0)
        vm_vgpu_fini(&v);
    else
        *ret = v;
    return rc;
}

void
vm_vgpu_fini(struct vm_vgpu *v)
{
    free(v->name);
    free(v->label);
    free(v->memory);
    free(v->domain);
    for (unsigned i = 0; i < VM_PORTS; i++)
        free(v->ports[i]);
    *v = (struct vm_vgpu){0};
}

static int
call(struct client *c, const char *method, const char *name, const json_t *body,
     json_t **ret, struct err *e)
{
    _cleanup_free_ char *path = client_path("/v1/vgpus/", name, "/vm");

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    return client_call(c, method, path, body, ret, e);
}

int
vm_vgpu_give(struct client *c, const struct vm_gift *g, struct vm_vgpu *ret,
             struct err *e)
{
    const bool labelled = g->label && strcmp(g->label, g->name) != 0;
    json_t *body =
        json_pack("{ss* ss*}", "domain", g->domain, "label", labelled ? g->label : NULL);
    json_t *answer = NULL;
    int rc;

    if (!body)
        return err_set(e, -EINVAL, "the domain's name is not UTF-8");
    if (g->uid != VM_NO_UID)
        json_object_set_new(body, "uid", json_integer(g->uid));
    rc = call(c, "PUT", g->name, body, &answer, e);
    if (rc == 0)
        rc = vm_vgpu_parse(answer, ret, e);
    json_decref(answer);
    json_decref(body);
    return rc;
}

int
vm_vgpu_take(struct client *c, const char *name, struct err *e)
{
    return call(c, "DELETE", name, NULL, NULL, e);
}
