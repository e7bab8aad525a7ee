/* SPDX-License-Identifier: MIT */
/*
 * A snapshot that comes from anywhere is read as far as it is whole. Checksums would keep nearly
 * all inputs at the door, so that they are made right here, block after block: what is found is
 * then what a hostile writer can do.
 */
#include "base/cleanup.h"
#include "snapshot/format.h"
#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define ZEROS_MOST (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct mender {
    uint8_t *at;
    size_t left;
    uint64_t check;
};

/* The head's last member is its check. */
static bool
mend(struct mender *m, void *head, size_t len, bool seeded)
{
    if (m->left < len)
        return false;
    m->check = seeded ? XXH3_64bits_withSeed(m->at, len - sizeof m->check, m->check)
                      : XXH3_64bits(m->at, len - sizeof m->check);
    memcpy(m->at + len - sizeof m->check, &m->check, sizeof m->check);
    memcpy(head, m->at, len);
    m->at += len;
    m->left -= len;
    return true;
}

static bool
mend_block(struct mender *m, struct block_head *ret)
{
    const size_t data_at = offsetof(struct block_head, data_check);
    uint64_t data_check = 0;

    if (m->left < sizeof *ret)
        return false;
    memcpy(ret, m->at, sizeof *ret);
    /* What says nothing but how long it takes. */
    if (ret->kind == BLOCK_ZERO && ret->content_bytes > ZEROS_MOST)
        ret->content_bytes %= ZEROS_MOST;
    if (ret->stored_bytes > 0 && ret->stored_bytes <= m->left - sizeof *ret)
        data_check = XXH3_64bits(m->at + sizeof *ret, ret->stored_bytes);
    memcpy(m->at, ret, sizeof *ret);
    memcpy(m->at + data_at, &data_check, sizeof data_check);
    if (!mend(m, ret, sizeof *ret, true) || ret->stored_bytes > m->left)
        return false;
    m->at += ret->stored_bytes;
    m->left -= ret->stored_bytes;
    return true;
}

static void
mend_all(uint8_t *bytes, size_t len)
{
    struct mender m = {.at = bytes, .left = len};
    struct snapshot_header header;
    struct section_head section;
    struct block_head block;

    if (!mend(&m, &header, sizeof header, false))
        return;
    while (mend(&m, &section, sizeof section, true) && section.kind != SECTION_END) {
        do {
            if (!mend_block(&m, &block))
                return;
        } while (block.kind != BLOCK_END);
    }
}

/* until: of a pipe that may keep us waiting, as a snapshot that is sent. */
static int
reader_new(int fd, bool until, struct snapshot_reader **ret, struct err *e)
{
    static int never[2] = {-1, -1};

    if (never[0] < 0 && pipe(never) < 0)
        abort();
    return until ? snapshot_reader_new_until(fd, never[0], ret, e)
                 : snapshot_reader_new(fd, ret, e);
}

static void
read_all(int fd, bool until)
{
    static uint8_t buf[70000];
    static int zeroed = -1;
    _cleanup_err_ struct err e = ERR_INIT;
    struct snapshot_section s;
    struct snapshot_reader *r;

    if (reader_new(fd, until, &r, &e) < 0) {
        if (!e.msg)
            abort();
        return;
    }
    while (snapshot_next(r, &s, &e) == 0 && s.kind != 0) {
        switch (s.id % 5) {
        case 0: /* read over */
            break;
        case 1:
            while (snapshot_get(r, buf, sizeof buf, &e) > 0)
                ;
            break;
        case 2:
            snapshot_get_exact(r, buf, s.id % sizeof buf, &e);
            break;
        case 3:
            if (zeroed < 0)
                zeroed = memfd_create("zeroed", MFD_CLOEXEC);
            snapshot_get_zeroed(r, zeroed, 0, s.id % sizeof buf, &e);
            break;
        default:
            memset(buf, 0, sizeof buf);
            if (snapshot_get_sparse(r, buf, sizeof buf, &e) > (ssize_t)sizeof buf)
                abort();
        }
    }
    snapshot_reader_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    uint8_t *copy = malloc(size + 1);

    if (fd < 0)
        fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (!copy || fd < 0)
        abort();
    memcpy(copy, data, size);
    if (size % 8 != 0) /* the others keep what checksums they have */
        mend_all(copy, size);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, copy, size, 0) != (ssize_t)size ||
        lseek(fd, 0, SEEK_SET) < 0)
        abort();
    read_all(fd, size % 4 == 1);
    free(copy);
    return 0;
}
