/* SPDX-License-Identifier: MIT */
/*
 * The trainer reads a folder of four files, packed by gzip or not. The first byte picks the file
 * that the bytes are; the others are small and good.
 */
#include "common/failure.h"
#include "train/dataset.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 1, 7};
static uint8_t images[16 + 28 * 28] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28};

static char folder[] = "/dev/shm/tessera-fuzz-XXXXXX";

static void
file_write(const char *name, const void *bytes, size_t n)
{
    static int dir = -1;
    int fd;

    if (dir < 0)
        dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    close(fd);
}

static void
good_files(void)
{
    for (int i = 0; i < 4; i++)
        file_write(names[i], i % 2 ? labels : images,
                   i % 2 ? sizeof labels : sizeof images);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    struct dataset set;
    struct failure why = {{0}};

    if (size == 0)
        return 0;
    if (!made && !mkdtemp(folder))
        abort();
    if (!made)
        good_files();
    made = true;
    file_write(names[data[0] % 4], data + 1, size - 1);
    if (dataset_load(&set, &dataset_mnist, folder, 0, &why) == 0)
        dataset_fini(&set);
    else if (!why.text[0])
        abort();
    good_files();
    return 0;
}
