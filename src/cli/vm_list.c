/* SPDX-License-Identifier: MIT */
/* The table of tessera vm list. */
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/vm.h"

#include <inttypes.h>
#include <stdio.h>

static const struct table_column columns[] = {
    {"DOMAIN", false}, {"STATE", false},      {"VGPU", false}, {"TYPE", false},
    {"GPU", false},    {"FRAMEBUFFER", true}, {"IN", false},   {"PORTS", true},
};

/* Where it is: in the VM that runs, in what it will be started with, or in both. */
static const char *
where(const json_t *row)
{
    const bool running = json_is_true(json_object_get(row, "running"));
    const bool config = json_is_true(json_object_get(row, "config"));

    if (running)
        return config ? "now, next start" : "now";
    return config ? "next start" : "prepared";
}

static void
set_ports(struct table_row *r, size_t column, const json_t *row)
{
    char text[32];

    if (!json_is_integer(json_object_get(row, "connected")))
        return;
    snprintf(text, sizeof text, "%" PRIu64 " of %d", json_u64_of(row, "connected"),
             VM_PORTS);
    table_set(r, column, text);
}

/* A vGPU that the manager does not know any more is said to be gone; a PCI device may have none. */
static const char *
type_of(const json_t *row)
{
    const bool exists = json_is_true(json_object_get(row, "exists"));
    const char *pci = json_text_of(row, "pci", NULL);

    if (pci)
        return "PCI device";
    return exists ? json_text_of(row, "type", "-") : "(deleted)";
}

void
vm_print_list(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "vms");
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        struct table_row *r = table_row(t);

        table_set(r, 0, json_text_of(row, "domain", "-"));
        table_set(r, 1, json_text_of(row, "state", "-"));
        table_set(r, 2, json_text_of(row, "pci", json_text_of(row, "vgpu", "-")));
        table_set(r, 3, type_of(row));
        table_set(r, 4, json_text_of(row, "gpu", "-"));
        if (json_is_integer(json_object_get(row, "framebuffer_bytes")))
            table_set_size(r, 5, json_u64_of(row, "framebuffer_bytes"));
        table_set(r, 6, where(row));
        set_ports(r, 7, row);
    }
    table_print(t);
}
