/* SPDX-License-Identifier: MIT */
/*
 * The OCI runtime specification, "Configuration": mounts, process.env and, of Linux, resources.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "container/container.h"

#include <errno.h>
#include <string.h>

/* The member at key, made where there is none; NULL with words when it is of another type. */
static json_t *
member_at(json_t *o, const char *key, json_type type, struct err *e)
{
    json_t *there = json_object_get(o, key);

    if (there && json_typeof(there) == type)
        return there;
    if (there && !json_is_null(there)) {
        err_set(e, -EINVAL, "'%s' is not an %s", key,
                type == JSON_ARRAY ? "array" : "object");
        return NULL;
    }
    there = type == JSON_ARRAY ? json_array() : json_object();
    if (json_object_set_new(o, key, there) < 0) {
        err_set(e, -ENOMEM, "out of memory");
        return NULL;
    }
    return there;
}

/* "/run/a/" is "/run/a". */
static bool
is_same_path(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);

    while (a_len > 1 && a[a_len - 1] == '/')
        a_len--;
    while (b_len > 1 && b[b_len - 1] == '/')
        b_len--;
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static void
remove_mount(json_t *mounts, const char *target)
{
    for (size_t i = json_array_size(mounts); i-- > 0;) {
        const json_t *there = json_object_get(json_array_get(mounts, i), "destination");

        if (is_same_path(json_string_value(there), target))
            json_array_remove(mounts, i);
    }
}

static int
check_mounts(const json_t *mounts, struct err *e)
{
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        if (!json_is_string(json_object_get(json_array_get(mounts, i), "destination")))
            return err_set(e, -EINVAL, "'mounts', number %zu, has no 'destination'",
                           i + 1);
    }
    return 0;
}

/* Ours come last: what is mounted later hides what is below it. Takes options over. */
static int
add_mount(json_t *mounts, json_t *source, json_t *target, json_t *options, struct err *e)
{
    remove_mount(mounts, json_string_value(target));
    if (json_array_append_new(mounts, json_pack("{sO ss sO so}", "destination", target,
                                                "type", "bind", "source", source,
                                                "options", options)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

/* A device node is mounted, too: not every runtime may make one. */
static int
edit_mounts(json_t *config, const json_t *edits, struct err *e)
{
    const json_t *ours = json_object_get(edits, "mounts");
    const json_t *nodes = json_object_get(edits, "deviceNodes");
    json_t *mounts = member_at(config, "mounts", JSON_ARRAY, e);
    int rc = mounts ? check_mounts(mounts, e) : -EINVAL;

    for (size_t i = 0; i < json_array_size(ours) && rc == 0; i++) {
        const json_t *m = json_array_get(ours, i);

        rc = add_mount(mounts, json_object_get(m, "hostPath"),
                       json_object_get(m, "containerPath"),
                       json_incref(json_object_get(m, "options")), e);
    }
    for (size_t i = 0; i < json_array_size(nodes) && rc == 0; i++) {
        const json_t *node = json_array_get(nodes, i);

        rc = add_mount(
            mounts, json_object_get(node, "hostPath"), json_object_get(node, "path"),
            json_pack("[sssss]", "bind", "rw", "nosuid", "noexec", "rprivate"), e);
    }
    return rc;
}

/* Is it this rule? Members that are not there count as null. */
static bool
is_rule(const json_t *a, const json_t *rule)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)rule, key, value)
    {
        if (!json_equal(json_object_get(a, key), value))
            return false;
    }
    return true;
}

/* The rules that allow devices (linux.resources.devices): the last one that fits counts. */
static int
add_rule(json_t *rules, json_t *rule, struct err *e)
{
    for (size_t i = json_array_size(rules); i-- > 0;) {
        if (is_rule(json_array_get(rules, i), rule))
            json_array_remove(rules, i);
    }
    if (json_array_append_new(rules, rule) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

static json_t *
resources_of(json_t *config, struct err *e)
{
    json_t *linux_part = member_at(config, "linux", JSON_OBJECT, e);

    return linux_part ? member_at(linux_part, "resources", JSON_OBJECT, e) : NULL;
}

static bool
is_of_region(const char *line, const char *region)
{
    const size_t len = strlen(region);

    return strncmp(line, region, len) == 0 && (line[len] == ' ' || line[len] == '\0');
}

/* The lines of `there` that are of other regions, each with its end. */
static char *
other_lines(const char *there, const json_t *dmem)
{
    _cleanup_free_ char *copy = strdup(there);
    char *kept = copy ? strdup("") : NULL, *rest = copy, *line;

    while (kept && rest && (line = strsep(&rest, "\n"))) {
        bool ours = line[0] == '\0';
        const char *region;
        json_t *bytes;
        char *more;

        json_object_foreach((json_t *)dmem, region, bytes) ours |=
            is_of_region(line, region);
        if (ours)
            continue;
        more = str_printf("%s%s\n", kept, line);
        free(kept);
        kept = more;
    }
    return kept;
}

/* A line for each region, as the file of the control group has it. */
static char *
dmem_lines(const char *there, const json_t *dmem)
{
    char *lines = other_lines(there ? there : "", dmem);
    const char *region;
    json_t *bytes;

    json_object_foreach((json_t *)dmem, region, bytes)
    {
        char *const more =
            lines ? str_printf("%s%s %lld\n", lines, region, json_integer_value(bytes))
                  : NULL;

        free(lines);
        lines = more;
    }
    if (lines && lines[0])
        lines[strlen(lines) - 1] = '\0';
    return lines;
}

/* linux.resources.unified: files of the container's group. */
static int
edit_dmem(json_t *config, const json_t *edits, struct err *e)
{
    const json_t *dmem = json_object_get(edits, "dmem");
    _cleanup_free_ char *lines = NULL;
    json_t *resources, *unified;

    if (json_object_size(dmem) == 0)
        return 0;
    resources = resources_of(config, e);
    unified = resources ? member_at(resources, "unified", JSON_OBJECT, e) : NULL;
    if (!unified)
        return -EINVAL;
    lines = dmem_lines(json_string_value(json_object_get(unified, "dmem.max")), dmem);
    if (!lines || json_object_set_new(unified, "dmem.max", json_string(lines)) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    return 0;
}

static int
edit_devices(json_t *config, const json_t *edits, struct err *e)
{
    const json_t *nodes = json_object_get(edits, "deviceNodes");
    json_t *resources, *rules;
    int rc = 0;

    if (json_array_size(nodes) == 0)
        return 0;
    resources = resources_of(config, e);
    rules = resources ? member_at(resources, "devices", JSON_ARRAY, e) : NULL;
    if (!rules)
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(nodes) && rc == 0; i++) {
        const json_t *node = json_array_get(nodes, i);

        rc = add_rule(rules,
                      json_pack("{sb ss sO sO ss}", "allow", 1, "type", "c", "major",
                                json_object_get(node, "major"), "minor",
                                json_object_get(node, "minor"), "access", "rw"),
                      e);
    }
    return rc;
}

/* `setting` is NAME=VALUE. */
static void
remove_setting(json_t *env, const char *setting)
{
    const size_t len = (size_t)(strchr(setting, '=') - setting) + 1;

    for (size_t i = json_array_size(env); i-- > 0;) {
        if (strncmp(json_string_value(json_array_get(env, i)), setting, len) == 0)
            json_array_remove(env, i);
    }
}

static int
check_env(const json_t *env, struct err *e)
{
    for (size_t i = 0; i < json_array_size(env); i++) {
        if (!json_is_string(json_array_get(env, i)))
            return err_set(e, -EINVAL, "'process.env', number %zu, is not a string",
                           i + 1);
    }
    return 0;
}

static int
edit_env(json_t *config, const json_t *edits, struct err *e)
{
    const json_t *ours = json_object_get(edits, "env");
    json_t *process = json_object_get(config, "process");
    json_t *env;
    int rc;

    if (!json_is_object(process))
        return err_set(e, -EINVAL,
                       "it has no 'process', so nothing that could use a vGPU");
    env = member_at(process, "env", JSON_ARRAY, e);
    rc = env ? check_env(env, e) : -EINVAL;
    for (size_t i = 0; i < json_array_size(ours) && rc == 0; i++) {
        json_t *setting = json_array_get(ours, i);

        remove_setting(env, json_string_value(setting));
        if (json_array_append(env, setting) < 0)
            rc = err_set(e, -ENOMEM, "out of memory");
    }
    return rc;
}

static int
edit_config(json_t *config, const json_t *edits, struct err *e)
{
    int rc;

    if (!json_is_object(config) || !json_is_string(json_object_get(config, "ociVersion")))
        return err_set(e, -EINVAL, "it is no OCI configuration: it has no 'ociVersion'");
    rc = edit_env(config, edits, e);
    if (rc == 0)
        rc = edit_mounts(config, edits, e);
    if (rc == 0)
        rc = edit_devices(config, edits, e);
    return rc == 0 ? edit_dmem(config, edits, e) : rc;
}

static int
print_config(const json_t *config, char **ret_text, struct err *e)
{
    _cleanup_free_ char *text = json_dumps(config, JSON_INDENT(4));

    *ret_text = text ? str_printf("%s\n", text) : NULL;
    return *ret_text ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int
container_oci_edit(const char *text, size_t len, const json_t *edits, char **ret_text,
                   struct err *e)
{
    json_error_t why;
    json_t *config = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    char *made = NULL;
    int rc;

    if (!config)
        return err_set(e, -EINVAL, "line %d, column %d: %s", why.line, why.column,
                       why.text);
    rc = edit_config(config, edits, e);
    if (rc == 0)
        rc = print_config(config, &made, e);
    json_decref(config);
    if (rc == 0)
        *ret_text = made;
    return rc;
}
