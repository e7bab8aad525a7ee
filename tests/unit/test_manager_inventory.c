/* SPDX-License-Identifier: MIT */
#include "manager/inventory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GIB (UINT64_C(1) << 30)

static const struct probe_device pocl = {.platform = "Portable Computing Language",
                                         .name = "pthread-cpu",
                                         .type = "cpu",
                                         .memory_bytes = 8 * GIB,
                                         .host_unified = true};
static const struct probe_device other_cpu = {.platform = "Intel(R) OpenCL",
                                              .name = "Intel(R) Xeon(R)",
                                              .type = "cpu",
                                              .memory_bytes = 8 * GIB};
static const struct probe_device h200 = {.platform = "NVIDIA CUDA",
                                         .name = "NVIDIA H200",
                                         .type = "gpu",
                                         .memory_bytes = 140 * GIB,
                                         .pci = "0000:01:00.0"};
static const struct probe_device h200_again = {.platform = "rusticl",
                                               .name = "NV1F2",
                                               .type = "gpu",
                                               .memory_bytes = 140 * GIB,
                                               .pci = "0000:01:00.0"};

static const struct probe_device card = {.platform = NVML_PLATFORM,
                                         .name = "NVIDIA H200",
                                         .type = "gpu",
                                         .memory_bytes = 141 * GIB,
                                         .uuid = "01020304-0506",
                                         .pci = "0000:01:00.0"};
static const struct probe_device other_card = {.platform = NVML_PLATFORM,
                                               .name = "Tesla P40",
                                               .type = "gpu",
                                               .memory_bytes = 24 * GIB,
                                               .uuid = "01020304-0507",
                                               .pci = "0000:02:00.0"};

static const struct probe_device *const only_pocl = &pocl;

static cpu_set_t
cores_up_to(unsigned n)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (unsigned i = 0; i < n; i++)
        CPU_SET(i, &set);
    return set;
}

static struct inventory
inventory_of(int software_gpus, const struct probe_device *const *devices, unsigned n,
             unsigned ncores)
{
    const struct options o = {.software_gpus = software_gpus,
                              .software_memory_bytes = 2 * GIB};
    const cpu_set_t cores = cores_up_to(ncores);
    struct probe_device *copies = calloc(n + 1, sizeof *copies);
    struct inventory inv;

    for (unsigned i = 0; i < n; i++)
        copies[i] = *devices[i];
    assert_int_equal(inventory_make(&inv, &o, copies, n, &cores), 0);
    free(copies);
    return inv;
}

static void
assert_cores(const struct gpu *g, const char *want)
{
    char text[CORES_TEXT_BYTES];

    cores_format(&g->cores, text, sizeof text);
    assert_string_equal(text, want);
}

static void
models_are_short_names(void **state)
{
    static const struct {
        const char *device, *model;
    } rows[] = {
        {"NVIDIA H200", "h200"},
        {"NVIDIA H200 NVL", "h200"},
        {"Tesla P40", "p40"},
        {"NVIDIA A100-SXM4-40GB", "a100"},
        {"NVIDIA H100 80GB HBM3", "h100"},
        {"NVIDIA GeForce RTX 3090", "rtx3090"},
        {"NVIDIA RTX A6000", "a6000"},
        {"AMD Radeon RX 7900 XTX", "rx7900"},
        {"gfx90a:sramecc+:xnack-", "gfx90a"},
        {"Intel(R) Arc(TM) A770 Graphics", "a770"},
        {"Intel(R) UHD Graphics 770", "uhd770"},
        {"NVIDIA TITAN V", "titan"},
        {"NVIDIA", "gpu"},
        {"", "gpu"},
        {"Abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwx"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char model[TYPE_MODEL_MAX + 1];

        gpu_model_of(rows[i].device, model, sizeof model);
        assert_string_equal(model, rows[i].model);
    }
}

static void
without_a_gpu_there_is_one_software_gpu_with_all_cores(void **state)
{
    const struct probe_device *devices[] = {&other_cpu, &pocl};
    struct inventory inv = inventory_of(-1, devices, 2, 4);

    (void)state;
    assert_int_equal(inv.n, 1);
    assert_string_equal(inv.gpus[0].name, "gpu0");
    assert_string_equal(inv.gpus[0].model, "cpu");
    assert_string_equal(inv.gpus[0].device.platform, "Portable Computing Language");
    assert_int_equal(inv.gpus[0].memory_bytes, 2 * GIB);
    assert_false(inv.gpus[0].pinned || inv.gpus[0].shared);
    assert_cores(&inv.gpus[0], "0-3");
    inventory_fini(&inv);
}

static void
a_real_gpu_comes_alone_and_first(void **state)
{
    const struct probe_device *devices[] = {&pocl, &h200};
    struct inventory alone = inventory_of(-1, devices, 2, 4);
    struct inventory asked = inventory_of(1, devices, 2, 4);

    (void)state;
    assert_int_equal(alone.n, 1);
    assert_string_equal(alone.gpus[0].model, "h200");
    assert_true(alone.gpus[0].discrete);
    assert_int_equal(asked.n, 2);
    assert_string_equal(asked.gpus[0].model, "h200");
    assert_string_equal(asked.gpus[1].model, "cpu");
    inventory_fini(&alone);
    inventory_fini(&asked);
}

static void
a_card_of_cudas_is_the_gpu_that_opencl_knows(void **state)
{
    const struct probe_device *const devices[] = {&pocl, &h200, &card};
    struct inventory inv = inventory_of(-1, devices, 3, 4);

    (void)state;
    assert_int_equal(inv.n, 1);
    assert_true(gpu_has_opencl(&inv.gpus[0]));
    assert_string_equal(inv.gpus[0].cuda_device, "GPU-01020304-0506");
    assert_int_equal(inv.gpus[0].memory_bytes, 140 * GIB);
    inventory_fini(&inv);
}

static void
a_card_without_opencl_is_a_gpu_of_cudas_alone(void **state)
{
    const struct probe_device *const devices[] = {&h200, &card, &other_card};
    struct inventory inv = inventory_of(-1, devices, 3, 4);

    (void)state;
    assert_int_equal(inv.n, 2);
    assert_string_equal(inv.gpus[1].model, "p40");
    assert_true(inv.gpus[1].discrete);
    assert_false(gpu_has_opencl(&inv.gpus[1]));
    assert_string_equal(inv.gpus[1].cuda_device, "GPU-01020304-0507");
    assert_int_equal(inv.gpus[1].memory_bytes, 24 * GIB);
    inventory_fini(&inv);
}

static void
a_card_known_to_two_drivers_is_one_gpu(void **state)
{
    const struct probe_device *devices[] = {&h200, &h200_again};
    struct inventory inv = inventory_of(-1, devices, 2, 4);

    (void)state;
    assert_int_equal(inv.n, 1);
    inventory_fini(&inv);
}

static void
software_gpus_get_cores_of_their_own_while_there_are_enough(void **state)
{
    struct inventory inv = inventory_of(3, &only_pocl, 1, 8);

    (void)state;
    assert_int_equal(inv.n, 3);
    assert_true(inv.gpus[0].pinned && !inv.gpus[0].shared);
    assert_cores(&inv.gpus[0], "0-1");
    assert_cores(&inv.gpus[1], "2-4");
    assert_cores(&inv.gpus[2], "5-7");
    inventory_fini(&inv);
}

static void
more_software_gpus_than_cores_share_them(void **state)
{
    struct inventory inv = inventory_of(3, &only_pocl, 1, 2);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(inv.gpus[i].shared && !inv.gpus[i].pinned);
        assert_cores(&inv.gpus[i], "0-1");
    }
    inventory_fini(&inv);
}

static void
without_any_device_there_is_no_gpu(void **state)
{
    struct inventory inv = inventory_of(2, NULL, 0, 2);

    (void)state;
    assert_int_equal(inv.n, 0);
    assert_null(inventory_find(&inv, "gpu0"));
    inventory_fini(&inv);
}

static void
a_probe_answer_is_read(void **state)
{
    static const char text[] =
        "{\"devices\": [{\"platform\": \"P\", \"index\": 1, \"name\": \"N\", \"vendor\": "
        "\"V\", \"type\": \"gpu\", \"memory_bytes\": 5, \"host_unified\": true, "
        "\"compute_units\": 2, \"driver\": \"D\", \"version\": \"O\", \"uuid\": null, "
        "\"pci\": \"0000:01:00.0\", \"later\": 1}]}";
    struct probe_device *devices = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(probe_parse(text, sizeof text - 1, &devices, 0, &e), 1);
    assert_string_equal(devices[0].platform, "P");
    assert_int_equal(devices[0].index, 1);
    assert_int_equal(devices[0].memory_bytes, 5);
    assert_true(devices[0].host_unified);
    assert_string_equal(devices[0].uuid, "");
    assert_string_equal(devices[0].pci, "0000:01:00.0");
    free(devices);
    err_fini(&e);
}

static void
a_bad_probe_answer_is_refused(void **state)
{
    static const char *const rows[] = {"", "{}", "{\"devices\": 1}",
                                       "{\"devices\": [{\"platform\": \"P\"}]}",
                                       "{\"devices\": [[]]}"};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct probe_device *devices = NULL;
        struct err e = ERR_INIT;

        assert_int_equal(probe_parse(rows[i], strlen(rows[i]), &devices, 0, &e), -EINVAL);
        free(devices);
        err_fini(&e);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_short_names),
        cmocka_unit_test(without_a_gpu_there_is_one_software_gpu_with_all_cores),
        cmocka_unit_test(a_real_gpu_comes_alone_and_first),
        cmocka_unit_test(a_card_known_to_two_drivers_is_one_gpu),
        cmocka_unit_test(a_card_of_cudas_is_the_gpu_that_opencl_knows),
        cmocka_unit_test(a_card_without_opencl_is_a_gpu_of_cudas_alone),
        cmocka_unit_test(software_gpus_get_cores_of_their_own_while_there_are_enough),
        cmocka_unit_test(more_software_gpus_than_cores_share_them),
        cmocka_unit_test(without_any_device_there_is_no_gpu),
        cmocka_unit_test(a_probe_answer_is_read),
        cmocka_unit_test(a_bad_probe_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
