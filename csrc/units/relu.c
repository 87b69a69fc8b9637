/* Rectified unit: a number s >= 0, energy s^2/2 - z s: a Gaussian cut at zero.
 *   With x = |z|, m = phi(x)/Q(x) - x and the Mills ratio R = Q(x)/phi(x) = 1/(x + m):
 *   z <= 0: E[s] = m,  ln of the integral of e^(z s - s^2/2) over s >= 0 = ln R;
 *   z > 0:  with T = sqrt(2 pi) - e^(-z^2/2) R:  E[s] = z + e^(-z^2/2)/T,  ln integral = z^2/2 + ln T.
 * Draws by rejection, exact, from two uniforms u and v an attempt: for z >= 0 of z + normal, the first of the
 * two normals of u and v that leaves it not negative; for z < 0 of an exponential -ln(u) / a,
 * a = (x + sqrt(x^2 + 4))/2, kept where v <= e^(-(x + s - a)^2/2)
 * (C. P. Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995), prop. 2.3).
 * Three of four units are done at the first attempt, of a whole tile; the others go on side by side. */
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
/* The integral of the mean over the change, by Gauss's rule of two points; a difference where the change is wide
 * enough to keep its digits. The rule's error is less than half a digit of the mean up to NARROW. */
#define NARROW (FASTNN_REAL == 32 ? REAL_C(0x1p-4) : REAL_C(0x1p-9))
INLINE vreal unit_rise(vreal z, vreal from, vreal to, vreal by) {
    vreal change = by * z, middle = splat(REAL_C(0.5)) * (from + to) * z;
    vreal node = splat(REAL_C(0.28867513459481288)) * change;
    vreal near = splat(REAL_C(0.5)) * change * (unit_mean(middle - node) + unit_mean(middle + node));
    vfix wide = abs_real(change) > splat(NARROW);
    if (!mask_bits(wide)) return near;
    return select_real(wide, unit_log_partition(to * z) - unit_log_partition(from * z), near);
}
INLINE vreal unit_log_base(vreal s) { return splat(REAL_C(-0.5)) * s * s; }

#define RETRY(k) ((uint32_t)(k) << 26) /* counters of attempt k: units are numbered below 2^26 */
#define RETRIES 63                     /* each succeeds with probability above 3/4 */

/* One attempt; returns, by bit, where it is kept. */
INLINE uint64_t attempt(vreal z, vreal u, vreal v, vreal *s) {
    vreal log_u = vlog(u), x = abs_real(z), first, second;
    normal_pair(log_u, v, &first, &second);
    vreal near = select_real(z + first >= splat(0), z + first, z + second);
    vreal rate = splat(REAL_C(0.5)) * (x + root_real(x * x + splat(4)));
    vreal tail = -log_u / rate, away = (x - rate) + tail;
    uint64_t below = mask_bits(z < splat(0)), near_kept = mask_bits(near >= splat(0));
    uint64_t tail_kept = mask_bits(v <= vexp(splat(REAL_C(-0.5)) * away * away));
    *s = select_real(z < splat(0), tail, near);
    return (below & tail_kept) | (~below & near_kept);
}

/* One attempt at the open units; returns those that are still open. */
INLINE uint64_t retry(philox_place at, int64_t tile, int k, const real z[TILE], uint64_t open, real out[TILE]) {
    uint32_t unit[TILE] ALIGNED = {0};
    real first[LANES32] ALIGNED, second[LANES32] ALIGNED, field[LANES32] ALIGNED;
    int n = 0;
    for (uint64_t left = open; left; left &= left - 1) unit[n++] = (uint32_t)__builtin_ctzll(left);
    for (int i = 0; i < n; i += LANES32) {
        uint32_t counter[LANES32] ALIGNED;
        for (int l = 0; l < LANES32; l++) {
            counter[l] = (uint32_t)(TILE * tile) + unit[i + l] + RETRY(k);
            field[l] = z[unit[i + l]];
        }
        uniform_pairs(at, counter, first, second);
        for (int j = 0; j < LANES32 && i + j < n; j += LANES) {
            vreal s;
            uint64_t kept = attempt(load_real(field + j), load_real(first + j), load_real(second + j), &s);
            for (int l = 0; l < LANES && i + j + l < n; l++) {
                uint32_t u = unit[i + j + l];
                out[u] = s[l];
                open &= ~((kept >> l & 1) << u);
            }
        }
    }
    return open;
}

INLINE void unit_draws(philox_place at, int64_t tile, const real z[TILE], real out[TILE]) {
    real first[TILE] ALIGNED, second[TILE] ALIGNED;
    uint64_t open = 0;
    uniform_tile(at, tile, first);
    at.stream |= STREAM_FRACTION;
    uniform_tile(at, tile, second);
    for (int u = 0; u < TILE; u += LANES) {
        vreal s;
        uint64_t kept = attempt(load_real(z + u), load_real(first + u), load_real(second + u), &s);
        open |= (kept ^ (((uint64_t)1 << (LANES - 1)) * 2 - 1)) << u;
        store_real(out + u, s);
    }
    at.stream += STREAM_GROUPS;
    for (int k = 1; open && k <= RETRIES; k++) open = retry(at, tile, k, z, open, out);
}

#include "valued.h"
