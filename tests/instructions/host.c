/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "api/opencl_request.h"
#include "worker/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMANDS_BYTES (4u << 20) /* room for all frames of one measurement */
#define REPLIES_BYTES (1u << 20)
#define HEAP_BYTES (128ull << 20)
#define FRAMEBUFFER_BYTES (64ull << 20)
#define LOOK_US 50

static struct session session;
static struct _cl_icd_dispatch driver;
static int listener = -1;
static pthread_t answerer;
static _Atomic bool taken_over;
static _Thread_local bool is_dispatcher;

static _Noreturn void
give_up(const char *what)
{
    fprintf(stderr, "instructions: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ---- in place of worker/session.c: a session that ends is a failed measurement ------------- */

int
session_fail(struct session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->reason, sizeof s->reason, fmt, ap);
    va_end(ap);
    give_up(s->reason);
}

void
session_end(struct session *s, const char *fmt, ...)
{
    (void)s;
    give_up(fmt);
}

bool
session_is_dispatcher(const struct session *s)
{
    (void)s;
    return is_dispatcher;
}

/* ---- a driver whose commands are over at once ---------------------------------------------- */

/* All events are this one: complete, in any number of hands. */
static struct _cl_event {
    const struct _cl_icd_dispatch *dispatch;
} over = {&driver};

static cl_int
over_event(cl_event *ret)
{
    if (ret)
        *ret = &over;
    return CL_SUCCESS;
}

/* NOLINTBEGIN(readability-function-size): the parameters are OpenCL's. */
static cl_int CL_API_CALL
quick_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset,
             const size_t *global, const size_t *local, cl_uint n_waits,
             const cl_event *waits, cl_event *ret)
{
    (void)queue, (void)kernel, (void)dims, (void)offset, (void)global, (void)local;
    (void)n_waits, (void)waits;
    return over_event(ret);
}

static cl_int CL_API_CALL
quick_write(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset,
            size_t bytes, const void *data, cl_uint n_waits, const cl_event *waits,
            cl_event *ret)
{
    (void)queue, (void)mem, (void)blocking, (void)offset, (void)bytes, (void)data;
    (void)n_waits, (void)waits;
    return over_event(ret);
}

/* NOLINTEND(readability-function-size) */

static cl_event CL_API_CALL
quick_user_event(cl_context context, cl_int *ret_rc)
{
    (void)context;
    *ret_rc = CL_SUCCESS;
    return &over;
}

static cl_int CL_API_CALL
quick_event(cl_event event)
{
    (void)event;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
quick_event_info(cl_event event, cl_event_info param, size_t size, void *value,
                 size_t *ret_size)
{
    const cl_int status = CL_COMPLETE;

    (void)event, (void)ret_size;
    if (param != CL_EVENT_COMMAND_EXECUTION_STATUS || size != sizeof status)
        return CL_INVALID_VALUE;
    memcpy(value, &status, sizeof status);
    return CL_SUCCESS;
}

static cl_int CL_API_CALL
quick_profiling_info(cl_event event, cl_profiling_info param, size_t size, void *value,
                     size_t *ret_size)
{
    (void)event, (void)param, (void)ret_size;
    memset(value, 0, size);
    return CL_SUCCESS;
}

static void
driver_init(const struct _cl_icd_dispatch *fake)
{
    driver = *fake;
    driver.clEnqueueNDRangeKernel = quick_launch;
    driver.clEnqueueWriteBuffer = quick_write;
    driver.clCreateUserEvent = quick_user_event;
    driver.clRetainEvent = quick_event;
    driver.clReleaseEvent = quick_event;
    driver.clGetEventInfo = quick_event_info;
    driver.clGetEventProfilingInfo = quick_profiling_info;
}

/* ---- the session --------------------------------------------------------------------------- */

static void
open_account(struct session *s)
{
    char path[] = "/tmp/tessera-instructions-XXXXXX";
    int fd = mkstemp(path), account_fd;

    if (fd < 0 || account_create(path, FRAMEBUFFER_BYTES, &s->account, &account_fd) < 0)
        give_up("cannot make an account");
    unlink(path);
    close(fd);
    close(account_fd);
    s->slot = &s->account->slot[account_slot_take(s->account)];
    gate_init(&s->gate, &s->slot->gate);
}

static void
open_driver(struct session *s)
{
    static struct session_options options = {.framebuffer_bytes = FRAMEBUFFER_BYTES,
                                             .device.fake = true};
    char reason[ACCOUNT_REASON_BYTES];

    s->options = &options;
    if (device_open(&s->device, &options.device, reason) < 0)
        give_up(reason);
    driver_init(s->device.cl);
    s->cl = &driver;
    s->shared_storage = true;
    s->root_device = (struct object){
        .id.v = ROOT_DEVICE_ID, .kind = KIND_device, .refs = 1, .h.device = s->device.id};
}

static void
session_prepare(struct session *s)
{
    pthread_mutex_init(&s->queues_lock, NULL);
    list_init(&s->queues);
    list_init(&s->objects);
    pthread_mutex_init(&s->asks_lock, NULL);
    list_init(&s->parked_asks);
    replies_init(&s->replies);
    watches_init(&s->watches);
    runner_init(&s->runner);
    jobs_init(&s->builds, 1);
    jobs_init(&s->asks, 1);
    jobs_init(&s->waits, 1);
    s->frame = malloc(ring_max_frame(COMMANDS_BYTES));
    s->request.scratch = malloc(2ull * ring_max_frame(COMMANDS_BYTES));
    if (!s->frame || !s->request.scratch)
        give_up("no memory");
    memory_init(&s->memory, s->account, 0, &s->channel.page->credit_bytes);
}

static void
welcome(struct session *s, int sock)
{
    const struct device_limits limits = {FRAMEBUFFER_BYTES, true};
    struct welcome w = {.magic = WELCOME_MAGIC,
                        .version = WIRE_VERSION,
                        .flags = WELCOME_SHARED_STORAGE,
                        .framebuffer_bytes = FRAMEBUFFER_BYTES,
                        .commands_bytes = COMMANDS_BYTES,
                        .replies_bytes = REPLIES_BYTES};
    struct bytes info = {0};
    struct hello h;
    char reason[ACCOUNT_REASON_BYTES];
    int fds[2];

    if (hello_receive(sock, OPENCL_FINGERPRINT, &h, reason) < 0)
        give_up(reason);
    device_describe(&s->device, &limits, &info);
    if (channel_make(&s->channel, HEAP_BYTES, COMMANDS_BYTES, REPLIES_BYTES, &fds[0],
                     &fds[1]) < 0)
        give_up("cannot make the channel");
    w.heap_bytes = s->channel.heap_bytes;
    w.info_bytes = info.len;
    session_prepare(s);
    if (welcome_send(sock, &w, fds, info.data) < 0)
        give_up("the guest hung up");
    channel_use_socket(&s->channel, sock);
    close(fds[0]);
    close(fds[1]);
    bytes_fini(&info);
}

static void *
answer_main(void *arg)
{
    struct session *s = arg;
    int sock = accept(listener, NULL, NULL);

    is_dispatcher = true;
    if (sock < 0)
        give_up("nobody came");
    open_account(s);
    open_driver(s);
    welcome(s, sock);
    while (!atomic_load(&taken_over)) {
        host_dispatch();
        usleep(LOOK_US);
    }
    return NULL;
}

void
host_begin(const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0)
        give_up("cannot listen");
    if (pthread_create(&answerer, NULL, answer_main, &session) != 0)
        give_up("no thread");
}

void
host_take_over(void)
{
    atomic_store(&taken_over, true);
    pthread_join(answerer, NULL);
    is_dispatcher = true;
}

/* As session_dispatch() and session_tidy() of the worker, without looking for a hang-up. */
unsigned
host_dispatch(void)
{
    struct session *s = &session;
    const uint32_t max = ring_max_frame(COMMANDS_BYTES);
    unsigned n = 0;
    int len;

    runner_enter(s);
    while ((len = ring_read(&s->channel.rx, s->frame, max)) > 0) {
        if (opencl_dispatch_frame(s, s->frame, (size_t)len) < 0)
            give_up("a frame was refused");
        n++;
    }
    if (runner_leave(s) < 0)
        give_up("a command that was held back was refused");
    if (len < 0)
        give_up("the ring is forged");
    replies_flush(s);
    objects_bury(s);
    watches_poll(s);
    queues_busy(s);
    queues_retire(s);
    return n;
}
