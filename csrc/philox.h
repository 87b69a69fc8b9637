/* Philox4x32-10: random words as a pure function of (key, counter).
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 3.3.
 * One round: (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),
 * after which k0 += W0, k1 += W1; ten rounds.
 *
 * What is drawn, never who draws it, makes the counter:
 *   c0 = block of units, c1 = chain (low 32 bits), c2 = step (low 32 bits),
 *   c3 = step (next 16 bits) << 16 | chain (next 8 bits) << 8 | stream.
 * A tile of 64 units takes 16 consecutive blocks: unit 64 t + 16 w + l is word w of block 16 t + l, so
 * that one vector of counters gives neighbouring units in neighbouring lanes whatever its width.
 * Where 16 bits a unit are enough a tile takes 8 blocks: units 64 t + 8 w + l and 64 t + 32 + 8 w + l are
 * the low and the high half of word w of block 8 t + l.
 */
#ifndef FASTNN_PHILOX_H
#define FASTNN_PHILOX_H

#include "vec.h"

/* Where in the space of counters a row of draws lives. */
typedef struct {
    uint64_t key;
    uint64_t step;  /* < 2^48 */
    uint64_t chain; /* < 2^40 */
    uint32_t stream; /* < 2^6: which purpose, see fnn_stream in fastnn.h */
} philox_place;

/* Streams beside a purpose's own, for draws that need more bits. */
#define STREAM_FRACTION 0x40
#define STREAM_LOW 0x80

typedef struct {
    vu64 even[4], odd[4]; /* lanes 0, 2, 4, ... and 1, 3, 5, ... of a vector of 32-bit counters */
} philox_state;

INLINE void philox_round(vu64 c[4], vu64 k0, vu64 k1) {
    vu64 p0 = mul_low32(c[0], (vu64){0} + 0xD2511F53u);
    vu64 p1 = mul_low32(c[2], (vu64){0} + 0xCD9E8D57u);
    c[0] = (p1 >> 32) ^ c[1] ^ k0; /* high halves of the lanes carry rubbish that no product reads */
    c[1] = p1;
    c[2] = (p0 >> 32) ^ c[3] ^ k1;
    c[3] = p0;
}

INLINE uint32_t last_counter(philox_place at) {
    return (uint32_t)(((at.step >> 32) & 0xffff) << 16 | ((at.chain >> 32) & 0xff) << 8 | at.stream);
}

/* words[w] lane l = word w of the block whose counter is lane l of c. */
INLINE void philox_words(uint64_t key, const vu32 c[4], vu32 words[4]) {
    vu64 low = (vu64){0} + 0xffffffffu, even[4], odd[4];
    for (int w = 0; w < 4; w++) {
        even[w] = (vu64)c[w] & low;
        odd[w] = (vu64)c[w] >> 32;
    }
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(even, (vu64){0} + k0, (vu64){0} + k1);
        philox_round(odd, (vu64){0} + k0, (vu64){0} + k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int w = 0; w < 4; w++) words[w] = (vu32)((even[w] & low) | (odd[w] << 32));
}

INLINE vu32 iota32(void) {
    vu32 iota;
    for (int l = 0; l < LANES32; l++) iota[l] = (uint32_t)l;
    return iota;
}

/* The 64 random words of one tile of one row. */
INLINE void philox_tile(philox_place at, int64_t tile, uint32_t out[TILE]) {
    for (int l = 0; l < 16; l += LANES32) {
        vu32 words[4], zero = {0};
        vu32 c[4] = {iota32() + (uint32_t)(16 * tile + l), zero + (uint32_t)at.chain, zero + (uint32_t)at.step,
                     zero + last_counter(at)};
        philox_words(at.key, c, words);
        for (int w = 0; w < 4; w++) store_u32(out + 16 * w + l, words[w]);
    }
}

/* Two 16-bit halves a word, for one tile of two rows: chains `chain` and `chain` + 1 fill a vector's lanes. */
INLINE void philox_halves(philox_place at, int64_t tile, uint32_t out[2][TILE / 2]) {
    philox_place next = at;
    next.chain++;
    for (int i = 0; i < 16; i += LANES32) {
        vu32 place = iota32() + (uint32_t)i, second = place >> 3, zero = {0}, words[4];
        vu32 c[4] = {(place & 7) + (uint32_t)(8 * tile), second + (uint32_t)at.chain, zero + (uint32_t)at.step,
                     (last_counter(next) - last_counter(at)) * second + last_counter(at)};
        uint32_t lane[LANES32] ALIGNED;
        philox_words(at.key, c, words);
        for (int w = 0; w < 4; w++) {
            store_u32(lane, words[w]);
            for (int l = 0; l < LANES32; l += 4)
                __builtin_memcpy(&out[(i + l) / 8][8 * w + (i + l) % 8], lane + l, 16);
        }
    }
}

/* Uniforms in the open interval (0, 1): (r + 1/2) / 2^b with b bits, exact in `real`, so neither end
 * is reached. float32 takes 23 bits of one word, float64 52 bits of two (a second stream of words). */
#if FASTNN_REAL == 32
INLINE void uniform_tile(philox_place at, int64_t tile, real out[TILE]) {
    uint32_t word[TILE];
    philox_tile(at, tile, word);
    for (int u = 0; u < TILE; u += LANES) {
        vfix r = (vfix)(load_u32(word + u) >> 9);
        store_real(out + u, (to_real(r) + splat(0.5f)) * splat(0x1p-23f));
    }
}
INLINE real uniform_of(uint32_t high, uint32_t low) {
    (void)low;
    return ((real)(int32_t)(high >> 9) + 0.5f) * 0x1p-23f;
}
#else
/* 1.mantissa in [1, 2) less 1, moved by half a step: no 64-bit conversion needed */
INLINE real uniform_of(uint32_t high, uint32_t low) {
    uint64_t bits = ((uint64_t)high << 32 | low) >> 12 | 0x3ff0000000000000u;
    union { uint64_t u; double d; } x = {bits};
    return (x.d - 1.0) + 0x1p-53;
}
INLINE void uniform_tile(philox_place at, int64_t tile, real out[TILE]) {
    uint32_t high[TILE], low[TILE];
    philox_tile(at, tile, high);
    at.stream |= STREAM_LOW;
    philox_tile(at, tile, low);
    for (int u = 0; u < TILE; u++) out[u] = uniform_of(high[u], low[u]);
}
#endif

/* Two uniforms for each of LANES32 units of one row, whatever tiles these are in: words 0 and 1 of a unit's
 * own block make the one, 2 and 3 the other. */
INLINE void uniform_pairs(philox_place at, const uint32_t units[LANES32], real first[LANES32], real second[LANES32]) {
    vu32 zero = {0}, words[4];
    vu32 c[4] = {load_u32(units), zero + (uint32_t)at.chain, zero + (uint32_t)at.step, zero + last_counter(at)};
    philox_words(at.key, c, words);
    for (int l = 0; l < LANES32; l++) {
        first[l] = uniform_of(words[0][l], words[1][l]);
        second[l] = uniform_of(words[2][l], words[3][l]);
    }
}

#endif
