/* SPDX-License-Identifier: MIT */
/* What `tessera vm` did, in a line for people or as JSON. */
#include "cli/cli.h"
#include "cli/vm.h"

#include <stdio.h>
#include <string.h>

/* What it was about: a vGPU's name, or addresses with commas between. */
static void
subject(const struct vm_what *w, char *buf, size_t cap)
{
    size_t len = 0;

    buf[0] = '\0';
    if (w->name) {
        snprintf(buf, cap, "%s", w->name);
        return;
    }
    for (unsigned i = 0; i < w->pci.n && len + PCI_TEXT_BYTES + 2 < cap; i++) {
        char address[PCI_TEXT_BYTES];

        pci_format(&w->pci.items[i], address);
        len += (size_t)snprintf(buf + len, cap - len, "%s%s", i > 0 ? ", " : "", address);
    }
}

static json_t *
addresses(const struct pci_list *l)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < l->n; i++) {
        char address[PCI_TEXT_BYTES];

        pci_format(&l->items[i], address);
        json_array_append_new(list, json_string(address));
    }
    return list;
}

static void
print_json(json_t *answer)
{
    cli_print(answer, true, NULL);
    json_decref(answer);
}

/* True: the XML or the JSON was asked for, and is said. */
static bool
said_for_programs(const struct vm_args *a, const struct vm_what *w,
                  const struct vm_result *r)
{
    if (r->xml && !a->args.json) {
        fputs(r->xml, stdout);
        return true;
    }
    if (!a->args.json)
        return false;
    print_json(json_pack("{ss ss? so sb sb sb ss*}", "domain", w->domain, "vgpu", w->name,
                         "pci", addresses(&w->pci), "changed", (int)r->changed,
                         "domain_runs", (int)r->runs, "in_use", (int)r->in_use, "xml",
                         r->xml));
    return true;
}

void
vm_say_attached(const struct vm_args *a, const struct vm_what *w,
                const struct vm_result *r)
{
    const char *already = r->changed ? "" : "already ";
    char what[512];

    if (said_for_programs(a, w, r))
        return;
    subject(w, what, sizeof what);
    if (r->in_use && r->ports > 0 && r->ports < VM_PORTS)
        printf("%s: %sin %s, now with %u of %d ports, with all from its next start on\n",
               what, already, w->domain, r->ports, VM_PORTS);
    else if (r->in_use)
        printf("%s: %sin %s, now and from each start on\n", what, already, w->domain);
    else if (r->runs)
        printf("%s: %sin %s from its next start on (--live plugs it in now)\n", what,
               already, w->domain);
    else
        printf("%s: %sin %s from its next start on\n", what, already, w->domain);
}

void
vm_say_detached(const struct vm_args *a, const struct vm_what *w,
                const struct vm_result *r)
{
    char what[512];

    if (said_for_programs(a, w, r))
        return;
    subject(w, what, sizeof what);
    if (r->in_use)
        printf("%s: out of %s when it stops; then detach again, which frees it (--live "
               "takes it out now)\n",
               what, w->domain);
    else if (r->changed)
        printf("%s: out of %s\n", what, w->domain);
    else
        printf("%s: was not in %s\n", what, w->domain);
}

static void
print_paused(const json_t *answer)
{
    const json_int_t ms = json_integer_value(json_object_get(answer, "paused_ms"));

    if (ms > 0)
        printf("%s paused for %" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT " s\n",
               json_text_of(answer, "of", "-"), ms / 1000, ms % 1000 / 100);
}

void
vm_print_cloned(const json_t *answer)
{
    const json_t *vgpus = json_object_get(answer, "vgpus");
    const size_t n = json_array_size(vgpus);

    printf("%s: %s, a copy of %s", json_text_of(answer, "domain", "-"),
           json_text_of(answer, "state", "-"), json_text_of(answer, "of", "-"));
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i == 0 ? ", with " : ", ",
               json_string_value(json_array_get(vgpus, i)));
    printf("\n");
    print_paused(answer);
}

void
vm_say_power(const struct vm_args *a, const char *domain, const char *power, bool changed)
{
    if (a->args.json)
        print_json(json_pack("{ss ss sb}", "domain", domain, "state", power, "changed",
                             (int)changed));
    else
        printf("%s: %s%s\n", domain, changed ? "" : "already ", power);
}
