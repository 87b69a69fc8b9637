/* Activations of a layer: y = psi(x), psi'(x), over an array.
 *
 *   identity x      sigmoid 1/(1 + e^-x)      tanh      relu max(x, 0)      softplus ln(1 + e^x)
 *   leaky_relu max(x, a x)                    threshold 1 where x > a, else 0
 * with the parameter a. At a kink the derivative is that of the left side: 0 for relu, a for leaky_relu
 * at 0; threshold's is 0 everywhere. sigmoid' = sigmoid(x) sigmoid(-x) and tanh' = 4 sigmoid(2x)
 * sigmoid(-2x) keep their digits far from zero.
 *
 * x, y: (n,) reals, equal or disjoint. Bitwise the same for every ISA.
 */
#include "activations.h"
#include "fastnn.h"

INLINE vreal activate_one(int kind, int derivative, vreal a, vreal x) {
    return derivative ? activation_slope(kind, a, x) : activation_value(kind, a, x);
}

/* kind and derivative are constants wherever this is inlined, so that the loop holds no switch. */
INLINE void activate_all(int kind, int derivative, real parameter, const real *x, real *y, int64_t n) {
    vreal a = splat(parameter);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store_real(y + i, activate_one(kind, derivative, a, load_real(x + i)));
    if (i < n) store_part(y + i, n - i, activate_one(kind, derivative, a, load_part(x + i, n - i, 0)));
}

#define CASE(kind)                                                                             \
    case FNN_ACTIVATION_##kind:                                                                \
        if (derivative) activate_all(FNN_ACTIVATION_##kind, 1, (real)parameter, x, y, n);      \
        else activate_all(FNN_ACTIVATION_##kind, 0, (real)parameter, x, y, n);                 \
        break;

void FN(activate)(int64_t activation, int64_t derivative, double parameter, const void *x, void *y, int64_t n) {
    switch (activation) { FNN_ACTIVATIONS(CASE) }
}
