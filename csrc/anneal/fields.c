/* Ising spins with fields that are kept, one read at a time: for few reads, and for dense couplings.
 *
 *   h_i = constant_i + 2 sum over j of J_ij [s_j up],  constant_i = b_i - sum_j J_ij, brought up to date when
 *   spin j flips. The laws of lanes.c, turned round to 16 comparisons at a time: spin i flips where
 *   Metropolis:  2 beta s_i h_i <= -ln u;        heat bath:  2 beta s_i h_i <= s_i ln(v / (1 - v)).
 * (Fields per read as in Isakov, Zintchenko, Ronnow, Troyer, Comput. Phys. Commun. 192 (2015), 265.)
 *
 * Spins lie in the order of a sweep, `place` by place. Thresholds are drawn for 32 places; of 16, the first
 * that flips does so, then those behind it are looked at again if any two of the 16 are coupled: what is
 * walked is the order of the places. With a matrix of couplings, flips reach fields beyond 64 places when
 * these have been walked, so that a field is loaded once for all of them.
 *
 * Fields are fixed-point sums as in lanes.c: exact, so they do not drift, and bitwise the same for any vector
 * width. Uniforms as in lanes.c; v has one bit more.
 */
#include "../fastnn.h"
#include "draw.h"

#define GROUP 16              /* places looked at together */
#define BLOCK 64              /* places of one step */
#define COLUMNS (4 * LANES)

typedef struct {
    fix *h, *down; /* fields; the sign bit where a spin is down */
} kept;

typedef struct {
    int64_t at[BLOCK];
    int n;
} flipped;

INLINE kept kept_by(const fnn_spins *m, int64_t read) {
    kept k = {(fix *)m->fields + read * m->kept_stride, (fix *)m->downs + read * m->kept_stride};
    return k;
}

INLINE const fix *matrix_row(const fnn_spins *m, int64_t place) {
    return (const fix *)m->matrix + place * m->kept_stride;
}

INLINE void add_row(fix *h, const fix *row, int64_t n, fix up) {
    vfix sign = splat_fix(up - 1); /* -1 where it is taken away: x ^ -1 - -1 = -x */
    for (int64_t j = 0; j < n; j += LANES)
        store_fix(h + j, load_fix(h + j) + ((load_fix(row + j) ^ sign) - sign));
}

INLINE void add_pairs(const fnn_spins *m, fix *h, int64_t place, fix up) {
    const fix *gains = m->gains;
    fix sign = up - 1;
#pragma GCC unroll 4
    for (int64_t k = m->indptr[place]; k < m->indptr[place + 1]; k++)
        h[m->indices[k]] += (gains[k] ^ sign) - sign;
}

/* Turns a spin over; fields follow, those from place `begin` to `begin` + n with a matrix. */
INLINE void turn(const fnn_spins *m, kept k, int64_t place, int64_t begin, int64_t n) {
    fix up = k.down[place] != 0;
    k.down[place] ^= (fix)((ufix)1 << (8 * sizeof(fix) - 1));
    if (m->matrix) add_row(k.h + begin, matrix_row(m, place) + begin, n, up);
    else add_pairs(m, k.h, place, up);
}

/* Fields from column0 to column1 after the flips of other places. */
static void spread(const fnn_spins *m, kept k, const flipped *flips, int64_t column0, int64_t column1) {
    const fix *rows[BLOCK];
    fix signs[BLOCK];
    for (int f = 0; f < flips->n; f++) {
        rows[f] = matrix_row(m, flips->at[f]);
        signs[f] = k.down[flips->at[f]] ? -1 : 0;
    }
    for (int64_t j = column0; j < column1; j += COLUMNS) {
        vfix sum[4];
        for (int v = 0; v < 4; v++) sum[v] = load_fix(k.h + j + v * LANES);
        for (int f = 0; f < flips->n; f++) {
            const fix *row = rows[f] + j;
            if (signs[f])
                for (int v = 0; v < 4; v++) sum[v] -= load_fix(row + v * LANES);
            else
                for (int v = 0; v < 4; v++) sum[v] += load_fix(row + v * LANES);
        }
        for (int v = 0; v < 4; v++) store_fix(k.h + j + v * LANES, sum[v]);
    }
}

/* What 2 beta s h is compared with, before the sign of a heat bath's spins. */
INLINE void draw_thresholds(stream *s, int64_t is_heat_bath, real out[DRAW]) {
    vreal u[DRAW_VECTORS];
    if (!is_heat_bath) {
        draw_uniforms(s, u);
        for (int v = 0; v < DRAW_VECTORS; v++) store_real(out + v * LANES, -vlog(u[v]));
        return;
    }
    vfix side[DRAW_VECTORS];
    draw_halves(s, u, side);
    for (int v = 0; v < DRAW_VECTORS; v++) {
        vreal lean = vlog(u[v] / (splat(1) - u[v]));
        store_real(out + v * LANES, as_real(as_fix(lean) ^ side[v]));
    }
}

INLINE vreal slopes(const fnn_spins *m, int64_t place, real twice_beta) {
    return min_real(load_real((const real *)m->scale + place) * splat(twice_beta), splat(STRONGEST));
}

/* Bits of the 16 places whose spins flip, by their fields as they are. */
INLINE uint32_t willing(const fnn_spins *m, kept k, int64_t place, real twice_beta, const real *thresholds) {
    uint32_t flips = 0;
    for (int v = 0; v < GROUP; v += LANES) {
        vreal x = to_real(load_fix(k.h + place + v)) * slopes(m, place + v, twice_beta);
        x = as_real(as_fix(x) ^ load_fix(k.down + place + v));
        flips |= (uint32_t)at_most_bits(x, load_real(thresholds + v)) << v;
    }
    return flips;
}

INLINE void walk_group(const fnn_spins *m, kept k, int64_t place, uint32_t open, real twice_beta,
                       const real *thresholds, int64_t begin, flipped *flips) {
    int together = m->coupled[place / GROUP];
    while (open) {
        uint32_t accepted = willing(m, k, place, twice_beta, thresholds) & open;
        if (!accepted) return;
        do {
            int lane = __builtin_ctz(accepted);
            turn(m, k, place + lane, begin, BLOCK);
            flips->at[flips->n++] = place + lane;
            open &= ~((2u << lane) - 1);
            accepted &= accepted - 1;
        } while (accepted && !together);
        if (!together) return;
    }
}

static void walk_in_order(const fnn_spins *m, kept k, stream *s, int64_t begin, int64_t n, real twice_beta) {
    flipped flips;
    real thresholds[DRAW] ALIGNED;
    flips.n = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i % DRAW;
        if (!at) draw_thresholds(s, m->heat_bath, thresholds);
        if (i % GROUP) continue;
        if (m->heat_bath)
            for (int v = 0; v < GROUP; v += LANES) {
                vfix sign = load_fix(k.down + begin + i + v);
                store_real(thresholds + at + v, as_real(as_fix(load_real(thresholds + at + v)) ^ sign));
            }
        uint32_t open = n - i < GROUP ? (1u << (n - i)) - 1 : (1u << GROUP) - 1;
        walk_group(m, k, begin + i, open, twice_beta, thresholds + at, begin, &flips);
    }
    if (!m->matrix || !flips.n) return;
    spread(m, k, &flips, 0, begin);
    spread(m, k, &flips, begin + BLOCK, m->kept_columns);
}

static void walk_at_random(const fnn_spins *m, kept k, stream *s, int64_t n, real twice_beta) {
    real thresholds[DRAW] ALIGNED;
    uint32_t words[DRAW];
    for (int64_t i = 0; i < n; i++) {
        if (i % DRAW == 0) {
            draw_thresholds(s, m->heat_bath, thresholds);
            draw_words(s, words);
        }
        int64_t place = (int64_t)((uint64_t)words[i % DRAW] * (uint64_t)m->n_places >> 32);
        real slope = ((const real *)m->scale)[place] * twice_beta;
        real x = (real)k.h[place] * (slope < STRONGEST ? slope : STRONGEST), limit = thresholds[i % DRAW];
        if (k.down[place]) {
            x = -x;
            if (m->heat_bath) limit = -limit;
        }
        if (x <= limit) turn(m, k, place, 0, m->kept_columns);
    }
}

/* Step t of one read: 64 updates, the last of a sweep's n_sites perhaps of fewer. */
void FN(anneal_fields)(const fnn_spins *m, int64_t read, int64_t t) {
    int64_t sweep = t / m->n_sites, begin = (t - sweep * m->n_sites) * BLOCK;
    int64_t n = m->n_places - begin < BLOCK ? m->n_places - begin : BLOCK;
    real twice_beta = double_beta(m->betas[read / m->n_reads * m->n_sweeps + sweep]);
    uint64_t *seat = m->streams + read * XORO_WORDS;
    stream s = load_stream(seat);
    if (m->random_order) walk_at_random(m, kept_by(m, read), &s, n, twice_beta);
    else walk_in_order(m, kept_by(m, read), &s, begin, n, twice_beta);
    store_stream(seat, &s);
}

INLINE uint8_t *word_of(const fnn_spins *m, int64_t read, int *bit) {
    int64_t rung = read / m->n_reads, within = read % m->n_reads;
    *bit = (int)(within % 8);
    return (uint8_t *)m->states + (rung * m->blocks_per_rung + within / 8) * m->stride;
}

/* Spins and fields of a read follow its bits in `states`. */
void FN(anneal_fields_load)(const fnn_spins *m, int64_t read) {
    int bit;
    const uint8_t *words = word_of(m, read, &bit);
    kept k = kept_by(m, read);
    for (int64_t place = 0; place < m->n_spins; place++) {
        int up = words[m->sites[place]] >> bit & 1;
        if (up != (k.down[place] == 0)) turn(m, k, place, 0, m->kept_columns);
    }
}

/* The converse. Reads of one word must not be stored side by side. */
void FN(anneal_fields_store)(const fnn_spins *m, int64_t read) {
    int bit;
    uint8_t *words = word_of(m, read, &bit);
    kept k = kept_by(m, read);
    for (int64_t place = 0; place < m->n_spins; place++) {
        uint8_t *word = words + m->sites[place], up = k.down[place] == 0;
        *word = (uint8_t)((*word & ~(1u << bit)) | (unsigned)up << bit);
    }
}
