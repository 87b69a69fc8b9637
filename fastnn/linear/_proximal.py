"""L1 and elastic-net penalties: Newton's method with a working set of coefficients."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn._callbacks import stopped
from fastnn._kernels.gram import descend_coordinates

_FIRST_COORDINATES = 50  # of the working set
_SWEEPS = 1000
_HALVINGS = 30


def violations(coef, gradient, l1) -> np.ndarray:
    """How far each coefficient is from its optimality condition 0 in gradient + l1 d|coef|."""
    away = np.abs(gradient + l1 * np.sign(coef))
    return np.where(coef == 0, np.maximum(np.abs(gradient) - l1, 0), away)


def run_proximal_newton(objective, coef, l1_strength, *, max_iter, tol, callback=None):
    """Minimise objective + l1_strength |weights|_1; (coefficients, iterations).

    Each step minimises the quadratic model with the L1 term exactly, by coordinate descent on the Hessian of
    a working set: the coefficients that are not zero and those that want to leave zero most (Lee, Sun,
    Saunders, "Proximal Newton-type methods for minimizing composite functions", SIAM J. Optim. 24 (2014),
    1420-1443; Yuan, Ho, Lin, "An improved GLMNET for L1-regularized logistic regression", JMLR 13 (2012),
    1999-2030). It ends where no optimality condition is violated by more than tol, or where callback(coef),
    called after each step, raises StopIteration.
    """
    K, l1 = objective.n_scores, np.full(objective.size, float(l1_strength))
    if objective.fit_intercept:
        l1[-K:] = 0
    coef = np.array(coef, np.float64)
    value, gradient = objective.linearize(coef)
    n_iter = 0
    while (far := violations(coef, gradient, l1)).max() > tol:
        if n_iter == max_iter:
            warnings.warn(
                f"The proximal Newton method did not converge in {max_iter} iterations (an optimality "
                f"condition is violated by {far.max():.2g} > tol={tol:g}): increase max_iter",
                ConvergenceWarning,
                stacklevel=5,
            )
            break
        n_iter += 1
        chosen = _working_set(coef, far, l1)
        H = _hessian(objective, chosen)
        # Stop the inner problem when a sweep gains far less than the outer one has to.
        inner = 1e-5 * far.max() ** 2 / max(H.diagonal().max(), 1e-300)
        target = descend_coordinates(H, gradient[chosen], l1[chosen], coef[chosen], inner, _SWEEPS)
        step = np.zeros_like(coef)
        step[chosen] = target - coef[chosen]
        coef, value, gradient, moved = _line_search(objective, coef, step, value, gradient, l1)
        if not moved or stopped(callback, coef):
            break
    return coef, n_iter


def _working_set(coef, far, l1) -> np.ndarray:
    """Indices of coefficients that are not zero or not penalised, and as many of the worst others."""
    active = (coef != 0) | (l1 == 0)
    n_more = max(_FIRST_COORDINATES, int(active.sum()))
    others = np.flatnonzero(~active & (far > 0))
    if len(others) > n_more:
        others = others[np.argsort(-far[others], kind="stable")[:n_more]]
    return np.sort(np.concatenate([np.flatnonzero(active), others])).astype(np.int64)


def _hessian(objective, chosen) -> np.ndarray:
    """Of the chosen coefficients."""
    K, n_features = objective.n_scores, objective.X.shape[1]
    features = np.unique(chosen // K)
    features = features[features < n_features].astype(np.int64)
    H = objective.hessian(features)
    place = np.searchsorted(features, chosen // K) * K + chosen % K
    return np.ascontiguousarray(H[np.ix_(place, place)]) if len(place) != len(H) else H


def _line_search(objective, coef, step, value, gradient, l1):
    """Halve the step until it gains its due: (coefficients, value, gradient, whether they moved)."""
    whole = value + l1 @ np.abs(coef)
    gain = gradient @ step + l1 @ (np.abs(coef + step) - np.abs(coef))
    noise = 16 * np.finfo(objective.X.dtype).eps * abs(whole)
    size = 1.0
    for _ in range(_HALVINGS):
        trial = coef + size * step
        new_value, new_gradient = objective.linearize(trial)
        if new_value + l1 @ np.abs(trial) <= whole + 1e-4 * size * gain + noise:
            return trial, new_value, new_gradient, bool(np.any(step))
        size /= 2
    warnings.warn(
        "The proximal Newton method found no better coefficients: the loss is too flat or too large for this "
        "precision",
        ConvergenceWarning,
        stacklevel=6,
    )
    objective.linearize(coef)
    return coef, value, gradient, False
