/* Standard normal draws and what the normal distribution's tail needs, on vmath.h's terms: the same bits
 * on every instruction set.
 *
 * Draws: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math.
 * Stat. 29 (1958): (-2 ln u)^(1/2) (cos, sin)(2 pi v).
 */
#ifndef FASTNN_NORMAL_H
#define FASTNN_NORMAL_H

#include "philox.h"
#include "vmath.h"

#define STREAM_GROUPS 16 /* added to a layer's stream: uniforms of groups, see groups.c */
#define LN_ROOT_2PI REAL_C(0x1.d67f1c864beb5p-1)
#define ROOT_2PI REAL_C(0x1.40d931ff62706p+1)

/* Attempt k of a draw by rejection reads other counters: units are numbered below 2^26. */
#define ATTEMPT(k) ((int64_t)(k) << 20)
#define ATTEMPTS 240 /* each succeeds with probability above 1/2 */

/* sin(pi/2 r) / r and cos(pi/2 r) in r^2, |r| <= 1/2: relative errors 2^-28 and 2^-33, 2^-68 and 2^-64. */
#if FASTNN_REAL == 32
static const real sin_c[] = {0x1.921fb6p+0f, -0x1.4abbbap-1f, 0x1.465ec4p-4f, -0x1.2d9b4p-8f};
static const real cos_c[] = {0x1p+0f, -0x1.3bd3ccp+0f, 0x1.03c1dcp-2f, -0x1.55c57ap-6f, 0x1.d9c2e8p-11f};
#else
static const real sin_c[] = {0x1.921fb54442d18p+0,   -0x1.4abbce625be53p-1,  0x1.466bc6775aad9p-4,
                             -0x1.32d2cce62ac22p-8,  0x1.50783485cbd83p-13,  -0x1.e3074b4ff3058p-19,
                             0x1.e8eed12ee00a3p-25,  -0x1.6c5b875d4e739p-31};
static const real cos_c[] = {0x1p+0,                 -0x1.3bd3cc9be45dep+0,  0x1.03c1f081b5aacp-2,
                             -0x1.55d3c7e3c90f8p-6,  0x1.e1f5068355e15p-11,  -0x1.a6d1ec7906c20p-16,
                             0x1.f9cc41140bb60p-22,  -0x1.b264ba152378ap-28};
#endif

/* Two standard normals of two uniforms, u and v. */
INLINE void normal_pair(vreal log_u, vreal v, vreal *first, vreal *second) {
    vreal radius = root_real(splat(-2) * log_u);
    vreal turns = splat(4) * v, quarter = round_real(turns);
    vreal r = turns - quarter, rr = r * r;
    vreal s = r * horner(rr, sin_c, COUNT(sin_c), 0, 1), c = horner(rr, cos_c, COUNT(cos_c), 0, 1);
    /* Quarter turns 0 .. 4: odd ones exchange sine and cosine, the signs follow. */
    vfix odd = abs_real(quarter - splat(2)) == splat(1);
    vreal x = select_real(odd, s, c), y = select_real(odd, c, s);
    x = select_real(abs_real(quarter - splat(REAL_C(1.5))) < splat(1), -x, x);
    y = select_real(abs_real(quarter - splat(REAL_C(2.5))) < splat(1), -y, y);
    *first = radius * x;
    *second = radius * y;
}

/* 64 standard normals: units u and u + 32 share a radius. */
INLINE void normal_tile(philox_place at, int64_t tile, real out[TILE]) {
    real uniform[TILE] ALIGNED;
    vreal first, second;
    uniform_tile(at, tile, uniform);
    for (int u = 0; u < TILE / 2; u += LANES) {
        normal_pair(vlog(load_real(uniform + u)), load_real(uniform + TILE / 2 + u), &first, &second);
        store_real(out + u, first);
        store_real(out + TILE / 2 + u, second);
    }
}

/* (x + 4) (phi(x) / Q(x) - x) as a polynomial of t = (x - 4) / (x + 4), x >= 0, phi and Q the density and the
 * upper tail of the standard normal: a Chebyshev series cut at 2^-26 and 2^-54 of its value. */
#if FASTNN_REAL == 32
static const real mills_c[] = {
    0x1.ce0b1ep+0f, -0x1.2ea4f6p+0f, 0x1.9b9ac8p-2f, 0x1.149046p-4f, -0x1.1b1d88p-3f, 0x1.13e052p-5f, 0x1.042304p-5f,
    -0x1.5296bcp-6f, -0x1.3a65aep-8f, 0x1.f31d36p-8f, 0x1.43796ap-13f, -0x1.059236p-9f, 0x1.597a7cp-14f,
    0x1.2a2154p-12f};
#else
static const real mills_c[] = {
    0x1.ce0b1e5a9c1bdp+0, -0x1.2ea4f4473593dp+0, 0x1.9b9a89c505e08p-2, 0x1.148dadc526c7ap-4, -0x1.1b15713346086p-3,
    0x1.1419b6ca779eap-5, 0x1.03548cc8c0ab8p-5, -0x1.54cb6dc0a8187p-6, -0x1.262a0ac909f91p-8, 0x1.04e1284293b1dp-7,
    -0x1.87bbb8576a219p-12, -0x1.45d158c50de98p-9, 0x1.37e0383eb7f4fp-11, 0x1.5ce9550c3e41cp-11,
    -0x1.2f582d4fbb40dp-12, -0x1.3b447f3dd46bfp-13, 0x1.b7ee25da960ffp-14, 0x1.ad78563cbf09ap-16,
    -0x1.09fdaffbc84d3p-15, -0x1.86fb35674d96fp-20, 0x1.104436b90d28bp-17, -0x1.2e7579bda45p-20,
    -0x1.c5cea2e517843p-20, 0x1.2cf728641608ap-21, 0x1.128bed6511cb3p-22, -0x1.228abc292b47fp-23,
    -0x1.63d091c8a6257p-26, 0x1.fcaab745100f5p-27};
#endif

/* phi(x) / Q(x) - x for x >= 0: the mean of x + s given s >= 0, less x, of a standard normal. */
INLINE vreal tail_mean(vreal x) {
    vreal sum = x + splat(4);
    return horner((x - splat(4)) / sum, mills_c, COUNT(mills_c), 0, 1) / sum;
}

#endif
