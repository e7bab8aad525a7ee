/* SPDX-License-Identifier: MIT */
#include "fleet.h"

#include "child.h"
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MEMORY "2g" /* of each software GPU, as by default: up to 32 vGPUs of 64 MiB */

static const struct kind {
    const char *words;
    unsigned gpus, vgpus; /* how many a GPU must have room for */
    int (*run)(const struct fleet *f, const struct host *h, struct result *r,
               struct err *e);
} kinds[] = {
    [SOURCE_IDLE] = {"many idle vGPUs", 1, 24, fleet_idle},
    [SOURCE_START] = {"many vGPUs, each once", 7, 32, fleet_start},
};

static const struct kind *
kind_of(const struct row *row)
{
    const unsigned source = row->source;

    return source < sizeof kinds / sizeof *kinds && kinds[source].run ? &kinds[source]
                                                                      : NULL;
}

bool
fleet_has(const struct row *row)
{
    return kind_of(row) != NULL;
}

static int
run_one(const struct fleet *f, struct result *r, struct err *e)
{
    const struct kind *k = kind_of(r->row);
    const struct host_options o = {.build = f->build,
                                   .discrete = f->discrete,
                                   .gpus = k->gpus,
                                   .memory = MEMORY,
                                   .vgpus = k->vgpus};
    struct host h;
    int rc;

    if (f->progress)
        f->progress(k->words, r->row->name);
    rc = host_init(&h, &o, e);
    if (rc == 0)
        rc = k->run(f, &h, r, e);
    host_fini(&h);
    return rc;
}

int
fleet_run(const struct fleet *f, struct err *e)
{
    for (unsigned i = 0; i < f->nresults; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        struct result *r = &f->results[i];

        if (!fleet_has(r->row) || run_one(f, r, &why) == 0)
            continue;
        if (child_signal())
            return err_set(e, -EINTR, "interrupted");
        snprintf(r->problem, sizeof r->problem, "%s", err_msg(&why));
    }
    return 0;
}
