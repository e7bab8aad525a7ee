/* SPDX-License-Identifier: MIT */
/*
 * The files that libvirt saves a machine's memory to (libvirt's src/qemu/qemu_saveimage.h), as far
 * as a copy of a machine needs them: libvirt itself restores no machine under another name, so the
 * domain's XML in the copy becomes the new one's. What is not the XML is left as it is.
 *
 *   | 92 bytes | the domain's XML, NUL | a cookie of libvirt's, NUL | room | QEMU's stream |
 *    header    |<-------------------- data_bytes -------------------->|
 */
#ifndef TESSERA_VM_SAVE_IMAGE_H
#define TESSERA_VM_SAVE_IMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAVE_IMAGE_HEADER_BYTES 92
#define SAVE_IMAGE_MOST_BYTES (32u << 20) /* of data */

struct save_image {
    uint8_t header[SAVE_IMAGE_HEADER_BYTES];
    uint32_t data_bytes;
    bool runs;    /* it did when it was saved, and does when it is restored */
    char *xml;    /* owned */
    char *cookie; /* owned; NULL: there is none */
};

/*
 * Pure. -EINVAL with words: it is none, a cut one, or of a later libvirt or another byte order.
 */
int save_image_parse(const uint8_t *buf, size_t len, struct save_image *ret,
                     struct err *e);
void save_image_fini(struct save_image *i);
#define _cleanup_save_image_ __attribute__((cleanup(save_image_fini)))

/*
 * Header and data with another XML, as long as before: *ret is malloc'ed. -ENOSPC where there is
 * no room for so much longer an XML; libvirt leaves 64 KiB.
 */
int save_image_format(const struct save_image *i, const char *xml, uint8_t **ret,
                      size_t *ret_len, struct err *e);

/* The same from the beginning of a file, and to it. */
int save_image_read(int fd, struct save_image *ret, struct err *e);
int save_image_write(int fd, const struct save_image *i, const char *xml, struct err *e);

#endif
