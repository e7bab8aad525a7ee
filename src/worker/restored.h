/* SPDX-License-Identifier: MIT */
/* What a restored session keeps until its guest is there. */
#ifndef TESSERA_WORKER_RESTORED_H
#define TESSERA_WORKER_RESTORED_H

#include "worker/restore.h"

struct restored_question {
    struct event_question q; /* its events are counted, the array owned */
};

struct restored_ask {
    uint64_t tag, bytes;
};

struct restored {
    struct restored_question *questions; /* owned */
    struct restored_ask *asks;           /* owned */
    size_t n_questions, cap_questions, n_asks, cap_asks;
};

/* Copies it. 0 or -ENOMEM. */
int restored_keep_question(struct session *s, const struct event_question *q);
int restored_keep_ask(struct session *s, uint64_t tag, uint64_t bytes);

#endif
