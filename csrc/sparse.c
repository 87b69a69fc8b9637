/* Rows of a sparse matrix times a dense one:  out_r = first + sum over the row's entries of  x_rj b_j.
 *
 * indptr, indices as in CSR (or CSC, for the product with the transposed matrix); b (n_columns, stride),
 * out (n_rows, stride), stride a multiple of 16; first (stride) or NULL. Entries are added one by one in
 * the order they are stored, each lane for itself: bitwise the same for every ISA and number of threads.
 */
#include "fastnn.h"
#include "vec.h"

void FN(sparse_rows)(const fnn_sparse *x, const void *b, const void *first, int64_t stride, int64_t row0, int64_t row1,
                     void *out) {
    const real *data = x->data, *dense = b;
    for (int64_t r = row0; r < row1; r++) {
        real *y = (real *)out + r * stride;
        for (int64_t i = 0; i < stride; i += LANES) {
            vreal sum = first ? load_real((const real *)first + i) : splat(0);
            for (int64_t k = x->indptr[r]; k < x->indptr[r + 1]; k++)
                sum += splat(data[k]) * load_real(dense + x->indices[k] * stride + i);
            store_real(y + i, sum);
        }
    }
}
