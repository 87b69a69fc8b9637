/* Poisson unit: a count s = 0, 1, 2 ..., energy ln s! - z s.
 *   E[s] = e^z,  ln sum_s e^(z s)/s! = e^z.
 * Draws, exact: rates below 10 by inversion of one uniform; others by transformed rejection (W. Hormann,
 * "The transformed rejection method for generating Poisson random variables", Insurance: Mathematics and
 * Economics 12 (1993), algorithm PTRS). ln P(s) there is in C. Loader's saddle-point form ("Fast and
 * accurate computation of binomial probabilities", 2000), which does not cancel at large rates:
 *   -D - ln sqrt(2 pi s) - rest(s),  D = s ln(s/rate) + rate - s = (s - rate) v + s v^3 L(v^2),
 * v = (s - rate)/(s + rate), with the L of vmath.h's logarithm. Rates are cut at RATE_LIMIT for draws,
 * beyond which reals do not tell counts apart. */
#include "../normal.h"

#define UNIT poisson
#define UNIT_LEAST 0.0
#define UNIT_MOST __builtin_inf()
#define INVERTED 10 /* rates below are inverted: P(s >= MOST_INVERTED) < 1e-34 */
#define MOST_INVERTED 80
#define RATE_LIMIT ((real)((ufix)1 << (REAL_MANTISSA - 2)))
#define SMALL_COUNT 16

INLINE vreal unit_mean(vreal z) { return vexp(z); }
INLINE vreal unit_log_partition(vreal z) { return vexp(z); }
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) { return exp_rise(z, from, to, by); }

/* ln Gamma(y) less Stirling's (y - 1/2) ln y - y + ln sqrt(2 pi), y >= 9 (Abramowitz, Stegun 6.1.41). */
INLINE vreal stirling_rest(vreal y) {
    static const real c[] = {REAL_C(0.083333333333333333), REAL_C(-0.0027777777777777778),
                             REAL_C(0.00079365079365079365), REAL_C(-0.00059523809523809524),
                             REAL_C(0.00084175084175084175), REAL_C(-0.0019175269175269175),
                             REAL_C(0.0064102564102564103)};
    vreal r = splat(1) / y;
    return r * horner(r * r, c, COUNT(c), 0, 1);
}

/* ln s! for s >= 0: Stirling's series at s + 9, less ln((s + 1) ... (s + 8)); 0 and 1 exactly. */
INLINE vreal log_factorial(vreal s) {
    vreal product = splat(1), y = s + splat(9);
    for (int k = 1; k <= 8; k++) product *= s + splat((real)k);
    vreal big = (y - splat(REAL_C(0.5))) * vlog(y) - y + splat(LN_ROOT_2PI) + stirling_rest(y);
    /* Where the product would overflow, its logarithm is taken in two. */
    vfix far = s > splat(REAL_C(1e4));
    vreal direct = (s + splat(REAL_C(0.5))) * vlog(s) - s + splat(LN_ROOT_2PI) + stirling_rest(s);
    vreal result = select_real(far, direct, big - vlog(product)), half = splat(REAL_C(0.5));
    return select_real(abs_real(s - half) == half, splat(0), result); /* 0 and 1 */
}
INLINE vreal unit_log_base(vreal s) { return -log_factorial(s); }

/* ln P(s given rate), rate >= 10. */
INLINE vreal log_probability(vreal s, vreal rate) {
    vreal v = (s - rate) / (s + rate), w = v * v;
    vreal near = (s - rate) * v + s * v * (w * horner(w, log_c, COUNT(log_c), 0, 1));
    vreal far = s * vlog(s / rate) + (rate - s);
    /* log_c serves s/rate in [sqrt(1/2), sqrt(2)] */
    vreal deviance = select_real(w < splat(REAL_C(0.0294)), near, far);
    vreal saddle = -deviance - (LN_ROOT_2PI + splat(REAL_C(0.5)) * vlog(s)) - stirling_rest(s);
    return select_real(s < splat(SMALL_COUNT), s * vlog(rate) - rate - log_factorial(s), saddle);
}

/* Smallest s with P(<= s) >= u: counted up from zero. */
INLINE void invert(const real rate[TILE], const real uniform[TILE], real out[TILE]) {
    for (int u = 0; u < TILE; u += LANES) {
        vreal most = load_real(rate + u), p = vexp(-most), s = splat(0);
        vreal left = select_real(most < splat(INVERTED), load_real(uniform + u) - p, splat(0));
        for (int k = 1; k < MOST_INVERTED && mask_bits(left > splat(0)); k++) {
            p *= most * splat(1 / (real)k);
            s += select_real(left > splat(0), splat(1), splat(0));
            left -= p;
        }
        store_real(out + u, s);
    }
}

/* One attempt at the units of large rate; returns, by bit, where it was kept. */
INLINE uint64_t attempt(philox_place at, int64_t tile, const real rate[TILE], uint64_t open, real out[TILE]) {
    real uniform[TILE] ALIGNED, second[TILE] ALIGNED;
    uint64_t kept = 0;
    at.stream |= STREAM_FRACTION;
    uniform_tile(at, tile, uniform);
    at.stream += STREAM_GROUPS;
    uniform_tile(at, tile, second);
    for (int i = 0; i < TILE; i += LANES) {
        if (!(open >> i & (((uint64_t)1 << (LANES - 1)) * 2 - 1))) continue;
        vreal mu = max_real(splat(INVERTED), load_real(rate + i)), root = root_real(mu);
        vreal b = splat(REAL_C(0.931)) + splat(REAL_C(2.53)) * root;
        vreal a = splat(REAL_C(-0.059)) + splat(REAL_C(0.02483)) * b;
        vreal inverse = splat(REAL_C(1.1239)) + splat(REAL_C(1.1328)) / (b - splat(REAL_C(3.4)));
        vreal ratio = splat(REAL_C(0.9277)) - splat(REAL_C(3.6224)) / (b - splat(2));
        vreal u = load_real(uniform + i) - splat(REAL_C(0.5)), v = load_real(second + i);
        vreal us = splat(REAL_C(0.5)) - abs_real(u);
        vreal x = (splat(2) * a / us + b) * u + mu + splat(REAL_C(0.43)), s = round_real(x);
        s -= select_real(s > x, splat(1), splat(0));
        uint64_t surely = mask_bits(us >= splat(REAL_C(0.07))) & mask_bits(v <= ratio);
        uint64_t never = mask_bits(s < splat(0)) | (mask_bits(us < splat(REAL_C(0.013))) & mask_bits(v > us));
        vreal height = vlog(v * inverse / (a / (us * us) + b));
        kept |= (surely | (~never & mask_bits(height <= log_probability(max_real(splat(0), s), mu)))) << i;
        for (int k = 0; k < LANES; k++)
            if (open >> (i + k) & 1) out[i + k] = s[k];
    }
    return kept;
}

INLINE void unit_draws(philox_place at, int64_t tile, const real z[TILE], real out[TILE]) {
    real rate[TILE] ALIGNED, uniform[TILE] ALIGNED;
    uint64_t open = 0;
    for (int u = 0; u < TILE; u += LANES) {
        vreal each = min_real(splat(RATE_LIMIT), vexp(load_real(z + u)));
        store_real(rate + u, each);
        open |= mask_bits(each >= splat(INVERTED)) << u;
    }
    uniform_tile(at, tile, uniform);
    invert(rate, uniform, out);
    for (int k = 0; open && k < ATTEMPTS; k++) open &= ~attempt(at, tile + ATTEMPT(k), rate, open, out);
}

#include "valued.h"
