/* SPDX-License-Identifier: MIT */
/* tessera help: all commands, or one of them. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static int
print_all(void)
{
    puts("Usage: tessera COMMAND [OPTION...]\n"
         "Shares GPUs among programs, containers and virtual machines as vGPUs.\n");
    for (const struct command *c = commands; c->name; c++)
        printf("  %-14s %s\n", c->name, c->summary);
    puts("\n'tessera COMMAND --help' tells more. TESSERA_RUNTIME_DIR=DIR talks to the "
         "manager of another folder.");
    return 0;
}

int
cmd_help(int argc, char **argv)
{
    char title[64], option[] = "--help";
    char *const args[] = {title, option, NULL};

    if (argc < 2 || strcmp(argv[1], "--help") == 0)
        return print_all();
    for (const struct command *c = commands; c->name; c++) {
        if (strcmp(c->name, argv[1]) != 0)
            continue;
        if (c->run == cmd_help)
            return print_all();
        snprintf(title, sizeof title, "tessera %s", c->name);
        return c->run(2, (char **)args);
    }
    fprintf(stderr, "tessera: there is no command '%s'\n", argv[1]);
    return EXIT_USAGE;
}
