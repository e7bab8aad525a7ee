/* SPDX-License-Identifier: MIT */
#include "manager/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MOUNT "/sys/fs/cgroup"
#define SELF_MAX_BYTES 65536

/* The files of version 1 and 2 differ in names alone; a group has those of its controllers. */
static const char *const memory_files[] = {"memory.max", "memory.limit_in_bytes"};
#define TASKS_FILE "pids.max"
#define CPU_FILE_1 "cpu.cfs_quota_us" /* of CPU_PERIOD_US, the default of both versions */
#define CPU_FILE_2 "cpu.max"
#define CPU_PERIOD_US 100000u

static int
write_word(const char *folder, const char *file, const char *word)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, file);
    _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

    if (!path)
        return -ENOMEM;
    return fd < 0 ? -errno : write_all(fd, word, strlen(word));
}

static bool
has_file(const char *folder, const char *file)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, file);

    return path && access(path, W_OK) == 0;
}

static unsigned
name_hash(const char *s)
{
    unsigned h = 2166136261u; /* FNV-1a */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* Our group in the hierarchy of a controller; "" is version 2's. malloc'ed, NULL = none. */
static char *
own_group(const char *controller)
{
    _cleanup_free_ char *text = NULL;
    size_t len, want = strlen(controller);
    char *rest, *line;

    if (read_file("/proc/self/cgroup", SELF_MAX_BYTES, &text, &len) < 0)
        return NULL;
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        char *name = strchr(line, ':'), *path = name ? strchr(name + 1, ':') : NULL;

        if (path && (size_t)(path - name - 1) == want &&
            strncmp(name + 1, controller, want) == 0)
            return strdup(strcmp(path + 1, "/") == 0 ? "" : path + 1);
    }
    return NULL;
}

/* Owns folder. */
static void
parent_add(struct cgroups *c, char *folder)
{
    if (folder && (mkdir(folder, 0755) == 0 || errno == EEXIST) &&
        has_file(folder, "cgroup.procs")) {
        c->has_memory |= has_file(folder, "memory.limit_in_bytes");
        c->parents[c->n++] = folder;
    } else {
        free(folder);
    }
}

static void
init_version1(struct cgroups *c, unsigned hash)
{
    static const char *const controllers[CGROUPS_MAX] = {"memory", "pids", "cpu"};

    for (unsigned i = 0; i < CGROUPS_MAX; i++) {
        _cleanup_free_ char *own = own_group(controllers[i]);

        if (own)
            parent_add(c,
                       str_printf(MOUNT "/%s%s/tessera-%08x", controllers[i], own, hash));
    }
}

static void
init_version2(struct cgroups *c, unsigned hash)
{
    _cleanup_free_ char *own = own_group("");
    _cleanup_free_ char *group = own ? str_printf(MOUNT "%s", own) : NULL;
    _cleanup_free_ char *leaf = group ? str_printf("%s/manager", group) : NULL;
    _cleanup_free_ char *folder =
        group ? str_printf("%s/tessera-%08x", group, hash) : NULL;

    if (!folder || !own[0] || !has_file(group, "cgroup.subtree_control"))
        return;
    if ((mkdir(leaf, 0755) < 0 && errno != EEXIST) ||
        write_word(leaf, "cgroup.procs", "0") < 0)
        return;
    /* Refused while there is somebody else in our group: then we go back. */
    if (write_word(group, "cgroup.subtree_control", "+memory +pids +cpu") < 0 ||
        (mkdir(folder, 0755) < 0 && errno != EEXIST) ||
        write_word(folder, "cgroup.subtree_control", "+memory +pids +cpu") < 0) {
        rmdir(folder);
        write_word(group, "cgroup.procs", "0");
        rmdir(leaf);
        return;
    }
    c->has_memory = true;
    c->parents[c->n++] = take_ptr(folder);
}

void
cgroups_init(struct cgroups *c, const char *runtime)
{
    const unsigned hash = name_hash(runtime);

    *c = (struct cgroups){0};
    if (access(MOUNT "/cgroup.controllers", F_OK) == 0)
        init_version2(c, hash);
    else
        init_version1(c, hash);
}

void
cgroups_fini(struct cgroups *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        rmdir(c->parents[i]); /* not while workers go on */
        free(c->parents[i]);
    }
    *c = (struct cgroups){0};
}

/* What a former manager limited and we do not is free again. */
static int
cpu_write(const char *group, unsigned percent)
{
    const unsigned quota_us = percent * (CPU_PERIOD_US / 100);
    char word[32];

    if (has_file(group, CPU_FILE_2)) {
        snprintf(word, sizeof word, percent ? "%u %u" : "max", quota_us, CPU_PERIOD_US);
        return write_word(group, CPU_FILE_2, word);
    }
    if (!has_file(group, CPU_FILE_1))
        return 0;
    snprintf(word, sizeof word, percent ? "%u" : "-1", quota_us);
    return write_word(group, CPU_FILE_1, word);
}

static int
limits_write(const char *group, const struct cgroup_limits *limits)
{
    char word[32];
    int rc = 0;

    snprintf(word, sizeof word, "%llu", (unsigned long long)limits->memory_bytes);
    for (size_t i = 0; i < sizeof memory_files / sizeof *memory_files && rc == 0; i++) {
        if (has_file(group, memory_files[i]))
            rc = write_word(group, memory_files[i], word);
    }
    snprintf(word, sizeof word, "%u", limits->tasks);
    if (rc == 0 && has_file(group, TASKS_FILE))
        rc = write_word(group, TASKS_FILE, word);
    return rc == 0 ? cpu_write(group, limits->cpu_percent) : rc;
}

int
cgroups_prepare(const struct cgroups *c, const char *vgpu,
                const struct cgroup_limits *limits, struct strv *argv)
{
    int rc = 0;

    for (unsigned i = 0; i < c->n && rc == 0; i++) {
        _cleanup_free_ char *group = str_printf("%s/%s", c->parents[i], vgpu);

        if (!group)
            return -ENOMEM;
        if (mkdir(group, 0755) < 0 && errno != EEXIST)
            return -errno;
        rc = limits_write(group, limits);
        strv_add(argv, "--cgroup");
        strv_add(argv, "%s", group);
    }
    return rc;
}

bool
cgroups_remove(const struct cgroups *c, const char *vgpu)
{
    bool all = true;

    for (unsigned i = 0; i < c->n; i++) {
        _cleanup_free_ char *group = str_printf("%s/%s", c->parents[i], vgpu);

        if (group && rmdir(group) < 0 && errno == EBUSY)
            all = false;
    }
    return all;
}
