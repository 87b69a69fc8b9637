/* b (n, m) = transpose of a (m, n), in squares of LANES x LANES numbers.
 *
 * Interleaving the rows i and i + LANES/2 of a square, for all i, moves the lowest bit of a row's number to
 * the lowest of the column's; after log2 LANES rounds the two numbers have changed places (Stone, "Parallel
 * processing with the perfect shuffle", IEEE Trans. Computers 20 (1971), 153-161).
 */
#include "fastnn.h"
#include "vec.h"

#define MIX(p, q, ...) SHUFFLE(vfix, p, q, __VA_ARGS__)
#if FASTNN_VEC == 64 && FASTNN_REAL == 32
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif (FASTNN_VEC == 64 && FASTNN_REAL == 64) || (FASTNN_VEC == 32 && FASTNN_REAL == 32)
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif (FASTNN_VEC == 32 && FASTNN_REAL == 64) || (FASTNN_VEC == 16 && FASTNN_REAL == 32)
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#else
#define LOW 0, 2
#define HIGH 1, 3
#endif

INLINE void shuffle_round(const vreal *from, vreal *to) {
#pragma GCC unroll 8
    for (int i = 0; i < LANES / 2; i++) {
        to[2 * i] = MIX(from[i], from[i + LANES / 2], LOW);
        to[2 * i + 1] = MIX(from[i], from[i + LANES / 2], HIGH);
    }
}

INLINE void square(const real *a, int64_t lda, real *b, int64_t ldb) {
    vreal x[LANES_MOST], y[LANES_MOST];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) x[i] = load_real(a + i * lda);
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        shuffle_round(x, y);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) x[i] = y[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) store_real(b + i * ldb, x[i]);
}

void FN(transpose)(int64_t m, int64_t n, const void *a, int64_t lda, void *b, int64_t ldb) {
    const real *from = a;
    real *to = b;
    int64_t m_square = m / LANES * LANES, n_square = n / LANES * LANES;
    for (int64_t i = 0; i < m_square; i += LANES)
        for (int64_t j = 0; j < n_square; j += LANES) square(from + i * lda + j, lda, to + j * ldb + i, ldb);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = i < m_square ? n_square : 0; j < n; j++) to[j * ldb + i] = from[i * lda + j];
}
