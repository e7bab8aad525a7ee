/* SPDX-License-Identifier: MIT */
/* tessera-cad - an ordinary OpenCL program to measure with: it draws an assembly. */
#include "cad/cad.h"
#include "cad/options.h"
#include "common/program.h"

int
main(int argc, char **argv)
{
    struct failure why = {0};
    struct options options;
    int r;

    options_parse(&options, argc, argv);
    r = options.run.list_devices ? program_list_devices(options.run.json, &why)
                                 : cad_run(&options, &why);
    return program_status("tessera-cad", r, &why);
}
