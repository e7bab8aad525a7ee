/* SPDX-License-Identifier: MIT */
/*
 * An error a person can act on: a negative errno and a chain of words, the outermost task
 * first: create 'train-0': no GPU has 24 GiB free (best: gpu1, 17 GiB)
 *
 * struct err lives on the caller's stack (ERR_INIT), is filled by the callee and ended
 * with err_fini(). Functions that take one return the same negative errno that they put
 * into it.
 */
#ifndef TESSERA_BASE_ERR_H
#define TESSERA_BASE_ERR_H

struct err {
    int code;  /* negative errno; 0 = no error */
    char *msg; /* owned; NULL = no error, or no memory for the words */
};

#define ERR_INIT                                                                         \
    {                                                                                    \
        0, NULL                                                                          \
    }

/*
 * Sets code (negative errno) and words, replacing what was there. Returns code. NULL is
 * fine.
 */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "words: " before what is there already. Returns the code that is there. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The words, never NULL. */
const char *err_msg(const struct err *e);

void err_fini(struct err *e);

#define _cleanup_err_ __attribute__((cleanup(err_fini)))

#endif
