/* SPDX-License-Identifier: MIT */
#include "base/sysfs.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
sysfs_line(const char *folder, const char *entry, const char *attribute, char *ret,
           size_t cap)
{
    _cleanup_free_ char *path = str_printf("%s/%s/%s", folder, entry, attribute);
    _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    const ssize_t n = fd < 0 ? -1 : read(fd, ret, cap - 1);

    ret[n < 0 ? 0 : n] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return n >= 0;
}

bool
sysfs_is(const char *folder, const char *entry, const char *attribute,
         unsigned long number)
{
    char text[32], *end;

    return sysfs_line(folder, entry, attribute, text, sizeof text) &&
           strtoul(text, &end, 16) == number && end != text && *end == '\0';
}
