/* SPDX-License-Identifier: MIT */
/* tessera vm: vGPUs and whole GPUs in virtual machines. */
#include "cli/vm.h"

#include "base/cleanup.h"
#include "cli/cli.h"
#include "vm/qemu_args.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* Options, by the verbs that take them. */
enum {
    TAKES_CONNECT = 1,
    TAKES_LIVE = 2,
    TAKES_PCI = 4,
    TAKES_PRINT = 8,
    TAKES_FORCE = 16,
    TAKES_USER = 32,
    TAKES_INDEX = 64,
    TAKES_VGPU = 128,
    TAKES_TO = 256,
    TAKES_FROM = 512,
};

#define USUAL_INDEX 1
#define MOST_INDEX 1000

static const struct args_usage usage = {
    .words = "attach|detach DOMAIN NAME | attach|detach DOMAIN --pci ADDRESS | list | "
             "start|stop|suspend|resume DOMAIN | clone DOMAIN NEW | "
             "xml|qemu-args|release NAME",
    .min_words = 1,
    .max_words = 3,
    .doc =
        "Gives vGPUs to libvirt's virtual machines. attach: puts the vGPU NAME, or whole "
        "PCI devices, into a domain; detach: takes them out. list: which VM has what. "
        "start, stop: a domain with its vGPUs. suspend: puts both away, with all that "
        "programs have there; resume: goes on. clone: a second domain with a copy of all "
        "that one has, which goes on by itself. xml: the devices of a vGPU for a "
        "domain's "
        "XML. qemu-args: the same as arguments, for QEMU without libvirt. release: takes "
        "back what these two had made.",
    .options =
        {
            {"connect", "URI", "libvirt's (LIBVIRT_DEFAULT_URI; qemu:///system for root)",
             offsetof(struct vm_args, uri)},
            {"live", NULL, "the running domain, too", offsetof(struct vm_args, live)},
            {"pci", "ADDRESS...",
             "a PCI device such as 0000:01:00.0, by VFIO; repeatable",
             offsetof(struct vm_args, pci)},
            {"print-xml", NULL, "change nothing: print what the domain's XML would be",
             offsetof(struct vm_args, print_xml)},
            {"force", NULL, "stop: power it off at once",
             offsetof(struct vm_args, force)},
            {"user", "USER", "xml, qemu-args: whom QEMU runs as, if not you",
             offsetof(struct vm_args, user)},
            {"index", "N", "xml: of the virtio-serial controller (1)",
             offsetof(struct vm_args, index)},
            {"vgpu", "NAME...",
             "clone: what the new domain's vGPU is called, if not NEW; one for each",
             offsetof(struct vm_args, vgpus)},
            {"to", "FOLDER", "suspend: into a folder that is made, to be kept or moved",
             offsetof(struct vm_args, to)},
            {"from", "FOLDER", "resume: what was suspended into it, here",
             offsetof(struct vm_args, from)},
        },
};

struct verb {
    const char *name, *words;
    unsigned min, max; /* words after the verb */
    unsigned takes;
    int (*run)(const struct vm_args *a, const struct vm_what *w);
};

/* ---- words of the command line --------------------------------------------------------- */

static void
read_pci(const struct vm_args *a, struct vm_what *w, char **argv)
{
    for (unsigned i = 0; i < a->pci.n; i++) {
        struct pci_address at;

        if (!pci_parse(a->pci.items[i], &at))
            args_mistake(argv, "--pci '%s': an address such as 0000:01:00.0",
                         a->pci.items[i]);
        if (!pci_listed(&w->pci, &at))
            w->pci.items[w->pci.n++] = at;
    }
}

/* A user's name or number. */
static long
read_user(const char *user, char **argv)
{
    const struct passwd *pw;

    if (!user)
        return VM_NO_UID;
    if (isdigit((unsigned char)*user) && strspn(user, "0123456789") == strlen(user) &&
        strlen(user) < 11)
        return strtol(user, NULL, 10);
    pw = getpwnam(user);
    if (!pw)
        args_mistake(argv, "--user '%s': there is no such user", user);
    return (long)pw->pw_uid;
}

static unsigned
read_index(const char *text, char **argv)
{
    unsigned long v;
    char *end;

    if (!text)
        return USUAL_INDEX;
    v = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || v > MOST_INDEX)
        args_mistake(argv, "--index '%s': a number from 0 to %d", text, MOST_INDEX);
    return (unsigned)v;
}

/* The options that were given, and by which name. */
static unsigned
given(const struct vm_args *a)
{
    return (a->uri ? TAKES_CONNECT : 0u) | (a->live ? TAKES_LIVE : 0u) |
           (a->pci.n ? TAKES_PCI : 0u) | (a->print_xml ? TAKES_PRINT : 0u) |
           (a->force ? TAKES_FORCE : 0u) | (a->user ? TAKES_USER : 0u) |
           (a->index ? TAKES_INDEX : 0u) | (a->vgpus.n ? TAKES_VGPU : 0u) |
           (a->to ? TAKES_TO : 0u) | (a->from ? TAKES_FROM : 0u);
}

static void
check_options(const struct vm_args *a, const struct verb *v, char **argv)
{
    static const char *const names[] = {"connect", "live",  "pci",  "print-xml", "force",
                                        "user",    "index", "vgpu", "to",        "from"};
    const unsigned wrong = given(a) & ~v->takes;

    if (wrong)
        args_mistake(argv, "--%s is not for vm %s", names[__builtin_ctz(wrong)], v->name);
    if (a->live && a->print_xml)
        args_mistake(argv, "--print-xml changes nothing: it does not go with --live");
}

/* ---- verbs ------------------------------------------------------------------------------- */

static enum vm_how
how_of(const struct vm_args *a)
{
    if (a->print_xml)
        return VM_PRINT;
    return a->live ? VM_LIVE : VM_NEXT_START;
}

/* "vm attach 'vm1' 'train-0'", or without a vGPU. */
static int
fail(struct client *c, struct err *e, const char *verb, const struct vm_what *w)
{
    if (w->name && w->domain)
        return cli_fail(c, e, "vm %s '%s' '%s'", verb, w->domain, w->name);
    return cli_fail(c, e, "vm %s '%s'", verb, w->domain ? w->domain : w->name);
}

static int
run_attach(const struct vm_args *a, const struct vm_what *w)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vm_result r = {0};
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "attach");

    if (rc)
        return rc;
    rc = w->name ? vm_attach(vm, w->domain, w->name, how_of(a), &r, &e)
                 : vm_attach_pci(vm, w->domain, &w->pci, how_of(a), &r, &e);
    if (rc < 0)
        rc = fail(c, &e, "attach", w);
    else
        vm_say_attached(a, w, &r);
    vm_result_fini(&r);
    vm_close(vm);
    client_free(c);
    return rc;
}

static int
run_detach(const struct vm_args *a, const struct vm_what *w)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vm_result r = {0};
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "detach");

    if (rc)
        return rc;
    rc = w->name ? vm_detach(vm, w->domain, w->name, how_of(a), &r, &e)
                 : vm_detach_pci(vm, w->domain, &w->pci, how_of(a), &r, &e);
    if (rc < 0)
        rc = fail(c, &e, "detach", w);
    else
        vm_say_detached(a, w, &r);
    vm_result_fini(&r);
    vm_close(vm);
    client_free(c);
    return rc;
}

static int
run_list(const struct vm_args *a, const struct vm_what *w)
{
    _cleanup_err_ struct err e = ERR_INIT;
    json_t *answer;
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, "list");

    (void)w;
    if (rc)
        return rc;
    rc = vm_list(vm, &answer, &e);
    if (rc < 0) {
        rc = cli_fail(c, &e, "vm list");
    } else {
        cli_print(answer, a->args.json, vm_print_list);
        json_decref(answer);
    }
    vm_close(vm);
    client_free(c);
    return rc;
}

static int
run_power(const struct vm_args *a, const struct vm_what *w, bool on)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct vm_result r = {0};
    struct client *c;
    struct vm *vm;
    int rc = vm_open_both(a, &c, &vm, on ? "start" : "stop");

    if (rc)
        return rc;
    rc = on ? vm_start(vm, w->domain, &r, &e) : vm_stop(vm, w->domain, a->force, &r, &e);
    if (rc < 0)
        rc = fail(c, &e, on ? "start" : "stop", w);
    else
        vm_say_power(a, w->domain, on ? "running" : "off", r.changed);
    vm_close(vm);
    client_free(c);
    return rc;
}

static int
run_start(const struct vm_args *a, const struct vm_what *w)
{
    return run_power(a, w, true);
}

static int
run_stop(const struct vm_args *a, const struct vm_what *w)
{
    return run_power(a, w, false);
}

static void
print_text(const json_t *answer)
{
    fputs(json_text_of(answer, "xml", ""), stdout);
}

static int
run_xml(const struct vm_args *a, const struct vm_what *w)
{
    const unsigned index = read_index(a->index, (char *[]){"tessera vm", NULL});
    const long uid = read_user(a->user, (char *[]){"tessera vm", NULL});
    struct client *c = cli_client(false, EXIT_FAILED);
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *text = NULL;
    int rc = vm_prepare(c, w->name, uid, &v, &e);

    if (rc == 0)
        rc = vm_fragment(&v, index, &text, &e);
    if (rc < 0) {
        rc = fail(c, &e, "xml", w);
    } else {
        json_t *answer = json_pack("{ss}", "xml", text);

        cli_print(answer, a->args.json, print_text);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

static int
print_args(const struct vm_vgpu *v, bool json, struct err *e)
{
    _cleanup_free_ char *lines = NULL;
    json_t *args;
    int rc;

    if (!json) {
        rc = qemu_args_lines(v, &lines, e);
        if (rc == 0)
            fputs(lines, stdout);
        return rc;
    }
    args = qemu_args_json(v);
    if (!args)
        return err_set(e, -ENOMEM, "out of memory");
    cli_print(args, true, NULL);
    json_decref(args);
    return 0;
}

static int
run_qemu_args(const struct vm_args *a, const struct vm_what *w)
{
    const long uid = read_user(a->user, (char *[]){"tessera vm", NULL});
    struct client *c = cli_client(false, EXIT_FAILED);
    _cleanup_vm_vgpu_ struct vm_vgpu v = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    int rc = vm_prepare(c, w->name, uid, &v, &e);

    if (rc == 0)
        rc = print_args(&v, a->args.json, &e);
    if (rc < 0)
        rc = fail(c, &e, "qemu-args", w);
    client_free(c);
    return rc;
}

static void
print_nothing(const json_t *answer)
{
    (void)answer;
}

static int
run_release(const struct vm_args *a, const struct vm_what *w)
{
    struct client *c = cli_client(false, EXIT_FAILED);
    _cleanup_err_ struct err e = ERR_INIT;
    int rc = vm_vgpu_take(c, w->name, &e);

    if (rc < 0) {
        rc = fail(c, &e, "release", w);
    } else {
        json_t *answer = json_pack("{ss}", "vgpu", w->name);

        cli_print(answer, a->args.json, print_nothing);
        json_decref(answer);
    }
    client_free(c);
    return rc;
}

/* ---- the command --------------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {"attach", "DOMAIN NAME, or DOMAIN --pci ADDRESS", 1, 2,
     TAKES_CONNECT | TAKES_LIVE | TAKES_PCI | TAKES_PRINT, run_attach},
    {"detach", "DOMAIN NAME, or DOMAIN --pci ADDRESS", 1, 2,
     TAKES_CONNECT | TAKES_LIVE | TAKES_PCI | TAKES_PRINT, run_detach},
    {"list", "nothing", 0, 0, TAKES_CONNECT, run_list},
    {"start", "DOMAIN", 1, 1, TAKES_CONNECT, run_start},
    {"stop", "DOMAIN", 1, 1, TAKES_CONNECT | TAKES_FORCE, run_stop},
    {"suspend", "DOMAIN", 1, 1, TAKES_CONNECT | TAKES_TO, vm_run_suspend},
    {"resume", "DOMAIN, or --from FOLDER", 0, 1, TAKES_CONNECT | TAKES_FROM,
     vm_run_resume},
    {"clone", "DOMAIN NEW", 2, 2, TAKES_CONNECT | TAKES_VGPU, vm_run_clone},
    {"xml", "NAME", 1, 1, TAKES_USER | TAKES_INDEX, run_xml},
    {"qemu-args", "NAME", 1, 1, TAKES_USER, run_qemu_args},
    {"release", "NAME", 1, 1, 0, run_release},
};

static const struct verb *
find_verb(const char *name, char **argv)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    args_mistake(argv,
                 "'%s' is not known; there are: attach, detach, list, start, stop, "
                 "suspend, resume, clone, xml, qemu-args, release",
                 name);
}

/* The words by what they mean: a domain, a vGPU, or both. */
static void
read_words(const struct vm_args *a, const struct verb *v, struct vm_what *w, char **argv)
{
    const unsigned n = a->args.nwords - 1;
    char *const *words = a->args.words + 1;
    const bool for_domain = (v->takes & TAKES_CONNECT) != 0;

    if (n < v->min || n > v->max)
        args_mistake(argv, "vm %s takes %s", v->name, v->words);
    if (n > 0 && for_domain)
        w->domain = words[0];
    else if (n > 0)
        w->name = words[0];
    if (n > 1)
        w->name = words[1];
    if (v->run == vm_run_resume && n == 0 && !a->from)
        args_mistake(argv, "vm %s takes %s", v->name, v->words);
    if (v->min == 1 && v->max == 2 && (w->name != NULL) == (a->pci.n > 0))
        args_mistake(argv, "vm %s takes %s", v->name, v->words);
}

int
cmd_vm(int argc, char **argv)
{
    struct vm_what w = {0};
    struct vm_args a = {0};
    const struct verb *v;

    args_parse(&usage, argc, argv, &a);
    v = find_verb(a.args.words[0], argv);
    check_options(&a, v, argv);
    read_words(&a, v, &w, argv);
    read_pci(&a, &w, argv);
    return v->run(&a, &w);
}
