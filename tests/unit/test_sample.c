/* SPDX-License-Identifier: MIT */
/* Rates between two readings of the manager's statistics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/sample.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char before_text[] =
    "{'time_ns': 1000000000, 'gpus': [{'name': 'gpu0', 'model': 'cpu', 'policy':"
    " 'equal-share', 'slice_us': 2000, 'turns': 100, 'used_ns': 0, 'idle_ns': 0,"
    " 'arbiter_cpu_ns': 5000000, 'vgpus': ["
    "{'name': 'a', 'used_ns': 100000000, 'busy_ns': 90000000, 'waited_ns': 0,"
    " 'kernels': 10, 'copied_bytes': 0, 'used_bytes': 5},"
    "{'name': 'b', 'used_ns': 900000000, 'waited_ns': 1000000, 'kernels': 5}]}]}";

static const char now_text[] =
    "{'time_ns': 3000000000, 'gpus': [{'name': 'gpu0', 'model': 'cpu', 'policy':"
    " 'equal-share', 'slice_us': 2000, 'turns': 1060, 'used_ns': 1900000000,"
    " 'idle_ns': 100000000, 'arbiter_cpu_ns': 15000000, 'vgpus': ["
    "{'name': 'a', 'type': 'cpu-512m', 'state': 'working', 'share_asked': 0.5,"
    " 'used_ns': 1100000000, 'busy_ns': 1040000000, 'waited_ns': 5000000000,"
    " 'kernels': 4010, 'copied_bytes': 4096, 'used_bytes': 77, 'framebuffer_bytes': 512},"
    "{'name': 'b', 'share_asked': null, 'used_ns': 100, 'kernels': 5},"
    "{'name': 'c', 'share_asked': 0.25, 'used_ns': 500000000, 'kernels': 20}]}]}";

/* JSON with ' for ". */
static json_t *
parse(const char *text)
{
    char copy[4096];
    json_t *o;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    o = json_loads(copy, 0, NULL);
    assert_non_null(o);
    return o;
}

/* The sample of the two readings above. */
static int
setup(void **state)
{
    static struct sample s;
    json_t *before = parse(before_text), *now = parse(now_text);
    const int rc = sample_init(&s, before, now);

    json_decref(before);
    json_decref(now);
    *state = &s;
    return rc;
}

static int
teardown(void **state)
{
    sample_fini(*state);
    return 0;
}

static const struct vgpu_rates *
vgpu(const struct sample *s, const char *name)
{
    for (size_t i = 0; i < s->gpus[0].nvgpus; i++) {
        if (strcmp(s->gpus[0].vgpus[i].name, name) == 0)
            return &s->gpus[0].vgpus[i];
    }
    fail_msg("no vGPU %s", name);
    return NULL;
}

static void
shares_and_rates_are_differences_over_the_time_between(void **state)
{
    const struct vgpu_rates *a = vgpu(*state, "a");

    assert_float_equal(a->got, 0.5, 1e-9);
    assert_float_equal(a->busy, 0.475, 1e-9);
    assert_float_equal(a->asked, 0.5, 1e-9);
    assert_float_equal(a->kernels, 2000, 1e-6);
    assert_float_equal(a->copied_bytes, 2048, 1e-6);
    assert_int_equal(a->used_bytes, 77);
}

static void
the_gpu_has_rates_of_its_own(void **state)
{
    const struct gpu_rates *g = &((const struct sample *)*state)->gpus[0];

    assert_float_equal(g->used, 0.95, 1e-9);
    assert_float_equal(g->idle, 0.05, 1e-9);
    assert_float_equal(g->turns, 480, 1e-6);
    assert_float_equal(g->arbiter_cpu, 0.005, 1e-9);
}

static void
waiting_of_many_sessions_is_no_more_than_all_the_time(void **state)
{
    assert_float_equal(vgpu(*state, "a")->waiting, 1.0, 1e-9);
}

static void
a_counter_that_fell_is_no_rate(void **state)
{
    const struct vgpu_rates *b = vgpu(*state, "b");

    assert_float_equal(b->got, 0, 0);
    assert_float_equal(b->waiting, 0, 0);
    assert_true(isnan(b->asked));
}

static void
a_new_vgpu_began_at_zero(void **state)
{
    assert_float_equal(vgpu(*state, "c")->got, 0.25, 1e-9);
}

static void
vgpus_are_sorted_by_the_key_then_by_name(void **state)
{
    struct sample *s = *state;

    sample_sort(s, ORDER_KERNELS);
    assert_string_equal(s->gpus[0].vgpus[0].name, "a");
    assert_string_equal(s->gpus[0].vgpus[1].name, "c");
    sample_sort(s, ORDER_NAME);
    assert_string_equal(s->gpus[0].vgpus[1].name, "b");
    sample_sort(s, ORDER_ASKED);
    assert_string_equal(s->gpus[0].vgpus[2].name, "b");
}

static void
programs_get_null_where_there_is_no_number(void **state)
{
    json_t *o = sample_json(*state), *gpu = json_array_get(json_object_get(o, "gpus"), 0);
    json_t *list = json_object_get(gpu, "vgpus");

    assert_int_equal(json_integer_value(json_object_get(o, "elapsed_ns")), 2000000000);
    assert_float_equal(json_number_value(json_object_get(gpu, "used")), 0.95, 1e-9);
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i),
                     *asked = json_object_get(v, "share_asked");
        const bool is_b = strcmp(json_string_value(json_object_get(v, "name")), "b") == 0;

        assert_int_equal(json_is_null(asked), is_b);
    }
    json_decref(o);
}

static void
what_is_no_pair_of_readings_is_refused(void **state)
{
    json_t *before = parse(before_text), *now = parse(now_text), *none = parse("{}");
    struct sample s;

    (void)state;
    assert_int_equal(sample_init(&s, now, before), -EAGAIN);
    assert_int_equal(sample_init(&s, now, now), -EAGAIN);
    assert_int_equal(sample_init(&s, before, none), -EPROTO);
    json_decref(before);
    json_decref(now);
    json_decref(none);
}

static void
orders_have_words(void **state)
{
    enum sample_order order;

    (void)state;
    for (int i = ORDER_GOT; i <= ORDER_NAME; i++) {
        assert_true(sample_order_parse(sample_order_word((enum sample_order)i), &order));
        assert_int_equal(order, i);
    }
    assert_false(sample_order_parse("size", &order));
}

int
main(void)
{
#define ON_THE_PAIR(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_THE_PAIR(shares_and_rates_are_differences_over_the_time_between),
        ON_THE_PAIR(the_gpu_has_rates_of_its_own),
        ON_THE_PAIR(waiting_of_many_sessions_is_no_more_than_all_the_time),
        ON_THE_PAIR(a_counter_that_fell_is_no_rate),
        ON_THE_PAIR(a_new_vgpu_began_at_zero),
        ON_THE_PAIR(vgpus_are_sorted_by_the_key_then_by_name),
        ON_THE_PAIR(programs_get_null_where_there_is_no_number),
        cmocka_unit_test(what_is_no_pair_of_readings_is_refused),
        cmocka_unit_test(orders_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
