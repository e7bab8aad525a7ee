/* SPDX-License-Identifier: MIT */
/*
 * The live screen, by ncurses. Signals that end us are noted and end the loop, so that the
 * terminal is always given back as it was.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/top.h"
#include "cli/top_lines.h"

#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_NS UINT64_C(1000000)
#define FIRST_MS 300    /* the first interval, so that the screen fills soon */
#define KEY_WAIT_MS 200 /* how soon a signal is noticed */

enum colour { COLOUR_WORKING = 1, COLOUR_RUNNING, COLOUR_SHORT, COLOUR_GPU };

static volatile sig_atomic_t leave;

static void
leave_soon(int number)
{
    leave = number;
}

struct screen {
    struct top *top;
    struct sample sample;
    struct top_line *lines; /* one per row */
    size_t cap;
    uint64_t next_ns; /* when the next reading is due */
    unsigned skip;
    bool help, colours;
    char problem[200]; /* why there is no new reading */
};

static const char *const help[] = {
    "",
    " ASKED    what the policy promises the vGPU now",
    " GOT      its turns, with its commands on the device",
    " BUSY     device time, by the device's clock",
    " WAITING  time with commands that waited for a turn",
    " In the bar | is what was promised, = what it got.",
    "",
    " g a m w k n   sort by got, asked, memory, waiting, kernels, name",
    " + -           longer, shorter interval",
    " up down       scroll          space   read now",
    " h             this page       q       leave",
};

/* Drawing. */

static attr_t
colour_of(const struct screen *s, const struct top_line *line)
{
    const struct vgpu_rates *v = line->vgpu;

    if (line->kind == TOP_TITLE || line->kind == TOP_HEAD)
        return line->kind == TOP_TITLE ? A_BOLD : A_REVERSE;
    if (!s->colours || !v)
        return line->kind == TOP_GPU ? A_BOLD | COLOR_PAIR(s->colours ? COLOUR_GPU : 0)
                                     : A_NORMAL;
    /* Waits, and gets clearly less than it was promised. */
    if (v->waiting > 0.05 && v->got < v->asked - 0.05)
        return COLOR_PAIR(COLOUR_SHORT);
    if (strcmp(v->state, "working") == 0)
        return COLOR_PAIR(COLOUR_WORKING);
    return strcmp(v->state, "running") == 0 ? COLOR_PAIR(COLOUR_RUNNING) : A_NORMAL;
}

static void
draw_line(const struct screen *s, int y, const struct top_line *line)
{
    const attr_t a = colour_of(s, line);

    attron(a);
    if (line->kind == TOP_HEAD)
        mvhline(y, 0, ' ', COLS);
    mvaddstr(y, 0, line->text);
    attroff(a);
}

static void
draw_help(void)
{
    for (int i = 0; i < (int)(sizeof help / sizeof *help) && i + 1 < LINES; i++)
        mvaddnstr(i + 1, 0, help[i], COLS);
}

/* Room for as many lines as the screen has. */
static bool
make_room(struct screen *s)
{
    struct top_line *more;

    if (s->cap >= (size_t)LINES)
        return true;
    more = realloc(s->lines, (size_t)LINES * sizeof *more);
    if (!more)
        return false;
    s->lines = more;
    s->cap = (size_t)LINES;
    return true;
}

static void
draw(struct screen *s)
{
    const time_t now = time(NULL);
    char clock[16];
    struct tm tm;
    struct top_view view = {.width =
                                COLS < TOP_WIDTH_MAX ? (unsigned)COLS : TOP_WIDTH_MAX,
                            .height = (unsigned)LINES,
                            .clock = clock,
                            .delay_s = (double)s->top->delay_ns / 1e9,
                            .order = s->top->order,
                            .skip = s->skip};
    size_t n;

    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    erase();
    n = make_room(s) ? top_lines(&s->sample, &view, s->lines) : 0;
    for (size_t i = 0; i < (s->help && n > 1 ? 1 : n); i++)
        draw_line(s, (int)i, &s->lines[i]);
    if (s->help)
        draw_help();
    if (s->problem[0])
        mvaddnstr(LINES - 1, 0, s->problem, COLS);
    refresh();
}

/* Reading. */

static void
read_now(struct screen *s)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct sample fresh = {0};
    int rc = top_read(s->top, &fresh, &e);

    s->next_ns = now_ns() + s->top->delay_ns;
    if (rc == 0) {
        sample_fini(&s->sample);
        s->sample = fresh;
        s->problem[0] = '\0';
    } else if (rc != -EAGAIN) {
        snprintf(s->problem, sizeof s->problem, " no reading: %s", err_msg(&e));
    }
}

/* Keys. */

static void
sort_by(struct screen *s, enum sample_order order)
{
    s->top->order = order;
    sample_sort(&s->sample, order);
}

static bool
sort_key(struct screen *s, int key)
{
    static const struct {
        int key;
        enum sample_order order;
    } keys[] = {{'g', ORDER_GOT},     {'a', ORDER_ASKED},   {'m', ORDER_MEMORY},
                {'w', ORDER_WAITING}, {'k', ORDER_KERNELS}, {'n', ORDER_NAME}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].key == key) {
            sort_by(s, keys[i].order);
            return true;
        }
    }
    return false;
}

static void
set_delay(struct screen *s, uint64_t ns)
{
    s->top->delay_ns = ns < TOP_DELAY_MIN_NS   ? TOP_DELAY_MIN_NS
                       : ns > TOP_DELAY_MAX_NS ? TOP_DELAY_MAX_NS
                                               : ns;
    s->next_ns = now_ns() + s->top->delay_ns;
}

static void
scroll_by(struct screen *s, int by)
{
    const size_t length = top_length(&s->sample),
                 room = LINES > 3 ? (size_t)LINES - 3 : 1;
    const long last = length > room ? (long)(length - room) : 0;
    const long to = (long)s->skip + by;

    s->skip = (unsigned)(to < 0 ? 0 : to > last ? last : to);
}

/* false: the user wants to leave. */
static bool
take_key(struct screen *s, int key)
{
    if (sort_key(s, key))
        return true;
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'h':
    case '?':
        s->help = !s->help;
        break;
    case '+':
        set_delay(s, s->top->delay_ns * 2);
        break;
    case '-':
        set_delay(s, s->top->delay_ns / 2);
        break;
    case ' ':
        s->next_ns = 0;
        break;
    case KEY_UP:
    case KEY_DOWN:
        scroll_by(s, key == KEY_UP ? -1 : 1);
        break;
    case KEY_PPAGE:
    case KEY_NPAGE:
        scroll_by(s, key == KEY_PPAGE ? -(LINES - 3) : LINES - 3);
        break;
    case KEY_RESIZE:
        scroll_by(s, 0);
        break;
    }
    return true;
}

static int
wait_ms(const struct screen *s)
{
    const uint64_t now = now_ns();
    const uint64_t ms = s->next_ns > now ? (s->next_ns - now) / MS_NS + 1 : 0;

    return ms < KEY_WAIT_MS ? (int)ms : KEY_WAIT_MS;
}

static void
run(struct screen *s)
{
    for (;;) {
        int key;

        if (now_ns() >= s->next_ns)
            read_now(s);
        draw(s);
        timeout(wait_ms(s));
        key = getch();
        if (leave || (key != ERR && !take_key(s, key)))
            return;
    }
}

/* The terminal. */

static void
begin_colours(struct screen *s)
{
    s->colours = cli_colours() && has_colors();
    if (!s->colours)
        return;
    start_color();
    use_default_colors();
    init_pair(COLOUR_WORKING, COLOR_GREEN, -1);
    init_pair(COLOUR_RUNNING, COLOR_YELLOW, -1);
    init_pair(COLOUR_SHORT, COLOR_RED, -1);
    init_pair(COLOUR_GPU, COLOR_CYAN, -1);
}

static void
catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = leave_soon};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

int
top_live(struct top *t)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct screen s = {.top = t};
    SCREEN *terminal;
    int rc = top_read(t, &s.sample, &e); /* errors are said before the screen is taken */

    if (rc < 0)
        return cli_fail(t->client, &e, "top");
    client_forbid_start(t->client); /* who ended the manager did not mean us to undo it */
    sample_fini(&s.sample);         /* since the beginning of time: no rates of now */
    terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        fputs("tessera: top: this terminal (TERM) is not known: one interval, as with "
              "--once\n",
              stderr);
        return top_once(t, false);
    }
    catch_signals();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    begin_colours(&s);
    s.next_ns =
        now_ns() + (t->delay_ns < FIRST_MS * MS_NS ? t->delay_ns : FIRST_MS * MS_NS);
    run(&s);
    endwin();
    delscreen(terminal);
    sample_fini(&s.sample);
    free(s.lines);
    return leave ? 128 + leave : 0;
}
