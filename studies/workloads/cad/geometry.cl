/* SPDX-License-Identifier: MIT */
/*
 * A rasteriser in tiles. One frame:
 *
 *   transform   vertices to the screen, in 1/256 of a pixel
 *   setup       triangles to edges and depth, and how many touch each tile
 *   scan        where each tile's list begins
 *   fill        the lists: in any order, since the nearest triangle wins whatever it is,
 *               and of two that are as near the one with the lower number
 *   raster      each pixel's triangle
 *   shade       each pixel's colour
 *
 * Whether a pixel's centre is in a triangle is computed in integers, and centres on an
 * edge belong to one of the two triangles there, so that a mesh has no cracks. Nearness,
 * 1 / distance along the view, is linear on the screen, and so is a normal times nearness.
 *
 * Each item of raster and shade has LANES pixels of a row, and raster ROWS of them (build
 * options): of a CPU a vector register, and a tile. Every kernel ignores the work-items
 * past its end. Here is what goes before raster; the rest is in pixels.cl, one program
 * with this.
 */
#define TILE 16
#define SUB_BITS 8
#define SUB (1 << SUB_BITS)
#define HALF (SUB / 2)
#define GUARD (1 << 22)     /* no vertex lies farther out: edges fit 32 bits within a tile */
#define FAR (1L << 29)      /* an edge that far away does not come back within a tile */
#define SCAN_ITEMS 64
#define TILE_ITEMS (TILE / ROWS * (TILE / LANES))
#define NO_FACE (-1)
#define NO_SURFACE 0xffffffffu

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define intn CAT(int, LANES)
#define uintn CAT(uint, LANES)
#define floatn CAT(float, LANES)
#define vloadn CAT(vload, LANES)
#define vstoren CAT(vstore, LANES)
#define to_floatn CAT(convert_float, LANES)
#define to_uintn CAT(convert_uint, LANES)
#define as_intn CAT(as_int, LANES)
#define as_floatn CAT(as_float, LANES)
#if LANES == 16
#define RAMP ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#else
#define RAMP ((int4)(0, 1, 2, 3))
#endif

struct vertex {
    float x, y, z;
    uint body;
    float nx, ny, nz;
    uint unused;
};

/* A vertex on the screen; not visible: nearness 0. */
struct corner {
    int x, y;
    float nearness, unused;
    float4 normal; /* in the camera's space, times nearness */
};

/*
 * A triangle that is seen, with all that is needed of it in one line of a cache. Edge i goes
 * from corner i to the next; edges 0 and 2 meet in corner 0, at (x, y). Inside is where each
 * edge has 0 or more in a (px - its corner's x) + b (py - its corner's y), and the third
 * edge's a and b are what is missing to a sum of zero.
 */
struct face {
    int a0, a2, b0, b2, x, y;
    float nearness, across, down; /* at corner 0, and its growth per 1/SUB */
    float least, most;            /* its bounds */
    float inverse_area;
    uint corner[3], surface;
};

kernel void
transform(global const struct vertex *vertices, global struct corner *corners,
          global const float4 *bodies, float focal, float centre_x, float centre_y, int count)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;

    const struct vertex v = vertices[i];
    const float4 row0 = bodies[v.body * 3], row1 = bodies[v.body * 3 + 1];
    const float4 row2 = bodies[v.body * 3 + 2];
    const float3 normal = (float3)(v.nx, v.ny, v.nz);
    const float x = fma(row0.x, v.x, fma(row0.y, v.y, fma(row0.z, v.z, row0.w)));
    const float y = fma(row1.x, v.x, fma(row1.y, v.y, fma(row1.z, v.z, row1.w)));
    const float z = fma(row2.x, v.x, fma(row2.y, v.y, fma(row2.z, v.z, row2.w)));
    const float nearness = 1.0f / -z;
    const float screen_x = floor(fma(fma(focal * nearness, x, centre_x), (float)SUB, 0.5f));
    const float screen_y = floor(fma(fma(focal * nearness, -y, centre_y), (float)SUB, 0.5f));
    const bool seen = z < -0.01f && fabs(screen_x) < GUARD && fabs(screen_y) < GUARD;

    corners[i].x = seen ? (int)screen_x : 0;
    corners[i].y = seen ? (int)screen_y : 0;
    corners[i].nearness = seen ? nearness : 0.0f;
    corners[i].normal = nearness * (float4)(dot(row0.xyz, normal), dot(row1.xyz, normal),
                                            dot(row2.xyz, normal), 0.0f);
}

/* The pixels whose centres the three corners may have around them, within the image. */
int4
box_of(int2 p0, int2 p1, int2 p2, int width, int height)
{
    const int2 low = min(min(p0, p1), p2), high = max(max(p0, p1), p2);
    const int2 from = max((low + (HALF - 1)) >> SUB_BITS, 0);
    const int2 to = min((high - HALF) >> SUB_BITS, (int2)(width, height) - 1);

    return (int4)(from, to);
}

bool
box_is_empty(int4 box)
{
    return box.x > box.z || box.y > box.w;
}

/*
 * Centres on an edge belong to the triangle right of it or below. Of the other triangle they
 * are outside, by the least that there is.
 */
int
outside_on_edge(int a, int b)
{
    return a > 0 || (a == 0 && b > 0) ? 0 : 1;
}

/*
 * Whether some pixel's centre in that tile may be inside: each edge's best one is. And the
 * edges at the tile's first centre, in 1/SUB: whole pixels on they change by multiples of
 * SUB, so that what is below it is of no weight.
 */
bool
touches(const struct face f, int2 tile, int ret_edges[3])
{
    const long x = tile.x * TILE * SUB + HALF - f.x, y = tile.y * TILE * SUB + HALF - f.y;
    const long area = (long)f.b0 * f.a2 - (long)f.a0 * f.b2;
    const long e0 = f.a0 * x + f.b0 * y, e2 = f.a2 * x + f.b2 * y;
    const long e[3] = {e0, area - e0 - e2, e2};
    const int a[3] = {f.a0, -f.a0 - f.a2, f.a2}, b[3] = {f.b0, -f.b0 - f.b2, f.b2};

    for (int i = 0; i < 3; i++) {
        const long first = (e[i] - outside_on_edge(a[i], b[i])) >> SUB_BITS;

        if (first + (TILE - 1) * (max(a[i], 0) + max(b[i], 0)) < 0)
            return false;
        ret_edges[i] = clamp(first, -FAR, FAR);
    }
    return true;
}

void
set_nearness(struct face *f, float n0, float n1, float n2)
{
    const float d1 = (n1 - n0) * f->inverse_area, d2 = (n2 - n0) * f->inverse_area;

    f->nearness = n0;
    f->across = fma(d1, (float)f->a2, d2 * (float)f->a0);
    f->down = fma(d1, (float)f->b2, d2 * (float)f->b0);
    f->least = min(min(n0, n1), n2);
    f->most = max(max(n0, n1), n2);
}

/* Of corners around which it has that area, more than 0. */
struct face
face_of(int2 p0, int2 p1, int2 p2, long area)
{
    struct face f;

    f.a0 = p0.y - p1.y;
    f.b0 = p1.x - p0.x;
    f.a2 = p2.y - p0.y;
    f.b2 = p0.x - p2.x;
    f.x = p0.x;
    f.y = p0.y;
    f.inverse_area = 1.0f / (float)area;
    return f;
}

/* Twice its area on the screen; y points down, so front faces have less than 0. */
long
area_of(int2 p0, int2 p1, int2 p2)
{
    return (long)(p1.x - p0.x) * (p2.y - p0.y) - (long)(p1.y - p0.y) * (p2.x - p0.x);
}

kernel void
setup(global const uint4 *triangles, global const struct corner *corners,
      global struct face *faces, global int4 *boxes, global uint *counts, int width, int height,
      int tiles_x, int closed, int count)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;

    uint4 t = triangles[i];
    int2 p0 = (int2)(corners[t.x].x, corners[t.x].y);
    int2 p1 = (int2)(corners[t.y].x, corners[t.y].y);
    int2 p2 = (int2)(corners[t.z].x, corners[t.z].y);
    long area = area_of(p0, p1, p2);
    int4 box = box_of(p0, p1, p2, width, height);
    int at_tile[3];

    if (area == 0 || (closed && area > 0) || corners[t.x].nearness == 0.0f ||
        corners[t.y].nearness == 0.0f || corners[t.z].nearness == 0.0f)
        box = (int4)(0, 0, -1, -1);
    boxes[i] = box;
    if (box_is_empty(box))
        return;

    if (area < 0) {
        const int2 p = p1;

        p1 = p2;
        p2 = p;
        t = t.xzyw;
        area = -area;
    }
    struct face f = face_of(p0, p1, p2, area);

    set_nearness(&f, corners[t.x].nearness, corners[t.y].nearness, corners[t.z].nearness);
    f.corner[0] = t.x;
    f.corner[1] = t.y;
    f.corner[2] = t.z;
    f.surface = t.w;
    faces[i] = f;

    for (int y = box.y / TILE; y <= box.w / TILE; y++)
        for (int x = box.x / TILE; x <= box.z / TILE; x++)
            if (touches(f, (int2)(x, y), at_tile))
                atomic_inc(counts + y * tiles_x + x);
}

/*
 * One work-group. first[tile] and next[tile] become the sum of the counts before it, and
 * first[tiles] and the image's last word that of all: the host reads it with the pixels.
 */
kernel void
scan(global const uint *counts, global uint *first, global uint *next, global uint *image,
     int last_word, int tiles)
{
    local uint sums[SCAN_ITEMS];
    const int item = get_local_id(0), each = (tiles + SCAN_ITEMS - 1) / SCAN_ITEMS;
    const int from = min(item * each, tiles), to = min(from + each, tiles);
    uint sum = 0;

    for (int i = from; i < to; i++)
        sum += counts[i];
    sums[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);

    sum = 0;
    for (int i = 0; i < item; i++)
        sum += sums[i];
    for (int i = from; i < to; i++) {
        first[i] = sum;
        next[i] = sum;
        sum += counts[i];
    }
    if (item == SCAN_ITEMS - 1) {
        first[tiles] = sum;
        image[last_word] = sum;
    }
}

/*
 * An entry is the edges at the tile's first centre and, in one word, the triangle and its
 * first and last row in the tile.
 */
int4
entry_of(const int edges[3], int id, int from, int to)
{
    return (int4)(edges[0], edges[1], edges[2], id << 8 | max(from, 0) << 4 | min(to, TILE - 1));
}

/* What is past the capacity is left out. */
kernel void
fill(global const struct face *faces, global const int4 *boxes, global uint *next,
     global int4 *entries, int tiles_x, uint capacity, int count)
{
    const int i = get_global_id(0);
    int edges[3];

    if (i >= count)
        return;

    const int4 box = boxes[i];

    if (box_is_empty(box))
        return;

    const struct face f = faces[i];

    for (int y = box.y / TILE; y <= box.w / TILE; y++)
        for (int x = box.x / TILE; x <= box.z / TILE; x++) {
            if (!touches(f, (int2)(x, y), edges))
                continue;

            const uint at = atomic_inc(next + y * tiles_x + x);

            if (at < capacity)
                entries[at] = entry_of(edges, i, box.y - y * TILE, box.w - y * TILE);
        }
}
