/* SPDX-License-Identifier: MIT */
/* OpenCL 3.0, section 5.3: images; the commands are in api_pixels.c. */
#include "api_use.h"

static const cl_image_format rgba8 = {CL_RGBA, CL_UNORM_INT8};

static cl_image_desc
flat(size_t width, size_t height)
{
    return (cl_image_desc){.image_type = CL_MEM_OBJECT_IMAGE2D,
                           .image_width = width,
                           .image_height = height};
}

/* ---- 5.3.2 formats ----------------------------------------------------------------- */

/* Those that a device of the full profile must have for read-only 2D images (table 24). */
static bool
formats_are_listed(struct use *u)
{
    cl_image_format all[256];
    cl_uint n = 0;
    bool found = false;

    if (clGetSupportedImageFormats(u->context, CL_MEM_READ_ONLY, CL_MEM_OBJECT_IMAGE2D, 0,
                                   NULL, &n) != CL_SUCCESS ||
        n == 0 || n > 256 ||
        clGetSupportedImageFormats(u->context, CL_MEM_READ_ONLY, CL_MEM_OBJECT_IMAGE2D, n,
                                   all, NULL) != CL_SUCCESS)
        return false;
    for (cl_uint i = 0; i < n; i++)
        found |= all[i].image_channel_order == CL_RGBA &&
                 all[i].image_channel_data_type == CL_UNORM_INT8;
    return found;
}

static cl_int
formats(cl_context c, cl_mem_flags flags, cl_mem_object_type type, cl_uint n,
        cl_image_format *all)
{
    cl_uint count;

    return clGetSupportedImageFormats(c, flags, type, n, all, &count);
}

static void
supported_formats(struct use *u)
{
    const char *const call = "clGetSupportedImageFormats";
    const cl_mem_object_type type = CL_MEM_OBJECT_IMAGE2D;
    cl_image_format one;

    RIGHT(call, "the count, then the list, with what must be there",
          formats_are_listed(u));
    WRONG(call, "no context", CL_INVALID_CONTEXT,
          formats(NULL, CL_MEM_READ_ONLY, type, 0, NULL));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               formats((cl_context)u->buffer, CL_MEM_READ_ONLY, type, 0, NULL));
    WRONG_DIFFERS(
        "image-formats-flags", CL_SUCCESS, call, "flags that exclude each other",
        CL_INVALID_VALUE,
        formats(u->context, CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, type, 0, NULL));
    WRONG(call, "a type that is no image's", CL_INVALID_VALUE,
          formats(u->context, CL_MEM_READ_ONLY, CL_MEM_OBJECT_BUFFER, 0, NULL));
    WRONG(call, "room for none", CL_INVALID_VALUE,
          formats(u->context, CL_MEM_READ_ONLY, type, 0, &one));
}

/* ---- 5.3.1 creation ---------------------------------------------------------------- */

typedef cl_int (*create_fn)(struct use *u, cl_context c, cl_mem_flags flags,
                            const cl_image_format *f, const cl_image_desc *d, void *host);

static cl_int
create(struct use *u, cl_context c, cl_mem_flags flags, const cl_image_format *f,
       const cl_image_desc *d, void *host)
{
    return NEW(u, clCreateImage(c, flags, f, d, host, &u->rc));
}

static cl_int
create_with(struct use *u, cl_context c, cl_mem_flags flags, const cl_image_format *f,
            const cl_image_desc *d, void *host)
{
    return NEW(u, clCreateImageWithProperties(c, NULL, flags, f, d, host, &u->rc));
}

static bool
image_tells(cl_mem m, size_t width, size_t height, size_t depth)
{
    cl_image_format f = {0};

    return NUMBER(clGetImageInfo, m, CL_IMAGE_WIDTH) == width &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_HEIGHT) == height &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_DEPTH) == depth &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_ELEMENT_SIZE) == 4 &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_ROW_PITCH) >= width * 4 &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_ARRAY_SIZE) == 0 &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_NUM_MIP_LEVELS) == 0 &&
           NUMBER(clGetImageInfo, m, CL_IMAGE_NUM_SAMPLES) == 0 &&
           clGetImageInfo(m, CL_IMAGE_FORMAT, sizeof f, &f, NULL) == CL_SUCCESS &&
           f.image_channel_order == CL_RGBA && f.image_channel_data_type == CL_UNORM_INT8;
}

static bool
image_is(struct use *u, cl_mem m, cl_mem_object_type type, size_t w, size_t h, size_t d)
{
    bool good = m && u->rc == CL_SUCCESS && image_tells(m, w, h, d) &&
                NUMBER(clGetMemObjectInfo, m, CL_MEM_TYPE) == type &&
                NUMBER(clGetMemObjectInfo, m, CL_MEM_REFERENCE_COUNT) == 1 &&
                NUMBER(clGetMemObjectInfo, m, CL_MEM_CONTEXT) == (uintptr_t)u->context;

    return m && clReleaseMemObject(m) == CL_SUCCESS && good;
}

static bool
image_2d_is_made(struct use *u)
{
    const cl_image_desc d = flat(8, 4);
    cl_mem m = clCreateImage(u->context, CL_MEM_READ_WRITE, &rgba8, &d, NULL, &u->rc);

    return image_is(u, m, CL_MEM_OBJECT_IMAGE2D, 8, 4, 0);
}

static bool
image_with_properties_is_made(struct use *u)
{
    const cl_mem_properties none[] = {0};
    const cl_image_desc d = flat(8, 4);
    cl_mem m = clCreateImageWithProperties(u->context, none, 0, &rgba8, &d, NULL, &u->rc);

    return image_is(u, m, CL_MEM_OBJECT_IMAGE2D, 8, 4, 0);
}

static const struct {
    const char *what;
    cl_mem_flags flags;
    size_t width, height, row_pitch;
    bool host;
    cl_int want, driver; /* the same, or the difference image-descriptor */
} wrong_images[] = {
    {"a flag that there is not", 1 << 25, 8, 4, 0, false, CL_INVALID_VALUE,
     CL_INVALID_VALUE},
    {"read-only and write-only", CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 8, 4, 0, false,
     CL_INVALID_VALUE, CL_INVALID_VALUE},
    {"no width", 0, 0, 4, 0, false, CL_INVALID_IMAGE_DESCRIPTOR, CL_INVALID_BUFFER_SIZE},
    {"no height", 0, 8, 0, 0, false, CL_INVALID_IMAGE_DESCRIPTOR, CL_INVALID_BUFFER_SIZE},
    {"a row pitch without host memory", 0, 8, 4, 64, false, CL_INVALID_IMAGE_DESCRIPTOR,
     CL_SUCCESS},
    {"rows shorter than the width", CL_MEM_COPY_HOST_PTR, 8, 4, 16, true,
     CL_INVALID_IMAGE_DESCRIPTOR, CL_SUCCESS},
    {"rows between pixels", CL_MEM_COPY_HOST_PTR, 8, 4, 33, true,
     CL_INVALID_IMAGE_DESCRIPTOR, CL_INVALID_VALUE},
    {"host memory to copy, but none", CL_MEM_COPY_HOST_PTR, 8, 4, 0, false,
     CL_INVALID_HOST_PTR, CL_INVALID_HOST_PTR},
    {"host memory to use, but none", CL_MEM_USE_HOST_PTR, 8, 4, 0, false,
     CL_INVALID_HOST_PTR, CL_INVALID_HOST_PTR},
    {"host memory that no flag wants", 0, 8, 4, 0, true, CL_INVALID_HOST_PTR,
     CL_INVALID_HOST_PTR},
};

static cl_int
wrong_image(struct use *u, create_fn fn, size_t i)
{
    static uint8_t memory[1024];
    cl_image_desc d = flat(wrong_images[i].width, wrong_images[i].height);

    d.image_row_pitch = wrong_images[i].row_pitch;
    return fn(u, u->context, wrong_images[i].flags, &rgba8, &d,
              wrong_images[i].host ? memory : NULL);
}

static void
wrong_creation(struct use *u, const char *call, create_fn fn)
{
    const cl_image_format no_order = {0x7777, CL_UNORM_INT8}, no_type = {CL_RGBA, 0x7777};
    const cl_image_format no_pair = {CL_RGBA, CL_UNORM_SHORT_565};
    const cl_image_desc good = flat(8, 4);
    cl_image_desc d = good;
    cl_context c = u->context;

    WRONG(call, "no context", CL_INVALID_CONTEXT, fn(u, NULL, 0, &rgba8, &good, NULL));
    WRONG_KIND(call, "a context that is a buffer", CL_INVALID_CONTEXT,
               fn(u, (cl_context)u->buffer, 0, &rgba8, &good, NULL));
    for (size_t i = 0; i < sizeof wrong_images / sizeof *wrong_images; i++)
        WRONG_DIFFERS("image-descriptor", wrong_images[i].driver, call,
                      wrong_images[i].what, wrong_images[i].want, wrong_image(u, fn, i));
    WRONG(call, "no format", CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
          fn(u, c, 0, NULL, &good, NULL));
    WRONG_DIFFERS("image-format", CL_INVALID_OPERATION, call,
                  "a channel order that there is not", CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
                  fn(u, c, 0, &no_order, &good, NULL));
    WRONG_DIFFERS("image-format", CL_INVALID_OPERATION, call,
                  "a channel type that there is not", CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
                  fn(u, c, 0, &no_type, &good, NULL));
    WRONG_OR_DIFFERS("image-format", CL_INVALID_OPERATION, call,
                     "an order that the type has not", CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
                     CL_IMAGE_FORMAT_NOT_SUPPORTED, fn(u, c, 0, &no_pair, &good, NULL));
    WRONG(call, "no descriptor", CL_INVALID_IMAGE_DESCRIPTOR,
          fn(u, c, 0, &rgba8, NULL, NULL));
    d.image_type = CL_MEM_OBJECT_BUFFER;
    WRONG_DIFFERS("image-descriptor", CL_INVALID_VALUE, call, "a type that is no image's",
                  CL_INVALID_IMAGE_DESCRIPTOR, fn(u, c, 0, &rgba8, &d, NULL));
    d = flat(8, 4);
    d.num_mip_levels = 1;
    WRONG_CRASHES("image-mip-levels", call, "mip levels", CL_INVALID_IMAGE_DESCRIPTOR,
                  fn(u, c, 0, &rgba8, &d, NULL));
    d = flat(8, 4);
    d.num_samples = 1;
    WRONG_CRASHES("image-mip-levels", call, "samples", CL_INVALID_IMAGE_DESCRIPTOR,
                  fn(u, c, 0, &rgba8, &d, NULL));
    d = flat(device_number(u, CL_DEVICE_IMAGE2D_MAX_WIDTH) + 1, 1);
    WRONG_DIFFERS("image-format", CL_INVALID_OPERATION, call,
                  "wider than the device's widest", CL_INVALID_IMAGE_SIZE,
                  fn(u, c, 0, &rgba8, &d, NULL));
}

static cl_int
older_2d(struct use *u, cl_context c, cl_mem_flags flags, const cl_image_format *f,
         size_t w, size_t h)
{
    return NEW(u, clCreateImage2D(c, flags, f, w, h, 0, NULL, &u->rc));
}

static cl_int
older_3d(struct use *u, cl_context c, cl_mem_flags flags, const cl_image_format *f,
         size_t w, size_t d)
{
    return NEW(u, clCreateImage3D(c, flags, f, w, 4, d, 0, 0, NULL, &u->rc));
}

/* The calls of version 1.1: sizes have an error of their own, CL_INVALID_IMAGE_SIZE. */
static void
older_creation(struct use *u)
{
    const cl_image_format wrong = {0x7777, CL_UNORM_INT8};
    static const struct {
        const char *call;
        cl_int (*fn)(struct use *u, cl_context c, cl_mem_flags flags,
                     const cl_image_format *f, size_t w, size_t hd);
    } both[] = {{"clCreateImage2D", older_2d}, {"clCreateImage3D", older_3d}};

    RIGHT("clCreateImage2D", "it tells what it was made of",
          image_is(u, clCreateImage2D(u->context, 0, &rgba8, 8, 4, 0, NULL, &u->rc),
                   CL_MEM_OBJECT_IMAGE2D, 8, 4, 0));
    RIGHT("clCreateImage3D", "it tells what it was made of",
          image_is(u, clCreateImage3D(u->context, 0, &rgba8, 8, 4, 2, 0, 0, NULL, &u->rc),
                   CL_MEM_OBJECT_IMAGE3D, 8, 4, 2));
    for (int i = 0; i < 2; i++) {
        WRONG(both[i].call, "no context", CL_INVALID_CONTEXT,
              both[i].fn(u, NULL, 0, &rgba8, 8, 4));
        WRONG_KIND(both[i].call, "a context that is a buffer", CL_INVALID_CONTEXT,
                   both[i].fn(u, (cl_context)u->buffer, 0, &rgba8, 8, 4));
        WRONG(both[i].call, "a flag that there is not", CL_INVALID_VALUE,
              both[i].fn(u, u->context, 1 << 25, &rgba8, 8, 4));
        WRONG(both[i].call, "no format", CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
              both[i].fn(u, u->context, 0, NULL, 8, 4));
        WRONG_DIFFERS("image-format", CL_INVALID_OPERATION, both[i].call,
                      "a channel order that there is not",
                      CL_INVALID_IMAGE_FORMAT_DESCRIPTOR,
                      both[i].fn(u, u->context, 0, &wrong, 8, 4));
        /* Since 1.2 they are clCreateImage, whose descriptor is then invalid. */
        WRONG_OR_DIFFERS("image-descriptor", CL_INVALID_BUFFER_SIZE, both[i].call,
                         "no width", CL_INVALID_IMAGE_SIZE, CL_INVALID_IMAGE_DESCRIPTOR,
                         both[i].fn(u, u->context, 0, &rgba8, 0, 4));
        WRONG_OR_DIFFERS("image-descriptor", CL_INVALID_BUFFER_SIZE, both[i].call,
                         "no height, or depth", CL_INVALID_IMAGE_SIZE,
                         CL_INVALID_IMAGE_DESCRIPTOR,
                         both[i].fn(u, u->context, 0, &rgba8, 8, 0));
    }
}

static void
refused(struct use *u)
{
    const cl_image_desc d = flat(8, 4);
    cl_uint n = 1;

    RIGHT("clGetSupportedImageFormats", "without images there are none",
          clGetSupportedImageFormats(u->context, 0, CL_MEM_OBJECT_IMAGE2D, 0, NULL, &n) ==
                  CL_SUCCESS &&
              n == 0);
    REFUSED("clCreateImage", "images are not reported", CL_INVALID_OPERATION,
            create(u, u->context, 0, &rgba8, &d, NULL));
    REFUSED("clCreateImageWithProperties", "images are not reported",
            CL_INVALID_OPERATION, create_with(u, u->context, 0, &rgba8, &d, NULL));
    REFUSED("clCreateImage2D", "images are not reported", CL_INVALID_OPERATION,
            older_2d(u, u->context, 0, &rgba8, 8, 4));
    REFUSED("clCreateImage3D", "images are not reported", CL_INVALID_OPERATION,
            older_3d(u, u->context, 0, &rgba8, 8, 4));
}

void
api_image(struct use *u)
{
    const cl_mem_properties unknown[] = {0x7ffffff0, 1, 0};
    const cl_image_desc d = flat(8, 4);
    cl_mem m;

    if (!device_number(u, CL_DEVICE_IMAGE_SUPPORT)) {
        refused(u);
        return;
    }
    supported_formats(u);
    RIGHT("clCreateImage", "it tells what it was made of", image_2d_is_made(u));
    wrong_creation(u, "clCreateImage", create);
    RIGHT("clCreateImageWithProperties", "an empty list is no property",
          image_with_properties_is_made(u));
    WRONG("clCreateImageWithProperties", "a property that there is not",
          CL_INVALID_PROPERTY,
          NEW(u, clCreateImageWithProperties(u->context, unknown, 0, &rgba8, &d, NULL,
                                             &u->rc)));
    wrong_creation(u, "clCreateImageWithProperties", create_with);
    older_creation(u);
    m = clCreateImage(u->context, 0, &rgba8, &d, NULL, &u->rc);
    MUST(u->rc);
    {
        const struct query q = {
            "clGetImageInfo", (query_fn)clGetImageInfo, m,
            u->queue,         CL_INVALID_MEM_OBJECT,    CL_IMAGE_WIDTH,
            sizeof(size_t)};

        use_query(&q);
    }
    WRONG_DIFFERS("image-info-of-buffer", CL_SUCCESS, "clGetImageInfo", "a buffer",
                  CL_INVALID_MEM_OBJECT,
                  clGetImageInfo(u->buffer, CL_IMAGE_WIDTH, 0, NULL, NULL));
    MUST(clReleaseMemObject(m));
    api_pixels(u);
}
