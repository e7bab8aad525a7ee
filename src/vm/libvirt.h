/* SPDX-License-Identifier: MIT */
/*
 * libvirt, loaded when it is first asked. Linked to, it and the fifty libraries that it needs would
 * be most of the time that any `tessera` takes to start.
 */
#ifndef TESSERA_VM_LIBVIRT_H
#define TESSERA_VM_LIBVIRT_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct err;

#define LIBVIRT_FUNCTIONS(F)                                                             \
    F(virConnectClose)                                                                   \
    F(virConnectGetCapabilities)                                                         \
    F(virConnectListAllDomains)                                                          \
    F(virConnectOpenAuth)                                                                \
    F(virDomainAttachDeviceFlags)                                                        \
    F(virDomainCreate)                                                                   \
    F(virDomainDefineXMLFlags)                                                           \
    F(virDomainDestroy)                                                                  \
    F(virDomainDetachDeviceAlias)                                                        \
    F(virDomainFree)                                                                     \
    F(virDomainGetName)                                                                  \
    F(virDomainGetState)                                                                 \
    F(virDomainGetXMLDesc)                                                               \
    F(virDomainHasManagedSaveImage)                                                      \
    F(virDomainIsActive)                                                                 \
    F(virDomainIsPersistent)                                                             \
    F(virDomainLookupByName)                                                             \
    F(virDomainManagedSave)                                                              \
    F(virDomainManagedSaveGetXMLDesc)                                                    \
    F(virDomainRestoreFlags)                                                             \
    F(virDomainResume)                                                                   \
    F(virDomainSave)                                                                     \
    F(virDomainShutdown)                                                                 \
    F(virDomainUndefine)                                                                 \
    F(virDomainUndefineFlags)                                                            \
    F(virGetLastError)                                                                   \
    F(virGetLastErrorMessage)                                                            \
    F(virSetErrorFunc)

struct libvirt {
#define LIBVIRT_FIELD(name) __typeof__(name) *name;
    LIBVIRT_FUNCTIONS(LIBVIRT_FIELD)
#undef LIBVIRT_FIELD
    virConnectAuthPtr *virConnectAuthPtrDefault;
};

/* Not by several threads at once. It stays until the process ends. */
int libvirt_load(const struct libvirt **ret, struct err *e);

#endif
