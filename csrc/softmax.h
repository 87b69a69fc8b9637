/* Exponentials for softmax, and sums over lanes.
 *
 * vmath.h's exponential serves the whole range and rounds alike on every machine; these serve a part of
 * it and fuse multiply-adds: within 2 ulp for normal results, 0 from half of the least of them downwards.
 */
#ifndef FASTNN_SOFTMAX_H
#define FASTNN_SOFTMAX_H

#include "vmath.h"

#if FASTNN_REAL == 32
#define EXP_LEAST -88.02969f /* ln 2^-127 */
#else
#define EXP_LEAST -709.0895657128241
#endif

/* c[first] + c[first + 2] x + ... with fused multiply-adds. */
INLINE vreal horner_fused(vreal x, const real *c, int count, int first) {
    int last = first + (count - 1 - first) / 2 * 2;
    vreal sum = splat(c[last]);
    for (int j = last - 2; j >= 0; j -= 2) sum = fma_real(sum, x, splat(c[j]));
    return sum;
}

/* e^x for x <= -EXP_LEAST, NaN for NaN. With a magic number that carries the bias, the low bits of the
 * rounded x / ln 2 are the exponent field of 2^n: zero at EXP_LEAST and below, where the result is 0. */
INLINE vreal exp_clamped(vreal x) {
    vreal magic = splat((real)((ufix)3 << (REAL_MANTISSA - 1)) + REAL_BIAS);
    vreal shifted = fma_real(x, splat(LOG2_E), magic), n = shifted - magic;
    vreal r = fma_real(n, splat(-LN2_LO), fma_real(n, splat(-LN2_HI), x)), rr = r * r;
    vreal q = fma_real(r, horner_fused(rr, expm1_c, COUNT(expm1_c), 1), horner_fused(rr, expm1_c, COUNT(expm1_c), 0));
    vreal scale = (vreal)((vufix)shifted << REAL_MANTISSA);
    return fma_real(fma_real(rr, q, r), scale, scale);
}

INLINE vreal exp_nonpositive(vreal x) { return exp_clamped(max_real(splat(EXP_LEAST), x)); }

/* The same for any x; above -EXP_LEAST, and perhaps for NaN, it stays there: half the greatest number. */
INLINE vreal exp_moderate(vreal x) { return exp_clamped(limit_size(x, splat(-EXP_LEAST))); }

INLINE real real_exp(real x) { return vexp(splat(x))[0]; }
INLINE real real_log(real x) { return vlog(splat(x))[0]; }

INLINE real lanes_max(vreal x) {
    real best = x[0];
    for (int l = 1; l < LANES; l++) best = x[l] > best ? x[l] : best;
    return best;
}

INLINE real lanes_sum(vreal x) {
    real part[FASTNN_VEC / sizeof(real)];
    store_real(part, x);
    for (int half = LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) part[l] += part[l + half];
    return part[0];
}

#endif
