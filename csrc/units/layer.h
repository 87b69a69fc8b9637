/* The loop that all two-valued units share; a unit's file gives the law and includes this at its end.
 *
 * For rows row0..row1 of one tile of units: sums (or a ready field) -> fields z -> whatever is wanted of
 * mean, draw and log-partition. A draw is keyed by (key, stream, step, chain, unit) alone, and does not
 * fall from 1 to 0 as its uniform falls. Before including, define
 *   UNIT          the name registered in FNN_UNITS
 *   UNIT_LOW, UNIT_STEP  its state is LOW + STEP * bit
 *   unit_mean     E[unit given z]
 *   unit_draw     lanes where the unit takes its upper value, given z and a uniform in (0, 1)
 *   unit_log_partition   ln of the sum over the unit's states of e^(z * state)
 *   unit_rise            unit_log_partition at to z less the one at from z, for to, from in [0, 1]
 */
#include "../vmath.h"
#include "fields.h"

/* A unit's uniform is (half + fraction) / 2^16. Its 16 leading bits decide all but one draw in 2^16: where
 * the draw is the same at both ends of what the fraction may add, the fraction is not looked at. */
INLINE uint64_t draw_tile(philox_place at, int64_t tile, const uint32_t halves[TILE / 2], const real z[TILE]) {
    real half[TILE] ALIGNED, fraction[TILE] ALIGNED;
    vreal step = splat(REAL_C(0x1p-16));
    uint64_t surely = 0, maybe = 0;
    for (int u = 0; u < TILE / 2; u++) {
        half[u] = (real)(int32_t)(halves[u] & 0xffff);
        half[u + TILE / 2] = (real)(int32_t)(halves[u] >> 16);
    }
    for (int u = 0; u < TILE; u += LANES) {
        vreal low = load_real(half + u);
        surely |= mask_bits(unit_draw(load_real(z + u), (low + splat(1)) * step)) << u;
        maybe |= mask_bits(unit_draw(load_real(z + u), low * step)) << u;
    }
    if (surely == maybe) return surely;
    at.stream |= STREAM_FRACTION;
    uniform_tile(at, tile, fraction);
    for (int u = 0; u < TILE; u += LANES) {
        vreal uniform = (load_real(half + u) + load_real(fraction + u)) * step;
        surely |= mask_bits(unit_draw(load_real(z + u), uniform)) << u;
    }
    return surely;
}

/* The row's draw, with the clamped units put back and none past the last unit. */
INLINE uint64_t row_draw(const fnn_layer *l, int64_t row, int64_t tile, const uint32_t halves[TILE / 2],
                         const real z[TILE]) {
    uint64_t bits = draw_tile(place_of(l, row), tile, halves, z);
    if (l->clamp) {
        uint64_t held = l->clamp[tile], n_tiles = (uint64_t)(l->n_units + TILE - 1) / TILE;
        bits = (bits & ~held) | (l->clamp_to[(uint64_t)row * n_tiles + (uint64_t)tile] & held);
    }
    int64_t left = l->n_units - TILE * tile;
    return left < TILE ? bits & (((uint64_t)1 << left) - 1) : bits;
}

/* What stands for the unit in a statistic: its mean, or the state just drawn. */
INLINE vreal statistic(const fnn_layer *l, uint64_t drawn, int u, vreal mean) {
    if (!l->weigh_draws) return mean;
    vreal state;
    for (int k = 0; k < LANES; k++) state[k] = (real)(UNIT_LOW + UNIT_STEP * (int)(drawn >> (u + k) & 1));
    return state;
}

INLINE void row_mean(const fnn_layer *l, int64_t row, int64_t tile, const real z[TILE], uint64_t drawn) {
    real *mean = l->mean ? (real *)l->mean + row * l->stride + TILE * tile : 0;
    fix *weighted = l->weighted
        ? (fix *)l->weighted + (tile * l->weighted_rows + l->weighted_row0 + row) * TILE : 0;
    vreal weight = splat((real)l->weight);
    for (int u = 0; u < TILE; u += LANES) {
        vreal m = statistic(l, drawn, u, unit_mean(load_real(z + u)));
        if (mean) store_real(mean + u, m);
        if (weighted) store_fix(weighted + u, to_fix(round_real(m * weight)));
    }
    for (int64_t u = l->n_units - TILE * tile; u < TILE; u++) { /* units past the end have no mean */
        if (mean) mean[u] = 0;
        if (weighted) weighted[u] = 0;
    }
}

const fnn_unit_values UNIT_NAME(UNIT, _values) = {QUOTE(UNIT), UNIT_LOW, UNIT_STEP, UNIT_LOW, UNIT_LOW + UNIT_STEP};

/* States of two values weigh the same. */
double UNIT_NAME(UNIT, _log_base)(const void *x, int64_t n_units) {
    (void)x, (void)n_units;
    return 0;
}

void UNIT_NAME(UNIT, _layer_tile)(const fnn_layer *l, int64_t row0, int64_t row1, int64_t tile, void *scratch) {
    int64_t n_tiles = (l->n_units + TILE - 1) / TILE;
    uint32_t halves[2][TILE / 2] ALIGNED;
    uint64_t alone = l->alone ? l->alone[tile] : ~(uint64_t)0; /* groups.c does the other units */
    int draws = l->states && alone;
    if (!l->field) FN(product_tile)(&l->input, row0, row1, tile, scratch);
    for (int64_t row = row0; row < row1; row++) {
        real z[TILE] ALIGNED;
        uint64_t drawn = 0;
        int64_t second = (row - row0) % 2;
        if (draws && !second) philox_halves(place_of(l, row), tile, halves);
        row_fields(l, scratch, row1 - row0, row0, row, TILE * tile, z);
        if (l->fields) __builtin_memcpy((real *)l->fields + row * l->stride + TILE * tile, z, sizeof z);
        if (l->rise)
            l->rise[row * n_tiles + tile] = row_rise(z, l->from[row], l->betas[row], l->n_units - TILE * tile, alone);
        if (l->betas) temper_row(l, row, TILE * tile, z);
        if (draws) drawn = row_draw(l, row, tile, halves[second], z);
        if (l->states) l->states[row * n_tiles + tile] = drawn;
        if (l->mean || l->weighted) row_mean(l, row, tile, z, drawn);
        if (l->log_partition)
            ((double *)l->log_partition)[row * n_tiles + tile] =
                row_log_partition(z, l->n_units - TILE * tile, alone);
    }
}
