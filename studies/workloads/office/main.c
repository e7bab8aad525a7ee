/* SPDX-License-Identifier: MIT */
/* tessera-office - knowledge workers to measure with; they use no GPU. */
#include "common/program.h"
#include "office/office.h"
#include "office/options.h"

int
main(int argc, char **argv)
{
    struct failure why = {0};
    struct options options;

    options_parse(&options, argc, argv);
    return program_status("tessera-office", office_run(&options, &why), &why);
}
