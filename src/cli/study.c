/* SPDX-License-Identifier: MIT */
/*
 * tessera study: the studies are Python (studies/study), which this finds and becomes. They lie in
 * the source tree beside the build tree, or installed in PREFIX/share/tessera/studies.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PYTHON "python3"

static const char *const places[] = {"../studies", "../share/tessera/studies"};

/* Of this program; NULL where the system does not tell. */
static char *
own_path(void)
{
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    return n > 0 ? strndup(self, (size_t)n) : NULL;
}

static char *
find_studies(const char *self)
{
    const int folder = (int)(strrchr(self, '/') - self);

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = str_printf("%.*s/%s", folder, self, places[i]);
        _cleanup_free_ char *main = str_printf("%s/study/__main__.py", path);

        if (path && main && access(main, R_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* Returns only when it failed. */
static void
become(const char *self, const char *studies, int argc, char **argv, struct err *e)
{
    char **words = calloc((size_t)argc + 4, sizeof *words);
    int n = 0;

    if (!words || setenv("PYTHONPATH", studies, 1) < 0 ||
        setenv("TESSERA_COMMAND", self, 1) < 0 ||
        setenv("PYTHONDONTWRITEBYTECODE", "1", 1) < 0) {
        free(words);
        err_set(e, -ENOMEM, "out of memory");
        return;
    }
    words[n++] = PYTHON;
    words[n++] = "-m";
    words[n++] = "study";
    for (int i = 1; i < argc; i++)
        words[n++] = argv[i];
    execvp(PYTHON, words);
    err_set(e, -errno, "%s: %s (the studies need it: install python3)", PYTHON,
            strerror(errno));
    free(words);
}

int
cmd_study(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *self = own_path();
    _cleanup_free_ char *studies = self ? find_studies(self) : NULL;

    if (studies)
        become(self, studies, argc, argv, &e);
    else
        err_set(&e, -ENOENT,
                "the studies are neither beside the build tree nor installed "
                "(PREFIX/share/tessera/studies)");
    return cli_fail(NULL, &e, "study");
}
