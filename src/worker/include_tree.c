/* SPDX-License-Identifier: MIT */
#include "worker/include_tree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/source_text.h"
#include "wire/codec.h"
#include "worker/build_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_ROOT "tessera.guest"
#define PREFIX "tessera-build-"
#define TOPS_MAX 1024
#define LEVELS 16 /* folders above the guest's root: as many ".." lead nowhere */

/* ---- names in texts ---------------------------------------------------------------- */

static unsigned
count_parents(const char *name, size_t len)
{
    unsigned n = 0;

    for (size_t i = 0; i + 1 < len; i++) {
        bool begins = i == 0 || name[i - 1] == '/';
        bool ends = i + 2 == len || name[i + 2] == '/';

        n += begins && ends && name[i] == '.' && name[i + 1] == '.';
    }
    return n;
}

static bool
computes_names(const char *text, size_t len)
{
    struct include_scan s;
    struct include_name n;

    include_scan_init(&s, text, len);
    while (include_scan_next(&s, &n)) {
        if (n.kind == INCLUDE_MACRO)
            return true;
    }
    return false;
}

static bool
name_changes(const char *text, const struct include_name *n, bool computed, bool main)
{
    const char *name = text + n->off;

    if (n->kind == INCLUDE_MACRO || (n->kind == INCLUDE_DEFINE && !computed))
        return false;
    return name[0] == '/' || count_parents(name, n->len) > (main ? 0 : LEVELS);
}

/* The name between angles: those are not looked for beside the driver's copy of the source. */
static void
name_write(FILE *f, const char *name, size_t len)
{
    bool outside = name[0] == '/' || count_parents(name, len) > LEVELS;

    fprintf(f, "<%s%s", outside ? GUEST_ROOT : "", outside && name[0] != '/' ? "/" : "");
    fwrite(name, 1, len, f);
    fputc('>', f);
}

char *
include_rewrite(const char *text, size_t len, bool main, size_t *ret_len)
{
    bool computed = computes_names(text, len);
    struct include_scan s;
    struct include_name n;
    size_t at = 0;
    char *ret = NULL;
    FILE *f = open_memstream(&ret, ret_len);

    if (!f)
        return NULL;
    include_scan_init(&s, text, len);
    while (include_scan_next(&s, &n)) {
        if (!name_changes(text, &n, computed, main))
            continue;
        fwrite(text + at, 1, n.off - 1 - at, f);
        name_write(f, text + n.off, n.len);
        at = n.off + n.len + 1;
    }
    fwrite(text + at, 1, len - at, f);
    if (fclose(f) != 0) {
        free(ret);
        return NULL;
    }
    return ret;
}

/* ---- the list ---------------------------------------------------------------------- */

static bool
path_is_good(const char *path)
{
    size_t len = strlen(path);
    unsigned depth = 0;

    if (path[0] != '/' || len >= PATH_MAX)
        return false;
    for (const char *p = path; *p; p = strchrnul(p, '/')) {
        p++;
        if (strchrnul(p, '/') - p > NAME_MAX || ++depth > INCLUDE_DEPTH_MAX)
            return false;
    }
    return true;
}

const char *
include_files_check(const uint8_t *files, size_t len)
{
    struct dec d;
    uint64_t n, size;

    if (len == 0)
        return NULL;
    if (len > INCLUDE_BYTES_MAX + INCLUDE_FILES_MAX * (PATH_MAX + 32ull))
        return "too long";
    dec_init(&d, files, len);
    if (!path_is_good(dec_string(&d, "folder")))
        return "the working folder is no path";
    n = dec_u64(&d, "count");
    if (n > INCLUDE_FILES_MAX)
        return "too many files";
    for (uint64_t i = 0; i < n && !d.bad; i++) {
        if (!path_is_good(dec_string(&d, "path")))
            return "a file's name is no path";
        dec_bytes(&d, "content", &size);
    }
    dec_end(&d);
    return d.bad ? "malformed" : NULL;
}

/* ---- the folder -------------------------------------------------------------------- */

/*
 * Where the guest's absolute path lies here, without "." and "..": *ret is below `root` in any
 * case. Folders that it goes through are made, as the compiler will go through them.
 */
static int
path_inside(const char *root, const char *path, bool is_file, char ret[PATH_MAX])
{
    size_t root_len = strlen(root), len = root_len;

    memcpy(ret, root, len + 1);
    while (*path) {
        size_t n = (size_t)(strchrnul(path, '/') - path);

        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (len > root_len && ret[--len] != '/')
                ;
            ret[len] = '\0';
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            if (len + n + 2 > PATH_MAX)
                return -ENAMETOOLONG;
            ret[len++] = '/';
            memcpy(ret + len, path, n);
            len += n;
            ret[len] = '\0';
            if (!(is_file && !path[n]) && mkdir(ret, 0700) < 0 && errno != EEXIST)
                return -errno;
        }
        path += n + (path[n] == '/');
    }
    return 0;
}

static int
file_write(const char *root, const char *path, const char *content, size_t len)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_close_ int fd = -1;
    char at[PATH_MAX];
    bool is_folder = path[strlen(path) - 1] == '/';
    int rc = path_inside(root, path, !is_folder, at);

    if (rc < 0 || is_folder)
        return rc;
    text = include_rewrite(content, len, false, &len);
    if (!text)
        return -ENOMEM;
    fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : write_all(fd, text, len);
}

static int
files_write(const char *root, struct dec *d)
{
    uint64_t n = dec_u64(d, "count"), len;
    int rc = 0;

    for (uint64_t i = 0; i < n && rc == 0; i++) {
        const char *path = dec_string(d, "path");
        const uint8_t *content = dec_bytes(d, "content", &len);

        rc = file_write(root, path, (const char *)content, len);
    }
    return rc;
}

static void tree_delete(const char *top);

/* What workers left behind that were killed while they built. */
static void
remove_orphans(const char *tmp)
{
    DIR *d = opendir(tmp);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        _cleanup_free_ char *path = NULL;
        int pid, end = 0;

        if (sscanf(e->d_name, PREFIX "%d-%n", &pid, &end) != 1 || end == 0 || pid <= 0 ||
            kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        path = str_printf("%s/%s", tmp, e->d_name);
        if (path)
            tree_delete(path);
    }
    if (d)
        closedir(d);
}

static const char *
tmp_folder(void)
{
    const char *tmp = getenv("TMPDIR");

    return tmp && tmp[0] == '/' ? tmp : "/tmp";
}

static pthread_once_t orphans_once = PTHREAD_ONCE_INIT;

static void
remove_orphans_once(void)
{
    remove_orphans(tmp_folder());
}

/* Is that our working folder? Then it is a session's own (session.c). */
static bool
is_here(const char *folder)
{
    struct stat here, there;

    return stat(".", &here) == 0 && stat(folder, &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* A folder that nobody else has, by the first name of this key that is free. */
static char *
make_top_here(uint64_t key)
{
    for (unsigned i = 0; i < TOPS_MAX; i++) {
        char *top = str_printf(PREFIX "%016llx-%u", (unsigned long long)key, i);

        if (!top || mkdir(top, 0700) == 0)
            return top;
        free(top);
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

static char *
make_top_in(const char *tmp)
{
    char *top = str_printf("%s/" PREFIX "%d-XXXXXX", tmp, (int)getpid());

    pthread_once(&orphans_once, remove_orphans_once);
    if (top && !mkdtemp(top)) {
        free(top);
        return NULL;
    }
    return top;
}

static char *
make_private(struct include_tree *t, uint64_t key)
{
    char *dir;

    t->top = is_here(tmp_folder()) ? make_top_here(key) : make_top_in(tmp_folder());
    if (!t->top)
        return NULL;
    dir = strdup(t->top);
    for (int i = 0; dir && i < LEVELS; i++) {
        char *deeper = str_printf("%s/%d", dir, i);

        free(dir);
        dir = deeper;
        if (dir && mkdir(dir, 0700) < 0) {
            free(dir);
            dir = NULL;
        }
    }
    return dir;
}

/* A folder that the options name, by a name without blanks: NAME -> tessera.guest/PATH. */
static int
folder_link(const char *private_dir, const char *name, const char *cwd, const char *dir)
{
    _cleanup_free_ char *root = str_printf("%s/" GUEST_ROOT, private_dir);
    _cleanup_free_ char *path = str_printf("%s/%s", dir[0] == '/' ? "" : cwd, dir);
    _cleanup_free_ char *link_at = str_printf("%s/%s", private_dir, name);
    char target[PATH_MAX];
    int rc;

    if (!root || !path || !link_at)
        return -ENOMEM;
    rc = path_inside(root, path, false, target);
    if (rc < 0)
        return rc;
    return symlink(target + strlen(private_dir) + 1, link_at) < 0 ? -errno : 0;
}

static int
words_add(struct include_words *w, const char *options, const struct build_option *o)
{
    char **bigger;

    if (o->dir_len == 0 || w->n_given == INCLUDE_DIRS_MAX)
        return -EINVAL;
    bigger = reallocarray(w->given, w->n_given + 1, sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    w->given = bigger;
    bigger[w->n_given] = strndup(options + o->dir_off, o->dir_len);
    if (!bigger[w->n_given])
        return -ENOMEM;
    w->n_given++;
    return 0;
}

/* Every -I names a folder of ours; where there is none, one that does not exist. */
static int
options_write(FILE *f, struct include_words *w, const char *cwd, const char *options)
{
    struct build_option o;
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && build_option_next(options, &at, &o)) {
        if (!o.is_include) {
            fprintf(f, "%.*s ", (int)o.len, options + o.off);
            continue;
        }
        rc = words_add(w, options, &o);
        if (rc == 0 && w->private_dir) {
            char name[32];

            snprintf(name, sizeof name, "i%zu", w->n_given - 1);
            rc = folder_link(w->private_dir, name, cwd, w->given[w->n_given - 1]);
            fprintf(f, "-I %s/%s ", w->private_dir, name);
        }
    }
    if (rc == 0 && w->private_dir) {
        rc = folder_link(w->private_dir, "cwd", cwd, cwd);
        fprintf(f, "-I %s/cwd -I %s ", w->private_dir, w->private_dir);
    }
    return rc;
}

static int
tree_fill(struct include_tree *t, struct dec *d, uint64_t key)
{
    _cleanup_free_ char *root = NULL;

    t->words.private_dir = make_private(t, key);
    if (!t->words.private_dir)
        return -EIO;
    root = str_printf("%s/" GUEST_ROOT, t->words.private_dir);
    if (!root)
        return -ENOMEM;
    if (mkdir(root, 0700) < 0)
        return -errno;
    return files_write(root, d);
}

int
include_tree_make(struct include_tree *t, const uint8_t *files, size_t len,
                  const char *options, char **ret_options)
{
    _cleanup_free_ char *text = NULL;
    const char *cwd = "/";
    uint64_t key;
    struct dec d;
    size_t text_len;
    int rc = 0;
    FILE *f;

    *t = (struct include_tree){0};
    if (len > 0) {
        dec_init(&d, files, len);
        cwd = dec_string(&d, "folder");
        key = build_key_add(BUILD_KEY_NONE, options, strlen(options));
        rc = tree_fill(t, &d, build_key_add(key, files, len));
    }
    f = rc < 0 ? NULL : open_memstream(&text, &text_len);
    if (!f)
        return rc < 0 ? rc : -ENOMEM;
    rc = options_write(f, &t->words, cwd, options);
    if (fclose(f) != 0)
        rc = -ENOMEM;
    if (rc == 0)
        *ret_options = take_ptr(text);
    return rc;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

/* Links are removed, not followed. */
static void
tree_delete(const char *top)
{
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void
include_tree_remove(struct include_tree *t)
{
    if (t->top)
        tree_delete(t->top);
    free(t->top);
    t->top = NULL;
    include_words_fini(&t->words);
}

/* ---- logs -------------------------------------------------------------------------- */

void
include_words_fini(struct include_words *w)
{
    for (size_t i = 0; i < w->n_given; i++)
        free(w->given[i]);
    free(w->given);
    free(w->private_dir);
    *w = (struct include_words){0};
}

/* The longest of the folder's names that stands here: its length, and what the guest calls it. */
static size_t
word_here(const struct include_words *w, const char *at, const char **ret)
{
    size_t dir_len = w->private_dir ? strlen(w->private_dir) : 0, i;
    char *end;

    *ret = "";
    if (strncmp(at, GUEST_ROOT "/", sizeof GUEST_ROOT) == 0)
        return sizeof GUEST_ROOT - 1;
    if (dir_len == 0 || strncmp(at, w->private_dir, dir_len) != 0 || at[dir_len] != '/')
        return 0;
    at += dir_len + 1;
    if (strncmp(at, "cwd/", 4) == 0) {
        *ret = ".";
        return dir_len + 4;
    }
    if (strncmp(at, GUEST_ROOT "/", sizeof GUEST_ROOT) == 0)
        return dir_len + sizeof GUEST_ROOT;
    if (at[0] != 'i' || at[1] < '0' || at[1] > '9')
        return 0;
    i = strtoul(at + 1, &end, 10);
    if (*end != '/' || i >= w->n_given)
        return 0;
    *ret = w->given[i];
    return dir_len + 1 + (size_t)(end - at);
}

char *
include_words_apply(const struct include_words *w, const char *log)
{
    char *ret = NULL;
    size_t len;
    FILE *f = open_memstream(&ret, &len);

    if (!f)
        return NULL;
    while (*log) {
        const char *words;
        size_t n = word_here(w, log, &words);

        if (n == 0) {
            fputc(*log++, f);
            continue;
        }
        fputs(words, f);
        log += n;
    }
    if (fclose(f) != 0) {
        free(ret);
        return NULL;
    }
    return ret;
}
