/* SPDX-License-Identifier: MIT */
#include "guest/check/report.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const result_words[] = {
    [RESULT_OK] = "ok", [RESULT_FAILED] = "failed", [RESULT_SKIPPED] = "skipped"};

static void
add(struct report *r, const char *check, enum result result, const char *advice,
    const char *fmt, va_list args)
{
    struct finding *f = &r->findings[r->n_findings];

    r->failures += result == RESULT_FAILED;
    if (r->n_findings == REPORT_MAX)
        return;
    *f = (struct finding){.check = check, .result = result};
    if (vasprintf(&f->message, fmt, args) < 0)
        f->message = NULL;
    f->advice = advice ? strdup(advice) : NULL;
    r->n_findings++;
}

void
report_ok(struct report *r, const char *check, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(r, check, RESULT_OK, NULL, fmt, args);
    va_end(args);
}

void
report_failed(struct report *r, const char *check, const char *advice, const char *fmt,
              ...)
{
    va_list args;

    va_start(args, fmt);
    add(r, check, RESULT_FAILED, advice, fmt, args);
    va_end(args);
}

void
report_skipped(struct report *r, const char *check, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(r, check, RESULT_SKIPPED, NULL, fmt, args);
    va_end(args);
}

void
report_device(struct report *r, const char *name, uint64_t memory_bytes)
{
    if (r->n_devices < REPORT_MAX)
        r->devices[r->n_devices++] = (struct found_device){strdup(name), memory_bytes};
}

bool
report_has_vgpu(const struct report *r)
{
    return r->failures == 0 && (r->n_devices > 0 || r->root[0] != '\0');
}

void
report_fini(struct report *r)
{
    for (unsigned i = 0; i < r->n_findings; i++) {
        free(r->findings[i].message);
        free(r->findings[i].advice);
    }
    for (unsigned i = 0; i < r->n_devices; i++)
        free(r->devices[i].name);
    *r = (struct report){.root = r->root};
}

char *
report_path(const struct report *r, const char *path)
{
    return str_printf("%s%s", r->root, path);
}

/* ---- for people ---------------------------------------------------------------------- */

#define MIB (1024.0 * 1024)

static const char *
words(const char *s)
{
    return s ? s : "?";
}

void
report_print(const struct report *r)
{
    for (unsigned i = 0; i < r->n_findings; i++) {
        const struct finding *f = &r->findings[i];

        printf("%-8s %-8s %s\n", result_words[f->result], f->check, words(f->message));
        if (f->advice)
            printf("%-17s  -> %s\n", "", f->advice);
    }
    for (unsigned i = 0; i < r->n_devices; i++)
        printf("%-8s %-8s %s, %.0f MiB\n", "vGPU", "", words(r->devices[i].name),
               (double)r->devices[i].memory_bytes / MIB);
    if (r->failures > 0 && r->n_devices > 0)
        printf("There is a vGPU, but not all is in order.\n");
    else if (!report_has_vgpu(r))
        printf("There is no vGPU for programs here.\n");
}

/* ---- for programs -------------------------------------------------------------------- */

static void
print_string(const char *s)
{
    if (!s) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void
print_member(const char *key, const char *value)
{
    printf(", \"%s\": ", key);
    print_string(value);
}

void
report_print_json(const struct report *r)
{
    printf("{\"vgpu\": %s", report_has_vgpu(r) ? "true" : "false");
    print_member("version", TESSERA_VERSION);
    print_member("way", r->way);
    fputs(", \"checks\": [", stdout);
    for (unsigned i = 0; i < r->n_findings; i++) {
        const struct finding *f = &r->findings[i];

        printf("%s{\"check\": ", i ? ", " : "");
        print_string(f->check);
        print_member("result", result_words[f->result]);
        print_member("message", f->message);
        print_member("advice", f->advice);
        putchar('}');
    }
    fputs("], \"devices\": [", stdout);
    for (unsigned i = 0; i < r->n_devices; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        print_string(r->devices[i].name);
        printf(", \"memory_bytes\": %" PRIu64 "}", r->devices[i].memory_bytes);
    }
    puts("]}");
}
