/* SPDX-License-Identifier: MIT */
/*
 * Products of matrices, which lie row after row. Each element is summed by one work-item
 * in a fixed order. Every kernel has a one-dimensional range, rounded up to whole
 * work-groups, and ignores the work-items past its end.
 *
 * TM and TN, the tile of a product that one work-item keeps in registers, come from the
 * build options.
 */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define floatn CAT(float, TN)
#define vloadn CAT(vload, TN)
#define vstoren CAT(vstore, TN)

/* TN columns of a row, or the `left` ones that there are and `rest` for the others. */
floatn
load_columns(global const float *p, int left, float rest)
{
    float lane[TN];

    if (left >= TN)
        return vloadn(0, p);
    for (int i = 0; i < TN; i++)
        lane[i] = i < left ? p[i] : rest;
    return vloadn(0, lane);
}

void
store_columns(floatn value, global float *p, int left)
{
    float lane[TN];

    if (left >= TN) {
        vstoren(value, 0, p);
        return;
    }
    vstoren(value, 0, lane);
    for (int i = 0; i < left; i++)
        p[i] = lane[i];
}

/*
 * Row and column of the tile of that number. Neighbours share the operand that is the
 * smaller one to keep in the cache.
 */
int2
tile_place(int tile, int tiles_m, int tiles_n)
{
    return tiles_m < tiles_n ? (int2)(tile % tiles_m * TM, tile / tiles_m * TN)
                             : (int2)(tile / tiles_n * TM, tile % tiles_n * TN);
}

/*
 * c[m][n] = a[m][k] b[k][n], then + bias[n] or what c held before, and ReLU, as asked. Of
 * the k only those from k_from on and before k_to; a and c begin at a_at and c_at.
 */
kernel void
gemm(global const float *a, int a_at, global const float *b, global float *c, int c_at,
     global const float *bias, int m, int n, int k, int k_from, int k_to, int add_bias,
     int add_c, int relu)
{
    const int tiles_m = (m + TM - 1) / TM, tiles_n = (n + TN - 1) / TN;
    const int2 place = tile_place(get_global_id(0), tiles_m, tiles_n);
    const int row = place.x, col = place.y, left = n - col;
    floatn sum[TM];
    int at[TM];

    if (get_global_id(0) >= tiles_m * tiles_n)
        return;

    c += c_at + col;
    for (int i = 0; i < TM; i++) {
        const int from = min(row + i, m - 1);

        sum[i] = add_bias ? load_columns(bias + col, left, 0.0f)
                 : add_c  ? load_columns(c + from * n, left, 0.0f)
                          : (floatn)(0.0f);
        at[i] = a_at + from * k;
    }
    for (int j = k_from; j < k_to; j++) {
        const floatn columns = load_columns(b + j * n + col, left, 0.0f);

        for (int i = 0; i < TM; i++)
            sum[i] = fma((floatn)(a[at[i] + j]), columns, sum[i]);
    }
    for (int i = 0; i < TM && row + i < m; i++)
        store_columns(relu ? fmax(sum[i], 0.0f) : sum[i], c + (row + i) * n, left);
}

/*
 * The gradient of weights: c[part][m][n] = a[k][m]^T b[k][n], where each part sums its
 * own `chunk` rows of the k. a begins at a_at.
 */
kernel void
gemm_tn(global const float *a, int a_at, global const float *b, global float *c, int m,
        int n, int k, int chunk)
{
    const int tiles_m = (m + TM - 1) / TM, tiles_n = (n + TN - 1) / TN;
    const int tiles = tiles_m * tiles_n, part = get_global_id(0) / tiles;
    const int2 place = tile_place(get_global_id(0) % tiles, tiles_m, tiles_n);
    const int row = place.x, col = place.y, left = n - col;
    const int end = min(k, (part + 1) * chunk);
    floatn sum[TM];
    int at[TM];

    if (part * chunk >= k)
        return;

    for (int i = 0; i < TM; i++) {
        sum[i] = (floatn)(0.0f);
        at[i] = a_at + min(row + i, m - 1);
    }
    for (int j = part * chunk; j < end; j++) {
        const floatn columns = load_columns(b + j * n + col, left, 0.0f);

        for (int i = 0; i < TM; i++)
            sum[i] = fma((floatn)(a[j * m + at[i]]), columns, sum[i]);
    }
    c += part * m * n;
    for (int i = 0; i < TM && row + i < m; i++)
        store_columns(sum[i], c + (row + i) * n + col, left);
}

/* parts[part][n] = the sums of the columns of `chunk` rows of a[m][n]. */
kernel void
sum_columns(global const float *a, global float *parts, int m, int n, int chunk)
{
    const int id = get_global_id(0), part = id / n, col = id % n;
    const int end = min(m, (part + 1) * chunk);
    float sum = 0.0f;

    if (part * chunk >= m)
        return;
    for (int row = part * chunk; row < end; row++)
        sum += a[row * n + col];
    parts[id] = sum;
}

/* out[n][m] = in[m][n]; one work-item moves a block of 16 x 16. */
kernel void
transpose(global const float *in, global float *out, int m, int n)
{
    const int blocks_n = (n + 15) / 16, id = get_global_id(0);
    const int row = id / blocks_n * 16, col = id % blocks_n * 16;
    const int rows = min(16, m - row), cols = min(16, n - col);

    for (int j = 0; j < cols; j++)
        for (int i = 0; i < rows; i++)
            out[(col + j) * m + row + i] = in[(row + i) * n + col + j];
}
