/* SPDX-License-Identifier: MIT */
#include "policy/placement.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_VGPUS 64

/* A GPU and its vGPUs. The names of types are kept beside them: a vGPU points there. */
struct board {
    struct placement_gpu gpu;
    struct placement_vgpu vgpus[MAX_VGPUS];
    struct vgpu_type types[TYPES_MAX];
    int ntypes;
};

static void
board_init(struct board *b, const char *name, const char *model, uint64_t memory,
           enum gpu_mode mode)
{
    memset(b, 0, sizeof(*b));
    b->gpu.name = name;
    b->gpu.model = model;
    b->gpu.memory_bytes = memory;
    b->gpu.mode = mode;
    b->gpu.vgpus = b->vgpus;
    b->ntypes = types_of_gpu(model, memory, b->types, TYPES_MAX);
    assert_true(b->ntypes > 0);
}

static const struct vgpu_type *
board_type(const struct board *b, const char *name)
{
    int i = 0;

    while (i < b->ntypes && strcmp(b->types[i].name, name) != 0)
        i++;
    assert_true(i < b->ntypes);
    return &b->types[i];
}

static void
board_add(struct board *b, const char *type, uint64_t start)
{
    const struct vgpu_type *t = board_type(b, type);

    assert_true(b->gpu.nvgpus < MAX_VGPUS);
    b->vgpus[b->gpu.nvgpus++] = (struct placement_vgpu){
        .framebuffer_bytes = t->framebuffer_bytes,
        .start_bytes = start,
        .type_max_instances = t->max_instances,
        .type_name = t->name,
    };
}

static void
board_pass_through(struct board *b)
{
    b->vgpus[b->gpu.nvgpus++] = (struct placement_vgpu){.passthrough = true};
}

static void
board_remove(struct board *b, unsigned i)
{
    b->vgpus[i] = b->vgpus[--b->gpu.nvgpus];
}

/* Places one and gives its start in GiB; it must be possible. */
static uint64_t
board_place_gib(struct board *b, const char *type)
{
    uint64_t start = UINT64_MAX;

    assert_int_equal(placement_check_gpu(&b->gpu, board_type(b, type), &start),
                     PLACEMENT_OK);
    board_add(b, type, start);
    return start / GIB;
}

static void
assert_refused(const struct board *b, const char *type, enum placement_refusal refusal)
{
    uint64_t start = 42;

    assert_int_equal(placement_check_gpu(&b->gpu, board_type(b, type), &start), refusal);
    assert_int_equal(start, 42);
    assert_int_equal(placement_available(&b->gpu, board_type(b, type)), 0);
}

/* All boards are asked; the refusal must be this one, in these words. */
static void
assert_pick_refused(const struct board *boards, unsigned n, const char *type,
                    enum placement_refusal refusal, const char *text)
{
    struct placement_gpu gpus[16];
    struct placement_choice c;
    struct placement_problem p;

    for (unsigned i = 0; i < n; i++) {
        gpus[i] = boards[i].gpu;
        gpus[i].vgpus = boards[i].vgpus;
    }
    assert_int_equal(placement_pick(gpus, n, type, SPREAD, &c, &p),
                     placement_errno(refusal));
    assert_int_equal(p.refusal, refusal);
    assert_string_equal(p.text, text);
    assert_int_equal(placement_pick(gpus, n, type, PACK, &c, NULL),
                     placement_errno(refusal));
}

static void
four_512m_fill_a_software_gpu_in_order(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t start;

        assert_int_equal(placement_available(&b.gpu, board_type(&b, "cpu-512m")), 4 - i);
        assert_int_equal(placement_check_gpu(&b.gpu, board_type(&b, "cpu-512m"), &start),
                         PLACEMENT_OK);
        assert_int_equal(start, i * (512 * MIB));
        board_add(&b, "cpu-512m", start);
    }
    assert_refused(&b, "cpu-512m", PLACEMENT_TYPE_FULL);
}

static void
equal_size_mode_takes_one_type_only(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_add(&b, "cpu-512m", 0);
    assert_refused(&b, "cpu-1g", PLACEMENT_OTHER_TYPE_IN_USE);
    assert_refused(&b, "cpu-256m", PLACEMENT_OTHER_TYPE_IN_USE);
    board_remove(&b, 0);
    assert_int_equal(board_place_gib(&b, "cpu-1g"), 0);
}

static void
equal_size_mode_fills_the_lowest_gap(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "a100", 40 * GIB, EQUAL_SIZE);
    board_add(&b, "a100-10g", 20 * GIB);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 0);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 10);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 30);
    assert_refused(&b, "a100-10g", PLACEMENT_TYPE_FULL);
}

/* 141 GiB would hold 17 of 8 GiB and 35 of 4 GiB; NVIDIA's tables say 16 and 32. */
static void
max_instances_holds_where_memory_would_take_more(void **state)
{
    struct board b;

    (void)state;
    for (enum gpu_mode mode = EQUAL_SIZE; mode <= MIXED_SIZE; mode++) {
        board_init(&b, "gpu0", "h200", 141 * GIB, mode);
        for (unsigned i = 0; i < 16; i++)
            board_place_gib(&b, "h200-8g");
        assert_refused(&b, "h200-8g", PLACEMENT_TYPE_FULL);
    }
}

/* Every start that NVIDIA allows on 40 GB is used when a type fills the GPU, none else.
 */
static void
mixed_size_starts_are_the_placement_ids(void **state)
{
    static const struct {
        const char *type;
        unsigned step, count;
    } cases[] = {{"a100-20g", 20, 2}, {"a100-10g", 10, 4}, {"a100-5g", 5, 8}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct board b;

        board_init(&b, "gpu0", "a100", 40 * GIB, MIXED_SIZE);
        for (unsigned k = 0; k < cases[i].count; k++)
            assert_int_equal(board_place_gib(&b, cases[i].type), k * cases[i].step);
        assert_refused(&b, cases[i].type, PLACEMENT_TYPE_FULL);
    }
}

static void
mixed_size_keeps_the_largest_piece_whole(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "a100", 40 * GIB, MIXED_SIZE);
    board_add(&b, "a100-10g", 0);
    board_add(&b, "a100-5g", 20 * GIB);
    /* Free: 10..20 and 25..40. Two 5 GiB go into the smaller, and a third as far down as
     * it can. */
    assert_int_equal(board_place_gib(&b, "a100-5g"), 10);
    assert_int_equal(board_place_gib(&b, "a100-5g"), 15);
    assert_int_equal(placement_largest_free(&b.gpu), 15 * GIB);
    assert_int_equal(board_place_gib(&b, "a100-5g"), 25);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 30);
    assert_int_equal(placement_free_bytes(&b.gpu), 0);
}

/* Free: 0..10, 15..20 and 25..40; the first two both leave the last one whole. */
static void
mixed_size_fills_the_smallest_piece_that_fits(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "a100", 40 * GIB, MIXED_SIZE);
    board_add(&b, "a100-5g", 10 * GIB);
    board_add(&b, "a100-5g", 20 * GIB);
    assert_int_equal(placement_available(&b.gpu, board_type(&b, "a100-5g")), 6);
    assert_int_equal(board_place_gib(&b, "a100-5g"), 15);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 0);
    assert_int_equal(board_place_gib(&b, "a100-10g"), 30);
}

static void
space_at_no_aligned_start_is_no_space(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "p40", 24 * GIB, MIXED_SIZE);
    board_add(&b, "p40-4g", 0);
    board_add(&b, "p40-4g", 20 * GIB);
    assert_int_equal(placement_largest_free(&b.gpu), 16 * GIB);
    assert_refused(&b, "p40-12g", PLACEMENT_NO_SPACE);
    assert_pick_refused(
        &b, 1, "p40-12g", PLACEMENT_NO_SPACE,
        "no GPU has 12 GiB free from a multiple of 12 GiB on (best: gpu0, 16 GiB)");
}

static void
a_type_that_is_no_type_is_refused(void **state)
{
    static const struct vgpu_type tiny = {"cpu-1m", MIB, 1}, zero = {"cpu-0m", 0, 1};
    struct board b;
    uint64_t start = 42;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    assert_int_equal(placement_check_gpu(&b.gpu, &tiny, &start), PLACEMENT_NO_SUCH_TYPE);
    assert_int_equal(placement_check_gpu(&b.gpu, &zero, &start), PLACEMENT_NO_SUCH_TYPE);
    assert_int_equal(placement_available(&b.gpu, &zero), 0);
    assert_int_equal(start, 42);
}

/* State read back from a damaged file must not make the sums run over. */
static void
absurd_vgpus_take_their_space_and_nothing_overflows(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, MIXED_SIZE);
    b.vgpus[0] = (struct placement_vgpu){
        .framebuffer_bytes = UINT64_MAX, .start_bytes = GIB, .type_max_instances = 1};
    b.gpu.nvgpus = 1;
    assert_int_equal(placement_largest_free(&b.gpu), GIB);
    assert_int_equal(placement_free_bytes(&b.gpu), 0);
    assert_int_equal(board_place_gib(&b, "cpu-1g"), 0);
    assert_refused(&b, "cpu-1g", PLACEMENT_NO_SPACE);
}

static void
passthrough_takes_a_whole_idle_gpu(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    assert_int_equal(placement_check_passthrough(&b.gpu), PLACEMENT_OK);
    board_add(&b, "cpu-512m", 0);
    assert_int_equal(placement_check_passthrough(&b.gpu), PLACEMENT_IN_USE);
    board_remove(&b, 0);
    board_pass_through(&b);
    assert_int_equal(placement_check_passthrough(&b.gpu), PLACEMENT_PASSED_THROUGH);
    assert_refused(&b, "cpu-512m", PLACEMENT_PASSED_THROUGH);
    assert_int_equal(placement_free_bytes(&b.gpu), 0);
    assert_int_equal(placement_largest_free(&b.gpu), 0);
}

static void
a_gpu_reserved_elsewhere_takes_nothing(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    b.gpu.reserved_elsewhere = true;
    assert_refused(&b, "cpu-512m", PLACEMENT_RESERVED);
    assert_int_equal(placement_check_passthrough(&b.gpu), PLACEMENT_RESERVED);
    assert_pick_refused(&b, 1, "cpu-512m", PLACEMENT_RESERVED,
                        "gpu0 is reserved outside Tessera");
}

/* Places n of a type on two idle GPUs of 2 GiB and gives the GPUs' indexes as text. */
static void
pick_many(enum placement_order order, const char *type, unsigned n, char *ret)
{
    static struct board b[2];

    board_init(&b[0], "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "cpu", 2 * GIB, EQUAL_SIZE);
    for (unsigned i = 0; i < n; i++) {
        const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu};
        struct placement_choice c;

        assert_int_equal(placement_pick(gpus, 2, type, order, &c, NULL), 0);
        assert_string_equal(c.type.name, type);
        board_add(&b[c.gpu], type, c.start_bytes);
        ret[i] = (char)('0' + c.gpu);
    }
    ret[n] = '\0';
}

static void
spread_goes_around_and_pack_fills_up(void **state)
{
    char gpus[9];

    (void)state;
    pick_many(SPREAD, "cpu-512m", 8, gpus);
    assert_string_equal(gpus, "01010101");
    pick_many(PACK, "cpu-512m", 8, gpus);
    assert_string_equal(gpus, "00001111");
}

static void
spread_prefers_free_memory_among_equals(void **state)
{
    static struct board b[2];
    struct placement_choice c;

    (void)state;
    board_init(&b[0], "gpu0", "a100", 40 * GIB, MIXED_SIZE);
    board_init(&b[1], "gpu1", "a100", 40 * GIB, MIXED_SIZE);
    board_add(&b[0], "a100-20g", 0);
    board_add(&b[1], "a100-5g", 0);
    const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu};

    assert_int_equal(placement_pick(gpus, 2, "a100-10g", SPREAD, &c, NULL), 0);
    assert_int_equal(c.gpu, 1);
    assert_int_equal(placement_pick(gpus, 2, "a100-10g", PACK, &c, NULL), 0);
    assert_int_equal(c.gpu, 0);
    assert_int_equal(c.start_bytes, 20 * GIB);
}

static void
pack_keeps_an_idle_gpu_idle_though_it_is_smaller(void **state)
{
    static struct board b[2];
    struct placement_choice c;

    (void)state;
    board_init(&b[0], "gpu0", "v100", 16 * GIB, MIXED_SIZE);
    board_init(&b[1], "gpu1", "v100", 32 * GIB, MIXED_SIZE);
    board_add(&b[1], "v100-1g", 0);
    const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu};

    assert_int_equal(placement_pick(gpus, 2, "v100-4g", PACK, &c, NULL), 0);
    assert_int_equal(c.gpu, 1);
    assert_int_equal(c.type.max_instances, 8);
}

static void
gpus_without_the_type_are_passed_over(void **state)
{
    static struct board b[2];
    struct placement_choice c;

    (void)state;
    board_init(&b[0], "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "h200", 141 * GIB, EQUAL_SIZE);
    const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu};

    assert_int_equal(placement_pick(gpus, 2, "h200-17g", SPREAD, &c, NULL), 0);
    assert_int_equal(c.gpu, 1);
    assert_int_equal(c.type.framebuffer_bytes, 17 * GIB);
}

static void
passthrough_picks_the_idle_gpu(void **state)
{
    static struct board b[2];
    struct placement_choice c;

    (void)state;
    board_init(&b[0], "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "cpu", 1 * GIB, EQUAL_SIZE);
    board_add(&b[0], "cpu-512m", 0);
    const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu};

    for (enum placement_order order = SPREAD; order <= PACK; order++) {
        assert_int_equal(placement_pick(gpus, 2, NULL, order, &c, NULL), 0);
        assert_int_equal(c.gpu, 1);
        assert_int_equal(c.start_bytes, 0);
        assert_string_equal(c.type.name, "passthrough");
        assert_int_equal(c.type.framebuffer_bytes, GIB);
        assert_int_equal(c.type.max_instances, 1);
    }
}

static void
no_space_names_the_best_gpu(void **state)
{
    static struct board b[2];

    (void)state;
    board_init(&b[0], "gpu0", "a100", 40 * GIB, MIXED_SIZE);
    board_init(&b[1], "gpu1", "a100", 40 * GIB, MIXED_SIZE);
    board_add(&b[0], "a100-10g", 10 * GIB);
    board_add(&b[0], "a100-10g", 30 * GIB);
    board_add(&b[1], "a100-10g", 10 * GIB);
    board_add(&b[1], "a100-8g", 24 * GIB);
    board_add(&b[1], "a100-5g", 35 * GIB);
    assert_pick_refused(b, 2, "a100-20g", PLACEMENT_NO_SPACE,
                        "no GPU has 20 GiB free (best: gpu0, 10 GiB)");
}

static void
another_type_in_use_says_what_would_work(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_add(&b, "cpu-512m", 0);
    assert_pick_refused(&b, 1, "cpu-1g", PLACEMENT_OTHER_TYPE_IN_USE,
                        "gpu0 is in use by vGPUs of type cpu-512m (equal-size mode): "
                        "create a cpu-512m, or switch it with "
                        "'tessera gpu set gpu0 --mode mixed-size'");
    assert_pick_refused(&b, 1, "cpu-2g", PLACEMENT_OTHER_TYPE_IN_USE,
                        "gpu0 is in use by vGPUs of type cpu-512m (equal-size mode): "
                        "create a cpu-512m");
}

static void
advice_that_would_not_work_is_not_given(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_add(&b, "cpu-682m", 0);
    board_add(&b, "cpu-682m", 682 * MIB);
    board_add(&b, "cpu-682m", 2 * (682 * MIB));
    assert_pick_refused(&b, 1, "cpu-1g", PLACEMENT_OTHER_TYPE_IN_USE,
                        "gpu0 is in use by vGPUs of type cpu-682m (equal-size mode)");
    board_remove(&b, 0);
    board_remove(&b, 0);
    board_remove(&b, 0);
    board_add(&b, "cpu-2g", 0);
    assert_pick_refused(&b, 1, "cpu-1g", PLACEMENT_OTHER_TYPE_IN_USE,
                        "gpu0 is in use by vGPUs of type cpu-2g (equal-size mode)");
}

static void
a_full_type_says_so(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    for (unsigned i = 0; i < 4; i++)
        board_add(&b, "cpu-512m", i * (512 * MIB));
    assert_pick_refused(&b, 1, "cpu-512m", PLACEMENT_TYPE_FULL,
                        "all 4 instances of cpu-512m on gpu0 are in use");
    board_init(&b, "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_add(&b, "cpu-2g", 0);
    assert_pick_refused(&b, 1, "cpu-2g", PLACEMENT_TYPE_FULL,
                        "the one instance of cpu-2g on gpu0 is in use");
}

static void
passthrough_of_a_busy_gpu_says_why(void **state)
{
    static struct board b[2];

    (void)state;
    board_init(&b[0], "gpu0", "cpu", 2 * GIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "cpu", 2 * GIB, EQUAL_SIZE);
    for (unsigned i = 0; i < 3; i++)
        board_add(&b[0], "cpu-512m", i * (512 * MIB));
    board_add(&b[1], "cpu-1g", 0);
    assert_pick_refused(b, 1, NULL, PLACEMENT_IN_USE,
                        "gpu0 has 3 vGPUs: passthrough takes a whole idle GPU");
    assert_pick_refused(
        b, 2, NULL, PLACEMENT_IN_USE,
        "gpu0 has 3 vGPUs; gpu1 has 1 vGPU: passthrough takes a whole idle GPU");
}

static void
different_reasons_are_all_told(void **state)
{
    static struct board b[4];

    (void)state;
    board_init(&b[0], "gpu0", "h200", 141 * GIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "cpu", 2 * GIB, EQUAL_SIZE);
    board_init(&b[2], "gpu2", "cpu", 2 * GIB, MIXED_SIZE);
    board_init(&b[3], "gpu3", "cpu", 2 * GIB, EQUAL_SIZE);
    board_pass_through(&b[1]);
    board_add(&b[2], "cpu-512m", 0);
    board_add(&b[2], "cpu-512m", GIB);
    board_add(&b[3], "cpu-256m", GIB);
    assert_pick_refused(b, 4, "cpu-1g", PLACEMENT_PASSED_THROUGH,
                        "gpu1 is passed through; "
                        "gpu2 has 512 MiB free in one piece, cpu-1g needs 1 GiB; "
                        "gpu3 is in use by vGPUs of type cpu-256m (equal-size mode): "
                        "create a cpu-256m, or switch it with "
                        "'tessera gpu set gpu3 --mode mixed-size'");
}

static void
many_refusals_are_counted_not_listed(void **state)
{
    static const char *const names[] = {"gpu0", "gpu1", "gpu2", "gpu3",
                                        "gpu4", "gpu5", "gpu6", "gpu7"};
    static struct board b[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        board_init(&b[i], names[i], "cpu", 2 * GIB, EQUAL_SIZE);
        board_pass_through(&b[i]);
    }
    assert_pick_refused(b, 8, "cpu-1g", PLACEMENT_PASSED_THROUGH,
                        "gpu0 is passed through; gpu1 is passed through; gpu2 is passed "
                        "through; gpu3 is passed through; and 4 more GPUs");
}

static void
an_unknown_type_lists_those_there_are(void **state)
{
    static struct board b[2];

    (void)state;
    board_init(&b[0], "gpu0", "cpu", 256 * MIB, EQUAL_SIZE);
    board_init(&b[1], "gpu1", "a2", 192 * MIB, EQUAL_SIZE);
    assert_pick_refused(b, 1, "cpu-1g", PLACEMENT_NO_SUCH_TYPE,
                        "gpu0 has no type 'cpu-1g' (it has cpu-256m, cpu-128m, cpu-85m, "
                        "cpu-64m)");
    assert_pick_refused(b, 2, "a2-1g", PLACEMENT_NO_SUCH_TYPE,
                        "no GPU has type 'a2-1g' (gpu1 has a2-192m, a2-96m, a2-64m)");
}

static void
a_host_without_gpus_says_so(void **state)
{
    (void)state;
    assert_pick_refused(NULL, 0, "cpu-1g", PLACEMENT_NO_GPU, "there is no GPU");
    assert_pick_refused(NULL, 0, NULL, PLACEMENT_NO_GPU, "there is no GPU");
}

static void
endless_names_do_not_overrun_the_text(void **state)
{
    char name[1000];
    struct board b;
    struct placement_choice c;
    struct placement_problem p;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    board_init(&b, name, "cpu", 2 * GIB, EQUAL_SIZE);
    board_add(&b, "cpu-512m", 0);
    assert_int_equal(placement_pick(&b.gpu, 1, "cpu-1g", PACK, &c, &p), -EBUSY);
    assert_int_equal(strlen(p.text), sizeof(p.text) - 1);
    assert_int_equal(placement_pick(&b.gpu, 1, name, PACK, &c, &p), -ENOENT);
    assert_int_equal(strlen(p.text), sizeof(p.text) - 1);
}

static void
equal_size_again_only_when_one_type_is_left(void **state)
{
    struct placement_problem p;
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, MIXED_SIZE);
    assert_int_equal(placement_mode_change_check(&b.gpu, EQUAL_SIZE, &p), PLACEMENT_OK);
    board_add(&b, "cpu-512m", 0);
    board_add(&b, "cpu-512m", 512 * MIB);
    assert_int_equal(placement_mode_change_check(&b.gpu, EQUAL_SIZE, &p), PLACEMENT_OK);
    board_add(&b, "cpu-1g", GIB);
    assert_int_equal(placement_mode_change_check(&b.gpu, EQUAL_SIZE, NULL),
                     PLACEMENT_OTHER_TYPE_IN_USE);
    assert_int_equal(placement_mode_change_check(&b.gpu, EQUAL_SIZE, &p),
                     PLACEMENT_OTHER_TYPE_IN_USE);
    assert_int_equal(p.refusal, PLACEMENT_OTHER_TYPE_IN_USE);
    assert_string_equal(p.text, "gpu0 has vGPUs of different types (cpu-512m, cpu-1g): "
                                "equal-size mode takes one type only");
    assert_int_equal(placement_mode_change_check(&b.gpu, MIXED_SIZE, &p), PLACEMENT_OK);
}

static void
the_mode_of_a_passed_through_gpu_is_free(void **state)
{
    struct board b;

    (void)state;
    board_init(&b, "gpu0", "cpu", 2 * GIB, MIXED_SIZE);
    board_pass_through(&b);
    assert_int_equal(placement_mode_change_check(&b.gpu, EQUAL_SIZE, NULL), PLACEMENT_OK);
    assert_int_equal(placement_mode_change_check(&b.gpu, MIXED_SIZE, NULL), PLACEMENT_OK);
}

/* xorshift64: the same run everywhere. */
static unsigned
random_below(uint64_t *seed, unsigned n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed >> 33) % n;
}

static unsigned
board_count(const struct board *b, const struct placement_vgpu *of)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->gpu.nvgpus; i++)
        n += b->vgpus[i].framebuffer_bytes == of->framebuffer_bytes;
    return n;
}

static void
assert_board_sound(const struct board *b)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < b->gpu.nvgpus; i++) {
        const struct placement_vgpu *v = &b->vgpus[i];

        used += v->framebuffer_bytes;
        assert_int_equal(v->start_bytes % v->framebuffer_bytes, 0);
        assert_true(v->start_bytes + v->framebuffer_bytes <= b->gpu.memory_bytes);
        assert_true(board_count(b, v) <= v->type_max_instances);
        if (b->gpu.mode == EQUAL_SIZE)
            assert_int_equal(board_count(b, v), b->gpu.nvgpus);
        for (unsigned j = 0; j < i; j++) {
            const struct placement_vgpu *w = &b->vgpus[j];

            assert_true(v->start_bytes + v->framebuffer_bytes <= w->start_bytes ||
                        w->start_bytes + w->framebuffer_bytes <= v->start_bytes);
        }
    }
    assert_int_equal(placement_free_bytes(&b->gpu), b->gpu.memory_bytes - used);
    assert_true(placement_largest_free(&b->gpu) <= b->gpu.memory_bytes - used);
}

/* A refusal must be true: tried by hand, no aligned start is free. */
static void
assert_no_start_is_free(const struct board *b, uint64_t size)
{
    for (uint64_t s = 0; s + size <= b->gpu.memory_bytes; s += size) {
        bool taken = false;

        for (unsigned i = 0; i < b->gpu.nvgpus; i++)
            taken |= b->vgpus[i].start_bytes < s + size &&
                     s < b->vgpus[i].start_bytes + b->vgpus[i].framebuffer_bytes;
        assert_true(taken);
    }
}

static void
random_step(struct board *b, uint64_t *seed)
{
    const struct vgpu_type *t = &b->types[random_below(seed, (unsigned)b->ntypes)];
    const unsigned available = placement_available(&b->gpu, t);
    enum placement_refusal r;
    uint64_t start;

    if (b->gpu.nvgpus && random_below(seed, 5) < 2) {
        board_remove(b, random_below(seed, b->gpu.nvgpus));
        return;
    }
    r = placement_check_gpu(&b->gpu, t, &start);
    assert_int_equal(r == PLACEMENT_OK, available > 0);
    if (r == PLACEMENT_NO_SPACE)
        assert_no_start_is_free(b, t->framebuffer_bytes);
    if (r != PLACEMENT_OK)
        return;
    board_add(b, t->name, start);
    assert_int_equal(placement_available(&b->gpu, t), available - 1);
}

static void
run_random(enum gpu_mode mode)
{
    static const struct {
        const char *model;
        uint64_t memory;
    } gpus[] = {{"cpu", 2 * GIB},   {"cpu", 1000 * MIB},    {"p40", 24 * GIB},
                {"a100", 40 * GIB}, {"h200", 143771 * MIB}, {"h200", 141 * GIB}};
    uint64_t seed = 88172645463325252;

    for (size_t g = 0; g < COUNT(gpus); g++) {
        struct board b;

        board_init(&b, "gpu0", gpus[g].model, gpus[g].memory, mode);
        for (unsigned step = 0; step < 3000; step++) {
            random_step(&b, &seed);
            assert_board_sound(&b);
        }
    }
}

static void
random_creates_and_deletes_stay_sound_in_equal_size_mode(void **state)
{
    (void)state;
    run_random(EQUAL_SIZE);
}

static void
random_creates_and_deletes_stay_sound_in_mixed_size_mode(void **state)
{
    (void)state;
    run_random(MIXED_SIZE);
}

static void
random_picks_over_gpus_stay_sound(void **state)
{
    uint64_t seed = 2463534242;

    (void)state;
    for (enum placement_order order = SPREAD; order <= PACK; order++) {
        static struct board b[3];

        board_init(&b[0], "gpu0", "a100", 40 * GIB, MIXED_SIZE);
        board_init(&b[1], "gpu1", "a100", 40 * GIB, EQUAL_SIZE);
        board_init(&b[2], "gpu2", "a100", 80 * GIB, MIXED_SIZE);
        for (unsigned step = 0; step < 3000; step++) {
            const struct placement_gpu gpus[] = {b[0].gpu, b[1].gpu, b[2].gpu};
            struct board *any = &b[random_below(&seed, 3)];
            const char *type =
                any->types[random_below(&seed, (unsigned)any->ntypes)].name;
            struct placement_choice c;
            struct placement_problem p = {0};
            const int r = placement_pick(gpus, 3, type, order, &c, &p);

            if (r == 0)
                board_add(&b[c.gpu], type, c.start_bytes);
            else
                assert_true(p.text[0] && r == placement_errno(p.refusal));
            if (any->gpu.nvgpus && (r < 0 || random_below(&seed, 2)))
                board_remove(any, random_below(&seed, any->gpu.nvgpus));
            for (unsigned i = 0; i < 3; i++)
                assert_board_sound(&b[i]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_512m_fill_a_software_gpu_in_order),
        cmocka_unit_test(equal_size_mode_takes_one_type_only),
        cmocka_unit_test(equal_size_mode_fills_the_lowest_gap),
        cmocka_unit_test(max_instances_holds_where_memory_would_take_more),
        cmocka_unit_test(mixed_size_starts_are_the_placement_ids),
        cmocka_unit_test(mixed_size_keeps_the_largest_piece_whole),
        cmocka_unit_test(mixed_size_fills_the_smallest_piece_that_fits),
        cmocka_unit_test(space_at_no_aligned_start_is_no_space),
        cmocka_unit_test(a_type_that_is_no_type_is_refused),
        cmocka_unit_test(absurd_vgpus_take_their_space_and_nothing_overflows),
        cmocka_unit_test(passthrough_takes_a_whole_idle_gpu),
        cmocka_unit_test(a_gpu_reserved_elsewhere_takes_nothing),
        cmocka_unit_test(spread_goes_around_and_pack_fills_up),
        cmocka_unit_test(spread_prefers_free_memory_among_equals),
        cmocka_unit_test(pack_keeps_an_idle_gpu_idle_though_it_is_smaller),
        cmocka_unit_test(gpus_without_the_type_are_passed_over),
        cmocka_unit_test(passthrough_picks_the_idle_gpu),
        cmocka_unit_test(no_space_names_the_best_gpu),
        cmocka_unit_test(another_type_in_use_says_what_would_work),
        cmocka_unit_test(advice_that_would_not_work_is_not_given),
        cmocka_unit_test(a_full_type_says_so),
        cmocka_unit_test(passthrough_of_a_busy_gpu_says_why),
        cmocka_unit_test(different_reasons_are_all_told),
        cmocka_unit_test(many_refusals_are_counted_not_listed),
        cmocka_unit_test(an_unknown_type_lists_those_there_are),
        cmocka_unit_test(a_host_without_gpus_says_so),
        cmocka_unit_test(endless_names_do_not_overrun_the_text),
        cmocka_unit_test(equal_size_again_only_when_one_type_is_left),
        cmocka_unit_test(the_mode_of_a_passed_through_gpu_is_free),
        cmocka_unit_test(random_creates_and_deletes_stay_sound_in_equal_size_mode),
        cmocka_unit_test(random_creates_and_deletes_stay_sound_in_mixed_size_mode),
        cmocka_unit_test(random_picks_over_gpus_stay_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
