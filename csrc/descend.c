/* One step of gradient descent on a block of a layer's parameters, in one pass over them.
 *
 *   g = gradient + decay w
 *   plain or momentum   v <- momentum v - rate g,   w <- w + v, or w + momentum v - rate g (Nesterov)
 *   Adam                m <- momentum m + (1 - momentum) g,  s <- beta2 s + (1 - beta2) g^2,
 *                       w <- w - rate m / (sqrt s + epsilon)
 * (Sutskever et al., "On the importance of initialization and momentum", ICML 2013; Kingma, Ba, "Adam",
 * ICLR 2015, with the two bias corrections in the rate). Whichever arrays of state are there tell the rule.
 *
 * Parameters are (n_rows, stride) reals, the gradient (row1 - row0, gradient_stride), its first number
 * that of (row0, col0). Columns come in multiples of 16. Returns the sum of w^2 before the step, in the
 * order of the lanes; the parameters are bitwise the same for every ISA, given the gradient.
 */
#include "fastnn.h"
#include "vec.h"

typedef struct {
    vreal rate, momentum, rest1, beta2, rest2, epsilon, decay;
} rule_lanes;

INLINE vreal stepped(const fnn_descent *d, const rule_lanes *k, vreal g, vreal w, real *velocity, real *second) {
    g += k->decay * w;
    if (second) {
        vreal m = k->momentum * load_real(velocity) + k->rest1 * g;
        vreal s = k->beta2 * load_real(second) + k->rest2 * (g * g);
        store_real(velocity, m);
        store_real(second, s);
        return w - k->rate * m / (root_real(s) + k->epsilon);
    }
    vreal v = k->momentum * load_real(velocity) - k->rate * g;
    store_real(velocity, v);
    return d->nesterov ? w + (k->momentum * v - k->rate * g) : w + v;
}

double FN(descend)(const fnn_descent *d, int64_t row0, int64_t row1, int64_t col0, int64_t col1,
                   const void *gradient, int64_t gradient_stride) {
    rule_lanes k = {splat((real)d->rate), splat((real)d->momentum), splat((real)(1 - d->momentum)),
                    splat((real)d->beta2), splat((real)(1 - d->beta2)), splat((real)d->epsilon),
                    splat((real)d->decay)};
    double squares = 0;
    for (int64_t r = row0; r < row1; r++) {
        const real *g = (const real *)gradient + (r - row0) * gradient_stride - col0;
        vreal square = splat(0);
        for (int64_t c = col0; c < col1; c += LANES) {
            int64_t at = r * d->stride + c;
            vreal w = load_real((const real *)d->weights + at);
            square += w * w;
            store_real((real *)d->weights + at,
                       stepped(d, &k, load_real(g + c), w, (real *)d->velocity + at,
                               d->second ? (real *)d->second + at : 0));
        }
        for (int l = 0; l < LANES; l++) squares += (double)square[l];
    }
    return squares;
}
