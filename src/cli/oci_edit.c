/* SPDX-License-Identifier: MIT */
/* tessera oci-edit: vGPUs for a bundle that crun, runc or another OCI runtime will run. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/container.h"
#include "container/container.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_MAX_BYTES (16u << 20)

static int
read_config(const char *path, struct stat *ret_st, char **ret, size_t *ret_len,
            struct err *e)
{
    int rc = read_file(path, CONFIG_MAX_BYTES, ret, ret_len);

    if (rc == 0 && stat(path, ret_st) < 0)
        rc = -errno;
    if (rc == -ENOENT || rc == -ENOTDIR)
        err_set(e, rc,
                "there is no %s: an OCI bundle is a folder with a config.json, as 'crun "
                "spec' makes one",
                path);
    else if (rc < 0)
        err_set(e, rc, "cannot read %s: %s", path, strerror(-rc));
    return rc;
}

/* It stays its owner's, who may not be us. */
static int
write_config(const char *path, const struct stat *old, const char *text, struct err *e)
{
    int rc = write_file_atomic(path, text, strlen(text), old->st_mode & 0777);

    if (rc == 0 && old->st_uid != geteuid() && chown(path, old->st_uid, old->st_gid) < 0)
        rc = -errno;
    return rc < 0 ? err_set(e, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static int
edit_file(const char *path, const json_t *edits, struct err *e)
{
    _cleanup_free_ char *text = NULL, *made = NULL;
    struct stat st = {0};
    size_t len = 0;
    int rc = read_config(path, &st, &text, &len, e);

    if (rc < 0)
        return rc;
    rc = container_oci_edit(text, len, edits, &made, e);
    if (rc < 0) {
        err_wrap(e, "%s", path);
        return rc;
    }
    return strcmp(made, text) == 0 ? 0 : write_config(path, &st, made, e);
}

static void
print_edited(const json_t *o)
{
    printf("%s: edited\n", json_text_of(o, "file", "-"));
}

int
cmd_oci_edit(int argc, char **argv)
{
    static const struct args_usage usage = {
        .words = "BUNDLE NAME...",
        .min_words = 2,
        .max_words = UINT_MAX,
        .doc = "Edits the config.json of an OCI bundle (a folder), so that the container "
               "that "
               "crun, runc or another runtime makes of it has these vGPUs. All else in "
               "it stays, and doing it twice is doing it once.",
    };
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *path = NULL;
    struct args args = {0};
    json_t *edits, *done;
    int rc;

    args_parse(&usage, argc, argv, &args);
    rc = container_edits_named(args.words + 1, args.nwords - 1, "oci-edit", &edits);
    if (rc != 0)
        return rc;
    path = str_printf("%s/config.json", args.words[0]);
    rc = path ? edit_file(path, edits, &e) : err_set(&e, -ENOMEM, "out of memory");
    json_decref(edits);
    if (rc < 0)
        return cli_fail(NULL, &e, "oci-edit");
    done = json_pack("{ss}", "file", path);
    cli_print(done, args.json, print_edited);
    json_decref(done);
    return 0;
}
