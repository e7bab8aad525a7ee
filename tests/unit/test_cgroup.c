/* SPDX-License-Identifier: MIT */
/* The kernel's limit of a device's memory, on folders that look like control groups. */
#include "base/cleanup.h"
#include "base/io.h"
#include "manager/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RUNTIME "/run/tessera"
#define GROUPS "tessera-%08x-programs"

static void
a_card_is_found_by_its_address(void **state)
{
    static const char text[] = "drm/0000:03:00.0/stolen 67108864\n"
                               "drm/0000:03:00.0/vram0 8514437120\n"
                               "nvidia/0000:0A:00.0 150000000000\n";
    char region[DMEM_REGION_BYTES];

    (void)state;
    assert_true(dmem_region_parse(text, "0000:03:00.0", region));
    assert_string_equal(region, "drm/0000:03:00.0/vram0");
    assert_true(dmem_region_parse(text, "0000:0a:00.0", region));
    assert_string_equal(region, "nvidia/0000:0A:00.0");
    assert_false(dmem_region_parse(text, "0000:04:00.0", region));
    assert_false(dmem_region_parse(text, "", region));
}

static void
what_is_no_region_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "\n\n",
                                        "drm/0000:03:00.0/vram0",
                                        "drm/0000:03:00.0/vram0\n123",
                                        "drm/0000:03:00.0/vram0 max\n",
                                        "drm/0000:03:00.0/vram0 0\n",
                                        "123 drm/0000:03:00.0/vram0\n"};
    char region[DMEM_REGION_BYTES], *much;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(dmem_region_parse(texts[i], "0000:03:00.0", region));
    much = malloc(4096);
    memset(much, 'x', 4095);
    much[4095] = '\0';
    assert_false(dmem_region_parse(much, "x", region));
    free(much);
}

/* ---- groups ----------------------------------------------------------------------------- */

struct world {
    char mount[64], group[1024]; /* where we are in it */
    char programs[1200];
};

static void
make_file(const char *folder, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
}

static void
make_folders(const char *path)
{
    char part[1200];

    for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        mkdir(part, 0700);
    }
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static unsigned
hash_of(const char *s)
{
    unsigned h = 2166136261u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* As version 2 shows us where we are. */
static void
find_group(struct world *w)
{
    char line[900];
    FILE *f = fopen("/proc/self/cgroup", "re");

    snprintf(w->group, sizeof w->group, "%s", w->mount);
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0 && strcmp(line, "0::/") != 0)
            snprintf(w->group, sizeof w->group, "%s%s", w->mount, line + 3);
    }
    if (f)
        fclose(f);
}

/* Version 1, with version 2 beside it: there is nothing for workers here. */
static void
begin(struct world *w)
{
    _cleanup_free_ char *of_a = NULL;

    snprintf(w->mount, sizeof w->mount, "/tmp/tessera-cgroup-XXXXXX");
    assert_non_null(mkdtemp(w->mount));
    strcat(w->mount, "/unified");
    find_group(w);
    make_folders(w->group);
    make_file(w->mount, "dmem.capacity");
    snprintf(w->programs, sizeof w->programs, "%s/" GROUPS, w->group, hash_of(RUNTIME));
    of_a = str_printf("%s/a", w->programs);
    make_folders(of_a);
    make_file(w->group, "cgroup.subtree_control");
    make_file(w->programs, "cgroup.subtree_control");
    make_file(of_a, "dmem.max");
    make_file(of_a, "cgroup.procs");
    w->mount[strlen(w->mount) - strlen("/unified")] = '\0';
}

static void
end(const struct world *w)
{
    _cleanup_free_ char *remove = str_printf("rm -r %s", w->mount);

    assert_int_equal(system(remove), 0);
}

static void
assert_file(const char *folder, const char *name, const char *wanted)
{
    _cleanup_free_ char *path = str_printf("%s/%s", folder, name), *text = NULL;
    size_t len;

    assert_int_equal(read_file(path, 4096, &text, &len), 0);
    assert_string_equal(text, wanted);
}

static void
programs_are_put_where_the_limit_is(void **state)
{
    _cleanup_free_ char *of_a = NULL;
    struct cgroups c;
    struct world w;

    (void)state;
    begin(&w);
    of_a = str_printf("%s/a", w.programs);
    cgroups_init(&c, w.mount, RUNTIME, true);
    assert_string_equal(c.programs, w.programs);
    assert_file(w.group, "cgroup.subtree_control", "+dmem");
    assert_file(w.programs, "cgroup.subtree_control", "+dmem");
    assert_int_equal(cgroups_limit_programs(&c, "a", "nvidia/0000:01:00.0", 1u << 30), 0);
    assert_int_equal(cgroups_add_program(&c, "a", 4711), 0);
    assert_file(of_a, "dmem.max", "nvidia/0000:01:00.0 1073741824");
    assert_file(of_a, "cgroup.procs", "4711");
    /* No group of the kernel's is made by mkdir() here: it has no such file. */
    assert_int_equal(cgroups_limit_programs(&c, "b", "nvidia/0000:01:00.0", 1), -ENOENT);
    assert_true(cgroups_remove(&c, "b"));
    cgroups_fini(&c);
    end(&w);
}

static void
who_wants_none_has_none(void **state)
{
    struct cgroups c;
    struct world w;

    (void)state;
    begin(&w);
    cgroups_init(&c, w.mount, RUNTIME, false);
    assert_null(c.programs);
    assert_file(w.group, "cgroup.subtree_control", "");
    cgroups_fini(&c);
    end(&w);
}

static void
without_dmem_there_are_none(void **state)
{
    _cleanup_free_ char *capacity = NULL;
    char region[DMEM_REGION_BYTES];
    struct cgroups c;
    struct world w;

    (void)state;
    begin(&w);
    capacity = str_printf("%s/unified/dmem.capacity", w.mount);
    assert_int_equal(unlink(capacity), 0);
    cgroups_init(&c, w.mount, RUNTIME, true);
    assert_null(c.programs);
    assert_int_equal(cgroups_limit_programs(&c, "a", "r", 1), -ENOTSUP);
    assert_false(dmem_region(w.mount, "0000:01:00.0", region));
    cgroups_fini(&c);
    end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_is_found_by_its_address),
        cmocka_unit_test(what_is_no_region_is_none),
        cmocka_unit_test(programs_are_put_where_the_limit_is),
        cmocka_unit_test(who_wants_none_has_none),
        cmocka_unit_test(without_dmem_there_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
