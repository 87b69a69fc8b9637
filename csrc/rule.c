/* Logistic regression by the stochastic rule: one row, one step.
 *
 *   W_k <- (1 - rate decay) W_k + rate weight ([y = k] - P(k given x)) (x, 1)     (the intercept does not decay)
 * with P the softmax of W (x, 1), or for one row of W the sigmoid and y in {0, 1} (Robbins, Monro 1951; the
 * delta rule of Widrow, Hoff 1960). Each step needs the one before: rows go one after another, in double.
 * Sums run in a fixed order.
 */
#include "fastnn.h"
#include "softmax.h"

typedef struct {
    const real *value;
    const void *indices; /* NULL: value holds every feature */
    int64_t bytes, count;
} rule_row;

INLINE int64_t feature(const rule_row *x, int64_t k) {
    if (!x->indices) return k;
    return x->bytes == 4 ? ((const int32_t *)x->indices)[k] : ((const int64_t *)x->indices)[k];
}

static rule_row row_at(const fnn_source *s, int64_t r) {
    if (!s->indptr) return (rule_row){(const real *)s->data + r * s->stride, 0, 0, s->n_features};
    int64_t wide = s->index_bytes, begin, end;
    begin = wide == 4 ? ((const int32_t *)s->indptr)[r] : ((const int64_t *)s->indptr)[r];
    end = wide == 4 ? ((const int32_t *)s->indptr)[r + 1] : ((const int64_t *)s->indptr)[r + 1];
    return (rule_row){(const real *)s->data + begin, (const char *)s->indices + begin * wide, wide, end - begin};
}

/* [y = k] - P(k) into gap, from scores in gap. */
static void gaps(int64_t n_scores, int64_t y, double *gap) {
    if (n_scores == 1) {
        double z = gap[0], e = (double)real_exp((real)(z < 0 ? z : -z));
        gap[0] = (double)y - (z < 0 ? e : 1) / (1 + e);
        return;
    }
    double top = gap[0], sum = 0;
    for (int64_t k = 1; k < n_scores; k++) top = gap[k] > top ? gap[k] : top;
    for (int64_t k = 0; k < n_scores; k++) sum += gap[k] = (double)real_exp((real)(gap[k] - top));
    for (int64_t k = 0; k < n_scores; k++) gap[k] = (double)(k == y) - gap[k] / sum;
}

/* W (n_scores, n_features + 1) is *shrink times what is stored; gap: scratch (n_scores). Rows order[0..n]. */
void FN(rule_rows)(const fnn_source *s, const int64_t *order, int64_t n, const int64_t *labels, const void *weight,
                   int64_t n_scores, double rate, double decay, double *W, double *shrink, double *gap) {
    int64_t wide = s->n_features + 1, last = s->n_features;
    for (int64_t i = 0; i < n; i++) {
        int64_t r = order[i];
        rule_row x = row_at(s, r);
        for (int64_t k = 0; k < n_scores; k++) {
            const double *w = W + k * wide;
            double even = 0, odd = 0;
            int64_t j = 0;
            for (; j + 2 <= x.count; j += 2) {
                even += (double)x.value[j] * w[feature(&x, j)];
                odd += (double)x.value[j + 1] * w[feature(&x, j + 1)];
            }
            if (j < x.count) even += (double)x.value[j] * w[feature(&x, j)];
            gap[k] = (even + odd) * *shrink + w[last];
        }
        gaps(n_scores, labels[r], gap);
        *shrink *= 1 - rate * decay;
        for (int64_t k = 0; k < n_scores; k++) {
            double *w = W + k * wide, step = rate * gap[k] * (weight ? (double)((const real *)weight)[r] : 1);
            double scaled = step / *shrink;
            if (!x.indices)
                for (int64_t j = 0; j < x.count; j++) w[j] += scaled * (double)x.value[j];
            else
                for (int64_t j = 0; j < x.count; j++) w[feature(&x, j)] += scaled * (double)x.value[j];
            w[last] += step;
        }
        if (*shrink < 1e-100) { /* before the stored numbers grow too large */
            for (int64_t k = 0; k < n_scores * wide; k++)
                if (k % wide != last) W[k] *= *shrink;
            *shrink = 1;
        }
    }
}
