/* SPDX-License-Identifier: MIT */
#include "guest/opencl/find.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static unsigned
find_named(const char *named, char **ret_folders, unsigned max)
{
    _cleanup_free_ char *copy = strdup(named);
    char *save = NULL;
    unsigned n = 0;

    if (!copy)
        return 0;
    for (char *f = strtok_r(copy, ":", &save); f && n < max;
         f = strtok_r(NULL, ":", &save)) {
        ret_folders[n] = strdup(f);
        n += ret_folders[n] != NULL;
    }
    return n;
}

/* One that we may not look at counts: whoever connects there is told why that fails. */
static bool
holds(const char *folder, const char *file, mode_t kind)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, file);
    struct stat st;

    if (!path)
        return false;
    if (stat(path, &st) < 0)
        return errno == EACCES;
    return (st.st_mode & S_IFMT) == kind;
}

/* The folder of a vGPU that is deleted stays mounted, without a socket. */
static bool
holds_vgpu(const char *folder)
{
    return holds(folder, "socket", S_IFSOCK) || holds(folder, "memory", S_IFREG);
}

/* Not alphasort(): that order depends on the program's locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_shown(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static unsigned
find_mounted(const char *folder, char **ret_folders, unsigned max)
{
    struct dirent **names = NULL;
    const int count = scandir(folder, &names, is_shown, by_name);
    unsigned n = 0;

    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *path = str_printf("%s/%s", folder, names[i]->d_name);

        if (path && n < max && holds_vgpu(path))
            ret_folders[n++] = take_ptr(path);
        free(names[i]);
    }
    free(names);
    return n;
}

unsigned
find_vgpus(const char *named, const char *folder, char **ret_folders, unsigned max)
{
    return named ? find_named(named, ret_folders, max)
                 : find_mounted(folder, ret_folders, max);
}
