/* SPDX-License-Identifier: MIT */
#include "base/io.h"
#include "base/log.h"
#include "worker/session.h"

#define LIMIT_LOG_NS UINT64_C(1000000000)

void
session_limit(struct session *s, enum limit which)
{
    const uint64_t now = now_ns();

    if (s->limit_told_ns[which] && now - s->limit_told_ns[which] < LIMIT_LOG_NS)
        return;
    s->limit_told_ns[which] = now;
    log_warning("the session has reached a limit: %s, %llu (tesserad --limit %s=N)",
                limit_rows[which].doc,
                (unsigned long long)limit_of(&s->options->limits, which),
                limit_rows[which].name);
}
