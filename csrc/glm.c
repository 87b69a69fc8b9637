/* Losses of generalized linear models with one linear predictor, and what Newton's method needs of softmax.
 *
 * Exponential family p(y; eta) = b(y) exp((y eta - a(eta)) / phi), linear predictor z = x'w + offset:
 *   square       z^2/2 - y z + y^2/2          slope z - y                 Normal, identity
 *   logistic     ln(1 + e^z) - y z            sigmoid(z) - y              Bernoulli, logit
 *   log_odds     -y z - (1 - y) ln(1 - e^z)   -y + (1 - y) / (e^-z - 1)   Bernoulli, log link, z < 0
 *   inverse      -y z' - ln(-z), z < 0: -y z there means eta y - a, so the loss is -(y z + ln(-z));
 *                                             slope -1/z - y              Gamma, canonical link
 *   power        mu^(2-p)/(2-p) - y mu^(1-p)/(1-p), mu = e^z; p = 1: mu - y z; p = 2: z + y/mu
 *                                             slope mu^(1-p) (mu - y)     Tweedie, log link (Jorgensen 1987):
 *                                                                         Normal 0, Poisson 1, Gamma 2, ...
 * each the negative log-likelihood times phi, less what does not depend on z (square keeps it). The
 * curvature is the second derivative, and where that is not positive its expectation (Fisher scoring).
 * Out of the domain of z the loss is +inf. Losses are added up in double.
 */
#include "fastnn.h"
#include "softmax.h"

typedef struct {
    vreal loss, slope, curve;
} glm_point;

INLINE glm_point square_point(vreal z, vreal y, real p) {
    (void)p;
    vreal d = z - y;
    return (glm_point){splat(REAL_C(0.5)) * d * d, d, splat(1)};
}

INLINE glm_point logistic_point(vreal z, vreal y, real p) {
    (void)p;
    vreal s = vsigmoid(z);
    return (glm_point){vsoftplus(z) - y * z, s - y, s * vsigmoid(-z)};
}

INLINE glm_point log_odds_point(vreal z, vreal y, real p) {
    (void)p;
    vreal m = vexp(z), rest = splat(1) - m;
    vfix outside = z >= splat(0);
    vreal loss = -y * z - (splat(1) - y) * vlog(rest), odds = m / rest;
    glm_point at = {loss, (splat(1) - y) * odds - y, (splat(1) - y) * odds / rest};
    at.loss = select_real(outside, splat(REAL_INFINITY), at.loss);
    at.curve = select_real(at.curve > splat(0), at.curve, odds); /* expected */
    return at;
}

INLINE glm_point inverse_point(vreal z, vreal y, real p) {
    (void)p;
    vreal mean = splat(-1) / z;
    vreal loss = select_real(z < splat(0), -y * z - vlog(-z), splat(REAL_INFINITY));
    return (glm_point){loss, mean - y, mean * mean};
}

INLINE glm_point power_point(vreal z, vreal y, real p) {
    vreal mean = vexp(z);
    if (p == 1) return (glm_point){mean - y * z, mean - y, mean};
    if (p == 2) {
        vreal ratio = y * vexp(-z);
        return (glm_point){z + ratio, splat(1) - ratio, select_real(ratio > splat(0), ratio, splat(1))};
    }
    vreal a = splat(2 - p), b = splat(1 - p), high = vexp(a * z), low = y * vexp(b * z);
    vreal curve = a * high - b * low;
    return (glm_point){high / a - low / b, high - low, select_real(curve > splat(0), curve, high)};
}

/* at is a constant wherever this is inlined. */
INLINE fnn_glm_sums glm_with(const fnn_glm *g, int64_t row0, int64_t n,
                             glm_point (*at)(vreal z, vreal y, real p)) {
    real *z = g->scores, *curve = g->curve ? (real *)g->curve + row0 : 0;
    const real *y = (const real *)g->targets + row0, *weight = g->weight ? (const real *)g->weight + row0 : 0;
    const real *offset = g->offset ? (const real *)g->offset + row0 : 0;
    vreal bias = splat((real)g->bias);
    fnn_glm_sums sums = {0, 0};
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t count = n - i < LANES ? n - i : LANES;
        vreal eta = load_some(z + i, count, 0) + bias;
        if (offset) eta += load_some(offset + i, count, 0);
        glm_point point = at(eta, load_some(y + i, count, 0), (real)g->power);
        if (weight) { /* a row of no weight counts for nothing, whatever its loss */
            vreal w = load_some(weight + i, count, 0);
            vfix none = w == splat(0);
            point.loss = select_real(none, splat(0), point.loss * w);
            point.slope = select_real(none, splat(0), point.slope * w);
            point.curve = select_real(none, splat(0), point.curve * w);
        }
        store_some(z + i, count, point.slope);
        if (curve) store_some(curve + i, count, point.curve);
        for (int64_t l = 0; l < count; l++) sums.loss += (double)point.loss[l];
        for (int64_t l = 0; l < count; l++) sums.slope += (double)point.slope[l];
    }
    return sums;
}

/* Scores of rows row0 .. row0 + n (the first of them at g->scores) become slopes; sums of both. */
fnn_glm_sums FN(glm_rows)(const fnn_glm *g, int64_t row0, int64_t n) {
    switch (g->kind) {
    case FNN_GLM_square: return glm_with(g, row0, n, square_point);
    case FNN_GLM_logistic: return glm_with(g, row0, n, logistic_point);
    case FNN_GLM_log_odds: return glm_with(g, row0, n, log_odds_point);
    case FNN_GLM_inverse: return glm_with(g, row0, n, inverse_point);
    default: return glm_with(g, row0, n, power_point);
    }
}

/* Second derivative of a row's softmax cross-entropy along z: z <- weight p (z - p'z); p, z (n, wide). */
void FN(softmax_curve)(const void *p, const void *weight, int64_t n, int64_t wide, void *z) {
    for (int64_t r = 0; r < n; r++) {
        const real *share = (const real *)p + r * wide;
        real *along = (real *)z + r * wide, w = weight ? ((const real *)weight)[r] : 1;
        vreal mean = splat(0);
        for (int64_t c = 0; c < wide; c += LANES) {
            int64_t some = wide - c < LANES ? wide - c : LANES;
            mean = fma_real(load_some(share + c, some, 0), load_some(along + c, some, 0), mean);
        }
        vreal centre = splat(lanes_sum(mean));
        for (int64_t c = 0; c < wide; c += LANES) {
            int64_t some = wide - c < LANES ? wide - c : LANES;
            vreal share_part = load_some(share + c, some, 0), along_part = load_some(along + c, some, 0);
            store_some(along + c, some, splat(w) * share_part * (along_part - centre));
        }
    }
}
