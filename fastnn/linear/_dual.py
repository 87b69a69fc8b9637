"""The multiclass support vector machine's optimum, certified by its duality gap.

Minimise P(W) = |W|^2 / 2 + sum_i c_i L(x_i W). Its dual is solved by the proximal point method (of
multipliers, seen from W), each of whose steps minimises the smooth

    |W|^2 / 2 + sum_i c_i E_k(x_i W)

with E_k as in csrc/margins.c, by a semismooth Newton method: conjugate gradients on products with the
generalised Hessian, in which only rows between the corners of their duals take part, fewer with every
step. The duals are feasible at any time, so that their value bounds the optimum from below. Where weights
are few, and duals not given, fewer steps of an interior point method lead there (_interior.py).

References: Rockafellar, "Augmented Lagrangians and applications of the proximal point algorithm in
convex programming", Math. Oper. Res. 1 (1976); Zhao, Sun, Toh, "A Newton-CG augmented Lagrangian method
for semidefinite programming", SIAM J. Optim. 20 (2010); Yan, Li, "An efficient augmented Lagrangian
method for support vector machine", Optim. Methods Softw. 35 (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from fastnn._kernels.svm import Rows, stride_for
from fastnn._threads import single_threaded_blas
from fastnn.linear._interior import MOST_WEIGHTS, Interior

# The smoothing's strength begins where the rows' own curvature is, c |x|^2, or here, in units of the
# margin, from duals that are given; it is divided by so much until it is the last one, below which
# rounding of the scores would show in the duals.
_WARM, _DIVISOR = 0.01, 5.0
_LAST = {"f": 1e-2, "d": 1e-4}
# A proximal step ends when the gradient's share of the gap is below this; less where that gains nothing.
_INNER = 0.1
# Of a Newton step: how much of the gradient conjugate gradients may leave, in how many products.
_RESIDUAL, _PRODUCTS = 0.1, 300
# Newton steps of one proximal step, and proximal steps without a smaller gap, before the end.
_NEWTON_STEPS, _PATIENCE = 60, 12
# Where the search along a step gives up: a step that left all corners may be long by the square of the
# ratio between the features' scales.
_SHORTEST = 1e-10
# Relative error of the smoothed objective.
_ROUNDING = {"f": 1e-6, "d": 1e-14}
_TINY = np.finfo(np.float64).tiny
# Duals are rounded to their bounds once the gap is so many times the tolerance; given ones are gone on from
# if their gap is below this, otherwise it is quicker to begin inside.
_ROUND, _WORTH = 100, 0.1
# Of the tolerance, the gap that the barrier's last targets amount to; a tenth of it each time that the gap is
# closed and rounded duals do not keep it so, at most so many times.
_LAST_GAP, _ROUNDINGS = 0.02, 5
# Share of the rows below which the Hessian is formed from a copy of these.
_FEW = 0.7


@dataclass
class Problem:
    """Rows (C-ordered or CSR, one real dtype), their labels from 0, what their losses cost."""

    X: object
    labels: np.ndarray
    costs: np.ndarray
    n_classes: int
    box: bool
    delta: float
    bias: float
    n_threads: int

    def rows(self, chosen=None) -> Rows:
        """Of all rows, or of those chosen by a mask."""
        X, labels, costs = self.X, self.labels, self.costs
        if chosen is not None:
            X, labels, costs = X[chosen], labels[chosen], costs[chosen]
        layout = (_triple(X), _triple(X.tocsc())) if issparse(X) else X
        return Rows(
            layout, X.shape, labels, costs, self.n_classes, self.box, self.delta, self.bias, self.n_threads
        )

    def scale(self) -> np.ndarray:
        """sum_i c_i x_ij^2 of each feature, the constant one last."""
        costs = self.costs.astype(np.float64)
        if issparse(self.X):
            squares = np.asarray(self.X.multiply(self.X).T @ costs).ravel()
        else:
            squares = np.einsum("i,ij,ij->j", costs, self.X, self.X)
        return np.append(squares, self.bias**2 * costs.sum())


@dataclass
class Optimum:
    """weights (n_features + 1, n_classes), the last row of the constant feature; dual (n, stride)."""

    weights: np.ndarray
    dual: np.ndarray
    objective: float
    gap: float
    n_iter: int
    converged: bool


def _triple(X) -> tuple:
    return X.indptr.astype(np.int64), X.indices.astype(np.int64), np.ascontiguousarray(X.data)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """In float64 and one order, whatever the dtype and BLAS."""
    return float(np.einsum("ij,ij->", a, b, dtype=np.float64))


class _Descent:
    """One optimisation: where it is, and its steps."""

    def __init__(self, problem: Problem, dual: np.ndarray | None):
        self.problem, self.rows, self.scale = problem, problem.rows(), problem.scale()
        self.dtype, self.costs = problem.costs.dtype, problem.costs.astype(np.float64)
        n, stride = self.rows.n_rows, stride_for(problem.n_classes)
        self.shape = self.rows.n_features + 1, stride
        self.dual = np.zeros((n, stride), self.dtype) if dual is None else dual
        self.last = _LAST[self.dtype.char] * problem.delta
        own = float(self.scale.sum()) / n if dual is None else _WARM * problem.delta
        self.kappa = max(own, self.last)
        self.weights = np.zeros(self.shape, self.dtype)
        if dual is not None:
            self.weights = -self.rows.gradient(dual, None, self.kappa, np.empty(self.shape, self.dtype))
        self.scores = self.rows.scores(self.weights, np.empty((n, stride), self.dtype))
        self.lower, self.n_newton, self.inner, self.stuck = -np.inf, 0, _INNER, False

    def restarted(self, dual: np.ndarray) -> _Descent:
        """The same from other duals."""
        other = _Descent(self.problem, dual)
        other.lower, other.n_newton = self.lower, self.n_newton
        return other

    def evaluate(self, weights, scores) -> tuple[float, float, np.ndarray, np.ndarray, float]:
        """Smoothed objective, objective, next duals, rows' free classes, dual's linear part."""
        following, values = np.empty_like(scores), np.empty((len(scores), 4))
        self.rows.step(scores, self.dual, self.kappa, following, values)
        smooth, loss, share = np.einsum("i,ij->j", self.costs, values[:, :3])
        half = 0.5 * _dot(weights, weights)
        return half + smooth, half + loss, following, values[:, 3], self.problem.delta * share

    def newton_step(self, gradient, following, free) -> np.ndarray:
        """Minus the inverse of the generalised Hessian times the gradient, roughly."""
        active = free > 1
        n_active = np.count_nonzero(active)
        if n_active == 0:
            return -gradient
        rows = self.rows
        if n_active < _FEW * rows.n_rows:
            rows, following = self.problem.rows(active), following[active]
        share = float(self.costs[active] @ (free[active] - 1)) / (self.costs.sum() * self.problem.n_classes)
        precision = (1 + self.scale * (share / self.kappa)).astype(self.dtype)[:, None]
        step, residual = np.zeros_like(gradient), -gradient
        towards = residual / precision
        product, size, aim = _dot(residual, towards), 0.0, _RESIDUAL**2 * _dot(gradient, gradient)
        for _ in range(_PRODUCTS):
            curved = towards + rows.gradient(following, towards, self.kappa, np.empty_like(gradient))
            size = product / _dot(towards, curved)
            step += self.dtype.type(size) * towards
            residual -= self.dtype.type(size) * curved
            if _dot(residual, residual) <= aim:
                break
            scaled = residual / precision
            product, before = _dot(residual, scaled), product
            towards = scaled + self.dtype.type(product / before) * towards
        return step

    def proximal_step(self, budget: int) -> tuple[float, np.ndarray, np.ndarray]:
        """Towards the smooth minimum; the objective of the duals' own weights, these, and the duals."""
        now = self.evaluate(self.weights, self.scores)
        for number in range(min(budget, _NEWTON_STEPS) + 1):
            smooth, primal, following, free, linear = now
            pulled = self.rows.gradient(following, None, self.kappa, np.empty(self.shape, self.dtype))
            gradient = self.weights + pulled
            dual_value = linear - 0.5 * _dot(pulled, pulled)
            self.lower = max(self.lower, dual_value)
            slack = 0.5 * _dot(gradient, gradient)
            if slack <= self.inner * (primal - dual_value) or number == min(budget, _NEWTON_STEPS):
                break
            step = self.newton_step(gradient, following, free)
            self.n_newton += 1
            now = self.search(step, smooth, _dot(gradient, step))
            if now is None:
                break
        self.stuck = slack > _INNER * max(primal - dual_value, 0.0)
        weights = -pulled
        scores = self.rows.scores(weights, np.empty_like(self.scores))
        objective = self.evaluate(weights, scores)[1]
        if not self.stuck:
            self.dual = following
        return objective, weights, following

    def search(self, step, smooth: float, slope: float):
        """Go along the step as far as the smoothed objective falls; None where rounding leaves nothing."""
        along = self.rows.scores(step, np.empty_like(self.scores))
        size = 1.0
        while size > _SHORTEST:
            factor = self.dtype.type(size)
            weights, scores = self.weights + factor * step, self.scores + factor * along
            now = self.evaluate(weights, scores)
            lower = now[0] <= smooth + 1e-4 * size * slope
            if not lower and now[0] <= smooth + _ROUNDING[self.dtype.char] * abs(smooth):
                # Values cannot tell: their slope along the step does (Hager, Zhang, 2005).
                ahead = np.einsum("i,ij,ij->", self.costs, now[2], along) + _dot(weights, step)
                lower = ahead <= -0.9 * slope
            if lower:
                self.weights, self.scores = weights, scores
                return now
            size /= 2
        return None


class _Certificate:
    """The best duals so far with their own weights, and the greatest bound from below."""

    def __init__(self, descent: _Descent):
        self.descent, self.best = descent, None

    def consider(self, dual: np.ndarray, tol: float = -1.0) -> Optimum:
        """Duals whose own gap is at most tol are taken even if others' objective is lower."""
        descent, problem = self.descent, self.descent.problem
        pulled = descent.rows.gradient(dual, None, 1.0, np.empty(descent.shape, descent.dtype))
        scores = descent.rows.scores(-pulled, np.empty_like(dual))
        objective = descent.evaluate(-pulled, scores)[1]
        own = np.take_along_axis(dual, problem.labels[:, None], axis=1)[:, 0]
        share = -problem.delta * float(descent.costs @ own)
        descent.lower = max(descent.lower, share - 0.5 * _dot(pulled, pulled))
        if objective - descent.lower <= tol * objective:
            self.best = None
        return self.keep(objective, -pulled, dual)

    def keep(self, objective: float, weights: np.ndarray, dual: np.ndarray) -> Optimum:
        best = self.best
        if best is None or objective < best.objective:
            self.best = best = Optimum(weights, dual, objective, np.inf, 0, False)
        best.gap = max(best.objective - self.descent.lower, 0.0) / max(best.objective, _TINY)
        return best


def _follow(certificate: _Certificate, tol: float, max_iter: int, after_step) -> bool:
    """The barrier's path, as far as it leads; whether that is enough."""
    descent = certificate.descent
    path = Interior(descent.problem, descent.rows)
    gap, least, closed, idle = np.inf, 0.0, 0, 0
    while descent.n_newton < max_iter and idle < _PATIENCE and path.advance(least):
        descent.n_newton += 1
        best = certificate.consider(path.duals(rounded=False))
        rounded = path.duals(rounded=True) if best.gap <= _ROUND * tol else None
        if rounded is not None:
            best = certificate.consider(rounded, tol)
        closed += best.gap <= tol
        idle = 0 if best.gap < 0.9 * gap else idle + 1
        gap, least = best.gap, _LAST_GAP * 0.1**closed * tol * best.objective
        best.converged = closed > 0 and (best.dual is rounded or closed == _ROUNDINGS)
        best.n_iter = descent.n_newton
        if after_step(best) or best.converged:
            return True
    return descent.n_newton >= max_iter and certificate.best is not None


def _descend(certificate: _Certificate, tol: float, max_iter: int, after_step) -> None:
    """Proximal steps, smoother and less smooth, until the gap is small or nothing makes it smaller."""
    descent, gap, patience = certificate.descent, np.inf, _PATIENCE
    while True:
        best = certificate.keep(*descent.proximal_step(max_iter - descent.n_newton))
        before, gap = gap, best.gap
        if gap < 0.9 * before:
            patience = _PATIENCE
        elif descent.stuck or descent.kappa <= descent.last:
            patience, descent.inner = patience - 1, descent.inner / 10
        best.n_iter, best.converged = descent.n_newton, gap <= tol
        stop = after_step(best)
        if best.converged or stop or descent.n_newton >= max_iter or patience == 0:
            return
        if descent.stuck:
            # Too many corners between here and the minimum: stay with a smoother objective.
            descent.last = descent.kappa * _DIVISOR
        descent.kappa = max(descent.kappa / _DIVISOR, descent.last)


def minimise(
    problem: Problem,
    tol: float,
    max_iter: int,
    dual: np.ndarray | None = None,
    after_step: Callable[[Optimum], bool] = lambda found: False,
) -> Optimum:
    """The optimum to a relative duality gap of tol, in at most max_iter Newton steps.

    dual: duals to start from, as an earlier optimum has them. after_step(best so far) may end it by
    returning True.
    """
    with single_threaded_blas():
        certificate = _Certificate(_Descent(problem, dual))
        small = certificate.descent.shape[0] * problem.n_classes <= MOST_WEIGHTS
        near = dual is not None and certificate.consider(dual).gap <= _WORTH
        if near or not small or not _follow(certificate, tol, max_iter, after_step):
            if not near and certificate.best is not None:
                certificate.descent = certificate.descent.restarted(certificate.best.dual)
            _descend(certificate, tol, max_iter, after_step)
        best = certificate.best
        best.weights = best.weights[:, : problem.n_classes]
        return best
