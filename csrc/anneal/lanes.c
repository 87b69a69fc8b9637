/* Ising spins with any couplings, 32 reads side by side: one lane a read, fields summed anew for each update.
 *
 *   h_i = b_i + sum_j J_ij s_j = constant_i + 2 sum over j of J_ij [s_j up],  constant_i = b_i - sum_j J_ij
 *   Metropolis:  s_i -> -s_i with probability min(1, e^(-2 beta s_i h_i));
 *   heat bath:   s_i = up with probability 1 / (1 + e^(-2 beta h_i)).
 * (Metropolis et al., J. Chem. Phys. 21 (1953); Glauber, J. Math. Phys. 4 (1963).)
 *
 * Fields are integers in steps of a power of two of their own per spin (rows already doubled), so they
 * are exact sums that cannot drift, and couplings that are integers stay what they are. Every operation is
 * on lanes that never meet, so states are bitwise the same for any vector width. A uniform has the 31 bits of
 * float32, with more digits near zero, or 52 bits: the least acceptance it can tell from none is 2^-32, 2^-53.
 */
#include "../fastnn.h"
#include "../vmath.h"
#include "xoro.h"

#define READS 32
#define N_VECTORS (READS / LANES)            /* vectors of one spin's fields */
#define N_WORDS (XORO_LANES / VU64_LANES)    /* vectors of a stream's lanes */
#define FAR REAL_C(36.5)                     /* e^-FAR is below what a uniform can tell from none */

/* The lanes whose bit is set, all ones. */
INLINE vfix lanes_of(uint32_t bits) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vfix)_mm512_movm_epi32((__mmask16)bits);
#elif FASTNN_VEC == 64
    return (vfix)_mm512_movm_epi64((__mmask8)bits);
#elif FASTNN_VEC == 16 && FASTNN_REAL == 64 /* SSE2 compares no 64-bit integers */
    return (vfix){-(fix)(bits & 1), -(fix)(bits >> 1 & 1)};
#else
    vfix bit;
    for (int l = 0; l < LANES; l++) bit[l] = (fix)1 << l;
    return (splat_fix((fix)bits) & bit) != 0;
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

typedef struct {
    vu64 a[N_WORDS], b[N_WORDS];
} stream;

INLINE stream load_stream(const uint64_t *at) {
    stream s;
    for (int k = 0; k < N_WORDS; k++) {
        s.a[k] = load_u64(at + k * VU64_LANES);
        s.b[k] = load_u64(at + XORO_LANES + k * VU64_LANES);
    }
    return s;
}

INLINE void store_stream(uint64_t *at, const stream *s) {
    for (int k = 0; k < N_WORDS; k++) {
        store_u64(at + k * VU64_LANES, s->a[k]);
        store_u64(at + XORO_LANES + k * VU64_LANES, s->b[k]);
    }
}

/* 32 uniforms in (0, 1]: words of the stream in the order of the lanes. */
INLINE void draw_uniforms(stream *s, vreal u[N_VECTORS]) {
#if FASTNN_REAL == 32
    for (int k = 0; k < N_WORDS; k++) {
        vufix word = (vufix)xoro_next(&s->a[k], &s->b[k]);
        u[k] = (to_real((vfix)(word >> 1)) + splat(0.5f)) * splat(0x1p-31f);
    }
#else
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < N_WORDS; k++) {
            vufix word = (vufix)xoro_next(&s->a[k], &s->b[k]);
            u[half * N_WORDS + k] = (as_real((vfix)(word >> 12 | EXPONENT_OF_ONE)) - splat(1)) + splat(0x1p-53);
        }
#endif
}

/* An integer in [0, n), n < 2^31; every lane moves on, whatever the width of a vector. */
INLINE int64_t draw_below(stream *s, int64_t n) {
    vu64 words[N_WORDS];
    for (int k = 0; k < N_WORDS; k++) words[k] = xoro_next(&s->a[k], &s->b[k]);
    return (int64_t)((words[0][0] >> 32) * (uint64_t)n >> 32);
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

/* Lanes of 32 reads that are up after the update, given the bits before it. h: the fields; twice_beta:
 * 2 beta times the value of one step. */
INLINE uint32_t metropolis(stream *s, const vfix h[N_VECTORS], real twice_beta, uint32_t up) {
    vreal x[N_VECTORS], u[N_VECTORS];
    uint64_t near = 0;
    for (int v = 0; v < N_VECTORS; v++) { /* x = 2 beta s h */
        vfix sign = ~lanes_of(up >> (v * LANES)) & as_fix(-splat(0));
        x[v] = as_real(as_fix(to_real(h[v]) * splat(twice_beta)) ^ sign);
        near |= mask_bits(x[v] < splat(FAR));
    }
    if (!near) return up;
    draw_uniforms(s, u);
    uint32_t flips = 0;
    for (int v = 0; v < N_VECTORS; v++) {
        vreal rise = min_real(max_real(x[v], splat(0)), splat(40));
        uint64_t accept = mask_bits(u[v] < exp_minus(rise)) | mask_bits(x[v] <= splat(0));
        flips |= (uint32_t)accept << (v * LANES);
    }
    return up ^ flips;
}

INLINE uint32_t heat_bath(stream *s, const vfix h[N_VECTORS], real twice_beta) {
    vreal u[N_VECTORS];
    uint32_t up = 0;
    draw_uniforms(s, u);
    for (int v = 0; v < N_VECTORS; v++) { /* u < 1 / (1 + e^-x), x >= 0; the mirror image for x < 0 */
        vreal x = to_real(h[v]) * splat(twice_beta);
        vfix sign = as_fix(x) & as_fix(-splat(0));
        vreal e = exp_minus(min_real(as_real(as_fix(x) ^ sign), splat(40)));
        uint64_t minor = mask_bits(u[v] * (splat(1) + e) < e); /* takes the less likely of the two states */
        up |= (uint32_t)(minor ^ mask_bits(x >= splat(0))) << (v * LANES);
    }
    return up;
}

INLINE void fields(const fnn_spins *m, const uint32_t *states, int64_t i, vfix h[N_VECTORS]) {
    const fix *weights = m->weights;
    for (int v = 0; v < N_VECTORS; v++) h[v] = splat_fix(((const fix *)m->constant)[i]);
    for (int64_t k = m->indptr[i]; k < m->indptr[i + 1]; k++) {
        uint32_t word = states[m->indices[k]];
        vfix weight = splat_fix(weights[k]);
        for (int v = 0; v < N_VECTORS; v++) h[v] = add_where(h[v], word >> (v * LANES), weight);
    }
}

/* Updates t0 .. t1 - 1 of a block of 32 reads, of which every sweep has n_sites. */
void FN(anneal_lanes)(const fnn_spins *m, int64_t block, int64_t t0, int64_t t1) {
    uint32_t *states = (uint32_t *)m->states + block * m->stride;
    uint64_t *seat = m->streams + block * XORO_WORDS;
    stream s = load_stream(seat);
    for (int64_t t = t0; t < t1;) {
        int64_t sweep = t / m->n_sites, first = t - sweep * m->n_sites;
        int64_t last = t1 - t < m->n_sites - first ? first + (t1 - t) : m->n_sites;
        double twice_beta = 2 * m->betas[block / m->blocks_per_rung * m->n_sweeps + sweep];
        for (int64_t at = first; at < last; at++) {
            int64_t place = at;
            if (m->random_order) place = draw_below(&s, m->n_sites);
            int64_t i = m->sites[place];
            vfix h[N_VECTORS];
            fields(m, states, i, h);
            double step = twice_beta * (double)((const real *)m->scale)[i];
            real slope = (real)(step < 0x1p60 ? step : 0x1p60); /* beta may be infinite, a field zero */
            states[i] = m->heat_bath ? heat_bath(&s, h, slope) : metropolis(&s, h, slope, states[i]);
        }
        t += last - first;
    }
    store_stream(seat, &s);
}
