/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/io.h"
#include "manager/snapshot_head.h"
#include "manager/words.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static int
read_from(struct snapshot_reader *r, struct snapshot_head *ret, struct err *e)
{
    _cleanup_free_ char *text = malloc(SNAPSHOT_HEAD_MAX_BYTES);
    struct snapshot_section section;
    ssize_t n;
    int rc;

    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    rc = snapshot_next(r, &section, e);
    if (rc < 0)
        return rc;
    if (section.kind != SNAPSHOT_HEAD_KIND || section.id != 0)
        return err_set(e, -EPROTO, "the snapshot does not begin as one of a vGPU's");
    n = snapshot_get(r, text, SNAPSHOT_HEAD_MAX_BYTES, e);
    if (n < 0)
        return (int)n;
    if (snapshot_head_parse(text, (size_t)n, ret, e) < 0) {
        e->code = -EBADMSG;
        return err_wrap(e, "the snapshot's head is damaged");
    }
    rc = snapshot_next(r, &section, e);
    if (rc == 0 && section.kind != 0)
        rc = err_set(e, -EPROTO, "the snapshot does not begin as one of a vGPU's");
    return rc;
}

int
snapshot_head_read(int fd, int stop_fd, struct snapshot_head *ret, struct err *e)
{
    struct snapshot_reader *r = NULL;
    int rc = snapshot_reader_new_until(fd, stop_fd, &r, e);

    if (rc < 0)
        return rc;
    rc = read_from(r, ret, e);
    snapshot_reader_free(r);
    return rc;
}

void
boot_id_read(char *buf, size_t cap)
{
    _cleanup_free_ char *text = NULL;
    size_t len;

    buf[0] = '\0';
    if (read_file(BOOT_ID, 128, &text, &len) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    text_copy(buf, cap, text);
}
