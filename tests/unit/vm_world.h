/* SPDX-License-Identifier: MIT */
/* Domains and vGPUs for the tests of src/vm. */
#ifndef TESSERA_TESTS_VM_WORLD_H
#define TESSERA_TESTS_VM_WORLD_H

#include "base/io.h"
#include "vm/vgpu.h"

#include <stdlib.h>
#include <string.h>

/* As libvirt writes one, with what others put there. */
#define PC_DOMAIN                                                                        \
    "<!-- mine -->\n"                                                                    \
    "<domain type='kvm' id='3' "                                                         \
    "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"                         \
    "  <name>vm1</name>\n"                                                               \
    "  <os>\n"                                                                           \
    "    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>\n"                       \
    "  </os>\n"                                                                          \
    "  <devices>\n"                                                                      \
    "    <!-- the guest agent -->\n"                                                     \
    "    <controller type='pci' index='0' model='pci-root'/>\n"                          \
    "    <controller type='virtio-serial' index='0'>\n"                                  \
    "      <address type='pci' domain='0x0000' bus='0x00' slot='0x05' "                  \
    "function='0x0'/>\n"                                                                 \
    "    </controller>\n"                                                                \
    "    <channel type='unix'>\n"                                                        \
    "      <target type='virtio' name='org.qemu.guest_agent.0'/>\n"                      \
    "      <address type='virtio-serial' controller='0' bus='0' port='1'/>\n"            \
    "    </channel>\n"                                                                   \
    "  </devices>\n"                                                                     \
    "  <qemu:commandline>\n"                                                             \
    "    <qemu:arg value='-newarg'/>\n"                                                  \
    "  </qemu:commandline>\n"                                                            \
    "</domain>\n"

#define Q35_DOMAIN(CONTROLLERS)                                                          \
    "<domain type='kvm'>\n"                                                              \
    "  <os>\n"                                                                           \
    "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"                          \
    "  </os>\n"                                                                          \
    "  <devices>\n"                                                                      \
    "    <controller type='pci' index='0' model='pcie-root'/>\n" CONTROLLERS             \
    "  </devices>\n"                                                                     \
    "</domain>\n"

/* What the manager gives for a vGPU of that name; ended by vm_vgpu_fini(). */
static inline struct vm_vgpu
world_vgpu(const char *name)
{
    struct vm_vgpu v = {
        .name = strdup(name), .label = strdup(name), .memory_bytes = UINT64_C(1) << 30};

    v.memory = str_printf("/dev/shm/tessera-%s", name);
    for (unsigned i = 0; i < VM_PORTS; i++)
        v.ports[i] = str_printf("/run/tessera/vm/%s/port%u", name, i);
    return v;
}

/* How often `what` is in the text. */
static inline unsigned
world_count(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
        n++;
    return n;
}

#endif
