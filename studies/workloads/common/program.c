/* SPDX-License-Identifier: MIT */
#include "common/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int
program_status(const char *name, int r, struct failure *why)
{
    if (r >= 0 && (fflush(stdout) || ferror(stdout)))
        r = failure_set(why, -EIO, "cannot write the output");
    if (r == -EINTR) {
        fprintf(stderr, "%s: interrupted\n", name);
        return 130;
    }
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", name, why->text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
