/* SPDX-License-Identifier: MIT */
/*
 * JSON objects from outside (requests, state files), read by a table of fields
 * into a plain struct. Pure: bytes in, a struct or a sentence out.
 */
#ifndef TESSERA_MANAGER_FIELDS_H
#define TESSERA_MANAGER_FIELDS_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Nothing that we read is nested deeper; the limit keeps a parser's stack small. */
#define FIELDS_MAX_DEPTH 8

enum field_kind {
    FIELD_STRING, /* char[size], NUL included; left alone when absent */
    FIELD_BOOL,   /* bool */
    FIELD_U64,    /* uint64_t; negative numbers are refused */
    FIELD_OBJECT, /* no value is stored: `table` says where its members go */
};

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    size_t offset; /* into the struct that is filled */
    size_t size;   /* FIELD_STRING: its room */
    const struct field_table *table;
};

struct field_table {
    const struct field *fields;
    size_t n;
    bool more_is_fine; /* unknown members are skipped, not refused */
};

/* One row: the member of the struct is called as the field is. */
#define FIELD(type, member, kind, required)                                              \
    {                                                                                    \
#member, kind, required, offsetof(type, member), sizeof(((type *)0)->member),    \
            NULL                                                                         \
    }

/*
 * Fills out, which holds the defaults, from an object. -EINVAL with words about
 * the first member that is unknown, missing, of another kind or too long; out
 * may then be half filled.
 */
int fields_read(const json_t *object, const struct field_table *t, void *out,
                struct err *e);

/*
 * The same from bytes: one JSON object, no duplicate names, at most FIELDS_MAX_DEPTH
 * deep.
 */
int fields_parse(const char *buf, size_t len, const struct field_table *t, void *out,
                 struct err *e);

/* The bytes as any JSON, under the same limits; *ret is the caller's to decref. */
int fields_load(const char *buf, size_t len, json_t **ret, struct err *e);

#endif
