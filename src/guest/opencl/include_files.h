/* SPDX-License-Identifier: MIT */
/*
 * The files that a build's source includes are here, in the guest, and the compiler is not: what
 * the text names is looked for as a compiler would (beside the including file, in the folders of
 * -I, in the working folder) and goes with the build.
 */
#ifndef TESSERA_GUEST_OPENCL_INCLUDE_FILES_H
#define TESSERA_GUEST_OPENCL_INCLUDE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct include_source {
    const char *text;
    size_t len;
};

/* What a build includes without asking the file system (clCompileProgram's headers). */
struct include_query {
    const char *options;
    const struct include_source *sources; /* the program's own, and its headers' */
    size_t n_sources;
    const char *const *embedded; /* names that no file is looked for under */
    size_t n_embedded;
};

/*
 * The list in the wire's form (docs/protocol.md, "Include files"), malloc'ed; of length 0 when
 * there is no such file. -E2BIG: too many or too long; -ENOMEM.
 */
int include_files_collect(const struct include_query *q, uint8_t **ret, size_t *ret_len);

/* /a/./b/../c -> /a/c, in place; the path begins with '/'. */
void path_normalize(char *path);

#endif
