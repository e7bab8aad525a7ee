/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "container/container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int
container_oci_edit_bundle(const char *bundle, const json_t *edits, char **ret_path,
                          struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/config.json", bundle);
    int rc = path ? edit_file(path, edits, e) : err_set(e, -ENOMEM, "out of memory");

    if (rc == 0)
        *ret_path = take_ptr(path);
    return rc;
}

int
container_cdi_write(const char *path, const json_t *spec, struct err *e)
{
    _cleanup_free_ char *text = json_dumps(spec, JSON_INDENT(2));
    _cleanup_free_ char *line = text ? str_printf("%s\n", text) : NULL;
    int rc;

    if (!path) {
        fputs(line ? line : "", stdout);
        return line ? 0 : err_set(e, -ENOMEM, "out of memory");
    }
    if (strcmp(path, CONTAINER_CDI_FILE) == 0)
        mkdir_parents(CONTAINER_CDI_FOLDER, 0755); /* writing says what is wrong */
    rc = line ? write_file_atomic(path, line, strlen(line), 0644) : -ENOMEM;
    if (rc == -EACCES || rc == -EPERM)
        return err_set(e, rc,
                       "cannot write %s: %s (as root, or the command container-args in "
                       "its place)",
                       path, strerror(-rc));
    return rc < 0 ? err_set(e, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}
