/* SPDX-License-Identifier: MIT */
/*
 * The control API behind its transport, in a manager of the fake back end: requests one after the
 * other, each a byte for the method, a path up to a NUL, a body up to a byte of 0xff. Methods from
 * 128 on are another user's.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "manager/api.h"
#include "manager/manager.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_ROUNDS 100000
#define ANOTHER_USER 65533u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct manager manager;
static bool finished;

static void
call_finished(struct api_call *c)
{
    (void)c;
    finished = true;
}

static void
start(void)
{
    static char folder[] = "/dev/shm/tessera-fuzz-XXXXXX";
    static struct options o = {.software_gpus = 2,
                               .software_memory_bytes = UINT64_C(2) << 30};
    struct err e = ERR_INIT;

    if (!mkdtemp(folder))
        abort();
    o.runtime_dir = str_printf("%s/run", folder);
    o.state_dir = str_printf("%s/state", folder);
    o.worker = strdup("/bin/false");
    o.icd = strdup("/dev/null");
    o.backend = strdup("fake");
    o.jail = strdup("none");
    if (manager_init(&manager, &o, &e) < 0) {
        fprintf(stderr, "%s\n", err_msg(&e));
        abort();
    }
}

/* What is answered is JSON or text, with a status that HTTP knows. */
static void
request(uid_t uid, const char *method, const char *path, const uint8_t *body, size_t len)
{
    struct api_call c;

    api_call_init(&c, &manager);
    c.peer = (struct peer){.pid = getpid(), .uid = uid};
    c.body = malloc(len + 1);
    memcpy(c.body, body, len);
    c.body_len = len;
    c.finished = call_finished;
    finished = false;
    /* A late answer may also come before it returns. */
    if (api_dispatch(&c, method, path))
        finished = true;
    for (int i = 0; !finished && i < WAIT_ROUNDS; i++)
        uv_run(&manager.loop, UV_RUN_NOWAIT);
    if (!finished || c.status < 200 || c.status > 503 || (!c.json && !c.text))
        abort();
    api_call_fini(&c);
}

static void
delete_all(void)
{
    while (!list_empty(&manager.vgpus)) {
        const struct vgpu *v = container_of(manager.vgpus.next, struct vgpu, link);
        _cleanup_free_ char *path = str_printf("/v1/vgpus/%s", v->s.name);

        request(geteuid(), "DELETE", path, (const uint8_t *)"", 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT"};

    if (!manager.loop_made)
        start();
    while (size > 1) {
        const uint8_t *nul = memchr(data + 1, '\0', size - 1), *body, *end;

        if (!nul)
            break;
        body = nul + 1;
        end = memchr(body, 0xff, size - (size_t)(body - data));
        if (!end)
            end = data + size;
        request(data[0] < 128 ? geteuid() : ANOTHER_USER, methods[data[0] % 5],
                (const char *)data + 1, body, (size_t)(end - body));
        if (end == data + size)
            break;
        size -= (size_t)(end + 1 - data);
        data = end + 1;
    }
    delete_all();
    return 0;
}
