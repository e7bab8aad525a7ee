/* SPDX-License-Identifier: MIT */
/*
 * Sharing with OpenGL, EGL and Direct3D: extensions that no device here reports. Their entries
 * in the dispatch table may then be missing; where they are there, they refuse.
 */
#include "api_use.h"

#define MISSING CL_INVALID_OPERATION

/* An entry that is there is called; what it says is the answer. */
#define ASKED(table, name, ...)                                                          \
    ((table)->name ? (table)->name(__VA_ARGS__) : CL_INVALID_OPERATION)
#define MADE(u, table, name, ...)                                                        \
    ((table)->name ? NEW(u, (table)->name(__VA_ARGS__, &(u)->rc)) : CL_INVALID_OPERATION)
#define REFUSE(extension, name, call)                                                    \
    REFUSED_CRASHES("graphics", #name, extension " is not reported",                     \
                    CL_INVALID_OPERATION, call)

static void
opengl(struct use *u)
{
    const struct _cl_icd_dispatch *t = *(struct _cl_icd_dispatch **)u->platform;
    cl_context c = u->context;
    size_t n;

    REFUSE("cl_khr_gl_sharing", clCreateFromGLBuffer,
           MADE(u, t, clCreateFromGLBuffer, c, 0, 1));
    REFUSE("cl_khr_gl_sharing", clCreateFromGLTexture,
           MADE(u, t, clCreateFromGLTexture, c, 0, 0x0DE1, 0, 1));
    REFUSE("cl_khr_gl_sharing", clCreateFromGLTexture2D,
           MADE(u, t, clCreateFromGLTexture2D, c, 0, 0x0DE1, 0, 1));
    REFUSE("cl_khr_gl_sharing", clCreateFromGLTexture3D,
           MADE(u, t, clCreateFromGLTexture3D, c, 0, 0x806F, 0, 1));
    REFUSE("cl_khr_gl_sharing", clCreateFromGLRenderbuffer,
           MADE(u, t, clCreateFromGLRenderbuffer, c, 0, 1));
    REFUSE("cl_khr_gl_sharing", clGetGLObjectInfo,
           ASKED(t, clGetGLObjectInfo, u->buffer, NULL, NULL));
    REFUSE("cl_khr_gl_sharing", clGetGLTextureInfo,
           ASKED(t, clGetGLTextureInfo, u->buffer, CL_GL_MIPMAP_LEVEL, 0, NULL, &n));
    REFUSE("cl_khr_gl_sharing", clEnqueueAcquireGLObjects,
           ASKED(t, clEnqueueAcquireGLObjects, u->queue, 1, &u->buffer, 0, NULL, NULL));
    REFUSE("cl_khr_gl_sharing", clEnqueueReleaseGLObjects,
           ASKED(t, clEnqueueReleaseGLObjects, u->queue, 1, &u->buffer, 0, NULL, NULL));
    REFUSE("cl_khr_gl_event", clCreateEventFromGLsyncKHR,
           MADE(u, t, clCreateEventFromGLsyncKHR, c, NULL));
}

static void
opengl_context(struct use *u)
{
    const struct _cl_icd_dispatch *t = *(struct _cl_icd_dispatch **)u->platform;
    const cl_context_properties p[] = {CL_CONTEXT_PLATFORM, (intptr_t)u->platform, 0};
    size_t n;

    REFUSE(
        "cl_khr_gl_sharing", clGetGLContextInfoKHR,
        ASKED(t, clGetGLContextInfoKHR, p, CL_DEVICES_FOR_GL_CONTEXT_KHR, 0, NULL, &n));
}

static void
egl(struct use *u)
{
    const struct _cl_icd_dispatch *t = *(struct _cl_icd_dispatch **)u->platform;
    cl_context c = u->context;

    REFUSE("cl_khr_egl_image", clCreateFromEGLImageKHR,
           MADE(u, t, clCreateFromEGLImageKHR, c, NULL, NULL, 0, NULL));
    REFUSE(
        "cl_khr_egl_image", clEnqueueAcquireEGLObjectsKHR,
        ASKED(t, clEnqueueAcquireEGLObjectsKHR, u->queue, 1, &u->buffer, 0, NULL, NULL));
    REFUSE(
        "cl_khr_egl_image", clEnqueueReleaseEGLObjectsKHR,
        ASKED(t, clEnqueueReleaseEGLObjectsKHR, u->queue, 1, &u->buffer, 0, NULL, NULL));
    REFUSE("cl_khr_egl_event", clCreateEventFromEGLSyncKHR,
           MADE(u, t, clCreateEventFromEGLSyncKHR, c, NULL, NULL));
}

/* Of Windows alone: elsewhere the header gives these entries no type, and no driver has them. */
static void
direct3d(struct use *u)
{
    const struct _cl_icd_dispatch *t = *(struct _cl_icd_dispatch **)u->platform;

#define NONE(name)                                                                       \
    REFUSED(#name, "there is no such entry", MISSING, t->name ? CL_SUCCESS : MISSING)
    NONE(clGetDeviceIDsFromD3D10KHR);
    NONE(clCreateFromD3D10BufferKHR);
    NONE(clCreateFromD3D10Texture2DKHR);
    NONE(clCreateFromD3D10Texture3DKHR);
    NONE(clEnqueueAcquireD3D10ObjectsKHR);
    NONE(clEnqueueReleaseD3D10ObjectsKHR);
    NONE(clGetDeviceIDsFromD3D11KHR);
    NONE(clCreateFromD3D11BufferKHR);
    NONE(clCreateFromD3D11Texture2DKHR);
    NONE(clCreateFromD3D11Texture3DKHR);
    NONE(clCreateFromDX9MediaSurfaceKHR);
    NONE(clEnqueueAcquireD3D11ObjectsKHR);
    NONE(clEnqueueReleaseD3D11ObjectsKHR);
    NONE(clGetDeviceIDsFromDX9MediaAdapterKHR);
    NONE(clEnqueueAcquireDX9MediaSurfacesKHR);
    NONE(clEnqueueReleaseDX9MediaSurfacesKHR);
#undef NONE
}

void
api_graphics(struct use *u)
{
    opengl(u);
    opengl_context(u);
    egl(u);
    direct3d(u);
}
