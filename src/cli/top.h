/* SPDX-License-Identifier: MIT */
/* The parts of `tessera top`: readings, the live screen, and one sample as a table. */
#ifndef TESSERA_CLI_TOP_H
#define TESSERA_CLI_TOP_H

#include "cli/cli.h"
#include "cli/sample.h"

#define TOP_DELAY_MIN_NS UINT64_C(100000000)
#define TOP_DELAY_MAX_NS UINT64_C(3600000000000)

struct top {
    struct client *client;
    uint64_t delay_ns;
    enum sample_order order;
    json_t *last; /* the latest reading, owned */
};

/*
 * Asks for a new reading; *ret covers the time since the last one, and is sorted. It is ended by
 * sample_fini(). -EAGAIN: too soon after the last.
 */
int top_read(struct top *t, struct sample *ret, struct err *e);

/* The screen, until the user leaves; returns the exit status. */
int top_live(struct top *t);

/* Two readings an interval apart as tables, or as JSON. */
int top_once(struct top *t, bool json);

#endif
