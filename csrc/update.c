/* One tile of the stochastic-gradient step of an RBM's weights; the gradient is never stored.
 *
 *   G_ij = <v_i h_j>_data - <v_i h_j>_model - mu_i d_hidden_j - d_visible_i lambda_j - l2 w_ij - l1 sign(w_ij)
 *
 * (with a decay of its own for each hidden unit where `shrink` is given), with offsets mu, lambda of the units (Melchior, Fischer, Wiskott, "How to center deep Boltzmann
 * machines", JMLR 17 (2016), eq. 9-13; zero offsets: the plain gradient). Then, with one state array,
 *   momentum  m <- momentum m + rate G,  w <- w + m
 * and with two,
 *   Adam      m <- momentum m + (1 - momentum) G,  s <- beta2 s + (1 - beta2) G^2,
 *             w <- w + rate (m scale1) / (sqrt(s scale2) + epsilon)       (Kingma, Ba 2015, alg. 1)
 *
 * Shapes: rows = visible units row0..row1, columns = the tile's hidden units; W (n_visible, stride).
 * Besides W the pass leaves what the next steps need: the new weights in fixed point, for both directions
 * and in the steps of before (W is in the cache just once); sums of |w| (do those steps still serve?) and
 * of the change of w times an offset (for the biases), by row over this tile and by column over these rows.
 * Rows are folded in one order for every lane width, so the weights are bitwise the same. Without offsets
 * row_shift and col_shift are NULL.
 */
#include "fastnn.h"
#include "panels.h"
#include "vmath.h"

void FN(product_tile)(const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums);

#define AHEAD 12 /* rows */
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

/* The rule's numbers in every lane. */
typedef struct {
    vreal rate, momentum, beta2, epsilon, scale1, scale2;
} vrule;

INLINE vrule spread_rule(const fnn_rule *r) {
    return (vrule){splat((real)r->rate), splat((real)r->momentum), splat((real)r->beta2),
                   splat((real)r->epsilon), splat((real)r->scale1), splat((real)r->scale2)};
}

/* The change of parameters at `velocity`, `second` (NULL where the rule keeps no such state). */
INLINE vreal change_of(const vrule *rule, vreal g, real *velocity, real *second) {
    if (!velocity) return rule->rate * g;
    if (!second) {
        vreal m = rule->momentum * load_real(velocity) + rule->rate * g;
        store_real(velocity, m);
        return m;
    }
    vreal m = rule->momentum * load_real(velocity) + (splat(1) - rule->momentum) * g;
    vreal s = rule->beta2 * load_real(second) + (splat(1) - rule->beta2) * (g * g);
    store_real(velocity, m);
    store_real(second, s);
    return rule->rate * (m * rule->scale1) / (root_real(s * rule->scale2) + rule->epsilon);
}

INLINE real *at_or_null(void *x, int64_t at) { return x ? (real *)x + at : 0; }

/* What stays the same over a tile. Values, not pointers to the caller's: the stores below could change
 * those for all the compiler knows. */
typedef struct {
    vrule rule;
    vreal unit, low, l1, l2, d_hidden[TILE / LANES], lambda[TILE / LANES];
    real *weights, *velocity, *second;
    const real *dense, *mu, *d_visible, *shrink;
    int64_t stride, j0;
    int centred;
} tile_step;

INLINE tile_step prepare_step(const fnn_update *u, int64_t tile) {
    tile_step s = {.rule = spread_rule(&u->rule),
                   .unit = splat((real)(u->unit * (double)u->visible_step)),
                   .low = splat((real)u->visible_low),
                   .l1 = splat((real)u->l1),
                   .l2 = splat((real)u->l2),
                   .weights = u->weights,
                   .velocity = u->velocity,
                   .second = u->second,
                   .dense = u->dense,
                   .mu = u->mu,
                   .d_visible = u->d_visible,
                   .shrink = u->shrink,
                   .stride = u->stride,
                   .j0 = tile * TILE,
                   .centred = u->row_shift != 0};
    for (int k = 0; k < TILE / LANES; k++) {
        s.d_hidden[k] = load_real((const real *)u->d_hidden + s.j0 + k * LANES);
        s.lambda[k] = load_real((const real *)u->lambda + s.j0 + k * LANES);
    }
    return s;
}

/* Sums over a tile, kept while its rows go by. */
typedef struct {
    vreal col_abs[TILE / LANES], col_shift[TILE / LANES], col_square[TILE / LANES];
    real row_abs[FNN_MAX_ROWS][FOLDED] ALIGNED, row_shift[FNN_MAX_ROWS][FOLDED] ALIGNED;
} tallies;

/* Row i of W, row k of the tile: its new weights go to w, what is to be summed of them to the tallies. */
INLINE void update_row(const tile_step *s, const fix *sums, int64_t n_rows, int64_t i, int64_t k, tallies *tally,
                       real w[TILE]) {
    vreal mu = splat(s->mu[i]), d_visible = splat(s->d_visible[i]);
    real size[TILE] ALIGNED, shift[TILE] ALIGNED;
#pragma GCC unroll 4
    for (int c = 0; c < TILE; c += LANES) {
        int64_t at = i * s->stride + s->j0 + c;
        /* A tile's rows lie too far apart for the hardware to see them coming. */
        __builtin_prefetch(s->weights + at + AHEAD * s->stride, 1);
        vreal old = load_real(s->weights + at), dh = s->d_hidden[c / LANES];
        vreal g = s->low * dh;
        if (sums) g = to_real(load_fix(sums_at((fix *)sums, n_rows, k, c))) * s->unit + g;
        if (s->dense) g = load_real(s->dense + at) + g;
        g -= mu * dh + d_visible * s->lambda[c / LANES];
        g -= s->l2 * old + s->l1 * sign_real(old);
        if (s->shrink) g -= load_real(s->shrink + s->j0 + c) * old;
        vreal dw = change_of(&s->rule, g, at_or_null(s->velocity, at), at_or_null(s->second, at));
        vreal now = old + dw;
        store_real(s->weights + at, now);
        store_real(w + c, now);
        store_real(size + c, abs_real(now));
        tally->col_abs[c / LANES] += abs_real(now);
        tally->col_square[c / LANES] += now * now;
        if (!s->centred) continue;
        store_real(shift + c, dw * s->lambda[c / LANES]);
        tally->col_shift[c / LANES] += dw * mu;
    }
    fold_row(size, tally->row_abs[k]);
    if (s->centred) fold_row(shift, tally->row_shift[k]);
}

/* The sums to where the caller wants them. */
INLINE void deliver(const fnn_update *u, const tallies *tally, int64_t row0, int64_t row1, int64_t tile) {
    int64_t at = row0 / FNN_MAX_ROWS * u->stride + tile * TILE;
    for (int64_t i = row0; i < row1; i++)
        ((real *)u->row_abs)[tile * u->n_visible + i] = fold_rest(tally->row_abs[i - row0]);
    for (int k = 0; k < TILE / LANES; k++) store_real((real *)u->col_abs + at + k * LANES, tally->col_abs[k]);
    for (int k = 0; u->col_square && k < TILE / LANES; k++)
        store_real((real *)u->col_square + at + k * LANES, tally->col_square[k]);
    if (!u->row_shift) return;
    for (int64_t i = row0; i < row1; i++)
        ((real *)u->row_shift)[tile * u->n_visible + i] = fold_rest(tally->row_shift[i - row0]);
    for (int k = 0; k < TILE / LANES; k++) store_real((real *)u->col_shift + at + k * LANES, tally->col_shift[k]);
}

void FN(update_tile)(const fnn_update *u, int64_t row0, int64_t row1, int64_t tile, void *scratch) {
    const tile_step step = prepare_step(u, tile);
    const fix *sums = u->gradient.words ? scratch : 0;
    const int write_out = u->forward != 0;
    tallies tally;
    fix buffer[TILE][TILE] ALIGNED;
    real w[TILE] ALIGNED;
    for (int k = 0; k < TILE / LANES; k++) tally.col_abs[k] = tally.col_shift[k] = tally.col_square[k] = splat(0);
    if (sums) FN(product_tile)(&u->gradient, row0, row1, tile, scratch);
    for (int64_t block = row0; block < row1; block += TILE) {
        const block_place at =
            place_block(u->forward, u->backward, u->n_visible, u->n_hidden, block, tile, u->by_row, u->by_col);
        for (int64_t i = 0; i < at.height; i++) {
            update_row(&step, sums, row1 - row0, block + i, block + i - row0, &tally, w);
            for (int c = 0; write_out && c < TILE; c += LANES) quantise_lanes(&at, i, c, load_real(w + c), buffer);
        }
        if (!write_out) continue;
        for (int64_t i = at.height; i < TILE; i++)
            for (int c = 0; c < TILE; c += LANES) store_fix(buffer[i] + c, splat_fix(0));
        turn_block(&at, (const fix(*)[TILE])buffer);
    }
    deliver(u, &tally, row0, row1, tile);
}

/* shrink[u] = 1 - most / |w_u| for the units whose weights are longer than `most`, else 0; how many are.
 * squares: real (n_parts, stride), parts of |w_u|^2. Infinite and NaN lengths are left to `scales`. */
int64_t FN(norm_excess)(const void *squares, int64_t n_parts, int64_t stride, int64_t n, double most, void *shrink) {
    int64_t found = 0;
    for (int64_t u = 0; u < n; u++) {
        double square = 0;
        for (int64_t part = 0; part < n_parts; part++) square += (double)((const real *)squares)[part * stride + u];
        int longer = square > most * most && square < (double)REAL_INFINITY;
        ((real *)shrink)[u] = longer ? (real)(1 - most / __builtin_sqrt(square)) : 0;
        found += longer;
    }
    return found;
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
    const vrule wide = spread_rule(rule);
    for (int64_t u = 0; u < n; u += LANES) {
        real moved[FASTNN_VEC / sizeof(real)] = {0};
        for (int64_t part = 0; part < n_parts; part++)
            for (int64_t l = 0; l < LANES && u + l < n; l++) moved[l] += ((const real *)shift)[part * stride + u + l];
        vreal away = load_real((const real *)running + u) - splat((real)target);
        vreal g = load_real((const real *)difference + u) - splat((real)pull) * away;
        vreal change = change_of(&wide, g, at_or_null(velocity, u), at_or_null(second, u));
        store_real((real *)bias + u, load_real((real *)bias + u) + (change - load_real(moved)));
    }
}
