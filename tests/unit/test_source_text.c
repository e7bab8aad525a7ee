/* SPDX-License-Identifier: MIT */
#include "base/source_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The names found, each with a letter for its kind, between blanks. */
static const char *
names_in(const char *text)
{
    static char found[256];
    struct include_scan s;
    struct include_name n;
    size_t at = 0;

    found[0] = '\0';
    include_scan_init(&s, text, strlen(text));
    while (include_scan_next(&s, &n)) {
        found[at++] = "QAMD"[n.kind];
        memcpy(found + at, text + n.off, n.len);
        at += n.len;
        found[at++] = ' ';
        found[at] = '\0';
    }
    return found;
}

static void
every_form_of_include_is_found(void **state)
{
    (void)state;
    assert_string_equal(names_in("#include \"a.h\"\n"), "Qa.h ");
    assert_string_equal(names_in("  # \tinclude<b/c.h> // x\r\n"), "Ab/c.h ");
    assert_string_equal(names_in("/* x */ #include /* y */ \"d e.h\""), "Qd e.h ");
    assert_string_equal(names_in("#import <f.h>\n#include_next \"g.h\""), "Af.h Qg.h ");
    assert_string_equal(names_in("#include NAME\n"), "MNAME ");
    assert_string_equal(names_in("#define NAME \"h.h\"\n#define O <i.h>\n"),
                        "Dh.h Di.h ");
    assert_string_equal(
        names_in("#if __has_include(\"j.h\") || __has_include( <k.h> )\n#elif "
                 "__has_include(\"l.h\")\n"),
        "Qj.h Ak.h Ql.h ");
}

static void
what_is_no_include_is_left_alone(void **state)
{
    (void)state;
    assert_string_equal(names_in(""), "");
    assert_string_equal(names_in("int include;\nx = \"#include\";\n"), "");
    assert_string_equal(names_in("#includes \"a.h\"\n#pragma once\n#\n"), "");
    assert_string_equal(names_in("#include \"never ends\n#include \"\"\n"), "");
    assert_string_equal(names_in("#define X 3\n#if defined(Y)\n"), "");
}

/* The folders of -I, each between brackets, and the other options. */
static const char *
options_in(const char *options)
{
    static char found[256];
    struct build_option o;
    size_t at = 0, len = 0;

    found[0] = '\0';
    while (build_option_next(options, &at, &o)) {
        size_t off = o.is_include ? o.dir_off : o.off;
        size_t n = o.is_include ? o.dir_len : o.len;

        found[len++] = o.is_include ? '[' : '(';
        memcpy(found + len, options + off, n);
        len += n;
        found[len++] = o.is_include ? ']' : ')';
        found[len] = '\0';
    }
    return found;
}

static void
folders_of_includes_are_told_apart(void **state)
{
    (void)state;
    assert_string_equal(options_in(" -Ia  -I b\t-Dx=1 "), "[a][b](-Dx=1)");
    assert_string_equal(options_in("-I \"a b\" -I\"c d\" -w"), "[a b][c d](-w)");
    assert_string_equal(options_in("-DX=\"a b\" -I"), "(-DX=\"a b\")[]");
    assert_string_equal(options_in("-I \"open"), "[\"open]");
    assert_string_equal(options_in(""), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_include_is_found),
        cmocka_unit_test(what_is_no_include_is_left_alone),
        cmocka_unit_test(folders_of_includes_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
