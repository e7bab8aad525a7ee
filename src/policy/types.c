/* SPDX-License-Identifier: MIT */
/*
 * One division and one rounding rule give all types. Walking n upwards the sizes can only
 * fall, so a size that was seen before is the one just written: equal sizes meet, and the
 * later, larger n stays.
 */
#include "policy/types.h"

#include "base/checked.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* From here on sizes are whole GiB (types), or shown in GiB with a decimal. */
#define WHOLE_GIB_FROM (4 * GIB)

/* 6 digits times a TiB stay below 2^60. */
#define MAX_FRACTION_DIGITS 6

static const unsigned divisors[TYPES_MAX] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32};

static uint64_t
round_type_size(uint64_t bytes)
{
    return bytes - bytes % (bytes >= WHOLE_GIB_FROM ? GIB : MIB);
}

static void
name_type(struct vgpu_type *t, const char *model)
{
    const bool whole_gib = t->framebuffer_bytes % GIB == 0;

    snprintf(t->name, sizeof(t->name), "%.*s-%" PRIu64 "%c", TYPE_MODEL_MAX, model,
             t->framebuffer_bytes / (whole_gib ? GIB : MIB), whole_gib ? 'g' : 'm');
}

int
types_of_gpu(const char *model, uint64_t memory_bytes, struct vgpu_type *out,
             unsigned cap)
{
    unsigned count = 0;

    if (!model || !model[0] || strlen(model) > TYPE_MODEL_MAX)
        return -EINVAL;

    for (unsigned i = 0; i < TYPES_MAX; i++) {
        const uint64_t size = round_type_size(memory_bytes / divisors[i]);

        if (size < TYPE_MIN_BYTES)
            break;
        if (count > 0 && out[count - 1].framebuffer_bytes == size) {
            out[count - 1].max_instances = divisors[i];
            continue;
        }
        if (count == cap)
            break;
        out[count].framebuffer_bytes = size;
        out[count].max_instances = divisors[i];
        name_type(&out[count], model);
        count++;
    }
    return (int)count;
}

int
type_parse(const char *model, uint64_t memory_bytes, const char *name,
           struct vgpu_type *ret)
{
    struct vgpu_type types[TYPES_MAX];
    const int count = types_of_gpu(model, memory_bytes, types, TYPES_MAX);

    if (count < 0)
        return count;

    for (int i = 0; i < count; i++)
        if (strcmp(types[i].name, name) == 0) {
            *ret = types[i];
            return 0;
        }
    return -ENOENT;
}

void
size_format(uint64_t bytes, char *buf, size_t cap)
{
    static const struct {
        uint64_t bytes;
        const char *name;
    } units[] = {{GIB, "GiB"}, {MIB, "MiB"}, {KIB, "KiB"}};

    for (unsigned i = 0; i < 3; i++) {
        const uint64_t unit = units[i].bytes;
        const uint64_t tenths = bytes % unit * 10 / unit;

        if (bytes < unit || (unit == GIB && bytes < WHOLE_GIB_FROM && bytes % GIB != 0))
            continue;
        if (tenths)
            snprintf(buf, cap, "%" PRIu64 ".%" PRIu64 " %s", bytes / unit, tenths,
                     units[i].name);
        else
            snprintf(buf, cap, "%" PRIu64 " %s", bytes / unit, units[i].name);
        return;
    }
    snprintf(buf, cap, "%" PRIu64 " B", bytes);
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int
parse_digits(const char **p, uint64_t *ret)
{
    uint64_t v = 0;

    if (!is_digit(**p))
        return -EINVAL;

    for (; is_digit(**p); (*p)++)
        if (!checked_mul(v, 10, &v) || !checked_add(v, (uint64_t)(**p - '0'), &v))
            return -ERANGE;
    *ret = v;
    return 0;
}

/* The digits after a point; *ret_scale is 10 to their count. */
static int
parse_fraction(const char **p, uint64_t *ret_digits, uint64_t *ret_scale)
{
    const char *start = *p;
    uint64_t scale = 1;
    int r = parse_digits(p, ret_digits);

    if (r < 0 || *p - start > MAX_FRACTION_DIGITS)
        return -EINVAL;

    for (const char *q = start; q < *p; q++)
        scale *= 10;
    *ret_scale = scale;
    return 0;
}

/* All that may follow the digits, up to the end of the text. 0: not a unit. */
static uint64_t
parse_unit(const char *p)
{
    uint64_t unit;

    if (*p == '\0')
        return 1;
    if (*p == ' ')
        p++;
    if (strcmp(p, "B") == 0)
        return 1;

    switch (*p) {
    case 'k':
    case 'K':
        unit = KIB;
        break;
    case 'm':
    case 'M':
        unit = MIB;
        break;
    case 'g':
    case 'G':
        unit = GIB;
        break;
    case 't':
    case 'T':
        unit = TIB;
        break;
    default:
        return 0;
    }
    return p[1] == '\0' || strcmp(p + 1, "iB") == 0 ? unit : 0;
}

int
size_parse(const char *text, uint64_t *ret)
{
    const char *p = text;
    uint64_t whole, digits = 0, scale = 1, unit, bytes;
    bool has_fraction = false;
    int r = parse_digits(&p, &whole);

    if (r < 0)
        return r;
    if (*p == '.') {
        has_fraction = true;
        p++;
        if (parse_fraction(&p, &digits, &scale) < 0)
            return -EINVAL;
    }
    unit = parse_unit(p);
    if (unit == 0 || (has_fraction && unit == 1))
        return -EINVAL;
    if (!checked_mul(whole, unit, &bytes) ||
        !checked_add(bytes, digits * unit / scale, &bytes))
        return -ERANGE;
    *ret = bytes;
    return 0;
}

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

const char *
vgpu_name_problem(const char *name)
{
    size_t len;

    if (!name || !name[0])
        return "is empty";
    len = strlen(name);
    if (len > VGPU_NAME_MAX)
        return "is longer than 48 characters";
    for (size_t i = 0; i < len; i++)
        if (!is_name_char(name[i]) && name[i] != '-')
            return "may hold only a-z, 0-9 and '-'";
    if (name[0] == '-' || name[len - 1] == '-')
        return "must begin and end with a letter or a digit";
    if (strcmp(name, "all") == 0)
        return "is reserved";
    return NULL;
}

bool
vgpu_name_valid(const char *name)
{
    return vgpu_name_problem(name) == NULL;
}
