/* SPDX-License-Identifier: MIT */
#include "guest/check/loader.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <string.h>

#define VENDORS "/etc/OpenCL/vendors"
#define LIBRARY "libtessera-opencl.so"
#define ICD_MAX_BYTES 4096u

/* The library that an .icd file names if it is ours, else NULL. */
static char *
library_of(const char *icd)
{
    _cleanup_free_ char *text = NULL;
    const char *slash;
    size_t len;

    if (read_file(icd, ICD_MAX_BYTES, &text, &len) < 0)
        return NULL;
    text[strcspn(text, "\r\n")] = '\0';
    slash = strrchr(text, '/');
    return strcmp(slash ? slash + 1 : text, LIBRARY) == 0 ? take_ptr(text) : NULL;
}

static bool
is_icd(const char *name)
{
    const size_t len = strlen(name), end = strlen(".icd");

    return len > end && strcmp(name + len - end, ".icd") == 0;
}

static char *
look_in(const char *folder, char **ret_icd)
{
    _cleanup_closedir_ DIR *dir = opendir(folder);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        _cleanup_free_ char *icd = str_printf("%s/%s", folder, e->d_name);
        char *library = icd && is_icd(e->d_name) ? library_of(icd) : NULL;

        if (library) {
            *ret_icd = take_ptr(icd);
            return library;
        }
    }
    return NULL;
}

/* The Khronos loader's list of libraries by name. */
static char *
look_in_names(void)
{
    const char *names = getenv("OCL_ICD_FILENAMES");
    _cleanup_free_ char *copy = names ? strdup(names) : NULL;
    char *save = NULL;

    for (char *n = copy ? strtok_r(copy, ":", &save) : NULL; n;
         n = strtok_r(NULL, ":", &save)) {
        const char *slash = strrchr(n, '/');

        if (strcmp(slash ? slash + 1 : n, LIBRARY) == 0)
            return strdup(n);
    }
    return NULL;
}

/* OCL_ICD_VENDORS is a folder, or, for ocl-icd, one .icd file. */
static char *
look(const char *where, char **ret_icd)
{
    char *library = is_icd(where) ? library_of(where) : look_in(where, ret_icd);

    if (library && !*ret_icd)
        *ret_icd = strdup(where);
    return library;
}

char *
loader_check(struct report *r)
{
    const char *set = getenv("OCL_ICD_VENDORS");
    _cleanup_free_ char *where = report_path(r, set ? set : VENDORS), *icd = NULL;
    char *library = where ? look(where, &icd) : NULL;

    if (library) {
        report_ok(r, "icd", "%s names %s", icd ? icd : where, library);
        return library;
    }
    library = look_in_names();
    if (library)
        report_ok(r, "icd", "OCL_ICD_FILENAMES names %s", library);
    else if (set)
        report_failed(r, "icd",
                      "unset OCL_ICD_VENDORS if " VENDORS
                      "/tessera.icd is there; or install the "
                      "package tessera-guest",
                      "OCL_ICD_VENDORS=%s, and no .icd file there names " LIBRARY, set);
    else
        report_failed(r, "icd",
                      "install the package tessera-guest, whole: it brings tessera.icd",
                      "no .icd file in %s names " LIBRARY, where ? where : VENDORS);
    return library;
}
