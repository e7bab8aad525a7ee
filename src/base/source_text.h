/* SPDX-License-Identifier: MIT */
/*
 * Two small readers that guest and worker share: which files an OpenCL C source includes, and
 * which folders the options of a build name. Both look at text in place and allocate nothing.
 *
 * The first reads line by line and knows no comments: a line that only looks like an include (in a
 * comment, under an #if that is false) counts, which costs a file more and no more than that.
 */
#ifndef TESSERA_BASE_SOURCE_TEXT_H
#define TESSERA_BASE_SOURCE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum include_kind {
    INCLUDE_QUOTED, /* "name" */
    INCLUDE_ANGLED, /* <name> */
    INCLUDE_MACRO,  /* name is an identifier, whose definition names the file */
    INCLUDE_DEFINE, /* #define … "name" or <name>: what such an identifier may stand for */
};

struct include_name {
    enum include_kind kind;
    size_t off, len; /* the name in the text, without its delimiters */
};

struct include_scan {
    const char *text;
    size_t len, line, at; /* the line being read, and where in it; at == 0: a new line */
};

void include_scan_init(struct include_scan *s, const char *text, size_t len);

/* false: no more. Includes, imports, include_nexts and __has_includes of #if and #elif. */
bool include_scan_next(struct include_scan *s, struct include_name *ret);

/* Bounds of what one build may include, folders that are named on the way included. */
#define INCLUDE_FILES_MAX 4096u
#define INCLUDE_BYTES_MAX (16u << 20)
#define INCLUDE_DEPTH_MAX                                                                \
    256u /* of a path: a list makes no more than a million folders */

/* One option: words between blanks, quotes keep blanks inside; `-I dir` is one option. */
struct build_option {
    size_t off, len; /* as it stands in the options */
    bool is_include; /* -I */
    size_t dir_off,
        dir_len; /* its folder without quotes; of length 0 when there is none */
};

/* Reads the option at *at and moves on; false at the end. */
bool build_option_next(const char *options, size_t *at, struct build_option *ret);

/* Is this one, word for word? */
bool build_option_is(const char *options, const struct build_option *o, const char *word);

#endif
