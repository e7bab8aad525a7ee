/* SPDX-License-Identifier: MIT */
/* A command's arguments, described by a table and read by argp. */
#ifndef TESSERA_BASE_ARGS_H
#define TESSERA_BASE_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* The exit status of a mistake on the command line, as of argp. */
#define EXIT_USAGE 2

#define ARGS_MAX_OPTIONS 12
#define ARGS_MAX_LIST 16

/* A command's own struct begins with this one. */
struct args {
    bool json;    /* -o json; every command has -o */
    char **words; /* what is no option, inside argv */
    unsigned nwords;
};

/* What an option was given that may be given several times. */
struct args_list {
    const char *items[ARGS_MAX_LIST];
    unsigned n;
};

struct args_option {
    /* arg NULL: a bool at offset; "X...": a struct args_list; else a const char * there */
    const char *name, *arg;
    const char *doc;
    size_t offset;
};

struct args_usage {
    const char *words, *doc; /* for --help: "NAME...", and what the command does */
    unsigned min_words, max_words;
    const char *letters; /* short options, of the first rows in turn; NULL: none */
    struct args_option options[ARGS_MAX_OPTIONS];
};

/*
 * Fills values (a struct that begins with struct args, holding the defaults). Prints and
 * exits for --help, and for mistakes with EXIT_USAGE.
 */
void args_parse(const struct args_usage *u, int argc, char **argv, void *values);

/* The same way out for what only the command itself can tell is wrong. */
_Noreturn void args_mistake(char **argv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
