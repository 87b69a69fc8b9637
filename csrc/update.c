/* One tile of the stochastic-gradient step of an RBM's weights; the gradient is never stored.
 *
 *   G_ij = <v_i h_j>_data - <v_i h_j>_model - mu_i d_hidden_j - d_visible_i lambda_j - l2 w_ij - l1 sign(w_ij)
 *
 * with offsets mu, lambda of the units (Melchior, Fischer, Wiskott, "How to center deep Boltzmann
 * machines", JMLR 17 (2016), eq. 9-13; zero offsets: the plain gradient). Then, with one state array,
 *   momentum  m <- momentum m + rate G,  w <- w + m
 * and with two,
 *   Adam      m <- momentum m + (1 - momentum) G,  s <- beta2 s + (1 - beta2) G^2,
 *             w <- w + rate (m scale1) / (sqrt(s scale2) + epsilon)       (Kingma, Ba 2015, alg. 1)
 *
 * Shapes: rows = visible units row0..row1, columns = the tile's hidden units; W (n_visible, stride).
 * Besides W the pass leaves what the next steps need: sums of |w| (for the fixed-point step) and of the
 * change of w times an offset (for the biases), by row over this tile and by column over these rows.
 * Rows are folded in one order for every lane width, so the weights are bitwise the same. Without offsets
 * row_shift and col_shift are NULL.
 */
#include "fastnn.h"
#include "vec.h"

void FN(product_tile)(const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums);

#define FOLDED 16 /* lanes that a row's sums are folded to while it is in registers */

/* x0 + x32, x1 + x33, ... then 16 apart. */
INLINE void fold_row(const real x[TILE], real out[FOLDED]) {
    for (int u = 0; u < FOLDED; u += LANES < FOLDED ? LANES : FOLDED) {
        vreal low = load_real(x + u) + load_real(x + 32 + u);
        vreal high = load_real(x + 16 + u) + load_real(x + 48 + u);
        store_real(out + u, low + high);
    }
}

/* Then 8, 4, 2, 1 apart. */
INLINE real fold_rest(const real x[FOLDED]) {
    real s[FOLDED / 2];
    for (int u = 0; u < 8; u++) s[u] = x[u] + x[u + 8];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

INLINE vreal sign_real(vreal x) {
    vreal one = (vreal)((vfix)splat(1) | ((vfix)x & (vfix)(-splat(0))));
    return select_real(x == splat(0), splat(0), one);
}

/* Square root by the hardware's instruction, one lane at a time where C has no vector form. */
INLINE vreal sqrt_real(vreal x) {
    for (int l = 0; l < LANES; l++)
        x[l] = sizeof(real) == 4 ? (real)__builtin_sqrtf((float)x[l]) : (real)__builtin_sqrt((double)x[l]);
    return x;
}

INLINE vreal gradient_at(const fnn_update *u, vfix sum, int64_t i, int64_t j, vreal w) {
    const real *mu = u->mu, *lambda = u->lambda, *d_visible = u->d_visible, *d_hidden = u->d_hidden;
    vreal dh = load_real(d_hidden + j);
    vreal g = to_real(sum) * splat((real)(u->unit * (double)u->visible_step)) + splat((real)u->visible_low) * dh;
    if (u->dense) g = load_real((const real *)u->dense + i * u->stride + j) + g;
    g -= splat(mu[i]) * dh + splat(d_visible[i]) * load_real(lambda + j);
    return g - (splat((real)u->l2) * w + splat((real)u->l1) * sign_real(w));
}

/* The change of parameters at `velocity`, `second` (NULL where the rule keeps no such state). */
INLINE vreal change_of(const fnn_rule *rule, vreal g, real *velocity, real *second) {
    vreal rate = splat((real)rule->rate), momentum = splat((real)rule->momentum);
    if (!velocity) return rate * g;
    if (!second) {
        vreal m = momentum * load_real(velocity) + rate * g;
        store_real(velocity, m);
        return m;
    }
    vreal beta2 = splat((real)rule->beta2);
    vreal m = momentum * load_real(velocity) + (splat(1) - momentum) * g;
    vreal s = beta2 * load_real(second) + (splat(1) - beta2) * (g * g);
    store_real(velocity, m);
    store_real(second, s);
    return rate * (m * splat((real)rule->scale1))
         / (sqrt_real(s * splat((real)rule->scale2)) + splat((real)rule->epsilon));
}

INLINE real *at_or_null(void *x, int64_t at) { return x ? (real *)x + at : 0; }

void FN(update_tile)(const fnn_update *u, int64_t row0, int64_t row1, int64_t tile, void *scratch) {
    int64_t j0 = tile * TILE, chunk = row0 / FNN_MAX_ROWS;
    real col_abs[TILE] = {0}, col_shift[TILE] = {0}, size[TILE], shift[TILE];
    real row_abs[FNN_MAX_ROWS][FOLDED], row_shift[FNN_MAX_ROWS][FOLDED];
    if (u->gradient.words) FN(product_tile)(&u->gradient, row0, row1, tile, scratch);
    for (int64_t i = row0; i < row1; i++) {
        vreal mu = splat(((const real *)u->mu)[i]);
        for (int c = 0; c < TILE; c += LANES) {
            int64_t at = i * u->stride + j0 + c;
            vfix sum = u->gradient.words ? load_fix(sums_at(scratch, row1 - row0, i - row0, c)) : splat_fix(0);
            vreal w = load_real((real *)u->weights + at);
            vreal dw = change_of(&u->rule, gradient_at(u, sum, i, j0 + c, w), at_or_null(u->velocity, at),
                                 at_or_null(u->second, at));
            w += dw;
            store_real((real *)u->weights + at, w);
            store_real(size + c, abs_real(w));
            store_real(col_abs + c, load_real(col_abs + c) + abs_real(w));
            if (!u->row_shift) continue;
            store_real(shift + c, dw * load_real((const real *)u->lambda + j0 + c));
            store_real(col_shift + c, load_real(col_shift + c) + dw * mu);
        }
        fold_row(size, row_abs[i - row0]);
        if (u->row_shift) fold_row(shift, row_shift[i - row0]);
    }
    for (int64_t i = row0; i < row1; i++) {
        ((real *)u->row_abs)[tile * u->n_visible + i] = fold_rest(row_abs[i - row0]);
        if (u->row_shift) ((real *)u->row_shift)[tile * u->n_visible + i] = fold_rest(row_shift[i - row0]);
    }
    for (int c = 0; c < TILE; c++) {
        ((real *)u->col_abs)[chunk * u->stride + j0 + c] = col_abs[c];
        if (u->row_shift) ((real *)u->col_shift)[chunk * u->stride + j0 + c] = col_shift[c];
    }
}

/* difference = data - model means; running <- running + slide (data - running). n a multiple of TILE. */
void FN(compare_means)(int64_t n, const double *data, const double *model, double slide, void *difference,
                       void *running) {
    real *moved = running;
    for (int64_t u = 0; u < n; u++) {
        ((real *)difference)[u] = (real)(data[u] - model[u]);
        moved[u] += (real)slide * ((real)data[u] - moved[u]);
    }
}

/* bias <- bias + change(difference - pull (running - target)) - sum of the parts of shift.
 * The shift is what the change of the weights times the other layer's offsets takes over from the bias
 * of the centred model; the pull draws mean activities to a target (sparsity). shift: (n_parts, stride),
 * n rounded up to lanes is within every array but shift, whose tail counts as zero. */
void FN(update_bias)(const fnn_rule *rule, int64_t n, const void *difference, const void *running, double target,
                     double pull, const void *shift, int64_t n_parts, int64_t stride, void *bias, void *velocity,
                     void *second) {
    for (int64_t u = 0; u < n; u += LANES) {
        real moved[FASTNN_VEC / sizeof(real)] = {0};
        for (int64_t part = 0; part < n_parts; part++)
            for (int64_t l = 0; l < LANES && u + l < n; l++) moved[l] += ((const real *)shift)[part * stride + u + l];
        vreal away = load_real((const real *)running + u) - splat((real)target);
        vreal g = load_real((const real *)difference + u) - splat((real)pull) * away;
        vreal change = change_of(rule, g, at_or_null(velocity, u), at_or_null(second, u));
        store_real((real *)bias + u, load_real((real *)bias + u) + (change - load_real(moved)));
    }
}
