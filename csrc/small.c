/* C = A B for small matrices, where BLAS spends more on packing and dispatch than on arithmetic.
 *
 * A (m, k) lies in steps of a_row and a_inner, so a transposed matrix is read as it is; B (k, n) and C
 * (m, n) row by row. n is rounded up to 16 columns, which B and C must have. Blocks of up to ROWS rows by
 * two vectors stay in registers over all of k; each number of C is one sum in the order of k.
 */
#include "fastnn.h"
#include "vec.h"

#define ROWS (FASTNN_VEC == 64 ? 8 : 4) /* what the registers hold, two vectors each */

/* rows and vectors are constants wherever this is inlined. */
INLINE void block(int rows, int vectors, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc) {
    vreal sum[8][2];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) sum[i][v] = splat(0);
    for (int64_t p = 0; p < k; p++)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] = fma_real(splat(a[i * a_row + p * a_inner]), load_real(b + p * ldb + v * LANES), sum[i][v]);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) store_real(c + i * ldc + v * LANES, sum[i][v]);
}

INLINE void strip(int vectors, int64_t m, int64_t k, const real *a, int64_t a_row, int64_t a_inner, const real *b,
                  int64_t ldb, real *c, int64_t ldc) {
    int64_t i = 0;
    for (; i + ROWS <= m; i += ROWS) block(ROWS, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc);
    if (ROWS > 4 && i + 4 <= m) {
        block(4, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc);
        i += 4;
    }
    if (i + 2 <= m) {
        block(2, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc);
        i += 2;
    }
    if (i < m) block(1, vectors, k, a + i * a_row, a_row, a_inner, b, ldb, c + i * ldc, ldc);
}

void FN(small_product)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_inner,
                       const void *b, int64_t ldb, void *c, int64_t ldc) {
    int64_t j = 0, width = (n + 15) / 16 * 16;
    for (; j + 2 * LANES <= width; j += 2 * LANES)
        strip(2, m, k, a, a_row, a_inner, (const real *)b + j, ldb, (real *)c + j, ldc);
    if (j < width) strip(1, m, k, a, a_row, a_inner, (const real *)b + j, ldb, (real *)c + j, ldc);
}

/* b (n, m) = transpose of a (m, n). */
void FN(transpose)(int64_t m, int64_t n, const void *a, int64_t lda, void *b, int64_t ldb) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) ((real *)b)[j * ldb + i] = ((const real *)a)[i * lda + j];
}
