/* SPDX-License-Identifier: MIT */
#include "manager/request.h"

#include "manager/fields.h"
#include "manager/words.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const struct field create_fields[] = {
    FIELD(struct request_create, name, FIELD_STRING, false),
    FIELD(struct request_create, type, FIELD_STRING, false),
    FIELD(struct request_create, gpu, FIELD_STRING, false),
    FIELD(struct request_create, passthrough, FIELD_BOOL, false),
    FIELD(struct request_create, ephemeral, FIELD_BOOL, false),
};
static const struct field_table create_table = {create_fields, 5, false};

#define ABSENT UINT64_MAX /* greater than any number that JSON brings us */
#define ELASTIC_MAX_PERCENT 100
#define WATCHDOG_MAX_SECONDS 3600

struct gpu_words {
    char mode[REQUEST_NAME_BYTES], placement[REQUEST_NAME_BYTES];
    char policy[REQUEST_NAME_BYTES];
    uint64_t slice_us, elastic_percent, watchdog_seconds;
};

static const struct field gpu_fields[] = {
    FIELD(struct gpu_words, mode, FIELD_STRING, false),
    FIELD(struct gpu_words, placement, FIELD_STRING, false),
    FIELD(struct gpu_words, policy, FIELD_STRING, false),
    FIELD(struct gpu_words, slice_us, FIELD_U64, false),
    FIELD(struct gpu_words, elastic_percent, FIELD_U64, false),
    FIELD(struct gpu_words, watchdog_seconds, FIELD_U64, false),
};
static const struct field_table gpu_table = {gpu_fields, 6, false};

static const struct field vm_fields[] = {
    FIELD(struct request_vm, domain, FIELD_STRING, false),
    FIELD(struct request_vm, uid, FIELD_U64, false),
    FIELD(struct request_vm, label, FIELD_STRING, false),
};
static const struct field_table vm_table = {vm_fields, 3, false};

static const struct field moved_fields[] = {
    FIELD(struct request_moved, socket, FIELD_STRING, true),
};
static const struct field_table moved_table = {moved_fields, 1, false};

struct shutdown_words {
    char vgpus[REQUEST_NAME_BYTES];
};

static const struct field shutdown_fields[] = {
    FIELD(struct shutdown_words, vgpus, FIELD_STRING, false),
};
static const struct field_table shutdown_table = {shutdown_fields, 1, false};

struct operation_words {
    char op[REQUEST_NAME_BYTES];
    struct request_operation r;
};

#define OPERATION_FIELD(member, kind, required)                                          \
    {                                                                                    \
#member, kind, required, offsetof(struct operation_words, r.member),             \
            sizeof(((struct operation_words *)0)->r.member), NULL                        \
    }

static const struct field operation_fields[] = {
    FIELD(struct operation_words, op, FIELD_STRING, true),
    OPERATION_FIELD(vgpu, FIELD_STRING, true),
    OPERATION_FIELD(name, FIELD_STRING, false),
    OPERATION_FIELD(gpu, FIELD_STRING, false),
    OPERATION_FIELD(file, FIELD_STRING, false),
    OPERATION_FIELD(confirm, FIELD_BOOL, false),
    OPERATION_FIELD(suspended, FIELD_BOOL, false),
};
static const struct field_table operation_table = {operation_fields, 7, false};

static const char *const operation_words[] = {[OPERATION_SUSPEND] = "suspend",
                                              [OPERATION_RESUME] = "resume",
                                              [OPERATION_CLONE] = "clone"};

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

static int
read_gpu_words(const struct gpu_words *words, struct request_gpu *r, struct err *e)
{
    r->has_mode = words->mode[0] != '\0';
    r->has_order = words->placement[0] != '\0';
    r->has_policy = words->policy[0] != '\0';
    if (r->has_mode && gpu_mode_parse(words->mode, &r->mode) < 0)
        return err_set(e, -EINVAL, "'%s' is no mode: equal-size or mixed-size",
                       words->mode);
    if (r->has_order && placement_order_parse(words->placement, &r->order) < 0)
        return err_set(e, -EINVAL, "'%s' is no placement: spread or pack",
                       words->placement);
    if (r->has_policy && !sched_policy_parse(words->policy, &r->policy))
        return err_set(e, -EINVAL,
                       "'%s' is no policy: best-effort, equal-share or fixed-share",
                       words->policy);
    return 0;
}

static int
read_gpu_numbers(const struct gpu_words *words, struct request_gpu *r, struct err *e)
{
    const uint64_t least_us = SCHED_SLICE_MIN_NS / 1000,
                   most_us = SCHED_SLICE_MAX_NS / 1000;
    const uint64_t us = words->slice_us;

    r->has_slice = us != ABSENT;
    r->has_elastic = words->elastic_percent != ABSENT;
    r->has_watchdog = words->watchdog_seconds != ABSENT;
    if (r->has_slice && us != 0 && (us < least_us || us > most_us))
        return err_set(e, -EINVAL,
                       "'slice_us' is %llu: from %llu to %llu, or 0 for the default",
                       (unsigned long long)us, (unsigned long long)least_us,
                       (unsigned long long)most_us);
    if (r->has_elastic && words->elastic_percent > ELASTIC_MAX_PERCENT)
        return err_set(e, -EINVAL, "'elastic_percent' is %llu: from 0 to %d",
                       (unsigned long long)words->elastic_percent, ELASTIC_MAX_PERCENT);
    if (r->has_watchdog && words->watchdog_seconds > WATCHDOG_MAX_SECONDS)
        return err_set(e, -EINVAL,
                       "'watchdog_seconds' is %llu: from 1 to %d, or 0 for none",
                       (unsigned long long)words->watchdog_seconds, WATCHDOG_MAX_SECONDS);
    if (r->has_slice)
        r->slice_us = (unsigned)us;
    if (r->has_elastic)
        r->elastic_percent = (unsigned)words->elastic_percent;
    if (r->has_watchdog)
        r->watchdog_seconds = (unsigned)words->watchdog_seconds;
    return 0;
}

bool
request_gpu_is_empty(const struct request_gpu *r)
{
    return !r->has_mode && !r->has_order && !r->has_policy && !r->has_slice &&
           !r->has_elastic && !r->has_watchdog;
}

int
request_parse_gpu(const char *buf, size_t len, struct request_gpu *ret, struct err *e)
{
    struct gpu_words words = {
        .slice_us = ABSENT, .elastic_percent = ABSENT, .watchdog_seconds = ABSENT};
    struct request_gpu r = {0};
    int rc = fields_parse(buf, len, &gpu_table, &words, e);

    if (rc == 0)
        rc = read_gpu_words(&words, &r, e);
    if (rc == 0)
        rc = read_gpu_numbers(&words, &r, e);
    if (rc < 0)
        return rc;
    if (request_gpu_is_empty(&r))
        return err_set(e, -EINVAL,
                       "none of 'mode', 'placement', 'policy', 'slice_us', "
                       "'elastic_percent' and 'watchdog_seconds' is there");
    *ret = r;
    return 0;
}

int
request_parse_vm(const char *buf, size_t len, struct request_vm *ret, struct err *e)
{
    struct request_vm r = {.uid = ABSENT};
    int rc = fields_parse(buf, len, &vm_table, &r, e);
    const char *problem = rc == 0 && r.label[0] ? vgpu_name_problem(r.label) : NULL;

    if (rc < 0)
        return rc;
    if (problem)
        return err_set(e, -EINVAL, "the label '%s' %s", r.label, problem);
    r.has_uid = r.uid != ABSENT;
    if (r.has_uid && r.uid > UINT_MAX)
        return err_set(e, -EINVAL, "'uid' is %llu: no user", (unsigned long long)r.uid);
    *ret = r;
    return 0;
}

int
request_parse_moved(const char *buf, size_t len, struct request_moved *ret, struct err *e)
{
    struct request_moved r = {0};
    int rc = fields_parse(buf, len, &moved_table, &r, e);

    if (rc < 0)
        return rc;
    if (r.socket[0] != '/')
        return err_set(e, -EINVAL, "'socket' is no path from the root");
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

static int
check_operation(const struct request_operation *r, struct err *e)
{
    const char *made = r->kind == OPERATION_CLONE ? r->name : r->vgpu;
    const char *problem = vgpu_name_problem(made);

    if ((r->kind == OPERATION_CLONE) != (r->name[0] != '\0'))
        return err_set(e, -EINVAL, "'name' goes with clone, and clone with 'name'");
    if (problem)
        return err_set(e, -EINVAL, "the name '%s' %s", made, problem);
    if (r->confirm && r->kind != OPERATION_SUSPEND)
        return err_set(e, -EINVAL, "'confirm' goes with suspend");
    if (r->gpu[0] && r->kind == OPERATION_SUSPEND)
        return err_set(e, -EINVAL, "'gpu' does not go with suspend");
    if (r->suspended && (r->gpu[0] || r->kind == OPERATION_SUSPEND))
        return err_set(e, -EINVAL,
                       "'suspended' goes with resume and clone, and not with 'gpu'");
    return 0;
}

int
request_parse_operation(const char *buf, size_t len, struct request_operation *ret,
                        struct err *e)
{
    struct operation_words w = {.op = ""};
    int rc = fields_parse(buf, len, &operation_table, &w, e);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < sizeof operation_words / sizeof *operation_words; i++) {
        if (strcmp(w.op, operation_words[i]) != 0)
            continue;
        w.r.kind = (enum operation_kind)i;
        rc = check_operation(&w.r, e);
        if (rc == 0)
            *ret = w.r;
        return rc;
    }
    return err_set(e, -EINVAL, "'%s' is no operation: suspend, resume or clone", w.op);
}
