/* SPDX-License-Identifier: MIT */
/*
 * tessera demo, in parts: demo.c decides what runs when, demo_site.c has the private
 * manager and its folder, demo_run.c the training programs, demo_report.c what comes
 * out. Inside src/cli/demo*.c only.
 */
#ifndef TESSERA_CLI_DEMO_H
#define TESSERA_CLI_DEMO_H

#include "base/err.h"
#include "client/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEMO_TYPE "cpu-512m"
#define DEMO_MAX_AT_ONCE 4
#define DEMO_MAX_RESULTS 16
#define DEMO_ACCURACY 0.80

enum demo_way {
    DEMO_NATIVE,
    DEMO_PASSTHROUGH,
    DEMO_ALONE,
    DEMO_TWO,
    DEMO_FOUR,
    DEMO_WAYS
};

/* What a training program reported. */
struct demo_result {
    double step_s, train_s, loss, accuracy; /* accuracy < 0: not asked for */
    json_t *raw;                            /* all of it, owned */
};

struct demo_row {
    const char *key, *name;
    unsigned at_once;
    struct demo_result results[DEMO_MAX_RESULTS]; /* a round each, or an instance each */
    unsigned n;
    /* By demo_summarize(): */
    double step_s;                       /* median */
    double ratio, ratio_low, ratio_high; /* of step_s, against native in the same round */
    double work;                         /* steps a second of all, native being 1 */
    double accuracy, loss;
};

struct demo {
    unsigned steps, rounds;
    uint64_t seed;
    const char *folder;
    struct demo_row rows[DEMO_WAYS];
    json_t *gpu;    /* as the manager tells, owned */
    double seconds; /* the whole took */
};

/* demo.c: has somebody asked us to leave? */
bool demo_stopped(void);

/* demo_site.c: a folder of our own, and a manager in it on one software GPU. */
struct demo_site {
    char *folder;        /* removed at the end */
    char *bin, *trainer; /* our executables' folder; the program that trains */
    pid_t manager;
    struct client *client;
    json_t *gpu;
};

int demo_site_open(struct demo_site *s, struct err *e);
void demo_site_close(struct demo_site *s);

/*
 * A child in a process group of its own, so that Ctrl-C is ours alone; it dies with us.
 * out and err are files; extra is added to the environment, NULL-terminated.
 */
pid_t demo_spawn(char *const *argv, const char *const *extra, const char *out,
                 const char *err);

/* Ends a child and its group, in good order if it wants; it is reaped. */
void demo_end_child(pid_t pid);

/* demo_run.c */
struct demo_job {
    enum demo_way way;
    unsigned count, steps;
    uint64_t seed;
    bool eval;
};

/*
 * Runs count programs at the same time to their end and fills ret[count]. tick is called
 * about ten times a second with the steps done so far by all. -EINTR when stopped.
 */
int demo_run(const struct demo_site *s, const struct demo_job *job,
             void (*tick)(unsigned steps), struct demo_result *ret, struct err *e);

/* demo_report.c */
void demo_summarize(struct demo *d);

/* 0, or -EBADMSG when accuracies differ or are too low. */
int demo_check(const struct demo *d, struct err *e);

json_t *demo_json(const struct demo *d);
void demo_print_table(const struct demo *d);

/* Writes demo.md, demo.json, demo.svg into the folder; what gnuplot needs goes to tmp. */
int demo_write(const struct demo *d, const char *tmp, struct err *e);

#endif
