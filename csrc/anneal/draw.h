/* Uniforms from a stream of random words, 32 side by side whatever the width of a vector. */
#ifndef FASTNN_DRAW_H
#define FASTNN_DRAW_H

#include "../vmath.h"
#include "xoro.h"

#define DRAW 32
#define DRAW_VECTORS (DRAW / LANES)
#define N_WORDS (XORO_LANES / VU64_LANES) /* vectors of a stream's lanes */

#define STRONGEST REAL_C(0x1p60) /* of 2 beta times a field's step: beta may be infinite, a field zero */
#define REAL_LARGE (sizeof(real) == 4 ? 0x1p120 : 0x1p1000)

INLINE real double_beta(double beta) { return beta < REAL_LARGE / 2 ? (real)(2 * beta) : (real)REAL_LARGE; }

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
INLINE void draw_uniforms(stream *s, vreal u[DRAW_VECTORS]) {
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

/* Half of a uniform, in (0, 1/2], and the sign bit or none: a bit of the word that the half does not hold. */
INLINE void draw_halves(stream *s, vreal u[DRAW_VECTORS], vfix side[DRAW_VECTORS]) {
    int top = 8 * (int)sizeof(fix) - 1;
#if FASTNN_REAL == 32
    for (int k = 0; k < N_WORDS; k++) {
        vufix word = (vufix)xoro_next(&s->a[k], &s->b[k]);
        u[k] = (to_real((vfix)(word >> 1)) + splat(0.5f)) * splat(0x1p-32f);
        side[k] = (vfix)(word << top);
    }
#else
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < N_WORDS; k++) {
            vufix word = (vufix)xoro_next(&s->a[k], &s->b[k]);
            vreal whole = (as_real((vfix)(word >> 12 | EXPONENT_OF_ONE)) - splat(1)) + splat(0x1p-53);
            u[half * N_WORDS + k] = splat(0.5) * whole;
            side[half * N_WORDS + k] = (vfix)(word << top);
        }
#endif
}

/* 32 random words. */
INLINE void draw_words(stream *s, uint32_t out[DRAW]) {
    for (int k = 0; k < N_WORDS; k++)
        store_u32(out + k * LANES32, (vu32)xoro_next(&s->a[k], &s->b[k]));
}

#endif
