/* SPDX-License-Identifier: MIT */
#include "guest/opencl/program.h"

#include <stdlib.h>
#include <string.h>

#define KERNELS_MAX 65536u
#define ARGS_MAX 4096u

static void
kernel_meta_free(struct kernel_meta *k)
{
    for (cl_uint i = 0; i < k->n_args; i++) {
        free(k->args[i].type_name);
        free(k->args[i].name);
    }
    free(k->args);
    free(k->name);
    free(k->attributes);
}

void
metadata_hold(struct metadata *m)
{
    atomic_fetch_add(&m->holds, 1);
}

void
metadata_unhold(struct metadata *m)
{
    if (!m || atomic_fetch_sub(&m->holds, 1) != 1)
        return;
    for (cl_uint i = 0; i < m->n_kernels; i++)
        kernel_meta_free(&m->kernels[i]);
    free(m->kernels);
    free(m);
}

static void
arg_parse(struct dec *d, struct arg_meta *a)
{
    a->known = dec_u64(d, "known");
    a->address = (cl_kernel_arg_address_qualifier)dec_u64(d, "address");
    a->access = (cl_kernel_arg_access_qualifier)dec_u64(d, "access");
    a->type = dec_u64(d, "type");
    a->type_name = strdup(dec_string(d, "type name"));
    a->name = strdup(dec_string(d, "name"));
    if (!a->type_name || !a->name)
        dec_fail(d, "memory");
}

static void
kernel_parse(struct dec *d, struct kernel_meta *k)
{
    uint64_t n;

    k->name = strdup(dec_string(d, "kernel"));
    k->attributes = strdup(dec_string(d, "attributes"));
    k->local_bytes = dec_u64(d, "local memory");
    n = dec_u64(d, "arguments");
    if (n > ARGS_MAX || !k->name || !k->attributes)
        dec_fail(d, "arguments");
    if (d->bad || n == 0)
        return;
    k->args = calloc(n, sizeof *k->args);
    if (!k->args) {
        dec_fail(d, "memory");
        return;
    }
    k->n_args = (cl_uint)n;
    for (uint64_t i = 0; i < n && !d->bad; i++)
        arg_parse(d, &k->args[i]);
}

struct metadata *
metadata_parse(const uint8_t *bytes, size_t len)
{
    struct metadata *m = calloc(1, sizeof *m);
    struct dec d;
    uint64_t n;

    if (!m)
        return NULL;
    atomic_init(&m->holds, 1);
    dec_init(&d, bytes, len);
    n = dec_u64(&d, "kernels");
    if (n > KERNELS_MAX)
        dec_fail(&d, "kernels");
    m->kernels = d.bad ? NULL : calloc(n + 1, sizeof *m->kernels);
    if (!m->kernels) {
        metadata_unhold(m);
        return NULL;
    }
    m->n_kernels = (cl_uint)n;
    for (cl_uint i = 0; i < m->n_kernels && !d.bad; i++)
        kernel_parse(&d, &m->kernels[i]);
    dec_end(&d);
    if (d.bad) {
        metadata_unhold(m);
        return NULL;
    }
    return m;
}
