/* y[i] = op(x[i]) over an array: the elementary functions of vmath.h, one by one.
 *
 * x, y: (n,) reals, equal or disjoint. Bitwise the same for every ISA, and for every i whatever n: the
 * tail takes the same instructions as the rest, on a padded vector.
 */
#include "fastnn.h"
#include "vmath.h"

enum { MAP_EXP, MAP_LOG, MAP_SIGMOID, MAP_SOFTPLUS, MAP_TANH };

INLINE vreal map_one(int op, vreal x) {
    switch (op) {
    case MAP_EXP: return vexp(x);
    case MAP_LOG: return vlog(x);
    case MAP_SIGMOID: return vsigmoid(x);
    case MAP_SOFTPLUS: return vsoftplus(x);
    default: return vtanh(x);
    }
}

/* op is a constant wherever this is inlined, so that the loop holds no switch. */
INLINE void map_all(int op, const real *x, real *y, int64_t n) {
    int64_t rest = n % LANES;
    for (int64_t i = 0; i < n - rest; i += LANES) store_real(y + i, map_one(op, load_real(x + i)));
    if (!rest) return;
    real tail[FASTNN_VEC / sizeof(real)]; /* spare lanes repeat x[n - rest] */
    for (int64_t l = 0; l < LANES; l++) tail[l] = x[n - rest + (l < rest ? l : 0)];
    store_real(tail, map_one(op, load_real(tail)));
    for (int64_t l = 0; l < rest; l++) y[n - rest + l] = tail[l];
}

void FN(map)(int64_t op, const void *x, void *y, int64_t n) {
    switch (op) {
    case MAP_EXP: map_all(MAP_EXP, x, y, n); break;
    case MAP_LOG: map_all(MAP_LOG, x, y, n); break;
    case MAP_SIGMOID: map_all(MAP_SIGMOID, x, y, n); break;
    case MAP_SOFTPLUS: map_all(MAP_SOFTPLUS, x, y, n); break;
    default: map_all(MAP_TANH, x, y, n);
    }
}
