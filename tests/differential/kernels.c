/* SPDX-License-Identifier: MIT */
#include "kernels.h"

const char *const sources[SOURCES] = {
    "kernel void scramble(global uint *p, uint seed)\n"
    "{\n"
    "    size_t i = get_global_id(0);\n"
    "    uint x = (p[i] ^ (seed + (uint)i)) * 2654435761u;\n"
    "    p[i] = x ^ (x >> 15);\n"
    "}\n"
    "kernel void add(global uint *p, global const uint *q, uint n)\n"
    "{\n"
    "    size_t i = get_global_id(0);\n"
    "    p[i] += q[i] * 3 + n;\n"
    "}\n"
    "kernel void reduce(global uint *p, global const uint *q, local uint *t)\n"
    "{\n"
    "    size_t i = get_local_id(0);\n"
    "    t[i] = q[get_global_id(0)];\n"
    "    for (size_t n = get_local_size(0) / 2; n; n /= 2) {\n"
    "        barrier(CLK_LOCAL_MEM_FENCE);\n"
    "        if (i < n)\n"
    "            t[i] += t[i + n];\n"
    "    }\n"
    "    if (i == 0)\n"
    "        p[get_group_id(0)] = t[0];\n"
    "}\n",
    "kernel void ids2d(global uint *p)\n"
    "{\n"
    "    size_t x = get_global_id(0), y = get_global_id(1);\n"
    "    p[y * 8 + x] += (uint)(x * 100 + y * 10 + get_global_size(1) + "
    "get_work_dim());\n"
    "}\n"
    "kernel void ids3d(global uint *p)\n"
    "{\n"
    "    size_t x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);\n"
    "    p[(z * 4 + y) * 4 + x] ^= (uint)(x * 100 + y * 10 + z + get_num_groups(2));\n"
    "}\n"
    "kernel void offsets(global uint *p)\n"
    "{\n"
    "    p[get_global_id(0)] += (uint)(get_global_id(0) * 7 + get_global_offset(0));\n"
    "}\n"
    "kernel void tally(global uint *p, global const uint *q)\n"
    "{\n"
    "    atomic_add(&p[q[get_global_id(0)] % 16], (uint)get_global_id(0) + 1);\n"
    "    atomic_max(&p[16], q[get_global_id(0)]);\n"
    "}\n",
    "kernel void option(global uint *p)\n"
    "{\n"
    "    p[get_global_id(0)] = p[get_global_id(0)] * K + 1;\n"
    "}\n",
    "struct record { uint a; uchar b; ushort c; uint d[4]; };\n"
    "kernel void blend(global uint *p, struct record r)\n"
    "{\n"
    "    size_t i = get_global_id(0);\n"
    "    p[i] = p[i] * (r.a | 1) + r.b * r.c + r.d[i % 4];\n"
    "}\n",
    "kernel void pixels(read_only image2d_t a, sampler_t s, write_only image2d_t b)\n"
    "{\n"
    "    int2 at = (int2)((int)get_global_id(0), (int)get_global_id(1));\n"
    "    if (at.x >= get_image_width(a) || at.y >= get_image_height(a) ||\n"
    "        at.x >= get_image_width(b) || at.y >= get_image_height(b))\n"
    "        return;\n"
    "    write_imageui(b, at, read_imageui(a, s, at) / 2 + 1);\n"
    "}\n",
};

const char linked_header[] = "#define TWIST 0x5bd1e995u\n"
                             "uint twist(uint x);\n";
const char linked_helper[] = "#include \"twist.h\"\n"
                             "uint twist(uint x) { return (x ^ (x >> 13)) * TWIST; }\n";
const char linked_main[] =
    "#include \"twist.h\"\n"
    "kernel void twisted(global uint *p)\n"
    "{\n"
    "    p[get_global_id(0)] = twist(p[get_global_id(0)] + TWIST);\n"
    "}\n";
const char broken_source[] =
    "kernel void broken(global uint *p) { p[0] = nothing_like_it; }\n";

const struct kind kinds[KINDS] = {
    {0, "scramble", "wu", 1, {64}, {16}, {0}},
    {0, "add", "wru", 1, {64}, {16}, {0}},
    {0, "reduce", "wrl", 1, {64}, {16}, {0}},
    {1, "ids2d", "w", 2, {8, 8}, {4, 2}, {0}},
    {1, "ids3d", "w", 3, {4, 4, 4}, {2, 2, 4}, {0}},
    {1, "offsets", "w", 1, {32}, {16}, {32}},
    {1, "tally", "wr", 1, {64}, {16}, {0}},
    {2, "option", "w", 1, {64}, {16}, {0}},
    {3, "blend", "ws", 1, {64}, {16}, {0}},
    {4, "pixels", "ipo", 2, {24, 12}, {8, 4}, {0}},
    {LINKED, "twisted", "w", 1, {64}, {16}, {0}},
};
