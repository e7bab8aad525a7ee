/* SPDX-License-Identifier: MIT */
/* tessera-guest cdi, oci-edit, container-args: this machine's vGPUs for containers in it. */
#include "base/args.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "container/container.h"
#include "guestcli/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_FIRST "'tessera-guest' alone tells what is there, and why something is not"

static int
fail(char **argv, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", argv[0], err_msg(e));
    return EXIT_FAILURE;
}

/* "/etc/cdi/tessera.json: written", or for programs {"file": ...} */
static void
tell_file(const char *path, const char *done, bool json)
{
    json_t *o;

    if (!json) {
        printf("%s: %s\n", path, done);
        return;
    }
    o = json_pack("{ss}", "file", path);
    json_dumpf(o, stdout, 0);
    putchar('\n');
    json_decref(o);
}

static json_t *
find_named(const json_t *vgpus, const char *name)
{
    for (size_t i = 0; i < json_array_size(vgpus); i++) {
        json_t *v = json_array_get(vgpus, i);

        if (strcmp(json_string_value(json_object_get(v, "name")), name) == 0)
            return v;
    }
    return NULL;
}

/* What a container needs that has the vGPUs of these names. */
static int
edits_named(char **names, unsigned n, json_t **ret, struct err *e)
{
    json_t *all = machine_vgpus(), *wanted = json_array();
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++) {
        json_t *v = find_named(all, names[i]);

        if (!v)
            rc = err_set(e, -ENOENT,
                         "this machine has no vGPU '%s' that can be used; " CHECK_FIRST,
                         names[i]);
        else
            json_array_append(wanted, v);
    }
    if (rc == 0)
        rc = container_edits(wanted, ret, e);
    json_decref(wanted);
    json_decref(all);
    return rc;
}

struct cdi_args {
    struct args args;
    const char *file;
    bool install;
};

static int
cdi_put(const struct cdi_args *a, const json_t *spec, struct err *e)
{
    const char *path = a->install ? CONTAINER_CDI_FILE : a->file;
    int rc = container_cdi_write(path, spec, e);

    if (rc == 0 && path)
        tell_file(path, "written", a->args.json);
    return rc;
}

int
guest_cdi(int argc, char **argv)
{
    static const struct args_usage usage = {
        .doc =
            "Prints a CDI specification, by which podman (4.1 or later), containerd and "
            "docker (25 or later) know each vGPU of this virtual machine as the device "
            "tessera.dev/vgpu=NAME, and all of them as tessera.dev/vgpu=all. To be "
            "written again when the machine was given others.",
        .options =
            {
                {"install", NULL,
                 "write it to " CONTAINER_CDI_FILE ", where engines find it",
                 offsetof(struct cdi_args, install)},
                {"file", "FILE", "write it there", offsetof(struct cdi_args, file)},
            },
    };
    _cleanup_err_ struct err e = ERR_INIT;
    struct cdi_args a = {0};
    json_t *vgpus, *spec = NULL;
    int rc;

    args_parse(&usage, argc, argv, &a);
    if (a.install && a.file)
        args_mistake(argv, "--install and --file are two places: one of them");
    vgpus = machine_vgpus();
    rc = json_array_size(vgpus) > 0
             ? container_cdi_spec(vgpus, &spec, &e)
             : err_set(&e, -ENOENT,
                       "this machine has no vGPU that can be used; " CHECK_FIRST);
    if (rc == 0)
        rc = cdi_put(&a, spec, &e);
    json_decref(spec);
    json_decref(vgpus);
    return rc < 0 ? fail(argv, &e) : EXIT_SUCCESS;
}

int
guest_oci_edit(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "BUNDLE NAME...",
        .min_words = 2,
        .max_words = UINT_MAX,
        .doc =
            "Edits the config.json of an OCI bundle (a folder), so that the container "
            "that crun, runc or another runtime makes of it has these vGPUs of this "
            "virtual machine. All else in it stays, and doing it twice is doing it once.",
    };
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = NULL;
    struct args a = {0};
    json_t *edits = NULL;
    int rc;

    args_parse(&usage, argc, argv, &a);
    rc = edits_named(a.words + 1, a.nwords - 1, &edits, &e);
    if (rc == 0)
        rc = container_oci_edit_bundle(a.words[0], edits, &path, &e);
    json_decref(edits);
    if (rc < 0)
        return fail(argv, &e);
    tell_file(path, "edited", a.json);
    return EXIT_SUCCESS;
}

int
guest_container_args(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "NAME...",
        .min_words = 1,
        .max_words = UINT_MAX,
        .doc = "Prints options of docker and podman that give a container these vGPUs of "
               "this virtual machine: docker run $(tessera-guest container-args train-0) "
               "IMAGE PROGRAM.",
    };
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *line = NULL;
    json_t *edits = NULL, *words = NULL;
    struct args a = {0};
    int rc;

    args_parse(&usage, argc, argv, &a);
    rc = edits_named(a.words, a.nwords, &edits, &e);
    if (rc == 0)
        rc = container_options(edits, &words, &e);
    if (rc == 0)
        line = a.json ? json_dumps(words, JSON_INDENT(2)) : container_shell_words(words);
    if (line)
        puts(line);
    json_decref(words);
    json_decref(edits);
    return rc < 0 ? fail(argv, &e) : EXIT_SUCCESS;
}
