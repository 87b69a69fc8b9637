/* Spin unit: s in {-1, +1}, energy -z s.
 *   E[s] = tanh(z),  ln sum_s e^(z s) = |z| + softplus(-2 |z|),  s = +1 where u < sigmoid(2 z). */
#include "../vmath.h"

#define UNIT spin
#define UNIT_LOW -1
#define UNIT_STEP 2

INLINE vreal unit_mean(vreal z) { return vtanh(z); }
INLINE vfix unit_draw(vreal z, vreal u) { return u * (splat(1) + vexp(splat(-2) * z)) < splat(1); }
INLINE vreal unit_log_partition(vreal z) { return abs_real(z) + vsoftplus(splat(-2) * abs_real(z)); }
/* ln 2 cosh z = softplus(2 z) - z */
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) {
    return softplus_rise(splat(2) * abs_real(z), from, to, by) - by * abs_real(z);
}

#include "layer.h"
