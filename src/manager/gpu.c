/* SPDX-License-Identifier: MIT */
#include "manager/gpu.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "manager/request.h"
#include "manager/words.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define MODEL_CHARS 24 /* leaves room for the size in a type's name */
#define SETTINGS_MAX_BYTES 4096

/* Words in device names that tell the maker or the series, not the model. */
static const char *const brand_words[] = {
    "nvidia", "tesla", "geforce",  "quadro",      "grid",     "amd", "radeon", "intel",
    "r",      "tm",    "graphics", "corporation", "instinct", "gpu", "device", "arc",
};

static bool
is_brand(const char *word)
{
    for (size_t i = 0; i < sizeof brand_words / sizeof *brand_words; i++) {
        if (strcmp(word, brand_words[i]) == 0)
            return true;
    }
    return false;
}

/* ASCII alone, whatever the locale: types are named after it. */
static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char
lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    return c;
}

/*
 * The next run of letters and digits, lower case; returns where to go on, NULL at the
 * end.
 */
static const char *
next_word(const char *p, char *word, size_t cap)
{
    size_t n = 0;

    while (*p && !is_word(*p))
        p++;
    if (!*p)
        return NULL;
    for (; is_word(*p); p++) {
        if (n + 1 < cap)
            word[n++] = lower(*p);
    }
    word[n] = '\0';
    return p;
}

void
gpu_model_of(const char *device_name, char *buf, size_t cap)
{
    char word[MODEL_CHARS + 1], first[MODEL_CHARS + 1] = "", before[MODEL_CHARS + 1] = "";

    for (const char *p = device_name; (p = next_word(p, word, sizeof word));) {
        if (is_brand(word))
            continue;
        if (strpbrk(word, "0123456789")) {
            const bool bare = strspn(word, "0123456789") == strlen(word);

            snprintf(buf, cap, "%.*s%s", bare ? MODEL_CHARS / 2 : 0, before, word);
            buf[cap > MODEL_CHARS ? MODEL_CHARS : cap - 1] = '\0';
            return;
        }
        text_copy(before, sizeof before, word);
        if (!first[0])
            text_copy(first, sizeof first, word);
    }
    snprintf(buf, cap, "%s", first[0] ? first : "gpu");
}

void
gpu_apply(struct gpu *g, const struct request_gpu *r)
{
    if (r->has_mode)
        g->mode = r->mode;
    if (r->has_policy)
        g->time.policy = r->policy;
    if (r->has_slice)
        g->time.slice_us = r->slice_us;
    if (r->has_elastic)
        g->time.elastic_percent = r->elastic_percent;
    if (r->has_watchdog)
        g->time.watchdog_seconds = r->watchdog_seconds;
}

static char *
settings_path(const char *folder, const struct gpu *g)
{
    return str_printf("%s/%s.json", folder, g->name);
}

int
gpu_settings_save(const char *folder, const struct gpu *g, enum placement_order order,
                  struct err *e)
{
    _cleanup_free_ char *path = settings_path(folder, g);
    _cleanup_free_ char *text = str_printf(
        "{\"mode\": \"%s\", \"placement\": \"%s\", \"policy\": \"%s\", \"slice_us\": %u, "
        "\"elastic_percent\": %u, \"watchdog_seconds\": %u}\n",
        gpu_mode_word(g->mode), placement_order_word(order),
        sched_policy_word(g->time.policy), g->time.slice_us, g->time.elastic_percent,
        g->time.watchdog_seconds);
    int rc;

    if (!path || !text)
        return err_set(e, -ENOMEM, "out of memory");
    rc = write_file_atomic(path, text, strlen(text), 0600);
    if (rc < 0)
        return err_set(e, rc, "cannot write %s: %s", path, strerror(-rc));
    return 0;
}

int
gpu_settings_load(const char *folder, struct gpu *g, enum placement_order *ret_order,
                  struct err *e)
{
    _cleanup_free_ char *path = settings_path(folder, g);
    _cleanup_free_ char *text = NULL;
    struct request_gpu r;
    size_t len;
    int rc;

    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    rc = read_file(path, SETTINGS_MAX_BYTES, &text, &len);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return err_set(e, rc, "cannot read %s: %s", path, strerror(-rc));
    /* The file says what a request to change the settings says. */
    if (request_parse_gpu(text, len, &r, e) < 0)
        return err_wrap(e, "settings %s are damaged and not used", path);
    gpu_apply(g, &r);
    if (r.has_order)
        *ret_order = r.order;
    return 0;
}
