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

static bool
is_read_only(const json_t *mount)
{
    const json_t *options = json_object_get(mount, "options");

    for (size_t i = 0; i < json_array_size(options); i++) {
        if (strcmp(json_string_value(json_array_get(options, i)), "ro") == 0)
            return true;
    }
    return false;
}

/* -v, as every user knows it; --mount where the path has a colon, as PCI devices' have. */
static int
add_mount(json_t *words, const json_t *mount, struct err *e)
{
    const char *source = json_string_value(json_object_get(mount, "hostPath"));
    const char *target = json_string_value(json_object_get(mount, "containerPath"));
    const bool colon = strchr(source, ':') != NULL, ro = is_read_only(mount);
    _cleanup_free_ char *value = NULL;

    if (colon && strchr(source, ','))
        return err_set(
            e, -EINVAL,
            "neither -v nor --mount can name %s, which holds a colon and a comma",
            source);
    value = colon ? str_printf("type=bind,source=%s,target=%s%s", source, target,
                               ro ? ",readonly" : "")
                  : str_printf("%s:%s:%s", source, target, ro ? "ro" : "rw");
    return value ? add_option(words, colon ? "--mount" : "-v", value, e)
                 : err_set(e, -ENOMEM, "out of memory");
}

static int
add_device(json_t *words, const json_t *node, struct err *e)
{
    _cleanup_free_ char *value =
        str_printf("%s:%s", json_string_value(json_object_get(node, "hostPath")),
                   json_string_value(json_object_get(node, "path")));

    return value ? add_option(words, "--device", value, e)
                 : err_set(e, -ENOMEM, "out of memory");
}

int
container_options(const json_t *edits, json_t **ret, struct err *e)
{
    const json_t *mounts = json_object_get(edits, "mounts");
    const json_t *nodes = json_object_get(edits, "deviceNodes");
    const json_t *env = json_object_get(edits, "env");
    json_t *words = json_array();
    int rc = 0;

    for (size_t i = 0; i < json_array_size(mounts) && rc == 0; i++)
        rc = add_mount(words, json_array_get(mounts, i), e);
    for (size_t i = 0; i < json_array_size(nodes) && rc == 0; i++)
        rc = add_device(words, json_array_get(nodes, i), e);
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
