/* SPDX-License-Identifier: MIT */
#include "manager/jail.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "manager/trash.h"

#include <errno.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LANDLOCK_ABI_NEEDED 2 /* Linux 5.19 */

void
jail_report(struct manager *m)
{
    if (strcmp(m->options->jail, "none") == 0) {
        manager_warn(m, "workers are not jailed (--jail none)");
        return;
    }
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) <
        LANDLOCK_ABI_NEEDED)
        manager_warn(m, "this kernel has no Landlock (2 or later): workers may open what "
                        "their user may");
}

static const char *
jail_profile(const struct vgpu *v)
{
    const char *told = v->m->options->jail;

    if (strcmp(told, "auto") != 0)
        return told;
    return v->gpu->software ? "software" : "hardware";
}

static char *
cache_path(const struct vgpu *v)
{
    const char *folder = v->m->folders.cache;

    if (v->m->options->share_cache)
        return str_printf("%s/.%s", folder, v->gpu->name);
    if (v->s.owner.pid)
        return str_printf("%s/.owner-%llu", folder, (unsigned long long)v->s.owner_uid);
    return str_printf("%s/%s", folder, v->s.name);
}

static char *
tmp_path(const struct vgpu *v, unsigned slot)
{
    return str_printf("%s/%s.%u", v->m->folders.tmp, v->s.name, slot);
}

static int
folder_make(const char *path)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int
jail_prepare(const struct vgpu *v, unsigned slot, struct strv *argv,
             struct jail_folders *ret)
{
    int rc;

    *ret = (struct jail_folders){cache_path(v), tmp_path(v, slot)};
    if (!ret->cache || !ret->tmp)
        return -ENOMEM;
    rc = folder_make(ret->cache);
    if (rc == 0)
        rc = folder_make(ret->tmp);
    strv_add(argv, "--jail");
    strv_add(argv, "%s", jail_profile(v));
    strv_add(argv, "--cache");
    strv_add(argv, "%s", ret->cache);
    strv_add(argv, "--tmp");
    strv_add(argv, "%s", ret->tmp);
    return rc;
}

void
jail_folders_fini(struct jail_folders *f)
{
    free(f->cache);
    free(f->tmp);
}

void
jail_session_over(const struct vgpu *v, unsigned slot)
{
    _cleanup_free_ char *path = tmp_path(v, slot);

    if (path)
        trash(v->m, path);
}

void
jail_vgpu_over(const struct vgpu *v)
{
    _cleanup_free_ char *path = str_printf("%s/%s", v->m->folders.cache, v->s.name);

    if (path)
        trash(v->m, path);
}

/* NAME.SLOT of a session that there is. */
static bool
tmp_is_used(const struct manager *m, const char *entry)
{
    const char *dot = strrchr(entry, '.');
    _cleanup_free_ char *name = dot ? strndup(entry, (size_t)(dot - entry)) : NULL;
    const struct vgpu *v = name ? vgpu_find(m, name) : NULL;
    const unsigned long slot = dot ? strtoul(dot + 1, NULL, 10) : ACCOUNT_SLOTS;

    return v && v->account && slot < ACCOUNT_SLOTS &&
           atomic_load(&v->account->slot[slot].state) != SLOT_FREE;
}

static void
sweep_folder(struct manager *m, const char *folder,
             bool (*is_used)(const struct manager *m, const char *entry))
{
    _cleanup_closedir_ DIR *d = opendir(folder);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        _cleanup_free_ char *path = str_printf("%s/%s", folder, e->d_name);

        if (path && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            !is_used(m, e->d_name))
            trash(m, path);
    }
}

/* Those of owners and GPUs stay warm for as long as the runtime folder is there. */
static bool
cache_is_used(const struct manager *m, const char *entry)
{
    return entry[0] == '.' || vgpu_find(m, entry);
}

void
jail_sweep(struct manager *m)
{
    sweep_folder(m, m->folders.tmp, tmp_is_used);
    sweep_folder(m, m->folders.cache, cache_is_used);
    trash_empty(m);
}
