/* Packed two-valued states: unit u of a row is bit u % 64 of word u / 64, spare bits are zero. */
#include "fastnn.h"
#include "vec.h"

/* Transposes a 64 x 64 block in place, halves of halves (Warren, "Hacker's Delight", 2nd ed., 7-3). */
static void turn_block(uint64_t block[64]) {
    uint64_t mask = 0x00000000ffffffffu;
    for (int apart = 32; apart; apart /= 2, mask ^= mask << apart)
        for (int k = 0; k < 64; k = ((k | apart) + 1) & ~apart) {
            uint64_t swap = ((block[k] >> apart) ^ block[k | apart]) & mask;
            block[k] ^= swap << apart;
            block[k | apart] ^= swap;
        }
}

/* Word `tile` of each of n_rows rows -> rows 64 tile .. 64 tile + 63 of the transpose, whose words hold
 * 64 samples each and start at word0. counts[u] += how many of the rows have unit 64 tile + u set. */
void FN(transpose_states)(const uint64_t *states, int64_t n_rows, int64_t words, int64_t tile, uint64_t *out,
                          int64_t out_words, int64_t word0, int64_t *counts) {
    for (int64_t row0 = 0; row0 < n_rows; row0 += 64) {
        uint64_t block[64] = {0};
        for (int64_t r = row0; r < n_rows && r < row0 + 64; r++) block[r - row0] = states[r * words + tile];
        turn_block(block);
        for (int64_t u = 0; u < 64; u++) {
            out[(64 * tile + u) * out_words + word0 + row0 / 64] = block[u];
            counts[u] += __builtin_popcountll(block[u]);
        }
    }
}

/* Eight bits to eight bytes 0 or 1, the lowest bit first in memory (little-endian). */
INLINE uint64_t bytes_of(uint64_t bits) {
    uint64_t each = (bits & 0xff) * 0x0101010101010101u & 0x8040201008040201u;
    return (each + 0x00406070787c7e7fu) >> 7 & 0x0101010101010101u;
}

INLINE void spread_bytes(const uint64_t *states, int64_t n, uint8_t off, uint8_t on, uint8_t *out) {
    uint64_t every = 0x0101010101010101u, change = off ^ on;
    for (int64_t u = 0; u < n; u += 8) {
        uint64_t eight = bytes_of(states[u / 64] >> (u % 64)) * change ^ off * every;
        if (u + 8 <= n)
            __builtin_memcpy(out + u, &eight, 8);
        else
            for (int64_t k = 0; u + k < n; k++) out[u + k] = (uint8_t)(eight >> 8 * k);
    }
}

/* A row of states to numbers, kind as in fnn_source; value = low + step * bit. */
void FN(spread_states)(const uint64_t *states, int64_t n, int64_t kind, int64_t low, int64_t step, void *out) {
    if (kind < 2) {
        spread_bytes(states, n, (uint8_t)low, (uint8_t)(low + step), out);
        return;
    }
    for (int64_t u = 0; u < n; u++) {
        int64_t value = low + step * (int64_t)(states[u / 64] >> (u % 64) & 1);
        if (kind == 2)
            ((float *)out)[u] = (float)value;
        else
            ((double *)out)[u] = (double)value;
    }
}

/* The same to the room's own reals, zeros past the last unit up to a whole tile. */
void FN(spread_row)(const uint64_t *states, int64_t n, int64_t low, int64_t step, void *out) {
    FN(spread_states)(states, n, FASTNN_REAL == 32 ? 2 : 3, low, step, out);
    for (int64_t u = n; u % TILE; u++) ((real *)out)[u] = 0;
}

/* sum over set bits of x[u], x real (n,), in the order of the units. */
double FN(dot_states)(const uint64_t *states, int64_t n_words, const void *x) {
    double sum = 0;
    for (int64_t w = 0; w < n_words; w++)
        for (uint64_t left = states[w]; left; left &= left - 1)
            sum += (double)((const real *)x)[64 * w + __builtin_ctzll(left)];
    return sum;
}

/* Sums over rows of one tile of columns of x, real (n_rows, stride): out (TILE), in double, row by row. */
void FN(column_sums)(const void *x, int64_t n_rows, int64_t stride, int64_t tile, double *out) {
    for (int u = 0; u < TILE; u++) out[u] = 0;
    for (int64_t r = 0; r < n_rows; r++)
        for (int u = 0; u < TILE; u++) out[u] += (double)((const real *)x)[r * stride + TILE * tile + u];
}
