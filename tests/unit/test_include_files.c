/* SPDX-License-Identifier: MIT */
/* The guest finds and lists files; the worker's folder has them, and nothing else. */
#include "base/io.h"
#include "base/source_text.h"
#include "guest/opencl/include_files.h"
#include "wire/codec.h"
#include "worker/include_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tessera-test-XXXXXX";

static void
put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int
enter_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("inc", 0700) < 0 ||
        mkdir("inc/sub", 0700) < 0 || mkdir("a b", 0700) < 0 || mkdir("tmp", 0700) < 0)
        return -1;
    put("inc/one.h", "#include \"sub/two.h\"\n");
    put("inc/sub/two.h", "#include \"../one.h\"\n#include \"../../here.h\"\n");
    put("here.h", "1\n");
    put("a b/blank.h", "2\n");
    return 0;
}

static int
leave_folder(void **state)
{
    char *command = str_printf("rm -r %s", folder);
    int rc = command ? system(command) : -1;

    (void)state;
    free(command);
    return rc;
}

static uint8_t *
collect(const char *options, const char *text, size_t *ret_len, int want)
{
    const struct include_source source = {text, strlen(text)};
    const struct include_query q = {
        .options = options, .sources = &source, .n_sources = 1};
    uint8_t *bytes;

    assert_int_equal(include_files_collect(&q, &bytes, ret_len), want);
    return bytes;
}

/* Is that path (below the folder) in the list? */
static bool
listed(const uint8_t *bytes, size_t len, const char *path)
{
    char *want = str_printf("%s/%s", folder, path);
    bool found = false;
    struct dec d;
    uint64_t n, size;

    dec_init(&d, bytes, len);
    assert_string_equal(dec_string(&d, "folder"), folder);
    n = dec_u64(&d, "count");
    for (uint64_t i = 0; i < n; i++) {
        if (strcmp(dec_string(&d, "path"), want) == 0)
            found = true;
        dec_bytes(&d, "content", &size);
    }
    dec_end(&d);
    assert_null(d.bad);
    free(want);
    return found;
}

static void
files_are_found_through_each_other(void **state)
{
    size_t len;
    uint8_t *bytes =
        collect("-I inc", "#include \"one.h\"\n#include \"gone.h\"\n", &len, 0);

    (void)state;
    assert_true(listed(bytes, len, "inc/one.h"));
    assert_true(listed(bytes, len, "inc/sub/two.h"));
    assert_true(listed(bytes, len, "here.h"));
    assert_false(listed(bytes, len, "inc/gone.h"));
    assert_null(include_files_check(bytes, len));
    free(bytes);
}

static void
no_include_is_no_list(void **state)
{
    size_t len;
    uint8_t *bytes = collect("-I inc -DX=\"here.h\"", "kernel void k() {}\n", &len, 0);

    (void)state;
    assert_int_equal(len, 0);
    free(bytes);
}

static void
names_behind_macros_are_found(void **state)
{
    size_t len;
    uint8_t *bytes = collect("-I inc -DX=\"here.h\"", "#include X\n", &len, 0);

    (void)state;
    assert_true(listed(bytes, len, "here.h"));
    free(bytes);
}

static void
too_much_is_refused(void **state)
{
    size_t len;

    (void)state;
    put("huge.h", "");
    assert_int_equal(truncate("huge.h", INCLUDE_BYTES_MAX + 1l), 0);
    free(collect("", "#include \"huge.h\"\n", &len, -E2BIG));
}

/* What the worker's folder has under a name that an option gives. */
static void
tree_has(const struct include_tree *t, const char *name, const char *want)
{
    char *path = str_printf("%s/%s", t->words.private_dir, name), *text = NULL;
    size_t len;

    assert_int_equal(read_file(path, 4096, &text, &len), 0);
    assert_string_equal(text, want);
    free(text);
    free(path);
}

static void
the_workers_folder_has_them_under_the_options_names(void **state)
{
    struct include_tree t;
    char *options, *top;
    size_t len;
    uint8_t *bytes = collect("-DA -I \"a b\" -Iinc",
                             "#include <one.h>\n#include \"blank.h\"", &len, 0);

    (void)state;
    assert_int_equal(include_tree_make(&t, bytes, len, "-DA -I \"a b\" -Iinc", &options),
                     0);
    assert_int_equal(strncmp(options, "-DA -I /", 8), 0);
    assert_null(strstr(options, "a b"));
    tree_has(&t, "i0/blank.h", "2\n");
    tree_has(&t, "i1/sub/two.h", "#include \"../one.h\"\n#include \"../../here.h\"\n");
    tree_has(&t, "i1/sub/../../here.h", "1\n");
    tree_has(&t, "cwd/here.h", "1\n");
    top = strdup(t.top);
    include_tree_remove(&t);
    assert_int_equal(access(top, F_OK), -1);
    free(top);
    free(options);
    free(bytes);
}

/* The first test that makes a tree: what a dead worker left goes, what a living one has stays. */
static void
what_a_dead_worker_left_is_removed(void **state)
{
    char *tmp = str_printf("%s/tmp", folder);
    char *dead = str_printf("%s/tessera-build-2147483646-abcdef", tmp);
    char *alive = str_printf("%s/tessera-build-%d-abcdef", tmp, (int)getppid());
    struct include_tree t;
    char *options;
    size_t len;
    uint8_t *bytes = collect("", "#include \"here.h\"\n", &len, 0);

    (void)state;
    setenv("TMPDIR", tmp, 1);
    assert_int_equal(mkdir(dead, 0700), 0);
    assert_int_equal(mkdir(alive, 0700), 0);
    assert_int_equal(include_tree_make(&t, bytes, len, "", &options), 0);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(alive, F_OK), 0);
    include_tree_remove(&t);
    free(options);
    free(bytes);
    free(dead);
    free(alive);
    free(tmp);
}

/* Else a driver that has the program in its cache would not know it again. */
static void
in_a_folder_of_our_own_a_build_has_the_same_options_each_time(void **state)
{
    struct include_tree t, other;
    char *first, *second, *third, *tmp = str_printf("%s/tmp", folder);
    size_t len;
    uint8_t *bytes = collect("-Iinc", "#include <one.h>\n", &len, 0);

    (void)state;
    setenv("TMPDIR", folder, 1);
    assert_int_equal(include_tree_make(&t, bytes, len, "-Iinc", &first), 0);
    tree_has(&t, "i0/sub/two.h", "#include \"../one.h\"\n#include \"../../here.h\"\n");
    assert_int_equal(include_tree_make(&other, bytes, len, "-Iinc", &second), 0);
    assert_string_not_equal(first, second);
    include_tree_remove(&t);
    assert_int_equal(include_tree_make(&t, bytes, len, "-Iinc", &third), 0);
    assert_string_equal(first, third);
    assert_null(strstr(first, folder));
    include_tree_remove(&t);
    include_tree_remove(&other);
    setenv("TMPDIR", tmp, 1);
    free(first);
    free(second);
    free(third);
    free(bytes);
    free(tmp);
}

static void
logs_speak_of_the_guests_folders(void **state)
{
    char *given[] = {"inc"};
    struct include_words w = {.private_dir = "/tmp/x", .given = given, .n_given = 1};
    char *log = include_words_apply(&w, "/tmp/x/i0/a.h:1 /tmp/x/cwd/b.h /tmp/x/i7/c.h "
                                        "/tmp/x/tessera.guest/d/e.h <tessera.guest/f.h>");

    (void)state;
    assert_string_equal(log, "inc/a.h:1 ./b.h /tmp/x/i7/c.h /d/e.h </f.h>");
    free(log);
}

static size_t
list_one(uint64_t *buf, const char *cwd, const char *path)
{
    struct enc e = {(uint8_t *)buf};

    enc_bytes(&e, cwd, strlen(cwd) + 1);
    enc_u64(&e, 1);
    enc_bytes(&e, path, strlen(path) + 1);
    enc_bytes(&e, "x", 1);
    return (size_t)(e.p - (uint8_t *)buf);
}

static void
paths_that_lead_out_stay_inside(void **state)
{
    struct include_tree t;
    uint64_t buf[64];
    char *options;
    size_t len = list_one(buf, "/../../cwd", "/a/../../../../../../b/./c.h");

    (void)state;
    assert_null(include_files_check((uint8_t *)buf, len));
    assert_int_equal(
        include_tree_make(&t, (uint8_t *)buf, len, "-I /../../../..", &options), 0);
    tree_has(&t, "tessera.guest/b/c.h", "x");
    tree_has(&t, "i0/b/c.h", "x");
    include_tree_remove(&t);
    free(options);
}

static void
lists_that_no_guest_sends_are_refused(void **state)
{
    uint64_t buf[64], deep_buf[256];
    size_t len = list_one(buf, "/", "/a.h");
    char deep[601];

    (void)state;
    for (size_t i = 0; i < 600; i++)
        deep[i] = i % 2 ? 'd' : '/';
    deep[600] = '\0';
    assert_null(include_files_check((uint8_t *)buf, len));
    for (size_t cut = 8; cut < len; cut += 8)
        assert_non_null(include_files_check((uint8_t *)buf, cut));
    assert_non_null(include_files_check((uint8_t *)buf, list_one(buf, "cwd", "/a.h")));
    assert_non_null(include_files_check((uint8_t *)buf, list_one(buf, "/", "a.h")));
    assert_non_null(
        include_files_check((uint8_t *)deep_buf, list_one(deep_buf, "/", deep)));
}

/* rewrite(text) */
static void
becomes(const char *text, bool is_main, const char *want)
{
    size_t len;
    char *got = include_rewrite(text, strlen(text), is_main, &len);

    assert_non_null(got);
    assert_string_equal(got, want);
    assert_int_equal(len, strlen(want));
    free(got);
}

static void
names_of_the_hosts_files_become_the_guests(void **state)
{
    (void)state;
    becomes("#include \"a.h\"\n", true, "#include \"a.h\"\n");
    becomes("#include \"/etc/passwd\"\nx", false,
            "#include <tessera.guest/etc/passwd>\nx");
    becomes("#include \"../a.h\"\n", true, "#include <../a.h>\n");
    becomes("#include \"../a.h\"\n", false, "#include \"../a.h\"\n");
    becomes("#define F \"/a\"\n", true, "#define F \"/a\"\n");
    becomes("#define F \"/a\"\n#include F\n", true,
            "#define F <tessera.guest/a>\n#include F\n");
    becomes("#include "
            "\"../../../../../../../../../../../../../../../../../../etc/passwd\"\n",
            false,
            "#include <tessera.guest/"
            "../../../../../../../../../../../../../../../../../../etc/passwd>\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_dead_worker_left_is_removed),
        cmocka_unit_test(in_a_folder_of_our_own_a_build_has_the_same_options_each_time),
        cmocka_unit_test(files_are_found_through_each_other),
        cmocka_unit_test(no_include_is_no_list),
        cmocka_unit_test(names_behind_macros_are_found),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(the_workers_folder_has_them_under_the_options_names),
        cmocka_unit_test(logs_speak_of_the_guests_folders),
        cmocka_unit_test(paths_that_lead_out_stay_inside),
        cmocka_unit_test(lists_that_no_guest_sends_are_refused),
        cmocka_unit_test(names_of_the_hosts_files_become_the_guests),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
