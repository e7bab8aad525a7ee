/* SPDX-License-Identifier: MIT */
/*
 * A build's include files as the guest lists them: options up to the first NUL, then the list. What
 * is accepted is written, and nothing may come to lie outside its folder.
 */
#include "worker/include_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a folder that has nothing but the tree's own. */
static void
expect_one_folder(void)
{
    struct stat st;

    if (stat(getenv("TMPDIR"), &st) < 0 || st.st_nlink > 3)
        abort();
}

/* What a compiler says of files in the tree, and of what only looks like one. */
static void
logs(const struct include_words *w, const char *tail)
{
    static const char *const places[] = {"/cwd/", "/i0/", "/i77/",
                                         "/i",    "/",    "/tessera.guest/"};
    const char *dir = w->private_dir ? w->private_dir : "";
    char *log, *text;

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (asprintf(&log, "%s: %s%s%s", tail, dir, places[i], tail) < 0)
            abort();
        text = include_words_apply(w, log);
        free(text);
        free(log);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char tmp[] = "/tmp/tessera-fuzz-tree-XXXXXX";
    static int back;
    const uint8_t *nul = memchr(data, '\0', size);
    struct include_tree t;
    char *options = NULL, *text;
    size_t len;

    if (!getenv("TESSERA_FUZZ_TMP")) {
        back = open(".", O_PATH | O_CLOEXEC);
        if (back < 0 || !mkdtemp(tmp) || setenv("TMPDIR", tmp, 1) ||
            setenv("TESSERA_FUZZ_TMP", tmp, 1))
            abort();
    }
    text = include_rewrite((const char *)data, size, size & 1, &len);
    free(text);
    if (!nul)
        return 0;
    size -= (size_t)(nul + 1 - data);
    if (include_files_check(nul + 1, size))
        return 0;
    /* Names relative to the working folder, as in a session; or absolute ones. */
    if (size & 1 && chdir(getenv("TMPDIR")) < 0)
        abort();
    include_tree_make(&t, nul + 1, size, (const char *)data, &options);
    expect_one_folder();
    logs(&t.words, (const char *)data);
    include_tree_remove(&t);
    if (fchdir(back) < 0)
        abort();
    free(options);
    return 0;
}
