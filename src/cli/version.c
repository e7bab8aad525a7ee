/* SPDX-License-Identifier: MIT */
/* tessera version: ours, and the manager's if one runs. */
#include "base/args.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#include <stdio.h>

static void
print_version(const json_t *o)
{
    printf("tessera %s\n", json_text_of(o, "version", "-"));
    if (json_is_string(json_object_get(o, "manager")))
        printf("tesserad %s\n", json_text_of(o, "manager", "-"));
}

int
cmd_version(int argc, char **argv)
{
    static const struct args_usage usage = {
        .doc = "Shows the version, and the manager's if one runs."};
    _cleanup_err_ struct err e = ERR_INIT;
    struct args args = {0};
    struct client *c;
    json_t *answer = NULL, *o;

    args_parse(&usage, argc, argv, &args);
    c = cli_client(true, EXIT_FAILED);
    client_call(c, "GET", "/v1/version", NULL, &answer, &e);
    o = json_pack("{ss ss*}", "version", TESSERA_VERSION, "manager",
                  json_text_of(answer, "version", NULL));
    cli_print(o, args.json, print_version);
    json_decref(answer);
    json_decref(o);
    client_free(c);
    return 0;
}
