/* SPDX-License-Identifier: MIT */
/* tessera-train - an ordinary OpenCL program to measure with: it trains a CNN. */
#include "common/program.h"
#include "train/options.h"
#include "train/train.h"

int
main(int argc, char **argv)
{
    struct failure why = {0};
    struct options options;
    int r;

    options_parse(&options, argc, argv);
    r = options.training.run.list_devices
            ? program_list_devices(options.training.run.json, &why)
            : train_run(&options, &why);
    return program_status("tessera-train", r, &why);
}
