/* Each activation's value, its derivative at x, and its derivative where the value is y.
 *
 * The last is what backpropagation uses, as it keeps values only; see activations.c for the laws.
 */
#ifndef FASTNN_ACTIVATIONS_H
#define FASTNN_ACTIVATIONS_H

#include "fastnn.h"
#include "vmath.h"

INLINE vreal where(vfix m) { return as_real(m & as_fix(splat(1))); }

INLINE vreal activation_value(int kind, vreal a, vreal x) {
    switch (kind) {
    case FNN_ACTIVATION_sigmoid: return vsigmoid(x);
    case FNN_ACTIVATION_tanh: return vtanh(x);
    case FNN_ACTIVATION_relu: return select_real(x <= splat(0), splat(0), x);
    case FNN_ACTIVATION_leaky_relu: return select_real(x > splat(0), x, a * x);
    case FNN_ACTIVATION_softplus: return vsoftplus(x);
    case FNN_ACTIVATION_threshold: return select_real(x == x, where(x > a), x);
    default: return x;
    }
}

INLINE vreal activation_slope(int kind, vreal a, vreal x) {
    switch (kind) {
    case FNN_ACTIVATION_sigmoid: return vsigmoid(x) * vsigmoid(-x);
    case FNN_ACTIVATION_tanh: return splat(4) * vsigmoid(x + x) * vsigmoid(-x - x);
    case FNN_ACTIVATION_relu: return select_real(x == x, where(x > splat(0)), x);
    case FNN_ACTIVATION_leaky_relu: return select_real(x > splat(0), splat(1), select_real(x == x, a, x));
    case FNN_ACTIVATION_softplus: return vsigmoid(x);
    case FNN_ACTIVATION_threshold: return select_real(x == x, splat(0), x);
    default: return select_real(x == x, splat(1), x);
    }
}

INLINE vreal activation_slope_at_value(int kind, vreal a, vreal y) {
    switch (kind) {
    case FNN_ACTIVATION_sigmoid: return y * (splat(1) - y);
    case FNN_ACTIVATION_tanh: return splat(1) - y * y;
    case FNN_ACTIVATION_relu: return where(y > splat(0));
    case FNN_ACTIVATION_leaky_relu: return select_real(y > splat(0), splat(1), a);
    case FNN_ACTIVATION_softplus: return splat(1) - vexp(-y);
    case FNN_ACTIVATION_threshold: return splat(0);
    default: return splat(1);
    }
}

#endif
