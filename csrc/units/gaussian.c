/* Gaussian unit: a real number s in units of its standard deviation, energy s^2/2 - z s.
 *   E[s] = z,  ln of the integral of e^(z s - s^2/2) = z^2/2 + ln sqrt(2 pi),  s = z + standard normal.
 * The standard deviation enters where values come and go (fnn_source.factor), not here. */
#include "../normal.h"

#define UNIT gaussian
#define UNIT_LEAST (-__builtin_inf())
#define UNIT_MOST __builtin_inf()

INLINE vreal unit_mean(vreal z) { return z; }
INLINE vreal unit_log_partition(vreal z) { return splat(REAL_C(0.5)) * z * z + splat(LN_ROOT_2PI); }
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) {
    return splat(REAL_C(0.5)) * z * z * by * (from + to);
}
INLINE vreal unit_log_base(vreal s) { return splat(REAL_C(-0.5)) * s * s; }

INLINE void unit_draws(philox_place at, int64_t tile, const real z[TILE], real out[TILE]) {
    normal_tile(at, tile, out);
    for (int u = 0; u < TILE; u += LANES) store_real(out + u, load_real(z + u) + load_real(out + u));
}

#include "valued.h"
