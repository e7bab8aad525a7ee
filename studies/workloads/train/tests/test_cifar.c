/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "train/cifar.h"
#include "train/dataset.h"
#include "train/generated.h"

enum { RECORDS = 3 };

static const size_t record_bytes = CIFAR_RECORD_BYTES, image_bytes = CIFAR_IMAGE_BYTES;

/* Records of their own allocation, so that reading past them shows under ASan. */
static uint8_t *
make_records(size_t size)
{
    uint8_t *const bytes = calloc(1, size + !size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % CIFAR_RECORD_BYTES % 10);
    return bytes;
}

static int
parse(const uint8_t *bytes, size_t size, uint8_t *ret_images, struct failure *why)
{
    uint8_t labels[RECORDS];
    const int r = cifar_parse(bytes, size, RECORDS, ret_images, labels, why);

    if (!r)
        assert_memory_equal(labels, ((uint8_t[]){0, 7, 9}), RECORDS);
    return r;
}

static void
records_are_taken_apart(void **state)
{
    static uint8_t images[RECORDS * CIFAR_IMAGE_BYTES];
    uint8_t *const bytes = make_records(sizeof images + RECORDS);
    struct failure why = {0};

    (void)state;
    bytes[CIFAR_RECORD_BYTES] = 7;
    bytes[2 * record_bytes] = 9;
    assert_int_equal(parse(bytes, sizeof images + RECORDS, images, &why), 0);
    for (size_t i = 0; i < RECORDS; i++)
        assert_memory_equal(images + i * image_bytes, bytes + i * record_bytes + 1,
                            image_bytes);
    free(bytes);
}

static void
batch_of_another_size_is_refused(void **state)
{
    static const int whole = RECORDS * CIFAR_RECORD_BYTES;
    const int sizes[] = {0, 1, CIFAR_RECORD_BYTES, whole - 1, whole + 1};
    static uint8_t images[RECORDS * CIFAR_IMAGE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *const bytes = make_records((size_t)sizes[i]);
        struct failure why = {0};

        assert_int_equal(parse(bytes, (size_t)sizes[i], images, &why), -EMSGSIZE);
        assert_non_null(strstr(why.text, sizes[i] < whole ? "truncated" : "too long"));
        free(bytes);
    }
}

static void
label_of_an_unknown_class_is_refused(void **state)
{
    static uint8_t images[RECORDS * CIFAR_IMAGE_BYTES];
    uint8_t *const bytes = make_records(sizeof images + RECORDS);
    struct failure why = {0};

    (void)state;
    bytes[2 * record_bytes] = 10;
    assert_int_equal(parse(bytes, sizeof images + RECORDS, images, &why), -EBADMSG);
    assert_string_equal(why.text, "label 10 of image 2: there are 0 to 9");
    free(bytes);
}

/* A folder of six batches: of each the first label is its number, all else is 0. */
static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin",
                                    "data_batch_3.bin", "data_batch_4.bin",
                                    "data_batch_5.bin", "test_batch.bin"};

struct files {
    char dir[64];
    struct dataset data;
    struct failure why;
};

static void
write_batch(const struct files *f, int batch, off_t size, uint8_t label)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", f->dir, names[batch]);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &label, 1, 0), 1);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static const off_t batch_bytes = (off_t)CIFAR_BATCH * CIFAR_RECORD_BYTES;

static int
setup(void **state)
{
    struct files *const f = calloc(1, sizeof *f);

    assert_non_null(f);
    strcpy(f->dir, "/tmp/train-cifar-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (int i = 0; i < 6; i++)
        write_batch(f, i, batch_bytes, (uint8_t)(i + 1));
    *state = f;
    return 0;
}

static void
remove_batch(const struct files *f, int batch)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f->dir, names[batch]);
    unlink(path);
}

static int
teardown(void **state)
{
    struct files *const f = *state;

    for (int i = 0; i < 6; i++)
        remove_batch(f, i);
    assert_int_equal(rmdir(f->dir), 0);
    dataset_fini(&f->data);
    free(f);
    return 0;
}

static int
load(struct files *f)
{
    return dataset_load(&f->data, &dataset_cifar, f->dir, 0, &f->why);
}

static void
assert_load_fails(struct files *f, const char *text)
{
    assert_true(load(f) < 0);
    if (!strstr(f->why.text, text))
        fail_msg("\"%s\" is not in: %s", text, f->why.text);
}

static void
batches_are_loaded_in_order(void **state)
{
    struct files *const f = *state;

    assert_int_equal(load(f), 0);
    assert_int_equal(f->data.train.count, 50000);
    assert_int_equal(f->data.test.count, 10000);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(f->data.train.labels[i * CIFAR_BATCH], i + 1);
    assert_int_equal(f->data.test.labels[0], 6);
    assert_int_equal(f->data.test.labels[9999], 0);
}

static void
missing_batch_is_named(void **state)
{
    remove_batch(*state, 2);
    assert_load_fails(*state, "no data_batch_3.bin or data_batch_3.bin.gz there");
}

static void
batch_that_is_cut_short_is_named(void **state)
{
    write_batch(*state, 5, batch_bytes - CIFAR_RECORD_BYTES, 0);
    assert_load_fails(*state, "test_batch.bin: truncated: 30726927 bytes");
}

static void
wrong_label_is_told_with_its_file(void **state)
{
    write_batch(*state, 1, batch_bytes, 255);
    assert_load_fails(*state, "data_batch_2.bin: label 255 of image 0");
}

/* 200 MB are no batch, whatever is in them; they are not read to their end. */
static void
much_too_large_file_is_refused(void **state)
{
    write_batch(*state, 0, 200 << 20, 0);
    assert_load_fails(*state, "data_batch_1.bin: larger than 30730000 bytes");
}

static void
generate(struct samples *samples, uint32_t count, uint64_t seed)
{
    struct failure why = {0};

    *samples = (struct samples){0};
    assert_int_equal(generated_samples(samples, count, seed, &why), 0);
    assert_int_equal(samples->count, count);
}

static void
release(struct samples *samples)
{
    free(samples->owned[0]);
    free(samples->owned[1]);
}

static void
generated_images_come_from_the_seed(void **state)
{
    struct samples some, more, others;

    (void)state;
    generate(&some, 20, 5);
    generate(&more, 30, 5);
    generate(&others, 20, 6);
    assert_memory_equal(some.images, more.images, 20 * image_bytes);
    assert_memory_equal(some.labels, more.labels, 20);
    assert_memory_not_equal(some.images, others.images, 20 * image_bytes);
    release(&some);
    release(&more);
    release(&others);
}

/* On any machine: what two of them learn can be compared. */
static void
generated_images_are_always_the_same(void **state)
{
    struct samples samples;
    uint64_t sum = 0;

    (void)state;
    generate(&samples, 100, 1);
    for (size_t i = 0; i < 100 * image_bytes; i++)
        sum = sum * 31 + samples.images[i];
    assert_true(sum == 0xa84b4f69337837e3);
    release(&samples);
}

static void
generated_images_have_all_classes(void **state)
{
    struct samples samples;
    int seen[CLASSES] = {0};

    (void)state;
    generate(&samples, 1000, 1);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(samples.labels[i] < CLASSES);
        seen[samples.labels[i]]++;
    }
    for (int i = 0; i < CLASSES; i++)
        assert_in_range(seen[i], 60, 140);
    release(&samples);
}

int
main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_taken_apart),
        cmocka_unit_test(batch_of_another_size_is_refused),
        cmocka_unit_test(label_of_an_unknown_class_is_refused),
        FILE_TEST(batches_are_loaded_in_order),
        FILE_TEST(missing_batch_is_named),
        FILE_TEST(batch_that_is_cut_short_is_named),
        FILE_TEST(wrong_label_is_told_with_its_file),
        FILE_TEST(much_too_large_file_is_refused),
        cmocka_unit_test(generated_images_come_from_the_seed),
        cmocka_unit_test(generated_images_are_always_the_same),
        cmocka_unit_test(generated_images_have_all_classes),
    };

    return cmocka_run_group_tests_name("cifar", tests, NULL, NULL);
}
