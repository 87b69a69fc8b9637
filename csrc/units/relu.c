/* Rectified unit: a number s >= 0, energy s^2/2 - z s: a Gaussian cut at zero.
 *   With x = |z|, m = phi(x)/Q(x) - x and the Mills ratio R = Q(x)/phi(x) = 1/(x + m):
 *   z <= 0: E[s] = m,  ln of the integral of e^(z s - s^2/2) over s >= 0 = ln R;
 *   z > 0:  with T = sqrt(2 pi) - e^(-z^2/2) R:  E[s] = z + e^(-z^2/2)/T,  ln integral = z^2/2 + ln T.
 * Draws by rejection, exact: for z >= 0 of z + normal until it is not negative, for z < 0 of an exponential
 * of rate a = (x + sqrt(x^2 + 4))/2 kept with probability e^(-(x + s - a)^2/2)
 * (C. P. Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995), prop. 2.3). */
#include "../normal.h"

#define UNIT relu
#define UNIT_LEAST 0.0
#define UNIT_MOST __builtin_inf()

/* T above; z > 0. */
INLINE vreal upper_part(vreal z, vreal bell) { return splat(ROOT_2PI) - bell / (z + tail_mean(z)); }
INLINE vreal bell_of(vreal z) { return vexp(splat(REAL_C(-0.5)) * z * z); }

INLINE vreal unit_mean(vreal z) {
    vreal bell = bell_of(z), x = abs_real(z);
    return select_real(z > splat(0), z + bell / upper_part(x, bell), tail_mean(x));
}
INLINE vreal unit_log_partition(vreal z) {
    vreal x = abs_real(z), above = splat(REAL_C(0.5)) * z * z + vlog(upper_part(x, bell_of(z)));
    return select_real(z > splat(0), above, -vlog(x + tail_mean(x)));
}
INLINE vreal unit_log_base(vreal s) { return splat(REAL_C(-0.5)) * s * s; }

/* One attempt at every unit of the tile; lanes of the result where it was kept are returned by bit. */
INLINE uint64_t attempt(philox_place at, int64_t tile, const real z[TILE], uint64_t open, real out[TILE]) {
    real normal[TILE] ALIGNED, uniform[TILE] ALIGNED, second[TILE] ALIGNED;
    uint64_t kept = 0;
    normal_tile(at, tile, normal);
    at.stream |= STREAM_FRACTION;
    uniform_tile(at, tile, uniform);
    at.stream += STREAM_GROUPS;
    uniform_tile(at, tile, second);
    for (int u = 0; u < TILE; u += LANES) {
        vreal field = load_real(z + u), x = abs_real(field);
        vreal rate = splat(REAL_C(0.5)) * (x + root_real(x * x + splat(4)));
        vreal tail = -vlog(load_real(uniform + u)) / rate, away = (x - rate) + tail;
        vreal near = field + load_real(normal + u);
        vreal s = select_real(field < splat(0), tail, near);
        uint64_t by_tail = mask_bits(field < splat(0)), near_kept = mask_bits(near >= splat(0));
        uint64_t tail_kept = mask_bits(load_real(second + u) <= vexp(splat(REAL_C(-0.5)) * away * away));
        kept |= ((by_tail & tail_kept) | (~by_tail & near_kept)) << u;
        for (int k = 0; k < LANES; k++)
            if (open >> (u + k) & 1) out[u + k] = s[k];
    }
    return kept;
}

INLINE void unit_draws(philox_place at, int64_t tile, const real z[TILE], real out[TILE]) {
    uint64_t open = ~(uint64_t)0;
    for (int k = 0; open && k < ATTEMPTS; k++) open &= ~attempt(at, tile + ATTEMPT(k), z, open, out);
}

#include "valued.h"
