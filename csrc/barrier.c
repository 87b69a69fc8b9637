/* Multiclass hinge losses inside their corners: rows of a primal-dual interior point method.
 *
 * In the terms of margins.c, with u_m = s_m + D [m != y] and a target that falls to zero,
 *   Crammer-Singer:  t_m = xi - u_m > 0, p_m > 0, sum_m p_m = 1,             t_m p_m = target
 *   Weston-Watkins:  t_m = xi_m - (u_m - s_y) > 0, t'_m = xi_m > 0,          t_m p_m = t'_m (1 - p_m) = target
 * (m != y in the latter; p_y is then minus the others' sum, in the former p_y - 1 takes that part). Newton's
 * step aims at changes r of the products, t dp + p dt = r. Given the scores' step a, with D = p / t,
 *   Crammer-Singer:  dxi = sum(r/t + D a) / sum D,  dt = dxi - a,  dp = r/t - D dt
 *   Weston-Watkins:  D' = (1 - p)/t',  dxi = (r/t + r'/t' + D da)/(D + D'),  dt = dxi - da,  dt' = dxi,
 *                    da_m = a_m - a_y,  dp = r/t - D dt
 * so that dp = h + M a, with h the part that r decides and curvature M (k x k, rows sum to 0):
 *   Crammer-Singer:  diag(D) - DD'/sum D        Weston-Watkins:  D D'/(D + D') between m and y.
 * Mehrotra's predictor aims at 0, his corrector at the target less the predictor's own products, and further
 * ones move products that a longer step would drive out of [low, high] back (Mehrotra, SIAM J. Optim. 2
 * (1992); Gondzio, Comput. Optim. Appl. 6 (1996)).
 *
 * Rows are (n, stride) reals. Lanes without a class, and Weston and Watkins' label, have p = 0, t = t' = 1
 * and never move. Sums run in the order of the lanes: the same for any number of threads, not for every ISA.
 */
#include "fastnn.h"
#include "softmax.h"

void FN(gather_reals)(const fnn_source *s, int64_t row, void *out); /* gather.c */

enum { PREDICT, CORRECT, CENTRE };

typedef struct {
    const real *p, *t, *back;
    real *dp, *dt, *dback, *r, *rback;
} at_row;

INLINE at_row row_of(const fnn_barrier *b, int64_t row) {
    int64_t k = row * b->stride;
    at_row at = {(const real *)b->p + k, (const real *)b->t + k, (const real *)b->back + k, (real *)b->dp + k,
                 (real *)b->dt + k,      (real *)b->dback + k,   (real *)b->r + k,          (real *)b->rback + k};
    return at;
}

/* The change wanted of a product x y whose factors moved by dx and dy last. */
INLINE vreal wanted(const fnn_barrier *b, vreal x, vreal y, vreal dx, vreal dy, vreal r) {
    vreal product = x * y, reach = splat((real)b->reach), high = splat((real)b->high);
    if (b->mode == PREDICT) return -product;
    if (b->mode == CORRECT) return splat((real)b->target) - product - dx * dy;
    vreal ahead = (x + reach * dx) * (y + reach * dy);
    vreal inside = min_real(max_real(ahead, splat((real)b->low)), high);
    return r + max_real(inside - ahead, -high);
}

/* Row by row: r, and its part h of the duals' change, summing to 0. */
static void aim_row(const fnn_barrier *b, int64_t row) {
    at_row at = row_of(b, row);
    real *h = (real *)b->h + row * b->stride;
    const real *live = b->live;
    vreal slopes = splat(0), sum = splat(0);
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), p = load_real(at.p + i), dt = splat(0), dp = dt, r = dt;
        if (b->mode != PREDICT) dt = load_real(at.dt + i), dp = load_real(at.dp + i), r = load_real(at.r + i);
        r = wanted(b, t, p, dt, dp, r) * load_real(live + i);
        store_real(at.r + i, r);
        slopes += p / t;
        sum += r / t;
        store_real(h + i, r / t);
    }
    real middle = lanes_sum(sum) / lanes_sum(slopes);
    for (int64_t i = 0; i < b->stride; i += LANES)
        store_real(h + i, load_real(h + i) - load_real(at.p + i) / load_real(at.t + i) * splat(middle));
}

static void aim_box(const fnn_barrier *b, int64_t row) {
    at_row at = row_of(b, row);
    real *h = (real *)b->h + row * b->stride;
    int64_t y = b->labels[row];
    const real *live = b->live;
    vreal total = splat(0), one = splat(1);
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), back = load_real(at.back + i), p = load_real(at.p + i), on = load_real(live + i);
        vreal dt = splat(0), dback = dt, dp = dt, r = dt, rback = dt;
        if (b->mode != PREDICT) {
            dt = load_real(at.dt + i), dback = load_real(at.dback + i), dp = load_real(at.dp + i);
            r = load_real(at.r + i), rback = load_real(at.rback + i);
        }
        store_real(at.r + i, wanted(b, t, p, dt, dp, r) * on);
        store_real(at.rback + i, wanted(b, back, one - p, dback, -dp, rback) * on);
    }
    at.r[y] = at.rback[y] = 0;
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), back = load_real(at.back + i), p = load_real(at.p + i);
        vreal to = p * back, from = (one - p) * t; /* D and D', times t t' */
        vreal x = ((one - p) * load_real(at.r + i) - p * load_real(at.rback + i)) / (to + from);
        store_real(h + i, x);
        total += x;
    }
    h[y] = -lanes_sum(total);
}

/* Row by row: how the duals and slacks move; into values: the most by which one of them is divided where it
 * reaches zero, the products' sum, and that of the changes' products. */
static void go_row(const fnn_barrier *b, int64_t row) {
    at_row at = row_of(b, row);
    const real *a = (const real *)b->a + row * b->stride, *live = b->live;
    vreal slopes = splat(0), sum = splat(0), most = splat(0), products = splat(0), changes = splat(0);
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), slope = load_real(at.p + i) / t;
        slopes += slope;
        sum += load_real(at.r + i) / t + slope * load_real(a + i);
    }
    real middle = lanes_sum(sum) / lanes_sum(slopes);
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), p = load_real(at.p + i), on = load_real(live + i);
        vreal dt = (splat(middle) - load_real(a + i)) * on, dp = (load_real(at.r + i) - p * dt) / t;
        store_real(at.dt + i, dt);
        store_real(at.dp + i, dp);
        most = max_real(-dt / t, most);
        most = max_real(select_real(dp < splat(0), -dp / p, splat(0)), most);
        products += t * p;
        changes += dt * dp;
    }
    double *values = b->values + 3 * row;
    values[0] = (double)lanes_max(most);
    values[1] = (double)lanes_sum(products);
    values[2] = (double)lanes_sum(changes);
}

static void go_box(const fnn_barrier *b, int64_t row) {
    at_row at = row_of(b, row);
    const real *a = (const real *)b->a + row * b->stride, *live = b->live;
    real own = a[b->labels[row]];
    vreal most = splat(0), products = splat(0), changes = splat(0), one = splat(1);
    for (int64_t i = 0; i < b->stride; i += LANES) {
        vreal t = load_real(at.t + i), back = load_real(at.back + i), p = load_real(at.p + i), on = load_real(live + i);
        vreal r = load_real(at.r + i), da = (load_real(a + i) - splat(own)) * on;
        vreal dback = (r * back + load_real(at.rback + i) * t + p * back * da) / (p * back + (one - p) * t);
        vreal dt = dback - da, dp = (r - p * dt) / t;
        store_real(at.dt + i, dt);
        store_real(at.dback + i, dback);
        store_real(at.dp + i, dp);
        most = max_real(max_real(-dt / t, -dback / back), most);
        most = max_real(select_real(dp < splat(0), -dp / p, dp / (one - p)), most);
        products += (t * p + back * (one - p)) * on;
        changes += dt * dp - dback * dp;
    }
    double *values = b->values + 3 * row;
    int64_t y = b->labels[row];
    values[0] = (double)lanes_max(most);
    values[1] = (double)(lanes_sum(products) - at.back[y]);
    values[2] = (double)lanes_sum(changes);
}

void FN(barrier_aim)(const fnn_barrier *b, int64_t row0, int64_t row1) {
    for (int64_t row = row0; row < row1; row++) b->box ? aim_box(b, row) : aim_row(b, row);
}

void FN(barrier_go)(const fnn_barrier *b, int64_t row0, int64_t row1) {
    for (int64_t row = row0; row < row1; row++) b->box ? go_box(b, row) : go_row(b, row);
}

/* What the curvature between two classes is made of: see block_cost. */
void FN(barrier_slopes)(const fnn_barrier *b, int64_t row0, int64_t row1) {
    for (int64_t row = row0; row < row1; row++) {
        at_row at = row_of(b, row);
        real *out = (real *)b->h + row * b->stride;
        vreal slopes = splat(0), one = splat(1);
        for (int64_t i = 0; i < b->stride; i += LANES) {
            vreal t = load_real(at.t + i), p = load_real(at.p + i), slope = p / t;
            if (b->box) slope *= (one - p) / (p * load_real(at.back + i) / t + (one - p));
            slopes += slope;
            store_real(out + i, slope);
        }
        vreal by = splat(b->box ? 1 : 1 / lanes_sum(slopes));
        /* One factor of the pair holds 1 / sum D: its root on each. */
        if (!b->box) by = root_real(by);
        for (int64_t i = 0; i < b->stride; i += LANES) store_real(out + i, load_real(out + i) * by);
    }
}

/* Minus c M between classes j and k of a row. */
INLINE double block_cost(const fnn_barrier *b, int64_t row, int64_t j, int64_t k) {
    const real *slopes = (const real *)b->h + row * b->stride;
    double cost = (double)((const real *)b->weight)[row];
    if (!b->box) return cost * (double)slopes[j] * (double)slopes[k];
    int64_t y = b->labels[row];
    return y == j ? cost * (double)slopes[k] : y == k ? cost * (double)slopes[j] : 0;
}

/* Rows of X and the constant, times the root of their curvature between classes j and k, where this exceeds
 * least: out (rows, n_features + 1); returns how many. scratch: a row as the source gathers it. */
int64_t FN(barrier_block)(const fnn_barrier *b, const fnn_source *s, int64_t row0, int64_t row1, int64_t j, int64_t k,
                          double least, void *scratch, double *out) {
    int64_t kept = 0, n = s->n_features;
    for (int64_t row = row0; row < row1; row++) {
        double cost = block_cost(b, row, j, k);
        if (cost <= least) continue;
        const real *x = (const real *)s->data + row * s->stride;
        if (s->indptr) FN(gather_reals)(s, row, scratch), x = scratch;
        double root = (double)root_real(splat((real)cost))[0];
        for (int64_t i = 0; i < n; i++) out[i] = root * (double)x[i];
        out[n] = root * b->bias;
        out += n + 1;
        kept++;
    }
    return kept;
}
