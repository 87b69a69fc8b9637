/* Sums over the lanes of up to LANES vectors at once: lane k of the result is the sum of vector k's lanes.
 *
 * A tree of pairs: p, q -> x + y, where x takes the even blocks of h lanes of p, then of q, and y the odd
 * ones, for h = LANES/2 ... 1. Lanes of a vector are added h apart, as lanes_sum() does.
 */
#ifndef FASTNN_FOLD_H
#define FASTNN_FOLD_H

#include "vec.h"

#define FOLD(p, q, ...) (__builtin_shufflevector(p, q, __VA_ARGS__))
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
#define EVEN8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define ODD8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define EVEN4 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define ODD4 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#define EVEN2 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29
#define ODD2 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31
#define EVEN1 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD1 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif (FASTNN_VEC == 64 && FASTNN_REAL == 64) || (FASTNN_VEC == 32 && FASTNN_REAL == 32)
#define EVEN4 0, 1, 2, 3, 8, 9, 10, 11
#define ODD4 4, 5, 6, 7, 12, 13, 14, 15
#define EVEN2 0, 1, 4, 5, 8, 9, 12, 13
#define ODD2 2, 3, 6, 7, 10, 11, 14, 15
#define EVEN1 0, 2, 4, 6, 8, 10, 12, 14
#define ODD1 1, 3, 5, 7, 9, 11, 13, 15
#elif (FASTNN_VEC == 32 && FASTNN_REAL == 64) || (FASTNN_VEC == 16 && FASTNN_REAL == 32)
#define EVEN2 0, 1, 4, 5
#define ODD2 2, 3, 6, 7
#define EVEN1 0, 2, 4, 6
#define ODD1 1, 3, 5, 7
#else
#define EVEN1 0, 2
#define ODD1 1, 3
#endif

#define FOLD_PAIRS(even, odd)                          \
    _Pragma("GCC unroll 8")                            \
    for (int k = 0; k < n; k += 2) {                   \
        vreal p = v[k], q = k + 1 < n ? v[k + 1] : zero; \
        v[k / 2] = FOLD(p, q, even) + FOLD(p, q, odd); \
    }                                                  \
    n = (n + 1) / 2;

/* v: n vectors, 0 < n <= LANES, overwritten; lanes from n on become zero. n is a constant wherever this is inlined. */
INLINE vreal fold_some(vreal *v, int n) {
    vreal zero = splat(0);
#ifdef EVEN8
    FOLD_PAIRS(EVEN8, ODD8)
#endif
#ifdef EVEN4
    FOLD_PAIRS(EVEN4, ODD4)
#endif
#ifdef EVEN2
    FOLD_PAIRS(EVEN2, ODD2)
#endif
    FOLD_PAIRS(EVEN1, ODD1)
    return v[0];
}

INLINE vreal fold_lanes(vreal *v) { return fold_some(v, LANES); }

#endif
