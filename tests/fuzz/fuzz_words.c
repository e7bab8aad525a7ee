/* SPDX-License-Identifier: MIT */
/*
 * Words that people, peers and files give: sizes, names, lists of cores, names of types. The first
 * byte picks the reader; the rest, up to a NUL, is the word.
 */
#include "manager/cores.h"
#include "manager/words.h"
#include "policy/placement.h"
#include "policy/types.h"
#include "wire/arg_type.h"
#include "worker/cores.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A size that is read is shown and read again as one that is no larger (rounded down). */
static void
size_word(const char *word)
{
    uint64_t bytes, again;
    char text[SIZE_TEXT_BYTES];

    if (size_parse(word, &bytes) < 0)
        return;
    size_format(bytes, text, sizeof text);
    if (size_parse(text, &again) == 0 && again > bytes)
        abort();
}

static void
cores_word(const char *word)
{
    char text[CORES_TEXT_BYTES];
    cpu_set_t set, again;

    if (cores_parse(word, &set) < 0)
        return;
    cores_format(&set, text, sizeof text);
    /* What was not cut off is the same set. */
    if (strlen(text) + 8 < sizeof text &&
        (cores_parse(text, &again) < 0 || !CPU_EQUAL(&set, &again)))
        abort();
}

static void
manager_words(const char *word)
{
    enum placement_order order;
    enum gpu_mode mode;
    struct vgpu_type t;
    char out[24];

    if (gpu_mode_parse(word, &mode) == 0 && strcmp(gpu_mode_word(mode), word) != 0)
        abort();
    if (placement_order_parse(word, &order) == 0 &&
        strcmp(placement_order_word(order), word) != 0)
        abort();
    if (type_parse("cpu", UINT64_C(2) << 30, word, &t) == 0 &&
        t.framebuffer_bytes > UINT64_C(2) << 30)
        abort();
    printable_copy(out, word, sizeof out);
    for (const char *p = out; *p; p++) {
        if (*p < ' ' || *p > '~')
            abort();
    }
    vgpu_name_problem(word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *word = size ? strndup((const char *)data + 1, size - 1) : NULL;

    if (!word)
        return 0;
    switch (data[0] % 4) {
    case 0:
        size_word(word);
        break;
    case 1:
        cores_word(word);
        break;
    case 2:
        manager_words(word);
        break;
    default:
        if (arg_type_size(word) > 128)
            abort();
        arg_type_is_opaque(word);
    }
    free(word);
    return 0;
}
