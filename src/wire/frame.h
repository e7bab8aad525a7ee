/* SPDX-License-Identifier: MIT */
/*
 * What travels through a ring: frames of a multiple of 8 bytes, each a header and fields
 * of 8 bytes, arrays with their count before them, byte strings padded to 8.
 *
 *   guest -> worker  op = a call of api/opencl.toml     tag = 0, or what the answer shall carry
 *   worker -> guest  op = FRAME_REPLY, FRAME_RECLAIM    tag = the asker's
 *                         FRAME_PRINT                   tag = bytes of text, which follow
 *
 * Numbers are little-endian, as on both architectures that Tessera runs on.
 */
#ifndef TESSERA_WIRE_FRAME_H
#define TESSERA_WIRE_FRAME_H

#include <stdint.h>

#define FRAME_ALIGN 8u

/* Ops outside the API description. */
#define FRAME_PAD 0u        /* fill up to the ring's end: skip */
#define FRAME_REPLY 0xfff0u /* tag, status; fields by call */
/* tag = offset of a heap extent that is the guest's again. */
#define FRAME_RECLAIM 0xfff1u
/* What kernels printed, for the guest's stdout. 0 bytes: from now on some may come. */
#define FRAME_PRINT 0xfff2u

struct frame_header {
    uint32_t size; /* of header and fields, a multiple of FRAME_ALIGN */
    uint16_t op;
    uint16_t reserved; /* 0 */
    uint64_t tag;
};

/*
 * A reply: status (an OpenCL error code), then nothing, or an answer in bytes: its
 * length, where it is (enum reply_place), and the byte string itself when it is inline.
 */
struct reply_header {
    struct frame_header frame;
    int64_t status;
};

enum reply_place {
    REPLY_INLINE = 0,
    REPLY_IN_EXTENT = 1, /* in the request's `out` extent */
    REPLY_TOO_LONG = 2,  /* nowhere: ask again with an `out` extent of that length */
};

/* An object as the guest names it: slot and generation; 0 is no object. */
struct guest_id {
    uint64_t v;
};

/* The session's own device: there from the beginning, never released. */
#define ROOT_DEVICE_ID UINT64_MAX

/* A range of the shared heap. off == EXTENT_NONE: none. */
#define EXTENT_NONE UINT64_MAX
struct extent {
    uint64_t off, len;
};

/*
 * Storage of a memory object begins at a multiple of it, whatever the object's size: at least
 * CL_DEVICE_MEM_BASE_ADDR_ALIGN of every device met.
 */
#define HEAP_GRANULE 256u /* bytes */

/* Values of clCreateBuffer's `content`: what the new storage holds. */
enum buffer_content {
    CONTENT_NONE = 0,     /* undefined, as the specification allows */
    CONTENT_IN_PLACE = 1, /* the guest filled `storage` before */
    CONTENT_INITIAL = 2,  /* to be copied from `initial`, reclaimed afterwards */
};

/* Values of clSetKernelArg's `kind`. */
enum arg_kind {
    ARG_VALUE = 0,  /* arg_value */
    ARG_OBJECT = 1, /* object; 0 = a NULL memory object */
    ARG_LOCAL = 2,  /* arg_size bytes of local memory */
};

/* Bits of clEnqueueNDRangeKernel's `given`. */
#define GIVEN_OFFSET 1u
#define GIVEN_LOCAL 2u

#endif
