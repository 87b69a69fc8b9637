/* Losses of an output layer other than softmax's, each with its gradient by the scores z.
 *
 * With real targets t, summed over a row's outputs:
 *   binary_cross_entropy   ln(1 + e^z) - t z          gradient sigmoid(z) - t   (Bernoulli log-loss, logits)
 *   squared_error          (z - t)^2 / 2                       z - t
 *   poisson                e^z - t z + (t ln t - t)            e^z - t          (half its deviance, z = ln mean)
 * With labels y (Weston, Watkins 1999; Crammer, Singer 2001), m_j = z_j - z_y + delta for j != y:
 *   weston_watkins         sum_j max(0, m_j)          [m_j > 0] for j, less their number for y
 *   crammer_singer         max(0, max_j m_j)          1 for the first j that attains it, -1 for y
 * A row's loss and gradient are multiplied by its weight, and by class_weight of its label.
 * Sums run in real, in the order of the lanes.
 */
#include "fastnn.h"
#include "softmax.h"

INLINE real weight_of(const fnn_loss *l, int64_t r) {
    return l->row_weight ? ((const real *)l->row_weight)[r] : 1;
}

/* A finished row: its loss stored; 1 if it is a number. */
INLINE int finish(const fnn_loss *l, int64_t r, real weight, real loss) {
    if (l->losses) l->losses[r] = weight == 0 ? 0 : (double)weight * (double)loss;
    return loss - loss == 0;
}

/* ---- real targets ---- */

INLINE void bernoulli_at(vreal z, vreal t, vreal *loss, vreal *slope) {
    *loss = vsoftplus(z) - t * z;
    *slope = vsigmoid(z) - t;
}

INLINE void square_at(vreal z, vreal t, vreal *loss, vreal *slope) {
    *slope = z - t;
    *loss = splat(REAL_C(0.5)) * *slope * *slope;
}

INLINE void poisson_at(vreal z, vreal t, vreal *loss, vreal *slope) {
    vreal mean = vexp(z);
    vreal most = select_real(t == splat(0), splat(0), t * vlog(t));
    *slope = mean - t;
    *loss = (most - t * z) + *slope;
}

/* at is a constant wherever this is inlined. */
INLINE int64_t real_rows(const fnn_loss *l, int64_t row0, int64_t row1,
                         void (*at)(vreal z, vreal t, vreal *loss, vreal *slope)) {
    int64_t n = l->n_classes, bad = -1;
    for (int64_t r = row0; r < row1; r++) {
        const real *z = (const real *)l->scores + r * l->stride;
        const real *t = (const real *)l->targets + r * l->targets_stride;
        real *grad = l->grad ? (real *)l->grad + r * l->grad_stride : 0, weight = weight_of(l, r);
        vreal sum = splat(0), by = splat((real)l->scale * weight);
        for (int64_t i = 0; i < n; i += LANES) {
            int64_t count = n - i < LANES ? n - i : LANES;
            vreal loss, slope;
            at(load_some(z + i, count, 0), load_some(t + i, count, 0), &loss, &slope);
            if (grad) store_some(grad + i, count, slope * by);
            sum += count == LANES ? loss : load_part((real *)&loss, count, 0);
        }
        if (!finish(l, r, weight, lanes_sum(sum)) && bad < 0) bad = r;
    }
    return bad;
}

int64_t FN(binary_cross_entropy_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    return real_rows(l, row0, row1, bernoulli_at);
}

int64_t FN(squared_error_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    return real_rows(l, row0, row1, square_at);
}

int64_t FN(poisson_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    return real_rows(l, row0, row1, poisson_at);
}

/* ---- margins ---- */

/* Sum of the positive margins, and into grad `by` where they are positive; count: how many are.
 * The label's own margin, delta, is among them; the caller takes it out. */
static real all_margins(const real *z, int64_t n, real shift, real by, real *grad, real *count) {
    vreal sum = splat(0), number = splat(0);
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t some = n - i < LANES ? n - i : LANES;
        vreal m = load_some(z + i, some, -REAL_INFINITY) + splat(shift);
        vfix active = m > splat(0);
        sum += max_real(splat(0), m); /* m where it is a NaN */
        number += as_real(active & as_fix(splat(1)));
        if (grad) store_some(grad + i, some, as_real(active & as_fix(splat(by))));
    }
    *count = lanes_sum(number);
    return lanes_sum(sum);
}

INLINE int64_t margin_rows(const fnn_loss *l, int64_t row0, int64_t row1, int only_greatest) {
    int64_t n = l->n_classes, bad = -1;
    for (int64_t r = row0; r < row1; r++) {
        const real *z = (const real *)l->scores + r * l->stride;
        real *grad = l->grad ? (real *)l->grad + r * l->grad_stride : 0;
        int64_t y = l->labels[r], best = -1;
        real weight = weight_of(l, r), loss, count, delta = (real)l->delta;
        if (l->class_weight) weight *= ((const real *)l->class_weight)[y];
        real by = (real)l->scale * weight, shift = delta - z[y];
        if (only_greatest) {
            for (int64_t j = 0; j < n; j++)
                if (j != y && (best < 0 || !(z[j] <= z[best]))) best = j;
            loss = best >= 0 && !(z[best] + shift <= 0) ? z[best] + shift : 0;
            for (int64_t j = 0; grad && j < n; j++) grad[j] = loss > 0 ? by * (real)((j == best) - (j == y)) : 0;
        } else {
            loss = all_margins(z, n, shift, by, grad, &count) - (delta > 0 ? delta : 0);
            if (grad) grad[y] = -by * (count - (delta > 0));
        }
        if (!finish(l, r, weight, loss) && bad < 0) bad = r;
    }
    return bad;
}

int64_t FN(weston_watkins_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    return margin_rows(l, row0, row1, 0);
}

int64_t FN(crammer_singer_rows)(const fnn_loss *l, int64_t row0, int64_t row1) {
    return margin_rows(l, row0, row1, 1);
}
