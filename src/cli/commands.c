/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

const struct command commands[] = {
    {"gpus", "show the GPUs of this machine", cmd_gpus},
    {"types", "show the vGPU types that GPUs offer", cmd_types},
    {"create", "create a vGPU", cmd_create},
    {"list", "show the vGPUs", cmd_list},
    {"show", "show all about one vGPU", cmd_show},
    {"delete", "delete vGPUs", cmd_delete},
    {"run", "run a program on a vGPU", cmd_run},
    {"cdi", "tell container engines of the vGPUs", cmd_cdi},
    {"oci-edit", "give an OCI bundle vGPUs", cmd_oci_edit},
    {"container-args", "show the options that give a container vGPUs",
     cmd_container_args},
    {"top", "watch who gets how much of the GPUs", cmd_top},
    {"stats", "show what vGPUs have used in all", cmd_stats},
    {"gpu", "change a GPU's settings, show its scheduler's log", cmd_gpu},
    {"vm", "give vGPUs and GPUs to virtual machines", cmd_vm},
    {"simulate", "foretell what schedulers give to made-up vGPUs", cmd_simulate},
    {"demo", "compare native, passthrough and vGPUs by training", cmd_demo},
    {"shutdown", "end the manager", cmd_shutdown},
    {"version", "show the version", cmd_version},
    {"help", "show the commands, or help on one", cmd_help},
    {0},
};
