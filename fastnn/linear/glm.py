"""Generalized linear models of any family."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._callbacks import fit_told, rows_shown
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._checks import check_offset, check_weights
from fastnn.linear._objective import (
    Objective,
    check_finite,
    readable_rows,
    run_lbfgs,
    run_newton_cholesky,
)
from fastnn.linear._proximal import run_proximal_newton
from fastnn.linear.families import FAMILIES, Family, Link, Tweedie

_REALS = [np.float64, np.float32]
_NEWTON_SIZE = 300  # coefficients up to which "auto" takes whole Hessians


class GeneralizedLinearRegressor(Savable, CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Regression on the mean of an exponential family.

    p(y; eta) = b(y) exp((eta T(y) - a(eta)) / phi), mean = a'(eta) = g^-1(x'w + b + offset), found by
    minimising

        mean of deviance/2 + alpha (l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2)

    (weighted by sample_weight). At the canonical link, x'w = eta, every family has the same rule: the slope
    by w is the mean of (prediction - T(y)) x.

    Parameters
    ----------
    family : {"normal", "bernoulli", "multinomial", "poisson", "gamma", "tweedie"}, default="normal"
    link : {"auto", "canonical", "identity", "log", "logit", "inverse", "softmax"}, default="auto"
        "auto": the canonical link, but for gamma and tweedie log, as theirs (gamma: mean = -1/x'w) is defined
        for one sign of x'w alone. Normal: identity, log; bernoulli: logit, log; gamma: log, inverse.
    power : float, default=1.5
        Of "tweedie": variance = phi mean^power; <= 0 or >= 1.
    alpha : float, default=1.0
        Strength of the penalty.
    l1_ratio : float in [0, 1], default=0.0
        Share of its L1 part.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    solver : {"auto", "lbfgs", "newton-cholesky", "proximal-newton"}, default="auto"
        "auto": "proximal-newton" if there is an L1 part, else "newton-cholesky" for up to some hundred
        coefficients and for links of a limited domain, else "lbfgs".
    max_iter : int, default=100
    tol : float, default=1e-4
        The slope of the objective at which to stop.
    warm_start : bool, default=False
    verbose : int, default=0
    n_threads : int, default=None
        None: as many as OpenMP may use. Results do not depend on it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,), or (n_classes, n_features) of "multinomial"
    intercept_ : float, or ndarray of shape (n_classes,)
    n_iter_ : int
    family_ : Family
    link_ : Link
    classes_ : ndarray of shape (n_classes,), of "multinomial"
    n_features_in_ : int

    Raises
    ------
    ValueError
        y out of the family's range, a link that the family lacks, weights, offsets or exposures that make
        no sense.
    DivergenceError
        Values in X so large that the coefficients leave the range of numbers.

    References
    ----------
    McCullagh, Nelder, "Generalized Linear Models", 1989. Jorgensen, "Exponential dispersion models", J. R.
    Stat. Soc. B 49, 1987.

    Examples
    --------
    Claims per policy; each row is a group of so many policies.

    >>> import numpy as np
    >>> from fastnn import GeneralizedLinearRegressor
    >>> young, policies, claims = np.array([[1], [0]]), [100, 400], [30, 40]
    >>> model = GeneralizedLinearRegressor("poisson", alpha=0)
    >>> model = model.fit(young, claims, exposure=policies)
    >>> model.predict(young).round(3)
    array([0.3, 0.1])
    """

    _parameter_constraints: dict = {
        "family": [StrOptions(set(FAMILIES))],
        "link": [StrOptions({"auto", "canonical", "identity", "log", "logit", "inverse", "softmax"})],
        "power": [Interval(Real, None, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "lbfgs", "newton-cholesky", "proximal-newton"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        family="normal",
        *,
        link="auto",
        power=1.5,
        alpha=1.0,
        l1_ratio=0.0,
        fit_intercept=True,
        solver="auto",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        n_threads=None,
    ):
        self.family = family
        self.link = link
        self.power = power
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, offset=None, exposure=None):
        """Find the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            For "multinomial", classes of any kind that sorts.
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            Known part of x'w.
        exposure : array-like of shape (n_samples,), default=None
            Known factor of the mean: an offset of its logarithm.

        Returns
        -------
        self : GeneralizedLinearRegressor
        """
        family = self._family()
        link = family.link(self.link)
        l1 = self.alpha * self.l1_ratio
        solver = self._solver(l1, link)
        numeric = family.n_scores == 1
        with features_kept_on_error(self):
            X, y = validate_data(self, X, y, accept_sparse="csr", dtype=_REALS, order="C", y_numeric=numeric)
            X, n_classes, classes = readable_rows(X), 1, None
            if numeric:
                y = _targets(y, X.dtype, family)
            else:
                classes, y = np.unique(y, return_inverse=True)
                n_classes, y = len(classes), np.ascontiguousarray(y, np.int64)
                if n_classes < 2:
                    raise ValueError(
                        f"y holds one class alone, {classes[0]!r}: there is nothing to tell apart"
                    )
                if offset is not None or exposure is not None:
                    raise ValueError("family 'multinomial' takes neither offset nor exposure")
            weights = check_weights(sample_weight, X)
            offset = check_offset(X.shape[0], X.dtype, link.name, offset, exposure)
            coef = self._start(X.shape[1], n_classes, y, weights, offset, family, link)
        publish = partial(self._attributes, X.dtype, n_classes, classes, link.name)
        shown = rows_shown(X, y, sample_weight)
        with single_threaded_blas(), fit_told(self, self.max_iter, shown) as steps:
            objective = Objective(
                X,
                family.links[link.name],
                y,
                weights,
                offset,
                n_scores=n_classes,
                power=family.power,
                fit_intercept=self.fit_intercept,
                l2=self.alpha - l1,
                n_threads=check_n_threads(self.n_threads),
            )
            coef, self.n_iter_ = self._solve(solver, objective, coef, l1, steps.for_solver(publish))
            check_finite(coef, "the coefficients")
            vars(self).update(publish(coef))
        return self

    def _attributes(self, dtype, n_classes: int, classes, link: str, coef) -> dict:
        """What a model with these flat coefficients predicts with."""
        W = coef.reshape(-1, n_classes).astype(dtype)
        weights = W[:-1] if self.fit_intercept else W
        found = {"_law": (self.family, float(self.power), link)}
        if classes is not None:
            found["classes_"] = classes
        if n_classes > 1:
            intercept = W[-1].copy() if self.fit_intercept else np.zeros(n_classes, dtype)
            return {**found, "coef_": np.ascontiguousarray(weights.T), "intercept_": intercept}
        intercept = W[-1, 0] if self.fit_intercept else 0.0
        return {**found, "coef_": weights[:, 0].copy(), "intercept_": intercept}

    def _family(self) -> Family:
        return _family_of(self.family, self.power)

    @property
    def family_(self) -> Family:
        """The family that was fitted."""
        return _family_of(*self._law[:2])

    @property
    def link_(self) -> Link:
        """The link that was fitted."""
        return self.family_.link(self._law[2])

    def _solver(self, l1: float, link) -> str:
        if l1 > 0 and self.solver in ("lbfgs", "newton-cholesky"):
            raise ValueError(
                f"solver={self.solver!r} has no L1 penalty: use 'proximal-newton', or l1_ratio=0"
            )
        if link.domain and self.solver == "lbfgs":
            raise ValueError(
                f"link {link.name!r} is defined for negative x'w alone: use solver='newton-cholesky'"
            )
        if self.solver != "auto":
            return self.solver
        return "proximal-newton" if l1 > 0 or link.domain else "auto"

    def _solve(self, solver, objective, coef, l1, callback):
        common = {"max_iter": self.max_iter, "tol": self.tol, "callback": callback}
        if solver == "auto":
            solver = "newton-cholesky" if objective.size <= _NEWTON_SIZE else "lbfgs"
        if solver == "newton-cholesky":
            return run_newton_cholesky(objective, coef, verbose=self.verbose, **common)
        if solver == "lbfgs":
            return run_lbfgs(objective, coef, iprint=self.verbose - 1, **common)
        return run_proximal_newton(objective, coef, l1, **common)

    def _start(self, n_features, K, y, weights, offset, family, link) -> np.ndarray:
        """Coefficients to begin with: the last ones, or zeros and the intercept of the mean."""
        if self.warm_start and hasattr(self, "coef_"):
            W = np.atleast_2d(self.coef_)
            if W.shape != (K, n_features):
                raise ValueError(
                    f"the last fit had coefficients of shape {W.shape}, this one needs {(K, n_features)}: "
                    "use warm_start=False"
                )
            W = np.column_stack([W, np.reshape(self.intercept_, (K, 1))]) if self.fit_intercept else W
            return W.T.astype(np.float64).ravel()
        coef = np.zeros((n_features + self.fit_intercept, K))
        if link.domain and not self.fit_intercept:
            raise ValueError(
                f"link {link.name!r} is defined for negative x'w alone and needs fit_intercept=True"
            )
        if K == 1 and self.fit_intercept:
            mean = np.average(y.astype(np.float64), weights=weights)
            shift = 0.0 if offset is None else np.average(offset.astype(np.float64), weights=weights)
            with np.errstate(divide="ignore", invalid="ignore"):
                start = float(link(mean)) - shift
            coef[-1] = start if np.isfinite(start) else 0.0
            if link.domain:
                most = 0.0 if offset is None else float(offset.max())
                coef[-1] = min(coef[-1, 0], -1e-3 - most)
        return coef.ravel()

    def predict(self, X, *, offset=None, exposure=None):
        """Means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset, exposure : array-like of shape (n_samples,), default=None
            As in fit; None: of one unit of exposure.

        Returns
        -------
        mean : ndarray of shape (n_samples,), or (n_samples, n_classes) of "multinomial"
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=_REALS, reset=False)
        z = X @ self.coef_.T + self.intercept_
        if offset is not None or exposure is not None:
            if z.ndim > 1:
                raise ValueError("family 'multinomial' takes neither offset nor exposure")
            z = z + check_offset(len(z), z.dtype, self.link_.name, offset, exposure)
        return self.link_.inverse(z)

    def deviance(self, X, y, sample_weight=None, *, offset=None, exposure=None):
        """Mean deviance of predictions; 0 is the best.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset, exposure : array-like of shape (n_samples,), default=None

        Returns
        -------
        deviance : float
        """
        mean = self.predict(X, offset=offset, exposure=exposure)
        return self._deviance(self._known(y, mean), mean, sample_weight)

    def score(self, X, y, sample_weight=None, *, offset=None, exposure=None):
        """Share of the deviance that is explained, 1 - deviance / deviance of the mean of y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset, exposure : array-like of shape (n_samples,), default=None
            The mean of y is then that of one unit of exposure, times each row's.

        Returns
        -------
        score : float
            At most 1; of "normal" with identity link, R^2.
        """
        mean = self.predict(X, offset=offset, exposure=exposure)
        y = self._known(y, mean)
        if mean.ndim > 1:
            shares = np.bincount(y, sample_weight, minlength=mean.shape[1])
            null = np.tile(shares / shares.sum(), (len(y), 1))
        else:
            shift = check_offset(len(y), np.float64, self.link_.name, offset, exposure)
            scale = 1.0 if shift is None or self.link_.name != "log" else np.exp(shift)
            weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
            null = np.broadcast_to(scale * ((weights * y).sum() / (weights * scale).sum()), y.shape)
        return 1 - self._deviance(y, mean, sample_weight) / self._deviance(y, null, sample_weight)

    def _deviance(self, y, mean, sample_weight) -> float:
        return float(np.average(self.family_.deviance(y, mean), weights=sample_weight))

    def _known(self, y, mean):
        """y checked for a deviance."""
        if mean.ndim > 1:
            y = np.asarray(y)
            if not np.isin(y, self.classes_).all():
                raise ValueError("y holds classes that were not in the data of the fit")
            return np.searchsorted(self.classes_, y)
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        if y.shape != mean.shape:
            raise ValueError(f"y has shape {y.shape}, but X has {len(mean)} rows")
        return _targets(y, np.float64, self.family_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self.family in ("poisson", "gamma")
        return tags


def _family_of(name: str, power: float) -> Family:
    return Tweedie(power) if name == "tweedie" else FAMILIES[name]()


def _targets(y, dtype, family: Family) -> np.ndarray:
    y = np.ascontiguousarray(y, dtype)
    if not family.contains(y):
        raise ValueError(
            f"Some value(s) of y are out of the range of the family {family.name!r}: {family.__doc__}"
        )
    return y
