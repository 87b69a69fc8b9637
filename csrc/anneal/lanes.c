/* Ising spins with any couplings, 32 reads side by side: one lane a read.
 *
 *   h_i = b_i + sum_j J_ij s_j = constant_i + 2 sum over j of J_ij [s_j up],  constant_i = b_i - sum_j J_ij
 *   Metropolis:  s_i -> -s_i with probability min(1, e^(-2 beta s_i h_i));
 *   heat bath:   s_i = up with probability 1 / (1 + e^(-2 beta h_i)).
 * (Metropolis et al., J. Chem. Phys. 21 (1953); Glauber, J. Math. Phys. 4 (1963).)
 *
 * Where few spins flip any more, the fields of all reads are kept and follow the flips.
 * Fields are integers in steps of a power of two of their own per spin (rows already doubled), so they
 * are exact sums that cannot drift, and couplings that are integers stay what they are. Every operation is
 * on lanes that never meet, so states are bitwise the same for any vector width. A uniform has the 31 bits of
 * float32, with more digits near zero, or 52 bits: the least acceptance it can tell from none is 2^-32, 2^-53.
 */
#include "../fastnn.h"
#include "../vmath.h"
#include "draw.h"

#define N_VECTORS DRAW_VECTORS               /* vectors of one spin's fields in 32 reads */
#define FAR (sizeof(real) == 4 ? REAL_C(22.2) : REAL_C(36.8)) /* e^-FAR is below every uniform */
#define MOVING_ALIKE 2.5 /* sums cost as much as bringing fields up to date where one spin in so many moves */

/* -x in the lanes whose bit is set. */
INLINE vreal negate_where(vreal x, uint32_t bits) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vreal)_mm512_mask_xor_epi32((__m512i)x, (__mmask16)bits, (__m512i)x, (__m512i)(-splat(0)));
#elif FASTNN_VEC == 64
    return (vreal)_mm512_mask_xor_epi64((__m512i)x, (__mmask8)bits, (__m512i)x, (__m512i)(-splat(0)));
#else
    return as_real(as_fix(x) ^ (lanes_of(bits) & as_fix(-splat(0))));
#endif
}

/* h + weight in the lanes whose bit is set. */
INLINE vfix add_where(vfix h, uint32_t bits, vfix weight) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vfix)_mm512_mask_add_epi32((__m512i)h, (__mmask16)bits, (__m512i)h, (__m512i)weight);
#elif FASTNN_VEC == 64
    return (vfix)_mm512_mask_add_epi64((__m512i)h, (__mmask8)bits, (__m512i)h, (__m512i)weight);
#else
    return h + (weight & lanes_of(bits));
#endif
}

/* e^-x for x in [0, 40]; relative error below 3e-7 (float32), 2 ulp (float64). */
INLINE vreal exp_minus(vreal x) {
#if FASTNN_REAL == 32
    vreal magic = splat(0x1.8p23f), y = x * splat(-0x1.715476p0f);
    vreal shifted = y + magic, f = y - (shifted - magic);
    vreal p = splat(0x1.5bba14p-10f);
    p = p * f + splat(0x1.3cea88p-7f);
    p = p * f + splat(0x1.c6b752p-5f);
    p = p * f + splat(0x1.ebf9bcp-3f);
    p = p * f + splat(0x1.62e42ap-1f);
    p = p * f + splat(1);
    return as_real(as_fix(p) + (vfix)((vufix)shifted << 23));
#else
    return vexp(-x);
#endif
}

/* Lanes of 32 reads that flip, given the bits of those that are up. h: the fields; slope: 2 beta times the
 * value of one step. u <= e^0 in every lane, so that what costs nothing is always accepted. */
INLINE uint32_t metropolis(stream *s, const vfix h[N_VECTORS], real slope, uint32_t up) {
    vreal x[N_VECTORS], u[N_VECTORS];
    uint64_t near = 0;
    for (int v = 0; v < N_VECTORS; v++) { /* x = 2 beta s h */
        x[v] = negate_where(to_real(h[v]) * splat(slope), ~up >> (v * LANES));
        near |= at_most_bits(x[v], splat(FAR));
    }
    if (!near) return 0;
    draw_uniforms(s, u);
    uint32_t flips = 0;
    for (int v = 0; v < N_VECTORS; v++) {
        vreal rise = min_real(max_real(x[v], splat(0)), splat(40));
        flips |= (uint32_t)at_most_bits(u[v], exp_minus(rise)) << (v * LANES);
    }
    return flips;
}

INLINE uint32_t heat_bath(stream *s, const vfix h[N_VECTORS], real slope, uint32_t before) {
    vreal u[N_VECTORS];
    uint32_t up = 0;
    draw_uniforms(s, u);
    for (int v = 0; v < N_VECTORS; v++) { /* u < 1 / (1 + e^-x), x >= 0; the mirror image for x < 0 */
        vreal x = to_real(h[v]) * splat(slope);
        vfix sign = as_fix(x) & as_fix(-splat(0));
        vreal e = exp_minus(min_real(as_real(as_fix(x) ^ sign), splat(40)));
        uint64_t minor = mask_bits(u[v] * (splat(1) + e) < e); /* takes the less likely of the two states */
        up |= (uint32_t)(minor ^ mask_bits(x >= splat(0))) << (v * LANES);
    }
    return up ^ before;
}

INLINE void sum_fields(const fnn_spins *m, const uint32_t *states, int64_t i, vfix h[N_VECTORS]) {
    const fix *weights = m->weights;
    for (int v = 0; v < N_VECTORS; v++) h[v] = splat_fix(((const fix *)m->constant)[i]);
    for (int64_t k = m->indptr[i]; k < m->indptr[i + 1]; k++) {
        uint32_t word = states[m->indices[k]];
        vfix weight = splat_fix(weights[k]);
        for (int v = 0; v < N_VECTORS; v++) h[v] = add_where(h[v], word >> (v * LANES), weight);
    }
}

/* The partners' fields after spin i flipped in some lanes; up: its bits since then. */
INLINE void push(const fnn_spins *m, fix *fields, int64_t i, uint32_t flips, uint32_t up) {
    const fix *gains = m->gains;
    for (int64_t k = m->indptr[i]; k < m->indptr[i + 1]; k++) {
        fix *h = fields + DRAW * (int64_t)m->indices[k];
        vfix gain = splat_fix(gains[k]);
        for (int v = 0; v < N_VECTORS; v++) {
            vfix more = add_where(load_fix(h + v * LANES), (flips & up) >> (v * LANES), gain);
            store_fix(h + v * LANES, add_where(more, (flips & ~up) >> (v * LANES), -gain));
        }
    }
}

/* Updates number first .. last - 1 of a sweep; in how many any read moved. fields: NULL, or those of every
 * spin, which are kept right. */
INLINE int64_t walk(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, fix *fields, int64_t first,
                    int64_t last) {
    int64_t moved = 0;
    for (int64_t at = first; at < last; at++) {
        int64_t i = m->sites[m->random_order ? draw_below(s, m->n_sites) : at];
        vfix h[N_VECTORS];
        if (fields)
            for (int v = 0; v < N_VECTORS; v++) h[v] = load_fix(fields + DRAW * i + v * LANES);
        else sum_fields(m, states, i, h);
        real slope = ((const real *)m->scale)[i] * twice_beta;
        if (!(slope < STRONGEST)) slope = STRONGEST;
        uint32_t flips = m->heat_bath ? heat_bath(s, h, slope, states[i]) : metropolis(s, h, slope, states[i]);
        if (!flips) continue;
        moved++;
        states[i] ^= flips;
        if (fields) push(m, fields, i, flips, states[i]);
    }
    return moved;
}

static int64_t walk_pulling(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, int64_t first,
                            int64_t last) {
    return walk(m, states, s, twice_beta, 0, first, last);
}

static int64_t walk_keeping(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, fix *fields,
                            int64_t first, int64_t last) {
    return walk(m, states, s, twice_beta, fields, first, last);
}

static void begin_keeping(const fnn_spins *m, const uint32_t *states, fix *fields) {
    for (int64_t i = 0; i < m->n_spins; i++) {
        vfix h[N_VECTORS];
        sum_fields(m, states, i, h);
        for (int v = 0; v < N_VECTORS; v++) store_fix(fields + DRAW * i + v * LANES, h[v]);
    }
}

/* Updates t0 .. t1 - 1 of a block of 32 reads, of which every sweep has n_sites. Where few spins moved in
 * the sweep before, fields are kept: sums are exact, so it does not show. */
void FN(anneal_lanes)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1) {
    uint32_t *states = (uint32_t *)m->states + block * m->stride;
    fix *fields = m->fields ? (fix *)m->fields + block * m->n_spins * DRAW : 0;
    uint64_t *seat = m->streams + block * XORO_WORDS;
    stream s = load_stream(seat);
    int keeping = 0;
    for (int64_t t = t0; t < t1;) {
        int64_t sweep = t / m->n_sites, first = t - sweep * m->n_sites;
        int64_t last = t1 - t < m->n_sites - first ? first + (t1 - t) : m->n_sites, moved;
        real twice_beta = double_beta(m->betas[block / m->blocks_per_rung * m->n_sweeps + sweep]);
        if (keeping) moved = walk_keeping(m, states, &s, twice_beta, fields, first, last);
        else moved = walk_pulling(m, states, &s, twice_beta, first, last);
        int calm = fields && MOVING_ALIKE * moved < last - first;
        if (calm && !keeping && t1 - t > 3 * m->n_sites) begin_keeping(m, states, fields);
        else calm = calm && keeping;
        keeping = calm;
        t += last - first;
    }
    store_stream(seat, &s);
}
