/* SPDX-License-Identifier: MIT */
/* Programs: made here, built in jobs (build.c), described to the guest by their metadata. */
#ifndef TESSERA_WORKER_PROGRAM_H
#define TESSERA_WORKER_PROGRAM_H

#include "worker/include_tree.h"
#include "worker/jobs.h"
#include "worker/object.h"

#include <pthread.h>

/* What a build was given, to be built once more. */
struct build_input {
    char *options;  /* as the guest gave them; owned */
    uint8_t *files; /* docs/protocol.md, "Include files"; owned */
    size_t files_len;
};

/* The sizes of the types that a program's kernels take by value. */
struct type_sizes {
    struct type_size {
        char *name; /* owned */
        uint64_t size;
    } * all;
    size_t n;
    bool known;
};

/* Programs that another is made of. */
struct program_others {
    struct program **all; /* counted, owned */
    cl_uint n;
};

/* A clBuildProgram or clCompileProgram. */
struct program_build {
    struct program *program;
    uint64_t moment; /* of the message */
    struct recipe message;
    struct program_others headers;
    uint64_t kept_bytes; /* of LIMIT_PROGRAM_BYTES, for that and `built` */
};

struct program {
    struct object o; /* its handle: by program_handle(), a link sets it late */
    /* The last, and those before it that a kernel or a linked program may be made of; owned. */
    struct program_build *builds;
    size_t n_builds;
    struct program_others linked; /* what a link took */
    struct program_constant {
        uint64_t moment;
        struct recipe set;
    } * constants; /* clSetProgramSpecializationConstant, in order; owned */
    size_t n_constants;
    uint64_t key; /* of source, binaries or IL (worker/build_lock.h) */
    /* One job at a time: a driver tells a binary's size and its bytes in two calls. */
    pthread_mutex_t driver_lock;
    pthread_mutex_t lock;   /* all below */
    cl_int status;          /* of the last build, compile or link that is over */
    uint64_t status_moment; /* of that, 0: a link */
    char *
        log; /* of that, when it was made again: drivers name files of their own; owned */
    uint8_t *metadata; /* of the last build (docs/protocol.md), NULL: none */
    size_t metadata_len;
    struct build_input built;
    struct include_words words; /* for its log */
    struct type_sizes sizes;
};

struct program *program_of(struct object *o);
struct program *program_new(struct session *s, struct guest_id id);
void program_fini(struct session *s, struct object *o);

/* Keeps the programs that it, or a build of it, is made of. false: no memory. */
bool program_keep_others(struct program *p, struct program_others *o, uint64_t n,
                         struct object *const *programs);

/*
 * Dispatcher: one more build, which takes so much of LIMIT_PROGRAM_BYTES already, and the end of
 * those that nothing is made of. NULL: no memory.
 */
struct program_build *program_new_build(struct session *s, struct program *p,
                                        uint64_t kept_bytes);

/* NULL while its link is under way, or when that failed. Any thread. */
cl_program program_handle(struct program *p);

/* One call that may take long: a build, or a question that waits for one. */
struct program_job {
    struct job job;
    struct session *s;
    struct program *program; /* counted */
    uint64_t tag, param_name;
    uint64_t moment; /* of a build */
    struct extent out;
    cl_device_id *devices; /* owned; the driver holds them */
    cl_uint n_devices;
    struct build_input input;
    uint64_t inflight_bytes; /* of LIMIT_INFLIGHT_BYTES, for that */
    struct program **others; /* headers, or what to link; counted, the array owned */
    cl_uint n_others;
    char *names;           /* of headers, one after the other; owned */
    struct object *kernel; /* counted */
    cl_context context;    /* of a link; the driver holds it */
};

/*
 * Starts it, on the objects and devices named; what it owns passes over, also on failure, which is
 * answered.
 */
int program_start(struct session *s, const struct program_job *from,
                  void (*run)(struct job *));
void program_job_free(struct program_job *j);

/* The devices of a request, for a job. false: no memory. */
bool program_job_devices(struct program_job *j, uint64_t n,
                         struct object *const *devices);
bool program_job_others(struct program_job *j, uint64_t n,
                        struct object *const *programs);

/* The end of a question: the bytes, or an error. */
void program_job_reply(struct program_job *j, cl_int rc, const void *data, size_t len);

/* How its build or compile went. Any thread. */
void program_built(const struct program_job *j, cl_int status);

/* The log of its last build in the guest's words, malloc'ed; NULL: there is none. */
char *program_log(struct session *s, struct program *p);

/* It says so until it is built again. */
void program_keep_log(struct program *p, const char *log);

/* Reads what the program's kernels are and keeps it; and answers with it. */
void program_learn(struct session *s, struct program *p);
void program_reply_metadata(struct program_job *j, cl_int status);

/* Fills p->sizes (sizes.c); under driver_lock. */
void program_measure_types(struct session *s, struct program *p, cl_device_id device);

#endif
