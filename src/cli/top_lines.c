/* SPDX-License-Identifier: MIT */
#include "cli/top_lines.h"

#include "cli/duration.h"
#include "policy/types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BAR_CELLS 12

void
top_share_words(double share, char *buf, size_t cap)
{
    if (isnan(share))
        snprintf(buf, cap, "-");
    else
        snprintf(buf, cap, "%.1f %%", share * 100);
}

void
top_rate_words(double rate, char *buf, size_t cap)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    unsigned i = 0;

    for (; i < 4 && rate >= 9999.5; i++)
        rate /= 1000;
    snprintf(buf, cap, i > 0 || (rate > 0 && rate < 10) ? "%.1f%s" : "%.0f%s", rate,
             units[i]);
}

/* Cells. */

static void
name_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s", v->name);
}

static void
type_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s", v->type);
}

static void
state_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s", v->state);
}

static void
asked_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_share_words(v->asked, buf, cap);
}

static void
got_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_share_words(v->got, buf, cap);
}

/* What it got as a bar, with a mark at what it was promised: "=====|......". */
static void
bar_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    const int got = (int)lround(v->got * BAR_CELLS);
    const int asked = isnan(v->asked) ? 0 : (int)lround(v->asked * BAR_CELLS);
    int i = 0;

    for (; i < BAR_CELLS && i + 1 < (int)cap; i++)
        buf[i] = (char)(i + 1 == asked ? '|' : i < got ? '=' : '.');
    buf[i] = '\0';
}

static void
busy_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_share_words(v->busy, buf, cap);
}

static void
memory_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    char used[SIZE_TEXT_BYTES], all[SIZE_TEXT_BYTES];

    size_format(v->used_bytes, used, sizeof used);
    size_format(v->framebuffer_bytes, all, sizeof all);
    snprintf(buf, cap, "%s/%s", used, all);
}

static void
waiting_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_share_words(v->waiting, buf, cap);
}

static void
kernels_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_rate_words(v->kernels, buf, cap);
}

static void
copied_cell(const struct vgpu_rates *v, char *buf, size_t cap)
{
    top_rate_words(v->copied_bytes, buf, cap);
}

static const struct column {
    const char *title;
    unsigned width;
    bool right;
    unsigned rank; /* the highest goes first where there is no room */
    void (*cell)(const struct vgpu_rates *v, char *buf, size_t cap);
} columns[] = {
    {"VGPU", 16, false, 0, name_cell},
    {"TYPE", 14, false, 6, type_cell},
    {"STATE", 9, false, 2, state_cell},
    {"ASKED", 7, true, 3, asked_cell},
    {"GOT", 7, true, 1, got_cell},
    {"", BAR_CELLS, false, 7, bar_cell},
    {"BUSY", 7, true, 8, busy_cell},
    {"MEMORY", 17, true, 5, memory_cell},
    {"WAITING", 7, true, 4, waiting_cell},
    {"KERNELS/S", 9, true, 4, kernels_cell},
    {"COPIED B/S", 10, true, 9, copied_cell},
};

#define COLUMNS (sizeof columns / sizeof *columns)
#define INDENT 1

/* The highest rank that still fits the width. */
static unsigned
fitting_rank(unsigned width)
{
    unsigned rank = 9, needed;

    do {
        needed = INDENT;
        for (size_t i = 0; i < COLUMNS; i++)
            needed += columns[i].rank <= rank ? columns[i].width + 1 : 0;
        if (needed - 1 <= width)
            return rank;
    } while (rank-- > 1);
    return 0;
}

/* Adds one cell; what is too long loses its end. */
static size_t
put_cell(const struct column *c, const char *cell, char *text, size_t at)
{
    const size_t len = strlen(cell);
    const unsigned pad = len < c->width ? (unsigned)(c->width - len) : 0;

    at += (size_t)sprintf(text + at, "%*s%.*s", c->right ? (int)pad : 0, "",
                          (int)c->width, cell);
    if (len > c->width)
        text[at - 1] = '~';
    return at + (size_t)sprintf(text + at, "%*s ", c->right ? 0 : (int)pad, "");
}

/* A row of cells, or the titles where v is NULL. */
static void
put_row(const struct vgpu_rates *v, unsigned width, char *text)
{
    const unsigned rank = fitting_rank(width);
    size_t at = (size_t)sprintf(text, "%*s", INDENT, "");

    for (size_t i = 0; i < COLUMNS; i++) {
        char cell[2 * SIZE_TEXT_BYTES + 64];

        if (columns[i].rank > rank)
            continue;
        if (v)
            columns[i].cell(v, cell, sizeof cell);
        at = put_cell(&columns[i], v ? cell : columns[i].title, text, at);
    }
    while (at > 0 && text[at - 1] == ' ')
        text[--at] = '\0';
}

/* Lines. */

static void
put_title(const struct top_view *view, char *text, size_t cap)
{
    snprintf(text, cap, "tessera top  %s  every %.3g s  sorted by %s  (h: help, q: quit)",
             view->clock, view->delay_s, sample_order_word(view->order));
}

static void
put_gpu(const struct gpu_rates *g, char *text, size_t cap)
{
    char size[SIZE_TEXT_BYTES], slice[DURATION_TEXT_BYTES];

    size_format(g->memory_bytes, size, sizeof size);
    duration_format(g->slice_us * 1000, slice, sizeof slice);
    snprintf(
        text, cap,
        "%s  %s, %s  %s, %s  used %.1f %%  idle %.1f %%  %.0f turns/s  arbiter %.2f %%",
        g->name, g->model, size, g->policy, slice, g->used * 100, g->idle * 100, g->turns,
        g->arbiter_cpu * 100);
}

/* Where the lines go: those scrolled away and those past the end are not kept. */
struct page {
    const struct top_view *view;
    struct top_line *lines, spare;
    size_t n, skip;
};

static struct top_line *
page_line(struct page *p, enum top_kind kind)
{
    struct top_line *line = &p->spare;

    if (p->skip > 0)
        p->skip--;
    else if (p->n < p->view->height)
        line = &p->lines[p->n++];
    *line = (struct top_line){.kind = kind};
    return line;
}

static void
put_gpu_lines(struct page *p, const struct gpu_rates *g)
{
    struct top_line *line = page_line(p, TOP_GPU);

    put_gpu(g, line->text, sizeof line->text);
    if (g->nvgpus == 0) {
        line = page_line(p, TOP_WORD);
        snprintf(line->text, sizeof line->text, " no vGPUs");
    } else {
        put_row(NULL, p->view->width, page_line(p, TOP_HEAD)->text);
    }
    for (size_t i = 0; i < g->nvgpus; i++) {
        line = page_line(p, TOP_VGPU);
        line->vgpu = &g->vgpus[i];
        put_row(&g->vgpus[i], p->view->width, line->text);
    }
    page_line(p, TOP_BLANK);
}

size_t
top_length(const struct sample *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->ngpus; i++)
        n += 3 + s->gpus[i].nvgpus;
    return n;
}

size_t
top_lines(const struct sample *s, const struct top_view *view, struct top_line *lines)
{
    struct page p = {.view = view, .lines = lines};
    struct top_line *line = page_line(&p, TOP_TITLE);

    put_title(view, line->text, sizeof line->text);
    page_line(&p, TOP_BLANK);
    p.skip = view->skip;
    for (size_t i = 0; i < s->ngpus; i++)
        put_gpu_lines(&p, &s->gpus[i]);
    for (size_t i = 0; i < p.n; i++) {
        if (view->width < TOP_WIDTH_MAX)
            p.lines[i].text[view->width] = '\0';
    }
    return p.n;
}
