"""The multiclass support vector machine's optimum by an interior point method, where its Hessian is small.

The barrier's central path is followed from inside all corners of the duals, by Newton steps on weights, duals
and slacks together (Mehrotra's, with Gondzio's centrality corrections; csrc/barrier.c has the equations).
Neither many corners nor badly scaled features make many steps of it: 15 to 30 in practice. Each factors a
matrix of as many rows as there are weights.

References: Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2 (1992);
Gondzio, "Multiple centrality corrections in a primal-dual method for linear programming", Comput. Optim.
Appl. 6 (1996); Fine, Scheinberg, "Efficient SVM training using low-rank kernel representations", JMLR 2
(2001).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from fastnn._kernels.barrier import Barrier
from fastnn._kernels.svm import stride_for

# Weights up to which factors of the Hessian pay; the last is the time between two looks at Ctrl-C.
MOST_WEIGHTS = 2000
# Centrality corrections of a step unless it is so long, how far they look beyond it, and what of that they
# must gain.
_CORRECTIONS, _LONG, _REACH, _GAIN = 3, 0.95, 0.3, 0.1
# Products between these shares of the target are left alone.
_LOW, _HIGH = 0.1, 10.0
# Share of the longest step that is taken; a shorter one than the last ends it.
_INSIDE, _SHORTEST = 0.99, 1e-6
# Rows that together could add no more than this share of the penalty to the Hessian are left out of it.
_NEGLIGIBLE = 0.1


class Interior:
    """Where the path has led; advance() goes on."""

    def __init__(self, problem, rows):
        n, k, self.stride = rows.n_rows, problem.n_classes, stride_for(problem.n_classes)
        self.problem, self.rows, self.dtype = problem, rows, problem.costs.dtype
        self.costs = problem.costs.astype(np.float64)
        self.n_weights = (rows.n_features + 1) * k
        self.count = n * k if not problem.box else 2 * n * (k - 1)
        self.barrier = Barrier(
            problem.X,
            problem.labels,
            problem.costs,
            k,
            self.stride,
            problem.box,
            problem.bias,
            problem.n_threads,
        )
        self.own = np.arange(n), problem.labels
        self.state, self.move, self.other = self._start(n, k), self._moves(n), self._moves(n)
        self.rhs = np.zeros((n, self.stride), self.dtype)
        self.along = np.empty_like(self.rhs)
        self.weights = np.zeros((rows.n_features + 1, self.stride), self.dtype)
        self.hessian = np.empty((self.n_weights, self.n_weights))
        self.least = _NEGLIGIBLE / (k * max(float(problem.scale().max()), 1e-300))
        self.least *= float(self.costs.mean())

    def _start(self, n, k):
        """No weights, all duals inside, slacks of one margin and two."""
        delta, box = self.problem.delta, self.problem.box
        p, t = np.zeros((n, self.stride), self.dtype), np.ones((n, self.stride), self.dtype)
        p[:, :k] = 0.5 if box else 1 / k
        t[:, :k] = delta
        back = np.ones_like(p)
        if box:
            back[:, :k] = 2 * delta
            p[self.own], t[self.own], back[self.own] = 0, 1, 1
        else:
            t[self.own] = 2 * delta
        return p, t, back

    def _moves(self, n):
        return tuple(np.zeros((n, self.stride), self.dtype) for _ in range(5))

    def duals(self, rounded: bool) -> np.ndarray:
        """They sum to 0; rounded: those nearer their bound than their slack is to its own are put there."""
        p, t, back = self.state
        delta = self.problem.delta
        q = p.copy()
        if rounded:
            q[p * delta < t] = 0
        if self.problem.box:
            if rounded:
                q[(1 - p) * delta < back] = 1
            q[self.own] = 0
            q[self.own] = -q.sum(axis=1)
            return q
        self._complete(q)
        q[self.own] -= 1
        return q

    def _complete(self, p) -> None:
        """The greatest dual of a row is what the others leave of 1."""
        top = self.own[0], p.argmax(axis=1)
        p[top] = 0
        p[top] = 1 - p.sum(axis=1)

    def pulled(self, duals) -> np.ndarray:
        return self.rows.gradient(duals, None, 1.0, np.empty_like(self.weights))

    def _direction(self, residual, move, *how):
        """Weights' step for what `how` aims at; its longest share, sums of products and changes' products."""
        self.barrier.aim(self.state, move, self.rhs, *how)
        wanted = -(residual + self.pulled(self.rhs))[:, : self.problem.n_classes]
        found, _ = dpotrs(self.factor, wanted.T.astype(np.float64).reshape(-1), lower=0)
        step = np.zeros_like(self.weights)
        step[:, : self.problem.n_classes] = found.reshape(self.problem.n_classes, -1).T
        self.rows.scores(step, self.along)
        return step, *self.barrier.go(self.state, move, self.along)

    def advance(self, gap: float) -> bool:
        """One Newton step, its target worth no less than this gap; whether there was one to make."""
        residual = self.weights + self.pulled(self.duals(rounded=False))
        self.barrier.curvature(self.state, self.least, self.hessian, self.rhs)
        self.factor, failed = dpotrf(self.hessian.T, lower=0, overwrite_a=1, clean=0)
        if failed:
            return False
        _, longest, products, changes = self._direction(residual, self.move, "predict")
        size = min(1.0, longest)
        mean = products / self.count
        if not mean > 0:
            return False
        left = ((1 - size) * products + size**2 * changes) / self.count
        # Smaller products than needed only make the Hessian's inverse inexact.
        least = gap / (float(self.costs.mean()) * self.count)
        target = max(max(left / mean, 0.0) ** 3 * mean, least)
        step, longest, _, changes = self._direction(residual, self.move, "correct", target)
        if not np.isfinite(changes):
            return False
        step, longest = self._centred(residual, step, longest, target)
        size = min(1.0, _INSIDE * longest)
        if not size > _SHORTEST:
            return False
        by = self.dtype.type(size)
        self.weights = self.weights + by * step
        for at, change in zip(self.state, self.move, strict=False):
            at += by * change
        if not self.problem.box:
            self._complete(self.state[0])
        return True

    def _centred(self, residual, step, longest: float, target: float):
        """The step after corrections that make it longer, and how long it may be."""
        for _ in range(_CORRECTIONS):
            size = min(1.0, longest)
            reach = min(1.0, size + _REACH)
            if size >= _LONG:
                break
            for kept, new in zip(self.move, self.other, strict=True):
                np.copyto(new, kept)
            aim = "centre", target, reach, _LOW * target, _HIGH * target
            other, further, _, changes = self._direction(residual, self.other, *aim)
            if not np.isfinite(changes) or min(1.0, further) < size + _GAIN * (reach - size):
                break
            step, longest, self.move, self.other = other, further, self.other, self.move
        return step, longest
