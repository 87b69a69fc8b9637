/* Coordinate descent on a quadratic with an L1 penalty, on the matrix of the quadratic.
 *
 *   minimise over v  1/2 (v - w)' H (v - w) + g'(v - w) + sum_j l1_j |v_j|
 * One coordinate at a time: v_j = S(H_jj v_j - q_j, l1_j) / H_jj with q = g + H (v - w) kept up to date and
 * S(a, l) = sign(a) max(|a| - l, 0) (Friedman, Hastie, Tibshirani, "Regularization paths for generalized
 * linear models via coordinate descent", 2010). Between whole sweeps only coordinates that are not zero are
 * visited, a few times or until they stand still.
 *
 * All numbers are double; H (n, n) symmetric. Sums run in a fixed order.
 */
#include "fastnn.h"
#include "vec.h"

#define ACTIVE_SWEEPS 20
#define REACH 1e-12 /* a curvature below this share of the greatest cannot carry a step */

/* The greatest change H_jj^(1/2) |step| of a sweep. */
static double sweep(int64_t n, const double *H, const double *l1, double least, int only_active, double *q, double *v) {
    double most = 0;
    for (int64_t j = 0; j < n; j++) {
        const double *row = H + j * n;
        double curve = row[j];
        if (curve <= least || (only_active && v[j] == 0)) continue;
        double a = curve * v[j] - q[j], size = (a < 0 ? -a : a) - l1[j];
        double to = size <= 0 ? 0 : (a < 0 ? -size : size) / curve, step = to - v[j];
        if (step == 0) continue;
        v[j] = to;
        for (int64_t k = 0; k < n; k++) q[k] += step * row[k];
        double change = curve * step * step;
        if (change > most) most = change;
    }
    return most;
}

/* v starts at w, q at g; at most `sweeps` sweeps, until no change (squared, in units of H) is above tol. */
int64_t FN(descend_coordinates)(int64_t n, const double *H, const double *l1, int64_t sweeps, double tol, double *q,
                                double *v) {
    double greatest = 0;
    for (int64_t j = 0; j < n; j++) greatest = H[j * n + j] > greatest ? H[j * n + j] : greatest;
    int64_t done = 0;
    while (done < sweeps) {
        done++;
        if (sweep(n, H, l1, REACH * greatest, 0, q, v) <= tol) break;
        for (int k = 0; k < ACTIVE_SWEEPS && done < sweeps && sweep(n, H, l1, REACH * greatest, 1, q, v) > tol; k++) done++;
    }
    return done;
}
