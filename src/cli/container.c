/* SPDX-License-Identifier: MIT */
#include "cli/container.h"

#include "container/container.h"

static int
take(struct client *c, char **names, unsigned n, json_t *vgpus, struct err *e)
{
    for (unsigned i = 0; i < n; i++) {
        json_t *v;
        int rc = client_vgpu_get(c, names[i], &v, e);

        if (rc < 0)
            return rc;
        json_array_append_new(vgpus, v);
    }
    return 0;
}

int
container_edits_named(char **names, unsigned n, const char *task, json_t **ret)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct client *c = cli_client(false, EXIT_FAILED);
    json_t *vgpus = json_array();
    int rc = take(c, names, n, vgpus, &e);

    if (rc == 0)
        rc = container_edits(vgpus, ret, &e);
    if (rc < 0)
        rc = cli_fail(c, &e, "%s", task);
    json_decref(vgpus);
    client_free(c);
    return rc;
}
