/* SPDX-License-Identifier: MIT */
/* HTTP/1.0: the answer is never chunked and ends where the connection does. */
#include "client/http.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sock.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX_BYTES (64u << 20) /* thousands of vGPUs */
#define READ_BYTES 65536u

static int
read_to_end(int sock, char **ret, size_t *ret_len)
{
    _cleanup_free_ char *buf = NULL;
    size_t len = 0;

    for (;;) {
        char *more = realloc(buf, len + READ_BYTES + 1);
        ssize_t n;

        if (!more)
            return -ENOMEM;
        buf = more;
        n = read(sock, buf + len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > ANSWER_MAX_BYTES)
            return -EFBIG;
    }
    buf[len] = '\0';
    *ret = take_ptr(buf);
    *ret_len = len;
    return 0;
}

static int
parse_answer(char *text, size_t len, struct http_answer *ret)
{
    const char *body;
    int status;

    if (!text || len == 0)
        return -ECONNRESET;
    body = strstr(text, "\r\n\r\n");
    if (!body || sscanf(text, "HTTP/1.%*1[01] %3d ", &status) != 1)
        return -EPROTO;
    ret->status = status;
    ret->text = text;
    ret->body = (size_t)(body - text) + 4;
    return 0;
}

int
http_exchange(int sock, const char *method, const char *path, const char *body,
              struct http_answer *ret)
{
    _cleanup_free_ char *request =
        str_printf("%s %s HTTP/1.0\r\nHost: tessera\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   method, path, body ? strlen(body) : 0, body ? body : "");
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int rc;

    if (!request)
        return -ENOMEM;
    rc = sock_send_fds(sock, request, strlen(request), NULL, 0);
    if (rc == 0)
        rc = read_to_end(sock, &text, &len);
    if (rc == 0)
        rc = parse_answer(text, len, ret);
    if (rc == 0)
        text = NULL; /* now the answer's */
    return rc == -EPIPE ? -ECONNRESET : rc;
}
