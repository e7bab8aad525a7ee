/* SPDX-License-Identifier: MIT */
/* The parts of `tessera vm`: vm.c reads the command line and acts, others say what came of it. */
#ifndef TESSERA_CLI_VM_H
#define TESSERA_CLI_VM_H

#include "base/args.h"
#include "vm/vm.h"

struct vm_args {
    struct args args;
    const char *uri, *user, *index, *to, *from;
    struct args_list pci, vgpus;
    bool live, force, print_xml;
};

/* What is attached or detached: a vGPU's name, or PCI devices. */
struct vm_what {
    const char *domain, *name; /* name NULL: the devices; clone: the new domain's */
    struct pci_list pci;
};

void vm_say_attached(const struct vm_args *a, const struct vm_what *w,
                     const struct vm_result *r);
void vm_say_detached(const struct vm_args *a, const struct vm_what *w,
                     const struct vm_result *r);

/* `power` is what the domain is now: "running", "off". */
void vm_say_power(const struct vm_args *a, const char *domain, const char *power,
                  bool changed);

/* Connects to both sides; on an error the words are said. */
int vm_open_both(const struct vm_args *a, struct client **ret_c, struct vm **ret,
                 const char *task);

/* vm_away.c */
int vm_run_suspend(const struct vm_args *a, const struct vm_what *w);
int vm_run_resume(const struct vm_args *a, const struct vm_what *w);
int vm_run_clone(const struct vm_args *a, const struct vm_what *w);

/* The answer of vm_clone(), for people. */
void vm_print_cloned(const json_t *answer);

/* The table of `tessera vm list`. */
void vm_print_list(const json_t *answer);

#endif
