/* Lanes: GNU vector types of the machine's native width, and the few operations they lack.
 *
 * A tile is always TILE = 64 units wide, that is K native vectors; no result depends on K, because
 * lanes never meet except through exact operations. Only this header and, for registers of many reads,
 * anneal/wide.h hold intrinsics, each with its plain fallback. Loads and stores go through unaligned,
 * may_alias types (NumPy promises no more than 16 bytes).
 */
#ifndef FASTNN_VEC_H
#define FASTNN_VEC_H

#include "real.h"

#if FASTNN_VEC > 16 || defined(__SSE2__)
#include <immintrin.h>
#endif

#define TILE 64
#define LANES ((int)(FASTNN_VEC / sizeof(real)))
#define LANES_MOST (FASTNN_VEC / sizeof(real)) /* LANES, for the sizes of arrays */
#define LANES32 ((int)(FASTNN_VEC / 4))
#define STRIP (4 * LANES) /* columns of a tile whose sums a product keeps in registers */
#define ALIGNED __attribute__((aligned(64))) /* of arrays on the stack: a vector across two lines costs double */
#define INLINE static inline __attribute__((always_inline))

typedef real vreal __attribute__((vector_size(FASTNN_VEC)));
typedef fix vfix __attribute__((vector_size(FASTNN_VEC)));
typedef ufix vufix __attribute__((vector_size(FASTNN_VEC)));
typedef uint32_t vu32 __attribute__((vector_size(FASTNN_VEC)));
typedef uint64_t vu64 __attribute__((vector_size(FASTNN_VEC)));

/* Numbers of two vectors, chosen by constants: of a where below the number of lanes, else of b. mask: a
 * vector type of integers as wide. */
#if defined(__clang__)
#define SHUFFLE(mask, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(mask, a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

typedef vreal vreal_mem __attribute__((aligned(4), may_alias));
typedef vfix vfix_mem __attribute__((aligned(4), may_alias));
typedef vu32 vu32_mem __attribute__((aligned(4), may_alias));

INLINE vreal load_real(const real *p) { return *(const vreal_mem *)p; }
INLINE vfix load_fix(const fix *p) { return *(const vfix_mem *)p; }
INLINE vu32 load_u32(const uint32_t *p) { return *(const vu32_mem *)p; }
INLINE void store_real(real *p, vreal x) { *(vreal_mem *)p = x; }
INLINE void store_fix(fix *p, vfix x) { *(vfix_mem *)p = x; }
INLINE void store_u32(uint32_t *p, vu32 x) { *(vu32_mem *)p = x; }

INLINE vreal splat(real x) { return x - (vreal){0}; }
INLINE vfix splat_fix(fix x) { return x - (vfix){0}; }
INLINE vreal as_real(vfix x) { return (vreal)x; }
INLINE vfix as_fix(vreal x) { return (vfix)x; }

/* m lanes are all ones or all zeros, as a vector comparison gives them. */
INLINE vreal select_real(vfix m, vreal a, vreal b) { return (vreal)((m & (vfix)a) | (~m & (vfix)b)); }
INLINE vreal abs_real(vreal x) { return (vreal)((vfix)x & ~((vfix)(-splat(0)))); }

/* MM(min)(a, b) is the native instruction: a < b ? a : b, so b where either is NaN. */
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
#define MM(op) _mm512_##op##_ps
#elif FASTNN_VEC == 64
#define MM(op) _mm512_##op##_pd
#elif FASTNN_VEC == 32 && FASTNN_REAL == 32
#define MM(op) _mm256_##op##_ps
#elif FASTNN_VEC == 32
#define MM(op) _mm256_##op##_pd
#elif defined(__SSE2__) && FASTNN_REAL == 32
#define MM(op) _mm_##op##_ps
#elif defined(__SSE2__)
#define MM(op) _mm_##op##_pd
#endif
#ifdef MM
INLINE vreal min_real(vreal a, vreal b) { return MM(min)(a, b); }
INLINE vreal max_real(vreal a, vreal b) { return MM(max)(a, b); }
#else
INLINE vreal min_real(vreal a, vreal b) { return select_real(a < b, a, b); }
INLINE vreal max_real(vreal a, vreal b) { return select_real(a > b, a, b); }
#endif

/* a b + c, rounded once where the machine can: for rooms whose sums are not bitwise the same anyway. */
#if defined(MM) && FASTNN_VEC > 16
INLINE vreal fma_real(vreal a, vreal b, vreal c) { return MM(fmadd)(a, b, c); }
#else
INLINE vreal fma_real(vreal a, vreal b, vreal c) { return a * b + c; }
#endif

/* Square root by the hardware's instruction. */
#ifdef MM
INLINE vreal root_real(vreal x) { return MM(sqrt)(x); }
#else
INLINE vreal root_real(vreal x) {
    for (int l = 0; l < LANES; l++)
        x[l] = sizeof(real) == 4 ? (real)__builtin_sqrtf((float)x[l]) : (real)__builtin_sqrt((double)x[l]);
    return x;
}
#endif

/* The first n < LANES reals at p and `rest` in the other lanes; its converse writes n lanes. */
INLINE vreal load_part(const real *p, int64_t n, real rest) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vreal)_mm512_mask_loadu_ps((__m512)splat(rest), (__mmask16)((1u << n) - 1), p);
#elif FASTNN_VEC == 64
    return (vreal)_mm512_mask_loadu_pd((__m512d)splat(rest), (__mmask8)((1u << n) - 1), p);
#else
    vreal x = splat(rest);
    for (int64_t l = 0; l < n; l++) x[l] = p[l];
    return x;
#endif
}
INLINE void store_part(real *p, int64_t n, vreal x) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
#elif FASTNN_VEC == 64
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)x);
#else
    for (int64_t l = 0; l < n; l++) p[l] = x[l];
#endif
}
/* The same for n <= LANES. */
INLINE vreal load_some(const real *p, int64_t n, real rest) { return n == LANES ? load_real(p) : load_part(p, n, rest); }
INLINE void store_some(real *p, int64_t n, vreal x) {
    if (n == LANES) store_real(p, x);
    else store_part(p, n, x);
}

/* Round half to even without libm: exact below 2^mantissa, and above it nothing is left to round. */
INLINE vreal round_real(vreal x) {
    vreal big = splat((real)((ufix)1 << REAL_MANTISSA));
    vreal sign = (vreal)((vfix)x & (vfix)(-splat(0)));
    vreal magic = (vreal)((vfix)big | (vfix)sign);
    return select_real(abs_real(x) < big, (x + magic) - magic, x);
}

/* real -> fix for integral |x| < 2^FIX_BITS+1; fix -> real for |x| < 2^(FIX_BITS+1).
 * float32 converts in one instruction everywhere. int64 <-> double exists only in AVX-512, so it goes
 * through the mantissa of 1.5 * 2^52: the low bits of the sum are the integer, for |x| < 2^51. */
#if FASTNN_REAL == 32
INLINE vfix to_fix(vreal x) { return __builtin_convertvector(x, vfix); }
INLINE vreal to_real(vfix x) { return __builtin_convertvector(x, vreal); }
#else
#define FIX_MAGIC 6755399441055744.0 /* 1.5 * 2^52 */
INLINE vfix to_fix(vreal x) { return (vfix)((vufix)(x + splat(FIX_MAGIC)) - (vufix)splat(FIX_MAGIC)); }
INLINE vreal to_real(vfix x) { return (vreal)((vufix)x + (vufix)splat(FIX_MAGIC)) - splat(FIX_MAGIC); }
#endif

/* to_fix(round_real(x)) in fewer instructions; any value at all beyond to_fix's range. */
INLINE vfix nearest_fix(vreal x) {
#if FASTNN_REAL == 64
    return to_fix(x);
#elif FASTNN_VEC == 64
    return (vfix)_mm512_cvtps_epi32((__m512)x);
#elif FASTNN_VEC == 32
    return (vfix)_mm256_cvtps_epi32((__m256)x);
#elif defined(__SSE2__)
    return (vfix)_mm_cvtps_epi32((__m128)x);
#else
    return to_fix(round_real(x));
#endif
}

/* The 64-bit products of the low halves of each 64-bit lane; the high halves may hold anything. */
INLINE vu64 mul_low32(vu64 a, vu64 b) {
#if FASTNN_VEC == 64
    return (vu64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif FASTNN_VEC == 32
    return (vu64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vu64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    vu64 low = (vu64){0} + 0xffffffffu;
    return (a & low) * (b & low);
#endif
}

/* Sums of a tile lie in strips: (TILE / STRIP, n_rows, STRIP), each strip's rows contiguous, because a
 * row stride of a whole tile would crowd the first-level cache into a part of its sets. */
INLINE fix *sums_at(fix *sums, int64_t n_rows, int64_t row, int unit) {
    return sums + ((unit / STRIP) * n_rows + row) * STRIP + unit % STRIP;
}

/* One bit per lane of a comparison's result, lane 0 lowest. */
INLINE uint64_t mask_bits(vfix m) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return _mm512_movepi32_mask((__m512i)m);
#elif FASTNN_VEC == 64
    return _mm512_movepi64_mask((__m512i)m);
#elif FASTNN_VEC == 32 && FASTNN_REAL == 32
    return (unsigned)_mm256_movemask_ps((__m256)m);
#elif FASTNN_VEC == 32
    return (unsigned)_mm256_movemask_pd((__m256d)m);
#elif defined(__SSE2__) && FASTNN_REAL == 32
    return (unsigned)_mm_movemask_ps((__m128)m);
#elif defined(__SSE2__)
    return (unsigned)_mm_movemask_pd((__m128d)m);
#else
    uint64_t bits = 0;
    for (int l = 0; l < LANES; l++) bits |= (uint64_t)(m[l] & 1) << l;
    return bits;
#endif
}

/* mask_bits(a <= b). */
INLINE uint64_t at_most_bits(vreal a, vreal b) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
#elif FASTNN_VEC == 64
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
#else
    return mask_bits(a <= b);
#endif
}

/* x, its absolute value at most that of most; of a NaN perhaps most. */
INLINE vreal limit_size(vreal x, vreal most) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vreal)_mm512_range_ps((__m512)x, (__m512)most, 2); /* the smaller size, the sign of x */
#elif FASTNN_VEC == 64
    return (vreal)_mm512_range_pd((__m512d)x, (__m512d)most, 2);
#else
    return min_real(most, max_real(-most, x));
#endif
}

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

/* sum + x in the lanes whose bit is set. */
INLINE vfix add_where(vfix sum, uint32_t bits, vfix x) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return (vfix)_mm512_mask_add_epi32((__m512i)sum, (__mmask16)bits, (__m512i)sum, (__m512i)x);
#elif FASTNN_VEC == 64
    return (vfix)_mm512_mask_add_epi64((__m512i)sum, (__mmask8)bits, (__m512i)sum, (__m512i)x);
#else
    return sum + (x & lanes_of(bits));
#endif
}

typedef double vdouble __attribute__((vector_size(FASTNN_VEC)));

/* The same of doubles, whatever a real is. */
INLINE vdouble add_double_where(vdouble sum, uint64_t bits, double x) {
#if FASTNN_VEC == 64
    return (vdouble)_mm512_mask_add_pd((__m512d)sum, (__mmask8)bits, (__m512d)sum, _mm512_set1_pd(x));
#elif FASTNN_VEC == 32
    vu64 bit = {1, 2, 4, 8}, chosen = (vu64)(((bits - (vu64){0}) & bit) == bit);
    return sum + (vdouble)((vu64)(x - (vdouble){0}) & chosen);
#else
    return sum + (vdouble){bits & 1 ? x : 0.0, bits & 2 ? x : 0.0};
#endif
}

/* The least lane. */
INLINE real lanes_min(vreal x) {
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
    return _mm512_reduce_min_ps((__m512)x);
#elif FASTNN_VEC == 64
    return _mm512_reduce_min_pd((__m512d)x);
#else
    real least = x[0];
    for (int l = 1; l < LANES; l++) least = x[l] < least ? x[l] : least;
    return least;
#endif
}

/* Bytes: one bit per byte of a comparison's result, the first in memory lowest, for 64 bytes in all. */
typedef int8_t vbytes __attribute__((vector_size(FASTNN_VEC)));
typedef vbytes vbytes_mem __attribute__((aligned(1), may_alias));

INLINE uint64_t byte_mask(vbytes m) {
#if FASTNN_VEC == 64
    return _mm512_movepi8_mask((__m512i)m);
#elif FASTNN_VEC == 32
    return (uint32_t)_mm256_movemask_epi8((__m256i)m);
#elif defined(__SSE2__)
    return (uint32_t)_mm_movemask_epi8((__m128i)m);
#else
    uint64_t bits = 0;
    for (int l = 0; l < FASTNN_VEC; l++) bits |= (uint64_t)(m[l] & 1) << l;
    return bits;
#endif
}

INLINE uint64_t positive_bytes(const int8_t *x) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += FASTNN_VEC) bits |= byte_mask(*(const vbytes_mem *)(x + i) > 0) << i;
    return bits;
}

INLINE uint64_t nonzero_bytes(const int8_t *x) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += FASTNN_VEC) bits |= byte_mask(*(const vbytes_mem *)(x + i) != 0) << i;
    return bits;
}

#endif
