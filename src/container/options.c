/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "container/container.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int
add_option(json_t *words, const char *option, const char *value, struct err *e)
{
    if (json_array_append_new(words, json_string(option)) < 0 ||
        json_array_append_new(words, json_string(value)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

static int
add_mount(json_t *words, const json_t *mount, struct err *e)
{
    const char *source = json_string_value(json_object_get(mount, "hostPath"));
    const char *target = json_string_value(json_object_get(mount, "containerPath"));
    _cleanup_free_ char *value = NULL;

    if (strchr(source, ':'))
        return err_set(e, -EINVAL, "-v cannot name %s, which holds a colon", source);
    value = str_printf("%s:%s:ro", source, target);
    return value ? add_option(words, "-v", value, e)
                 : err_set(e, -ENOMEM, "out of memory");
}

int
container_options(const json_t *edits, json_t **ret, struct err *e)
{
    const json_t *mounts = json_object_get(edits, "mounts");
    const json_t *env = json_object_get(edits, "env");
    json_t *words = json_array();
    int rc = 0;

    for (size_t i = 0; i < json_array_size(mounts) && rc == 0; i++)
        rc = add_mount(words, json_array_get(mounts, i), e);
    for (size_t i = 0; i < json_array_size(env) && rc == 0; i++)
        rc = add_option(words, "-e", json_string_value(json_array_get(env, i)), e);
    if (rc < 0) {
        json_decref(words);
        return rc;
    }
    *ret = words;
    return 0;
}

static bool
is_plain(const char *word)
{
    for (const char *p = word; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("@%+=:,./_-", *p))
            return false;
    }
    return word[0] != '\0';
}

/* Within single quotes all is plain but a single quote: that is '\''. */
static char *
quoted(char *to, const char *word)
{
    *to++ = '\'';
    for (const char *p = word; *p; p++) {
        if (*p == '\'')
            to = stpcpy(to, "'\\''");
        else
            *to++ = *p;
    }
    *to++ = '\'';
    return to;
}

char *
container_shell_words(const json_t *words)
{
    size_t room = 1;
    char *text, *to;

    for (size_t i = 0; i < json_array_size(words); i++)
        room += 4 * json_string_length(json_array_get(words, i)) + 3;
    text = to = malloc(room);
    if (!text)
        return NULL;
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));

        if (i > 0)
            *to++ = ' ';
        to = is_plain(word) ? stpcpy(to, word) : quoted(to, word);
    }
    *to = '\0';
    return text;
}
