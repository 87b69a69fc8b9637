/* What surrounds the matrix products of a dense layer, and a look at what goes into them.
 *
 *   forward    a = m psi(z + b) / (1 - p),    backward   d <- m psi'(z) d / (1 - p)
 * with a mask m of independent Bernoulli(1 - p) draws (Srivastava et al., "Dropout", JMLR 15 (2014)), or
 * m / (1 - p) = 1 where p is 0. The mask is a function of (key, step, row, unit): backward draws it again
 * instead of reading it. psi' is taken from the value psi(z) = (1 - p) a.
 *
 * Values are (n_rows, stride) reals, stride a multiple of 16; columns past the last unit may be computed
 * but are never read. Given the sums, everything here is bitwise the same for every ISA.
 */
#include "activations.h"
#include "fastnn.h"
#include "philox.h"

/* Lanes of `kept` are m / (1 - p). */
static void draw_mask(const fnn_dense *d, int64_t row, int64_t tile, real kept[TILE]) {
    uint32_t word[TILE], least = (uint32_t)(d->dropout * 0x1p32);
    philox_tile((philox_place){d->key, d->step, (uint64_t)row, (uint32_t)d->stream}, tile, word);
    real share = (real)(1 / (1 - d->dropout));
    for (int u = 0; u < TILE; u++) kept[u] = word[u] >= least ? share : 0;
}

INLINE void forward_rows(const fnn_dense *d, int kind, int64_t row0, int64_t row1, int64_t col0, int64_t col1) {
    const real *bias = d->bias;
    vreal a = splat((real)d->parameter);
    for (int64_t r = row0; r < row1; r++) {
        real *x = (real *)d->values + r * d->stride, kept[TILE];
        for (int64_t c = col0; c < col1; c += LANES) {
            vreal y = activation_value(kind, a, load_real(x + c) + load_real(bias + c));
            if (d->dropout > 0) {
                if ((c - col0) % TILE == 0) draw_mask(d, r, c / TILE, kept);
                y *= load_real(kept + c % TILE);
            }
            store_real(x + c, y);
        }
    }
}

INLINE void backward_rows(const fnn_dense *d, int kind, int64_t row0, int64_t row1, int64_t col0, int64_t col1) {
    vreal a = splat((real)d->parameter), share = splat((real)(1 - d->dropout));
    for (int64_t r = row0; r < row1; r++) {
        const real *value = (const real *)d->activations + r * d->stride;
        real *x = (real *)d->values + r * d->stride, kept[TILE];
        for (int64_t c = col0; c < col1; c += LANES) {
            vreal y = load_real(value + c);
            if (d->dropout > 0) y *= share;
            y = load_real(x + c) * activation_slope_at_value(kind, a, y);
            if (d->dropout > 0) {
                if ((c - col0) % TILE == 0) draw_mask(d, r, c / TILE, kept);
                y *= load_real(kept + c % TILE);
            }
            store_real(x + c, y);
        }
    }
}

#define FORWARD(kind) \
    case FNN_ACTIVATION_##kind: forward_rows(d, FNN_ACTIVATION_##kind, row0, row1, col0, col1); break;
#define BACKWARD(kind) \
    case FNN_ACTIVATION_##kind: backward_rows(d, FNN_ACTIVATION_##kind, row0, row1, col0, col1); break;

/* col0 a multiple of TILE, col1 of 16. */
void FN(dense_forward)(const fnn_dense *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1) {
    switch (d->activation) { FNN_ACTIVATIONS(FORWARD) }
}

void FN(dense_backward)(const fnn_dense *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1) {
    switch (d->activation) { FNN_ACTIVATIONS(BACKWARD) }
}

/* Whether none of x's n numbers is a NaN or infinite. */
int64_t FN(all_finite)(const void *x, int64_t n) {
    const real *v = x;
    vreal poison = splat(0);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) poison += load_real(v + i) - load_real(v + i);
    if (i < n) {
        vreal last = load_part(v + i, n - i, 0);
        poison += last - last;
    }
    for (int l = 0; l < LANES; l++)
        if (poison[l] != 0) return 0;
    return 1;
}
