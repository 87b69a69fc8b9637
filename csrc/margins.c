/* Multiclass hinge losses: their proximal steps and the curvature of these, row by row.
 *
 * With scores s, label y, margin D and the row's cost c (its weight times C), both losses are
 *   c L(s) = c max over p in P of  sum_m p_m s_m - D p_y,     sum_m p_m = 0,
 *   Crammer-Singer:  L = max_m (s_m - s_y + D [m != y])          P = simplex - e_y
 *   Weston-Watkins:  L = sum_{m != y} max(0, s_m - s_y + D)      P = {0 <= p_m <= 1 for m != y}
 * (Crammer, Singer, JMLR 2 (2001); Weston, Watkins, ESANN 1999; both in Dogan, Glasmachers, Igel, "A
 * unified view on multi-class support vector classification", JMLR 17 (2016)). Smoothed about the last
 * p, called q here, with strength k,
 *   E(s) = max over p in P of  sum_m p_m (s_m + k q_m) - D p_y - k/2 |p|^2,   dE/ds = p,
 *   d2E/ds2 = (I - 11'/|B|) / k on the free classes B, 0 elsewhere.
 * Crammer-Singer: p = max(u - t, 0) - e_y with t such that p sums to 0, found by Newton's method from
 * the left, which is exact after a few steps (Michelot, JOTA 50 (1986)); B = classes above t.
 * Weston-Watkins: p_m = clip(b_m - S, 0, 1), S = sum of these, by Newton's method within brackets;
 * B = classes strictly inside the box, and y.
 *
 * Rows are (n, stride) reals, stride a multiple of 16, zero past the last class in scores and duals.
 * Sums run in real in the order of the lanes: the same for any number of threads, not for every ISA.
 */
#include "fastnn.h"
#include "softmax.h"

#define MAX_STEPS 100

INLINE vreal one_where(vfix mask) { return select_real(mask, splat(1), splat(0)); }

/* Sum and number of the u above t. */
INLINE real sum_above(const real *u, int64_t stride, real t, real *count) {
    vreal total = splat(0), number = splat(0);
    for (int64_t i = 0; i < stride; i += LANES) {
        vreal x = load_real(u + i);
        vfix above = x > splat(t);
        total += select_real(above, x, splat(0));
        number += one_where(above);
    }
    *count = lanes_sum(number);
    return lanes_sum(total);
}

INLINE real row_top(const real *u, int64_t stride) {
    vreal top = splat(-REAL_INFINITY);
    for (int64_t i = 0; i < stride; i += LANES) top = max_real(load_real(u + i), top);
    return lanes_max(top);
}

/* k u, -inf past the classes, becomes p of Crammer and Singer. The greatest u is moved to 0: t is at least -1. */
static void simplex_row(real *u, int64_t stride, int64_t label, real inverse) {
    real top = row_top(u, stride), t = -1, last = 0;
    for (int64_t i = 0; i < stride; i += LANES)
        store_real(u + i, (load_real(u + i) - splat(top)) * splat(inverse));
    for (int step = 0; step < MAX_STEPS; step++) {
        real count, total = sum_above(u, stride, t, &count);
        if (count == last) break;
        t = (total - 1) / count;
        last = count;
    }
    for (int64_t i = 0; i < stride; i += LANES) store_real(u + i, max_real(load_real(u + i) - splat(t), splat(0)));
    u[label] -= 1;
}

/* sum clip(b - s, 0, 1); where the piece of it at s meets S = s again goes to `meets`. */
INLINE real clipped(const real *b, int64_t stride, real s, real *meets) {
    vreal inside = splat(0), sum = inside, full = inside, total = inside;
    for (int64_t i = 0; i < stride; i += LANES) {
        vreal x = load_real(b + i), y = x - splat(s);
        vreal high = one_where(y >= splat(1)), below = splat(1) - high;
        full += high;
        inside += one_where(y > splat(0)) * below;
        sum += select_real(y > splat(0), x, splat(0)) * below;
        total += max_real(y, splat(0)) * below;
    }
    real ones = lanes_sum(full);
    *meets = (lanes_sum(sum) + ones) / (1 + lanes_sum(inside));
    return lanes_sum(total) + ones;
}

/* b, -inf at the label and past the classes, becomes p of Weston and Watkins. */
static void box_row(real *b, int64_t stride, int64_t label, int64_t n_classes) {
    real low = 0, high = (real)(n_classes - 1), s = 0, near = sizeof(real) == 4 ? REAL_C(4e-7) : REAL_C(8e-16);
    for (int step = 0; step < MAX_STEPS; step++) {
        real next, total = clipped(b, stride, s, &next), off = total - s;
        if ((off < 0 ? -off : off) <= near * (1 + s)) break;
        if (off > 0) low = s;
        else high = s;
        s = next > low && next < high ? next : (low + high) / 2;
    }
    vreal total = splat(0);
    for (int64_t i = 0; i < stride; i += LANES) {
        vreal p = min_real(max_real(load_real(b + i) - splat(s), splat(0)), splat(1));
        store_real(b + i, p);
        total += p;
    }
    b[label] = -lanes_sum(total);
}

/* Whether the label is among the free classes: its p is that of no corner. */
INLINE int label_is_free(const fnn_margins *m, real p) { return m->box ? p < 0 : p > -1 && p <= 0; }

/* The other free classes of a row as ones, the rest as zeros. */
INLINE vreal free_classes(const fnn_margins *m, const real *p, int64_t i) {
    vreal x = load_real(p + i);
    return one_where(x > splat(0)) * one_where(x < splat(m->box ? 1 : REAL_INFINITY));
}

/* Row r: p into next; E + k/2 |q|^2, L, -p_y and |B| into values. */
static void step_row(const fnn_margins *m, int64_t r) {
    const real *s = (const real *)m->scores + r * m->stride, *q = (const real *)m->dual + r * m->stride;
    const real *edge = m->edge;
    real *p = (real *)m->next + r * m->stride, k = (real)m->kappa, delta = (real)m->delta;
    int64_t y = m->labels[r];
    real own = s[y], by = m->box ? 1 / k : 1, near = m->box ? 1 : k, shift = m->box ? q[y] : 0, loss = 0;
    vreal hinges = splat(0);
    for (int64_t i = 0; i < m->stride; i += LANES) {
        vreal x = load_real(s + i) - splat(own) + splat(delta) + load_real(edge + i);
        store_real(p + i, x);
        hinges += max_real(x, splat(0));
    }
    loss = lanes_sum(hinges) - (p[y] > 0 ? p[y] : 0);
    p[y] = -REAL_INFINITY;
    if (!m->box) loss = row_top(p, m->stride);
    for (int64_t i = 0; i < m->stride; i += LANES)
        store_real(p + i, load_real(p + i) * splat(by) + (load_real(q + i) - splat(shift)) * splat(near));
    if (m->box) {
        box_row(p, m->stride, y, m->n_classes);
    } else {
        p[y] = k * (q[y] + 1);
        simplex_row(p, m->stride, y, 1 / k);
    }
    vreal linear = splat(0), square = splat(0), count = splat(0);
    for (int64_t i = 0; i < m->stride; i += LANES) {
        vreal x = load_real(p + i), d = load_real(q + i);
        linear += x * (load_real(s + i) - splat(own));
        square += x * (splat(2) * d - x);
        count += free_classes(m, p, i);
    }
    double *values = m->values + 4 * r;
    values[0] = (double)lanes_sum(linear) + 0.5 * m->kappa * (double)lanes_sum(square) - m->delta * (double)p[y];
    values[1] = (double)(loss > 0 ? loss : 0);
    values[2] = -(double)p[y];
    values[3] = (double)lanes_sum(count) + label_is_free(m, p[y]);
}

void FN(margin_rows)(const fnn_margins *m, int64_t row0, int64_t row1) {
    for (int64_t r = row0; r < row1; r++) step_row(m, r);
}

/* Rows row0..row1 of c p into t. */
void FN(margin_weighted)(const fnn_margins *m, int64_t row0, int64_t row1, void *t) {
    const real *weight = m->weight;
    for (int64_t r = row0; r < row1; r++) {
        const real *p = (const real *)m->next + r * m->stride;
        real *out = (real *)t + (r - row0) * m->stride;
        for (int64_t i = 0; i < m->stride; i += LANES) store_real(out + i, splat(weight[r]) * load_real(p + i));
    }
}

/* Rows row0..row1 of t, in place, times c d2E/ds2. */
void FN(margin_slopes)(const fnn_margins *m, int64_t row0, int64_t row1, void *t) {
    const real *weight = m->weight;
    for (int64_t r = row0; r < row1; r++) {
        const real *p = (const real *)m->next + r * m->stride;
        real *x = (real *)t + (r - row0) * m->stride;
        int64_t y = m->labels[r];
        int own = label_is_free(m, p[y]);
        vreal count = splat(0), sum = splat(0);
        for (int64_t i = 0; i < m->stride; i += LANES) {
            vreal b = free_classes(m, p, i);
            count += b;
            sum += b * load_real(x + i);
        }
        real n = lanes_sum(count) + (real)own, mean = (lanes_sum(sum) + (own ? x[y] : 0)) / (n > 0 ? n : 1);
        real by = n > 1 ? weight[r] * (real)(1 / m->kappa) : 0, at_label = own ? by * (x[y] - mean) : 0;
        for (int64_t i = 0; i < m->stride; i += LANES)
            store_real(x + i, splat(by) * free_classes(m, p, i) * (load_real(x + i) - splat(mean)));
        x[y] = at_label;
    }
}
