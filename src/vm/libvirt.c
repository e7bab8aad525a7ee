/* SPDX-License-Identifier: MIT */
#include "vm/libvirt.h"

#include "base/err.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libvirt.so.0"

static const struct {
    const char *name;
    size_t field;
} symbols[] = {
#define SYMBOL(name) {#name, offsetof(struct libvirt, name)},
    LIBVIRT_FUNCTIONS(SYMBOL) SYMBOL(virConnectAuthPtrDefault)
#undef SYMBOL
};

static int
look_up(void *library, struct libvirt *v, struct err *e)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *const found = dlsym(library, symbols[i].name);

        if (!found)
            return err_set(e, -ENOSYS, LIBRARY " is too old: it has no %s",
                           symbols[i].name);
        memcpy((char *)v + symbols[i].field, &found, sizeof found);
    }
    return 0;
}

int
libvirt_load(const struct libvirt **ret, struct err *e)
{
    static struct libvirt v;
    static bool is_loaded;

    if (!is_loaded) {
        void *const library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        int rc;

        if (!library)
            return err_set(e, -ENOENT, "libvirt is not installed: %s", dlerror());
        rc = look_up(library, &v, e);
        if (rc < 0) {
            dlclose(library);
            return rc;
        }
        is_loaded = true;
    }
    *ret = &v;
    return 0;
}
