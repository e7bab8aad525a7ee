/* SPDX-License-Identifier: MIT */
#include "base/nvidia.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERSION_FILE "/proc/driver/nvidia/version"

/* Where distributions and NVIDIA's own installer put it. */
static const char *const folders[] = {
#if defined(__x86_64__)
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
#elif defined(__aarch64__)
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
#endif
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/nvidia/current",
    "/run/opengl-driver/lib",
};

/* Of "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 ...": 550.54.14. */
static bool
version_of(char *text, char **ret)
{
    char *rest = text, *word;

    while ((word = strsep(&rest, " \t\n"))) {
        const size_t digits = strspn(word, "0123456789");

        if (digits && word[digits] == '.' && word[strspn(word, "0123456789.")] == '\0') {
            *ret = word;
            return true;
        }
    }
    return false;
}

bool
nvidia_version(char *ret, size_t cap)
{
    char text[1024], *version;
    _cleanup_close_ int fd = open(VERSION_FILE, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (n <= 0)
        return false;
    text[n] = '\0';
    return version_of(text, &version) && snprintf(ret, cap, "%s", version) < (int)cap;
}

bool
nvidia_path(unsigned place, const char *file, const char *version, char *ret, size_t cap)
{
    if (place >= sizeof folders / sizeof *folders)
        return false;
    return snprintf(ret, cap, "%s/%s.%s", folders[place], file, version) < (int)cap;
}

bool
nvidia_library(const char *given, const char *file, char *ret, size_t cap)
{
    char version[64];

    if (given)
        return snprintf(ret, cap, "%s", given) < (int)cap;
    if (nvidia_version(version, sizeof version)) {
        for (unsigned i = 0; nvidia_path(i, file, version, ret, cap); i++) {
            if (access(ret, R_OK) == 0)
                return true;
        }
    }
    ret[0] = '\0';
    return false;
}
