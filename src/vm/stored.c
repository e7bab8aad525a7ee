/* SPDX-License-Identifier: MIT */
#include "vm/stored.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_MODE 0600 /* its XML may hold secrets */

/* ---- into it ----------------------------------------------------------------------------- */

static int
write_config(const struct pair *p, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/" PAIR_DOMAIN, p->folder), *xml = NULL;
    int rc = host_xml(p->domain, false, &xml, e);

    if (rc < 0)
        return rc;
    rc = path ? write_file_atomic(path, xml, strlen(xml), CONFIG_MODE) : -ENOMEM;
    return rc < 0 ? err_set(e, rc, "cannot write %s: %s", path ? path : PAIR_DOMAIN,
                            strerror(-rc))
                  : 0;
}

/* Then what is in the folder is all that is left of its sessions. */
static bool
any_waits(const struct pair *p)
{
    for (unsigned i = 0; i < p->parts.nvgpus; i++) {
        bool waits = false;

        if (p->done[i] &&
            (pair_is_suspended(p->vm->c, p->parts.vgpus[i], &waits, NULL) < 0 || waits))
            return true;
    }
    return false;
}

int
stored_put_away(struct pair *p, const char *to, struct err *e)
{
    _cleanup_free_ char *folder = NULL;
    int rc;

    if (mkdir(to, 0700) < 0)
        return err_set(e, -errno, "cannot make the folder %s: %s", to, strerror(errno));
    folder = realpath(to, NULL);
    if (!folder)
        return err_set(e, -errno, "cannot use the folder %s: %s", to, strerror(errno));
    p->folder = folder;
    rc = write_config(p, e);
    if (rc == 0)
        rc = pair_put_away(p, e);
    if (rc < 0 && any_waits(p))
        err_wrap(e, "its vGPUs are suspended, in %s", folder);
    else if (rc < 0)
        remove_tree(folder);
    p->folder = NULL;
    return rc;
}

/* ---- and out of it ----------------------------------------------------------------------- */

struct stored {
    struct pair p;
    char *folder, *config, *name; /* the domain's text and name, owned */
    bool made[DOMAIN_MOST_VGPUS]; /* vGPUs, by us */
    bool defined;                 /* the domain, by us */
};

static int
read_config(struct stored *s, const char *from, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/" PAIR_DOMAIN, from);
    size_t len;
    int rc = path ? read_file(path, XML_MOST_BYTES, &s->config, &len) : -ENOMEM;

    if (rc < 0)
        return err_set(e, rc, "cannot read %s: %s: %s is no folder of 'vm suspend --to'",
                       path ? path : PAIR_DOMAIN, strerror(-rc), from);
    s->folder = realpath(from, NULL);
    if (!s->folder)
        return err_set(e, -errno, "cannot use the folder %s: %s", from, strerror(errno));
    s->p.folder = s->folder;
    return domain_name(s->config, &s->name, e);
}

static int
check_domain(const struct stored *s, struct err *e)
{
    const struct host_domain *d = s->p.domain;
    _cleanup_free_ char *xml = NULL;
    int rc = host_xml(d, false, &xml, e);

    if (rc < 0)
        return rc;
    if (!domain_is_same(xml, s->config))
        return err_set(e, -EEXIST, "another domain is called '%s' here", s->name);
    if (host_runs(d))
        return err_set(e, -EBUSY, "'%s' runs already", s->name);
    if (host_is_saved(d))
        return err_set(
            e, -EBUSY,
            "'%s' was suspended again since, and not into this folder: 'tessera "
            "vm resume %s'",
            s->name, s->name);
    return 0;
}

static int
find_domain(struct stored *s, struct err *e)
{
    struct host *h = s->p.vm->h;
    int rc = host_find(h, s->name, &s->p.domain, e);

    if (rc != -ENOENT)
        return rc < 0 ? rc : check_domain(s, e);
    rc = host_define(h, s->config, e);
    s->defined = rc == 0;
    return rc == 0 ? host_find(h, s->name, &s->p.domain, e) : rc;
}

static int
look_at_memory(struct stored *s, struct err *e)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    int rc = pair_open_memory(&s->p, &path, &fd, &i, e);

    if (rc == 0 && !domain_is_same(i.xml, s->config))
        rc = err_set(e, -EINVAL, "%s is of another domain", path);
    return rc == 0 ? domain_parts(i.xml, &s->p.parts, e) : rc;
}

/* A vGPU that went on since has other sessions than the machine's memory knows. */
static int
check_waits(const struct stored *s, const char *name, struct err *e)
{
    bool waits = false;
    int rc = pair_is_suspended(s->p.vm->c, name, &waits, e);

    if (rc == 0 && !waits)
        rc = err_set(e, -EBUSY, "it is not suspended: it went on since, or is another");
    return rc;
}

static int
adopt(struct stored *s, struct err *e)
{
    int rc = 0;

    for (unsigned i = 0; i < s->p.parts.nvgpus && rc == 0; i++) {
        const char *name = s->p.parts.vgpus[i];

        rc = client_vgpu_get(s->p.vm->c, name, NULL, NULL);
        if (rc == -ENOENT) {
            rc = pair_adopt(&s->p, i, e);
            s->made[i] = rc == 0;
        } else {
            rc = check_waits(s, name, e);
        }
        if (rc < 0)
            err_wrap(e, "its vGPU '%s'", name);
    }
    return rc;
}

static void
undo(const struct stored *s)
{
    for (unsigned i = 0; i < s->p.parts.nvgpus; i++) {
        if (s->made[i])
            pair_delete_vgpu(s->p.vm->c, s->p.parts.vgpus[i]);
    }
    if (s->defined && s->p.domain)
        host_undefine(s->p.domain, NULL);
}

static int
check_name(const struct stored *s, const char *domain, struct err *e)
{
    if (!domain || (s->name && strcmp(domain, s->name) == 0))
        return 0;
    return err_set(e, -EINVAL, "%s holds the domain '%s'", s->folder, s->name);
}

int
vm_resume_from(struct vm *vm, const char *domain, const char *folder, int cancel_fd,
               char **ret, struct err *e)
{
    struct stored s = {.p = {.vm = vm, .cancel_fd = cancel_fd}};
    int rc = read_config(&s, folder, e);

    if (rc == 0)
        rc = check_name(&s, domain, e);
    if (rc == 0)
        rc = look_at_memory(&s, e);
    if (rc == 0)
        rc = find_domain(&s, e);
    if (rc == 0)
        rc = adopt(&s, e);
    if (rc == 0)
        rc = pair_bring_back(&s.p, e);
    if (rc < 0)
        undo(&s);
    else
        *ret = take_ptr(s.name);
    pair_fini(&s.p);
    free(s.folder);
    free(s.config);
    free(s.name);
    return rc;
}
