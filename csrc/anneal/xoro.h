/* A stream of random words, 64-bit lanes side by side: xoroshiro128++ (Blackman, Vigna, "Scrambled linear
 * pseudorandom number generators", ACM TOMS 47 (2021), 36), one generator per lane, keyed by Philox.
 *
 * A stream is XORO_WORDS 64-bit words in memory: state a of every lane, then state b of every lane. The
 * lanes count from the first vector on, so that no vector width shows.
 */
#ifndef FASTNN_XORO_H
#define FASTNN_XORO_H

#include "../vec.h"

#define XORO_LANES 16 /* 64-bit lanes of a whole stream */
#define XORO_WORDS (2 * XORO_LANES)
#define VU64_LANES ((int)(FASTNN_VEC / 8))

typedef vu64 vu64_mem __attribute__((aligned(4), may_alias));

INLINE vu64 load_u64(const uint64_t *p) { return *(const vu64_mem *)p; }
INLINE void store_u64(uint64_t *p, vu64 x) { *(vu64_mem *)p = x; }
INLINE vu64 splat_u64(uint64_t x) { return x - (vu64){0}; }

INLINE vu64 rotate_left(vu64 x, int by) { return (x << by) | (x >> (64 - by)); }

INLINE vu64 xoro_next(vu64 *a, vu64 *b) {
    vu64 s = *a, t = *b, out = rotate_left(s + t, 17) + s;
    t ^= s;
    *a = rotate_left(s, 49) ^ t ^ (t << 21);
    *b = rotate_left(t, 28);
    return out;
}

#endif
