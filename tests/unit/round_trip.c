/* SPDX-License-Identifier: MIT */
/* Runs inputs of tests/fuzz/fuzz_frame.c without a fuzzer: round_trip FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run(const char *path)
{
    static uint8_t data[1u << 20];
    FILE *f = fopen(path, "r");
    size_t size;

    if (!f) {
        perror(path);
        return -1;
    }
    size = fread(data, 1, sizeof data, f);
    fclose(f);
    fprintf(stderr, "%s\n", path);
    return LLVMFuzzerTestOneInput(data, size);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (run(argv[i]) < 0)
            return 1;
    }
    return argc > 1 ? 0 : 2;
}
