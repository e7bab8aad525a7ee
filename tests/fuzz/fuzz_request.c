/* SPDX-License-Identifier: MIT */
/* The manager reads a control request's body. The first byte picks the method. */
#include "manager/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int
parse(unsigned method, const char *body, size_t len, struct err *e)
{
    struct request_create create;
    struct request_gpu gpu;
    struct request_shutdown shutdown;
    struct request_vm vm;
    struct request_moved moved;
    static struct request_operation operation;
    int rc;

    /* Above what seeds of the others begin with. */
    if (method >= 0xf0) {
        rc = request_parse_operation(body, len, &operation, e);
        if (rc == 0 && (operation.kind == OPERATION_CLONE) != (operation.name[0] != '\0'))
            abort();
        return rc;
    }
    if (method >= 0xe0) {
        rc = request_parse_moved(body, len, &moved, e);
        if (rc == 0 && moved.socket[0] != '/')
            abort();
        return rc;
    }
    switch (method % 4) {
    case 0:
        rc = request_parse_create(body, len, &create, e);
        if (rc == 0 && create.passthrough == (create.type[0] != '\0'))
            abort();
        return rc;
    case 1:
        rc = request_parse_gpu(body, len, &gpu, e);
        if (rc == 0 && request_gpu_is_empty(&gpu))
            abort();
        return rc;
    case 2:
        return request_parse_shutdown(body, len, &shutdown, e);
    default:
        rc = request_parse_vm(body, len, &vm, e);
        if (rc == 0 && !memchr(vm.domain, '\0', sizeof vm.domain))
            abort();
        return rc;
    }
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int rc;

    if (size == 0)
        return 0;
    rc = parse(data[0], (const char *)data + 1, size - 1, &e);
    if (rc > 0 || rc != e.code || (rc < 0 && !e.msg))
        abort();
    return 0;
}
