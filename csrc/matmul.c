/* C = A B or C += A B, without the packing and dispatch of BLAS, for factors that stay in the cache.
 *
 * A (m, k) lies in steps of a_row and a_inner, so a transposed matrix is read as it is; B (k, n) and C
 * (m, n) row by row. n is rounded up to 16 columns, which B and C must have. Blocks of ROWS rows by VECTORS
 * vectors stay in registers; INNER rows of B, as wide as a block, in the first-level cache over all rows of
 * A: unless rows of B are a power of two apart, which crowds them into a few of its sets. Each number of C
 * is the sum, in order, of sums over INNER steps of k, whatever the blocks: rounding errors grow less than
 * in a single one, and are the same for every ISA that fuses multiply-adds.
 *
 * Inputs such as pictures and counts are mostly zero, at the same places in many rows. Where matmul_inputs
 * finds A so, it leaves out steps in which all rows of a block are zero: the sums are the same to the bit,
 * unless B is infinite there.
 */
#include "fastnn.h"
#include "vec.h"

#define VECTORS (FASTNN_VEC == 64 ? 4 : 2) /* most; sums, a row of B and one number of A fill the registers */
#define ROWS 6                             /* of a block of most vectors */
#define MORE_ROWS 12                       /* of one of at most half as many: enough sums to hide an addition's time */
#define SKIP_COLUMNS 64 /* of B, from which looking for zeros is worth its time */
#define SKIP_BLOCKS 32  /* of ROWS rows, whose zeros are known at a time */
#define INNER 64                           /* rows of a strip of B, which stay in the first-level cache beside A */

INLINE void store_block(int rows, int vectors, vreal sum[MORE_ROWS][4], real *c, int64_t ldc, int64_t add) {
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            real *to = c + i * ldc + v * LANES;
            store_real(to, add ? load_real(to) + sum[i][v] : sum[i][v]);
        }
}

/* A value that compilers keep as it is, instead of one for every sum of it and a multiple of a stride. */
#define KEEP(value) __asm__("" : "+r"(value))

/* rows and vectors are constants wherever this is inlined. More than ROWS rows of A are too many for an
 * offset each: every third has a pointer, and the two after it are reached by adding a stride. */
INLINE void block(int rows, int vectors, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc, int64_t add) {
    const int apart = rows > ROWS ? 3 : rows;
    vreal sum[MORE_ROWS][4];
    const real *row[MORE_ROWS / 3];
    int64_t twice = 2 * a_row;
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[i][v] = splat(0);
        if (i % apart == 0) row[i / apart] = a + i * a_row;
    }
    if (apart == 3) KEEP(twice);
    for (int64_t p = 0; p < k; p++, b += ldb)
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            if (apart == 3 && i % 3 == 0) KEEP(row[i / 3]);
            vreal x = splat(row[i / apart][apart == 3 && i % 3 == 2 ? twice : i % apart * a_row]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[i][v] = fma_real(x, load_real(b + v * LANES), sum[i][v]);
            if (i % apart == apart - 1) row[i / apart] += a_inner;
        }
    store_block(rows, vectors, sum, c, ldc, add);
}

#define BLOCKS(rows)               \
    for (; i + rows <= m; i += rows) \
        block(rows, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc, add);

INLINE void strip(int vectors, int64_t m, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc, int64_t add) {
    int64_t i = 0;
    if (2 * vectors <= VECTORS) BLOCKS(MORE_ROWS)
    BLOCKS(ROWS)
    BLOCKS(4)
    BLOCKS(2)
    BLOCKS(1)
}

#define STRIPS(vectors)                                        \
    for (; j + vectors * LANES <= width; j += vectors * LANES) \
        strip(vectors, m, k, a, a_row, a_inner, b + j, ldb, c + j, ldc, add);

static void strips(int64_t m, int64_t width, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                   int64_t ldb, real *c, int64_t ldc, int64_t add) {
    int64_t j = 0;
    if (VECTORS == 4) STRIPS(4)
    if (VECTORS == 4) STRIPS(3)
    STRIPS(2)
    STRIPS(1)
}

/* The same for ROWS rows and steps of which only some count. */
INLINE void skipping_block(int vectors, const uint8_t *steps, int64_t n_steps, const real *a, int64_t a_row,
                           const real *b, int64_t ldb, real *c, int64_t ldc, int64_t add) {
    vreal sum[MORE_ROWS][4];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[i][v] = splat(0);
    for (int64_t s = 0; s < n_steps; s++) {
        const real *x = a + steps[s], *row = b + steps[s] * ldb;
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[i][v] = fma_real(splat(x[i * a_row]), load_real(row + v * LANES), sum[i][v]);
    }
    store_block(ROWS, vectors, sum, c, ldc, add);
}

/* Steps, of INNER at most, at which ROWS rows of A are not all zero; how many. */
static int64_t steps_that_count(const real *a, int64_t a_row, int64_t k, uint8_t *steps) {
    int64_t n = 0;
    fix any[INNER + LANES_MOST];
    for (int64_t p = 0; p < k; p += LANES) {
        vfix bits = splat_fix(0);
        for (int i = 0; i < ROWS; i++) bits |= as_fix(load_some(a + i * a_row + p, k - p < LANES ? k - p : LANES, 0));
        store_fix(any + p, bits);
    }
    for (int64_t p = 0; p < k; p++) {
        steps[n] = (uint8_t)p;
        n += any[p] != 0;
    }
    return n;
}

/* Whether a few places in the first rows of A say that three steps in eight or more can be left out. */
static int is_worth_skipping(int64_t m, int64_t n, int64_t k, const real *a, int64_t a_row) {
    uint8_t steps[INNER];
    int64_t count = 0, seen = 0, stride = k / 4 > INNER ? k / 4 : INNER;
    if (m < 2 * ROWS || n < SKIP_COLUMNS) return 0;
    for (int64_t p = 0; p < k; p += stride) {
        int64_t some = k - p < INNER ? k - p : INNER;
        count += steps_that_count(a + p, a_row, some, steps);
        seen += some;
    }
    return 8 * count <= 5 * seen;
}

#define SKIPPING(vectors)                                                                                     \
    for (; j + vectors * LANES <= width; j += vectors * LANES)                                                \
        for (int64_t i = 0; i < blocks; i++)                                                                  \
            skipping_block(vectors, steps[i], n_steps[i], a + i * ROWS * a_row, a_row, b + j, ldb,            \
                           c + i * ROWS * ldc + j, ldc, add);

/* strips() of at most SKIP_BLOCKS blocks of ROWS rows. */
static void skipping_strips(int64_t blocks, int64_t width, int64_t k, const real *a, int64_t a_row, const real *b,
                            int64_t ldb, real *c, int64_t ldc, int64_t add) {
    uint8_t steps[SKIP_BLOCKS][INNER];
    int64_t n_steps[SKIP_BLOCKS], j = 0;
    for (int64_t i = 0; i < blocks; i++) n_steps[i] = steps_that_count(a + i * ROWS * a_row, a_row, k, steps[i]);
    if (VECTORS == 4) SKIPPING(4)
    if (VECTORS == 4) SKIPPING(3)
    SKIPPING(2)
    SKIPPING(1)
}

static void product(int64_t m, int64_t n, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                    int64_t ldb, real *c, int64_t ldc, int64_t add, int skipping) {
    int64_t width = (n + 15) / 16 * 16, p = 0;
    do {
        int64_t count = k - p < INNER ? k - p : INNER, i = 0;
        const real *to = b + p * ldb;
        while (skipping && i + ROWS <= m) {
            int64_t blocks = (m - i) / ROWS < SKIP_BLOCKS ? (m - i) / ROWS : SKIP_BLOCKS;
            skipping_strips(blocks, width, count, a + i * a_row + p, a_row, to, ldb, c + i * ldc, ldc, add || p);
            i += blocks * ROWS;
        }
        strips(m - i, width, count, a + i * a_row + p * a_inner, a_row, a_inner, to, ldb, c + i * ldc, ldc, add || p);
        p += count;
    } while (p < k);
}

void FN(matmul)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner, const void *b,
                int64_t ldb, void *c, int64_t ldc) {
    product(m, n, k, a, a_row, a_inner, b, ldb, c, ldc, 0, 0);
}

void FN(matmul_add)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner, const void *b,
                    int64_t ldb, void *c, int64_t ldc) {
    product(m, n, k, a, a_row, a_inner, b, ldb, c, ldc, 1, 0);
}

void FN(matmul_inputs)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, const void *b, int64_t ldb,
                       void *c, int64_t ldc) {
    product(m, n, k, a, a_row, 1, b, ldb, c, ldc, 0, is_worth_skipping(m, n, k, a, a_row));
}
