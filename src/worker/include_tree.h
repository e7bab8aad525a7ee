/* SPDX-License-Identifier: MIT */
/*
 * The guest's include files, as a build finds them: a private folder, there for one build.
 *
 *   DIR/0/1/…/15/tessera.guest/home/user/inc/x.h   the guest's files, below what is its root
 *   DIR/0/1/…/15/i0 -> tessera.guest/home/user/inc the folder of the first -I
 *   DIR/0/1/…/15/cwd -> tessera.guest/home/user    where the guest's program runs
 *
 * The folder is so deep that no name leads out of it: names with more ".." than that are made
 * names of nothing. An absolute name becomes a relative one below tessera.guest, so it is the
 * guest's file too.
 *
 * A driver's cache goes by the options, too: the same files and options give the same DIR, relative
 * to the working folder, where that is TMPDIR, as in a session. (Builds of the same at once have
 * others.) Elsewhere DIR has a name of its own each time.
 */
#ifndef TESSERA_WORKER_INCLUDE_TREE_H
#define TESSERA_WORKER_INCLUDE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INCLUDE_DIRS_MAX 256

/* How a log's words become the guest's again. */
struct include_words {
    char *
        private_dir; /* the innermost folder, as options name it; owned, NULL: there was none */
    char **given; /* the folders of -I as the options gave them; owned */
    size_t n_given;
};

struct include_tree {
    char *top; /* DIR; owned */
    struct include_words words;
};

/*
 * Are these bytes a list of files (docs/protocol.md, "Include files")? NULL, or what is wrong.
 * An empty list is one.
 */
const char *include_files_check(const uint8_t *files, size_t len);

/*
 * Writes the files, and the options that find them there. *ret_options is malloc'ed. -EINVAL: an -I
 * without a folder, or too many. The tree is to be removed in any case.
 */
int include_tree_make(struct include_tree *t, const uint8_t *files, size_t len,
                      const char *options, char **ret_options);
void include_tree_remove(struct include_tree *t);

void include_words_fini(struct include_words *w);

/* The log in the guest's words, malloc'ed; NULL without memory. */
char *include_words_apply(const struct include_words *w, const char *log);

/*
 * A text whose includes stay inside. `main`: a program's source, which lies in no folder of the
 * guest. malloc'ed, NULL without memory.
 */
char *include_rewrite(const char *text, size_t len, bool main, size_t *ret_len);

#endif
