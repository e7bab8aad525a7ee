/* SPDX-License-Identifier: MIT */
#include "wire/arg_type.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool vectors;
} types[] = {
    {"char", 1, true},
    {"uchar", 1, true},
    {"short", 2, true},
    {"ushort", 2, true},
    {"int", 4, true},
    {"uint", 4, true},
    {"long", 8, true},
    {"ulong", 8, true},
    {"half", 2, true},
    {"float", 4, true},
    {"double", 8, true},
    {"unsigned char", 1, false},
    {"unsigned short", 2, false},
    {"unsigned int", 4, false},
    {"unsigned", 4, false},
    {"unsigned long", 8, false},
    {"signed char", 1, false},
};

/* Three elements take the room of four. */
static size_t
vector_length(const char *suffix)
{
    static const struct {
        const char *suffix;
        size_t n;
    } lengths[] = {{"", 1}, {"2", 2}, {"3", 4}, {"4", 4}, {"8", 8}, {"16", 16}};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (strcmp(lengths[i].suffix, suffix) == 0)
            return lengths[i].n;
    }
    return 0;
}

size_t
arg_type_size(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t len = strlen(types[i].name);

        if (strncmp(name, types[i].name, len) != 0)
            continue;
        if (!name[len])
            return types[i].size;
        if (types[i].vectors && vector_length(name + len) > 0)
            return types[i].size * vector_length(name + len);
    }
    return 0;
}

bool
arg_type_is_opaque(const char *name)
{
    static const char *const opaque[] = {"sampler_t", "event_t", "queue_t", "clk_event_t",
                                         "reserve_id_t"};

    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++) {
        if (strcmp(opaque[i], name) == 0)
            return true;
    }
    return strncmp(name, "image", 5) == 0 || strncmp(name, "pipe", 4) == 0;
}
