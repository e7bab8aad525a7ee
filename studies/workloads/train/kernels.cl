/* SPDX-License-Identifier: MIT */
/*
 * All that the trainer computes. Activations are NHWC: one row per image (dense) or per
 * pixel (convolution), the channels innermost, so that a convolution is a matrix product
 * over the patches that im2col lays out. Weights are [inputs][outputs].
 *
 * Each output element is summed by one work-item in a fixed order: no atomics, so the
 * same seed gives the same bits. Every kernel has a one-dimensional range, rounded up
 * to whole work-groups, and ignores the work-items past its end. The products are those
 * of common/gemm.cl.
 */
/* Adds up what gemm_tn and sum_columns left in parts. */
kernel void
sum_parts(global const float *parts, global float *out, int len, int count)
{
    const int i = get_global_id(0);
    float sum = 0.0f;

    if (i >= len)
        return;
    for (int part = 0; part < count; part++)
        sum += parts[part * len + i];
    out[i] = sum;
}

/* Picks the images order[first ...], as 0 to 1, with their labels. */
kernel void
gather(global const uchar *images, global const uchar *labels, global const uint *order,
       int first, int count, int pixels, global float *x, global uchar *y)
{
    const int id = get_global_id(0), image = id / pixels, pixel = id % pixels;
    const uint from = order[first + min(image, count - 1)];

    if (image >= count)
        return;
    x[id] = (float)images[from * pixels + pixel] * (1.0f / 255.0f);
    if (!pixel)
        y[image] = labels[from];
}

/*
 * patches[image][y][x][dy][dx][c] = in[image][y + dy - k/2][x + dx - k/2][c], zero
 * outside (padding SAME). One work-item copies one dy: k pixels that lie in a row.
 */
kernel void
im2col(global const float *in, global float *patches, int images, int h, int w, int c,
       int k)
{
    const int id = get_global_id(0), dy = id % k, pixel = id / k;
    const int x = pixel % w, y = pixel / w % h, image = pixel / (w * h);
    const int from_y = y + dy - k / 2, from_x = x - k / 2;
    const int begin = max(0, -from_x) * c, end = min(k, w - from_x) * c;
    const int inside = from_y >= 0 && from_y < h;

    if (image >= images)
        return;
    patches += id * k * c;
    in += ((image * h + (inside ? from_y : 0)) * w + from_x) * c;
    for (int i = 0; i < k * c; i++)
        patches[i] = inside && i >= begin && i < end ? in[i] : 0.0f;
}

/* The gradient of im2col: each input element sums the patches that it is part of. */
kernel void
col2im(global const float *patches, global float *out, int images, int h, int w, int c,
       int k)
{
    const int id = get_global_id(0), channel = id % c, pixel = id / c;
    const int x = pixel % w, y = pixel / w % h, image = pixel / (w * h);
    float sum = 0.0f;

    if (image >= images)
        return;
    for (int dy = max(0, y + k / 2 - h + 1); dy < min(k, y + k / 2 + 1); dy++)
        for (int dx = max(0, x + k / 2 - w + 1); dx < min(k, x + k / 2 + 1); dx++) {
            const int row = (image * h + y - dy + k / 2) * w + x - dx + k / 2;

            sum += patches[((row * k + dy) * k + dx) * c + channel];
        }
    out[id] = sum;
}

/* In place: no gradient where the output was cut off. */
kernel void
relu_grad(global float *dout, global const float *out, int len)
{
    const int i = get_global_id(0);

    if (i < len && !(out[i] > 0.0f))
        dout[i] = 0.0f;
}

/* The finalizer of MurmurHash3: every bit of the result depends on every bit of x. */
uint
scramble(uint x)
{
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

/*
 * Keeps an element with the probability `keep` and scales it, by a hash of its place
 * and the step's key: the backward pass finds the same mask again.
 */
kernel void
dropout(global const float *in, global float *out, int len, uint key, float keep)
{
    const int i = get_global_id(0);

    if (i < len) {
        const float draw = (float)(scramble((uint)i ^ key) >> 8) * 0x1p-24f;

        out[i] = draw < keep ? in[i] / keep : 0.0f;
    }
}

/* Softmax and cross-entropy; the gradient is that of the mean over the batch. */
kernel void
softmax_loss(global const float *logits, global const uchar *labels,
             global float *dlogits, global float *loss, global uchar *hits,
             int first_hit, int count, int classes)
{
    const int image = get_global_id(0);
    int best = 0;
    float sum = 0.0f;

    if (image >= count)
        return;
    logits += image * classes;
    dlogits += image * classes;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    for (int i = 0; i < classes; i++)
        sum += exp(logits[i] - logits[best]);
    for (int i = 0; i < classes; i++)
        dlogits[i] = (exp(logits[i] - logits[best]) / sum - (i == labels[image])) / count;
    loss[image] = log(sum) - (logits[labels[image]] - logits[best]);
    hits[first_hit + image] = best == labels[image];
}

/* Adam (Kingma, Ba 2015), in the form of the end of its section 2: rate is corrected. */
kernel void
adam(global float *value, global const float *grad, global float *mean, global float *var,
     int len, float rate)
{
    const int i = get_global_id(0);

    if (i < len) {
        const float g = grad[i];
        const float m = mean[i] + 0.1f * (g - mean[i]);
        const float v = var[i] + 0.001f * (g * g - var[i]);

        mean[i] = m;
        var[i] = v;
        value[i] -= rate * m / (sqrt(v) + 1e-8f);
    }
}

/* Of a window before the first of `size` elements: SAME padding, the smaller half. */
int
padding(int size, int window, int stride)
{
    return max(0, ((size + stride - 1) / stride - 1) * stride + window - size) / 2;
}

/*
 * Max-pooling over windows that may overlap; h and w are those of the input. `from`
 * notes which one won: the first of equals.
 */
kernel void
pool(global const float *in, global float *out, global uchar *from, int images, int h,
     int w, int c, int window, int stride)
{
    const int out_h = (h + stride - 1) / stride, out_w = (w + stride - 1) / stride;
    const int id = get_global_id(0), channel = id % c, pixel = id / c;
    const int row = pixel / out_w, image = row / out_h;
    const int x = pixel % out_w * stride - padding(w, window, stride);
    const int y = row % out_h * stride - padding(h, window, stride);
    float best = -INFINITY;
    uchar won = 0;

    if (image >= images)
        return;
    in += image * h * w * c + channel;
    for (int i = max(0, y); i < min(h, y + window); i++)
        for (int j = max(0, x); j < min(w, x + window); j++) {
            const float value = in[(i * w + j) * c];

            if (value > best) {
                best = value;
                won = (i - y) * window + j - x;
            }
        }
    out[id] = best;
    from[id] = won;
}

/* Each input element sums over the windows, in order, that it has won. */
kernel void
pool_grad(global const float *dout, global const uchar *from, global float *din,
          int images, int h, int w, int c, int window, int stride)
{
    const int out_h = (h + stride - 1) / stride, out_w = (w + stride - 1) / stride;
    const int id = get_global_id(0), channel = id % c, pixel = id / c;
    const int row = pixel / w, image = row / h;
    const int x = pixel % w + padding(w, window, stride);
    const int y = row % h + padding(h, window, stride);
    const int last_i = min(out_h - 1, y / stride), last_j = min(out_w - 1, x / stride);
    float sum = 0.0f;

    if (image >= images)
        return;
    for (int i = last_i; i >= 0 && y - i * stride < window; i--)
        for (int j = last_j; j >= 0 && x - j * stride < window; j--) {
            const int at = ((image * out_h + i) * out_w + j) * c + channel;

            if (from[at] == (y - i * stride) * window + x - j * stride)
                sum += dout[at];
        }
    din[id] = sum;
}

/* Local response normalization: out = in / scale^(3/4), over the channels around. */
kernel void
lrn(global const float *in, global float *out, global float *scale, int len, int c,
    int radius, float alpha)
{
    const int id = get_global_id(0), channel = id % c, first = id - channel;
    float sum = 0.0f, root;

    if (id >= len)
        return;
    for (int i = max(0, channel - radius); i < min(c, channel + radius + 1); i++)
        sum += in[first + i] * in[first + i];
    scale[id] = 1.0f + alpha * sum;
    root = 1.0f / sqrt(scale[id]);
    out[id] = in[id] * root * sqrt(root);
}

/* An element counts in the scale of each channel around it, so all of these answer. */
kernel void
lrn_grad(global const float *in, global const float *out, global const float *scale,
         global const float *dout, global float *din, int len, int c, int radius,
         float alpha)
{
    const int id = get_global_id(0), channel = id % c, first = id - channel;
    float sum = 0.0f, root;

    if (id >= len)
        return;
    for (int i = max(0, channel - radius); i < min(c, channel + radius + 1); i++)
        sum += dout[first + i] * out[first + i] / scale[first + i];
    root = 1.0f / sqrt(scale[id]);
    din[id] = dout[id] * root * sqrt(root) - 1.5f * alpha * in[id] * sum;
}

/*
 * Picks the images order[first ...], of image_h x image_w and channel after channel,
 * and cuts h x w out of each: somewhere and perhaps flipped, by a hash of its place and
 * the step's key, or else out of the middle. Pixels come to about -2 to 2.
 */
kernel void
crop(global const uchar *images, global const uchar *labels, global const uint *order,
     int first, int count, int image_h, int image_w, int h, int w, int c, int random,
     uint key, global float *out, global uchar *y)
{
    const int id = get_global_id(0), channel = id % c, pixel = id / c;
    const int image = pixel / (w * h), room_h = image_h - h, room_w = image_w - w;
    const uint draw = scramble((uint)image ^ key);
    const int at_y = random ? (draw & 0xfff) % (room_h + 1) : room_h / 2;
    const int at_x = random ? (draw >> 12 & 0xfff) % (room_w + 1) : room_w / 2;
    const int flip = random && draw >> 31;
    const int x = flip ? w - 1 - pixel % w : pixel % w;
    const int row = at_y + pixel / w % h, col = at_x + x;
    uint from;

    if (image >= count)
        return;
    from = order[first + image];
    out[id] = ((float)images[((from * c + channel) * image_h + row) * image_w + col] -
               128.0f) * (1.0f / 64.0f);
    if (id % (c * w * h) == 0)
        y[image] = labels[from];
}
