/* Ising spins with small integer couplings, one bit a read: 8 uncoupled spins x 64 reads at a time.
 *
 *   h_i = b_i + sum_j J_ij s_j = 2 x_i + odd,   x_i = sum_j |J_ij| [J_ij s_j > 0] + constant_i
 * in units of the couplings' common divisor. x is held in bit planes (two's complement) and summed by
 * full adders; weights above 1 enter plane by plane. (Multi-spin coding: Zorn, Herrmann, Rebbi, Comput.
 * Phys. Commun. 23 (1981), 337; Isakov, Zintchenko, Ronnow, Troyer, ibid. 192 (2015), 265.)
 *
 *   Metropolis: with k = s h = 2 j + 2 - odd, j < 0 is accepted, j >= 0 with probability e^(-2 beta k);
 *     j = x xor not s, where for even h the sum starts at -1 and takes in not s: -x = not x + 1.
 *     e^(-2 beta k) = threshold[j mod 8] times one factor for each higher bit of j.
 *   Heat bath: up with probability threshold[x] = 1 / (1 + e^(-2 beta h)).
 *
 * u < threshold is decided bit by bit, the most significant first, the lane's threshold bit chosen by its
 * planes; random words, independent for every lane, are drawn until all 512 lanes are decided. Thresholds
 * have FNN_THRESHOLD_BITS bits, so probabilities are exact to 2^-48 or so. Bitwise: everything.
 */
#include "../fastnn.h"
#include "wide.h"

#if FASTNN_REAL == 32 /* nothing here is real: one copy serves both */
#define TWIN_PASTE(name, isa) fnn_##name##_f64_##isa
#define TWIN_EXPAND(name, isa) TWIN_PASTE(name, isa)
#define TWIN(name) TWIN_EXPAND(name, FASTNN_ISA)
void TWIN(anneal_bits)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1);
void TWIN(anneal_bits_begin)(const fnn_spins *m, int64_t block, int64_t sweep, void *table);
void TWIN(anneal_bits_part)(const fnn_spins *m, int64_t block, int64_t part, int64_t t, const void *table);

void FN(anneal_bits)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1) {
    TWIN(anneal_bits)(m, block, t0, t1);
}
void FN(anneal_bits_begin)(const fnn_spins *m, int64_t block, int64_t sweep, void *table) {
    TWIN(anneal_bits_begin)(m, block, sweep, table);
}
void FN(anneal_bits_part)(const fnn_spins *m, int64_t block, int64_t part, int64_t t, const void *table) {
    TWIN(anneal_bits_part)(m, block, part, t, table);
}
#else

#define MUX 3                             /* planes of j that choose a threshold; factors for the others */
#define ROW_METROPOLIS FNN_METROPOLIS_ROW /* thresholds: odd (8), even (8), factors (16) */
#define ROW_HEAT_BATH FNN_HEAT_BATH_ROW   /* odd (64), even (64) */

/* One bit of every threshold, all ones or all zeros, most significant bit first. */
typedef struct {
    uint64_t bit[FNN_THRESHOLD_BITS][ROW_HEAT_BATH];
} masks;

static void spread_thresholds(const uint64_t *thresholds, int n, masks *m) {
    for (int b = 0; b < FNN_THRESHOLD_BITS; b++)
        for (int l = 0; l < n; l += VU64_LANES) {
            vu64 t = load_u64(thresholds + l) >> (FNN_THRESHOLD_BITS - 1 - b);
            store_u64(m->bit[b] + l, splat_u64(0) - (t & splat_u64(1)));
        }
}

/* ---- sums in bit planes ---- */

/* c[from..n_planes) += carry, carries running upwards. */
INLINE void ripple(wide *c, int n_planes, int from, wide carry) {
    for (int b = from; b < n_planes; b++)
        EACH_VECTOR(k) {
            vu64 sum = c[b].v[k] ^ carry.v[k];
            carry.v[k] &= c[b].v[k];
            c[b].v[k] = sum;
        }
}

/* *c += x + y in their plane; what is carried. */
INLINE wide add_two(wide *c, wide x, wide y) {
    wide carry;
    EACH_VECTOR(k) {
        carry.v[k] = majority(c->v[k], x.v[k], y.v[k]);
        c->v[k] = parity(c->v[k], x.v[k], y.v[k]);
    }
    return carry;
}

INLINE wide neighbour(const fnn_spins *m, const uint64_t *states, int64_t slot) {
    wide w = wide_gather(states, m->slots + slot * WIDE_WORDS), sign = wide_spread(m->signs[slot]);
    EACH_VECTOR(k) w.v[k] ^= sign.v[k];
    return w;
}

/* Adds n neighbours in plane `at`. */
INLINE void add_neighbours(const fnn_spins *m, const uint64_t *states, int64_t slot, int n, wide *c, int n_planes,
                           int at) {
    int s = 0;
    for (; s + 4 <= n; s += 4, slot += 4) {
        wide first = add_two(c + at, neighbour(m, states, slot), neighbour(m, states, slot + 1));
        wide second = add_two(c + at, neighbour(m, states, slot + 2), neighbour(m, states, slot + 3));
        ripple(c, n_planes, at + 2, add_two(c + at + 1, first, second));
    }
    if (n - s >= 2) {
        ripple(c, n_planes, at + 1, add_two(c + at, neighbour(m, states, slot), neighbour(m, states, slot + 1)));
        s += 2, slot += 2;
    }
    if (s < n) ripple(c, n_planes, at, neighbour(m, states, slot));
}

INLINE void sum_fields(const fnn_spins *m, const fnn_group *g, const uint64_t *states, wide *c, int n_planes) {
    for (int b = 0; b < n_planes; b++) c[b] = wide_spread(g->constant[b]);
    int64_t slot = g->slot;
    add_neighbours(m, states, slot, g->widths[0], c, n_planes, 0);
    slot += g->widths[0];
    for (int level = 1; level < m->n_levels; slot += g->widths[level++])
        for (int s = 0; s < g->widths[level]; s++) {
            wide w = neighbour(m, states, slot + s);
            for (int b = level; b < n_planes; b++) { /* n_planes is known, level is not */
                EACH_VECTOR(k) {
                    vu64 sum = c[b].v[k] ^ w.v[k];
                    w.v[k] &= c[b].v[k];
                    c[b].v[k] = sum;
                }
            }
        }
}

/* ---- random decisions ---- */

#define MOST_LEAVES 64

/* The threshold bit of every lane: leaves[number whose bits are the planes]. */
INLINE wide pick(const wide *planes, int depth, const uint64_t *leaves) {
    wide t[MOST_LEAVES / 2];
    if (!depth) return wide_splat(leaves[0]);
#pragma GCC unroll 32
    for (int i = 0; i < 1 << (depth - 1); i++)
        EACH_VECTOR(k) t[i].v[k] = choose(planes[0].v[k], splat_u64(leaves[2 * i + 1]), splat_u64(leaves[2 * i]));
#pragma GCC unroll 5
    for (int d = 1; d < depth; d++)
#pragma GCC unroll 16
        for (int i = 0; i < 1 << (depth - 1 - d); i++)
            EACH_VECTOR(k) t[i].v[k] = choose(planes[d].v[k], t[2 * i + 1].v[k], t[2 * i].v[k]);
    return t[0];
}

/* The lanes of `asked` where a uniform is below the lane's threshold. */
INLINE wide below(wide_stream *stream, const masks *table, int leaf, const wide *planes, int depth, wide asked) {
    wide result = wide_splat(0), open = asked;
    wide_stream s = *stream; /* in registers for the length of the loop */
    for (int b = 0; b < FNN_THRESHOLD_BITS && wide_any(open); b++) {
        wide u = wide_next(&s), t = pick(planes, depth, table->bit[b] + leaf);
        EACH_VECTOR(k) { /* where u differs from t, u < t says t */
            result.v[k] = choose(open.v[k], t.v[k], result.v[k]);
            open.v[k] = and_same(open.v[k], u.v[k], t.v[k]);
        }
    }
    *stream = s;
    EACH_VECTOR(k) result.v[k] &= asked.v[k] & ~open.v[k];
    return result;
}

INLINE wide metropolis(wide_stream *stream, const masks *table, int odd, wide *c, int n_planes, wide up) {
    int depth = n_planes - 1 < MUX ? n_planes - 1 : MUX;
    wide alive;
    for (int b = 0; b < n_planes; b++)
        EACH_VECTOR(k) c[b].v[k] = ~(c[b].v[k] ^ up.v[k]);
    EACH_VECTOR(k) alive.v[k] = ~c[n_planes - 1].v[k];
    for (int b = depth; b < n_planes - 1; b++) {
        wide asked;
        EACH_VECTOR(k) asked.v[k] = alive.v[k] & c[b].v[k];
        wide kept = below(stream, table, 16 + b, c, 0, asked);
        EACH_VECTOR(k) alive.v[k] ^= asked.v[k] ^ kept.v[k];
    }
    wide flips = below(stream, table, odd ? 0 : 8, c, depth, alive);
    EACH_VECTOR(k) up.v[k] ^= flips.v[k] | c[n_planes - 1].v[k];
    return up;
}

/* ---- the walk ---- */

INLINE void update_group(const fnn_spins *m, const fnn_group *g, uint64_t *states, wide_stream *stream,
                         const masks *table, int n_planes, int heat_bath) {
    wide c[FNN_PLANES], up;
    sum_fields(m, g, states, c, n_planes);
    if (heat_bath) {
        up = below(stream, table, g->odd ? 0 : 64, c, n_planes, wide_splat(~(uint64_t)0));
    } else {
        wide down;
        up = wide_gather(states, g->members);
        EACH_VECTOR(k) down.v[k] = ~up.v[k];
        if (!g->odd) ripple(c, n_planes, 0, down);
        up = metropolis(stream, table, g->odd, c, n_planes, up);
    }
    wide_scatter(states, g->members, up);
}

/* The number of planes is a constant in each branch: planes live in registers. */
static void update_any(const fnn_spins *m, const fnn_group *g, uint64_t *states, wide_stream *stream,
                       const masks *table) {
#define PLANES(n) \
    case n: update_group(m, g, states, stream, table, n, 0); return;
#define PLANES_HEAT_BATH(n) \
    case n: update_group(m, g, states, stream, table, n, 1); return;
    if (m->heat_bath) {
        switch (g->n_planes) {
            PLANES_HEAT_BATH(2) PLANES_HEAT_BATH(3) PLANES_HEAT_BATH(4) PLANES_HEAT_BATH(5)
        default: update_group(m, g, states, stream, table, 6, 1); return;
        }
    }
    switch (g->n_planes) {
        PLANES(2) PLANES(3) PLANES(4) PLANES(5) PLANES(6) PLANES(7)
    default: update_group(m, g, states, stream, table, g->n_planes, 0);
    }
}

static int64_t row_of(const fnn_spins *m, int64_t block, int64_t sweep, masks *table) {
    int row = m->heat_bath ? ROW_HEAT_BATH : ROW_METROPOLIS;
    int64_t at = block / m->blocks_per_rung * m->n_sweeps + sweep;
    spread_thresholds(m->thresholds + at * row, row, table);
    return sweep;
}

/* A part of a stage, or a spin drawn at random: a group of its own. */
static void walk_part(const fnn_spins *m, int64_t block, int64_t part, int64_t stage, const masks *table) {
    uint64_t *states = (uint64_t *)m->states + block * m->stride;
    uint64_t *seat = m->streams + (block * m->n_parts + part) * XORO_WORDS;
    wide_stream stream = wide_load_stream(seat);
    int64_t begin = m->random_order ? 0 : m->stages[stage], n = m->random_order ? 0 : m->stages[stage + 1] - begin;
    int64_t first = begin + n * part / m->n_parts, last = begin + n * (part + 1) / m->n_parts;
    if (m->random_order) {
        wide word = wide_next(&stream);
        first = (int64_t)((word.v[0][0] >> 32) * (uint64_t)m->n_sites >> 32);
        last = first + 1;
    }
    for (int64_t g = first; g < last; g++) update_any(m, m->groups + g, states, &stream, table);
    wide_store_stream(seat, &stream);
}

/* Steps t0 .. t1 - 1 of a block of 64 reads: a step is a stage (uncoupled groups, in n_parts parts with
 * streams of their own; of one part, groups in order) or, in random order, one spin. */
void FN(anneal_bits)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1) {
    int64_t spread = -1;
    masks table;
    for (int64_t t = t0; t < t1; t++) {
        if (t / m->n_sites != spread) spread = row_of(m, block, t / m->n_sites, &table);
        for (int64_t part = 0; part < m->n_parts; part++) walk_part(m, block, part, t % m->n_sites, &table);
    }
}

/* The same in pieces that may run side by side: the masks of a sweep, then any part of any of its steps. */
void FN(anneal_bits_begin)(const fnn_spins *m, int64_t block, int64_t sweep, void *table) {
    row_of(m, block, sweep, table);
}

void FN(anneal_bits_part)(const fnn_spins *m, int64_t block, int64_t part, int64_t t, const void *table) {
    walk_part(m, block, part, t % m->n_sites, table);
}
#endif
