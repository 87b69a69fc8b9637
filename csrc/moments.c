/* Sums over the values of units: what the gradient of their scales is made of.
 *
 * All sums are in double and in the order of rows and columns, so no lane width shows.
 */
#include "fastnn.h"
#include "vec.h"

/* Sums over rows of the squares of one tile of columns of x, real (n_rows, stride): out (TILE). */
void FN(column_squares)(const void *x, int64_t n_rows, int64_t stride, int64_t tile, double *out) {
    for (int u = 0; u < TILE; u++) out[u] = 0;
    for (int64_t r = 0; r < n_rows; r++)
        for (int u = 0; u < TILE; u++) {
            double each = (double)((const real *)x)[r * stride + TILE * tile + u];
            out[u] += each * each;
        }
}

/* out[i] = sum over j < n of x_ij y_ij; x, y real (n_rows, stride). */
void FN(row_dots)(const void *x, const void *y, int64_t n_rows, int64_t stride, int64_t n, double *out) {
    for (int64_t i = 0; i < n_rows; i++) {
        const real *a = (const real *)x + i * stride, *b = (const real *)y + i * stride;
        double sum = 0;
        for (int64_t j = 0; j < n; j++) sum += (double)a[j] * (double)b[j];
        out[i] = sum;
    }
}

/* out = factor x, by element; factor NULL: 1. */
void FN(scale_row)(const void *x, const void *factor, int64_t n, void *out) {
    for (int64_t u = 0; u < n; u++)
        ((real *)out)[u] = factor ? ((const real *)factor)[u] * ((const real *)x)[u] : ((const real *)x)[u];
}
