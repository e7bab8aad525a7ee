/* SPDX-License-Identifier: MIT */
/* tessera-language - an ordinary OpenCL program to measure with: a language model. */
#include "common/program.h"
#include "language/language.h"
#include "language/options.h"

int
main(int argc, char **argv)
{
    struct failure why = {0};
    struct options options;
    int r;

    options_parse(&options, argc, argv);
    r = options.training.run.list_devices
            ? program_list_devices(options.training.run.json, &why)
            : language_run(&options, &why);
    return program_status("tessera-language", r, &why);
}
