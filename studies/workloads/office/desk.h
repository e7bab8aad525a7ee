/* SPDX-License-Identifier: MIT */
/* desk.h - a worker's files, and what can be done with them. */
#ifndef OFFICE_DESK_H
#define OFFICE_DESK_H

#include <stdint.h>

#include "common/failure.h"
#include "common/rng.h"
#include "office/document.h"
#include "office/picture.h"
#include "office/sheet.h"

struct desk {
    struct sheet sheet;
    struct document letter; /* edited and compressed */
    struct document text;   /* searched */
    struct picture page;
};

/*
 * A kind of operation. It draws from rng what it works on, and checks its answer, which
 * depends on nothing but the seed and the operations before.
 */
struct operation {
    const char *name;
    unsigned weight; /* how often, beside the others */
    int (*run)(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
               struct failure *why);
};

enum { OPERATIONS = 8 };

extern const struct operation operations[OPERATIONS];

/*
 * Makes all files in the current folder. The text to search is that of the file, or a
 * new one for NULL. Always to be followed by desk_fini.
 */
int desk_init(struct desk *desk, uint64_t seed, const char *text_file,
              struct failure *why);
void desk_fini(struct desk *desk);

#endif
