/* SPDX-License-Identifier: MIT */
#include "manager/fields.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char *const kind_words[] = {
    [FIELD_STRING] = "a string",
    [FIELD_BOOL] = "true or false",
    [FIELD_U64] = "a whole number, 0 or more",
    [FIELD_OBJECT] = "an object",
};

static int
wrong_kind(const struct field *f, struct err *e)
{
    return err_set(e, -EINVAL, "'%s' must be %s", f->name, kind_words[f->kind]);
}

static int
read_string(const json_t *value, const struct field *f, char *out, struct err *e)
{
    if (!json_is_string(value))
        return wrong_kind(f, e);
    if (json_string_length(value) >= f->size)
        return err_set(e, -EINVAL, "'%s' is longer than %zu characters", f->name,
                       f->size - 1);
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return 0;
}

static int
read_value(const json_t *value, const struct field *f, char *out, struct err *e)
{
    switch (f->kind) {
    case FIELD_STRING:
        return read_string(value, f, out + f->offset, e);
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            return wrong_kind(f, e);
        *(bool *)(void *)(out + f->offset) = json_is_true(value);
        return 0;
    case FIELD_U64:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return wrong_kind(f, e);
        *(uint64_t *)(void *)(out + f->offset) = (uint64_t)json_integer_value(value);
        return 0;
    case FIELD_OBJECT:
        if (!json_is_object(value))
            return wrong_kind(f, e);
        if (fields_read(value, f->table, out, e) < 0)
            return err_wrap(e, "'%s'", f->name);
        return 0;
    }
    return -EINVAL;
}

static bool
table_knows(const struct field_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->fields[i].name, name) == 0)
            return true;
    }
    return false;
}

int
fields_read(const json_t *object, const struct field_table *t, void *out, struct err *e)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return err_set(e, -EINVAL, "this is not a JSON object");
    json_object_foreach((json_t *)object, name, value)
    {
        if (!t->more_is_fine && !table_knows(t, name))
            return err_set(e, -EINVAL, "'%.64s' is not a known field", name);
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->fields[i];
        const json_t *v = json_object_get(object, f->name);
        int rc;

        if (!v || json_is_null(v)) {
            if (f->required)
                return err_set(e, -EINVAL, "'%s' is missing", f->name);
            continue;
        }
        rc = read_value(v, f, out, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* How deep arrays and objects are nested; brackets inside strings do not count. */
static unsigned
json_depth(const char *buf, size_t len)
{
    unsigned depth = 0, most = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        const char c = buf[i];

        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > most)
                most = depth;
        } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return most;
}

int
fields_load(const char *buf, size_t len, json_t **ret, struct err *e)
{
    json_error_t why;

    if (json_depth(buf, len) > FIELDS_MAX_DEPTH)
        return err_set(e, -EINVAL, "JSON nested deeper than %d", FIELDS_MAX_DEPTH);
    *ret = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &why);
    if (!*ret)
        return err_set(e, -EINVAL, "not valid JSON, line %d column %d: %s", why.line,
                       why.column, why.text);
    return 0;
}

int
fields_parse(const char *buf, size_t len, const struct field_table *t, void *out,
             struct err *e)
{
    json_t *object = NULL;
    int rc;

    rc = fields_load(buf, len, &object, e);
    if (rc < 0)
        return rc;
    rc = fields_read(object, t, out, e);
    json_decref(object);
    return rc;
}
