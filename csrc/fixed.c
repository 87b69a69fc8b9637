/* Fixed point: weights as integers with a power-of-two step of their own for each output unit.
 *
 * With A = sum_i |w_i| over a unit's inputs, step = 2^-e for the largest e with A 2^e <= 2^FIX_BITS: then
 * any subset of the rounded weights sums within the integer, exactly and in any order, and a sum is off
 * by at most n/2 steps, about A n 2^-(FIX_BITS + 1) and on the average sqrt(n) of that: what a
 * floating-point sum of the same numbers would lose.
 */
#include "fastnn.h"
#include "vec.h"

#define EXPONENT_LIMIT (REAL_BIAS - REAL_MANTISSA - 4) /* keeps 2^e and 2^-e normal */

INLINE real power_of_two(int64_t e) {
    union { ufix bits; real value; } x = {(ufix)(e + REAL_BIAS) << REAL_MANTISSA};
    return x.value;
}

/* sums: real (n_parts, stride), parts of A for n units, added in the order of the parts.
 * scale[u] = 2^-e, inverse[u] = 2^e. Returns how many units have an A too large to use (or NaN). */
int64_t FN(scales)(const void *sums, int64_t n_parts, int64_t stride, int64_t n, void *scale, void *inverse) {
    int64_t bad = 0;
    for (int64_t u = 0; u < n; u++) {
        real total = 0;
        for (int64_t part = 0; part < n_parts; part++) total += ((const real *)sums)[part * stride + u];
        union { real value; ufix bits; } x = {total};
        int64_t e = FIX_BITS - ((int64_t)(x.bits >> REAL_MANTISSA) - REAL_BIAS + 1);
        if (!(total < power_of_two(EXPONENT_LIMIT))) {
            bad++;
            e = 0;
        }
        if (e > EXPONENT_LIMIT) e = EXPONENT_LIMIT;
        ((real *)scale)[u] = power_of_two(-e);
        ((real *)inverse)[u] = power_of_two(e);
    }
    return bad;
}

/* One TILE x TILE block of W (n_rows, n_cols) into the panels of both directions:
 * forward (col tile, n_rows, TILE) scaled by column, backward (row tile, n_cols, TILE) by row. */
void FN(quantise_block)(const void *w, int64_t stride, int64_t n_rows, int64_t n_cols, int64_t row_tile,
                        int64_t col_tile, const void *row_scale, const void *col_scale, void *forward,
                        void *backward) {
    int64_t row0 = row_tile * TILE, col0 = col_tile * TILE;
    int64_t height = n_rows - row0 < TILE ? n_rows - row0 : TILE;
    int64_t width = n_cols - col0 < TILE ? n_cols - col0 : TILE;
    fix *ahead = (fix *)forward + (col_tile * n_rows + row0) * TILE;
    fix *back = (fix *)backward + (row_tile * n_cols + col0) * TILE;
    const real *by_col = (const real *)col_scale + col0;
    fix turned[TILE][TILE];
    for (int64_t i = 0; i < TILE; i++) {
        const real *row = (const real *)w + (row0 + i) * stride + col0;
        vreal by_row = splat(i < height ? ((const real *)row_scale)[row0 + i] : 0);
        for (int64_t j = 0; j < TILE; j += LANES) {
            vreal x = i < height ? load_real(row + j) : splat(0);
            if (i < height) store_fix(ahead + i * TILE + j, to_fix(round_real(x * load_real(by_col + j))));
            store_fix(turned[i] + j, to_fix(round_real(x * by_row)));
        }
    }
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < TILE; i++) back[j * TILE + i] = turned[i][j];
}

INLINE vfix panel_sum(const fix *panel, int64_t row0, int64_t row1, int c) {
    vfix sum = splat_fix(0);
    for (int64_t r = row0; r < row1; r++) sum += load_fix(panel + r * TILE + c);
    return sum;
}

/* times * the sums of rows row0..row1 of one tile of panels (n_tiles, n_rows, TILE); out: fix
 * (n_tiles, TILE), of which this tile's is written. */
void FN(panel_sums)(const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile, int64_t times,
                    void *out) {
    const fix *panel = (const fix *)panels + tile * n_rows * TILE;
    for (int c = 0; c < TILE; c += LANES)
        store_fix((fix *)out + tile * TILE + c, panel_sum(panel, row0, row1, c) * (fix)times);
}

/* The same as numbers: out double (n_tiles, TILE) = unit * sum. */
void FN(panel_means)(const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile, double unit,
                     double *out) {
    const fix *panel = (const fix *)panels + tile * n_rows * TILE;
    for (int c = 0; c < TILE; c += LANES) {
        vfix sum = panel_sum(panel, row0, row1, c);
        for (int l = 0; l < LANES; l++) out[tile * TILE + c + l] = unit * (double)sum[l];
    }
}
