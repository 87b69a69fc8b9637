/* Rows of a linear model: scores Z = X W, and their transpose, G += X' R.
 *
 * X: rows of a source, dense or CSR, of the room's own real. W (n_features, wide), Z and R (rows, wide) are
 * real, row by row; G (n_features, wide) is double whatever the real, because it adds up over all rows while
 * Z sums over one. wide is 1, or for CSR also a multiple of 16; of dense rows with several scores see scores.c.
 * With wide = 1 a row of X is read from memory once: the caller takes G of the same few rows while they are
 * in the cache.
 *
 * Sums run in the order of the lanes: the same for any number of threads, not for every ISA.
 */
#include "fastnn.h"
#include "softmax.h"

#define TOGETHER 4 /* rows of a dense product at a time */
#define COLUMNS 256 /* of G whose sums over rows wait in real */

INLINE int64_t place(const void *indices, int64_t bytes, int64_t k) {
    return bytes == 4 ? ((const int32_t *)indices)[k] : ((const int64_t *)indices)[k];
}

/* ---- dense rows, one column of W ---- */

/* rows is a constant wherever this is inlined. */
INLINE void dot_rows(int rows, const real *x, int64_t stride, int64_t n, const real *w, real *z) {
    vreal sum[TOGETHER][2];
    real rest[TOGETHER];
    int64_t j = 0;
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = splat(rest[i] = 0);
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        vreal a = load_real(w + j), b = load_real(w + j + LANES);
        for (int i = 0; i < rows; i++) {
            sum[i][0] = fma_real(load_real(x + i * stride + j), a, sum[i][0]);
            sum[i][1] = fma_real(load_real(x + i * stride + j + LANES), b, sum[i][1]);
        }
    }
    for (; j + LANES <= n; j += LANES)
        for (int i = 0; i < rows; i++)
            sum[i][0] = fma_real(load_real(x + i * stride + j), load_real(w + j), sum[i][0]);
    for (; j < n; j++)
        for (int i = 0; i < rows; i++) rest[i] += x[i * stride + j] * w[j];
    for (int i = 0; i < rows; i++) z[i] = lanes_sum(sum[i][0] + sum[i][1]) + rest[i];
}

/* sum[j] += sum over rows of r x_j, j < n <= COLUMNS */
INLINE void add_block(int rows, const real *x, int64_t stride, int64_t n, const real *r, real *sum) {
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vreal total = load_real(sum + j);
        for (int i = 0; i < rows; i++) total = fma_real(splat(r[i]), load_real(x + i * stride + j), total);
        store_real(sum + j, total);
    }
    for (; j < n; j++)
        for (int i = 0; i < rows; i++) sum[j] += r[i] * x[i * stride + j];
}

static void add_dense(const real *x, int64_t stride, int64_t n, int64_t n_rows, const real *r, double *g) {
    for (int64_t c = 0; c < n; c += COLUMNS) {
        int64_t width = n - c < COLUMNS ? n - c : COLUMNS, i = 0;
        real sum[COLUMNS] ALIGNED;
        for (int64_t j = 0; j < width; j++) sum[j] = 0;
        for (; i + 2 * TOGETHER <= n_rows; i += 2 * TOGETHER)
            add_block(2 * TOGETHER, x + i * stride + c, stride, width, r + i, sum);
        for (; i < n_rows; i++) add_block(1, x + i * stride + c, stride, width, r + i, sum);
        for (int64_t j = 0; j < width; j++) g[c + j] += (double)sum[j];
    }
}

/* ---- CSR rows ---- */

/* bytes is a constant wherever this is inlined. */
INLINE void score_sparse(int64_t bytes, const fnn_source *s, int64_t row0, int64_t row1, const real *w, int64_t wide,
                         real *z) {
    const real *value = s->data;
    for (int64_t r = row0; r < row1; r++, z += wide) {
        int64_t begin = place(s->indptr, bytes, r), end = place(s->indptr, bytes, r + 1);
        if (wide == 1) {
            real even = 0, odd = 0; /* two chains: an addition takes longer than a load */
            int64_t k = begin;
            for (; k + 2 <= end; k += 2) {
                even += value[k] * w[place(s->indices, bytes, k)];
                odd += value[k + 1] * w[place(s->indices, bytes, k + 1)];
            }
            *z = k < end ? even + odd + value[k] * w[place(s->indices, bytes, k)] : even + odd;
            continue;
        }
        for (int64_t c = 0; c < wide; c += LANES) {
            vreal sum = splat(0);
            for (int64_t k = begin; k < end; k++)
                sum = fma_real(splat(value[k]), load_real(w + place(s->indices, bytes, k) * wide + c), sum);
            store_real(z + c, sum);
        }
    }
}

INLINE void add_sparse(int64_t bytes, const fnn_source *s, int64_t row0, int64_t row1, const real *r, int64_t wide,
                       double *g) {
    const real *value = s->data;
    for (int64_t i = row0; i < row1; i++, r += wide) {
        int64_t begin = place(s->indptr, bytes, i), end = place(s->indptr, bytes, i + 1);
        for (int64_t k = begin; k < end; k++) {
            double *to = g + place(s->indices, bytes, k) * wide;
            for (int64_t c = 0; c < wide; c++) to[c] += (double)(value[k] * r[c]);
        }
    }
}

/* z (row1 - row0, wide) = rows row0 .. row1 times w */
void FN(score_rows)(const fnn_source *s, int64_t row0, int64_t row1, const void *w, int64_t wide, void *z) {
    if (s->indptr) {
        if (s->index_bytes == 4) score_sparse(4, s, row0, row1, w, wide, z);
        else score_sparse(8, s, row0, row1, w, wide, z);
        return;
    }
    const real *x = (const real *)s->data + row0 * s->stride;
    int64_t n = row1 - row0, i = 0;
    for (; i + TOGETHER <= n; i += TOGETHER)
        dot_rows(TOGETHER, x + i * s->stride, s->stride, s->n_features, w, (real *)z + i);
    for (; i < n; i++) dot_rows(1, x + i * s->stride, s->stride, s->n_features, w, (real *)z + i);
}

/* g += transpose of rows row0 .. row1, times r (row1 - row0, wide) */
void FN(add_rows)(const fnn_source *s, int64_t row0, int64_t row1, const void *r, int64_t wide, double *g) {
    if (!s->indptr) {
        add_dense((const real *)s->data + row0 * s->stride, s->stride, s->n_features, row1 - row0, r, g);
    } else if (s->index_bytes == 4) {
        add_sparse(4, s, row0, row1, r, wide, g);
    } else {
        add_sparse(8, s, row0, row1, r, wide, g);
    }
}

/* sums += x */
void FN(add_reals)(const void *x, int64_t n, double *sums) {
    for (int64_t i = 0; i < n; i++) sums[i] += (double)((const real *)x)[i];
}

/* z <- curve (z + bias), and the sum of that. */
double FN(curve_rows)(const void *curve, double bias, int64_t n, void *z) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        real along = ((const real *)curve)[i] * (((real *)z)[i] + (real)bias);
        ((real *)z)[i] = along;
        sum += (double)along;
    }
    return sum;
}

void FN(gather_reals)(const fnn_source *s, int64_t row, void *out); /* gather.c */

/* Rows row0 .. row1 of the design as double, (rows, n_columns + extra): chosen columns (all if NULL) less
 * their shift, then 1, then y less its shift, each row times the root of its weight; extra: 0, 1 or 2. */
void FN(design_rows)(const fnn_source *s, int64_t row0, int64_t row1, const fnn_design *d, void *scratch, double *out) {
    int64_t n = d->n_columns;
    for (int64_t r = row0; r < row1; r++, out += d->stride) {
        const real *x = (const real *)s->data + r * s->stride;
        double root = d->root ? d->root[r] : 1;
        if (s->indptr) FN(gather_reals)(s, r, scratch), x = scratch;
        if (d->columns)
            for (int64_t j = 0; j < n; j++) out[j] = root * ((double)x[d->columns[j]] - d->shift[j]);
        else
            for (int64_t j = 0; j < n; j++) out[j] = root * ((double)x[j] - d->shift[j]);
        if (d->extra) out[n] = root;
        if (d->extra > 1) out[n + 1] = root * ((double)((const real *)d->y)[r] - d->y_shift);
    }
}
