/* SPDX-License-Identifier: MIT */
/* What people write for the simulator: times, distributions, guests, traces. */
#include "policy/sim.h"
#include "policy/types.h"

#include <errno.h>
#include <string.h>

#define WORD_MAX 96
#define FRACTION_DIGITS 9

static const struct {
    const char *word;
    uint64_t ns;
} units[] = {
    {"ns", 1},         {"us", 1000},       {"ms", 1000000},
    {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits and a fraction, in billionths; *ret_end is what follows. -ERANGE: 2^63 or more. */
static int
parse_number(const char *text, unsigned __int128 *ret, const char **ret_end)
{
    unsigned __int128 v = 0;
    unsigned digits = 0;

    if (!is_digit(*text))
        return -EINVAL;
    for (; is_digit(*text); text++) {
        v = v * 10 + (unsigned)(*text - '0');
        if (v > INT64_MAX)
            return -ERANGE;
    }
    if (*text == '.' && !is_digit(*++text))
        return -EINVAL;
    for (; text[-1] != '\0' && is_digit(*text) && digits < FRACTION_DIGITS;
         text++, digits++)
        v = v * 10 + (unsigned)(*text - '0');
    if (is_digit(*text))
        return -EINVAL;
    for (; digits < FRACTION_DIGITS; digits++)
        v *= 10;
    *ret = v;
    *ret_end = text;
    return 0;
}

int
sim_parse_time(const char *text, uint64_t *ret_ns)
{
    unsigned __int128 v;
    const char *unit;
    int rc = parse_number(text, &v, &unit);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].word) != 0)
            continue;
        if (v / 1000000000 > SIM_TIME_MAX_NS / units[i].ns)
            return -ERANGE;
        *ret_ns = (uint64_t)(v * units[i].ns / 1000000000);
        return *ret_ns <= SIM_TIME_MAX_NS ? 0 : -ERANGE;
    }
    return -EINVAL;
}

/* Copies what is before `end`; false: it is too long. */
static bool
copy_word(char word[WORD_MAX], const char *text, const char *end)
{
    const size_t length = (size_t)(end - text);

    if (length >= WORD_MAX)
        return false;
    memcpy(word, text, length);
    word[length] = '\0';
    return true;
}

static int
parse_uniform(const char *text, struct sim_dist *d)
{
    const char *dash = strchr(text, '-');
    char least[WORD_MAX];

    d->shape = SIM_UNIFORM;
    if (!dash || !copy_word(least, text, dash) || sim_parse_time(least, &d->a_ns) < 0 ||
        sim_parse_time(dash + 1, &d->b_ns) < 0 || d->b_ns < d->a_ns)
        return -EINVAL;
    return 0;
}

int
sim_parse_dist(const char *text, struct sim_dist *ret)
{
    const char *colon = strchr(text, ':');
    struct sim_dist d = {.shape = SIM_CONSTANT};
    int rc;

    if (strncmp(text, "uniform:", 8) == 0) {
        rc = parse_uniform(colon + 1, &d);
    } else if (strncmp(text, "exp:", 4) == 0) {
        d.shape = SIM_EXPONENTIAL;
        rc = sim_parse_time(colon + 1, &d.a_ns);
    } else if (strncmp(text, "const:", 6) == 0) {
        rc = sim_parse_time(colon + 1, &d.a_ns);
    } else {
        rc = sim_parse_time(text, &d.a_ns);
    }
    if (rc == 0)
        *ret = d;
    return rc < 0 ? -EINVAL : 0;
}

int
sim_parse_share(const char *text, uint64_t *ret)
{
    unsigned __int128 v, of = 1000000000;
    const char *end;

    if (parse_number(text, &v, &end) < 0)
        return -EINVAL;
    if (*end == '/' && (parse_number(end + 1, &of, &end) < 0 || of == 0))
        return -EINVAL;
    if (*end == '%') {
        of *= 100;
        end++;
    }
    if (*end != '\0' || v == 0 || v > of)
        return -EINVAL;
    *ret = (uint64_t)(v * SCHED_SHARE_ONE / of);
    return *ret > 0 ? 0 : -EINVAL;
}

static int
parse_arrival(const char *text, struct sim_guest *g)
{
    if (strcmp(text, "busy") == 0) {
        g->arrival = SIM_BUSY;
        return 0;
    }
    if (strncmp(text, "closed:", 7) == 0) {
        g->arrival = SIM_CLOSED;
        return sim_parse_dist(text + 7, &g->gap);
    }
    if (strncmp(text, "open:", 5) == 0) {
        g->arrival = SIM_OPEN;
        return sim_parse_dist(text + 5, &g->gap);
    }
    return -EINVAL;
}

static int
set_name(const char *text, struct sim_guest *g)
{
    if (!vgpu_name_valid(text) || strlen(text) >= sizeof g->name)
        return -EINVAL;
    memcpy(g->name, text, strlen(text) + 1);
    return 0;
}

/* NULL: taken; else what a value of that key is. */
static const char *
set_key(const char *key, const char *value, struct sim_guest *g)
{
    if (strcmp(key, "name") == 0)
        return set_name(value, g) < 0 ? "a name of a vGPU" : NULL;
    if (strcmp(key, "share") == 0)
        return sim_parse_share(value, &g->share) < 0 ? "1/8, 0.125 or 12.5%" : NULL;
    if (strcmp(key, "kernel") == 0)
        return sim_parse_dist(value, &g->kernel) < 0
                   ? "500us, exp:500us or uniform:100us-2ms"
                   : NULL;
    if (strcmp(key, "arrival") == 0)
        return parse_arrival(value, g) < 0
                   ? "busy, closed:THINK or open:INTERVAL (times as for kernel)"
                   : NULL;
    if (strcmp(key, "start") == 0)
        return sim_parse_time(value, &g->start_ns) < 0 ? "a time, as 10s" : NULL;
    return "not known: name, share, kernel, arrival or start";
}

int
sim_parse_guest(const char *text, struct sim_guest *g, const char **ret_problem,
                char *ret_key)
{
    struct sim_guest parsed = *g;

    memcpy(ret_key, "it", sizeof "it");
    while (*text != '\0') {
        const char *end = strchrnul(text, ','), *equals = strchr(text, '=');
        char value[WORD_MAX];

        *ret_problem = "key=value,...";
        if (!equals || equals > end || equals - text >= 16 ||
            !copy_word(value, equals + 1, end))
            return -EINVAL;
        memcpy(ret_key, text, (size_t)(equals - text));
        ret_key[equals - text] = '\0';
        *ret_problem = set_key(ret_key, value, &parsed);
        if (*ret_problem)
            return -EINVAL;
        text = *end ? end + 1 : end;
    }
    *g = parsed;
    return 0;
}

static const char *
skip_blanks(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* The next word of a line; false: there is none, or it is too long. */
static bool
next_word(const char **line, char word[WORD_MAX])
{
    const char *begin = skip_blanks(*line), *end = begin + strcspn(begin, " \t\r\n");

    *line = end;
    return end > begin && copy_word(word, begin, end);
}

int
sim_parse_line(const char *line, char name[SIM_NAME_MAX], struct sim_command *ret,
               const char **ret_problem)
{
    char at[WORD_MAX], vgpu[WORD_MAX], length[WORD_MAX];
    struct sim_command c;

    line = skip_blanks(line);
    if (*line == '\0' || *line == '#')
        return 0;
    *ret_problem = "a line is TIME VGPU LENGTH: 12.5ms a 500us";
    if (!next_word(&line, at) || !next_word(&line, vgpu) || !next_word(&line, length) ||
        *skip_blanks(line) != '\0')
        return -EINVAL;
    *ret_problem = "the time is not one: 12.5ms";
    if (sim_parse_time(at, &c.at_ns) < 0)
        return -EINVAL;
    *ret_problem = "that is no name of a vGPU";
    if (!vgpu_name_valid(vgpu) || strlen(vgpu) >= SIM_NAME_MAX)
        return -EINVAL;
    *ret_problem = "the length is not a time: 500us";
    if (sim_parse_time(length, &c.length_ns) < 0)
        return -EINVAL;
    memcpy(name, vgpu, strlen(vgpu) + 1);
    *ret = c;
    return 1;
}
