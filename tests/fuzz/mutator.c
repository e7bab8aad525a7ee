/* SPDX-License-Identifier: MIT */
/*
 * Mutates a list of frames as what it is: messages are put in, left out, copied and swapped, their
 * fields changed by their kinds, with the ids of objects that are alive at that place. One time in
 * ten the bytes are libFuzzer's to change.
 */
#include "mutator.h"

#include "message.h"

#include <stdlib.h>

#define FRAMES_MAX 96u
#define BODY_MAX 8192u
#define IDS_MAX 64u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

struct piece {
    struct frame_header h;
    uint8_t *body;
    size_t len;
};

static struct list_of_frames {
    uint8_t switches[FRAME_SWITCHES];
    unsigned n;
    struct piece f[FRAMES_MAX];
} frames;

/* Bodies that were made anew; given back with the next input. */
static uint8_t arena[FRAMES_MAX * BODY_MAX];
static size_t arena_used;

static uint64_t state;

static uint64_t
rnd(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? state % below : 0;
}

static bool
chance(unsigned percent)
{
    return rnd(100) < percent;
}

/* ---- ids --------------------------------------------------------------------------- */

static struct {
    unsigned n;
    struct {
        uint64_t id;
        unsigned kind;
    } known[IDS_MAX];
    uint64_t top; /* the highest slot */
} ids;

static void
id_note(uint64_t id, unsigned kind)
{
    if (id == 0)
        return;
    if ((uint32_t)id > ids.top && (uint32_t)id < 1u << 20)
        ids.top = (uint32_t)id;
    ids.known[ids.n % IDS_MAX].id = id;
    ids.known[ids.n % IDS_MAX].kind = kind;
    ids.n++;
}

static void
ids_of_frame(const struct piece *p)
{
    const struct message *m = message_of(p->h.op);
    size_t at = 0, len;

    for (unsigned i = 0; m && i < m->n; i++, at += len) {
        const struct field *f = &m->fields[i];

        len = field_bytes(f, p->body + at, p->len - at);
        if (len == 0)
            return;
        if (f->type == FIELD_NEW)
            id_note(word_at(p->body + at), f->kind);
        for (size_t k = 8; f->type == FIELD_NEWS && k < len; k += 8)
            id_note(word_at(p->body + at + k), f->kind);
    }
}

/* Of the frames before this one. */
static void
ids_before(unsigned end)
{
    ids.n = 0;
    ids.top = 0;
    for (unsigned i = 0; i < end; i++)
        ids_of_frame(&frames.f[i]);
}

static uint64_t
id_pick(unsigned kind)
{
    unsigned n = ids.n < IDS_MAX ? ids.n : IDS_MAX, start = (unsigned)rnd(n);
    bool any = kind == KIND_any || chance(2);

    if (kind == KIND_device && !chance(15))
        return ROOT_DEVICE_ID;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (start + i) % n;

        if (any || ids.known[at].kind == kind)
            return ids.known[at].id;
    }
    return rnd(4);
}

/* ---- fields ------------------------------------------------------------------------ */

static const char *const words[] = {
    "",
    "fill",
    "copy",
    "add",
    "scale",
    "-cl-kernel-arg-info",
    "-I. -DX=1 -cl-std=CL1.2 -create-library -enable-link-options",
    "kernel void fill(global uint *p, uint v) {}",
    ("kernel void copy(global uint *a, global uint *b) {}\n"
     "kernel void fill(global int *p) {}"),
    "#include \"a.h\"\nkernel void add(global float *a, global float *b) {}",
    "#error no",
    "kernel void x(local float *p, __constant int *c) { printf(\"%d\", 1); }",
};

static const uint64_t edges[] = {
    0,          1,          2,          3,          4,          5,
    7,          8,          16,         31,         63,         64,
    127,        128,        255,        256,        1024,       4095,
    4096,       8192,       65535,      65536,      1u << 20,   (1u << 20) + 1,
    1 << 23,    1 << 24,    0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
    1ull << 63, UINT64_MAX,
};

/* Where OpenCL's constants lie: formats, types of memory, what is asked of builds and kernels. */
static const struct {
    uint16_t first, n;
} names[] = {{0x10b0, 21}, {0x10d0, 17}, {0x10f0, 8}, {0x1130, 5},
             {0x1140, 2},  {0x1180, 6},  {0x11b0, 6}, {0x2033, 3}};

static uint64_t
number(void)
{
    unsigned i = (unsigned)rnd(sizeof names / sizeof *names);

    switch (rnd(8)) {
    case 0:
    case 1:
        return rnd(9);
    case 2:
        return names[i].first + rnd(names[i].n);
    case 3:
        return -rnd(20);
    case 4:
        return edges[rnd(sizeof edges / sizeof *edges)] + rnd(3) - 1;
    default:
        return edges[rnd(20)];
    }
}

struct body {
    uint8_t *p;
    size_t len;
    bool full;
};

static void
put(struct body *b, const void *bytes, size_t n)
{
    if (b->len + n + 8 > BODY_MAX) {
        b->full = true;
        return;
    }
    memcpy(b->p + b->len, bytes, n);
    b->len += n;
}

static void
put_word(struct body *b, uint64_t v)
{
    put(b, &v, sizeof v);
}

static void
put_bytes(struct body *b, const void *bytes, size_t n)
{
    static const uint8_t zero[8];

    put_word(b, n);
    put(b, bytes, n);
    put(b, zero, (8 - n % 8) % 8);
}

static void
put_some_bytes(struct body *b)
{
    const char *word = words[rnd(sizeof words / sizeof *words)];
    uint64_t noise[8];

    if (chance(40)) {
        put_bytes(b, word, strlen(word) + chance(80));
        return;
    }
    for (int i = 0; i < 8; i++)
        noise[i] = chance(50) ? number() : id_pick(KIND_any);
    put_bytes(b, noise, chance(70) ? 1ull << rnd(7) : rnd(sizeof noise));
}

static void
put_extent(struct body *b, bool none)
{
    bool missing = none ? chance(50) : chance(3);

    put_word(b, missing ? EXTENT_NONE : chance(80) ? rnd(512) * 128 : number());
    put_word(b, missing && !chance(5) ? 0 : chance(60) ? 4096 : number());
}

static void
put_list(struct body *b, const struct field *f)
{
    uint64_t n = f->kind == KIND_event ? rnd(3) * chance(40) : 1 + rnd(3) * chance(30);

    put_word(b, n);
    for (uint64_t i = 0; i < n; i++) {
        if (f->type == FIELD_IDS)
            put_word(b, id_pick(f->kind));
        else
            put_word(b, f->type == FIELD_NEWS ? ++ids.top : 1 + rnd(4));
    }
}

static void
put_field(struct body *b, const struct field *f)
{
    switch (f->type) {
    case FIELD_NUMBER:
        for (unsigned i = 0; i < f->count; i++)
            put_word(b, number());
        break;
    case FIELD_ID:
        put_word(b, f->none && chance(40) ? 0 : id_pick(f->kind));
        break;
    case FIELD_NEW:
        put_word(b, f->none && chance(60) ? 0 : chance(95) ? ++ids.top : number());
        break;
    case FIELD_SYNCS:
        if (chance(60)) {
            put_word(b, 0);
            break;
        }
        /* fall through */
    case FIELD_IDS:
    case FIELD_NEWS:
        put_list(b, f);
        break;
    case FIELD_STRING: {
        const char *word = words[rnd(sizeof words / sizeof *words)];

        put_bytes(b, word, strlen(word) + !chance(3));
        break;
    }
    case FIELD_BYTES:
        put_some_bytes(b);
        break;
    case FIELD_BLOB:
        if (chance(15)) {
            put_extent(b, false);
            break;
        }
        put_word(b, EXTENT_NONE);
        put_word(b, 0);
        put_some_bytes(b);
        break;
    case FIELD_EXTENT:
        put_extent(b, f->none);
        break;
    }
}

static struct body
body_new(void)
{
    struct body b = {.p = arena + arena_used};

    if (arena_used + BODY_MAX > sizeof arena) {
        b.p = arena;
        b.full = true;
    }
    return b;
}

static void
body_keep(struct piece *p, const struct body *b)
{
    if (b->full)
        return;
    arena_used += b->len;
    p->body = b->p;
    p->len = b->len;
    p->h.size = (uint32_t)(sizeof p->h + b->len);
}

/* ---- frames ------------------------------------------------------------------------ */

/* A message of the target's family, or one that such a message may need. */
static unsigned
op_pick(void)
{
    static const uint16_t helpers[] = {
        OP_clCreateContext,
        OP_clCreateCommandQueueWithProperties,
        OP_clCreateBuffer,
        OP_clCreateProgramWithSource,
        OP_clBuildProgram,
        OP_clCreateKernel,
        OP_clSetKernelArg,
        OP_clCreateUserEvent,
        OP_clSetUserEventStatus,
        OP_tessera_release,
        OP_clFinish,
        OP_clEnqueueNDRangeKernel,
        OP_clCreateCommandBufferKHR,
        OP_clCreateImage,
        OP_clEnqueueMarkerWithWaitList,
    };
    unsigned op;

    if (chance(30))
        return helpers[rnd(sizeof helpers / sizeof *helpers)];
    do
        op = (unsigned)rnd(OPENCL_OPS);
    while (!message_of(op) || messages[op].family != fuzz_family);
    return op;
}

static void
frame_insert(void)
{
    unsigned at = (unsigned)rnd(frames.n + 1);
    struct body b = body_new();
    struct piece p = {.h.op = (uint16_t)op_pick()};
    const struct message *m = message_of(p.h.op);

    if (frames.n == FRAMES_MAX || b.full)
        return;
    /* Later frames keep their ids: a new object gets one that none of them has. */
    ids_before(frames.n);
    uint64_t top = ids.top;
    ids_before(at);
    ids.top = top;
    p.h.tag = m->reply || chance(30) ? 1 + rnd(9) : 0;
    for (unsigned i = 0; i < m->n; i++)
        put_field(&b, &m->fields[i]);
    body_keep(&p, &b);
    if (b.full)
        return;
    memmove(&frames.f[at + 1], &frames.f[at], (frames.n - at) * sizeof p);
    frames.f[at] = p;
    frames.n++;
}

/* One field anew, or its bytes a little different; what is before and behind it stays. */
static void
field_change(void)
{
    unsigned at = (unsigned)rnd(frames.n), which;
    struct piece *p = &frames.f[at];
    const struct message *m = frames.n ? message_of(p->h.op) : NULL;
    struct body b = body_new();
    size_t off = 0, len = 0;

    if (!m || b.full)
        return;
    which = (unsigned)rnd(m->n);
    for (unsigned i = 0; i <= which; i++) {
        off += len;
        len = field_bytes(&m->fields[i], p->body + off, p->len - off);
        if (len == 0)
            return;
    }
    ids_before(at);
    put(&b, p->body, off);
    if (m->fields[which].type == FIELD_NUMBER && !b.full && chance(50)) {
        size_t word = off + 8 * rnd(m->fields[which].count);
        uint64_t v = word_at(p->body + word);

        put(&b, p->body + off, len);
        v = chance(40) ? v + rnd(5) - 2 : chance(50) ? v ^ 1ull << rnd(64) : number();
        if (!b.full)
            memcpy(b.p + word, &v, sizeof v);
    } else if (m->fields[which].type >= FIELD_STRING &&
               m->fields[which].type <= FIELD_BLOB && len > 8 && chance(60) &&
               len < BODY_MAX / 4) {
        put(&b, p->body + off, len);
        if (!b.full)
            LLVMFuzzerMutate(b.p + off + 8, len - 8, len - 8);
    } else {
        put_field(&b, &m->fields[which]);
    }
    put(&b, p->body + off + len, p->len - off - len);
    body_keep(p, &b);
}

static void
frame_drop(void)
{
    unsigned at = (unsigned)rnd(frames.n);

    if (frames.n < 2)
        return;
    frames.n--;
    memmove(&frames.f[at], &frames.f[at + 1], (frames.n - at) * sizeof *frames.f);
}

static void
frame_copy(void)
{
    unsigned from = (unsigned)rnd(frames.n), to = (unsigned)rnd(frames.n + 1);
    struct piece p;

    if (frames.n == 0 || frames.n == FRAMES_MAX)
        return;
    p = frames.f[from];
    memmove(&frames.f[to + 1], &frames.f[to], (frames.n - to) * sizeof p);
    frames.f[to] = p;
    frames.n++;
}

static void
frame_swap(void)
{
    unsigned a = (unsigned)rnd(frames.n), b = (unsigned)rnd(frames.n);
    struct piece p;

    if (frames.n == 0)
        return;
    p = frames.f[a];
    frames.f[a] = frames.f[b];
    frames.f[b] = p;
}

static void
header_change(void)
{
    struct piece *p = &frames.f[rnd(frames.n)];

    if (frames.n == 0)
        return;
    switch (rnd(8)) {
    case 0:
        p->h.op = (uint16_t)op_pick();
        break;
    case 1:
        p->h.reserved = (uint16_t)number();
        break;
    default:
        p->h.tag = p->h.tag ? 0 : 1 + rnd(9);
    }
}

static void
switches_change(void)
{
    if (chance(50))
        frames.switches[0] ^= 1u << rnd(4);
    else
        frames.switches[1 + rnd(3)] = (uint8_t)rnd(128);
}

static void
mutate_once(void)
{
    uint64_t what = rnd(100);

    if (what < 35)
        frame_insert();
    else if (what < 75)
        field_change();
    else if (what < 83)
        frame_drop();
    else if (what < 89)
        frame_copy();
    else if (what < 94)
        frame_swap();
    else if (what < 99)
        header_change();
    else
        switches_change();
}

/* ---- inputs ------------------------------------------------------------------------ */

static void
frames_add(const uint8_t *data, size_t size, unsigned max)
{
    while (size >= sizeof(struct frame_header) && frames.n < max) {
        struct piece *p = &frames.f[frames.n++];

        memcpy(&p->h, data, sizeof p->h);
        data += sizeof p->h;
        size -= sizeof p->h;
        p->len = p->h.size < sizeof p->h ? 0 : (p->h.size - sizeof p->h) / 8 * 8;
        if (p->len > size)
            p->len = size / 8 * 8;
        p->body = arena + arena_used;
        if (arena_used + p->len > sizeof arena / 2)
            p->len = 0;
        memcpy(p->body, data, p->len);
        arena_used += p->len;
        data += p->h.size < sizeof p->h ? 0 : p->len;
        size -= p->h.size < sizeof p->h ? 0 : p->len;
    }
}

static void
frames_load(const uint8_t *data, size_t size)
{
    arena_used = 0;
    memset(&frames, 0, sizeof frames);
    memcpy(frames.switches, data, size < FRAME_SWITCHES ? size : FRAME_SWITCHES);
}

static size_t
frames_store(uint8_t *out, size_t max)
{
    size_t at = FRAME_SWITCHES;

    if (max < at)
        return 0;
    memcpy(out, frames.switches, FRAME_SWITCHES);
    for (unsigned i = 0; i < frames.n; i++) {
        const struct piece *p = &frames.f[i];

        if (at + sizeof p->h + p->len > max)
            break;
        memcpy(out + at, &p->h, sizeof p->h);
        memcpy(out + at + sizeof p->h, p->body, p->len);
        at += sizeof p->h + p->len;
    }
    return at;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    if (chance(5) || max_size < FRAME_SWITCHES)
        return LLVMFuzzerMutate(data, size, max_size);
    frames_load(data, size);
    if (size > FRAME_SWITCHES)
        frames_add(data + FRAME_SWITCHES, size - FRAME_SWITCHES, FRAMES_MAX);
    for (uint64_t n = 1 + rnd(3); n > 0; n--)
        mutate_once();
    return frames_store(data, max_size);
}

size_t
LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
                          uint8_t *out, size_t max_out, unsigned seed)
{
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    frames_load(a, na);
    if (na > FRAME_SWITCHES)
        frames_add(a + FRAME_SWITCHES, na - FRAME_SWITCHES,
                   1 + (unsigned)rnd(FRAMES_MAX / 2));
    if (nb > FRAME_SWITCHES)
        frames_add(b + FRAME_SWITCHES, nb - FRAME_SWITCHES, FRAMES_MAX);
    return frames_store(out, max_out);
}
