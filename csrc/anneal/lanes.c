/* Ising spins with any couplings, 32 reads side by side: one lane a read.
 *
 *   h_i = b_i + sum_j J_ij s_j = constant_i + 2 sum over j of J_ij [s_j up],  constant_i = b_i - sum_j J_ij
 *   Metropolis:  s_i -> -s_i with probability min(1, e^(-2 beta s_i h_i));
 *   heat bath:   s_i = up with probability 1 / (1 + e^(-2 beta h_i)).
 * (Metropolis et al., J. Chem. Phys. 21 (1953); Glauber, J. Math. Phys. 4 (1963).)
 *
 * No uniform is so small that a read with 2 beta s_i h_i > FAR flips: a spin with all reads out there draws
 * none. Where few spins flip any more, the fields of all reads are kept and follow the flips. So is the least
 * s_i h_i over the reads, a spin's margin, until a partner flips.
 *
 * Fields are integers in steps of a power of two of their own per spin (rows already doubled), so they
 * are exact sums that cannot drift, and couplings that are integers stay what they are. Every operation is
 * on lanes that never meet, or a least number, so states are bitwise the same for any vector width. A uniform
 * has the 31 bits of float32, with more digits near zero, or 52: the least acceptance it knows is 2^-32, 2^-53.
 */
#include "../fastnn.h"
#include "../vmath.h"
#include "draw.h"

#define N_VECTORS DRAW_VECTORS               /* vectors of one spin's fields in 32 reads */
#define FAR (sizeof(real) == 4 ? REAL_C(22.2) : REAL_C(36.8)) /* e^-FAR is below every uniform */
#define UNKNOWN -REAL_C(0x1p100) /* a margin that tells nothing */

/* e^-x for |x| <= 40; relative error below 3e-7 (float32), 2 ulp (float64). */
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

/* u <= e^-x, where e^0 is no less than any u: what costs nothing is always accepted. */
INLINE uint32_t metropolis(stream *s, const vreal x[N_VECTORS]) {
    vreal u[N_VECTORS];
    uint32_t flips = 0;
    draw_uniforms(s, u);
    for (int v = 0; v < N_VECTORS; v++) {
        flips |= (uint32_t)at_most_bits(u[v], exp_minus(limit_size(x[v], splat(40)))) << (v * LANES);
    }
    return flips;
}

/* The state that the field favours, or the other one where u < 1 / (1 + e^|x|); up where there is no field. */
INLINE uint32_t heat_bath(stream *s, const vreal x[N_VECTORS], uint32_t before) {
    vreal u[N_VECTORS];
    uint32_t up = 0;
    draw_uniforms(s, u);
    for (int v = 0; v < N_VECTORS; v++) {
        vreal e = exp_minus(min_real(abs_real(x[v]), splat(40)));
        uint64_t minor = mask_bits(u[v] * (splat(1) + e) < e);
        vfix favoured = negate_where(x[v], ~before >> (v * LANES)) >= splat(0);
        up |= (uint32_t)(minor ^ mask_bits(favoured)) << (v * LANES);
    }
    return up ^ before;
}

/* Lanes of 32 reads that flip. apart: s h in steps; slope: 2 beta times the value of one step; up: their bits. */
INLINE uint32_t flips_of(const fnn_spins *m, stream *s, const vreal apart[N_VECTORS], real slope, uint32_t up) {
    vreal x[N_VECTORS];
    uint64_t near = 0;
    for (int v = 0; v < N_VECTORS; v++) {
        x[v] = apart[v] * splat(slope);
        near |= at_most_bits(x[v], splat(FAR));
    }
    if (!near) return 0;
    return m->heat_bath ? heat_bath(s, x, up) : metropolis(s, x);
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

/* The partners' margins and fields after spin i flipped in some lanes; up: its bits since then. */
INLINE void push(const fnn_spins *m, fix *fields, real *margins, int64_t i, uint32_t flips, uint32_t up) {
    const fix *gains = m->gains;
    for (int64_t k = m->indptr[i]; k < m->indptr[i + 1]; k++) {
        int64_t j = m->indices[k];
        if (margins) margins[m->places[j]] = UNKNOWN;
        if (!fields) continue;
        fix *h = fields + DRAW * j;
        vfix gain = splat_fix(gains[k]);
        for (int v = 0; v < N_VECTORS; v++) {
            vfix more = add_where(load_fix(h + v * LANES), (flips & up) >> (v * LANES), gain);
            store_fix(h + v * LANES, add_where(more, (flips & ~up) >> (v * LANES), -gain));
        }
    }
}

/* The least over 32 reads. */
INLINE real least_of(const vreal x[N_VECTORS]) {
    vreal least = x[0];
    for (int v = 1; v < N_VECTORS; v++) least = min_real(x[v], least);
    return lanes_min(least);
}

/* What is kept of a block while few of its spins move; either may be NULL. */
typedef struct {
    fix *fields;
    real *margins;
} kept;

INLINE real slope_at(const fnn_spins *m, int64_t place, real twice_beta) {
    real slope = ((const real *)m->scale)[place] * twice_beta;
    return slope < STRONGEST ? slope : STRONGEST;
}

/* Updates the spin at a place; whether any read moved. k: NULL, or what is kept right. */
INLINE int visit(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, const kept *k, int64_t place) {
    int64_t i = m->sites[place];
    vfix h[N_VECTORS];
    vreal apart[N_VECTORS];
    if (k && k->fields)
        for (int v = 0; v < N_VECTORS; v++) h[v] = load_fix(k->fields + DRAW * i + v * LANES);
    else sum_fields(m, states, i, h);
    for (int v = 0; v < N_VECTORS; v++) apart[v] = negate_where(to_real(h[v]), ~states[i] >> (v * LANES));
    uint32_t flips = flips_of(m, s, apart, slope_at(m, place, twice_beta), states[i]);
    states[i] ^= flips; /* where nothing is kept, no branch on what is drawn */
    if (k && k->margins) k->margins[place] = flips ? UNKNOWN : least_of(apart);
    if (k && flips) push(m, k->fields, k->margins, i, flips, states[i]);
    return flips != 0;
}

/* Of the 32 places from begin on, those whose spins may flip in some read. */
INLINE uint32_t near_places(const fnn_spins *m, const real *margins, real twice_beta, int64_t begin) {
    uint32_t bits = 0;
    for (int v = 0; v < DRAW; v += LANES) {
        vreal slope = load_real((const real *)m->scale + begin + v) * splat(twice_beta);
        vreal x = load_real(margins + begin + v) * min_real(slope, splat(STRONGEST));
        bits |= (uint32_t)at_most_bits(x, splat(FAR)) << v;
    }
    return bits;
}

/* Steps first .. last - 1 of a sweep, 32 places each; how many spins moved in any read. */
static int64_t walk_summing(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, int64_t first,
                            int64_t last) {
    int64_t moved = 0, end = last * DRAW < m->n_places ? last * DRAW : m->n_places;
    for (int64_t place = first * DRAW; place < end; place++) moved += visit(m, states, s, twice_beta, 0, place);
    return moved;
}

static int64_t walk_keeping(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, const kept *k,
                            int64_t first, int64_t last) {
    int64_t moved = 0;
    for (int64_t step = first; step < last; step++) {
        int64_t begin = step * DRAW, n = m->n_places - begin;
        uint32_t open = n < DRAW ? (1u << n) - 1 : ~0u, near;
        while ((near = open & near_places(m, k->margins, twice_beta, begin))) {
            int at = 0, again = 0;
            for (; near && !again; near &= near - 1) {
                at = __builtin_ctz(near);
                int turned = visit(m, states, s, twice_beta, k, begin + at);
                moved += turned;
                again = turned & m->coupled[step];
            }
            open &= again ? ~((2u << at) - 1) : 0;
        }
    }
    return moved;
}

/* One spin a step. */
static int64_t walk_at_random(const fnn_spins *m, uint32_t *states, stream *s, real twice_beta, const kept *k,
                              int64_t n) {
    int64_t moved = 0;
    for (int64_t t = 0; t < n; t++) moved += visit(m, states, s, twice_beta, k, draw_below(s, m->n_places));
    return moved;
}

/* Whether so few of n spins moved that fields which are kept cost less than sums: by the instructions for a
 * partner, 10 in a sum, 15 where a field follows a flip, and what a branch on the flip and the margin take. */
static int is_calm(const fnn_spins *m, int64_t moved, int64_t n) {
    double degree = (double)m->indptr[m->n_spins] / (double)(m->n_spins + !m->n_spins);
    double few = (degree - 3) / (1.5 * degree + 10);
    return (double)moved < (few > 0.05 ? few : 0.05) * (double)n;
}

static void begin_keeping(const fnn_spins *m, const uint32_t *states, const kept *k) {
    for (int64_t place = 0; k->margins && place <= m->n_places; place++) k->margins[place] = UNKNOWN;
    for (int64_t i = 0; k->fields && i < m->n_spins; i++) {
        vfix h[N_VECTORS];
        sum_fields(m, states, i, h);
        for (int v = 0; v < N_VECTORS; v++) store_fix(k->fields + DRAW * i + v * LANES, h[v]);
    }
}

/* Steps t0 .. t1 - 1 of a block of 32 reads, of which every sweep has n_sites. Where few spins moved in
 * the sweep before, fields and margins are kept: both are exact, so it does not show. */
void FN(anneal_lanes)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1) {
    uint32_t *states = (uint32_t *)m->states + block * m->stride;
    kept k = {m->fields ? (fix *)m->fields + block * m->n_spins * DRAW : 0,
              m->random_order ? 0 : (real *)m->margins + block * m->margins_stride};
    uint64_t *seat = m->streams + block * XORO_WORDS;
    stream s = load_stream(seat);
    int keeping = 0;
    for (int64_t t = t0; t < t1;) {
        int64_t sweep = t / m->n_sites, first = t - sweep * m->n_sites;
        int64_t last = t1 - t < m->n_sites - first ? first + (t1 - t) : m->n_sites, moved;
        real twice_beta = double_beta(m->betas[block / m->blocks_per_rung * m->n_sweeps + sweep]);
        if (m->random_order) moved = walk_at_random(m, states, &s, twice_beta, keeping ? &k : 0, last - first);
        else if (keeping) moved = walk_keeping(m, states, &s, twice_beta, &k, first, last);
        else moved = walk_summing(m, states, &s, twice_beta, first, last);
        int calm = is_calm(m, moved, (m->random_order ? 1 : DRAW) * (last - first));
        if (calm && (k.fields || k.margins) && !keeping && t1 - t > 3 * m->n_sites) begin_keeping(m, states, &k);
        else calm = calm && keeping;
        keeping = calm;
        t += last - first;
    }
    store_stream(seat, &s);
}
