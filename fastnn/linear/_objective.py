"""The objective that linear models minimise, and the solvers of it that are SciPy's and scikit-learn's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from sklearn.linear_model._glm._newton_solver import NewtonCholeskySolver
from sklearn.utils import assert_all_finite
from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
from sklearn.utils.optimize import _check_optimize_result, _newton_cg

from fastnn._callbacks import stopped
from fastnn._kernels.gram import gram
from fastnn._kernels.linear import RowLoss
from fastnn.exceptions import DivergenceError
from fastnn.linear._coordinates import coordinates_of, pay

PLAIN_STEPS = 20  # of L-BFGS, enough where all directions curve alike
_STOPPED = 99  # SciPy's status


def readable_rows(X):
    """X, checked before, as the loops read it: aligned and C-ordered, or CSR."""
    if issparse(X):
        return X.tocsr()
    return X if X.flags.c_contiguous and X.flags.aligned else np.require(X, X.dtype, "CA")


class Objective:
    """Mean loss of rows + l2/2 |weights|^2 of a flat float64 vector of coefficients.

    Their order is scikit-learn's: (n_features + fit_intercept, n_scores), intercepts last. Methods take what
    scikit-learn's LinearModelLoss takes besides, and need none of it: so its solvers work on this. What
    they pass around as raw predictions, linear in the coefficients, are here the coefficients.
    """

    def __init__(
        self, X, kind, y, weights, offset=None, *, n_scores=1, power=0.0, fit_intercept, l2, n_threads
    ):
        self.X, self.weights, self.n_threads = X, weights, n_threads
        self.fit_intercept, self.l2, self.n_scores = fit_intercept, float(l2), n_scores
        self.rows = RowLoss(X, kind, y, weights, offset, n_scores, power, n_threads)
        self.total = float(X.shape[0] if weights is None else weights.sum(dtype=np.float64))
        self.size = (X.shape[1] + fit_intercept) * n_scores
        self.base_loss = SimpleNamespace(is_multiclass=n_scores > 1, n_classes=n_scores)
        self._known = None

    def begin(self, coef, estimator_name: str) -> None:
        """Evaluate where a descent begins, which it will not do again; ValueError unless X is finite.

        A NaN or infinite number in X has no loss: looking for one beforehand would take a pass of its own.
        """
        known = self.loss_gradient(coef)
        if not np.isfinite(known[0]):
            assert_all_finite(self.X, estimator_name=estimator_name, input_name="X")
        self._known = np.array(coef), known

    def matrix(self, coef) -> np.ndarray:
        """The coefficients as (n_features + 1, n_scores)."""
        W = np.asarray(coef, np.float64).reshape(-1, self.n_scores)
        return W if self.fit_intercept else np.vstack([W, np.zeros((1, self.n_scores))])

    def _complete(self, W, loss, gradient):
        """Mean and penalty from sums of the losses and their gradient (overwritten)."""
        value = loss / self.total + 0.5 * self.l2 * float(np.vdot(W[:-1], W[:-1]))
        gradient /= self.total
        gradient[:-1] += self.l2 * W[:-1]
        return value, (gradient if self.fit_intercept else gradient[:-1]).ravel()

    def loss_gradient(self, coef, *_, **__):
        """(value, gradient)"""
        if self._known is not None and np.array_equal(coef, self._known[0]):
            return self._known[1][0], self._known[1][1].copy()
        W = self.matrix(coef)
        return self._complete(W, *self.rows.loss_gradient(W))

    def linearize(self, coef):
        """The same; Hessians are about these coefficients from now on."""
        W = self.matrix(coef)
        return self._complete(W, *self.rows.linearize(W))

    def loss(self, coef, *_, **__):
        W = self.matrix(coef)
        return self.rows.loss(W) / self.total + 0.5 * self.l2 * float(np.vdot(W[:-1], W[:-1]))

    def gradient(self, coef, *_, **__):
        return self.loss_gradient(coef)[1]

    def gradient_hessian_product(self, coef, *_, **__):
        """The gradient, and a function that multiplies a vector by the Hessian."""
        gradient = self.linearize(coef)[1]

        def product(v):
            V = self.matrix(v)
            return self._complete(V, 0.0, self.rows.hessian_product(V))[1]

        return gradient, product

    def gradient_hessian(self, coef, *_, gradient_out, hessian_out, **__):
        """Both, written to the arrays; whether the Hessian is of no use (it never is)."""
        gradient_out[...] = self.linearize(coef)[1]
        hessian_out[...] = self.hessian()
        return gradient_out, hessian_out, False

    def hessian(self, columns=None) -> np.ndarray:
        """At linearize()'s coefficients, of these features (None: all), in the order of coefficients."""
        curvature, K = self.rows.curvature(), self.n_scores
        if K == 1:
            H = self._weighted_gram(columns, curvature[:, 0].astype(np.float64))
        else:
            n = (self.X.shape[1] if columns is None else len(columns)) + self.fit_intercept
            H = np.empty((n, K, n, K))
            weights = 1.0 if self.weights is None else self.weights.astype(np.float64)
            shares = curvature.astype(np.float64)
            for k in range(K):
                H[:, k, :, k] = self._weighted_gram(columns, weights * shares[:, k] * (1 - shares[:, k]))
                for m in range(k):
                    H[:, k, :, m] = -self._weighted_gram(columns, weights * shares[:, k] * shares[:, m])
                    H[:, m, :, k] = H[:, k, :, m]
            H = H.reshape(n * K, n * K)
        penalised = len(H) - self.fit_intercept * K
        H[np.arange(penalised), np.arange(penalised)] += self.l2
        return H

    def product_hessian(self) -> tuple[np.ndarray, np.ndarray]:
        """Of several scores, matrices by features and by classes whose product comes near the Hessian without
        penalty: mean xx' and mean diag(p) - pp', p the shares at linearize()'s coefficients."""
        shares = self.rows.curvature().astype(np.float64)
        weights = np.ones(len(shares)) if self.weights is None else self.weights.astype(np.float64)
        weighted = shares * (weights / self.total)[:, None]
        classes = np.diag(weighted.sum(axis=0)) - weighted.T @ shares
        return self._weighted_gram(None, weights), classes

    def _weighted_gram(self, columns, weights):
        root = np.sqrt(np.maximum(weights, 0) / self.total)
        n = self.X.shape[1] if columns is None else len(columns)
        return gram(self.X, columns, root, np.zeros(n), None, 0.0, self.fit_intercept, self.n_threads)

    def weight_intercept_raw(self, coef, X):
        """scikit-learn's (weights, intercept, raw prediction), of which its solver uses the last."""
        return None, None, coef


def check_finite(coef, what: str) -> None:
    """DivergenceError unless all coefficients are finite."""
    if not np.isfinite(coef).all():
        raise DivergenceError(
            f"{what} became infinite or NaN: rescale X, or penalise more (X may be too large)"
        )


def run_lbfgs(objective, coef, *, max_iter, tol, iprint, callback=None, advice=None):
    """SciPy's L-BFGS-B under scikit-learn's stopping rules; (coefficients, iterations).

    Where PLAIN_STEPS did not do, it goes on in coordinates of like curvature, if these pay.
    """
    options = {
        "maxls": 50,
        "ftol": 64 * np.finfo(float).eps,
        **_get_additional_lbfgs_options_dict("iprint", iprint),
    }
    first = min(max_iter, PLAIN_STEPS) if pay(objective) else max_iter
    result = _descend(objective.loss_gradient, coef, first, tol, options, callback)
    if result.status == 1 and first < max_iter:
        before, left = result.nit, max_iter - first
        space = coordinates_of(objective, result.x)
        if space is None:
            result = _descend(objective.loss_gradient, result.x, left, tol, options, callback)
        else:
            result = _descend_in(space, objective, result.x, left, tol, options, callback)
        result.nit += before
    n_iter = _check_optimize_result("lbfgs", result, max_iter, extra_warning_msg=advice)
    return result.x, n_iter


def _descend(function, start, max_iter, gtol, options, callback):
    result = minimize(
        function,
        start,
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": max_iter, "gtol": gtol, **options},
        callback=callback,
    )
    if result.status == _STOPPED:  # by the callback's StopIteration: nothing to warn of
        result.status = 0
    return result


def _descend_in(space, objective, coef, max_iter, tol, options, callback):
    """_descend() in other coordinates; tol and the callback are about coefficients all the same."""
    gradient = None

    def value_gradient(z):
        nonlocal gradient
        value, gradient = objective.loss_gradient(space.outward(z))
        return value, space.gradient(gradient)

    def after_step(z):
        """L-BFGS looked at z last."""
        if callback is not None:
            callback(space.outward(z))
        if np.abs(gradient).max() <= tol:
            raise StopIteration

    result = _descend(value_gradient, space.inward(coef), max_iter, 0, options, after_step)
    result.x = space.outward(result.x)
    if np.abs(gradient).max() <= tol:
        result.status = 0
    return result


def run_newton_cg(objective, coef, *, max_iter, tol, verbose, callback=None):
    """scikit-learn's truncated Newton method."""
    n_begun, last = 0, coef

    def gradient_hessian_product(x):
        """Each iteration begins with it: the one before has ended."""
        nonlocal n_begun, last
        last, n_begun = x, n_begun + 1
        if callback is not None and n_begun > 1:
            callback(x)
        return objective.gradient_hessian_product(x)

    try:
        found = _newton_cg(
            grad_hess=gradient_hessian_product,
            func=objective.loss,
            grad=objective.gradient,
            x0=coef,
            maxiter=max_iter,
            tol=tol,
            verbose=verbose,
        )
    except StopIteration:
        return last, n_begun - 1
    if found[1] == n_begun:
        stopped(callback, found[0])
    return found


class _Cholesky(NewtonCholeskySolver):
    """Tells a callback of each iteration."""

    callback = None

    def check_convergence(self, X, y, sample_weight):
        super().check_convergence(X, y, sample_weight)
        self.converged |= stopped(self.callback, self.coef.ravel(order="F"))


def run_newton_cholesky(objective, coef, *, max_iter, tol, verbose, callback=None):
    """scikit-learn's Newton method with the whole Hessian."""
    solver = _Cholesky(
        coef=coef,
        linear_loss=objective,
        l2_reg_strength=objective.l2,
        tol=tol,
        max_iter=max_iter,
        verbose=verbose,
    )
    solver.callback = callback
    # Several classes without penalty come back as (n_scores, n_features + 1).
    return solver.solve(objective.X, None, None).ravel(order="F"), solver.iteration
