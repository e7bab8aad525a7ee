/* SPDX-License-Identifier: MIT */
/*
 * What the generated dispatcher builds on: the state of the one request being run, and decoders
 * that know ids and the heap. Each decoder marks the field bad (struct dec) when the guest sends
 * what no guest library would; the session then ends in request_bad().
 *
 * Dispatcher thread only.
 */
#ifndef TESSERA_WORKER_REQUEST_H
#define TESSERA_WORKER_REQUEST_H

#include "wire/codec.h"
#include "worker/object.h"
#include "worker/queue.h"
#include "worker/session.h"

/* The request begins: the frame is private memory, as long as the request runs. */
void request_started(struct session *s, const void *frame, size_t len, bool recipe);

/* Ends the session: the words name call and field. Returns a negative errno. */
int request_bad(struct session *s, unsigned op, const char *field);

/* The same for handlers: the request's own call. */
int request_bad_field(struct session *s, const char *field, const char *why);

/* A live object of that kind (KIND_any: of any), NULL when the field is bad. */
struct object *dec_object(struct session *s, struct dec *d, const char *field,
                          unsigned kind);

/* The same; id 0 gives NULL. */
struct object *dec_object_or_none(struct session *s, struct dec *d, const char *field,
                                  unsigned kind);

/* A counted array of them, in memory that lives as long as the request. */
struct object **dec_objects(struct session *s, struct dec *d, const char *field,
                            unsigned kind, uint64_t *ret_n);

/* An id whose slot is free; 0 is bad, or with _or_none means none. */
struct guest_id dec_new(struct session *s, struct dec *d, const char *field);
struct guest_id dec_new_or_none(struct session *s, struct dec *d, const char *field);

/* A counted array of ids whose slots are free. That they differ is seen when they are used. */
const struct guest_id *dec_news(struct session *s, struct dec *d, const char *field,
                                uint64_t *ret_n);

/* A range inside the heap; off EXTENT_NONE is bad, or with _or_none means none. */
struct extent dec_extent(struct session *s, struct dec *d, const char *field);
struct extent dec_extent_or_none(struct session *s, struct dec *d, const char *field);

/*
 * Bytes of any length: u64 offset, u64 length, and the byte string itself when the offset is
 * EXTENT_NONE. Those in the heap are copied out once, and their extent is reclaimed.
 */
const uint8_t *dec_blob(struct session *s, struct dec *d, const char *field,
                        uint64_t *ret_len);

/* Memory for n pointers, as long as the request runs. */
void *request_scratch(struct session *s, uint64_t n);

/* The driver's handles of n objects, as long as the request runs. */
const cl_mem *handles_of_mem(struct session *s, uint64_t n,
                             struct object *const *objects);
const cl_device_id *handles_of_device(struct session *s, uint64_t n,
                                      struct object *const *objects);

#endif
