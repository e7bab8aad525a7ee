/* SPDX-License-Identifier: MIT */
/* What tessera-guest has found: one finding for each thing that it looked at, in order. */
#ifndef TESSERA_GUEST_CHECK_REPORT_H
#define TESSERA_GUEST_CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#define REPORT_MAX 64

enum result { RESULT_OK, RESULT_FAILED, RESULT_SKIPPED };

struct finding {
    const char *check;
    enum result result;
    char *message;
    char *advice; /* what to do about it; NULL: nothing */
};

struct found_device {
    char *name;
    uint64_t memory_bytes;
};

struct report {
    const char *root;  /* what to look below; "" is the system itself */
    const char *way;   /* "process", "container" or "vm"; NULL: there is none */
    unsigned failures; /* findings that failed */
    unsigned n_findings, n_devices;
    struct finding findings[REPORT_MAX];
    struct found_device devices[REPORT_MAX];
};

void report_ok(struct report *r, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* advice may be NULL; it is kept as it is. */
void report_failed(struct report *r, const char *check, const char *advice,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

void report_skipped(struct report *r, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void report_device(struct report *r, const char *name, uint64_t memory_bytes);

/* Nothing failed, and a device is there unless nobody could be asked (a root of its own). */
bool report_has_vgpu(const struct report *r);

void report_print(const struct report *r);
void report_print_json(const struct report *r);

void report_fini(struct report *r);

/* "ROOT/path", malloc'ed. */
char *report_path(const struct report *r, const char *path);

#endif
