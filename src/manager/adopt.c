/* SPDX-License-Identifier: MIT */
/*
 * A vGPU that is made of a snapshot and stays suspended: what a virtual machine's copy needs,
 * whose memory must be there before its programs' sessions are. The snapshot is copied, so that
 * either may be resumed and go without the other.
 */
#include "base/cleanup.h"
#include "base/copy.h"
#include "base/log.h"
#include "manager/operation_internal.h"
#include "manager/vgpu_internal.h"
#include "manager/vgpu_suspend.h"
#include "manager/words.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Its place is looked for when it is resumed; until then this is where it was, and how large. */
static void
describe(const struct snapshot_head *h, struct vgpu_state *s)
{
    text_copy(s->type, sizeof s->type, h->type);
    text_copy(s->gpu, sizeof s->gpu, h->gpu);
    s->framebuffer_bytes = h->framebuffer_bytes;
    s->max_instances = 1;
}

/* Whole files alone: what was read of a pipe cannot be read again. */
static int
check_file(struct operation *op, struct err *e)
{
    struct stat st;

    if (fstat(op->fd, &st) < 0)
        return err_set(e, -errno, "the snapshot cannot be read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || op->began_at != 0)
        return err_set(e, -EINVAL, "a vGPU that stays suspended is made of a file");
    op->bytes = (uint64_t)st.st_size;
    return 0;
}

static int
copy(struct operation *op, struct err *e)
{
    _cleanup_free_ char *path = vgpu_snapshot_path(op->m, op->v->s.name);
    const struct copy_watch w = {.cancel_fd = op->stop_fd};
    int rc = path ? check_file(op, e) : err_set(e, -ENOMEM, "out of memory");

    if (rc == 0)
        rc = snapshot_file_new(path, &op->file, e);
    if (rc < 0)
        return rc;
    rc = copy_file(op->fd, op->file.fd, &w);
    if (rc < 0)
        return err_set(e, rc, "the snapshot cannot be copied: %s", strerror(-rc));
    return snapshot_file_keep(&op->file, e);
}

static void
copied(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vgpu *v = op->v;
    int rc = vgpu_listen(v, &e);

    if (rc == 0)
        rc = vgpu_state_save(op->m->folders.state_vgpus, &v->s, &e);
    if (rc < 0) {
        operation_fail_with(op, &e);
        return;
    }
    op->committed = true;
    log_info("vGPU '%s': made, and suspended", v->s.name);
    operation_end(op);
}

static void
adopt_abort(struct operation *op)
{
    if (op->is_new)
        resume_undo_new(op);
    else
        operation_end(op);
}

static const struct operation_steps adopt_steps = {.abort = adopt_abort};

void
adopt_begin(struct operation *op)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vgpu_state s = {.suspended.own = true};

    op->steps = &adopt_steps;
    describe(op->head, &s);
    if (resume_make_new(op, &s, &e) < 0) {
        operation_fail_with(op, &e);
        return;
    }
    op->before = op->v->s;
    op->v->gpu = NULL; /* it holds no place */
    operation_tell(op, "copying", true);
    operation_work(op, copy, copied);
}
