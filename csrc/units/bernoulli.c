/* Bernoulli unit: s in {0, 1}, energy -z s.
 *   E[s] = sigmoid(z),  ln sum_s e^(z s) = softplus(z),  s = 1 where u < sigmoid(z).
 * The draw compares u (1 + e^-z) with 1: no division, and e^-z = inf means never. */
#include "../vmath.h"

#define UNIT bernoulli
#define UNIT_LOW 0
#define UNIT_STEP 1

INLINE vreal unit_mean(vreal z) { return vsigmoid(z); }
INLINE vfix unit_draw(vreal z, vreal u) { return u * (splat(1) + vexp(-z)) < splat(1); }
INLINE vreal unit_log_partition(vreal z) { return vsoftplus(z); }
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) { return softplus_rise(z, from, to, by); }

#include "layer.h"
