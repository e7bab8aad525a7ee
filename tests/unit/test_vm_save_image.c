/* SPDX-License-Identifier: MIT */
/* libvirt's saved memory, whose XML becomes another. */
#include "base/cleanup.h"
#include "vm/save_image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA_BYTES 64u
#define IMAGE_BYTES (SAVE_IMAGE_HEADER_BYTES + DATA_BYTES + 4)

static void
put(uint8_t *to, const void *from, size_t len)
{
    memcpy(to, from, len);
}

/* As libvirt 9.0 writes one, with four bytes of QEMU's behind it. */
static void
fill(uint8_t image[IMAGE_BYTES])
{
    const uint32_t numbers[] = {2, DATA_BYTES, 1, 0, 5};

    memset(image, 0, IMAGE_BYTES);
    put(image, "LibvirtQemudSave", 16);
    memcpy(image + 16, numbers, sizeof numbers);
    memcpy(image + SAVE_IMAGE_HEADER_BYTES, "<a/>\0<cookie/>", 15);
    put(image + IMAGE_BYTES - 4, "QEVM", 4);
}

static int
file_of(const uint8_t *image, size_t len)
{
    const int fd = memfd_create("image", MFD_CLOEXEC);

    assert_int_equal(pwrite(fd, image, len, 0), len);
    return fd;
}

static void
another_xml_takes_the_place_and_the_rest_stays(void **state)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL}, again = {.xml = NULL};
    uint8_t image[IMAGE_BYTES], after[IMAGE_BYTES + 1];
    _cleanup_close_ int fd = -1;

    (void)state;
    fill(image);
    fd = file_of(image, sizeof image);
    assert_int_equal(save_image_read(fd, &i, NULL), 0);
    assert_string_equal(i.xml, "<a/>");
    assert_string_equal(i.cookie, "<cookie/>");
    assert_int_equal(save_image_write(fd, &i, "<longer-by-some/>", NULL), 0);
    assert_int_equal(save_image_read(fd, &again, NULL), 0);
    assert_string_equal(again.xml, "<longer-by-some/>");
    assert_string_equal(again.cookie, "<cookie/>");
    assert_int_equal(pread(fd, after, sizeof after, 0), IMAGE_BYTES);
    assert_memory_equal(after + IMAGE_BYTES - 4, "QEVM", 4);
    assert_memory_equal(after, image, 32); /* up to where the cookie is */
}

static void
an_xml_that_finds_no_room_is_refused(void **state)
{
    _cleanup_save_image_ struct save_image i = {.xml = NULL};
    uint8_t image[IMAGE_BYTES], *buf = NULL;
    char xml[DATA_BYTES];
    size_t len;

    (void)state;
    fill(image);
    assert_int_equal(save_image_parse(image, sizeof image, &i, NULL), 0);
    memset(xml, 'x', sizeof xml);
    xml[DATA_BYTES - 10] = '\0';
    assert_int_equal(save_image_format(&i, xml, &buf, &len, NULL), -ENOSPC);
    xml[DATA_BYTES - 11] = '\0'; /* with both their ends it is full */
    assert_int_equal(save_image_format(&i, xml, &buf, &len, NULL), 0);
    assert_int_equal(len, SAVE_IMAGE_HEADER_BYTES + DATA_BYTES);
    free(buf);
}

static void
refused(const uint8_t *image, size_t len, const char *words)
{
    _cleanup_close_ int fd = file_of(image, len);
    _cleanup_err_ struct err e = ERR_INIT;
    struct save_image i;

    assert_int_equal(save_image_read(fd, &i, &e), -EINVAL);
    assert_non_null(strstr(err_msg(&e), words));
}

static void
what_is_no_image_is_refused_in_words(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
        const char *words;
    } rows[] = {
        {0, 0, "no memory that libvirt saved"},
        {16, 3, "another libvirt (version 3"},
        {16, 0x02000000, "another libvirt"},
        {20, 0, "damaged"},
        {20, 0xffffffff, "damaged"},
        {20, DATA_BYTES + 5, "cut"},
        {32, DATA_BYTES + 1, "damaged"},
        {32, DATA_BYTES, "no end"},
        {32, 4, "no end"},
    };
    uint8_t image[IMAGE_BYTES];

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        fill(image);
        memcpy(image + rows[i].at, &rows[i].value, 4);
        refused(image, sizeof image, rows[i].words);
    }
    fill(image);
    put(image, "LibvirtQemudPart", 16);
    refused(image, sizeof image, "not whole");
    refused(image, 0, "no memory");
    fill(image);
    refused(image, IMAGE_BYTES - 5, "cut");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_xml_takes_the_place_and_the_rest_stays),
        cmocka_unit_test(an_xml_that_finds_no_room_is_refused),
        cmocka_unit_test(what_is_no_image_is_refused_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
