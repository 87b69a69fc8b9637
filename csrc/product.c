/* Binary rows times a fixed-point matrix: sums[r, c] = sum over i with bit (r, i) set of q[i, c].
 *
 * The one matrix product of binary units: v W and h W' of a Gibbs step, V'H of a gradient. Sums of
 * integers are exact in any order, so every path below gives the same bits, for any row split, thread
 * count and instruction set; which one runs is decided by cost alone.
 *
 *   tables   for 4 inputs at a time, the 16 partial sums of their columns; a row then adds one table
 *            row per nibble of its bits: 4 inputs for one addition, whatever the density.
 *   skipping adds row q[i, :] for each set bit: wins where few bits are set or few rows share a table.
 *
 * Shapes: bits (n_rows, words) uint64, input i is bit i % 64 of word i / 64, bits past n_inputs zero;
 * panels (n_tiles, n_inputs, TILE); sums in strips, see sums_at() in vec.h.
 */
#include "fastnn.h"
#include "vec.h"

#define GROUP 16 /* inputs whose tables are alive at once: four tables, half the first-level cache */
#define TABLE (16 * STRIP)

/* Costs of a strip's parts, in tenths of a nanosecond where they were measured; only ratios matter. */
#define COST_BUILD 1800 /* the tables of one group */
#define COST_LOOKUP 100 /* one row's non-empty group */
#define COST_INPUT 17   /* adding one row of q */
#define COST_WORD 80    /* finding the set bits of a word */
#define COST_COLD 60    /* bringing a row of q near, once for all rows */

typedef struct {
    const uint64_t *bits;
    const fix *columns; /* the strip's first column */
    fix *sums;          /* (n_rows, STRIP) */
    int64_t words, n_rows, n_inputs;
} strip;

/* table[n] = sum of the rows q[i + k] over the set bits k of n; inputs past the end count as zero. */
INLINE void table_build(const fix *q, int64_t n_left, fix table[TABLE]) {
    for (int c = 0; c < STRIP; c += LANES) {
        vfix sum[16];
        sum[0] = splat_fix(0);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            vfix row = k < n_left ? load_fix(q + k * TILE + c) : splat_fix(0);
#pragma GCC unroll 8
            for (int n = 0; n < 1 << k; n++) sum[(1 << k) + n] = sum[n] + row;
        }
#pragma GCC unroll 16
        for (int n = 0; n < 16; n++) store_fix(table + n * STRIP + c, sum[n]);
    }
}

/* Adds to every row's sums what the group's tables say of its 16 bits. */
INLINE void add_group(const fix table[GROUP / 4][TABLE], const uint16_t *bits, int64_t n_rows, fix *sums) {
    for (int64_t r = 0; r < n_rows; r++, sums += STRIP) {
        uint64_t n = bits[r];
        if (n == 0) continue;
        vfix sum[STRIP / LANES];
        for (int k = 0; k < STRIP / LANES; k++) sum[k] = load_fix(sums + k * LANES);
#pragma GCC unroll 4
        for (int t = 0; t < GROUP / 4; t++) {
            const fix *row = table[t] + (n >> (4 * t) & 15) * STRIP;
            for (int k = 0; k < STRIP / LANES; k++) sum[k] += load_fix(row + k * LANES);
        }
        for (int k = 0; k < STRIP / LANES; k++) store_fix(sums + k * LANES, sum[k]);
    }
}

static void strip_by_tables(const strip *s) {
    fix table[GROUP / 4][TABLE] __attribute__((aligned(64)));
    uint16_t group[64 / GROUP][FNN_MAX_ROWS]; /* a word of every row, cut up: rows lie far apart */
    for (int64_t i = 0; i < s->n_inputs; i += GROUP) {
        int64_t g = i % 64 / GROUP;
        for (int64_t r = 0; g == 0 && r < s->n_rows; r++)
            for (int k = 0; k < 64 / GROUP; k++)
                group[k][r] = (uint16_t)(s->bits[r * s->words + i / 64] >> (GROUP * k));
        for (int t = 0; t < GROUP / 4; t++)
            table_build(s->columns + (i + 4 * t) * TILE, s->n_inputs - i - 4 * t, table[t]);
        add_group((const fix(*)[TABLE])table, group[g], s->n_rows, s->sums);
    }
}

/* Word by word for all rows, so that the 64 rows of q in question stay in the first-level cache. */
static void strip_by_skipping(const strip *s) {
    for (int64_t w = 0; w < s->words; w++) {
        const fix *q = s->columns + 64 * w * TILE;
        fix *sums = s->sums;
        for (int64_t r = 0; r < s->n_rows; r++, sums += STRIP) {
            uint64_t left = s->bits[r * s->words + w];
            if (left == 0) continue;
            vfix sum[STRIP / LANES];
            for (int k = 0; k < STRIP / LANES; k++) sum[k] = load_fix(sums + k * LANES);
            for (; left; left &= left - 1) {
                const fix *row = q + __builtin_ctzll(left) * TILE;
                for (int k = 0; k < STRIP / LANES; k++) sum[k] += load_fix(row + k * LANES);
            }
            for (int k = 0; k < STRIP / LANES; k++) store_fix(sums + k * LANES, sum[k]);
        }
    }
}

/* Estimates both costs from a few rows, evenly spaced. */
static int tables_pay(const strip *s) {
    int64_t every = s->n_rows / 8 + 1, inputs = 0, groups = 0, seen = 0;
    for (int64_t r = 0; r < s->n_rows; r += every, seen++)
        for (int64_t w = 0; w < s->words; w++) {
            uint64_t word = s->bits[r * s->words + w];
            inputs += __builtin_popcountll(word);
            for (int g = 0; g < 64; g += GROUP) groups += (word >> g & 0xffff) != 0;
        }
    int64_t build = COST_BUILD * (s->n_inputs / GROUP + 1) * seen / s->n_rows;
    int64_t bring = COST_COLD * s->n_inputs * seen / s->n_rows;
    return COST_LOOKUP * groups + build < COST_INPUT * inputs + COST_WORD * s->words * seen + bring;
}

void FN(product_tile)(const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums) {
    strip s = {p->bits + row0 * p->words, (const fix *)p->panels + tile * p->n_inputs * TILE, sums,
               p->words, row1 - row0, p->n_inputs};
    int tables = tables_pay(&s);
    for (int64_t k = 0; k < s.n_rows * TILE; k += LANES) store_fix(s.sums + k, splat_fix(0));
    for (int c = 0; c < TILE; c += STRIP) {
        if (tables)
            strip_by_tables(&s);
        else
            strip_by_skipping(&s);
        s.columns += STRIP;
        s.sums += s.n_rows * STRIP;
    }
}
