/* SPDX-License-Identifier: MIT */
/*
 * tessera cdi: a specification of the Container Device Interface, by which podman, containerd and
 * docker know vGPUs as devices.
 */
#include "base/args.h"
#include "cli/cli.h"
#include "container/container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct cdi_args {
    struct args args;
    const char *file;
    bool install;
};

static const struct args_usage usage = {
    .doc =
        "Prints a CDI specification: with it podman (4.1 or later), containerd and "
        "docker (25 "
        "or later) know each vGPU as the device tessera.dev/vgpu=NAME, and all of them "
        "as "
        "tessera.dev/vgpu=all. To be written again when vGPUs were created or deleted.",
    .options =
        {
            {"install", NULL, "write it to " CONTAINER_CDI_FILE ", where engines find it",
             offsetof(struct cdi_args, install)},
            {"file", "FILE", "write it there", offsetof(struct cdi_args, file)},
        },
};

/* The vGPUs that a container can use. Ephemeral ones are their program's alone, and soon gone. */
static json_t *
pick_usable(const json_t *list)
{
    json_t *usable = json_array();

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);
        _cleanup_err_ struct err e = ERR_INIT;

        if (json_is_true(json_object_get(v, "ephemeral")))
            continue;
        if (container_check(v, &e) < 0)
            fprintf(stderr, "tessera: left out: %s\n", err_msg(&e));
        else
            json_array_append(usable, v);
    }
    return usable;
}

static int
get_usable(struct client *c, json_t **ret, struct err *e)
{
    json_t *answer;
    int rc = client_call(c, "GET", "/v1/vgpus", NULL, &answer, e);

    if (rc < 0)
        return rc;
    *ret = pick_usable(json_object_get(answer, "vgpus"));
    json_decref(answer);
    return 0;
}

/* "/etc/cdi/tessera.json: train-0, train-1, all" */
static void
print_written(const json_t *o)
{
    const json_t *devices = json_object_get(o, "devices");

    printf("%s:", json_text_of(o, "file", "-"));
    for (size_t i = 0; i < json_array_size(devices); i++)
        printf("%s %s", i > 0 ? "," : "", json_string_value(json_array_get(devices, i)));
    puts(json_array_size(devices) == 0 ? " removed, there is no vGPU for containers"
                                       : "");
}

/* What was written, for people or programs; spec NULL: there is none. */
static void
tell(const char *path, const json_t *spec, bool json)
{
    const json_t *devices = json_object_get(spec, "devices");
    json_t *names = json_array(), *o;

    for (size_t i = 0; i < json_array_size(devices); i++)
        json_array_append(names, json_object_get(json_array_get(devices, i), "name"));
    o = json_pack("{ss so}", "file", path, "devices", names);
    cli_print(o, json, print_written);
    json_decref(o);
}

static int
put(const struct cdi_args *a, const json_t *spec, struct err *e)
{
    const char *path = a->install ? CONTAINER_CDI_FILE : a->file;
    int rc = container_cdi_write(path, spec, e);

    if (rc == 0 && path)
        tell(path, spec, a->args.json);
    return rc;
}

/* A specification without devices is none: engines refuse it. */
static int
put_none(const struct cdi_args *a, struct err *e)
{
    if (!a->install)
        return err_set(
            e, -ENOENT,
            "there is no vGPU for containers; 'tessera create NAME --type TYPE' "
            "makes one");
    if (unlink(CONTAINER_CDI_FILE) < 0 && errno != ENOENT)
        return err_set(e, -errno, "cannot remove " CONTAINER_CDI_FILE ": %s",
                       strerror(errno));
    tell(CONTAINER_CDI_FILE, NULL, a->args.json);
    return 0;
}

static int
write_or_print(const struct cdi_args *a, const json_t *vgpus, struct err *e)
{
    json_t *spec;
    int rc;

    if (json_array_size(vgpus) == 0)
        return put_none(a, e);
    rc = container_cdi_spec(vgpus, &spec, e);
    if (rc < 0)
        return rc;
    rc = put(a, spec, e);
    json_decref(spec);
    return rc;
}

int
cmd_cdi(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct cdi_args a = {0};
    json_t *vgpus = NULL;
    struct client *c;
    int rc;

    args_parse(&usage, argc, argv, &a);
    if (a.install && a.file)
        args_mistake(argv, "--install and --file are two places: one of them");
    c = cli_client(false, EXIT_FAILED);
    rc = get_usable(c, &vgpus, &e);
    if (rc == 0)
        rc = write_or_print(&a, vgpus, &e);
    if (rc < 0)
        rc = cli_fail(c, &e, "cdi");
    json_decref(vgpus);
    client_free(c);
    return rc;
}
