/* SPDX-License-Identifier: MIT */
#include "vm/qemu_args.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Each an option and its value: three devices, and two for each port. */
#define ARGUMENTS ((size_t)2 * (2 + VM_SERIALS + 2 * VM_PORTS))

/* A value of an option: QEMU reads two commas as one. */
static char *
escaped(const char *value)
{
    char *text = malloc(2 * strlen(value) + 1), *to = text;

    if (!text)
        return NULL;
    for (; *value; value++) {
        *to++ = *value;
        if (*value == ',')
            *to++ = ',';
    }
    *to = '\0';
    return text;
}

/* "-device VALUE"; takes the value over. */
static void
add(json_t *args, const char *option, char *value)
{
    json_array_append_new(args, json_string(option));
    json_array_append_new(args, json_string(value));
    free(value);
}

static void
add_port(json_t *args, const struct vm_vgpu *v, unsigned i)
{
    _cleanup_free_ char *path = escaped(v->ports[i]);

    add(args, "-chardev",
        path ? str_printf("socket,id=tessera-%s-port%u,path=%s,reconnect=1", v->label, i,
                          path)
             : NULL);
    add(args, "-device",
        str_printf(
            "virtserialport,bus=tessera-%s-serial%u.0,nr=%u,chardev=tessera-%s-port%u,"
            "name=tessera.%s.%u",
            v->label, i / VM_SERIAL_PORTS, i % VM_SERIAL_PORTS + 1, v->label, i, v->label,
            i));
}

json_t *
qemu_args_json(const struct vm_vgpu *v)
{
    json_t *args = json_array();

    add(args, "-object",
        str_printf("memory-backend-file,id=tessera-%s,mem-path=%s,size=%" PRIu64
                   ",share=on",
                   v->label, v->memory, v->memory_bytes));
    add(args, "-device",
        str_printf("ivshmem-plain,memdev=tessera-%s,master=on", v->label));
    for (unsigned k = 0; k < VM_SERIALS; k++)
        add(args, "-device",
            str_printf("virtio-serial-pci,id=tessera-%s-serial%u,max_ports=%u", v->label,
                       k, VM_SERIAL_PORTS + 1));
    for (unsigned i = 0; i < VM_PORTS; i++)
        add_port(args, v, i);
    /* What had no memory is not there. */
    if (json_array_size(args) == ARGUMENTS)
        return args;
    json_decref(args);
    return NULL;
}

static int
join(const json_t *args, char **ret, struct err *e)
{
    const size_t n = json_array_size(args);
    size_t len = 0;
    char *text, *to;

    for (size_t i = 0; i < n; i++)
        len += json_string_length(json_array_get(args, i)) + 1;
    text = to = malloc(len + 1);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        to += sprintf(to, "%s\n", json_string_value(json_array_get(args, i)));
    *ret = text;
    return 0;
}

int
qemu_args_lines(const struct vm_vgpu *v, char **ret, struct err *e)
{
    json_t *args;
    int rc;

    for (unsigned i = 0; i < VM_PORTS; i++) {
        if (strpbrk(v->ports[i], " \t*?["))
            return err_set(e, -EINVAL,
                           "the path %s has a space or a wildcard, which a shell would "
                           "not leave alone: -o json gives it whole",
                           v->ports[i]);
    }
    args = qemu_args_json(v);
    rc = args ? join(args, ret, e) : err_set(e, -ENOMEM, "out of memory");
    json_decref(args);
    return rc;
}
