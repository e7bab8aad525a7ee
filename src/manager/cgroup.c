/* SPDX-License-Identifier: MIT */
#include "manager/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SELF_MAX_BYTES 65536
#define DMEM_MAX_BYTES 65536

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

/* mode: as of access(2). */
static bool
may(const char *folder, const char *file, int mode)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, file);

    return path && access(path, mode) == 0;
}

static bool
has_file(const char *folder, const char *file)
{
    return may(folder, file, W_OK);
}

static bool
can_read(const char *folder, const char *file)
{
    return may(folder, file, R_OK);
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
init_version1(struct cgroups *c, const char *mount, unsigned hash)
{
    static const char *const controllers[CGROUPS_MAX] = {"memory", "pids", "cpu"};

    for (unsigned i = 0; i < CGROUPS_MAX; i++) {
        _cleanup_free_ char *own = own_group(controllers[i]);

        if (own)
            parent_add(
                c, str_printf("%s/%s%s/tessera-%08x", mount, controllers[i], own, hash));
    }
}

/* A group with limits below it may have no process: we leave ours for a subgroup. */
static bool
leave_for_subgroup(const char *group)
{
    _cleanup_free_ char *leaf = str_printf("%s/manager", group);

    return leaf && (mkdir(leaf, 0755) == 0 || errno == EEXIST) &&
           write_word(leaf, "cgroup.procs", "0") == 0;
}

static void
come_back(const char *group)
{
    _cleanup_free_ char *leaf = str_printf("%s/manager", group);

    write_word(group, "cgroup.procs", "0");
    if (leaf)
        rmdir(leaf);
}

/* A folder for groups with these controllers. Refused while there is somebody in our group. */
static char *
make_parent(const char *group, unsigned hash, const char *suffix, const char *controllers)
{
    _cleanup_free_ char *folder = str_printf("%s/tessera-%08x%s", group, hash, suffix);

    if (!folder || write_word(group, "cgroup.subtree_control", controllers) < 0 ||
        (mkdir(folder, 0755) < 0 && errno != EEXIST))
        return NULL;
    if (write_word(folder, "cgroup.subtree_control", controllers) < 0) {
        rmdir(folder);
        return NULL;
    }
    return take_ptr(folder);
}

static void
init_version2(struct cgroups *c, const char *group, unsigned hash)
{
    char *folder;

    if (!has_file(group, "cgroup.subtree_control") || !leave_for_subgroup(group))
        return;
    folder = make_parent(group, hash, "", "+memory +pids +cpu");
    if (!folder) {
        come_back(group);
        return;
    }
    c->has_memory = true;
    c->parents[c->n++] = folder;
}

/* From the root group down to the one above ours, as far as we may. */
static void
enable_dmem_above(const char *mount, const char *group)
{
    for (const char *end = group + strlen(mount); *end; end = strchrnul(end + 1, '/')) {
        _cleanup_free_ char *above = strndup(group, (size_t)(end - group));

        if (above)
            write_word(above, "cgroup.subtree_control", "+dmem");
    }
}

/* Beside the workers' groups, where we are in none with limits any more. */
static void
init_programs(struct cgroups *c, const char *mount, const char *group, unsigned hash,
              bool has_left)
{
    const bool is_root = strcmp(mount, group) == 0;

    enable_dmem_above(mount, group);
    c->programs = make_parent(group, hash, "-programs", "+dmem");
    if (c->programs || is_root || has_left || !leave_for_subgroup(group))
        return;
    c->programs = make_parent(group, hash, "-programs", "+dmem");
    if (!c->programs)
        come_back(group);
}

void
cgroups_init(struct cgroups *c, const char *mount, const char *runtime, bool programs)
{
    const unsigned hash = name_hash(runtime);
    const bool is_version2 = can_read(mount, "cgroup.controllers");
    _cleanup_free_ char *root = str_printf("%s%s", mount, is_version2 ? "" : "/unified");
    _cleanup_free_ char *own = own_group(""); /* before we move */
    _cleanup_free_ char *group = root && own ? str_printf("%s%s", root, own) : NULL;

    *c = (struct cgroups){0};
    if (!is_version2)
        init_version1(c, mount, hash);
    else if (group && own[0])
        init_version2(c, group, hash);
    if (programs && group && can_read(root, "dmem.capacity"))
        init_programs(c, root, group, hash, is_version2 && c->n > 0);
}

void
cgroups_fini(struct cgroups *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        rmdir(c->parents[i]); /* not while workers go on */
        free(c->parents[i]);
    }
    if (c->programs)
        rmdir(c->programs);
    free(c->programs);
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
dmem_region_parse(const char *text, const char *pci, char ret[DMEM_REGION_BYTES])
{
    uint64_t most = 0;

    for (const char *line = text; line && *line && pci[0];) {
        const char *const end = strchrnul(line, '\n');
        char name[DMEM_REGION_BYTES];
        unsigned long long bytes;

        if (sscanf(line, "%127s %llu", name, &bytes) == 2 && line + strlen(name) < end &&
            strcasestr(name, pci) && bytes > most) {
            most = bytes;
            memcpy(ret, name, sizeof name);
        }
        line = *end ? end + 1 : end;
    }
    return most > 0;
}

bool
dmem_region(const char *mount, const char *pci, char ret[DMEM_REGION_BYTES])
{
    static const char *const places[] = {"", "/unified"};

    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        _cleanup_free_ char *path = str_printf("%s%s/dmem.capacity", mount, places[i]);
        _cleanup_free_ char *text = NULL;
        size_t len;

        if (path && read_file(path, DMEM_MAX_BYTES, &text, &len) == 0)
            return dmem_region_parse(text, pci, ret);
    }
    return false;
}

int
cgroups_limit_programs(const struct cgroups *c, const char *vgpu, const char *region,
                       uint64_t bytes)
{
    _cleanup_free_ char *group = NULL, *line = NULL;

    if (!c->programs)
        return -ENOTSUP;
    group = str_printf("%s/%s", c->programs, vgpu);
    line = str_printf("%s %llu", region, (unsigned long long)bytes);
    if (!group || !line)
        return -ENOMEM;
    if (mkdir(group, 0755) < 0 && errno != EEXIST)
        return -errno;
    return write_word(group, "dmem.max", line);
}

int
cgroups_add_program(const struct cgroups *c, const char *vgpu, pid_t pid)
{
    _cleanup_free_ char *group = str_printf("%s/%s", c->programs, vgpu);
    char number[16];

    snprintf(number, sizeof number, "%d", (int)pid);
    return group ? write_word(group, "cgroup.procs", number) : -ENOMEM;
}

static bool
remove_group(const char *parent, const char *vgpu)
{
    _cleanup_free_ char *group = str_printf("%s/%s", parent, vgpu);

    return !group || rmdir(group) == 0 || errno != EBUSY;
}

bool
cgroups_remove(const struct cgroups *c, const char *vgpu)
{
    bool all = true;

    for (unsigned i = 0; i < c->n; i++)
        all &= remove_group(c->parents[i], vgpu);
    if (c->programs)
        all &= remove_group(c->programs, vgpu);
    return all;
}
