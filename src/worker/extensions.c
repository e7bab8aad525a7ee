/* SPDX-License-Identifier: MIT */
/* The driver's extension functions, found by their names (Extension Specification, section 1.3). */
#include "base/cleanup.h"
#include "worker/device.h"

#include <string.h>

static bool
word_in(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        if ((at == text || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* Version 0.9.5 gave every recorder one more argument: another ABI under the same names. */
static const struct {
    const char *extension;
    cl_version before;
} versions_known[] = {{"cl_khr_command_buffer", CL_MAKE_VERSION(0, 9, 5)}};

/* The version that the device tells of an extension; the highest there is when it tells none. */
static cl_version
extension_version(const struct device *d, const char *name)
{
    _cleanup_free_ cl_name_version *all = NULL;
    size_t len = 0;

    d->cl->clGetDeviceInfo(d->id, CL_DEVICE_EXTENSIONS_WITH_VERSION, 0, NULL, &len);
    all = calloc(1, len + 1);
    if (!all || d->cl->clGetDeviceInfo(d->id, CL_DEVICE_EXTENSIONS_WITH_VERSION, len, all,
                                       NULL) != CL_SUCCESS)
        return UINT32_MAX;
    for (size_t i = 0; i < len / sizeof *all; i++) {
        if (strncmp(all[i].name, name, sizeof all[i].name) == 0)
            return all[i].version;
    }
    return UINT32_MAX;
}

static bool
extension_understood(const struct device *d, const char *name)
{
    for (size_t i = 0; i < sizeof versions_known / sizeof *versions_known; i++) {
        if (strcmp(versions_known[i].extension, name) == 0)
            return extension_version(d, name) < versions_known[i].before;
    }
    return true;
}

void
device_find_functions(struct device *d)
{
    _cleanup_free_ char *extensions = NULL;
    size_t len = 0;

    d->cl->clGetDeviceInfo(d->id, CL_DEVICE_EXTENSIONS, 0, NULL, &len);
    extensions = calloc(1, len + 1);
    if (!extensions || d->cl->clGetDeviceInfo(d->id, CL_DEVICE_EXTENSIONS, len,
                                              extensions, NULL) != CL_SUCCESS)
        return;
    for (size_t i = 0; extension_functions[i].name; i++) {
        void *address = NULL;

        if (word_in(extensions, extension_functions[i].extension) &&
            extension_understood(d, extension_functions[i].extension))
            address = d->cl->clGetExtensionFunctionAddressForPlatform(
                d->platform, extension_functions[i].name);
        memcpy((char *)&d->ext + extension_functions[i].at, &address, sizeof address);
    }
}

bool
device_has_functions(const struct device *d, const char *extension, size_t len)
{
    for (size_t i = 0; extension_functions[i].name; i++) {
        const char *owner = extension_functions[i].extension;
        void *address;

        memcpy(&address, (const char *)&d->ext + extension_functions[i].at,
               sizeof address);
        if (strlen(owner) == len && memcmp(owner, extension, len) == 0 && !address)
            return false;
    }
    return true;
}
