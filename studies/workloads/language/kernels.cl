/* SPDX-License-Identifier: MIT */
/*
 * What a language model computes beside the products of common/gemm.cl. A batch has one
 * row for each word, step after step and within a step text after text:
 * row = step * batch + text.
 *
 * Each output element is summed by one work-item, or one work-group, in a fixed order: no
 * atomics, so the same seed gives the same bits. Ranges are one-dimensional, rounded up
 * to whole work-groups; work-items past the end do nothing.
 */
#define SOFTMAX_ITEMS 64

/* What a row is: its word, the one to foretell, and the rows with the same word. */
struct row {
    int word, label;
    int is_first; /* of the rows with its word */
    int next;     /* with its word, or -1 */
};

/*
 * Takes the words at `at` and on from each of the `batch` texts, which lie one after
 * another in `words` and are `length` long.
 */
kernel void
take_words(global const ushort *words, int length, int at, int batch, int rows,
           global struct row *out)
{
    const int row = get_global_id(0);
    struct row r = {.is_first = 1, .next = -1};

    if (row >= rows)
        return;
    words += at;
    r.word = words[row % batch * length + row / batch];
    r.label = words[row % batch * length + row / batch + 1];
    for (int i = 0; i < row && r.is_first; i++)
        r.is_first = words[i % batch * length + i / batch] != r.word;
    for (int i = row + 1; i < rows && r.next < 0; i++)
        if (words[i % batch * length + i / batch] == r.word)
            r.next = i;
    out[row] = r;
}

/* x[row][units] = the vector of the row's word. */
kernel void
embed(global const float *table, global const struct row *rows, global float *x,
      int count, int units)
{
    const int id = get_global_id(0), row = id / units;

    if (row < count)
        x[id] = table[rows[row].word * units + id % units];
}

float
logistic(float x)
{
    return 1.0f / (1.0f + exp(-x));
}

/*
 * One step of an LSTM layer (Hochreiter, Schmidhuber 1997, with the forget gate of Gers
 * et al. 2000). gates[text][4][units] hold the sums for input gate, candidate, forget and
 * output gate, and get what becomes of them. cells and out hold the step before at
 * `before`, and get this step `len` = batch * units elements behind it.
 */
kernel void
cell(global float *gates, int gates_at, global float *cells, global float *out,
     int before, int len, int units)
{
    const int id = get_global_id(0);
    float i, g, f, o, c;

    if (id >= len)
        return;
    gates += gates_at + id / units * 4 * units + id % units;
    i = logistic(gates[0]);
    g = tanh(gates[units]);
    f = logistic(gates[2 * units]);
    o = logistic(gates[3 * units]);
    c = f * cells[before + id] + i * g;
    gates[0] = i;
    gates[units] = g;
    gates[2 * units] = f;
    gates[3 * units] = o;
    cells[before + len + id] = c;
    out[before + len + id] = o * tanh(c);
}

/*
 * The gradient of a step of `cell`: from out_grad, which lies like its out, and
 * cells_grad[len], which becomes that of the step before. It replaces what is in gates.
 */
kernel void
cell_grad(global float *gates, int gates_at, global const float *cells,
          global const float *out_grad, global float *cells_grad, int before, int len,
          int units)
{
    const int id = get_global_id(0);
    float i, g, f, o, t, dh, dc;

    if (id >= len)
        return;
    gates += gates_at + id / units * 4 * units + id % units;
    i = gates[0];
    g = gates[units];
    f = gates[2 * units];
    o = gates[3 * units];
    t = tanh(cells[before + len + id]);
    dh = out_grad[before + len + id];
    dc = cells_grad[id] + dh * o * (1.0f - t * t);
    gates[0] = dc * g * i * (1.0f - i);
    gates[units] = dc * i * (1.0f - g * g);
    gates[2 * units] = dc * cells[before + id] * f * (1.0f - f);
    gates[3 * units] = dh * t * o * (1.0f - o);
    cells_grad[id] = dc * f;
}

float
largest_of(floatn v)
{
    float lane[TN], best;

    vstoren(v, 0, lane);
    best = lane[0];
    for (int i = 1; i < TN; i++)
        best = fmax(best, lane[i]);
    return best;
}

float
sum_of(floatn v)
{
    float lane[TN], sum = 0.0f;

    vstoren(v, 0, lane);
    for (int i = 0; i < TN; i++)
        sum += lane[i];
    return sum;
}

/*
 * Softmax and cross-entropy of a row, by one work-group. The gradient takes the place of
 * the logits; it is that of `scale` times the loss.
 */
kernel void
softmax_loss(global float *logits, global const struct row *rows, global float *loss,
             int words, float scale)
{
    const int row = get_group_id(0), item = get_local_id(0), items = get_local_size(0);
    const int label = rows[row].label;
    local float most_of[SOFTMAX_ITEMS], sum_by[SOFTMAX_ITEMS];
    floatn most = (floatn)(-INFINITY), sums = (floatn)(0.0f);
    float best = -INFINITY, sum = 0.0f, at_label;

    logits += row * words;
    for (int i = item * TN; i < words; i += items * TN)
        most = fmax(most, load_columns(logits + i, words - i, -INFINITY));
    most_of[item] = largest_of(most);
    at_label = logits[label];
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    for (int i = 0; i < items; i++)
        best = fmax(best, most_of[i]);

    for (int i = item * TN; i < words; i += items * TN) {
        const floatn e = exp(load_columns(logits + i, words - i, -INFINITY) - best);

        store_columns(e, logits + i, words - i);
        sums += e;
    }
    sum_by[item] = sum_of(sums);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < items; i++)
        sum += sum_by[i];

    for (int i = item * TN; i < words; i += items * TN) {
        const floatn e = load_columns(logits + i, words - i, 0.0f);

        store_columns(e * (scale / sum), logits + i, words - i);
        if (label >= i && label < i + TN)
            logits[label] -= scale;
    }
    if (!item)
        loss[row] = log(sum) - (at_label - best);
}

/*
 * The gradient of embed: in the first row with a word, the sum over all of them. In place:
 * another row is read only by the first one with its word.
 */
kernel void
embed_grad(global float *x_grad, global const struct row *rows, int count, int units)
{
    const int id = get_global_id(0), row = id / units;
    float sum;

    if (row >= count || !rows[row].is_first)
        return;
    sum = x_grad[id];
    for (int i = rows[row].next; i >= 0; i = rows[i].next) {
        sum += x_grad[i * units + id % units];
        x_grad[i * units + id % units] = 0.0f;
    }
    x_grad[id] = sum;
}

/* parts[at ...] = the sums of the squares of each `chunk` elements, a multiple of TN. */
kernel void
sum_squares(global const float *grad, int len, int chunk, global float *parts, int at)
{
    const int begin = get_global_id(0) * chunk, end = min(len, begin + chunk);
    floatn sum = (floatn)(0.0f);

    if (begin >= len)
        return;
    for (int i = begin; i < end; i += TN) {
        const floatn g = load_columns(grad + i, end - i, 0.0f);

        sum = fma(g, g, sum);
    }
    parts[at + get_global_id(0)] = sum_of(sum);
}

/* scale[0] = what makes the norm, whose squares are in parts, at most `most`. */
kernel void
clip(global const float *parts, int count, float most, global float *scale)
{
    float sum = 0.0f;

    if (get_global_id(0))
        return;
    for (int i = 0; i < count; i++)
        sum += parts[i];
    scale[0] = sqrt(sum) > most ? most / sqrt(sum) : 1.0f;
}

kernel void
descend(global float *value, global const float *grad, int len, global const float *scale,
        float rate)
{
    const int i = get_global_id(0);

    if (i < len)
        value[i] -= rate * scale[0] * grad[i];
}

/* The same for the vectors of a batch's words. */
kernel void
descend_words(global float *table, global const float *x_grad,
              global const struct row *rows, int count, int units,
              global const float *scale, float rate)
{
    const int id = get_global_id(0), row = id / units;

    if (row < count && rows[row].is_first)
        table[rows[row].word * units + id % units] -= rate * scale[0] * x_grad[id];
}
