/* SPDX-License-Identifier: MIT */
#include "link/limit.h"

#include "link/account.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct limit_row limit_rows[LIMIT_COUNT] = {
    [LIMIT_SESSIONS] = {"sessions", ACCOUNT_SLOTS, ACCOUNT_SLOTS, "sessions of a vGPU"},
    [LIMIT_PROCESS_SESSIONS] = {"process-sessions", 16, ACCOUNT_SLOTS,
                                "of them for one process"},
    [LIMIT_OBJECTS] = {"objects", 2u << 20, 64u << 20, "live objects of a vGPU"},
    [LIMIT_COMMANDS] = {"commands", 1u << 20, 64u << 20, "commands under way on a vGPU"},
    [LIMIT_PROGRAM_BYTES] = {"program-bytes", 1u << 30, UINT64_C(1) << 40,
                             "program text that a vGPU's sessions keep"},
    [LIMIT_INFLIGHT_BYTES] = {"inflight-bytes", 1u << 30, UINT64_C(1) << 40,
                              "bytes kept for a vGPU's commands and builds under way"},
    [LIMIT_PINNED_BYTES] = {"pinned-bytes", 0, UINT64_C(1) << 50,
                            "host memory that a vGPU's CUDA programs pin"},
};

static int
value_parse(const char *text, uint64_t max, uint64_t *ret)
{
    static const char units[] = "kmg";
    unsigned shift = 0;
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno || !isdigit((unsigned char)text[0]))
        return -EINVAL;
    if (*end) {
        const char *unit = strchr(units, tolower((unsigned char)*end));

        if (!unit || end[1])
            return -EINVAL;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (v == 0 || v > max >> shift)
        return -EINVAL;
    *ret = (uint64_t)v << shift;
    return 0;
}

int
limits_set(struct limits *l, const char *text)
{
    for (unsigned i = 0; i < LIMIT_COUNT; i++) {
        size_t n = strlen(limit_rows[i].name);

        if (strncmp(text, limit_rows[i].name, n) == 0 && text[n] == '=')
            return value_parse(text + n + 1, limit_rows[i].max, &l->value[i]);
    }
    return -EINVAL;
}
