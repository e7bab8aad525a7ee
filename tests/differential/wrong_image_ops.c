/* SPDX-License-Identifier: MIT */
/* Wrong calls on images: OpenCL 3.0, section 5.3. */
#include "say.h"

static const size_t zero[3];

static cl_int
create(struct world *w, const cl_image_format *format, const cl_image_desc *desc)
{
    cl_int rc = 1;
    cl_mem mem = clCreateImage(w->context, 0, format, desc, NULL, &rc);

    if (mem)
        clReleaseMemObject(mem);
    return rc;
}

static void
wrong_create(struct world *w)
{
    const cl_image_format good = {CL_RGBA, CL_UNSIGNED_INT8}, bad = {CL_RGBA, 0x1234};
    const cl_image_desc desc = {
        .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 4, .image_height = 4};
    const cl_image_desc flat = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 4};

    switch (below(w, 3)) {
    case 0:
        wrong(w, NULL, "clCreateImage, no format", create(w, NULL, &desc));
        return;
    case 1:
        wrong(w, "image-channel-type", "clCreateImage, no such channel type",
              create(w, &bad, &desc));
        return;
    default:
        wrong(w, "image-height-0", "clCreateImage, height 0", create(w, &good, &flat));
    }
}

static void
wrong_transfer(struct world *w)
{
    const struct memory *m = any_image(w);
    cl_command_queue q = any_queue(w)->queue;
    const size_t past[3] = {m ? m->extent[0] : 0, 0, 0}, one[3] = {1, 1, 1};
    char host[16];

    if (!m)
        return;
    switch (below(w, 4)) {
    case 0:
        wrong(
            w, NULL, "clEnqueueReadImage, past the end",
            clEnqueueReadImage(q, m->mem, CL_TRUE, past, one, 0, 0, host, 0, NULL, NULL));
        return;
    case 1:
        wrong(w, "image-empty-region", "clEnqueueReadImage, an empty region",
              clEnqueueReadImage(q, m->mem, CL_TRUE, zero, zero, 0, 0, host, 0, NULL,
                                 NULL));
        return;
    case 2:
        wrong(
            w, NULL, "clEnqueueReadImage, to nowhere",
            clEnqueueReadImage(q, m->mem, CL_TRUE, zero, one, 0, 0, NULL, 0, NULL, NULL));
        return;
    default:
        wrong(
            w, NULL, "clEnqueueWriteImage, no image",
            clEnqueueWriteImage(q, NULL, CL_TRUE, zero, one, 0, 0, host, 0, NULL, NULL));
    }
}

const struct op wrong_image_ops[] = {
    {"wrong image", WRONG | IMAGE, 2, wrong_create},
    {"wrong image transfer", WRONG | IMAGE, 3, wrong_transfer},
    {0},
};
