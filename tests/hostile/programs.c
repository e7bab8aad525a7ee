/* SPDX-License-Identifier: MIT */
#include "attacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUILDS 64
#define FILES_BYTES (1u << 20)
#define ANSWERED_TAG 1
#define DEPTH 300 /* of folders; 256 are the most */

enum { PROGRAM_ID = 10, KERNEL_ID = 11 };

static bool
source_send(struct guest *g, uint64_t program, const char *text)
{
    struct message *m = message_begin();

    message_u64(m, program);
    message_u64(m, CONTEXT_ID);
    message_blob(m, text, strlen(text));
    return guest_send(g, OP_clCreateProgramWithSource, 0, m->n, m->words);
}

static bool
build_send(struct guest *g, uint64_t program, uint64_t tag, const void *files, size_t len)
{
    struct message *m = message_begin();

    message_u64(m, program);
    message_u64(m, 1);
    message_u64(m, ROOT_DEVICE_ID);
    message_bytes(m, "", 1);
    if (len <= sizeof m->words / 2) {
        message_blob(m, files, len);
    } else {
        memcpy(g->c.heap + guest_room(g, len), files, len);
        message_u64(m, guest_room(g, len));
        message_u64(m, len);
    }
    message_u64(m, EXTENT_NONE);
    message_u64(m, 0);
    return guest_send(g, OP_clBuildProgram, tag, m->n, m->words);
}

static bool
link_send(struct guest *g, uint64_t program, uint64_t tag, const char *options)
{
    struct message *m = message_begin();

    message_u64(m, program);
    message_u64(m, CONTEXT_ID);
    message_u64(m, 1);
    message_u64(m, ROOT_DEVICE_ID);
    message_bytes(m, options, strlen(options) + 1);
    message_u64(m, 1);
    message_u64(m, PROGRAM_ID);
    message_u64(m, EXTENT_NONE);
    message_u64(m, 0);
    return guest_send(g, OP_clLinkProgram, tag, m->n, m->words);
}

/* The kernel f of a program. */
static bool
kernel_make(struct guest *g, const char *text)
{
    struct message *m;
    int64_t status;

    if (!source_send(g, PROGRAM_ID, text) ||
        !build_send(g, PROGRAM_ID, ANSWERED_TAG, "", 0) || !guest_reply(g, &status) ||
        status != 0)
        return false;
    m = message_begin();
    message_u64(m, KERNEL_ID);
    message_u64(m, PROGRAM_ID);
    message_bytes(m, "f", 2);
    return guest_send(g, OP_clCreateKernel, 0, m->n, m->words);
}

static bool
kernel_set(struct guest *g, uint64_t index, uint64_t value)
{
    struct message *m = message_begin();

    message_u64(m, KERNEL_ID);
    message_u64(m, index);
    message_u64(m, ARG_VALUE);
    message_u64(m, sizeof value);
    message_u64(m, 0);
    message_bytes(m, &value, sizeof value);
    return guest_send(g, OP_clSetKernelArg, 0, m->n, m->words);
}

static bool
kernel_run(struct guest *g, uint64_t items)
{
    return SEND(g, OP_clEnqueueNDRangeKernel, 0, QUEUE_ID, KERNEL_ID, 1, 0, 0, 0, 0,
                items, 0, 0, 0, 0, 0, 0, 0) &&
           SEND(g, OP_clFlush, 0, QUEUE_ID);
}

/* A number that a kernel takes for a pointer: on a software GPU it is one of the worker's. */
bool
nested_pointer(struct guest *g)
{
    return kernel_make(g, "struct inner { ulong at; };\n"
                          "kernel void f(struct inner s) {\n"
                          "    global ulong *p = (global ulong *)s.at;\n"
                          "    for (ulong i = 0; i < 1000; i++) p[i << 20] = i;\n"
                          "}\n") &&
           kernel_set(g, 0, 8) && kernel_run(g, 1);
}

/* ---- include files ----------------------------------------------------------------- */

static uint8_t files[FILES_BYTES];

/* A list of n files of no bytes, all of that path; returns its length. */
static size_t
files_of(const char *folder, uint64_t n, const char *path)
{
    struct enc e = {.p = files};

    enc_bytes(&e, folder, strlen(folder) + 1);
    enc_u64(&e, n);
    for (uint64_t i = 0; i < n; i++) {
        enc_bytes(&e, path, strlen(path) + 1);
        enc_bytes(&e, "", 0);
    }
    return (size_t)(e.p - files);
}

static bool
include(struct guest *g, size_t len)
{
    return source_send(g, PROGRAM_ID, "#include \"a.h\"\nkernel void f() {}\n") &&
           build_send(g, PROGRAM_ID, ANSWERED_TAG, files, len);
}

bool
include_relative(struct guest *g)
{
    return include(g, files_of("/", 1, "a.h"));
}

bool
include_many(struct guest *g)
{
    return include(g, files_of("/", 4097, "/a.h"));
}

bool
include_deep(struct guest *g)
{
    static char path[2 * DEPTH + 1];

    for (unsigned i = 0; i < DEPTH; i++)
        memcpy(path + 2ul * i, "/d", 2);
    return include(g, files_of("/", 1, path));
}

bool
include_truncated(struct guest *g)
{
    return include(g, files_of("/", 3, "/a.h") - 8);
}

/* Names that lead up lie below the build's folder all the same. */
bool
include_upwards(struct guest *g)
{
    int64_t status;

    return include(g,
                   files_of("/x", 1, "/x/../../../../../../../../tmp/tessera-escaped")) &&
           guest_reply(g, &status) && access("/tmp/tessera-escaped", F_OK) < 0 &&
           still_answers(g);
}

/* ---- floods ------------------------------------------------------------------------ */

/* All at once; and the programs are released while they are built. */
bool
build_flood(struct guest *g)
{
    char text[64];
    int64_t status;

    for (uint64_t i = 0; i < BUILDS; i++) {
        snprintf(text, sizeof text, "kernel void f%u() {}\n", (unsigned)(i % 2));
        if (!source_send(g, PROGRAM_ID + i, text) ||
            !build_send(g, PROGRAM_ID + i, i + 1, "", 0))
            return false;
    }
    for (uint64_t i = 0; i < BUILDS; i++)
        SEND(g, OP_tessera_release, 0, PROGRAM_ID + i);
    for (unsigned i = 0; i < BUILDS; i++) {
        if (!guest_reply(g, &status))
            return false;
    }
    return still_answers(g);
}

/* The statuses of a link with options of 8 KiB, and of one without any. */
bool
large_link(struct guest *g)
{
    static char options[8 << 10];

    memset(options, ' ', sizeof options - 1);
    if (!source_send(g, PROGRAM_ID, "kernel void f() {}\n"))
        return false;
    for (uint64_t i = 1; i <= 2; i++) {
        int64_t status;

        if (!link_send(g, PROGRAM_ID + i, ANSWERED_TAG, i == 1 ? options : "") ||
            !guest_reply(g, &status))
            return false;
        printf("status %lld\n", (long long)status);
    }
    return still_answers(g);
}

/* 100 MiB of text, which nobody reads, and then the guest is gone. */
bool
print_flood(struct guest *g)
{
    if (!kernel_make(g, "kernel void f() {\n"
                        "    for (int i = 0; i < 100 << 20; i += 32)\n"
                        "        printf(\"%031d\\n\", i);\n"
                        "}\n") ||
        !kernel_run(g, 1))
        return false;
    sleep(1);
    return !guest_is_ended(g->c.fd, 0);
}
