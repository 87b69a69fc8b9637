/* The loop that all units share whose states are numbers; a unit's file gives the law and includes this at
 * its end.
 *
 * P(s given z) = base(s) e^(z s) / e^(log-partition). For rows row0..row1 of one tile of units: sums (or a
 * ready field) -> fields z -> whatever is wanted of draw, mean, log-partition and its rise. Every draw is keyed
 * by (key, stream, step, chain, unit) alone. Before including, define
 *   UNIT          the name registered in FNN_UNITS
 *   UNIT_LEAST, UNIT_MOST  bounds of its states
 *   unit_mean     E[unit given z]
 *   unit_log_partition     ln of the integral (or sum) over the states of base(s) e^(z s)
 *   unit_rise              unit_log_partition at to z less the one at from z, by = to - from, for to, from in [0, 1]
 *   unit_log_base          ln base(s)
 *   unit_draws(at, tile, z, out)   a draw of the 64 units of a tile
 */
#include "fields.h"

/* Units past the end have no value; clamped ones keep theirs. */
INLINE void row_draws(const fnn_layer *l, int64_t row, int64_t tile, const real z[TILE], real out[TILE]) {
    unit_draws(place_of(l, row), tile, z, out);
    const real *held = (const real *)l->held_values + (l->clamp ? row * l->stride + TILE * tile : 0);
    for (int u = 0; l->clamp && u < TILE; u++)
        if (l->clamp[tile] >> u & 1) out[u] = held[u];
    for (int64_t u = l->n_units - TILE * tile; u < TILE; u++) out[u] = 0;
}

INLINE void row_means(const fnn_layer *l, int64_t tile, const real z[TILE], real out[TILE]) {
    for (int u = 0; u < TILE; u += LANES) store_real(out + u, unit_mean(load_real(z + u)));
    for (int64_t u = l->n_units - TILE * tile; u < TILE; u++) out[u] = 0;
}

const fnn_unit_values UNIT_NAME(UNIT, _values) = {QUOTE(UNIT), 0, 0, UNIT_LEAST, UNIT_MOST};

void UNIT_NAME(UNIT, _layer_tile)(const fnn_layer *l, int64_t row0, int64_t row1, int64_t tile, void *scratch) {
    int64_t n_tiles = (l->n_units + TILE - 1) / TILE;
    if (!l->field) FN(product_tile)(&l->input, row0, row1, tile, scratch);
    for (int64_t row = row0; row < row1; row++) {
        real z[TILE] ALIGNED, out[TILE] ALIGNED;
        int64_t at = row * l->stride + TILE * tile;
        row_fields(l, scratch, row1 - row0, row0, row, TILE * tile, z);
        if (l->rise)
            l->rise[row * n_tiles + tile] =
                row_rise(z, l->from[row], l->betas[row], l->n_units - TILE * tile, ~(uint64_t)0);
        if (l->betas) temper_row(l, row, TILE * tile, z);
        if (l->values || (l->mean && l->weigh_draws)) row_draws(l, row, tile, z, out);
        if (l->values) __builtin_memcpy((real *)l->values + at, out, sizeof out);
        if (l->mean && !l->weigh_draws) row_means(l, tile, z, out);
        if (l->mean) __builtin_memcpy((real *)l->mean + at, out, sizeof out);
        if (l->log_partition)
            ((double *)l->log_partition)[row * n_tiles + tile] =
                row_log_partition(z, l->n_units - TILE * tile, ~(uint64_t)0);
    }
}

double UNIT_NAME(UNIT, _log_base)(const void *x, int64_t n_units) {
    double sum = 0;
    for (int64_t u = 0; u < n_units; u += LANES) {
        int64_t left = n_units - u < LANES ? n_units - u : LANES;
        vreal each = unit_log_base(load_some((const real *)x + u, left, 0));
        for (int64_t k = 0; k < left; k++) sum += (double)each[k];
    }
    return sum;
}
