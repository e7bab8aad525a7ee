/* SPDX-License-Identifier: MIT */
#include "office/folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
folder_make(struct folder *ret_folder, const char *in, struct failure *why)
{
    const char *const tmpdir = getenv("TMPDIR");
    struct folder f;

    if (!in)
        in = tmpdir && *tmpdir ? tmpdir : "/tmp";
    if (snprintf(f.path, sizeof f.path, "%s/tessera-office-XXXXXX", in) >= PATH_MAX)
        return failure_set(why, -ENAMETOOLONG, "%s: path too long", in);
    if (!mkdtemp(f.path))
        return failure_set(why, -errno, "cannot make a folder in %s: %s", in,
                           strerror(errno));
    *ret_folder = f;
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    return remove(path);
}

int
folder_remove(struct folder *f, struct failure *why)
{
    const int levels_open = 8;

    if (!f->path[0])
        return 0;
    if (nftw(f->path, remove_one, levels_open, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
        return failure_set(why, -errno, "%s: cannot be removed: %s", f->path,
                           strerror(errno));
    f->path[0] = '\0';
    return 0;
}
