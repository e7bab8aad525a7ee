/* SPDX-License-Identifier: MIT */
/* The screen of `tessera top` as lines of text, for any width. Pure: no terminal, no clock. */
#ifndef TESSERA_CLI_TOP_LINES_H
#define TESSERA_CLI_TOP_LINES_H

#include "cli/sample.h"

#define TOP_WIDTH_MAX 240

enum top_kind { TOP_TITLE, TOP_GPU, TOP_HEAD, TOP_VGPU, TOP_WORD, TOP_BLANK };

struct top_line {
    enum top_kind kind;
    const struct vgpu_rates *vgpu; /* of TOP_VGPU */
    char text[TOP_WIDTH_MAX + 1];
};

struct top_view {
    unsigned width, height; /* of the screen; lines past it are left out */
    const char *clock;      /* "13:05:07" */
    double delay_s;
    enum sample_order order;
    unsigned skip; /* lines below the title that were scrolled away */
};

/*
 * Fills at most view->height lines; returns how many. Columns that do not fit the width are left
 * out, the least important first.
 */
size_t top_lines(const struct sample *s, const struct top_view *view,
                 struct top_line *lines);

/* How many lines there are below the title. */
size_t top_length(const struct sample *s);

/* "-", "49.9 %"; "812", "12.3k"; also for the table of --once. */
#define TOP_CELL_BYTES 32
void top_share_words(double share, char *buf, size_t cap);
void top_rate_words(double rate, char *buf, size_t cap);

#endif
