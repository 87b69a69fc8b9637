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
#include "units/tempered.h"

typedef struct {
    int64_t first, last;
    double sum;
} group;

INLINE int bit_of(const uint64_t *bits, int64_t u) { return (int)(bits[u / 64] >> (u % 64) & 1); }

/* Fields of a row to weights, in place: each less the greatest of its group, then all exponentials at once, of
 * units in no group too, which nobody reads. log_partition: of the row's tiles, or NULL. */
INLINE void weigh(const fnn_layer *l, real *z, double *log_partition) {
    int64_t last_unit = l->groups[2 * l->n_groups - 1];
    for (int64_t k = 0; k < l->n_groups; k++) {
        int64_t first = l->groups[2 * k], last = l->groups[2 * k + 1];
        real most = z[first];
        for (int64_t u = first + 1; u < last; u++) most = z[u] > most ? z[u] : most;
        for (int64_t u = first; u < last; u++) z[u] -= most;
        if (log_partition) log_partition[first / TILE] += (double)most;
    }
    for (int64_t u = l->groups[0] / TILE * TILE; u < last_unit; u += LANES) store_real(z + u, vexp(load_real(z + u)));
}

/* By how much a change of temperature raises ln sum_u e^(beta z_u) of a group. The same unit is greatest at every
 * beta, so with d = z - max z, S = sum e^(beta d): by max z + ln(1 + (S(to) - S(from)) / S(from)). */
INLINE double group_rise(const real *z, group g, double from, double to) {
    real most = z[g.first];
    double sum = 0, change = 0, by = to - from;
    for (int64_t u = g.first + 1; u < g.last; u++) most = z[u] > most ? z[u] : most;
    for (int64_t u = g.first; u < g.last; u += LANES) {
        int64_t left = g.last - u < LANES ? g.last - u : LANES;
        vreal d = load_some(z + u, left, most) - splat(most);
        vreal each = vexp(splat((real)from) * d);
        vreal rise = exp_rise(d, splat((real)from), splat((real)to), splat((real)by));
        for (int64_t k = 0; k < left; k++) sum += (double)each[k], change += (double)rise[k];
    }
    vreal ratio = splat((real)(change / sum));
    /* In [-1/2, 0] the logarithm keeps the digits of the change. */
    vreal less = min_real(ratio, -ratio / (splat(1) + ratio));
    vreal log = log1p_half(max_real(splat(REAL_C(-0.5)), less)), direct = vlog(splat(1) + less);
    log = select_real(less < splat(REAL_C(-0.5)), direct, log);
    return by * (double)most + (double)select_real(ratio > splat(0), -log, log)[0];
}

/* The unit that is up, where some of the group's are held: the one held up, or a draw among those not held. */
INLINE int64_t draw_beside(const fnn_layer *l, int64_t row, const real *weight, group g, real uniform) {
    const uint64_t *held = l->clamp, *held_at = l->clamp_to + row * ((l->n_units + TILE - 1) / TILE);
    double sum = 0, past = 0;
    int64_t chosen = -1;
    for (int64_t u = g.first; u < g.last; u++) {
        if (!bit_of(held, u)) sum += (double)weight[u];
        else if (bit_of(held_at, u)) return u;
    }
    for (int64_t u = g.first; u < g.last; u++) {
        if (bit_of(held, u)) continue;
        past += (double)weight[u];
        chosen = u;
        if (past > (double)uniform * sum) break;
    }
    return chosen;
}

/* The first unit at which the weights so far exceed the uniform's share of their sum: a count of those before
 * it, for a branch would be mispredicted once a group. */
INLINE int64_t draw(const real *weight, group g, real uniform) {
    double share = (double)uniform * g.sum, past = 0;
    int64_t chosen = g.first;
    for (int64_t u = g.first; u < g.last - 1; u++) {
        past += (double)weight[u];
        chosen += !(past > share);
    }
    return chosen;
}

INLINE void choose(uint64_t *states, group g, int64_t chosen) {
    for (int64_t word = g.first / 64; word <= (g.last - 1) / 64; word++) {
        int64_t from = g.first > 64 * word ? g.first - 64 * word : 0, to = g.last - 64 * word;
        uint64_t above = ~(uint64_t)0 << from, below = to < 64 ? ((uint64_t)1 << to) - 1 : ~(uint64_t)0;
        states[word] &= ~(above & below);
    }
    if (chosen >= 0) states[chosen / 64] |= (uint64_t)1 << (chosen % 64);
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

/* One group of a row, whose weights are made. */
INLINE void group_row(const fnn_layer *l, int64_t row, const real *weight, group g, real uniform) {
    int64_t n_tiles = (l->n_units + TILE - 1) / TILE, chosen = -1;
    for (int64_t u = g.first; u < g.last; u++) g.sum += (double)weight[u];
    if (l->states) {
        chosen = l->clamp ? draw_beside(l, row, weight, g, uniform) : draw(weight, g, uniform);
        choose(l->states + row * n_tiles, g, chosen);
    }
    if (l->mean || l->weighted) deliver(l, row, weight, g, l->weigh_draws ? chosen : -1);
    if (l->log_partition)
        ((double *)l->log_partition)[row * n_tiles + g.first / TILE] += (double)vlog(splat((real)g.sum))[0];
}

/* All tiles that hold units of groups; others in them are tempered as well, and nobody reads them. */
INLINE void temper_groups(const fnn_layer *l, int64_t row, real *z) {
    for (int64_t u = l->groups[0] / TILE * TILE; u < l->groups[2 * l->n_groups - 1]; u += TILE)
        temper_row(l, row, u, z + u);
}

void FN(group_rows)(const fnn_layer *l, int64_t row0, int64_t row1) {
    int64_t n_tiles = (l->n_units + TILE - 1) / TILE;
    for (int64_t row = row0; row < row1; row++) {
        real uniform[TILE] ALIGNED, *z = (real *)l->fields + row * l->stride;
        philox_place at = {l->key, l->step, l->chain0 + (uint64_t)row, (uint32_t)l->stream + STREAM_GROUPS};
        int64_t tile = -1;
        for (int64_t k = 0; l->rise && k < l->n_groups; k++) {
            group g = {l->groups[2 * k], l->groups[2 * k + 1], 0};
            l->rise[row * n_tiles + g.first / TILE] += group_rise(z, g, l->from[row], l->betas[row]);
        }
        if (l->betas) temper_groups(l, row, z);
        weigh(l, z, l->log_partition ? (double *)l->log_partition + row * n_tiles : 0);
        for (int64_t k = 0; k < l->n_groups; k++) {
            group g = {l->groups[2 * k], l->groups[2 * k + 1], 0};
            if (l->states && g.first / TILE != tile) uniform_tile(at, tile = g.first / TILE, uniform);
            group_row(l, row, z, g, l->states ? uniform[g.first % TILE] : 0);
        }
    }
}
