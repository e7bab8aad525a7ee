/* SPDX-License-Identifier: MIT */
/* The guest reads what a build told of its kernels. */
#include "guest/opencl/program.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every string of it can be read to its end. */
static size_t
length_of_all(const struct metadata *m)
{
    size_t sum = 0;

    for (cl_uint i = 0; i < m->n_kernels; i++) {
        const struct kernel_meta *k = &m->kernels[i];

        sum += strlen(k->name) + strlen(k->attributes);
        for (cl_uint a = 0; a < k->n_args; a++)
            sum += strlen(k->args[a].name) + strlen(k->args[a].type_name);
    }
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata *m = metadata_parse(data, size);

    if (m && length_of_all(m) > size)
        abort();
    metadata_unhold(m);
    return 0;
}
