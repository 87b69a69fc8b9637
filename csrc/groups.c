/* Groups of two-valued units of which exactly one is up; the other part of units/potts.c.
 *
 *   weight_u = e^(z_u - max z of the group),  P(u) = weight_u / sum,  ln sum_u e^z_u = max + ln sum.
 * A draw inverts the cumulated weights at one uniform a group, keyed by its first unit in a stream of the
 * groups' own. Fields come in l->fields, real (n_rows, stride), and are overwritten by the weights; sums are
 * in double and in the order of the units: the same bits for any lane width.
 * A unit clamped down is out of its group's draw; one clamped up decides it.
 */
#include "fastnn.h"
#include "normal.h"

typedef struct {
    int64_t first, last;
    double sum, log_sum;
} group;

INLINE int bit_of(const uint64_t *bits, int64_t u) { return (int)(bits[u / 64] >> (u % 64) & 1); }

/* Fields to weights, in place. */
INLINE group weigh(real *z, int64_t first, int64_t last) {
    group g = {first, last, 0, 0};
    real most = z[first];
    for (int64_t u = first + 1; u < last; u++) most = z[u] > most ? z[u] : most;
    for (int64_t u = first; u < last; u += LANES) {
        int64_t n = last - u < LANES ? last - u : LANES;
        store_some(z + u, n, vexp(load_some(z + u, n, most) - splat(most)));
    }
    for (int64_t u = first; u < last; u++) g.sum += (double)z[u];
    g.log_sum = (double)(most + vlog(splat((real)g.sum))[0]);
    return g;
}

/* The unit that is up. */
INLINE int64_t draw(const fnn_layer *l, int64_t row, const real *weight, group g, real uniform) {
    const uint64_t *held = l->clamp;
    const uint64_t *held_at = l->clamp_to + (held ? row * ((l->n_units + TILE - 1) / TILE) : 0);
    double sum = held ? 0 : g.sum, past = 0;
    int64_t chosen = -1;
    for (int64_t u = g.first; held && u < g.last; u++) {
        if (!bit_of(held, u)) sum += (double)weight[u];
        else if (bit_of(held_at, u)) return u;
    }
    for (int64_t u = g.first; u < g.last; u++) {
        if (held && bit_of(held, u)) continue;
        past += (double)weight[u];
        chosen = u;
        if (past > (double)uniform * sum) break;
    }
    return chosen;
}

INLINE void choose(uint64_t *states, group g, int64_t chosen) {
    for (int64_t u = g.first; u < g.last; u++) {
        uint64_t bit = (uint64_t)1 << (u % 64);
        states[u / 64] = u == chosen ? states[u / 64] | bit : states[u / 64] & ~bit;
    }
}

/* chosen < 0: the means themselves, not a draw, stand for the units. */
INLINE void deliver(const fnn_layer *l, int64_t row, const real *weight, group g, int64_t chosen) {
    real *mean = (real *)l->mean + (l->mean ? row * l->stride : 0);
    for (int64_t u = g.first; u < g.last; u++) {
        real m = chosen >= 0 ? (real)(u == chosen) : (real)((double)weight[u] / g.sum);
        int64_t at = (u / TILE * l->weighted_rows + l->weighted_row0 + row) * TILE + u % TILE;
        if (l->mean) mean[u] = m;
        if (l->weighted) ((fix *)l->weighted)[at] = to_fix(round_real(splat(m * (real)l->weight)))[0];
    }
}

void FN(group_rows)(const fnn_layer *l, int64_t row0, int64_t row1) {
    int64_t n_tiles = (l->n_units + TILE - 1) / TILE;
    for (int64_t row = row0; row < row1; row++) {
        real uniform[TILE] ALIGNED, *z = (real *)l->fields + row * l->stride;
        philox_place at = {l->key, l->step, l->chain0 + (uint64_t)row, (uint32_t)l->stream + STREAM_GROUPS};
        int64_t tile = -1;
        for (int64_t k = 0; k < l->n_groups; k++) {
            group g = weigh(z, l->groups[2 * k], l->groups[2 * k + 1]);
            int64_t chosen = -1;
            if (l->states) {
                if (g.first / TILE != tile) uniform_tile(at, tile = g.first / TILE, uniform);
                chosen = draw(l, row, z, g, uniform[g.first % TILE]);
                choose(l->states + row * n_tiles, g, chosen);
            }
            deliver(l, row, z, g, l->weigh_draws ? chosen : -1);
            if (l->log_partition) ((double *)l->log_partition)[row * n_tiles + g.first / TILE] += g.log_sum;
        }
    }
}
