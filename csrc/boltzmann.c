/* Gibbs sampling of a Boltzmann machine with dense couplings, 64 chains side by side.
 *
 *   z_i = b_i + sum_j w_ij s_j,  P(s_i = high given the others) = sigmoid(gain z_i),
 *
 * gain = beta (high - low): beta for states 0 and 1, 2 beta for -1 and +1 (Ackley, Hinton, Sejnowski, "A
 * learning algorithm for Boltzmann machines", Cognitive Science 9 (1985), 147, eq. 2). Units are visited in
 * the order given; those left out are clamped.
 *
 * Shapes: lanes real (n_units, TILE), chain k of the group in lane k. Accumulator: real, in the order of j for
 * each chain alone; a draw is keyed by (seed, sweep, group, unit, lane). So neither threads nor lane width
 * can show.
 */
#include "fastnn.h"
#include "philox.h"
#include "vmath.h"

#define STRIP_VECTORS 4

INLINE void draw_strip(const real *weights, int64_t n_units, real bias, const fnn_chains *chains, const real *lanes,
                       const real *uniform, real *own) {
    vreal sums[STRIP_VECTORS], low = splat((real)chains->low), step = splat((real)(chains->high - chains->low));
    for (int k = 0; k < STRIP_VECTORS; k++) sums[k] = splat(bias);
    for (int64_t j = 0; j < n_units; j++, lanes += TILE) {
        vreal w = splat(weights[j]);
        for (int k = 0; k < STRIP_VECTORS; k++) sums[k] += w * load_real(lanes + k * LANES);
    }
    for (int k = 0; k < STRIP_VECTORS; k++) {
        vreal p = vsigmoid(splat((real)chains->gain) * sums[k]);
        vreal up = select_real(load_real(uniform + k * LANES) < p, step, splat(0));
        store_real(own + k * LANES, low + up);
    }
}

/* One sweep of one group of chains over order[0 .. n_order - 1]. */
void FN(gibbs_sweep)(const fnn_couplings *c, const fnn_chains *chains, int64_t group, const int64_t *order,
                     int64_t n_order) {
    philox_place at = {chains->key, chains->step, (uint64_t)group, FNN_STREAM_HIDDEN};
    real *lanes = (real *)chains->lanes + group * c->n_units * TILE, uniform[TILE];
    for (int64_t k = 0; k < n_order; k++) {
        int64_t i = order[k];
        const real *row = (const real *)c->weights + i * c->n_units;
        uniform_tile(at, i, uniform);
        for (int l = 0; l < TILE; l += STRIP_VECTORS * LANES)
            draw_strip(row, c->n_units, ((const real *)c->bias)[i], chains, lanes + l, uniform + l,
                       lanes + i * TILE + l);
    }
}
