/* SPDX-License-Identifier: MIT */
#include "manager/request.h"

#include "manager/fields.h"
#include "manager/words.h"

#include <errno.h>
#include <string.h>

static const struct field create_fields[] = {
    FIELD(struct request_create, name, FIELD_STRING, false),
    FIELD(struct request_create, type, FIELD_STRING, false),
    FIELD(struct request_create, gpu, FIELD_STRING, false),
    FIELD(struct request_create, passthrough, FIELD_BOOL, false),
    FIELD(struct request_create, ephemeral, FIELD_BOOL, false),
};
static const struct field_table create_table = {create_fields, 5, false};

struct gpu_words {
    char mode[REQUEST_NAME_BYTES], placement[REQUEST_NAME_BYTES];
};

static const struct field gpu_fields[] = {
    FIELD(struct gpu_words, mode, FIELD_STRING, false),
    FIELD(struct gpu_words, placement, FIELD_STRING, false),
};
static const struct field_table gpu_table = {gpu_fields, 2, false};

struct shutdown_words {
    char vgpus[REQUEST_NAME_BYTES];
};

static const struct field shutdown_fields[] = {
    FIELD(struct shutdown_words, vgpus, FIELD_STRING, false),
};
static const struct field_table shutdown_table = {shutdown_fields, 1, false};

static int
check_create(const struct request_create *r, struct err *e)
{
    const char *problem = r->name[0] ? vgpu_name_problem(r->name) : NULL;

    if (!r->name[0] && !r->ephemeral)
        return err_set(e, -EINVAL, "'name' is missing");
    if (problem)
        return err_set(e, -EINVAL, "the name '%s' %s", r->name, problem);
    if (!r->passthrough && !r->type[0])
        return err_set(e, -EINVAL, "'type' is missing (or ask for passthrough)");
    if (r->passthrough && r->type[0])
        return err_set(e, -EINVAL,
                       "passthrough takes a whole GPU: it does not go with a type");
    return 0;
}

int
request_parse_create(const char *buf, size_t len, struct request_create *ret,
                     struct err *e)
{
    struct request_create r = {0};
    int rc = fields_parse(buf, len, &create_table, &r, e);

    if (rc == 0)
        rc = check_create(&r, e);
    if (rc == 0)
        *ret = r;
    return rc;
}

int
request_parse_gpu(const char *buf, size_t len, struct request_gpu *ret, struct err *e)
{
    struct gpu_words words = {0};
    struct request_gpu r = {0};
    int rc = fields_parse(buf, len, &gpu_table, &words, e);

    if (rc < 0)
        return rc;
    r.has_mode = words.mode[0] != '\0';
    r.has_order = words.placement[0] != '\0';
    if (!r.has_mode && !r.has_order)
        return err_set(e, -EINVAL, "'mode' or 'placement' is missing");
    if (r.has_mode && gpu_mode_parse(words.mode, &r.mode) < 0)
        return err_set(e, -EINVAL, "'%s' is no mode: equal-size or mixed-size",
                       words.mode);
    if (r.has_order && placement_order_parse(words.placement, &r.order) < 0)
        return err_set(e, -EINVAL, "'%s' is no placement: spread or pack",
                       words.placement);
    *ret = r;
    return 0;
}

int
request_parse_shutdown(const char *buf, size_t len, struct request_shutdown *ret,
                       struct err *e)
{
    struct shutdown_words words = {.vgpus = "keep"};
    int rc = fields_parse(buf, len, &shutdown_table, &words, e);

    if (rc < 0)
        return rc;
    if (strcmp(words.vgpus, "keep") != 0 && strcmp(words.vgpus, "end") != 0)
        return err_set(e, -EINVAL, "'vgpus' is '%s': keep or end", words.vgpus);
    ret->end_vgpus = strcmp(words.vgpus, "end") == 0;
    return 0;
}
