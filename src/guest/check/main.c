/* SPDX-License-Identifier: MIT */
/* tessera-guest: tells why programs here find no vGPU, or that they find one. */
#include "guest/check/ask.h"
#include "guest/check/loader.h"
#include "guest/check/process.h"
#include "guest/check/report.h"
#include "guest/check/vm.h"

#include "base/cleanup.h"

#include <argp.h>
#include <string.h>

#define EXIT_USAGE 2
#define KEY_ROOT 256

const char *argp_program_version = "tessera-guest " TESSERA_VERSION;

struct options {
    const char *root;
    bool json;
};

static const struct argp_option option_rows[] = {
    {"output", 'o', "table|json", 0, "How to print (table)", 0},
    {"root", KEY_ROOT, "DIR", 0,
     "Look at the files below DIR, and ask OpenCL nothing: for images and tests", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
option_seen(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'o':
        o->json = strcmp(arg, "json") == 0;
        if (!o->json && strcmp(arg, "table") != 0)
            argp_error(state, "-o takes table or json, not '%s'", arg);
        return 0;
    case KEY_ROOT:
        o->root = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = option_rows,
    .parser = option_seen,
    .doc = "Tells whether programs here find a vGPU of Tessera's, and if not, why: in a "
           "process of "
           "'tessera run', in a container, in a virtual machine.\v"
           "The exit status is 0 if there is a vGPU and all is in order, 1 if not, 2 for "
           "a mistake "
           "on the command line.",
};

static void
report_nowhere(struct report *r)
{
    report_failed(
        r, "vgpu",
        "on the host: a process is started by 'tessera run NAME -- PROGRAM', a container "
        "with '--device tessera.dev/vgpu=NAME', a virtual machine is given one by "
        "'tessera vm attach DOMAIN NAME'",
        "TESSERA_VGPU is not set, nothing is mounted below /run/tessera-guest, and there "
        "is no ivshmem device of Tessera's");
}

static void
check(struct report *r)
{
    _cleanup_free_ char *library = NULL;

    if (!process_check(r) && !vm_check(r))
        report_nowhere(r);
    library = loader_check(r);
    if (r->root[0])
        report_skipped(r, "device", "OpenCL is not asked, as --root is given");
    else
        ask_check(r, library);
}

int
main(int argc, char **argv)
{
    struct options o = {.root = ""};
    struct report r;
    bool has_vgpu;

    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    r = (struct report){.root = o.root};
    check(&r);
    has_vgpu = report_has_vgpu(&r);
    if (o.json)
        report_print_json(&r);
    else
        report_print(&r);
    report_fini(&r);
    return has_vgpu ? EXIT_SUCCESS : EXIT_FAILURE;
}
