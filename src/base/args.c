/* SPDX-License-Identifier: MIT */
#include "base/args.h"

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_KEY 256 /* past all characters: for options without a letter */

struct parse {
    const struct args_usage *usage;
    void *values;
};

static void
set_output(struct args *a, const char *format, struct argp_state *state)
{
    if (strcmp(format, "json") != 0 && strcmp(format, "table") != 0)
        argp_error(state, "-o '%s': table or json", format);
    a->json = strcmp(format, "json") == 0;
}

static int
key_of(const struct args_usage *u, unsigned i)
{
    return u->letters && i < strlen(u->letters) ? u->letters[i] : FIRST_KEY + (int)i;
}

static void
add_to_list(struct args_list *l, const char *option, const char *arg,
            struct argp_state *state)
{
    if (l->n == ARGS_MAX_LIST)
        argp_error(state, "--%s: at most %d times", option, ARGS_MAX_LIST);
    else
        l->items[l->n++] = arg;
}

/* Is it one of the command's own? Then it is taken. */
static bool
set_option(int key, const char *arg, struct argp_state *state)
{
    const struct parse *p = state->input;
    const struct args_option *options = p->usage->options;

    for (unsigned i = 0; i < ARGS_MAX_OPTIONS && options[i].name; i++) {
        char *at = (char *)p->values + options[i].offset;

        if (key_of(p->usage, i) != key)
            continue;
        if (options[i].arg && strstr(options[i].arg, "..."))
            add_to_list((struct args_list *)(void *)at, options[i].name, arg, state);
        else if (options[i].arg)
            *(const char **)(void *)at = arg;
        else
            *(bool *)(void *)at = true;
        return true;
    }
    return false;
}

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    const struct parse *p = state->input;
    struct args *a = p->values;

    if (key == 'o') {
        set_output(a, arg, state);
    } else if (key == ARGP_KEY_ARGS) {
        a->words = state->argv + state->next;
        a->nwords = (unsigned)(state->argc - state->next);
    } else if (key == ARGP_KEY_END) {
        if (a->nwords < p->usage->min_words)
            argp_error(state, "%s is missing", p->usage->words);
        if (a->nwords > p->usage->max_words)
            argp_error(state, "'%s' is not expected here", a->words[p->usage->max_words]);
    } else if (!set_option(key, arg, state)) {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void
args_parse(const struct args_usage *u, int argc, char **argv, void *values)
{
    struct argp_option rows[ARGS_MAX_OPTIONS + 2] = {0};
    const struct argp argp = {
        .options = rows, .parser = option_seen, .args_doc = u->words, .doc = u->doc};
    struct parse p = {.usage = u, .values = values};
    unsigned n = 0;

    for (; n < ARGS_MAX_OPTIONS && u->options[n].name; n++)
        rows[n] = (struct argp_option){.name = u->options[n].name,
                                       .key = key_of(u, n),
                                       .arg = u->options[n].arg,
                                       .doc = u->options[n].doc};
    rows[n] = (struct argp_option){.name = "output",
                                   .key = 'o',
                                   .arg = "FORMAT",
                                   .doc = "table, for people, or json, for programs"};
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &p) != 0)
        exit(EXIT_USAGE);
}

void
args_mistake(char **argv, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", argv[0]);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry '%s --help' for more.\n", argv[0]);
    exit(EXIT_USAGE);
}
