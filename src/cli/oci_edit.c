/* SPDX-License-Identifier: MIT */
/* tessera oci-edit: vGPUs for a bundle that crun, runc or another OCI runtime will run. */
#include "base/cleanup.h"
#include "cli/container.h"
#include "container/container.h"

#include <limits.h>
#include <stdio.h>

static void
print_edited(const json_t *o)
{
    printf("%s: edited\n", json_text_of(o, "file", "-"));
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
    };
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = NULL;
    struct args args = {0};
    json_t *edits, *done;
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = container_edits_named(args.words + 1, args.nwords - 1, "oci-edit", &edits);
    if (rc != 0)
        return rc;
    rc = container_oci_edit_bundle(args.words[0], edits, &path, &e);
    json_decref(edits);
    if (rc < 0)
        return cli_fail(NULL, &e, "oci-edit");
    done = json_pack("{ss}", "file", path);
    cli_print(done, args.json, print_edited);
    json_decref(done);
    return 0;
}
