/* Potts (softmax) units: states 0 and 1, exactly one in each group up, energy -sum z s.
 *   P(unit u of its group is up) = e^z_u / sum over the group of e^z;  ln sum over states = ln of that sum.
 * A unit in no group (a group of one) is a Bernoulli unit: pixels beside labels. Tiles with such
 * units are drawn here as if all were; groups.c draws those in groups, which may lie across tiles. */
#include "../vmath.h"

#define UNIT potts
#define UNIT_LOW 0
#define UNIT_STEP 1

INLINE vreal unit_mean(vreal z) { return vsigmoid(z); }
INLINE vfix unit_draw(vreal z, vreal u) { return u * (splat(1) + vexp(-z)) < splat(1); }
INLINE vreal unit_log_partition(vreal z) { return vsoftplus(z); }
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) { return softplus_rise(z, from, to, by); }

#include "layer.h"
