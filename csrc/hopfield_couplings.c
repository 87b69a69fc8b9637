/* Hopfield recall from a matrix of weights, symmetric or not.
 *
 *   h_i = b_i + sum_j w_ij s_j,  s_i <- sign(h_i), a zero field keeping the state
 *
 * (Hopfield, PNAS 79 (1982), 2554). Probes lie in lanes, and each lane adds its terms in one order: no lane
 * width, grouping or number of threads can show, for blocks of units begin at multiples of BLOCK.
 *
 * Shapes: weights (n_units, n_units), lanes real (n_units, width) = the states as -1 and +1. Accumulator:
 * real. energy[l] gathers in double what the sweep says of probe l's energy E = -b.s - s'Ws / 2, W symmetric:
 * asynchronous, its change, -2 |h_i| at each flip; synchronous, -sum_i s_i (h_i + b_i) / 2, the energy of the
 * states before the sweep.
 */
#include "hopfield.h"

#define STRIP_VECTORS 4
#define BLOCK 4 /* units whose fields are summed together: each lane is loaded once for all of them */
#define MOST_LANES 64

/* Fields of n_units of a block at the present states, n_vectors of lanes of each. */
INLINE void add_rows(const fnn_couplings *c, const real *const rows[BLOCK], int n_units, const real *lanes,
                     int64_t width, int n_vectors, real field[][MOST_LANES]) {
    vreal sums[BLOCK][STRIP_VECTORS];
    for (int u = 0; u < n_units; u++)
        for (int k = 0; k < n_vectors; k++) sums[u][k] = splat(0);
    for (int64_t j = 0; j < c->n_units; j++, lanes += width)
        for (int u = 0; u < n_units; u++) {
            vreal w = splat(rows[u][j]);
            for (int k = 0; k < n_vectors; k++) sums[u][k] += w * load_real(lanes + k * LANES);
        }
    for (int u = 0; u < n_units; u++)
        for (int k = 0; k < n_vectors; k++) store_real(field[u] + k * LANES, sums[u][k]);
}

static void fields_of(const fnn_couplings *c, const fnn_probes *p, const int64_t units[BLOCK], int64_t n_units,
                      real field[BLOCK][MOST_LANES]) {
    const real *rows[BLOCK], *lanes = p->lanes;
    int64_t step = n_units == BLOCK ? BLOCK : 1;
    for (int64_t u = 0; u < n_units; u++) rows[u] = (const real *)c->weights + units[u] * c->n_units;
    for (int64_t u = 0; u < n_units; u += step) {
        int64_t l = 0;
        for (; l + STRIP_VECTORS * LANES <= p->width; l += STRIP_VECTORS * LANES)
            if (step == BLOCK)
                add_rows(c, rows, BLOCK, lanes + l, p->width, STRIP_VECTORS, (real(*)[MOST_LANES])(field[0] + l));
            else
                add_rows(c, rows + u, 1, lanes + l, p->width, STRIP_VECTORS, (real(*)[MOST_LANES])(field[u] + l));
        for (; l < p->width; l += LANES)
            if (step == BLOCK)
                add_rows(c, rows, BLOCK, lanes + l, p->width, 1, (real(*)[MOST_LANES])(field[0] + l));
            else
                add_rows(c, rows + u, 1, lanes + l, p->width, 1, (real(*)[MOST_LANES])(field[u] + l));
    }
}

/* The states' bits to their lanes. */
void FN(load_couplings)(const fnn_couplings *c, fnn_probes *p) {
    real *lanes = p->lanes;
    for (int64_t i = 0; i < c->n_units; i++, lanes += p->width)
        for (int64_t l = 0; l < p->width; l++) lanes[l] = p->states[i] >> l & 1 ? 1 : -1;
}

/* The visit of one unit whose sum is `field`; returns the flips that act at once. */
static uint64_t visit(const fnn_couplings *c, fnn_probes *p, int64_t i, real field[MOST_LANES]) {
    real bias = ((const real *)c->bias)[i], *own = (real *)p->lanes + i * p->width;
    uint64_t up = 0, down = 0;
    for (int64_t l = 0; l < p->width; l += LANES) {
        vreal h = load_real(field + l) + splat(bias);
        store_real(field + l, h);
        up |= mask_bits(h > splat(0)) << l;
        down |= mask_bits(h < splat(0)) << l;
    }
    for (int64_t l = 0; p->synchronous && l < p->width; l++)
        p->energy[l] -= 0.5 * (double)own[l] * ((double)field[l] + (double)bias);
    uint64_t flips = take_flips(p, i, (up & ~p->states[i]) | (down & p->states[i]));
    for (uint64_t left = flips; left; left &= left - 1) {
        int l = __builtin_ctzll(left);
        own[l] = -own[l];
        p->energy[l] -= 2.0 * (double)own[l] * (double)field[l];
    }
    return flips;
}

/* Units order[first] .. order[last - 1] (first .. last - 1 if order is NULL), one after the other. Fields of
 * a block are summed at the states before it; what units of the block flip is added to those after them. */
void FN(recall_couplings)(const fnn_couplings *c, fnn_probes *p, const int64_t *order, int64_t first,
                          int64_t last) {
    for (int64_t k = first; k < last; k += BLOCK) {
        int64_t units[BLOCK], n = last - k < BLOCK ? last - k : BLOCK;
        real field[BLOCK][MOST_LANES];
        for (int64_t u = 0; u < n; u++) units[u] = order ? order[k + u] : k + u;
        fields_of(c, p, units, n, field);
        for (int64_t u = 0; u < n; u++) {
            uint64_t flips = visit(c, p, units[u], field[u]);
            for (; flips; flips &= flips - 1) {
                int l = __builtin_ctzll(flips);
                real change = 2 * ((const real *)p->lanes)[units[u] * p->width + l];
                for (int64_t v = u + 1; v < n; v++)
                    field[v][l] += ((const real *)c->weights)[units[v] * c->n_units + units[u]] * change;
            }
        }
    }
}
