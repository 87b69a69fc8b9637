/* C = A B or C += A B, without the packing and dispatch of BLAS, for factors that stay in the cache.
 *
 * A (m, k) lies in steps of a_row and a_inner, so a transposed matrix is read as it is; B (k, n) and C
 * (m, n) row by row. n is rounded up to 16 columns, which B and C must have. Blocks of ROWS rows by VECTORS
 * vectors stay in registers; INNER rows of B, as wide as a block, in the first-level cache over all rows of
 * A: unless rows of B are a power of two apart, which crowds them into a few of its sets. Each number of C
 * is the sum, in order, of sums over INNER steps of k, whatever the blocks: rounding errors grow less than
 * in a single one, and are the same for every ISA that fuses multiply-adds.
 */
#include "fastnn.h"
#include "vec.h"

#define ROWS 6
#define VECTORS (FASTNN_VEC == 64 ? 4 : 2) /* sums, a row of B and one number of A fill the registers */
#define INNER 64                           /* rows of a strip of B, which stay in the first-level cache beside A */

/* rows and vectors are constants wherever this is inlined. */
INLINE void block(int rows, int vectors, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc, int64_t add) {
    vreal sum[ROWS][4];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[i][v] = splat(0);
    for (int64_t p = 0; p < k; p++, a += a_inner, b += ldb)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[i][v] = fma_real(splat(a[i * a_row]), load_real(b + v * LANES), sum[i][v]);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            real *to = c + i * ldc + v * LANES;
            store_real(to, add ? load_real(to) + sum[i][v] : sum[i][v]);
        }
}

#define BLOCKS(rows)               \
    for (; i + rows <= m; i += rows) \
        block(rows, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc, add);

INLINE void strip(int vectors, int64_t m, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc, int64_t add) {
    int64_t i = 0;
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

static void product(int64_t m, int64_t n, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                    int64_t ldb, real *c, int64_t ldc, int64_t add) {
    int64_t width = (n + 15) / 16 * 16, p = 0;
    do {
        int64_t count = k - p < INNER ? k - p : INNER;
        strips(m, width, count, a + p * a_inner, a_row, a_inner, b + p * ldb, ldb, c, ldc, add || p);
        p += count;
    } while (p < k);
}

void FN(matmul)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner, const void *b,
                int64_t ldb, void *c, int64_t ldc) {
    product(m, n, k, a, a_row, a_inner, b, ldb, c, ldc, 0);
}

void FN(matmul_add)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner, const void *b,
                    int64_t ldb, void *c, int64_t ldc) {
    product(m, n, k, a, a_row, a_inner, b, ldb, c, ldc, 1);
}
