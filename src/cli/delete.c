/* SPDX-License-Identifier: MIT */
/* tessera delete: vGPUs and their sessions. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Deletes one; its last look goes to done. */
static int
delete_one(struct client *c, const char *name, json_t *done)
{
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *last;

    if (client_vgpu_delete(c, name, &last, &e) < 0)
        return cli_fail(c, &e, "delete '%s'", name);
    json_array_append_new(done, last);
    return 0;
}

static int
delete_all(struct client *c, json_t *done)
{
    json_t *answer;
    const json_t *list;
    int rc = cli_get(c, "/v1/vgpus", &answer, "delete");

    if (rc)
        return rc;
    list = json_object_get(answer, "vgpus");
    for (size_t i = 0; i < json_array_size(list); i++)
        rc |= delete_one(c, json_text_of(json_array_get(list, i), "name", ""), done);
    json_decref(answer);
    return rc;
}

/* Quiet for people: what is gone needs no words. */
static void
print_nothing(const json_t *done)
{
    (void)done;
}

int
cmd_delete(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "NAME...",
        .min_words = 1,
        .max_words = UINT_MAX,
        .doc = "Deletes vGPUs and ends their sessions. The name 'all' stands for every "
               "vGPU.",
    };
    struct args args = {0};
    json_t *done = json_array();
    struct client *c;
    int rc = 0;

    args_parse(&usage, argc, argv, &args);
    c = cli_client(false, EXIT_FAILED);
    for (unsigned i = 0; i < args.nwords; i++)
        rc |= strcmp(args.words[i], "all") == 0 ? delete_all(c, done)
                                                : delete_one(c, args.words[i], done);
    cli_print(done, args.json, print_nothing);
    json_decref(done);
    client_free(c);
    return rc;
}
