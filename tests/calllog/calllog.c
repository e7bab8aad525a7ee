/* SPDX-License-Identifier: MIT */
/*
 * Lines are JSON: {"n":3,"t":1,"call":"clFinish","args":{"command_queue":"queue#1"},"status":0}.
 * n orders by entry, t numbers the threads of the process. Objects are KIND#N, numbered as they
 * were made; a number is taken anew when the driver gives out an address again.
 */
#include "calllog.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_BYTES (4ull << 20)
#define CALLS_MAX 512
#define DRIVER_VARIABLE "TESSERA_CALLLOG_DRIVER"

const struct _cl_icd_dispatch *calllog_real;

static void *(CL_API_CALL *real_function)(const char *);
static const char *folder;
static bool once;
static atomic_uchar seen[CALLS_MAX][3]; /* by outcome() */
static _Atomic uint64_t next_sequence;
static _Atomic int log_fd = -1;
static _Atomic unsigned next_thread;
static _Thread_local unsigned this_thread;

/* ---- the file ---------------------------------------------------------------------- */

/* A child writes a file of its own. */
static void
after_fork(void)
{
    close(atomic_exchange(&log_fd, -1));
}

static int
log_open(void)
{
    int none = -1, fd = atomic_load(&log_fd);
    char path[4096];

    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "%s/%s.%d.jsonl", folder, program_invocation_short_name,
             (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && !atomic_compare_exchange_strong(&log_fd, &none, fd)) {
        close(fd);
        fd = none;
    }
    return fd;
}

/* ---- the numbers of objects -------------------------------------------------------- */

static const char *const kind_names[] = {
    "platform", "device",  "context", "queue", "mem",
    "sampler",  "program", "kernel",  "event", "command_buffer",
};
#define KINDS (sizeof kind_names / sizeof *kind_names)

struct entry {
    const void *handle;
    enum object_kind kind;
    unsigned number;
    const struct _cl_icd_dispatch *real; /* the table that the driver gave it */
};

/* Open addressing; entries are overwritten, never taken out. */
static struct {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t cap, used;
    unsigned count[KINDS];
} objects = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct entry *
objects_slot(struct entry *entries, size_t cap, const void *handle)
{
    size_t i = ((uintptr_t)handle >> 4) * 0x9e3779b97f4a7c15ull & (cap - 1);

    while (entries[i].handle && entries[i].handle != handle)
        i = (i + 1) & (cap - 1);
    return &entries[i];
}

static bool
objects_grow(void)
{
    const size_t cap = objects.cap ? objects.cap * 2 : 1024;
    struct entry *bigger;

    if (objects.used * 2 < objects.cap)
        return true;
    bigger = calloc(cap, sizeof *bigger);
    if (!bigger)
        return false;
    for (size_t i = 0; i < objects.cap; i++) {
        if (objects.entries[i].handle)
            *objects_slot(bigger, cap, objects.entries[i].handle) = objects.entries[i];
    }
    free(objects.entries);
    objects.entries = bigger;
    objects.cap = cap;
    return true;
}

/* fresh: made just now, whatever had this address before is gone. */
static struct entry
objects_add(const void *handle, enum object_kind kind, bool fresh,
            const struct _cl_icd_dispatch *real)
{
    struct entry found = {handle, kind, 0, real}, *e;

    pthread_mutex_lock(&objects.lock);
    if (objects_grow()) {
        e = objects_slot(objects.entries, objects.cap, handle);
        if (!e->handle)
            objects.used++;
        if (!e->handle || fresh || e->kind != kind)
            *e = (struct entry){handle, kind, ++objects.count[kind], e->real};
        if (real != &calllog_table)
            e->real = real;
        found = *e;
    }
    pthread_mutex_unlock(&objects.lock);
    return found;
}

static bool
objects_find(const void *handle, struct entry *ret)
{
    bool found = false;

    pthread_mutex_lock(&objects.lock);
    if (handle && objects.cap > 0) {
        *ret = *objects_slot(objects.entries, objects.cap, handle);
        found = ret->handle != NULL;
    }
    pthread_mutex_unlock(&objects.lock);
    return found;
}

/* Is this number, of a list or an answer, the address of an object? */
static bool
objects_find_value(intptr_t value, struct entry *ret)
{
    const void *handle;

    memcpy(&handle, &value, sizeof handle);
    return objects_find(handle, ret);
}

/* cl_khr_icd: the first word of each object is its dispatch table. */
static struct entry
object_take(void *handle, enum object_kind kind, bool fresh)
{
    const struct _cl_icd_dispatch **table = handle, *real = *table;

    *table = &calllog_table;
    return objects_add(handle, kind, fresh, calllog_with_options(real));
}

/* A driver may have several tables. What is no object goes to the platform's. */
const struct _cl_icd_dispatch *
calllog_table_of(const void *handle)
{
    struct entry e;

    return objects_find(handle, &e) && e.real ? e.real : calllog_real;
}

/* ---- lines ------------------------------------------------------------------------- */

static bool
line_room(struct line *l, size_t more)
{
    const size_t cap = (l->len + more) * 2;
    char *bigger;

    if (l->len + more < l->cap)
        return true;
    bigger = realloc(l->text == l->first ? NULL : l->text, cap);
    if (!bigger) {
        l->failed = true;
        return false;
    }
    if (l->text == l->first)
        memcpy(bigger, l->first, l->len);
    l->text = bigger;
    l->cap = cap;
    return true;
}

__attribute__((format(printf, 2, 3))) static void
put(struct line *l, const char *format, ...)
{
    va_list args;
    int n;

    if (!line_room(l, 512))
        return;
    va_start(args, format);
    n = vsnprintf(l->text + l->len, 512, format, args);
    va_end(args);
    l->len += n < 512 ? (size_t)n : 511;
}

static void
put_text(struct line *l, const char *s)
{
    put(l, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f)
            put(l, "\\u%04x", c);
        else
            put(l, "%c", c);
    }
    put(l, "\"");
}

static void
put_entry(struct line *l, struct entry e)
{
    put(l, "\"%s#%u\"", kind_names[e.kind], e.number);
}

static void
put_object(struct line *l, const void *handle)
{
    struct entry e;

    if (!handle)
        put(l, "null");
    else if (objects_find(handle, &e))
        put_entry(l, e);
    else
        put(l, "\"unknown\"");
}

/* Begins one argument. false: none are wanted. */
static bool
put_name(struct line *l, const char *arg)
{
    if (l->quiet)
        return false;
    put(l, "%s\"%s\":", l->text[l->len - 1] == '{' ? "" : ",", arg);
    return true;
}

void
line_begin(struct line *l, unsigned call)
{
    *l = (struct line){.call = call, .cap = sizeof l->first};
    l->text = l->first;
    l->quiet = once || !folder;
    if (l->quiet)
        return;
    if (this_thread == 0)
        this_thread = atomic_fetch_add(&next_thread, 1) + 1;
    l->sequence = atomic_fetch_add(&next_sequence, 1) + 1;
    put(l, "{\"n\":%llu,\"t\":%u,\"call\":\"%s\",\"args\":{",
        (unsigned long long)l->sequence, this_thread, calllog_names[call]);
}

/* Success, an error of the caller, or one that comes with the day: memory, a worker's death. */
static int
outcome(int status)
{
    if (status <= CL_MEM_OBJECT_ALLOCATION_FAILURE && status >= CL_OUT_OF_HOST_MEMORY)
        return 2;
    return status != CL_SUCCESS;
}

void
line_end(struct line *l, int status)
{
    const int saved = errno;

    if (folder && !(once && atomic_exchange(&seen[l->call][outcome(status)], 1))) {
        if (once)
            put(l, "{\"call\":\"%s\",\"args\":{", calllog_names[l->call]);
        put(l, "},\"status\":%d}\n", status);
        /* A short write tears a line, and the reader of the log says so. */
        if (!l->failed && write(log_open(), l->text, l->len) < 0)
            l->failed = true;
    }
    if (l->text != l->first)
        free(l->text);
    errno = saved;
}

void
line_number(struct line *l, const char *arg, int64_t v)
{
    if (put_name(l, arg))
        put(l, "%lld", (long long)v);
}

void
line_pointer(struct line *l, const char *arg, const void *p)
{
    if (put_name(l, arg))
        put(l, p ? "\"%p\"" : "null", p);
}

void
line_string(struct line *l, const char *arg, const char *s)
{
    if (!put_name(l, arg))
        return;
    if (s)
        put_text(l, s);
    else
        put(l, "null");
}

void
line_strings(struct line *l, const char *arg, cl_uint n, const char *const *s)
{
    if (!put_name(l, arg))
        return;
    put(l, "[");
    for (cl_uint i = 0; s && i < n; i++) {
        put(l, i ? "," : "");
        if (s[i])
            put_text(l, s[i]);
        else
            put(l, "null");
    }
    put(l, "]");
}

void
line_sizes(struct line *l, const char *arg, cl_uint n, const size_t *sizes)
{
    if (!put_name(l, arg))
        return;
    if (!sizes) {
        put(l, "null");
        return;
    }
    put(l, "[");
    for (cl_uint i = 0; i < n && i < 64; i++)
        put(l, "%s%zu", i ? "," : "", sizes[i]);
    put(l, "]");
}

void
line_properties(struct line *l, const char *arg, const intptr_t *list)
{
    struct entry e;

    if (!put_name(l, arg))
        return;
    put(l, "[");
    for (int i = 0; list && i < 64; i++) {
        /* Pairs, but for the one list that holds numbers of work-items; those are never 0. */
        if (list[i] == 0 && (i % 2 == 0 || list[0] == CL_DEVICE_PARTITION_BY_COUNTS))
            break;
        put(l, i ? "," : "");
        if (objects_find_value(list[i], &e))
            put_entry(l, e);
        else
            put(l, "%lld", (long long)list[i]);
    }
    put(l, "]");
}

void
line_object(struct line *l, const char *arg, const void *handle)
{
    if (put_name(l, arg))
        put_object(l, handle);
}

void
line_objects(struct line *l, const char *arg, cl_uint n, void *const *handles)
{
    if (!put_name(l, arg))
        return;
    put(l, "[");
    for (cl_uint i = 0; handles && i < n; i++) {
        put(l, i ? "," : "");
        put_object(l, handles[i]);
    }
    put(l, "]");
}

/* ---- bytes ------------------------------------------------------------------------- */

static uint64_t
hash_more(uint64_t h, const void *p, size_t n)
{
    const uint8_t *at = p;
    uint64_t word;

    for (; n >= sizeof word; n -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    for (; n > 0; n--)
        h = (h ^ *at++) * 0x100000001b3ull;
    return h;
}

static void
put_bytes(struct line *l, const void *p, size_t n)
{
    const uint8_t *at = p;

    put(l, "{\"size\":%zu,\"hash\":[", n);
    for (size_t done = 0; p && done < n; done += HASH_BYTES) {
        const size_t len = n - done < HASH_BYTES ? n - done : HASH_BYTES;

        put(l, "%s\"%016llx\"", done ? "," : "",
            (unsigned long long)hash_more(0, at + done, len));
    }
    put(l, "]}");
}

void
line_bytes(struct line *l, const char *arg, const void *p, size_t n)
{
    if (!put_name(l, arg))
        return;
    if (p)
        put_bytes(l, p, n);
    else
        put(l, "null");
}

void
line_arg(struct line *l, const char *arg, size_t size, const void *value)
{
    const void *handle = NULL;
    struct entry e;

    if (!put_name(l, arg))
        return;
    if (value && size == sizeof handle)
        memcpy(&handle, value, sizeof handle);
    if (!value)
        put(l, "null");
    else if (objects_find(handle, &e) &&
             (e.kind == OBJECT_mem || e.kind == OBJECT_sampler))
        put_entry(l, e);
    else
        put_bytes(l, value, size);
}

/* Handles among the answers were handed out before, but for devices of a context by type. */
void
line_answer(struct line *l, uint64_t param, const void *value, size_t size)
{
    const bool devices = param == CL_CONTEXT_DEVICES || param == CL_PROGRAM_DEVICES;
    int64_t number = 0;
    struct entry e;

    if (devices && value) {
        for (size_t i = 0; i + sizeof(void *) <= size; i += sizeof(void *)) {
            void *device;

            memcpy(&device, (const uint8_t *)value + i, sizeof device);
            object_take(device, OBJECT_device, false);
        }
    }
    if (!put_name(l, "answer"))
        return;
    if (!value || size > sizeof number) {
        put_bytes(l, value, size);
        return;
    }
    memcpy(&number, value, size);
    if (size == 4)
        number = (int32_t)number;
    if (objects_find_value(number, &e))
        put_entry(l, e);
    else
        put(l, "%lld", (long long)number);
}

void
line_initial(struct line *l, cl_mem_flags flags, const void *host_ptr, size_t size)
{
    if (flags & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR))
        line_bytes(l, "host_ptr", host_ptr, size);
    else
        line_pointer(l, "host_ptr", host_ptr);
}

/* Takes the names out of #include lines, whose files may lie elsewhere; the length that is left. */
static size_t
without_include_names(char *text, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0, end; i < len; i = end) {
        char *newline = memchr(text + i, '\n', len - i);
        size_t word = i;

        end = newline ? (size_t)(newline - text) + 1 : len;
        while (word < end && strchr(" \t#", text[word]))
            word++;
        if (word > i && end - word >= strlen("include") &&
            memcmp(text + word, "include", strlen("include")) == 0) {
            memmove(text + kept, text + word, strlen("include"));
            kept += strlen("include");
        } else {
            memmove(text + kept, text + i, end - i);
            kept += end - i;
        }
    }
    return kept;
}

/* The same hash in however many pieces a source comes. */
void
line_source(struct line *l, const char *arg, cl_uint n, const char **strings,
            const size_t *lengths)
{
    size_t size = 0, at = 0;
    char *all;

    if (l->quiet)
        return;
    for (cl_uint i = 0; strings && i < n; i++)
        size += !strings[i] ? 0 : lengths && lengths[i] ? lengths[i] : strlen(strings[i]);
    all = malloc(size + 1);
    for (cl_uint i = 0; all && strings && i < n; i++) {
        const size_t len = !strings[i]             ? 0
                           : lengths && lengths[i] ? lengths[i]
                                                   : strlen(strings[i]);

        if (len > 0)
            memcpy(all + at, strings[i], len);
        at += len;
    }
    line_bytes(l, arg, all, all ? without_include_names(all, at) : size);
    free(all);
}

void
line_binaries(struct line *l, const char *arg, cl_uint n,
              const unsigned char *const *binaries, const size_t *lengths)
{
    if (!put_name(l, arg))
        return;
    put(l, "[");
    for (cl_uint i = 0; binaries && lengths && i < n; i++) {
        put(l, i ? "," : "");
        put_bytes(l, binaries[i], binaries[i] ? lengths[i] : 0);
    }
    put(l, "]");
}

/* The driver numbers the commands of each buffer. */
void
line_sync_points(struct line *l, const char *arg, cl_uint n,
                 const cl_sync_point_khr *points)
{
    if (!put_name(l, arg))
        return;
    put(l, "[");
    for (cl_uint i = 0; points && i < n; i++)
        put(l, "%s%u", i ? "," : "", points[i]);
    put(l, "]");
}

void
line_image_format(struct line *l, const cl_image_format *f)
{
    if (f)
        line_sizes(l, "image_format", 2,
                   (size_t[]){f->image_channel_order, f->image_channel_data_type});
    else
        line_pointer(l, "image_format", f);
}

void
line_image_desc(struct line *l, const cl_image_desc *d)
{
    size_t sizes[9];

    if (!d) {
        line_pointer(l, "image_desc", d);
        return;
    }
    memcpy(sizes,
           (size_t[]){d->image_type, d->image_width, d->image_height, d->image_depth,
                      d->image_array_size, d->image_row_pitch, d->image_slice_pitch,
                      d->num_mip_levels, d->num_samples},
           sizeof sizes);
    line_sizes(l, "image_desc", 9, sizes);
    line_object(l, "image_from", d->mem_object);
}

/* ---- objects that the driver gives ------------------------------------------------- */

void
line_new(struct line *l, const char *arg, enum object_kind kind, void *handle)
{
    struct entry e;

    if (!handle) {
        line_pointer(l, arg, NULL);
        return;
    }
    e = object_take(handle, kind, true);
    if (put_name(l, arg))
        put_entry(l, e);
}

void
line_news(struct line *l, const char *arg, enum object_kind kind, cl_uint n,
          void **handles)
{
    for (cl_uint i = 0; i < n; i++)
        object_take(handles[i], kind, true);
    line_objects(l, arg, n, handles);
}

void
line_known(struct line *l, const char *arg, enum object_kind kind, cl_uint n,
           void **handles)
{
    for (cl_uint i = 0; i < n; i++)
        object_take(handles[i], kind, false);
    line_objects(l, arg, n, handles);
}

/* ---- the driver behind ------------------------------------------------------------- */

void *
calllog_function(const char *name, void *real)
{
    if (!name || !real)
        return real;
    for (const struct calllog_function *f = calllog_functions; f->name; f++) {
        if (strcmp(f->name, name) != 0)
            continue;
        if (f->real)
            memcpy(f->real, &real, sizeof real);
        return f->address;
    }
    return real;
}

static void
driver_open(void)
{
    const char *library = getenv(DRIVER_VARIABLE);
    void *so = library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;

    folder = getenv("TESSERA_CALLLOG");
    once = getenv("TESSERA_CALLLOG_ONCE") != NULL;
    pthread_atfork(NULL, NULL, after_fork);
    if (so)
        *(void **)&real_function = dlsym(so, "clGetExtensionFunctionAddress");
}

static void *
driver_function(const char *name)
{
    static pthread_once_t opened = PTHREAD_ONCE_INIT;

    pthread_once(&opened, driver_open);
    return real_function ? real_function(name) : NULL;
}

#define EXPORT __attribute__((visibility("default"))) CL_API_ENTRY

/* The loader's way to clGetPlatformIDs, which is the first entry of the table. */
EXPORT cl_int CL_API_CALL
clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id *platforms,
                       cl_uint *num_platforms)
{
    cl_int(CL_API_CALL * real)(cl_uint, cl_platform_id *, cl_uint *);
    cl_uint found = 0;
    struct line l;
    cl_int rc;

    *(void **)&real = driver_function("clIcdGetPlatformIDsKHR");
    if (!real)
        return -1001; /* CL_PLATFORM_NOT_FOUND_KHR */
    line_begin(&l, 0);
    rc = real(num_entries, platforms, num_platforms ? num_platforms : &found);
    line_end(&l, rc);
    if (rc != CL_SUCCESS || !platforms)
        return rc;
    for (cl_uint i = 0; i < min_u32(num_entries, num_platforms ? *num_platforms : found);
         i++) {
        const struct _cl_icd_dispatch *table = *(void **)platforms[i];

        if (table != &calllog_table)
            calllog_real = table;
        object_take(platforms[i], OBJECT_platform, false);
    }
    return rc;
}

EXPORT void *CL_API_CALL
clGetExtensionFunctionAddress(const char *func_name)
{
    void *real = driver_function(func_name);

    if (func_name && strcmp(func_name, "clIcdGetPlatformIDsKHR") == 0)
        return (void *)clIcdGetPlatformIDsKHR;
    return calllog_function(func_name, real);
}
