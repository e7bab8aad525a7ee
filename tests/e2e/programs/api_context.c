/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 4.4: contexts. */
#include "api_use.h"

static void CL_CALLBACK
notify(const char *words, const void *info, size_t len, void *user_data)
{
    (void)words;
    (void)info;
    (void)len;
    (void)user_data;
}

static cl_int
create(struct use *u, const cl_context_properties *p, cl_uint n, const cl_device_id *d)
{
    return NEW(u, clCreateContext(p, n, d, NULL, NULL, &u->rc));
}

static bool
context_tells(struct use *u)
{
    cl_context_properties p[3] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    cl_context_properties got[3] = {1, 1, 1};
    cl_device_id d = NULL;
    size_t size = 0;
    int here = 0;
    cl_context c = clCreateContext(p, 1, &u->device, notify, &here, &u->rc);
    bool good;

    if (!c || u->rc != CL_SUCCESS)
        return false;
    good = NUMBER(clGetContextInfo, c, CL_CONTEXT_REFERENCE_COUNT) == 1 &&
           NUMBER(clGetContextInfo, c, CL_CONTEXT_NUM_DEVICES) == 1 &&
           clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof d, &d, &size) == CL_SUCCESS &&
           d == u->device && size == sizeof d &&
           clGetContextInfo(c, CL_CONTEXT_PROPERTIES, sizeof got, got, &size) ==
               CL_SUCCESS &&
           size == sizeof p && memcmp(got, p, sizeof p) == 0;
    return clReleaseContext(c) == CL_SUCCESS && good;
}

/* The status may be left unasked; the same device twice is one (both by section 4.4). */
static bool
context_of_a_device_twice(struct use *u)
{
    const cl_device_id twice[2] = {u->device, u->device};
    cl_context c = clCreateContext(NULL, 2, twice, NULL, NULL, NULL);
    bool good = c && NUMBER(clGetContextInfo, c, CL_CONTEXT_NUM_DEVICES) == 1;

    return c && clReleaseContext(c) == CL_SUCCESS && good;
}

static void
creation(struct use *u)
{
    const cl_context_properties unknown[] = {0x7ffffff0, 1, 0};
    const cl_context_properties twice[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform,
                                           CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    const cl_context_properties no_platform[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->buffer,
                                                 0};
    const cl_context_properties sync[] = {CL_CONTEXT_INTEROP_USER_SYNC, 7, 0};
    const cl_device_id not_all[2] = {u->device, (cl_device_id)u->buffer};
    const cl_device_id not_one = (cl_device_id)u->buffer;
    const char *const call = "clCreateContext";

    RIGHT(call, "it tells its devices and properties", context_tells(u));
    RIGHT(call, "a device named twice counts once", context_of_a_device_twice(u));
    WRONG(call, "no list of devices", CL_INVALID_VALUE, create(u, NULL, 1, NULL));
    WRONG(call, "no device in the list", CL_INVALID_VALUE,
          create(u, NULL, 0, &u->device));
    WRONG_KIND(call, "a device that is a buffer", CL_INVALID_DEVICE,
               create(u, NULL, 1, &not_one));
    WRONG_KIND(call, "a second device that is a buffer", CL_INVALID_DEVICE,
               create(u, NULL, 2, not_all));
    WRONG(call, "a property that there is not", CL_INVALID_PROPERTY,
          create(u, unknown, 1, &u->device));
    WRONG(call, "a property twice", CL_INVALID_PROPERTY, create(u, twice, 1, &u->device));
    WRONG_KIND(call, "a platform that is a buffer", CL_INVALID_PLATFORM,
               create(u, no_platform, 1, &u->device));
    /* A boolean's value, that may be read as true. */
    WRONG_OR(call, "a value that the property does not have", CL_INVALID_PROPERTY,
             CL_SUCCESS, create(u, sync, 1, &u->device));
    WRONG(call, "user data without a callback", CL_INVALID_VALUE,
          NEW(u, clCreateContext(NULL, 1, &u->device, NULL, u, &u->rc)));
}

static cl_int
from_type(struct use *u, const cl_context_properties *p, cl_device_type type)
{
    return NEW(u, clCreateContextFromType(p, type, NULL, NULL, &u->rc));
}

static bool
context_of_type_tells(struct use *u)
{
    cl_context_properties p[3] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    cl_context c = clCreateContextFromType(p, CL_DEVICE_TYPE_DEFAULT, NULL, NULL, &u->rc);
    cl_device_id d = NULL;
    bool good;

    if (!c || u->rc != CL_SUCCESS)
        return false;
    good = NUMBER(clGetContextInfo, c, CL_CONTEXT_NUM_DEVICES) == 1 &&
           clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof d, &d, NULL) == CL_SUCCESS &&
           d && NUMBER(clGetDeviceInfo, d, CL_DEVICE_PLATFORM) == (uintptr_t)u->platform;
    return clReleaseContext(c) == CL_SUCCESS && good;
}

static void
creation_from_type(struct use *u)
{
    const cl_context_properties p[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    const cl_context_properties unknown[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform,
                                             0x7ffffff0, 1, 0};
    const cl_context_properties twice[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform,
                                           CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    const char *const call = "clCreateContextFromType";

    RIGHT(call, "it holds the default device", context_of_type_tells(u));
    WRONG_DIFFERS("context-type-status", NO_ANSWER, call, "no type",
                  CL_INVALID_DEVICE_TYPE, from_type(u, p, 0));
    WRONG_DIFFERS("context-type-status", NO_ANSWER, call, "a type that there is not",
                  CL_INVALID_DEVICE_TYPE, from_type(u, p, 1 << 20));
    WRONG_DIFFERS("context-type-status", NO_ANSWER, call, "a type that no device has",
                  CL_DEVICE_NOT_FOUND, from_type(u, p, CL_DEVICE_TYPE_CUSTOM));
    WRONG(call, "a property that there is not", CL_INVALID_PROPERTY,
          from_type(u, unknown, CL_DEVICE_TYPE_ALL));
    WRONG(call, "a property twice", CL_INVALID_PROPERTY,
          from_type(u, twice, CL_DEVICE_TYPE_ALL));
    WRONG(call, "user data without a callback", CL_INVALID_VALUE,
          NEW(u, clCreateContextFromType(p, CL_DEVICE_TYPE_ALL, NULL, u, &u->rc)));
}

/* ---- destructor callbacks ---------------------------------------------------------- */

struct order {
    int n;
    int seen[2];
    volatile int both; /* set by the one that was registered first, so comes last */
};

static void CL_CALLBACK
first(cl_context c, void *user_data)
{
    struct order *o = user_data;

    (void)c;
    o->seen[o->n++] = 1;
    __atomic_store_n(&o->both, 1, __ATOMIC_RELEASE);
}

static void CL_CALLBACK
second(cl_context c, void *user_data)
{
    struct order *o = user_data;

    (void)c;
    o->seen[o->n++] = 2;
}

static bool
destructors_run_last_first(struct use *u)
{
    struct order o = {0};
    cl_context c = clCreateContext(NULL, 1, &u->device, NULL, NULL, &u->rc);

    MUST(u->rc);
    return clSetContextDestructorCallback(c, first, &o) == CL_SUCCESS &&
           clSetContextDestructorCallback(c, second, &o) == CL_SUCCESS &&
           clRetainContext(c) == CL_SUCCESS && clReleaseContext(c) == CL_SUCCESS &&
           o.n == 0 && clReleaseContext(c) == CL_SUCCESS && comes_true(&o.both) &&
           o.n == 2 && o.seen[0] == 2 && o.seen[1] == 1;
}

static void
destructors(struct use *u)
{
    const char *const call = "clSetContextDestructorCallback";

    RIGHT(call, "called at the last release, the newest first",
          destructors_run_last_first(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          clSetContextDestructorCallback(NULL, first, NULL));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               clSetContextDestructorCallback((cl_context)u->buffer, first, NULL));
    WRONG(call, "no callback", CL_INVALID_VALUE,
          clSetContextDestructorCallback(u->context, NULL, NULL));
}

void
api_context(struct use *u)
{
    const struct query q = {
        "clGetContextInfo", (query_fn)clGetContextInfo, u->context,     u->buffer,
        CL_INVALID_CONTEXT, CL_CONTEXT_REFERENCE_COUNT, sizeof(cl_uint)};
    const struct counted counts = {"clRetainContext", "clReleaseContext",
                                   (count_fn)clRetainContext, (count_fn)clReleaseContext,
                                   q};

    creation(u);
    creation_from_type(u);
    use_query(&q);
    use_counts(&counts);
    destructors(u);
}
