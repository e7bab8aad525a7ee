/* SPDX-License-Identifier: MIT */
/* What is written comes back; what is damaged or cut anywhere is refused; zeros take no room. */
#include "base/io.h"
#include "snapshot/format.h"
#include "snapshot/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Pages of noise, of words that come again, and of zeros, in turn. */
static uint8_t *
content(size_t len, uint32_t seed)
{
    uint8_t *p = calloc(1, len + 1);
    uint32_t state = seed;

    assert_non_null(p);
    for (size_t at = 0; at < len; at += 3000) {
        const size_t n = len - at < 3000 ? len - at : 3000;
        const uint32_t kind = next_random(&state) % 3;

        for (size_t i = 0; i < n && kind > 0; i++)
            p[at + i] = kind == 1 ? (uint8_t)next_random(&state) : (uint8_t)(i % 7);
    }
    return p;
}

static int
memory_file(void)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void
put_section(struct snapshot_writer *w, uint32_t kind, uint64_t id, const void *bytes,
            size_t len)
{
    assert_int_equal(snapshot_begin(w, kind, id, NULL), 0);
    assert_int_equal(snapshot_put(w, bytes, len, NULL), 0);
}

static struct snapshot_writer *
writer(int fd, bool compress)
{
    struct snapshot_writer *w;

    assert_int_equal(snapshot_writer_new(fd, compress, &w, NULL), 0);
    return w;
}

static struct snapshot_reader *
reader(int fd)
{
    struct snapshot_reader *r;

    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    assert_int_equal(snapshot_reader_new(fd, &r, NULL), 0);
    return r;
}

static void
assert_section(struct snapshot_reader *r, uint32_t kind, uint64_t id)
{
    struct snapshot_section s;

    assert_int_equal(snapshot_next(r, &s, NULL), 0);
    assert_int_equal(s.kind, kind);
    if (kind != 0)
        assert_int_equal(s.id, id);
}

static void
what_was_written_comes_back(void **state)
{
    static const size_t lengths[] = {0,          1,       4095,    4096,        4097,
                                     MIB - 1,    MIB,     MIB + 1, 3 * MIB + 5, 12288,
                                     70 * 1000u, 5 * MIB, 100};
    const unsigned n = sizeof lengths / sizeof *lengths;

    (void)state;
    for (unsigned compress = 0; compress < 2; compress++) {
        int fd = memory_file();
        struct snapshot_writer *w = writer(fd, compress);
        struct snapshot_reader *r;

        for (unsigned i = 0; i < n; i++) {
            uint8_t *bytes = content(lengths[i], i);

            put_section(w, 1 + i % 3, 1000 + i, bytes, lengths[i]);
            free(bytes);
        }
        assert_int_equal(snapshot_finish(w, NULL), 0);
        snapshot_writer_free(w);
        r = reader(fd);
        for (unsigned i = 0; i < n; i++) {
            uint8_t *want = content(lengths[i], i), *got = calloc(1, lengths[i] + 1);

            assert_section(r, 1 + i % 3, 1000 + i);
            if (i % 2)
                assert_int_equal(snapshot_get_sparse(r, got, lengths[i], NULL),
                                 lengths[i]);
            else
                assert_int_equal(snapshot_get_exact(r, got, lengths[i], NULL), 0);
            assert_memory_equal(got, want, lengths[i]);
            assert_int_equal(snapshot_get(r, got, 1, NULL), 0);
            free(want);
            free(got);
        }
        assert_section(r, 0, 0);
        assert_section(r, 0, 0);
        snapshot_reader_free(r);
        close(fd);
    }
}

static void
bytes_may_come_in_pieces(void **state)
{
    const size_t len = 2 * MIB + 77;
    uint8_t *want = content(len, 3), *got = malloc(len);
    int fd = memory_file();
    struct snapshot_writer *w = writer(fd, true);
    struct snapshot_reader *r;
    uint32_t seed = 9;
    ssize_t n;

    (void)state;
    assert_int_equal(snapshot_begin(w, 7, 1, NULL), 0);
    for (size_t at = 0, step; at < len; at += step) {
        step = next_random(&seed) % 9000;
        if (step > len - at)
            step = len - at;
        assert_int_equal(snapshot_put(w, want + at, step, NULL), 0);
    }
    assert_int_equal(snapshot_finish(w, NULL), 0);
    r = reader(fd);
    assert_section(r, 7, 1);
    for (size_t at = 0; at < len; at += (size_t)n) {
        n = snapshot_get(r, got + at, 1 + next_random(&seed) % 9000, NULL);
        assert_true(n > 0);
        assert_true(at + (size_t)n <= len);
    }
    assert_memory_equal(got, want, len);
    snapshot_reader_free(r);
    snapshot_writer_free(w);
    close(fd);
    free(want);
    free(got);
}

static void
sections_can_be_read_over(void **state)
{
    uint8_t *bytes = content(3 * MIB, 1);
    int fd = memory_file();
    struct snapshot_writer *w = writer(fd, true);
    struct snapshot_reader *r;
    uint8_t some[10];

    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        put_section(w, 1, i, bytes, 3 * MIB);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    r = reader(fd);
    assert_section(r, 1, 0);
    assert_section(r, 1, 1);
    assert_int_equal(snapshot_get(r, some, sizeof some, NULL), sizeof some);
    assert_section(r, 1, 2);
    assert_section(r, 0, 0);
    snapshot_reader_free(r);
    snapshot_writer_free(w);
    close(fd);
    free(bytes);
}

/* A file on a disk, without a name. */
static int
disk_file(void)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder ? folder : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

/* Nothing of it is in the page cache, or all. */
static void
set_cached(int fd, bool cached)
{
    uint8_t buf[4096];
    off_t at = 0;

    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    while (cached && pread(fd, buf, sizeof buf, at) > 0)
        at += (off_t)sizeof buf;
}

/* Two large snapshots, one after the other, at no page's beginning. Returns where they end. */
static off_t
two_large_ones(int fd, const uint8_t *bytes, size_t len)
{
    assert_int_equal(write_all(fd, "12345", 5), 0);
    for (uint64_t i = 0; i < 2; i++) {
        struct snapshot_writer *w = writer(fd, i == 1);

        put_section(w, 1, i, bytes, len);
        put_section(w, 2, i, "end", 3);
        assert_int_equal(snapshot_finish(w, NULL), 0);
        snapshot_writer_free(w);
    }
    return lseek(fd, 0, SEEK_CUR);
}

/* Files are read ahead, and what follows a snapshot is the next reader's. */
static void
large_files_come_back_from_disk_and_cache(void **state)
{
    const size_t len = 21 * MIB + 12345;
    uint8_t *want = content(len, 8), *got = malloc(len), end[3];
    int fd = disk_file();
    const off_t size = two_large_ones(fd, want, len);

    (void)state;
    for (unsigned cached = 0; cached < 2; cached++) {
        set_cached(fd, cached);
        assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
        for (uint64_t i = 0; i < 2; i++) {
            int zeroed = memory_file();
            struct snapshot_reader *r;

            assert_int_equal(snapshot_reader_new(fd, &r, NULL), 0);
            assert_section(r, 1, i);
            assert_int_equal(snapshot_get_exact(r, got, 1000, NULL), 0);
            assert_int_equal(snapshot_get_zeroed(r, zeroed, 1000, len - 1000, NULL), 0);
            assert_int_equal(pwrite(zeroed, got, 1000, 0), 1000);
            /* What ends with zeros is not so long. */
            assert_int_equal(ftruncate(zeroed, (off_t)len), 0);
            assert_int_equal(pread(zeroed, got, len, 0), len);
            assert_memory_equal(got, want, len);
            assert_section(r, 2, i);
            assert_int_equal(snapshot_get_exact(r, end, 3, NULL), 0);
            assert_memory_equal(end, "end", 3);
            assert_section(r, 0, 0);
            snapshot_reader_free(r);
            close(zeroed);
        }
        assert_true(lseek(fd, 0, SEEK_CUR) == size);
        assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
    }
    close(fd);
    free(want);
    free(got);
}

static void
large_files_that_are_cut_or_damaged_are_refused(void **state)
{
    const size_t len = 9 * MIB;
    uint8_t *bytes = content(len, 4), byte;
    int fd = disk_file();
    const off_t size = two_large_ones(fd, bytes, len);
    const off_t at = size - (off_t)MIB;

    (void)state;
    free(bytes);
    /* The second, whose bytes are compressed: in the first place and alone. */
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    for (unsigned cut = 0; cut < 2; cut++) {
        struct snapshot_section s = {.kind = 1};
        struct snapshot_reader *r;
        int rc = 0;

        assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
        for (unsigned i = 0; i < 2 - cut; i++) {
            assert_int_equal(rc, 0);
            assert_int_equal(snapshot_reader_new(fd, &r, NULL), 0);
            while ((rc = snapshot_next(r, &s, NULL)) == 0 && s.kind != 0)
                ;
            assert_int_equal(rc < 0 ? snapshot_next(r, &s, NULL) : 0, rc);
            snapshot_reader_free(r);
        }
        assert_int_equal(rc, cut ? -ENODATA : -EBADMSG);
        assert_int_equal(ftruncate(fd, (off_t)(5 * MIB + 17)), 0);
    }
    close(fd);
}

/* No pages are left: an error, and no signal. */
static void
a_file_that_takes_no_more_is_an_error(void **state)
{
    uint8_t *bytes = content(30000, 6);
    int fd = memory_file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct snapshot_writer *w = writer(fd, false);
    struct snapshot_reader *r;
    struct err e = ERR_INIT;

    (void)state;
    put_section(w, 1, 1, bytes, 30000);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    r = reader(fd);
    assert_section(r, 1, 1);
    assert_int_equal(snapshot_get_zeroed(r, full, 0, 30000, &e), -ENOSPC);
    assert_non_null(strstr(err_msg(&e), "No space"));
    err_fini(&e);
    snapshot_reader_free(r);
    snapshot_writer_free(w);
    close(full);
    close(fd);
    free(bytes);
}

static void
zeros_take_no_room(void **state)
{
    const size_t len = 256 * MIB;
    uint8_t *zeros = mmap(NULL, len, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int fd = memory_file();
    struct snapshot_writer *w = writer(fd, false);
    struct snapshot_reader *r;
    unsigned char resident[64];

    (void)state;
    assert_true(zeros != MAP_FAILED);
    put_section(w, 1, 1, zeros, len);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    assert_true(snapshot_written_bytes(w) < 4096);
    munmap(zeros, len);
    zeros = mmap(NULL, len, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    r = reader(fd);
    assert_section(r, 1, 1);
    assert_int_equal(snapshot_get_sparse(r, zeros, len, NULL), len);
    assert_int_equal(mincore(zeros, sizeof resident * 4096, resident), 0);
    for (size_t i = 0; i < sizeof resident; i++)
        assert_int_equal(resident[i] & 1, 0);
    snapshot_reader_free(r);
    snapshot_writer_free(w);
    munmap(zeros, len);
    close(fd);
}

/* 0 when all of it can be read, else the error. */
static int
read_through(int fd, struct err *e)
{
    struct snapshot_section s = {.kind = 1};
    struct snapshot_reader *r;
    uint8_t buf[5000];
    ssize_t n = 0;
    int rc;

    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    rc = snapshot_reader_new(fd, &r, e);
    if (rc < 0)
        return rc;
    while (rc == 0 && n >= 0 && s.kind != 0) {
        rc = snapshot_next(r, &s, e);
        while (rc == 0 && s.id % 2 && (n = snapshot_get(r, buf, sizeof buf, e)) > 0)
            ;
    }
    snapshot_reader_free(r);
    return n < 0 ? (int)n : rc;
}

/* A sanitizer makes each reader cost much, and does not look at what is found, but at how. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define STRIDE 13
#else
#define STRIDE 1
#endif

static int
sample(void)
{
    uint8_t *bytes = content(30000, 5);
    int fd = memory_file();
    struct snapshot_writer *w = writer(fd, true);

    for (uint64_t i = 0; i < 4; i++)
        put_section(w, 3, i, bytes, 30000 - 7000 * i);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    snapshot_writer_free(w);
    free(bytes);
    assert_int_equal(read_through(fd, NULL), 0);
    return fd;
}

static void
one_that_is_cut_anywhere_is_refused(void **state)
{
    int fd = sample();
    const off_t len = lseek(fd, 0, SEEK_END);

    (void)state;
    for (off_t cut = len - 1; cut >= 0; cut -= STRIDE) {
        struct err e = ERR_INIT;

        assert_int_equal(ftruncate(fd, cut), 0);
        assert_int_equal(read_through(fd, &e), -ENODATA);
        assert_non_null(strstr(err_msg(&e), "cut"));
        err_fini(&e);
    }
    close(fd);
}

static void
each_flipped_bit_is_found(void **state)
{
    int fd = sample();
    const off_t len = lseek(fd, 0, SEEK_END);

    (void)state;
    for (off_t at = 0; at < len; at += STRIDE) {
        uint8_t byte, other;
        int rc;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ (uint8_t)(1u << at % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        rc = read_through(fd, NULL);
        assert_true(rc == -EBADMSG || rc == -EPROTO || rc == -ENODATA);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_int_equal(read_through(fd, NULL), 0);
    close(fd);
}

/* Each with the right checksum of its own. */
static void
parts_that_were_left_out_or_moved_are_found(void **state)
{
    const size_t section =
        sizeof(struct section_head) + 2 * sizeof(struct block_head) + 8;
    const size_t begin = sizeof(struct snapshot_header);
    uint8_t all[1024], made[1024];
    int fd = memory_file();
    struct snapshot_writer *w = writer(fd, false);
    ssize_t len;

    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        put_section(w, 1, i, "12345678", 8);
    assert_int_equal(snapshot_finish(w, NULL), 0);
    snapshot_writer_free(w);
    len = pread(fd, all, sizeof all, 0);
    assert_int_equal(len, begin + 3 * section + sizeof(struct section_head));
    memcpy(made, all, begin + section);
    memcpy(made + begin + section, all + begin + 2 * section,
           (size_t)len - begin - 2 * section);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, made, (size_t)len - section, 0), (size_t)len - section);
    assert_int_equal(read_through(fd, NULL), -EBADMSG);
    close(fd);
}

static void
what_is_no_snapshot_is_told_from_a_damaged_one(void **state)
{
    struct snapshot_header h = {.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION + 1};
    struct err e = ERR_INIT;
    int fd = memory_file();

    (void)state;
    assert_int_equal(pwrite(fd, "#!/bin/sh\n# some other file\n", 28, 0), 28);
    assert_int_equal(read_through(fd, &e), -EPROTO);
    assert_non_null(strstr(err_msg(&e), "no snapshot"));
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
    assert_int_equal(read_through(fd, &e), -EPROTO);
    assert_non_null(strstr(err_msg(&e), "later version"));
    err_fini(&e);
    close(fd);
}

static void
an_error_names_the_section(void **state)
{
    struct err e = ERR_INIT;
    int fd = sample();
    const off_t len = lseek(fd, 0, SEEK_END);

    (void)state;
    assert_int_equal(ftruncate(fd, len - (off_t)sizeof(struct section_head) - 1), 0);
    assert_int_equal(read_through(fd, &e), -ENODATA);
    assert_non_null(strstr(err_msg(&e), "section 4 (kind 3, id 3)"));
    err_fini(&e);
    close(fd);
}

static void
a_full_disk_is_an_error_that_stays(void **state)
{
    uint8_t *bytes = content(2 * MIB, 2);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct snapshot_writer *w;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(snapshot_writer_new(fd, false, &w, &e), -ENOSPC);
    assert_non_null(strstr(err_msg(&e), "No space"));
    err_fini(&e);
    close(fd);
    free(bytes);
}

static void
a_file_takes_its_place_when_it_is_whole(void **state)
{
    char folder[] = "/tmp/tessera-test-XXXXXX";
    struct snapshot_file f;
    char *path, *text;
    struct stat st;
    size_t len;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = str_printf("%s/a.snapshot", folder);
    assert_int_equal(write_file_atomic(path, "old", 3, 0600), 0);
    assert_int_equal(snapshot_file_new(path, &f, NULL), 0);
    assert_int_equal(write_all(f.fd, "half", 4), 0);
    snapshot_file_fini(&f);
    assert_int_equal(read_file(path, 100, &text, &len), 0);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(snapshot_file_new(path, &f, NULL), 0);
    assert_int_equal(write_all(f.fd, "whole", 5), 0);
    assert_int_equal(snapshot_file_keep(&f, NULL), 0);
    snapshot_file_fini(&f);
    assert_int_equal(read_file(path, 100, &text, &len), 0);
    assert_string_equal(text, "whole");
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left there */
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_comes_back),
        cmocka_unit_test(bytes_may_come_in_pieces),
        cmocka_unit_test(sections_can_be_read_over),
        cmocka_unit_test(large_files_come_back_from_disk_and_cache),
        cmocka_unit_test(large_files_that_are_cut_or_damaged_are_refused),
        cmocka_unit_test(a_file_that_takes_no_more_is_an_error),
        cmocka_unit_test(zeros_take_no_room),
        cmocka_unit_test(one_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(each_flipped_bit_is_found),
        cmocka_unit_test(parts_that_were_left_out_or_moved_are_found),
        cmocka_unit_test(what_is_no_snapshot_is_told_from_a_damaged_one),
        cmocka_unit_test(an_error_names_the_section),
        cmocka_unit_test(a_full_disk_is_an_error_that_stays),
        cmocka_unit_test(a_file_takes_its_place_when_it_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
