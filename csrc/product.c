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
 * panels (n_tiles, n_inputs, TILE); sums in strips, see sums_at() in vec.h, zero past n_outputs.
 */
#include "fastnn.h"
#include "vec.h"

#define GROUP 16 /* inputs whose tables are alive at once: four tables, half the first-level cache */
#define TABLE (16 * STRIP)

/* Costs of a strip's parts, in tenths of a nanosecond where they were measured; only ratios matter. */
#define COST_BUILD 2600 /* the tables of one group */
#define COST_LOOKUP 72  /* one row's group */
#define COST_INPUT 17   /* adding one row of q */
#define COST_WORD 60    /* finding the set bits of a word */
#define COST_COLD 60    /* bringing a row of q near, once for all rows */

typedef struct {
    const uint64_t *bits;
    const fix *columns; /* the strip's first column */
    fix *sums;          /* (n_rows, STRIP) */
    int64_t words, n_rows, n_inputs;
} strip;

/* Below, `wide` is how many vectors of a strip are wanted: a constant after inlining. */

/* table[n] = sum of the rows q[i + k] over the set bits k of n; inputs past the end count as zero. */
INLINE void table_build(const fix *q, int64_t n_left, int wide, fix table[TABLE]) {
    for (int c = 0; c < wide * LANES; c += LANES) {
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

INLINE void load_sums(const fix *sums, int wide, vfix sum[STRIP / LANES]) {
    for (int k = 0; k < wide; k++) sum[k] = load_fix(sums + k * LANES);
}

INLINE void store_sums(fix *sums, int wide, const vfix sum[STRIP / LANES]) {
    for (int k = 0; k < wide; k++) store_fix(sums + k * LANES, sum[k]);
}

/* Adds to every row's sums what the group's tables say of its 16 bits. */
INLINE void add_group(const fix table[GROUP / 4][TABLE], const uint16_t *bits, int64_t n_rows, int wide, fix *sums) {
    for (int64_t r = 0; r < n_rows; r++, sums += STRIP) {
        uint64_t n = bits[r];
        vfix sum[STRIP / LANES];
        if (n == 0) continue;
        load_sums(sums, wide, sum);
#pragma GCC unroll 4
        for (int t = 0; t < GROUP / 4; t++) {
            const fix *row = table[t] + (n >> (4 * t) & 15) * STRIP;
            for (int k = 0; k < wide; k++) sum[k] += load_fix(row + k * LANES);
        }
        store_sums(sums, wide, sum);
    }
}

INLINE void strip_by_tables(const strip *s, int wide) {
    fix table[GROUP / 4][TABLE] ALIGNED;
    uint16_t group[64 / GROUP][FNN_MAX_ROWS]; /* a word of every row, cut up: rows lie far apart */
    uint64_t any = 0;
    for (int64_t i = 0; i < s->n_inputs; i += GROUP) {
        int64_t g = i % 64 / GROUP;
        if (g == 0) any = 0;
        for (int64_t r = 0; g == 0 && r < s->n_rows; r++) {
            uint64_t word = s->bits[r * s->words + i / 64];
            any |= word;
            for (int k = 0; k < 64 / GROUP; k++) group[k][r] = (uint16_t)(word >> (GROUP * k));
        }
        if ((any >> (GROUP * g) & 0xffff) == 0) continue;
        for (int t = 0; t < GROUP / 4; t++)
            table_build(s->columns + (i + 4 * t) * TILE, s->n_inputs - i - 4 * t, wide, table[t]);
        add_group((const fix(*)[TABLE])table, group[g], s->n_rows, wide, s->sums);
    }
}

/* Word by word for all rows, so that the 64 rows of q in question stay in the first-level cache. */
INLINE void strip_by_skipping(const strip *s, int wide) {
    for (int64_t w = 0; w < s->words; w++) {
        const fix *q = s->columns + 64 * w * TILE;
        fix *sums = s->sums;
        for (int64_t r = 0; r < s->n_rows; r++, sums += STRIP) {
            uint64_t left = s->bits[r * s->words + w];
            vfix sum[STRIP / LANES];
            if (left == 0) continue;
            load_sums(sums, wide, sum);
            for (; left; left &= left - 1) {
                const fix *row = q + __builtin_ctzll(left) * TILE;
                for (int k = 0; k < wide; k++) sum[k] += load_fix(row + k * LANES);
            }
            store_sums(sums, wide, sum);
        }
    }
}

/* Copies of a strip's loop for each width: the last tile of a layer may be narrow. */
static void strip_of(const strip *s, int tables, int wide) {
    switch (wide + 4 * tables) {
    case 1: strip_by_skipping(s, 1); break;
    case 2: strip_by_skipping(s, 2); break;
    case 3: strip_by_skipping(s, 3); break;
    case 4: strip_by_skipping(s, 4); break;
    case 5: strip_by_tables(s, 1); break;
    case 6: strip_by_tables(s, 2); break;
    case 7: strip_by_tables(s, 3); break;
    default: strip_by_tables(s, 4);
    }
}

/* Estimates both costs from a few rows, evenly spaced. */
static int tables_pay(const strip *s) {
    int64_t every = s->n_rows / 16 + 1, inputs = 0, seen = 0, groups = s->n_inputs / GROUP + 1;
    for (int64_t r = 0; r < s->n_rows; r += every, seen++)
        for (int64_t w = 0; w < s->words; w++) inputs += __builtin_popcountll(s->bits[r * s->words + w]);
    int64_t tables = COST_LOOKUP * groups * seen + COST_BUILD * groups * seen / s->n_rows;
    int64_t bring = COST_COLD * s->n_inputs * seen / s->n_rows;
    return tables < COST_INPUT * inputs + COST_WORD * s->words * seen + bring;
}

void FN(product_tile)(const fnn_product *p, int64_t row0, int64_t row1, int64_t tile, void *sums) {
    strip s = {p->bits + row0 * p->words, (const fix *)p->panels + tile * p->n_inputs * TILE, sums,
               p->words, row1 - row0, p->n_inputs};
    int64_t n_left = p->n_outputs - tile * TILE;
    int tables = tables_pay(&s);
    for (int64_t k = 0; k < s.n_rows * TILE; k += LANES) store_fix(s.sums + k, splat_fix(0));
    for (int c = 0; c < TILE && c < n_left; c += STRIP) {
        int64_t wide = (n_left - c + LANES - 1) / LANES;
        strip_of(&s, tables, wide < STRIP / LANES ? (int)wide : STRIP / LANES);
        s.columns += STRIP;
        s.sums += s.n_rows * STRIP;
    }
}
