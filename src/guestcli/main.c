/* SPDX-License-Identifier: MIT */
/* tessera-guest: is there a vGPU, and if not, why; and in a virtual machine, for its containers. */
#include "base/args.h"
#include "guest/check/check.h"
#include "guestcli/commands.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library looks for it. */
__attribute__((visibility("default"))) const char *argp_program_version =
    "tessera-guest " TESSERA_VERSION;

struct check_args {
    struct args args;
    const char *root;
};

static int
run_check(int argc, char **argv)
{
    static const struct args_usage usage = {
        .doc =
            "Tells whether programs here find a vGPU of Tessera's, and if not, why: in a "
            "process of 'tessera run', in a container, in a virtual machine.\v"
            "The exit status is 0 if there is a vGPU and all is in order, 1 if not, 2 "
            "for "
            "a mistake on the command line.\n\n"
            "In a virtual machine, 'tessera-guest cdi', 'oci-edit' and 'container-args' "
            "give its vGPUs to containers; each has --help.",
        .options =
            {{"root", "DIR",
              "look at the files below DIR, and ask OpenCL nothing: for images and "
              "tests",
              offsetof(struct check_args, root)}},
    };
    struct check_args a = {.root = ""};

    args_parse(&usage, argc, argv, &a);
    return guest_check(a.root, a.args.json) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"cdi", guest_cdi},
    {"oci-edit", guest_oci_edit},
    {"container-args", guest_container_args},
};

int
main(int argc, char **argv)
{
    char title[64];

    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        snprintf(title, sizeof title, "tessera-guest %s", commands[i].name);
        argv[1] = title;
        return commands[i].run(argc - 1, argv + 1);
    }
    return run_check(argc, argv);
}
