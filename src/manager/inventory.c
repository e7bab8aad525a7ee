/* SPDX-License-Identifier: MIT */
#include "manager/inventory.h"

#include "base/cleanup.h"
#include "manager/fields.h"
#include "manager/probe.h"
#include "manager/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POCL_PLATFORM "Portable Computing Language"
#define NVIDIA_PLATFORM "NVIDIA CUDA" /* of NVIDIA's OpenCL driver */
#define SOFTWARE_MODEL "cpu"
#define PROBE_MAX_DEVICES 256

static const struct field device_fields[] = {
    FIELD(struct probe_device, platform, FIELD_STRING, true),
    FIELD(struct probe_device, index, FIELD_U64, true),
    FIELD(struct probe_device, name, FIELD_STRING, true),
    FIELD(struct probe_device, vendor, FIELD_STRING, false),
    FIELD(struct probe_device, type, FIELD_STRING, true),
    FIELD(struct probe_device, memory_bytes, FIELD_U64, true),
    FIELD(struct probe_device, host_unified, FIELD_BOOL, false),
    FIELD(struct probe_device, compute_units, FIELD_U64, false),
    FIELD(struct probe_device, driver, FIELD_STRING, false),
    FIELD(struct probe_device, version, FIELD_STRING, false),
    FIELD(struct probe_device, uuid, FIELD_STRING, false),
    FIELD(struct probe_device, pci, FIELD_STRING, false),
};
static const struct field_table device_table = {
    device_fields, sizeof device_fields / sizeof *device_fields, true};

static int
read_devices(const json_t *list, struct probe_device **devices, unsigned n, struct err *e)
{
    const size_t count = json_array_size(list);
    struct probe_device *more;

    if (!json_is_array(list) || count > PROBE_MAX_DEVICES)
        return err_set(e, -EINVAL, "no list of devices");
    more = reallocarray(*devices, n + count + 1, sizeof *more);
    if (!more)
        return err_set(e, -ENOMEM, "out of memory");
    *devices = more;
    memset(more + n, 0, count * sizeof *more);
    for (size_t i = 0; i < count; i++) {
        if (fields_read(json_array_get(list, i), &device_table, &more[n + i], e) < 0)
            return err_wrap(e, "device %zu", i);
    }
    return (int)count;
}

int
probe_parse(const char *buf, size_t len, struct probe_device **devices, unsigned n,
            struct err *e)
{
    json_t *o;
    int rc = fields_load(buf, len, &o, e);

    if (rc < 0)
        return rc;
    rc = read_devices(json_object_get(o, "devices"), devices, n, e);
    json_decref(o);
    return rc;
}

static const struct probe_device *
software_device(const struct probe_device *devices, unsigned n)
{
    const struct probe_device *best = NULL;

    for (unsigned i = 0; i < n; i++) {
        if (strcmp(devices[i].type, "cpu") != 0)
            continue;
        if (!best || strcmp(devices[i].platform, POCL_PLATFORM) == 0)
            best = &devices[i];
        if (strcmp(best->platform, POCL_PLATFORM) == 0)
            break;
    }
    return best;
}

static struct gpu *
inventory_add(struct inventory *inv, const struct probe_device *d)
{
    struct gpu *g = &inv->gpus[inv->n];

    *g = (struct gpu){.device = *d, .memory_bytes = d->memory_bytes};
    snprintf(g->name, sizeof g->name, "gpu%u", inv->n++);
    return g;
}

/* Two drivers may know one card; it is cut up once. Parts of a card have one driver. */
static bool
seen_before(const struct probe_device *devices, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (devices[i].pci[0] && strcmp(devices[k].pci, devices[i].pci) == 0 &&
            strcmp(devices[k].platform, devices[i].platform) != 0)
            return true;
    }
    return false;
}

static void
name_for_cuda(struct gpu *g, const char *uuid)
{
    if (uuid[0])
        snprintf(g->cuda_device, sizeof g->cuda_device, "GPU-%s", uuid);
}

static void
add_hardware(struct inventory *inv, const struct probe_device *d)
{
    struct gpu *g = inventory_add(inv, d);

    gpu_model_of(d->name, g->model, sizeof g->model);
    g->discrete = !d->host_unified;
    if (strcmp(d->platform, NVIDIA_PLATFORM) == 0 || !gpu_has_opencl(g))
        name_for_cuda(g, d->uuid);
}

/* The GPU that this card of NVIDIA's is, by whatever driver of OpenCL's; NULL: none yet. */
static struct gpu *
gpu_of_card(const struct inventory *inv, const struct probe_device *card)
{
    for (unsigned i = 0; i < inv->n; i++) {
        struct gpu *const g = &inv->gpus[i];

        if ((card->pci[0] && strcmp(g->device.pci, card->pci) == 0) ||
            (card->uuid[0] && strcmp(g->device.uuid, card->uuid) == 0))
            return g;
    }
    return NULL;
}

static void
add_card(struct inventory *inv, const struct probe_device *card)
{
    struct gpu *const g = gpu_of_card(inv, card);

    if (!g)
        add_hardware(inv, card);
    else
        name_for_cuda(g, card->uuid);
}

static void
add_software(struct inventory *inv, const struct options *o, const struct probe_device *d,
             unsigned count, const cpu_set_t *cores)
{
    for (unsigned i = 0; i < count; i++) {
        struct gpu *g = inventory_add(inv, d);

        text_copy(g->model, sizeof g->model, SOFTWARE_MODEL);
        g->software = true;
        g->memory_bytes = o->software_memory_bytes;
        g->discrete = o->software_discrete;
        g->shared = count > (unsigned)CPU_COUNT(cores);
        g->pinned = count > 1 && !g->shared;
        if (g->pinned)
            cores_share(cores, i, count, &g->cores);
        else
            g->cores = *cores;
        if (o->cuda_driver)
            snprintf(g->cuda_device, sizeof g->cuda_device, "%u", i);
    }
}

int
inventory_make(struct inventory *inv, const struct options *o,
               const struct probe_device *devices, unsigned n, const cpu_set_t *cores)
{
    const struct probe_device *cpu = software_device(devices, n);
    const unsigned asked = o->software_gpus > 0 ? (unsigned)o->software_gpus : 0;

    *inv = (struct inventory){.gpus = calloc(n + asked + 1, sizeof *inv->gpus)};
    if (!inv->gpus)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(devices[i].platform, NVML_PLATFORM) == 0)
            add_card(inv, &devices[i]);
        else if (strcmp(devices[i].type, "cpu") != 0 && !seen_before(devices, i))
            add_hardware(inv, &devices[i]);
    }
    if (cpu)
        add_software(inv, o, cpu, o->software_gpus < 0 && inv->n == 0 ? 1 : asked, cores);
    return 0;
}

/* The fake back end has one CPU device and needs no driver to be asked. */
static int
fake_devices(struct probe_device **ret)
{
    struct probe_device *d = calloc(1, sizeof *d);

    if (!d)
        return -ENOMEM;
    *d = (struct probe_device){.platform = "fake",
                               .name = "fake",
                               .vendor = "Tessera",
                               .type = "cpu",
                               .host_unified = true,
                               .compute_units = 1};
    *ret = d;
    return 1;
}

int
inventory_init(struct inventory *inv, const struct options *o, const char *worker,
               struct err *e)
{
    _cleanup_free_ struct probe_device *devices = NULL;
    cpu_set_t cores;
    int n;

    *inv = (struct inventory){0};
    if (strcmp(o->backend, "fake") == 0)
        n = fake_devices(&devices);
    else
        n = probe_all(worker, &devices, e);
    if (n >= 0 && (strcmp(o->backend, "fake") != 0 || o->nvml_driver))
        n = probe_cards(worker, o->nvml_driver, &devices, n, e);
    if (n < 0)
        return n;
    if (cores_of_process(&cores) < 0)
        return err_set(e, -errno, "cannot tell which cores are ours");
    return inventory_make(inv, o, devices, (unsigned)n, &cores);
}

void
inventory_fini(struct inventory *inv)
{
    free(inv->gpus);
    *inv = (struct inventory){0};
}

struct gpu *
inventory_find(const struct inventory *inv, const char *name)
{
    for (unsigned i = 0; i < inv->n; i++) {
        if (strcmp(inv->gpus[i].name, name) == 0)
            return &inv->gpus[i];
    }
    return NULL;
}

int
inventory_no_such(const struct inventory *inv, const char *name, struct err *e)
{
    if (inv->n == 0)
        return err_set(e, -ENOENT, "there is no GPU '%s': no OpenCL device found", name);
    if (inv->n == 1)
        return err_set(e, -ENOENT, "there is no GPU '%s', only gpu0", name);
    return err_set(e, -ENOENT, "there is no GPU '%s', only gpu0 to gpu%u", name,
                   inv->n - 1);
}
