/* SPDX-License-Identifier: MIT */
/* tessera container-args: vGPUs for container engines that know no CDI. */
#include "base/cleanup.h"
#include "cli/container.h"
#include "container/container.h"

#include <limits.h>
#include <stdio.h>

static void
print_words(const json_t *words)
{
    _cleanup_free_ char *line = container_shell_words(words);

    if (line)
        puts(line);
}

int
cmd_container_args(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "NAME...",
        .min_words = 1,
        .max_words = UINT_MAX,
        .doc =
            "Prints options of docker and podman that give a container these vGPUs, for "
            "engines that know no CDI, and for users who may write none: docker run "
            "$(tessera container-args train-0) IMAGE PROGRAM. They hold as long as the "
            "vGPU does. Words that a shell would take apart are quoted; then it is "
            "eval \"docker run $(...) IMAGE PROGRAM\".",
    };
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *edits, *words = NULL;
    struct args args = {0};
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = container_edits_named(args.words, args.nwords, "container-args", &edits);
    if (rc != 0)
        return rc;
    if (container_options(edits, &words, &e) < 0)
        rc = cli_fail(NULL, &e, "container-args");
    else
        cli_print(words, args.json, print_words);
    json_decref(words);
    json_decref(edits);
    return rc;
}
