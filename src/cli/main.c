/* SPDX-License-Identifier: MIT */
/* tessera: finds the command and hands over. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Options that stand for a command. */
static const char *
command_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

int
main(int argc, char **argv)
{
    char title[64];
    const char *name;

    if (argc < 2) {
        fputs("tessera: which command? 'tessera help' lists them\n", stderr);
        return EXIT_USAGE;
    }
    name = command_name(argv[1]);
    for (const struct command *c = commands; c->name; c++) {
        if (strcmp(c->name, name) != 0)
            continue;
        snprintf(title, sizeof title, "tessera %s", c->name);
        argv[1] = title;
        return c->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "tessera: there is no command '%s'; 'tessera help' lists them\n",
            argv[1]);
    return EXIT_USAGE;
}
