/* SPDX-License-Identifier: MIT */
#include "vm/save_image.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "LibvirtQemudSave"
#define PARTIAL "LibvirtQemudPart" /* libvirt was in the middle of it */
#define MAGIC_BYTES 16u
#define VERSION 2u

/* Numbers of 32 bits, in the byte order of the machine that wrote them. */
enum { AT_VERSION = 16, AT_DATA_BYTES = 20, AT_RUNS = 24, AT_COOKIE = 32 };

static uint32_t
number(const uint8_t *buf, size_t at)
{
    uint32_t v;

    memcpy(&v, buf + at, sizeof v);
    return v;
}

static int
check_header(const uint8_t *header, struct err *e)
{
    const uint32_t version = number(header, AT_VERSION);
    const uint32_t data = number(header, AT_DATA_BYTES);

    if (memcmp(header, PARTIAL, MAGIC_BYTES) == 0)
        return err_set(e, -EINVAL, "the saved memory is not whole");
    if (memcmp(header, MAGIC, MAGIC_BYTES) != 0)
        return err_set(e, -EINVAL, "this is no memory that libvirt saved");
    if (version != VERSION)
        return err_set(e, -EINVAL,
                       "the saved memory is of another libvirt (version %u, we know %u)",
                       version, VERSION);
    if (data == 0 || data > SAVE_IMAGE_MOST_BYTES || number(header, AT_COOKIE) > data)
        return err_set(e, -EINVAL, "the saved memory's header is damaged");
    return 0;
}

/* A text of at most len bytes, which ends before them. */
static int
take_text(const uint8_t *from, size_t len, char **ret, struct err *e)
{
    if (len == 0 || !memchr(from, '\0', len))
        return err_set(e, -EINVAL, "the saved memory's XML has no end");
    *ret = strdup((const char *)from);
    return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int
save_image_parse(const uint8_t *buf, size_t len, struct save_image *ret, struct err *e)
{
    _cleanup_save_image_ struct save_image i = {.data_bytes = 0};
    const uint8_t *data = buf + SAVE_IMAGE_HEADER_BYTES;
    uint32_t cookie;
    int rc;

    if (len < SAVE_IMAGE_HEADER_BYTES)
        return err_set(e, -EINVAL, "this is no memory that libvirt saved");
    rc = check_header(buf, e);
    if (rc < 0)
        return rc;
    memcpy(i.header, buf, sizeof i.header);
    i.data_bytes = number(buf, AT_DATA_BYTES);
    i.runs = number(buf, AT_RUNS) != 0;
    cookie = number(buf, AT_COOKIE);
    if (len - SAVE_IMAGE_HEADER_BYTES < i.data_bytes)
        return err_set(e, -EINVAL, "the saved memory is cut");
    rc = take_text(data, cookie ? cookie : i.data_bytes, &i.xml, e);
    if (rc == 0 && cookie)
        rc = take_text(data + cookie, i.data_bytes - cookie, &i.cookie, e);
    if (rc < 0)
        return rc;
    *ret = i;
    ret->xml = take_ptr(i.xml);
    ret->cookie = take_ptr(i.cookie);
    return 0;
}

void
save_image_fini(struct save_image *i)
{
    free(i->xml);
    free(i->cookie);
    i->xml = i->cookie = NULL;
}

int
save_image_format(const struct save_image *i, const char *xml, uint8_t **ret,
                  size_t *ret_len, struct err *e)
{
    const size_t xml_bytes = strlen(xml) + 1;
    const size_t cookie_bytes = i->cookie ? strlen(i->cookie) + 1 : 0;
    const size_t len = SAVE_IMAGE_HEADER_BYTES + (size_t)i->data_bytes;
    uint8_t *buf, *data;

    if (xml_bytes + cookie_bytes > i->data_bytes)
        return err_set(e, -ENOSPC,
                       "the saved memory has no room for the domain's XML, which has "
                       "become %zu bytes",
                       xml_bytes);
    buf = calloc(1, len);
    if (!buf)
        return err_set(e, -ENOMEM, "out of memory");
    data = buf + SAVE_IMAGE_HEADER_BYTES;
    memcpy(buf, i->header, SAVE_IMAGE_HEADER_BYTES);
    memcpy(data, xml, xml_bytes);
    if (i->cookie) {
        const uint32_t at = (uint32_t)xml_bytes;

        memcpy(buf + AT_COOKIE, &at, sizeof at);
        memcpy(data + xml_bytes, i->cookie, cookie_bytes);
    }
    *ret = buf;
    *ret_len = len;
    return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

/* As many as there are, and no more than len. */
static ssize_t
read_at(int fd, uint8_t *buf, size_t len, off_t at)
{
    size_t done = 0;

    while (done < len) {
        const ssize_t n = pread(fd, buf + done, len - done, at + (off_t)done);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)done;
}

int
save_image_read(int fd, struct save_image *ret, struct err *e)
{
    uint8_t header[SAVE_IMAGE_HEADER_BYTES] = {0};
    _cleanup_free_ uint8_t *buf = NULL;
    ssize_t n = read_at(fd, header, sizeof header, 0);
    int rc = n < 0 ? err_set(e, (int)n, "the saved memory cannot be read: %s",
                             strerror((int)-n))
                   : check_header(header, e);

    if (rc < 0)
        return rc;
    buf = malloc(sizeof header + number(header, AT_DATA_BYTES));
    if (!buf)
        return err_set(e, -ENOMEM, "out of memory");
    n = read_at(fd, buf, sizeof header + number(header, AT_DATA_BYTES), 0);
    if (n < 0)
        return err_set(e, (int)n, "the saved memory cannot be read: %s",
                       strerror((int)-n));
    return save_image_parse(buf, (size_t)n, ret, e);
}

int
save_image_write(int fd, const struct save_image *i, const char *xml, struct err *e)
{
    _cleanup_free_ uint8_t *buf = NULL;
    size_t len = 0;
    int rc = save_image_format(i, xml, &buf, &len, e);

    if (rc < 0)
        return rc;
    rc = pwrite_all(fd, buf, len, 0);
    if (rc < 0)
        err_set(e, rc, "the saved memory cannot be written: %s", strerror(-rc));
    return rc;
}
