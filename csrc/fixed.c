/* Fixed point: weights as integers with a power-of-two step of their own for each output unit.
 *
 * With A = sum_i |w_i| over a unit's inputs, step = 2^-e: as long as A 2^e <= 2^FIX_BITS any subset of the
 * rounded weights sums within the integer, exactly and in any order. e is the largest with
 * A 2^e <= 2^(FIX_BITS - ROOM): a sum is off by at most n/2 steps, n A 2^-(FIX_BITS - ROOM + 1), and on the
 * average by sqrt(n) of them: less than a floating-point sum of the same numbers would lose. The room lets
 * A grow by 2^ROOM in training before all weights have to be measured and written out afresh.
 */
#include "fastnn.h"
#include "panels.h"

#define ROOM 2
#define EXPONENT_LIMIT (REAL_BIAS - REAL_MANTISSA - 4) /* keeps 2^e and 2^-e normal */

INLINE real part_sum(const void *sums, int64_t n_parts, int64_t stride, int64_t u) {
    real total = 0;
    for (int64_t part = 0; part < n_parts; part++) total += ((const real *)sums)[part * stride + u];
    return total;
}

INLINE real power_of_two(int64_t e) {
    union { ufix bits; real value; } x = {(ufix)(e + REAL_BIAS) << REAL_MANTISSA};
    return x.value;
}

/* sums: real (n_parts, stride), parts of A for n units, added in the order of the parts.
 * scale[u] = 2^-e, inverse[u] = 2^e. Returns how many units have an A too large to use (or NaN). */
int64_t FN(scales)(const void *sums, int64_t n_parts, int64_t stride, int64_t n, void *scale, void *inverse) {
    int64_t bad = 0;
    for (int64_t u = 0; u < n; u++) {
        real total = part_sum(sums, n_parts, stride, u);
        union { real value; ufix bits; } x = {total};
        int64_t e = FIX_BITS - ROOM - ((int64_t)(x.bits >> REAL_MANTISSA) - REAL_BIAS + 1);
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

/* Whether the steps of n units still serve: sums fit, and use all but some 2 ROOM of the bits. */
int64_t FN(scales_serve)(const void *sums, int64_t n_parts, int64_t stride, int64_t n, const void *inverse) {
    const real most = (real)((ufix)1 << FIX_BITS), least = (real)((ufix)1 << (FIX_BITS - 3 * ROOM));
    for (int64_t u = 0; u < n; u++) {
        real by = ((const real *)inverse)[u], steps = part_sum(sums, n_parts, stride, u) * by;
        if (!(steps <= most && (steps >= least || by == power_of_two(EXPONENT_LIMIT)))) return 0;
    }
    return 1;
}

/* One TILE x TILE block of W (n_rows, n_cols) into the panels of both directions. */
void FN(quantise_block)(const void *w, int64_t stride, int64_t n_rows, int64_t n_cols, int64_t row_tile,
                        int64_t col_tile, const void *by_row, const void *by_col, void *forward,
                        void *backward) {
    block_place at = place_block(forward, backward, n_rows, n_cols, row_tile * TILE, col_tile, by_row, by_col);
    fix buffer[TILE][TILE] ALIGNED = {{0}};
    for (int64_t i = 0; i < at.height; i++)
        for (int c = 0; c < TILE; c += LANES)
            quantise_lanes(&at, i, c, load_real((const real *)w + (row_tile * TILE + i) * stride + col_tile * TILE + c),
                           buffer);
    turn_block(&at, (const fix(*)[TILE])buffer);
}

/* Of a model that diverges numbers lie beyond a fix, anywhere: their sum wraps around, until that is noticed. */
INLINE vufix panel_sum(const fix *panel, int64_t row0, int64_t row1, int c) {
    vufix sum = (vufix)splat_fix(0);
    for (int64_t r = row0; r < row1; r++) sum += (vufix)load_fix(panel + r * TILE + c);
    return sum;
}

/* times * the sums of rows row0..row1 of one tile of panels (n_tiles, n_rows, TILE); out: fix
 * (n_tiles, TILE), of which this tile's is written. */
void FN(panel_sums)(const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile, int64_t times,
                    void *out) {
    const fix *panel = (const fix *)panels + tile * n_rows * TILE;
    for (int c = 0; c < TILE; c += LANES)
        store_fix((fix *)out + tile * TILE + c, (vfix)(panel_sum(panel, row0, row1, c) * (ufix)times));
}

/* The same as numbers: out double (n_tiles, TILE) = unit * sum. */
void FN(panel_means)(const void *panels, int64_t n_rows, int64_t row0, int64_t row1, int64_t tile, double unit,
                     double *out) {
    const fix *panel = (const fix *)panels + tile * n_rows * TILE;
    for (int c = 0; c < TILE; c += LANES) {
        vfix sum = (vfix)panel_sum(panel, row0, row1, c);
        for (int l = 0; l < LANES; l++) out[tile * TILE + c + l] = unit * (double)sum[l];
    }
}
