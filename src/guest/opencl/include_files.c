/* SPDX-License-Identifier: MIT */
#include "guest/opencl/include_files.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/source_text.h"
#include "wire/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    char *path; /* absolute; ends with '/': a folder that a name goes through */
    char *content;
    size_t len;
};

/* A name that a macro may stand for, and the folder of the text that defines it. */
struct candidate {
    char *name, *folder;
};

struct collection {
    const struct include_query *query;
    char *cwd;
    char **dirs; /* absolute */
    size_t n_dirs;
    struct file *files;
    size_t n_files, bytes;
    struct candidate *candidates;
    size_t n_candidates;
    bool computed; /* an #include of a macro was seen */
    int error;
};

/* ---- paths ------------------------------------------------------------------------- */

void
path_normalize(char *path)
{
    char *to = path;

    for (const char *from = path; *from;) {
        size_t n;

        from++; /* the '/' */
        n = (size_t)(strchrnul(from, '/') - from);
        if (n == 2 && memcmp(from, "..", 2) == 0) {
            while (to > path && *--to != '/')
                ;
        } else if (n > 0 && !(n == 1 && *from == '.')) {
            *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += n;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

static char *
path_absolute(const struct collection *c, const char *folder, const char *name,
              size_t len)
{
    if (len > 0 && name[0] == '/')
        return strndup(name, len);
    if (folder[0] == '/')
        return str_printf("%s/%.*s", folder, (int)len, name);
    return str_printf("%s/%s/%.*s", c->cwd, folder, (int)len, name);
}

/* A path that the worker takes: of one that exists, only its depth is in question. */
static bool
path_can_travel(const char *path)
{
    unsigned depth = 0;

    for (const char *p = path; *p; p++)
        depth += *p == '/';
    return path[0] == '/' && depth < INCLUDE_DEPTH_MAX && strlen(path) < PATH_MAX - 2;
}

static bool
is_file(const char *path)
{
    struct stat st;

    return path_can_travel(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- the list ---------------------------------------------------------------------- */

static bool
has_file(const struct collection *c, const char *path)
{
    for (size_t i = 0; i < c->n_files; i++) {
        if (strcmp(c->files[i].path, path) == 0)
            return true;
    }
    return false;
}

/* Takes path and content. */
static void
add_entry(struct collection *c, char *path, char *content, size_t len)
{
    struct file *bigger = NULL;

    if (path && c->n_files < INCLUDE_FILES_MAX && c->bytes + len <= INCLUDE_BYTES_MAX)
        bigger = reallocarray(c->files, c->n_files + 1, sizeof *bigger);
    else
        c->error = path ? -E2BIG : -ENOMEM;
    if (!bigger) {
        if (!c->error)
            c->error = -ENOMEM;
        free(path);
        free(content);
        return;
    }
    c->files = bigger;
    c->files[c->n_files++] = (struct file){path, content, len};
    c->bytes += len;
}

/* The compiler goes through /a/b for /a/b/../c: that folder must be there as well. */
static void
add_folders(struct collection *c, const char *path)
{
    for (const char *up = path; (up = strstr(up, "/..")) && !c->error; up += 3) {
        char *folder;

        if (up[3] != '/' && up[3] != '\0')
            continue;
        folder = str_printf("%.*s/", (int)(up - path), path);
        if (folder) {
            path_normalize(folder);
            if (strlen(folder) > 1)
                strcat(folder, "/"); /* its own '/' was taken away */
        }
        if (folder && has_file(c, folder))
            free(folder);
        else
            add_entry(c, folder, NULL, 0);
    }
}

static void
add_file(struct collection *c, const char *path)
{
    _cleanup_free_ char *normal = strdup(path);
    char *content = NULL;
    size_t len;
    int rc;

    if (!normal) {
        c->error = -ENOMEM;
        return;
    }
    path_normalize(normal);
    add_folders(c, path);
    if (c->error || has_file(c, normal))
        return;
    rc = read_file(path, INCLUDE_BYTES_MAX, &content, &len);
    if (rc == -EFBIG)
        c->error = -E2BIG;
    if (rc == 0)
        add_entry(c, take_ptr(normal), content, len);
}

/* ---- looking for names ------------------------------------------------------------- */

/* NULL: no such file. */
static char *
find_in(const struct collection *c, const char *folder, const char *name, size_t len)
{
    char *path = path_absolute(c, folder, name, len);

    if (path && is_file(path))
        return path;
    free(path);
    return NULL;
}

static bool
is_embedded(const struct collection *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->query->n_embedded; i++) {
        const char *embedded = c->query->embedded[i];

        if (strlen(embedded) == len && memcmp(embedded, name, len) == 0)
            return true;
    }
    return false;
}

/* folder: of the including file; NULL in a program's source or with <…>. */
static void
look_for(struct collection *c, const char *folder, const char *name, size_t len)
{
    _cleanup_free_ char *path = NULL;

    if (len >= PATH_MAX || memchr(name, '\0', len) || is_embedded(c, name, len))
        return;
    if (folder || name[0] == '/')
        path = find_in(c, folder ? folder : c->cwd, name, len);
    for (size_t i = 0; !path && i < c->n_dirs; i++)
        path = find_in(c, c->dirs[i], name, len);
    if (!path)
        path = find_in(c, c->cwd, name, len);
    if (path)
        add_file(c, path);
}

static void
remember(struct collection *c, const char *folder, const char *name, size_t len)
{
    struct candidate *bigger;

    if (c->n_candidates == INCLUDE_FILES_MAX)
        return; /* a define is no include: no error */
    bigger = reallocarray(c->candidates, c->n_candidates + 1, sizeof *bigger);
    if (!bigger) {
        c->error = -ENOMEM;
        return;
    }
    c->candidates = bigger;
    bigger[c->n_candidates++] =
        (struct candidate){strndup(name, len), folder ? strdup(folder) : NULL};
}

static void
scan(struct collection *c, const char *folder, const char *text, size_t len)
{
    struct include_scan s;
    struct include_name n;

    include_scan_init(&s, text, len);
    while (!c->error && include_scan_next(&s, &n)) {
        if (n.kind == INCLUDE_MACRO)
            c->computed = true;
        else if (n.kind == INCLUDE_DEFINE)
            remember(c, folder, text + n.off, n.len);
        else
            look_for(c, n.kind == INCLUDE_QUOTED ? folder : NULL, text + n.off, n.len);
    }
}

/* The files from `from` on; what they include is appended meanwhile. */
static size_t
scan_files(struct collection *c, size_t from)
{
    for (; from < c->n_files && !c->error; from++) {
        const struct file *f = &c->files[from];
        _cleanup_free_ char *folder = NULL;

        if (!f->content)
            continue;
        folder = strndup(f->path, (size_t)(strrchr(f->path, '/') - f->path));
        if (folder)
            scan(c, folder[0] ? folder : "/", f->content, f->len);
        else
            c->error = -ENOMEM;
    }
    return from;
}

/* ---- the whole --------------------------------------------------------------------- */

/* -DFILE="x.h", -DFILE=<x.h>, and with the quotes escaped. */
static void
remember_option(struct collection *c, const char *option, size_t len)
{
    const char *value = memchr(option, '=', len);
    size_t n;

    if (!value)
        return;
    n = len - (size_t)(++value - option);
    while (n > 0 && strchr("\\\"<'", value[0])) {
        value++;
        n--;
    }
    while (n > 0 && strchr("\\\">'", value[n - 1]))
        n--;
    if (n > 0)
        remember(c, NULL, value, n);
}

static void
read_options(struct collection *c)
{
    const char *options = c->query->options;
    struct build_option o;
    size_t at = 0;

    while (!c->error && build_option_next(options, &at, &o)) {
        char **bigger;

        if (!o.is_include) {
            remember_option(c, options + o.off, o.len);
            continue;
        }
        bigger = reallocarray(c->dirs, c->n_dirs + 1, sizeof *bigger);
        if (!bigger) {
            c->error = -ENOMEM;
            return;
        }
        c->dirs = bigger;
        bigger[c->n_dirs] = path_absolute(c, c->cwd, options + o.dir_off, o.dir_len);
        if (bigger[c->n_dirs])
            c->n_dirs++;
        else
            c->error = -ENOMEM;
    }
}

static void
collect(struct collection *c)
{
    size_t scanned;

    read_options(c);
    for (size_t i = 0; i < c->query->n_sources; i++)
        scan(c, NULL, c->query->sources[i].text, c->query->sources[i].len);
    scanned = scan_files(c, 0);
    for (size_t i = 0; c->computed && i < c->n_candidates && !c->error; i++) {
        /* By value: looking may remember more, and move the array. */
        const struct candidate d = c->candidates[i];

        if (d.name)
            look_for(c, d.folder, d.name, strlen(d.name));
        scanned = scan_files(c, scanned);
    }
}

static int
encode(const struct collection *c, uint8_t **ret, size_t *ret_len)
{
    size_t size = enc_bytes_size(strlen(c->cwd) + 1) + 8;
    struct enc e;

    for (size_t i = 0; i < c->n_files; i++)
        size += enc_bytes_size(strlen(c->files[i].path) + 1) +
                enc_bytes_size(c->files[i].len);
    *ret = malloc(size);
    if (!*ret)
        return -ENOMEM;
    *ret_len = size;
    e.p = *ret;
    enc_bytes(&e, c->cwd, strlen(c->cwd) + 1);
    enc_u64(&e, c->n_files);
    for (size_t i = 0; i < c->n_files; i++) {
        enc_bytes(&e, c->files[i].path, strlen(c->files[i].path) + 1);
        enc_bytes(&e, c->files[i].content, c->files[i].len);
    }
    return 0;
}

static void
collection_fini(struct collection *c)
{
    for (size_t i = 0; i < c->n_dirs; i++)
        free(c->dirs[i]);
    for (size_t i = 0; i < c->n_files; i++) {
        free(c->files[i].path);
        free(c->files[i].content);
    }
    for (size_t i = 0; i < c->n_candidates; i++) {
        free(c->candidates[i].name);
        free(c->candidates[i].folder);
    }
    free(c->dirs);
    free(c->files);
    free(c->candidates);
    free(c->cwd);
}

int
include_files_collect(const struct include_query *q, uint8_t **ret, size_t *ret_len)
{
    struct collection c = {.query = q, .cwd = getcwd(NULL, 0)};
    int rc;

    *ret = NULL;
    *ret_len = 0;
    if (!c.cwd || !path_can_travel(c.cwd)) {
        free(c.cwd);
        c.cwd = strdup("/"); /* a folder that is gone: nothing is found in it */
    }
    if (!c.cwd)
        return -ENOMEM;
    collect(&c);
    rc = c.error;
    if (rc == 0 && c.n_files > 0)
        rc = encode(&c, ret, ret_len);
    collection_fini(&c);
    return rc;
}
