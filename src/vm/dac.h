/* SPDX-License-Identifier: MIT */
/* Whom libvirt runs a domain's QEMU as. */
#ifndef TESSERA_VM_DAC_H
#define TESSERA_VM_DAC_H

/*
 * Out of the domain's own <seclabel model='dac'>, else what the host's capabilities say of its
 * type: a user's number, or VM_NO_UID when libvirt changes nobody (a session's) or does not say.
 */
long dac_uid(const char *domain_xml, const char *capabilities_xml);

#endif
