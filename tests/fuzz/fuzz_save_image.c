/* SPDX-License-Identifier: MIT */
/*
 * Memory that libvirt saved: with its own XML again it is the same, and with another one as long.
 */
#include "base/cleanup.h"
#include "vm/save_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
    if (!holds)
        abort();
}

static void
write_again(const struct save_image *i, const char *xml)
{
    _cleanup_save_image_ struct save_image again = {.xml = NULL};
    _cleanup_free_ uint8_t *buf = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    size_t len;

    if (save_image_format(i, xml, &buf, &len, &e) < 0) {
        must(e.msg != NULL);
        return;
    }
    must(len == SAVE_IMAGE_HEADER_BYTES + (size_t)i->data_bytes);
    must(save_image_parse(buf, len, &again, NULL) == 0);
    must(strcmp(again.xml, xml) == 0 && again.runs == i->runs);
    must(!i->cookie == !again.cookie);
    must(!i->cookie || strcmp(i->cookie, again.cookie) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    _cleanup_err_ struct err e = ERR_INIT;

    if (save_image_parse(data, size, &i, &e) < 0) {
        must(e.msg != NULL);
        return 0;
    }
    write_again(&i, i.xml);
    write_again(&i, "<domain/>");
    return 0;
}
