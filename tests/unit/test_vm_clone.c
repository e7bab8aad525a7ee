/* SPDX-License-Identifier: MIT */
/*
 * A domain with its vGPUs is suspended, resumed and cloned; and whichever call fails, or whenever
 * it is called off, all is as before.
 */
#include "vm/vm.h"
#include "vm_fakes.h"
#include "vm_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct vm vm;

/* ---- the domain --------------------------------------------------------------------- */

#define DISK_BYTES (3 << 20)

static char *
domain_text(void)
{
    return str_printf(
        "<domain type='kvm'>\n"
        "  <name>vm1</name>\n"
        "  <uuid>00000000-0000-4000-8000-000000000001</uuid>\n"
        "  <os>\n"
        "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"
        "    <nvram>%1$s/vm1_VARS.fd</nvram>\n"
        "  </os>\n"
        "  <devices>\n"
        "    <disk type='file' device='disk'><source file='%1$s/vm1.img'/>"
        "<target dev='vda'/></disk>\n"
        "    <disk type='file' device='disk'><source file='%1$s/data.raw'/>"
        "<target dev='vdb'/></disk>\n"
        "    <disk type='file' device='cdrom'><source file='%1$s/cd.iso'/></disk>\n"
        "    <interface type='network'><mac address='52:54:00:aa:bb:cc'/>"
        "<target dev='tap7'/></interface>\n"
        "    <serial type='file'><source path='/var/log/vm1/console'/></serial>\n"
        "  </devices>\n"
        "</domain>\n",
        world.folder);
}

static char *
with_vgpus(const char *xml)
{
    struct vm_vgpu a = world_vgpu("a"), b = world_vgpu("b");
    _cleanup_free_ char *one = NULL;
    char *both = NULL;

    assert_int_equal(domain_attach_vgpu(xml, &a, &one, NULL), 1);
    assert_int_equal(domain_attach_vgpu(one, &b, &both, NULL), 1);
    vm_vgpu_fini(&a);
    vm_vgpu_fini(&b);
    return both;
}

static void
put_file(const char *name, off_t bytes)
{
    _cleanup_free_ char *path = path_of(name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    _cleanup_free_ char *data = malloc((size_t)bytes);

    memset(data, name[0], (size_t)bytes);
    assert_int_equal(write(fd, data, (size_t)bytes), bytes);
}

enum { OFF, SAVED, RUNS, STORED, STORED_ELSEWHERE };

static void
put_text(const char *name, const char *text)
{
    _cleanup_free_ char *path = path_of(name);

    assert_int_equal(write_file_atomic(path, text, strlen(text), 0600), 0);
}

/* As vm_suspend_to() leaves it. */
static void
put_away(struct host_domain *d)
{
    _cleanup_free_ char *folder = path_of("saved"), *memory = path_of("saved/memory");

    assert_int_equal(mkdir(folder, 0700), 0);
    put_text("saved/domain.xml", d->xml);
    put_text("saved/a.tessera", "a");
    put_text("saved/b.tessera", "b");
    put_memory_at(d, memory);
}

/* A manager and a libvirt that know nothing of it. */
static void
forget(struct host_domain *d)
{
    free(take_ptr(d->xml));
    vgpu_of("a")->exists = false;
    vgpu_of("b")->exists = false;
}

static void
begin(int state)
{
    _cleanup_free_ char *xml = NULL;
    struct host_domain *d = &world.domains[0];

    world_begin();
    xml = domain_text();
    *d = (struct host_domain){
        .name = "vm1", .xml = with_vgpus(xml), .runs = state == RUNS};
    put_file("vm1.img", DISK_BYTES);
    put_file("data.raw", 100);
    put_file("cd.iso", 100);
    put_file("vm1_VARS.fd", 100);
    vgpu_make("a", state == SAVED || state >= STORED);
    vgpu_make("b", state == SAVED || state >= STORED);
    if (state >= STORED)
        put_away(d);
    if (state == STORED_ELSEWHERE)
        forget(d);
    if (state == SAVED) {
        put_memory(d);
        d->saved = true;
    }
}

static int
clone_it(json_t **ret, struct err *e)
{
    const struct vm_clone o = {
        .domain = "vm1", .name = "vm2", .cancel_fd = world.cancel_fd};

    return vm_clone(&vm, &o, ret, e);
}

static int
clone_alone(struct err *e)
{
    json_t *answer = NULL;
    int rc = clone_it(&answer, e);

    json_decref(answer);
    return rc;
}

static int
suspend_it(struct err *e)
{
    struct vm_result r;

    return vm_suspend(&vm, "vm1", world.cancel_fd, &r, e);
}

static int
resume_it(struct err *e)
{
    struct vm_result r;

    return vm_resume(&vm, "vm1", world.cancel_fd, &r, e);
}

static int
suspend_to(struct err *e)
{
    _cleanup_free_ char *folder = path_of("saved");

    return vm_suspend_to(&vm, "vm1", folder, world.cancel_fd, e);
}

static int
resume_from(struct err *e)
{
    _cleanup_free_ char *folder = path_of("saved"), *name = NULL;
    int rc = vm_resume_from(&vm, NULL, folder, world.cancel_fd, &name, e);

    if (rc == 0)
        assert_string_equal(name, "vm1");
    return rc;
}

/* ---- whatever fails ----------------------------------------------------------------- */

/* Each of its calls fails once; returns how many it has. */
static unsigned
fails_everywhere(int state, int (*act)(struct err *e))
{
    for (unsigned n = 1;; n++) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        _cleanup_err_ struct err e = ERR_INIT;
        int rc;

        begin(state);
        before = world_text();
        world.fail_at = n;
        rc = act(&e);
        after = world_text();
        if (rc < 0 && strcmp(before, after) != 0)
            fail_msg("%s (call %u): before\n%s\nafter\n%s", world.last, n, before, after);
        world_end();
        if (rc == 0)
            return n - 1;
        assert_non_null(strstr(err_msg(&e), "fails"));
    }
}

/* It is called off at each of its calls; past the last moment for that it is done. */
static unsigned
called_off_everywhere(int state, int (*act)(struct err *e))
{
    unsigned off = 0;

    for (unsigned n = 1;; n++) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        _cleanup_err_ struct err e = ERR_INIT;
        int rc;

        begin(state);
        before = world_text();
        world.cancel_at = n;
        rc = act(&e);
        after = world_text();
        if (rc < 0 && strcmp(before, after) != 0)
            fail_msg("%s (call %u): before\n%s\nafter\n%s", world.last, n, before, after);
        assert_true(rc == 0 || rc == -ECANCELED);
        off += rc < 0;
        n = world.calls < n ? 0 : n;
        world_end();
        if (n == 0)
            return off;
    }
}

static void
a_suspend_that_fails_leaves_all_as_before(void **state)
{
    (void)state;
    assert_int_equal(fails_everywhere(RUNS, suspend_it), 4); /* xml, two vGPUs, save */
    assert_true(called_off_everywhere(RUNS, suspend_it) > 0);
}

static void
a_resume_that_fails_leaves_all_as_before(void **state)
{
    (void)state;
    assert_int_equal(fails_everywhere(SAVED, resume_it), 5); /* xml, two for it, vGPUs */
    assert_true(called_off_everywhere(SAVED, resume_it) > 0);
}

static void
a_folder_that_fails_leaves_all_as_before(void **state)
{
    (void)state;
    assert_int_equal(fails_everywhere(RUNS, suspend_to), 5);
    assert_true(called_off_everywhere(RUNS, suspend_to) > 0);
    assert_int_equal(fails_everywhere(STORED, resume_from), 8);
    assert_true(called_off_everywhere(STORED, resume_from) > 0);
    assert_int_equal(fails_everywhere(STORED_ELSEWHERE, resume_from), 10);
    assert_true(called_off_everywhere(STORED_ELSEWHERE, resume_from) > 0);
}

static void
a_clone_that_fails_leaves_all_as_before(void **state)
{
    (void)state;
    assert_true(fails_everywhere(OFF, clone_alone) > 5);
    assert_true(fails_everywhere(SAVED, clone_alone) > 10);
    assert_true(fails_everywhere(RUNS, clone_alone) > 15);
}

static void
a_clone_that_is_called_off_leaves_all_as_before(void **state)
{
    (void)state;
    assert_true(called_off_everywhere(OFF, clone_alone) > 5);
    assert_true(called_off_everywhere(SAVED, clone_alone) > 10);
    assert_true(called_off_everywhere(RUNS, clone_alone) > 10);
}

/* The disk is full in the middle of a file. */
static void
a_disk_that_is_copied_half_is_removed(void **state)
{
    const struct rlimit small = {DISK_BYTES / 2, RLIM_INFINITY};
    const struct rlimit large = {RLIM_INFINITY, RLIM_INFINITY};
    _cleanup_free_ char *before = NULL, *after = NULL;
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    begin(RUNS);
    before = world_text();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(clone_alone(&e), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
    assert_non_null(strstr(err_msg(&e), "vm1.img cannot be copied"));
    after = world_text();
    assert_string_equal(after, before);
    world_end();
}

static void
what_is_in_the_way_stays(void **state)
{
    _cleanup_free_ char *before = NULL, *after = NULL;
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    begin(SAVED);
    put_file("data-vm2.raw", 7);
    before = world_text();
    assert_int_equal(clone_alone(&e), -EEXIST);
    assert_non_null(strstr(err_msg(&e), "data-vm2.raw"));
    after = world_text();
    assert_string_equal(after, before);
    world_end();
}

/* ---- what comes of it --------------------------------------------------------------- */

static void
a_clone_of_a_suspended_one_goes_on(void **state)
{
    _cleanup_free_ char *copy = NULL, *data = NULL, *after = NULL;
    json_t *answer = NULL;
    const char *xml;
    struct stat st;

    (void)state;
    begin(SAVED);
    assert_int_equal(clone_it(&answer, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "running");
    assert_int_equal(json_integer_value(json_object_get(answer, "paused_ms")), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 3);
    json_decref(answer);
    after = world_text();
    assert_string_equal(after, "domain vm1 saved\ndomain vm2 runs\nvgpu a suspended\n"
                               "vgpu b suspended\nvgpu vm2-1\nvgpu vm2-2\n"
                               "file cd.iso\nfile data-vm2.raw\nfile data.raw\n"
                               "file vm1.img\nfile vm1.save\nfile vm1_VARS.fd\n"
                               "file vm2.img\nfile vm2_VARS.fd\n");
    assert_string_equal(vgpu_of("vm2-1")->label, "a");
    copy = path_of("vm2.img");
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_size, DISK_BYTES);
    assert_int_equal(st.st_mode & 0777, 0640);
    xml = domain_of("vm2")->xml;
    assert_int_equal(world_count(xml, "/run/tessera/vm/vm2-1/port"), 16);
    assert_int_equal(world_count(xml, "\"ua-tessera-b\""), 1);
    assert_null(strstr(xml, "/vm1"));
    assert_null(strstr(xml, "00000000-0000-4000"));
    assert_null(strstr(xml, "52:54:00:aa:bb:cc"));
    assert_null(strstr(xml, "tap7"));
    world_end();
}

static void
a_clone_of_a_running_one_pauses_it(void **state)
{
    _cleanup_free_ char *after = NULL;

    (void)state;
    begin(RUNS);
    assert_int_equal(clone_alone(NULL), 0);
    after = world_text();
    assert_int_equal(world_count(after, " runs"), 2);
    assert_int_equal(world_count(after, "suspended"), 0);
    assert_null(strstr(after, ".save"));
    assert_null(strstr(after, ".vm2"));
    world_end();
}

static void
a_clone_of_one_that_is_off_is_off(void **state)
{
    _cleanup_free_ char *after = NULL;
    json_t *answer = NULL;

    (void)state;
    begin(OFF);
    assert_int_equal(clone_it(&answer, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "off");
    json_decref(answer);
    after = world_text();
    assert_non_null(strstr(after, "domain vm2\n"));
    assert_int_equal(world_count(after, " runs"), 0);
    world_end();
}

static void
a_folder_holds_all_of_it(void **state)
{
    _cleanup_free_ char *after = NULL, *back = NULL;

    (void)state;
    begin(RUNS);
    assert_int_equal(suspend_to(NULL), 0);
    after = world_text();
    assert_non_null(strstr(after, "domain vm1\nvgpu a suspended\nvgpu b suspended\n"));
    assert_non_null(strstr(after,
                           "file saved\nfile saved/a.tessera\nfile saved/b.tessera\n"
                           "file saved/domain.xml\nfile saved/memory\n"));
    forget(&world.domains[0]);
    assert_int_equal(resume_from(NULL), 0);
    back = world_text();
    assert_non_null(strstr(back, "domain vm1 runs\nvgpu a\nvgpu b\n"));
    assert_non_null(strstr(back, "file saved/memory\n"));
    world_end();
}

static void
folder_refused(const char *domain, const char *words)
{
    _cleanup_free_ char *folder = path_of("saved"), *before = world_text(), *after = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    char *name = NULL;

    assert_true(vm_resume_from(&vm, domain, folder, -1, &name, &e) < 0);
    if (!strstr(err_msg(&e), words))
        fail_msg("'%s' is not in '%s'", words, err_msg(&e));
    after = world_text();
    assert_string_equal(after, before);
}

static void
a_folder_that_does_not_fit_is_refused(void **state)
{
    struct host_domain *d = &world.domains[0];
    _cleanup_err_ struct err e = ERR_INIT;

    (void)state;
    begin(STORED);
    assert_int_equal(suspend_to(&e), -EINVAL);
    folder_refused("vm2", "holds the domain 'vm1'");
    d->runs = true;
    folder_refused(NULL, "runs already");
    assert_int_equal(suspend_to(&e), -EEXIST);
    d->runs = false;
    d->saved = true;
    folder_refused(NULL, "suspended again since");
    d->saved = false;
    vgpu_of("b")->suspended = false;
    folder_refused(NULL, "its vGPU 'b': it is not suspended");
    put_text("saved/domain.xml", "<domain><name>vm1</name></domain>");
    folder_refused(NULL, "memory is of another domain");
    put_text("saved/memory", "x");
    folder_refused(NULL, "no memory that libvirt saved");
    put_text("saved/domain.xml", "x");
    folder_refused(NULL, "XML");
    world_end();
}

static void
refused(const struct vm_clone *o, const char *words)
{
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answer = NULL;

    assert_true(vm_clone(&vm, o, &answer, &e) < 0);
    if (!strstr(err_msg(&e), words))
        fail_msg("'%s' is not in '%s'", words, err_msg(&e));
}

static void
names_that_are_taken_or_none_are_refused(void **state)
{
    static const char *const one[] = {"x"}, *const taken[] = {"x", "a"};
    struct vm_clone o = {.domain = "vm1", .name = "vm1", .cancel_fd = -1};

    (void)state;
    begin(RUNS);
    refused(&o, "'vm1' exists already");
    o.name = "VM 2";
    refused(&o, "'VM 2-1' cannot name a vGPU: --vgpu");
    o = (struct vm_clone){"vm1", "vm2", one, 1, -1, NULL, NULL};
    refused(&o, "2 vGPUs, and --vgpu names 1");
    o = (struct vm_clone){"vm1", "vm2", taken, 2, -1, NULL, NULL};
    refused(&o, "a vGPU 'a' exists already");
    o = (struct vm_clone){"vm7", "vm2", NULL, 0, -1, NULL, NULL};
    refused(&o, "no domain 'vm7'");
    world_end();
}

static void
what_cannot_be_there_twice_is_refused(void **state)
{
    static const struct {
        const char *device, *words;
    } rows[] = {
        {"<disk type='block' device='disk'><source dev='/dev/sdb'/><target "
         "dev='vdx'/></disk>",
         "its disk vdx is no file (type 'block')"},
        {"<hostdev mode='subsystem' type='usb'/>", "device of the host"},
        {"<interface type='hostdev'/>", "network device of the host"},
        {"<tpm model='tpm-tis'><backend type='emulator'/></tpm>", "a TPM"},
        {"<channel type='unix'><source mode='bind' path='/run/agent'/></channel>",
         "has /run/agent for itself"},
        {"<serial type='tcp'><source mode='bind' host='::' service='9'/></serial>",
         "listens at a port"},
    };
    const struct vm_clone o = {.domain = "vm1", .name = "vm2", .cancel_fd = -1};

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct host_domain *d = &world.domains[0];
        char *end, *xml;

        begin(RUNS);
        end = strstr(d->xml, "</devices>");
        assert_non_null(end);
        xml = str_printf("%.*s%s</devices></domain>", (int)(end - d->xml), d->xml,
                         rows[i].device);
        free(d->xml);
        d->xml = xml;
        refused(&o, rows[i].words);
        assert_true(d->runs && !vgpu_of("a")->suspended);
        world_end();
    }
}

/* Where libvirt has its files elsewhere, another one's may lie there. */
static void
memory_of_another_domain_is_refused(void **state)
{
    const struct vm_clone o = {.domain = "vm1", .name = "vm2", .cancel_fd = -1};
    _cleanup_free_ char *before = NULL, *after = NULL;
    struct host_domain *d = &world.domains[0];
    char *uuid;

    (void)state;
    begin(SAVED);
    uuid = strstr(d->xml, "00000000");
    assert_non_null(uuid);
    uuid[0] = '1';
    put_memory(d);
    uuid[0] = '0';
    before = world_text();
    refused(&o, "of another domain");
    drop_memory(d);
    refused(&o, "its saved memory");
    put_memory(d);
    after = world_text();
    assert_string_equal(after, before);
    world_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suspend_that_fails_leaves_all_as_before),
        cmocka_unit_test(a_resume_that_fails_leaves_all_as_before),
        cmocka_unit_test(a_folder_that_fails_leaves_all_as_before),
        cmocka_unit_test(a_folder_holds_all_of_it),
        cmocka_unit_test(a_folder_that_does_not_fit_is_refused),
        cmocka_unit_test(a_clone_that_fails_leaves_all_as_before),
        cmocka_unit_test(a_clone_that_is_called_off_leaves_all_as_before),
        cmocka_unit_test(a_disk_that_is_copied_half_is_removed),
        cmocka_unit_test(what_is_in_the_way_stays),
        cmocka_unit_test(a_clone_of_a_suspended_one_goes_on),
        cmocka_unit_test(a_clone_of_a_running_one_pauses_it),
        cmocka_unit_test(a_clone_of_one_that_is_off_is_off),
        cmocka_unit_test(names_that_are_taken_or_none_are_refused),
        cmocka_unit_test(what_cannot_be_there_twice_is_refused),
        cmocka_unit_test(memory_of_another_domain_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
