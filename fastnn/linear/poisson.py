"""scikit-learn's Poisson regression, with offsets and exposures."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import sklearn.linear_model
from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from fastnn._callbacks import fit_as, fit_told, rows_shown
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._checks import check_offset, check_weights
from fastnn.linear._delegate import ARRAY_API, delegate_because
from fastnn.linear._objective import (
    Objective,
    check_finite,
    readable_rows,
    run_lbfgs,
    run_newton_cholesky,
)

_Theirs = sklearn.linear_model.PoissonRegressor


class PoissonRegressor(Savable, CallbackSupportMixin, _Theirs):
    """Poisson regression with log link; a drop-in for scikit-learn's, which it inherits from.

    ln E[y given x] = x'w + b + offset + ln exposure, found by minimising mean deviance/2 + alpha/2 |w|^2.

    Parameters
    ----------
    alpha : float, default=1.0
    fit_intercept : bool, default=True
    solver : {"lbfgs", "newton-cholesky"}, default="lbfgs"
        "lbfgs" goes on, as `LogisticRegression`'s does, where 20 steps did not do.
    max_iter : int, default=100
    tol : float, default=1e-4
        The slope of the objective at which to stop.
    warm_start : bool, default=False
    verbose : int, default=0
    n_threads : int, default=None
        None: as many as OpenMP may use. Results do not depend on it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_iter_ : int
    n_features_in_ : int

    Raises
    ------
    ValueError
        Negative y, and what else X, y, weights and exposures lack.

    References
    ----------
    McCullagh, Nelder, "Generalized Linear Models", 1989, chapter 6.

    Examples
    --------
    >>> from fastnn import PoissonRegressor
    >>> model = PoissonRegressor(alpha=0, tol=1e-9).fit([[0], [1]], [40, 30], exposure=[400, 100])
    >>> model.predict([[0], [1]]).round(3)
    array([0.1, 0.3])
    """

    _parameter_constraints: dict = {
        **_Theirs._parameter_constraints,
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        fit_intercept=True,
        solver="lbfgs",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        n_threads=None,
    ):
        super().__init__(
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, offset=None, exposure=None):
        """Find the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Not negative.
        sample_weight : array-like of shape (n_samples,), default=None
        offset, exposure : array-like of shape (n_samples,), default=None
            Known part of x'w; known factor of the mean.

        Returns
        -------
        self : PoissonRegressor
        """
        reason = self._not_served()
        if reason:
            if offset is not None or exposure is not None:
                raise ValueError(f"offset and exposure need fastnn's solvers, but {reason}")
            delegate_because(self, reason)
            with fit_told(self, 0, rows_shown(X, y, sample_weight)):
                return fit_as(_Theirs, self, X, y, sample_weight)
        with features_kept_on_error(self):
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                order="C",
                y_numeric=True,
                ensure_all_finite=False,
            )
            X, y = readable_rows(X), np.ascontiguousarray(y, X.dtype)
            self._base_loss = self._get_loss()
            if not self._base_loss.in_y_true_range(y):
                raise ValueError(
                    "Some value(s) of y are out of the valid range of the loss 'HalfPoissonLoss'."
                )
            weights = check_weights(sample_weight, X)
            shift = check_offset(X.shape[0], X.dtype, "log", offset, exposure)
            coef = self._start(X, y, weights, shift)
            objective = Objective(
                X,
                "power",
                y,
                weights,
                shift,
                power=1.0,
                fit_intercept=self.fit_intercept,
                l2=self.alpha,
                n_threads=check_n_threads(self.n_threads),
            )
            with single_threaded_blas():
                objective.begin(coef, type(self).__name__)
        shown = rows_shown(X, y, sample_weight)
        with single_threaded_blas(), fit_told(self, self.max_iter, shown) as steps:
            after = steps.for_solver(lambda now: self._attributes(now, X.dtype))
            common = {"max_iter": self.max_iter, "tol": self.tol, "callback": after}
            if self.solver == "lbfgs":
                coef, self.n_iter_ = run_lbfgs(objective, coef, iprint=self.verbose - 1, **common)
            else:
                coef, self.n_iter_ = run_newton_cholesky(objective, coef, verbose=self.verbose, **common)
            check_finite(coef, "the coefficients")
            vars(self).update(self._attributes(coef, X.dtype))
        return self

    def _attributes(self, coef, dtype) -> dict:
        """What a model with these coefficients predicts with."""
        coef = coef.astype(dtype)
        loss = {"_base_loss": self._base_loss}  # what the parent class predicts with
        if not self.fit_intercept:
            return {"coef_": coef, "intercept_": 0.0, **loss}
        return {"coef_": coef[:-1], "intercept_": coef[-1], **loss}

    def _not_served(self) -> str:
        """Why scikit-learn's own class must fit; empty if it need not."""
        if not isinstance(self.solver, str):
            return f"solver={self.solver!r} is not served by fastnn"
        return ARRAY_API if get_config()["array_api_dispatch"] else ""

    def _start(self, X, y, weights, shift) -> np.ndarray:
        if self.warm_start and hasattr(self, "coef_"):
            coef = np.append(self.coef_, self.intercept_) if self.fit_intercept else self.coef_
            if len(coef) != X.shape[1] + self.fit_intercept:
                raise ValueError(f"the last fit had {len(self.coef_)} features, X has {X.shape[1]}")
            return coef.astype(np.float64)
        coef = np.zeros(X.shape[1] + self.fit_intercept)
        if self.fit_intercept:
            factor = 1.0 if shift is None else np.average(np.exp(shift.astype(np.float64)), weights=weights)
            mean = np.average(y.astype(np.float64), weights=weights) / factor
            if not mean > 0:
                raise ValueError("all y are zero: the intercept of their logarithm has no finite best value")
            coef[-1] = np.log(mean)
        return coef

    def predict(self, X, *, offset=None, exposure=None):
        """Means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset, exposure : array-like of shape (n_samples,), default=None
            As in fit; None: of one unit of exposure.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
        """
        mean = super().predict(X)
        shift = check_offset(len(mean), mean.dtype, "log", offset, exposure)
        return mean if shift is None else mean * np.exp(shift)

    def __getstate__(self):
        # What the parent class predicts with, the same for every model.
        return {name: value for name, value in super().__getstate__().items() if name != "_base_loss"}

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "coef_"):
            self._base_loss = self._get_loss()
