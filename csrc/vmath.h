/* exp, log, sigmoid, softplus and tanh of a vector of reals: within 2 ulp, the same bits everywhere.
 *
 * No libm, no table, no branch, no fused multiply-add: the rooms are compiled with -ffp-contract=off
 * and only + - * /, shifts and selects are used, each rounded as IEEE 754 says, so that SSE2, AVX2,
 * AVX-512 and arm64 give the same bits (of a NaN, only that it is one). Nothing needs the rounding
 * mode or flush-to-zero to be other than the default.
 *
 * Everything stands on two kernels, one for exponentials and one for logarithms:
 *
 *   e^x = 2^n (1 + u), n = round(x / ln 2), u = e^r - 1, r = x - n ln 2 in [-ln2/2, ln2/2];
 *   log(2^k (1 + f)) = k ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)].
 *
 * u is kept apart from its 1 for as long as possible: it holds more digits of e^x, it is e^x - 1 near
 * zero, and adding powers of two before adding u costs no rounding (see vsigmoid, vtanh).
 *
 * References: W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980, chapters 5
 * and 6 (ln 2 in two pieces); FreeBSD msun e_log.c, Sun Microsystems, 1993 (log through s = f / (2 + f)).
 * Coefficients are minimax in the weight named beside them (linear programming on 601 Chebyshev
 * points, 50 digits), rounded one by one from the leading term, the rest fitted anew.
 */
#ifndef FASTNN_VMATH_H
#define FASTNN_VMATH_H

#include "vec.h"

/* expm1_c: q of degree 4 (float32), 9 (float64) with e^r - 1 = r + r^2 q(r) on |r| <= 1.0001 ln2/2;
 *   relative error of e^r - 1 below 2^-26.1 and 2^-55.5.
 * log_c: L of degree 2, 6 with log(1 + f) = 2 s + s w L(w), s = f / (2 + f), w = s^2 in [0, 0.0295];
 *   relative error of log(1 + f) below 2^-30.2 and 2^-59.4.
 * LN2_HI has 15 and 33 bits, so that n LN2_HI and x - n LN2_HI are exact for every n that occurs.
 * At EXP_LIMIT n is 2 bias: one of the two scales of vexp, vsigmoid is then exactly zero. */
#if FASTNN_REAL == 32
#define LN2_HI 0x1.62e4p-1f
#define LN2_LO 0x1.7f7d1cp-20f
#define EXP_LIMIT 176.0f
#define BITS_SQRT_HALF 0x3f3504f3
static const real expm1_c[] = {0x1.fffffep-2f, 0x1.5554b4p-3f, 0x1.5556f6p-5f, 0x1.12253ap-7f,
                               0x1.6b9778p-10f};
static const real log_c[] = {0x1.55557ap-1f, 0x1.995ed4p-2f, 0x1.31e0dap-2f};
#else
#define LN2_HI 0x1.62e42feep-1
#define LN2_LO 0x1.a39ef35793c76p-33
#define EXP_LIMIT 1418.0
#define BITS_SQRT_HALF 0x3fe6a09e667f3bcd
static const real expm1_c[] = {
    0x1.0000000000005p-1, 0x1.555555555554fp-3, 0x1.5555555552277p-5, 0x1.1111111114e2fp-7,
    0x1.6c16c17ec6538p-10, 0x1.a01a0186c4803p-13, 0x1.a019a7d378464p-16, 0x1.71de676cbd26cp-19,
    0x1.28a1710768288p-22, 0x1.ae9748abab004p-26};
static const real log_c[] = {
    0x1.5555555555592p-1, 0x1.999999997ff05p-2, 0x1.24924941e32adp-2, 0x1.c71c521261850p-3,
    0x1.74663d664a809p-3, 0x1.39a1daeead656p-3, 0x1.2f0454c80d93fp-3};
#endif

#define LOG2_E REAL_C(0x1.71547652b82fep0)
#define COUNT(c) ((int)(sizeof(c) / sizeof(*(c))))
#define EXPONENT_OF_ONE ((ufix)REAL_BIAS << REAL_MANTISSA)
#define MANTISSA_MASK (((ufix)1 << REAL_MANTISSA) - 1)
#define EXPONENT_MASK ((ufix)(2 * REAL_BIAS + 1) << REAL_MANTISSA)
#define REAL_INFINITY ((real)__builtin_inf())

INLINE vfix sign_bit(vreal x) { return as_fix(x) & as_fix(-splat(0)); }

/* c[first] + c[first + step] x + c[first + 2 step] x^2 + ... by Horner's rule. */
INLINE vreal horner(vreal x, const real *c, int count, int first, int step) {
    int last = first + (count - 1 - first) / step * step;
    vreal sum = splat(c[last]);
    for (int j = last - step; j >= 0; j -= step) sum = sum * x + splat(c[j]);
    return sum;
}

/* ---- e^x ---- */

/* e^x = 2^n (1 + u); the low bits of steps are n + 2 bias. */
typedef struct {
    vreal u;
    vufix steps;
} exp_parts;

INLINE vreal exp_clamp(vreal x) { /* NaN stays NaN */
    return min_real(splat(EXP_LIMIT), max_real(splat(-EXP_LIMIT), x));
}

/* Needs |x| <= EXP_LIMIT or NaN. The sum with 1.5 * 2^mantissa rounds x / ln 2 to an integer and leaves
 * it in the low bits. Even and odd terms of q run apart: shorter chains at no extra multiplication. */
INLINE exp_parts exp_split(vreal x) {
    vreal magic = splat((real)((ufix)3 << (REAL_MANTISSA - 1)) + 2 * REAL_BIAS);
    vreal shifted = x * splat(LOG2_E) + magic;
    vreal n = shifted - magic;
    vreal r = (x - n * splat(LN2_HI)) - n * splat(LN2_LO);
    vreal rr = r * r;
    vreal q = horner(rr, expm1_c, COUNT(expm1_c), 0, 2) + r * horner(rr, expm1_c, COUNT(expm1_c), 1, 2);
    return (exp_parts){r + rr * q, (vufix)shifted};
}

/* 2^n leaves the range of normal numbers at both ends, so it goes in two halves, floor(n/2) and
 * ceil(n/2), here as exponent fields: only the last product can round, overflow or be subnormal. */
INLINE vufix exp_low_half(vufix steps) { return (steps << (REAL_MANTISSA - 1)) & EXPONENT_MASK; }
INLINE vufix exp_high_half(vufix steps) { return (steps << REAL_MANTISSA) - exp_low_half(steps); }

/* At the clamps both halves are 0, or their product infinite: the limits need no select. */
INLINE vreal vexp(vreal x) {
    exp_parts e = exp_split(exp_clamp(x));
    vreal low = (vreal)exp_low_half(e.steps), high = (vreal)exp_high_half(e.steps);
    return (splat(1) + e.u) * low * high;
}

/* 1 / (1 + e^-x) = c / (c + a + a u) with e^-x = 2^n (1 + u), a = 2^floor(n/2), c = 2^-ceil(n/2): one
 * formula for both signs, as neither end overflows. What c + a drops when c is below half a digit of a
 * joins a u (Dekker's fast two-sum, 1971), so that the denominator is rounded once. */
INLINE vreal vsigmoid(vreal x) {
    exp_parts e = exp_split(exp_clamp(-x));
    vreal a = (vreal)exp_low_half(e.steps), c = (vreal)(2 * EXPONENT_OF_ONE - exp_high_half(e.steps));
    vreal sum = c + a;
    return c / (sum + (a * e.u + (c - (sum - a))));
}

/* tanh |x| = N / D = (N + N^2 / D) / 2, N = 1 - z, D = 1 + z, z = e^(-2|x|) = a (1 + u), a = 2^n: the
 * second form keeps most of the result clear of the rounding of D. N = m - a u, m = 1 - a, is never
 * rounded by itself; near zero m = 0 and nothing cancels. Beyond 20 tanh is 1 to the last bit. */
INLINE vreal vtanh(vreal x) {
    exp_parts e = exp_split(splat(-2) * min_real(splat(20), abs_real(x)));
    vreal a = (vreal)((e.steps << REAL_MANTISSA) - EXPONENT_OF_ONE);
    vreal au = a * e.u, m = splat(1) - a;
    vreal square = m * m - (m + m - au) * au;
    vreal y = splat(0.5) * (m + (square / ((splat(1) + a) + au) - au));
    return as_real(as_fix(y) | sign_bit(x));
}

/* ---- log x ---- */

/* k ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)], for integral k. With R = w L(w) the law
 * log(1 + f) = 2 s + s R reads f - (f^2/2 - s (f^2/2 + R)): the leading term f is exact. */
INLINE vreal log_join(vreal k, vreal f) {
    vreal s = f / (splat(2) + f);
    vreal w = s * s;
    vreal tail = w * horner(w, log_c, COUNT(log_c), 0, 1);
    vreal half_square = splat(0.5) * f * f;
    return k * splat(LN2_HI) - ((half_square - (s * (half_square + tail) + k * splat(LN2_LO))) - f);
}

/* Subnormals are first brought up by 2^mantissa. Adding bits(1) - bits(sqrt 1/2) carries into the
 * exponent exactly where the significand is at least sqrt 2; k = exponent - bias is read off the mantissa
 * of 2^mantissa + exponent. An infinite or NaN k passes through the sum unharmed, so log 0, log inf and
 * log NaN go by k; all ones, the mask of x < 0, is a NaN. */
INLINE vreal vlog(vreal x) {
    vreal two_m = splat((real)((ufix)1 << REAL_MANTISSA));
    vfix tiny = x < as_real((vfix){0} + ((fix)1 << REAL_MANTISSA)); /* below the normal numbers */
    vreal normal = select_real(tiny, x * two_m, x);
    vufix bits = (vufix)normal + (EXPONENT_OF_ONE - BITS_SQRT_HALF);
    vreal k = (vreal)((bits >> REAL_MANTISSA) | (vufix)two_m) - (two_m + splat(REAL_BIAS));
    k -= as_real(tiny & as_fix(splat(REAL_MANTISSA)));
    vreal f = (vreal)((bits & MANTISSA_MASK) + BITS_SQRT_HALF) - splat(1);
    vreal infinity = splat(REAL_INFINITY);
    k = select_real(x < infinity, k, x);
    k = select_real(x == splat(0), -infinity, k);
    return as_real(as_fix(log_join(k, f)) | (x < splat(0)));
}

/* log(1 + f) for f in [-1/2, 0]: below sqrt(1/2) the argument is doubled. */
INLINE vreal log1p_half(vreal f) {
    vfix small = f < splat(REAL_C(-0.2928932188134524));
    vreal k = as_real(small & as_fix(splat(-1)));
    return log_join(k, select_real(small, (f + f) + splat(1), f));
}

/* e^x - 1 of e's x, where 2^n is a normal number: exact where x is small. */
INLINE vreal exp_less_one(exp_parts e) {
    vreal low = (vreal)exp_low_half(e.steps), high = (vreal)exp_high_half(e.steps);
    vreal power = low * high;
    return (power - splat(1)) + power * e.u;
}

/* e^(to z) - e^(from z), by = to - from, for to, from >= 0, with the digits of the change: e^(low z) times
 * plus or minus (e^(|by| z) - 1), low the lesser of both. */
INLINE vreal exp_rise(vreal z, vreal from, vreal to, vreal by) {
    vreal x = abs_real(by) * z;
    vreal less = select_real(x > splat(1), vexp(x) - splat(1), exp_less_one(exp_split(exp_clamp(x))));
    vreal change = vexp(min_real(from, to) * z) * less;
    return select_real(by < splat(0), -change, change);
}

/* log(1 + e^(to z)) - log(1 + e^(from z)), by = to - from, for to, from in [0, 1]; as exact where they are
 * close as where they are not. With x = |z|, q = e^(-low x), low the lesser of both, it is by max(z, 0) plus
 * or minus log(1 + q (e^(-|by| x) - 1) / (1 + q)): a ratio in [-1/2, 0]. */
INLINE vreal softplus_rise(vreal z, vreal from, vreal to, vreal by) {
    vreal x = min_real(abs_real(z), splat(EXP_LIMIT));
    vreal q = vexp(-min_real(from, to) * x);
    vreal less = exp_less_one(exp_split(-abs_real(by) * x));
    vreal change = log1p_half(q * less / (splat(1) + q));
    return by * max_real(z, splat(0)) + select_real(by < splat(0), -change, change);
}

/* log(1 + e^x) = max(x, 0) + log(1 + z), z = e^-|x| <= 1. Where z > sqrt 2 - 1 the argument 1 + z is
 * halved, f = (z - 1) / 2: exact, for z >= 1/4 differs from 1 by a multiple of its own last bit. */
INLINE vreal vsoftplus(vreal x) {
    vreal z = vexp(-abs_real(x));
    vfix large = z > splat(REAL_C(0.41421356237309505));
    vreal f = select_real(large, splat(0.5) * z - splat(0.5), z);
    vreal k = as_real(large & as_fix(splat(1)));
    return max_real(x, splat(0)) + log_join(k, f);
}

#endif
