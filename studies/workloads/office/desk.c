/* SPDX-License-Identifier: MIT */
#include "office/desk.h"

#include "office/compress.h"
#include "office/search.h"

enum { TEXT_BYTES = 512 << 10 };

static int
run_sheet_sort(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
               struct failure *why)
{
    return sheet_sort(&desk->sheet, rng, ret_answer, why);
}

static int
run_sheet_sum(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
              struct failure *why)
{
    (void)rng;
    return sheet_sum(&desk->sheet, ret_answer, why);
}

static int
run_sheet_formula(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
                  struct failure *why)
{
    return sheet_formula(&desk->sheet, rng, ret_answer, why);
}

static int
run_sheet_update(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
                 struct failure *why)
{
    return sheet_update(&desk->sheet, rng, ret_answer, why);
}

static int
run_search(struct desk *desk, struct rng *rng, uint64_t *ret_answer, struct failure *why)
{
    return search_run(&desk->text, rng, ret_answer, why);
}

static int
run_compress(struct desk *desk, struct rng *rng, uint64_t *ret_answer,
             struct failure *why)
{
    (void)rng;
    return compress_run(&desk->letter, "letter.txt.gz", ret_answer, why);
}

static int
run_edit(struct desk *desk, struct rng *rng, uint64_t *ret_answer, struct failure *why)
{
    return document_edit(&desk->letter, rng, ret_answer, why);
}

static int
run_scroll(struct desk *desk, struct rng *rng, uint64_t *ret_answer, struct failure *why)
{
    return picture_scroll(&desk->page, rng, ret_answer, why);
}

/* The mix of an office: mostly writing and reading, now and then figures. */
const struct operation operations[OPERATIONS] = {
    {"sheet-sort", 1, run_sheet_sort},
    {"sheet-sum", 1, run_sheet_sum},
    {"sheet-formula", 1, run_sheet_formula},
    {"sheet-update", 2, run_sheet_update},
    {"search", 2, run_search},
    {"compress", 1, run_compress},
    {"edit", 3, run_edit},
    {"scroll", 3, run_scroll},
};

int
desk_init(struct desk *desk, uint64_t seed, const char *text_file, struct failure *why)
{
    struct rng rng = {.state = seed};
    int r;

    desk->page = (struct picture){0};
    r = sheet_make(&desk->sheet, "sheet.db", &rng, why);
    if (r == 0)
        r = document_make(&desk->letter, "letter.txt", DOCUMENT_BYTES, &rng, why);
    if (r == 0)
        r = text_file ? document_open(&desk->text, text_file, why)
                      : document_make(&desk->text, "text.txt", TEXT_BYTES, &rng, why);
    if (r == 0)
        r = picture_init(&desk->page, &rng, why);
    return r;
}

void
desk_fini(struct desk *desk)
{
    picture_fini(&desk->page);
}
