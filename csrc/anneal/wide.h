/* 512 lanes of one bit: 8 spins in 64 reads each, as K native vectors of 64-bit words.
 *
 * However wide a vector is, 512 lanes are decided together, so that the same random words are drawn.
 */
#ifndef FASTNN_WIDE_H
#define FASTNN_WIDE_H

#include "xoro.h"

#define WIDE_K (64 / FASTNN_VEC)
#define WIDE_WORDS 8
#define EACH_VECTOR(k) for (int k = 0; k < WIDE_K; k++)

typedef struct {
    vu64 v[WIDE_K];
} wide;

#if FASTNN_VEC == 64
#define TERNARY(table, a, b, c) (vu64)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), table)
INLINE vu64 choose(vu64 mask, vu64 a, vu64 b) { return TERNARY(0xca, mask, a, b); }
INLINE vu64 majority(vu64 a, vu64 b, vu64 c) { return TERNARY(0xe8, a, b, c); }
INLINE vu64 parity(vu64 a, vu64 b, vu64 c) { return TERNARY(0x96, a, b, c); }
INLINE vu64 and_same(vu64 a, vu64 b, vu64 c) { return TERNARY(0x90, a, b, c); }
#else
INLINE vu64 choose(vu64 mask, vu64 a, vu64 b) { return b ^ (mask & (a ^ b)); }
INLINE vu64 majority(vu64 a, vu64 b, vu64 c) { return (a & b) | (c & (a ^ b)); }
INLINE vu64 parity(vu64 a, vu64 b, vu64 c) { return a ^ b ^ c; }
INLINE vu64 and_same(vu64 a, vu64 b, vu64 c) { return a & ~(b ^ c); } /* a where b equals c */
#endif

INLINE wide wide_splat(uint64_t x) {
    wide w;
    EACH_VECTOR(k) w.v[k] = splat_u64(x);
    return w;
}

INLINE int wide_any(wide w) {
    vu64 any = w.v[0];
    for (int k = 1; k < WIDE_K; k++) any |= w.v[k];
#if FASTNN_VEC == 64
    return _mm512_test_epi64_mask((__m512i)any, (__m512i)any) != 0;
#elif FASTNN_VEC == 32
    return !_mm256_testz_si256((__m256i)any, (__m256i)any);
#elif defined(__SSE2__)
    return _mm_movemask_epi8(_mm_cmpeq_epi8((__m128i)any, _mm_setzero_si128())) != 0xffff;
#else
    uint64_t bits = 0;
    for (int l = 0; l < VU64_LANES; l++) bits |= any[l];
    return bits != 0;
#endif
}

/* Word l all ones where bit l is set. */
INLINE wide wide_spread(unsigned bits) {
    wide w;
#if FASTNN_VEC == 64
    w.v[0] = (vu64)_mm512_movm_epi64((__mmask8)bits);
#elif FASTNN_VEC == 32
    vu64 each = {1, 2, 4, 8};
    EACH_VECTOR(k) w.v[k] = (vu64)((splat_u64(bits >> 4 * k) & each) == each);
#else
    EACH_VECTOR(k) w.v[k] = (vu64){-(uint64_t)(bits >> 2 * k & 1), -(uint64_t)(bits >> 2 * k >> 1 & 1)};
#endif
    return w;
}

#if FASTNN_VEC == 64
#define GATHERED(x) (vu64){x(0), x(1), x(2), x(3), x(4), x(5), x(6), x(7)}
#elif FASTNN_VEC == 32
#define GATHERED(x) (vu64){x(0), x(1), x(2), x(3)}
#else
#define GATHERED(x) (vu64){x(0), x(1)}
#endif

INLINE wide wide_gather(const uint64_t *words, const int32_t at[WIDE_WORDS]) {
    wide w;
#define WORD(l) words[at[k * VU64_LANES + l]]
    EACH_VECTOR(k) w.v[k] = GATHERED(WORD);
#undef WORD
    return w;
}

INLINE void wide_scatter(uint64_t *words, const int32_t at[WIDE_WORDS], wide w) {
    EACH_VECTOR(k)
        for (int l = 0; l < VU64_LANES; l++) words[at[k * VU64_LANES + l]] = w.v[k][l];
}

typedef struct {
    wide a, b;
} wide_stream;

/* The first WIDE_WORDS lanes of a stream. */
INLINE wide_stream wide_load_stream(const uint64_t *at) {
    wide_stream s;
    EACH_VECTOR(k) {
        s.a.v[k] = load_u64(at + k * VU64_LANES);
        s.b.v[k] = load_u64(at + XORO_LANES + k * VU64_LANES);
    }
    return s;
}

INLINE void wide_store_stream(uint64_t *at, const wide_stream *s) {
    EACH_VECTOR(k) {
        store_u64(at + k * VU64_LANES, s->a.v[k]);
        store_u64(at + XORO_LANES + k * VU64_LANES, s->b.v[k]);
    }
}

INLINE wide wide_next(wide_stream *s) {
    wide w;
    EACH_VECTOR(k) w.v[k] = xoro_next(&s->a.v[k], &s->b.v[k]);
    return w;
}

#endif
