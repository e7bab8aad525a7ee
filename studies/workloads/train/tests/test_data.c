/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/rng.h"
#include "common/stats.h"
#include "train/dataset.h"
#include "train/idx.h"

static const uint8_t two_by_three[] = {0, 0, 8, 2, 0, 0, 0, 2, 0,
                                       0, 0, 3, 1, 2, 3, 4, 5, 6};

static void
idx_of_two_dimensions_is_read(void **state)
{
    struct failure why = {0};
    struct idx idx;

    (void)state;
    assert_int_equal(idx_parse(two_by_three, sizeof two_by_three, &idx, &why), 0);
    assert_int_equal(idx.dims, 2);
    assert_int_equal(idx.dim[0], 2);
    assert_int_equal(idx.dim[1], 3);
    assert_int_equal(idx.dim[2], 1);
    assert_int_equal(idx.len, 6);
    assert_ptr_equal(idx.data, two_by_three + 12);
}

/* Each prefix is copied to its own allocation: reading past it shows under ASan. */
static void
idx_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof two_by_three; size++) {
        uint8_t *const bytes = malloc(size + !size);
        struct failure why = {0};
        struct idx idx;

        assert_non_null(bytes);
        memcpy(bytes, two_by_three, size);
        assert_int_equal(idx_parse(bytes, size, &idx, &why), -EMSGSIZE);
        assert_non_null(strstr(why.text, "truncated"));
        free(bytes);
    }
}

static void
assert_refused(size_t at, uint8_t value, int code, const char *text)
{
    struct failure why = {0};
    struct idx idx;
    uint8_t bytes[sizeof two_by_three];

    memcpy(bytes, two_by_three, sizeof bytes);
    bytes[at] = value;
    assert_int_equal(idx_parse(bytes, sizeof bytes, &idx, &why), code);
    assert_non_null(strstr(why.text, text));
}

static void
idx_with_a_forged_header_is_refused(void **state)
{
    (void)state;
    assert_refused(0, 1, -EBADMSG, "wrong magic 0x01000802");
    assert_refused(2, 0x0d, -EBADMSG, "element type 0x0d");
    assert_refused(3, 0, -EBADMSG, "0 dimensions");
    assert_refused(3, 4, -EBADMSG, "4 dimensions");
    assert_refused(7, 1, -EMSGSIZE, "too long");
    assert_refused(4, 0xff, -EMSGSIZE, "truncated");
}

static void
idx_whose_size_overflows_is_refused(void **state)
{
    static const uint8_t bytes[] = {0,    0,    8,    3,    0xff, 0xff, 0xff, 0xff,
                                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct failure why = {0};
    struct idx idx;

    (void)state;
    assert_int_equal(idx_parse(bytes, sizeof bytes, &idx, &why), -EMSGSIZE);
    assert_string_equal(why.text, "dimensions are too large");
}

/* A data set in a directory of its own: 3 training images and 2 to test. */
struct files {
    char dir[64];
    struct dataset data;
    struct failure why;
};

static void
write_file(const struct files *f, const char *name, const void *bytes, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void
write_images(const struct files *f, const char *name, uint8_t count, uint8_t width)
{
    uint8_t bytes[16 + 4 * 28 * 28] = {0, 0, 8, 3,  0, 0, 0, count,
                                       0, 0, 0, 28, 0, 0, 0, width};

    write_file(f, name, bytes, 16 + (size_t)count * 28 * width);
}

static void
write_labels(const struct files *f, const char *name, uint8_t count, uint8_t label)
{
    const uint8_t bytes[] = {0, 0, 8, 1, 0, 0, 0, count, label, label, label, label};

    write_file(f, name, bytes, 8 + (size_t)count);
}

static int
setup(void **state)
{
    struct files *const f = calloc(1, sizeof *f);

    assert_non_null(f);
    strcpy(f->dir, "/tmp/train-data-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    write_images(f, "train-images-idx3-ubyte", 3, 28);
    write_labels(f, "train-labels-idx1-ubyte", 3, 9);
    write_images(f, "t10k-images-idx3-ubyte", 2, 28);
    write_labels(f, "t10k-labels-idx1-ubyte", 2, 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    static const char *const names[] = {
        "train-images-idx3-ubyte",    "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",     "t10k-labels-idx1-ubyte",
        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"};
    struct files *const f = *state;
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    dataset_fini(&f->data);
    free(f);
    return 0;
}

static void
assert_load_fails(struct files *f, const char *text)
{
    assert_true(dataset_load(&f->data, &dataset_mnist, f->dir, 0, &f->why) < 0);
    if (!strstr(f->why.text, text))
        fail_msg("\"%s\" is not in: %s", text, f->why.text);
}

static void
data_set_is_loaded(void **state)
{
    struct files *const f = *state;

    assert_int_equal(dataset_load(&f->data, &dataset_mnist, f->dir, 0, &f->why), 0);
    assert_int_equal(f->data.train.count, 3);
    assert_int_equal(f->data.test.count, 2);
    assert_int_equal(f->data.train.labels[2], 9);
    assert_int_equal(f->data.train.images[3 * 28 * 28 - 1], 0);
}

/* Replaces the plain training labels by a compressed file, cut to `keep` percent. */
static void
compress_labels(const struct files *f, size_t keep)
{
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 4, 5, 6};
    char path[128];
    uint8_t packed[256];
    size_t size;
    gzFile gz;
    FILE *file;

    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte.gz", f->dir);
    gz = gzopen(path, "w");
    assert_int_equal(gzwrite(gz, labels, sizeof labels), sizeof labels);
    assert_int_equal(gzclose(gz), Z_OK);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(packed, 1, sizeof packed, file);
    fclose(file);
    write_file(f, "train-labels-idx1-ubyte.gz", packed, size * keep / 100);
    path[strlen(path) - 3] = '\0';
    assert_int_equal(unlink(path), 0);
}

static void
compressed_file_is_loaded(void **state)
{
    struct files *const f = *state;

    compress_labels(f, 100);
    assert_int_equal(dataset_load(&f->data, &dataset_mnist, f->dir, 0, &f->why), 0);
    assert_int_equal(f->data.train.labels[1], 5);
}

static void
compressed_file_cut_short_is_refused(void **state)
{
    struct files *const f = *state;

    compress_labels(f, 80);
    assert_load_fails(f, "train-labels-idx1-ubyte.gz: truncated or damaged");
}

static void
missing_file_is_named(void **state)
{
    struct files *const f = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_load_fails(f, "no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz");
}

static void
images_of_another_size_are_refused(void **state)
{
    write_images(*state, "t10k-images-idx3-ubyte", 2, 27);
    assert_load_fails(*state, "2 x 28 x 27");
}

static void
labels_that_do_not_match_are_refused(void **state)
{
    write_labels(*state, "train-labels-idx1-ubyte", 2, 1);
    assert_load_fails(*state, "train set: 3 images but 2 labels");
}

static void
label_of_an_unknown_class_is_refused(void **state)
{
    write_labels(*state, "train-labels-idx1-ubyte", 3, 10);
    assert_load_fails(*state, "label 10 of image 0");
}

static void
images_in_place_of_labels_are_refused(void **state)
{
    write_images(*state, "train-labels-idx1-ubyte", 3, 28);
    assert_load_fails(*state, "train labels: 3 dimensions instead of 1");
}

static void
empty_set_is_refused(void **state)
{
    write_images(*state, "t10k-images-idx3-ubyte", 0, 28);
    write_labels(*state, "t10k-labels-idx1-ubyte", 0, 0);
    assert_load_fails(*state, "t10k set: no images");
}

static void
permutation_has_each_number_once(void **state)
{
    uint32_t order[100];
    uint8_t seen[100] = {0};
    struct rng rng = {42};

    (void)state;
    rng_permute(&rng, order, 100);
    for (int i = 0; i < 100; i++)
        seen[order[i]]++;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

/* Beyond two deviations is cut off, which leaves 0.8796 of the deviation. */
static void
truncated_normal_has_its_spread(void **state)
{
    struct rng rng = {1};
    double sum = 0.0, squares = 0.0;
    const int count = 100000;

    (void)state;
    for (int i = 0; i < count; i++) {
        const double x = (double)rng_truncated_normal(&rng, 0.5f);

        assert_true(x >= -1.0 && x <= 1.0);
        sum += x;
        squares += x * x;
    }
    assert_true(sum / count > -0.005 && sum / count < 0.005);
    assert_true(squares / count > 0.189 && squares / count < 0.198);
}

static void
stats_of_known_values(void **state)
{
    double values[200];
    struct stats s;

    (void)state;
    for (int i = 0; i < 200; i++)
        values[i] = 200 - i;
    s = stats_of(values, 200);
    assert_true(s.median == 100.5);
    assert_true(s.p95 == 190.0);
    assert_true(s.p99 == 198.0);
    assert_true(s.mean > 100.4999 && s.mean < 100.5001);
    assert_true(s.mad == 50.0);
    assert_true(stats_of(values, 0).mean == 0.0);
    values[0] = 3.0;
    s = stats_of(values, 1);
    assert_true(s.median == 3.0 && s.p99 == 3.0 && s.mad == 0.0);
}

int
main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idx_of_two_dimensions_is_read),
        cmocka_unit_test(idx_cut_anywhere_is_refused),
        cmocka_unit_test(idx_with_a_forged_header_is_refused),
        cmocka_unit_test(idx_whose_size_overflows_is_refused),
        FILE_TEST(data_set_is_loaded),
        FILE_TEST(compressed_file_is_loaded),
        FILE_TEST(compressed_file_cut_short_is_refused),
        FILE_TEST(missing_file_is_named),
        FILE_TEST(images_of_another_size_are_refused),
        FILE_TEST(labels_that_do_not_match_are_refused),
        FILE_TEST(label_of_an_unknown_class_is_refused),
        FILE_TEST(images_in_place_of_labels_are_refused),
        FILE_TEST(empty_set_is_refused),
        cmocka_unit_test(permutation_has_each_number_once),
        cmocka_unit_test(truncated_normal_has_its_spread),
        cmocka_unit_test(stats_of_known_values),
    };

    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
