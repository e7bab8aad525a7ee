/* SPDX-License-Identifier: MIT */
/* Pixels, by what geometry.cl has made ready: which triangle, and what colour. */

/* The nearest so far of each lane. */
struct nearest {
    floatn nearness;
    intn face;
    uintn surface;
};

/* x if it is within, else the bound: no care for NaN, and so two instructions. */
floatn
bounded(floatn x, floatn low, floatn high)
{
    const floatn above = x > low ? x : low;

    return above < high ? above : high;
}

void
draw_row(struct nearest *n, intn outside, floatn nearness, int id, uint surface)
{
    const intn take = (outside >= 0) & ((nearness > n->nearness) |
                                        ((nearness == n->nearness) & (id < n->face)));

    n->nearness = select(n->nearness, nearness, take);
    n->face = select(n->face, (intn)(id), take);
    n->surface = select(n->surface, (uintn)(surface), take);
}

/* Draws into the item's rows, which begin at (x, y) of the tile, which begins at that pixel. */
void
draw(struct nearest n[ROWS], global const struct face *f, int4 entry, int2 tile, int x, int y)
{
    const int from = max(entry.w >> 4 & 15, y), to = min(entry.w & 15, y + ROWS - 1);
    const int from_x = (tile.x + x) * SUB + HALF - f->x, from_y = tile.y * SUB + HALF - f->y;
    const floatn begin = fma((floatn)(f->across * SUB), to_floatn(RAMP),
                             f->nearness + f->across * from_x);
    const intn e0 = entry.x + f->a0 * (x + RAMP), e2 = entry.z + f->a2 * (x + RAMP);
    const intn e1 = entry.y - (f->a0 + f->a2) * (x + RAMP);

    for (int row = from; row <= to; row++) {
        const intn outside = (e0 + f->b0 * row) | (e1 - (f->b0 + f->b2) * row) |
                             (e2 + f->b2 * row);
        const floatn nearness = bounded(begin + f->down * (from_y + row * SUB), f->least, f->most);

        /* A GPU keeps n in registers, if each index is known when it is compiled. */
        draw_row(&n[ROWS == 1 ? 0 : row - y], outside, nearness, entry.w >> 8, f->surface);
    }
}

/* A work-group has a tile, each item rows or parts of them. */
kernel void
raster(global const struct face *faces, global const uint *first, global const int4 *entries,
       global int *seen, global uint *surfaces, int tiles_x, uint capacity, int tiles)
{
    const int number = get_global_id(0) / TILE_ITEMS, item = get_global_id(0) % TILE_ITEMS;
    const int x = item % (TILE / LANES) * LANES, y = item / (TILE / LANES) * ROWS;
    const int2 tile = (int2)(number % tiles_x, number / tiles_x) * TILE;
    const int stride = tiles_x * TILE, at = (tile.y + y) * stride + tile.x + x;
    struct nearest n[ROWS];

    if (number >= tiles)
        return;

    for (int i = 0; i < ROWS; i++) {
        n[i].nearness = 0.0f;
        n[i].face = NO_FACE;
        n[i].surface = NO_SURFACE;
    }
    for (uint k = first[number]; k < min(first[number + 1], capacity); k++) {
        const int4 entry = entries[k];

        draw(n, faces + (entry.w >> 8), entry, tile, x, y);
    }
    for (int i = 0; i < ROWS; i++) {
        vstoren(n[i].face, 0, seen + at + i * stride);
        vstoren(n[i].surface, 0, surfaces + at + i * stride);
    }
}

/* What the lanes of an item are made of. */
struct stuff {
    floatn x, y, z; /* normal, of any length */
    floatn red, green, blue, specular, gloss;
};

struct material {
    float red, green, blue, specular, gloss, unused[3];
};

/* Puts the face's normals into the lanes that see it. */
void
add_face(struct stuff *s, global const struct face *f, global const struct corner *corners,
         intn lanes, int from_x, int from_y)
{
    const float x = (float)from_x * f->inverse_area, y = (float)from_y * f->inverse_area;
    const float step = f->inverse_area * SUB;
    const floatn ramp = to_floatn(RAMP);
    const floatn t1 = fma((floatn)(f->a2 * step), ramp, f->a2 * x + f->b2 * y);
    const floatn t2 = fma((floatn)(f->a0 * step), ramp, f->a0 * x + f->b0 * y);
    const floatn u1 = bounded(t1, 0.0f, 1.0f), u2 = bounded(t2, 0.0f, 1.0f - u1);
    const float4 n0 = corners[f->corner[0]].normal;
    const float4 d1 = corners[f->corner[1]].normal - n0, d2 = corners[f->corner[2]].normal - n0;

    s->x = select(s->x, n0.x + u1 * d1.x + u2 * d2.x, lanes);
    s->y = select(s->y, n0.y + u1 * d1.y + u2 * d2.y, lanes);
    s->z = select(s->z, n0.z + u1 * d1.z + u2 * d2.z, lanes);
}

void
add_material(struct stuff *s, global const struct material *m, intn lanes)
{
    s->red = select(s->red, (floatn)(m->red), lanes);
    s->green = select(s->green, (floatn)(m->green), lanes);
    s->blue = select(s->blue, (floatn)(m->blue), lanes);
    s->specular = select(s->specular, (floatn)(m->specular), lanes);
    s->gloss = select(s->gloss, (floatn)(m->gloss), lanes);
}

floatn
square(floatn x)
{
    return x * x;
}

/* 1 / sqrt(x) to 5e-6: that of a vector is computed element by element on some CPUs. */
floatn
inverse_root(floatn x)
{
    const floatn half_x = 0.5f * x;
    floatn y = as_floatn(0x5f3759df - (as_intn(x) >> 1));

    y *= 1.5f - half_x * y * y;
    return y * (1.5f - half_x * y * y);
}

/* Phong's model: what comes off a surface diffusely, and its highlight. */
struct light {
    floatn diffuse, highlight;
};

struct light
lit(struct stuff s, global const float4 *lights, int light_count, floatn vx, floatn vy, float vz,
    int two_sided)
{
    const floatn view = inverse_root(vx * vx + vy * vy + vz * vz);
    const floatn facing = s.x * vx + s.y * vy + s.z * vz;
    const floatn length = inverse_root(max(s.x * s.x + s.y * s.y + s.z * s.z, 1e-20f));
    const floatn flip = two_sided ? select(length, -length, facing < 0.0f) : length;
    const floatn x = s.x * flip, y = s.y * flip, z = s.z * flip;
    const floatn towards = facing * flip * view;
    /* The sky is brighter than the ground. */
    struct light sum = {0.14f + 0.09f * y, (floatn)(0.0f)};

    for (int i = 0; i < light_count; i++) {
        const float4 light = lights[i];
        const floatn cosine = x * light.x + y * light.y + z * light.z;
        const floatn at_eye = (vx * light.x + vy * light.y + vz * light.z) * view;
        const floatn mirrored = bounded(2.0f * cosine * towards - at_eye, 0.0f, 1.0f);
        const floatn wide = square(square(square(mirrored)));
        const floatn narrow = square(square(wide));
        const floatn spot = wide + s.gloss * (narrow - wide);

        sum.diffuse += light.w * max(cosine, 0.0f);
        sum.highlight += light.w * select((floatn)(0.0f), spot, cosine > 0.0f);
    }
    return sum;
}

/* Linear light to a byte: the square root is near enough to what screens do. */
uintn
to_byte(floatn x)
{
    const floatn light = bounded(x, 1e-6f, 1.0f);

    return to_uintn(light * inverse_root(light) * 255.0f + 0.5f);
}

/* Lanes whose right or lower neighbour is of another surface. */
intn
edge_lanes(global const uint *surfaces, int at, int stride, int x, int y, int width, int height)
{
    const uintn here = vloadn(0, surfaces + at), right = vloadn(0, surfaces + at + 1);
    const uintn below = vloadn(0, surfaces + at + stride);

    return ((here != right) & (x + RAMP + 1 < width)) |
           ((here != below) & (intn)(y + 1 < height ? -1 : 0));
}

/* The rows of the image are stride long, a multiple of a tile's; so are those of seen. */
kernel void
shade(global const int *seen, global const uint *surfaces, global const struct face *faces,
      global const struct corner *corners, global const struct material *materials,
      global const float4 *lights, int light_count, global uint *image, int stride, int width,
      int height, float focal, float centre_x, float centre_y, int two_sided, int edges)
{
    const int at = get_global_id(0) * LANES, y = at / stride, x = at % stride;
    const float up = 1.0f - (y + 0.5f) / height;
    struct stuff s = {0};
    int last = NO_FACE, last_kind = -1;

    if (y >= height)
        return;

    for (int i = 0; i < LANES; i++) {
        const int id = seen[at + i], kind = surfaces[at + i] >> 24;

        if (id == last || id == NO_FACE)
            continue;
        last = id;
        add_face(&s, faces + id, corners, vloadn(0, seen + at) == id,
                 x * SUB + HALF - faces[id].x, y * SUB + HALF - faces[id].y);
        if (kind == last_kind)
            continue;
        last_kind = kind;
        add_material(&s, materials + kind, as_intn(vloadn(0, surfaces + at) >> 24) == kind);
    }

    const intn behind = vloadn(0, seen + at) == NO_FACE;
    floatn red = 0.30f + 0.40f * up, green = 0.38f + 0.40f * up, blue = 0.48f + 0.40f * up;

    if (last != NO_FACE) {
        const floatn vx = centre_x - 0.5f - to_floatn(x + RAMP);
        const floatn vy = y + 0.5f - centre_y;
        const struct light light = lit(s, lights, light_count, vx, vy, focal, two_sided);
        const floatn highlight = s.specular * light.highlight;

        red = select(fma(s.red, light.diffuse, highlight), red, behind);
        green = select(fma(s.green, light.diffuse, highlight), green, behind);
        blue = select(fma(s.blue, light.diffuse, highlight), blue, behind);
    }
    if (edges) {
        const intn edge = edge_lanes(surfaces, at, stride, x, y, width, height);
        const floatn dark = select((floatn)(1.0f), (floatn)(0.12f), edge);

        red *= dark;
        green *= dark;
        blue *= dark;
    }
    vstoren(to_byte(red) | to_byte(green) << 8 | to_byte(blue) << 16 | 0xff000000u, 0,
            image + at);
}
