/* SPDX-License-Identifier: MIT */
/* tessera oci-edit: vGPUs for a bundle that crun, runc or another OCI runtime will run. */
#include "base/cleanup.h"
#include "cli/container.h"
#include "container/container.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

struct oci_edit_args {
    struct args args;
    bool dmem;
};

static void
print_edited(const json_t *o)
{
    printf("%s: edited\n", json_text_of(o, "file", "-"));
}

/* A group that has no such file would keep the container from starting: it must be asked for. */
static int
choose_dmem(json_t *edits, bool wanted, struct err *e)
{
    if (!wanted)
        json_object_del(edits, "dmem");
    else if (!json_object_get(edits, "dmem"))
        return err_set(e, -ENOTSUP,
                       "the kernel does not account for the memory of these vGPUs' GPUs: "
                       "it takes a driver that has it do so (tessera gpus -o json: "
                       "dmem_region)");
    return 0;
}

int
cmd_oci_edit(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "BUNDLE NAME...",
        .min_words = 2,
        .max_words = UINT_MAX,
        .doc = "Edits the config.json of an OCI bundle (a folder), so that the container "
               "that "
               "crun, runc or another runtime makes of it has these vGPUs. All else in "
               "it stays, and doing it twice is doing it once.",
        .options = {{"dmem", NULL,
                     "have the kernel hold programs of CUDA's to the framebuffer, too "
                     "(linux.resources.unified); the container's control group must have "
                     "dmem",
                     offsetof(struct oci_edit_args, dmem)}},
    };
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = NULL;
    struct oci_edit_args args = {0};
    json_t *edits, *done;
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = container_edits_named(args.args.words + 1, args.args.nwords - 1, "oci-edit",
                               &edits);
    if (rc != 0)
        return rc;
    rc = choose_dmem(edits, args.dmem, &e);
    if (rc == 0)
        rc = container_oci_edit_bundle(args.args.words[0], edits, &path, &e);
    json_decref(edits);
    if (rc < 0)
        return cli_fail(NULL, &e, "oci-edit");
    done = json_pack("{ss}", "file", path);
    cli_print(done, args.args.json, print_edited);
    json_decref(done);
    return 0;
}
