"""Bayesian linear regression with its whole posterior."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._callbacks import fit_told, rows_shown
from fastnn._saving import Savable
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._checks import check_weights
from fastnn.linear._evidence import State, choose_variances, log_prior
from fastnn.linear._moments import Moments, Ridge, decompose, decompose_rows
from fastnn.linear._objective import readable_rows

_REALS = [np.float64, np.float32]
_PRIORS = ("alpha_1", "alpha_2", "lambda_1", "lambda_2")


class BayesianLinearRegression(Savable, CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Linear regression on any basis, with its posterior in closed form.

    y = w'phi(x) + b + noise, noise ~ N(0, s^2), prior w ~ N(0, t^2 I), b flat. With rows Phi, centred if
    there is an intercept,

        A = Phi'Phi / s^2 + I / t^2,   posterior w ~ N(A^-1 Phi'y / s^2, A^-1)

    whose mean minimises the squared error + (s^2/t^2) |w|^2, and the predictive distribution at x is
    N(mean, phi'A^-1 phi + s^2 (+ s^2/n of the intercept)). Variances that are not given are those of greatest
    evidence, the density of y with w integrated out, times gamma priors of the precisions if there are any.
    Only moments are kept of the rows, so that partial_fit() is exact: it gives what one fit to all gives.

    It is `BayesianRidge` with more: parameters and attributes of the same name mean the same, but for an
    intercept, which is here integrated out, so that one row fewer counts for the noise.

    Parameters
    ----------
    phi : callable or transformer, default=None
        Basis: X -> rows (n_samples, n_basis). A transformer is fitted to the first rows. None: X itself.
    noise_variance : float, default=None
        s^2; None: of greatest evidence.
    weight_variance : float, default=None
        t^2; None: of greatest evidence.
    fit_intercept : bool, default=True
        False, with 1 among the functions of the basis, has the prior speak of the intercept, too.
    max_iter : int, default=1000
        Steps of MacKay's rules.
    tol : float, default=1e-8
        Relative change of the variances at which to stop.
    alpha_1, alpha_2, lambda_1, lambda_2 : float, default=0.0
        Shapes and rates of the gamma priors of the precisions 1/s^2 and 1/t^2, where these are chosen;
        0: none. BayesianRidge's are 1e-6.
    alpha_init, lambda_init : float, default=None
        Precisions 1/s^2 and 1/t^2 to begin with, where these are chosen; None: from the variance of y.
    compute_score : bool, default=False
        Keep `scores_`.
    copy_X : bool, default=True
        As in BayesianRidge; X is never written to, whatever it says.
    verbose : int, default=0
        1: a line per step.
    n_threads : int, default=None
        None: as many as OpenMP may use. Results do not depend on it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_basis,)
        Mean of the posterior, which is also its mode.
    intercept_ : float
    noise_variance_, weight_variance_ : float
    evidence_ : float
        ln p(y) at these variances, the intercept integrated out under a density of 1.
    alpha_, lambda_ : float
        The precisions 1/s^2 and 1/t^2.
    sigma_ : ndarray of shape (n_basis, n_basis)
        Covariance of the coefficients, as `posterior_covariance` gives it.
    scores_ : ndarray of shape (n_iter_ + 1,), or None
        ln p(y) plus ln of the gamma priors (but for a constant), before the first step and after each; None
        unless compute_score.
    n_iter_ : int
    n_samples_seen_ : int
    phi_ : fitted transformer, if phi is one
    n_features_in_ : int

    Raises
    ------
    ValueError
        What X, y or the weights lack; a basis that does not give one row of numbers for each of X.

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, sections 3.3 and 3.5. MacKay, "Bayesian
    interpolation", Neural Computation 4 (1992), 415-447. Tipping, "Sparse Bayesian learning and the relevance
    vector machine", JMLR 1 (2001), 211-244.

    Examples
    --------
    Three rows, s^2 = 1, t^2 = 1/2: A = 1 + 4 + 9 + 2 = 16, Phi'y = 14.

    >>> from fastnn import BayesianLinearRegression
    >>> model = BayesianLinearRegression(noise_variance=1, weight_variance=0.5, fit_intercept=False)
    >>> model = model.fit([[1], [2], [3]], [1, 2, 3])
    >>> model.coef_
    array([0.875])
    >>> mean, std = model.predict([[4]], return_std=True)
    >>> mean, std**2
    (array([3.5]), array([2.]))
    """

    _parameter_constraints: dict = {
        "phi": [callable, HasMethods(["fit", "transform"]), None],
        "noise_variance": [Interval(Real, 0, None, closed="neither"), None],
        "weight_variance": [Interval(Real, 0, None, closed="neither"), None],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        **{name: [Interval(Real, 0, None, closed="left")] for name in _PRIORS},
        "alpha_init": [Interval(Real, 0, None, closed="neither"), None],
        "lambda_init": [Interval(Real, 0, None, closed="neither"), None],
        "compute_score": ["boolean"],
        "copy_X": ["boolean"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        phi=None,
        *,
        noise_variance=None,
        weight_variance=None,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-8,
        alpha_1=0.0,
        alpha_2=0.0,
        lambda_1=0.0,
        lambda_2=0.0,
        alpha_init=None,
        lambda_init=None,
        compute_score=False,
        copy_X=True,
        verbose=0,
        n_threads=None,
    ):
        self.phi = phi
        self.noise_variance = noise_variance
        self.weight_variance = weight_variance
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.alpha_1 = alpha_1
        self.alpha_2 = alpha_2
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.alpha_init = alpha_init
        self.lambda_init = lambda_init
        self.compute_score = compute_score
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_threads = n_threads

    # --- fitting ------------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Find the posterior.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            How many times each row counts.

        Returns
        -------
        self : BayesianLinearRegression
        """
        with fit_told(self, self.max_iter, rows_shown(X, y, sample_weight)) as steps:
            return self._fit(X, y, sample_weight, True, steps)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Take in more rows: the posterior of all rows so far, exactly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : BayesianLinearRegression
        """
        return self._fit(X, y, sample_weight, first=not hasattr(self, "coef_"))

    def _fit(self, X, y, sample_weight, first: bool, steps=None):
        with features_kept_on_error(self):
            X, y = validate_data(self, X, y, dtype=_REALS, y_numeric=True, reset=first)
            rows = self._basis(X, fit=first)
            if not first and rows.shape[1] != len(self.coef_):
                raise ValueError(
                    f"the basis gives {rows.shape[1]} columns, of the first rows {len(self.coef_)}"
                )
            y = np.ascontiguousarray(y, rows.dtype)
            weights = check_weights(sample_weight, rows)
            # Fewer rows than columns, and all of them here: their own Gram matrix is the smaller one.
            if first and len(rows) < rows.shape[1]:
                x_mean, y_mean, s, V, xy, yy = decompose_rows(rows, y, weights, self.fit_intercept)
                self._moments, self._late = None, (rows, y, weights)
                total, n = float(len(y)), len(y)
                if weights is not None:
                    total, n = float(weights.sum(dtype=np.float64)), int(np.count_nonzero(weights))
            else:
                self._gather(rows, y, weights, first)
                moments = Moments(*self._moments)
                x_mean, y_mean, S, xy, yy = moments.centred(self.fit_intercept)
                s, V = decompose(S)
                total, n = moments.total, moments.n_rows
        publish = partial(self._attributes, rows.dtype, total, x_mean, y_mean, s, V)
        after_step, scores = self._follow(s, total, steps, publish)
        self.n_iter_, state = choose_variances(self, total, Ridge.of(s, V, xy, yy), yy, after_step)
        vars(self).update(publish(state))
        self.scores_ = np.array(scores) if self.compute_score else None
        self.n_samples_seen_ = n
        return self

    def _gather(self, rows, y, weights, first: bool) -> None:
        """Add the rows to the moments."""
        n_threads = check_n_threads(self.n_threads)
        before = None
        if not first:
            late = self._moments is None
            before = Moments.of(*self._late, n_threads) if late else Moments(*self._moments)
        moments = Moments.of(rows, y, weights, n_threads, like=before)
        moments = moments if before is None else before + moments
        self._moments, self._late = (moments.sums, moments.shift, moments.y_shift, moments.n_rows), None

    def _basis(self, X, fit: bool) -> np.ndarray:
        """Rows of the basis; ValueError for what are no such rows."""
        if self.phi is None:
            return readable_rows(X)
        if hasattr(self.phi, "transform"):
            if fit:
                self.phi_ = clone(self.phi).fit(X)
            rows = self.phi_.transform(X)
        else:
            rows = self.phi(X)
        rows = check_array(rows, dtype=_REALS, order="C", input_name="phi(X)")
        if len(rows) != len(X):
            raise ValueError(f"phi gives {len(rows)} rows for {len(X)} of X")
        return readable_rows(rows)

    def _follow(self, s, total: float, steps, publish):
        """What is told of each state of the variances, and the list of scores that it fills."""
        scores: list[float] = []

        def after_step(state: State) -> bool:
            evidence = state.log_evidence(s, total, bool(self.fit_intercept))
            scores.append(evidence + log_prior(self, state))
            if len(scores) == 1:  # where the steps begin
                return False
            if self.verbose:
                print(
                    f"[BayesianLinearRegression] Step {len(scores) - 1}, noise variance {state.noise:.6g}, "
                    f"weight variance {state.spread:.6g}, log evidence {evidence:.8g}"
                )
            return steps is not None and steps(partial(publish, state))

        return after_step, scores

    def _attributes(self, dtype, total: float, x_mean, y_mean, s, V, state: State) -> dict:
        """The posterior given the variances; V: eigenvectors of x'x in columns."""
        coef = (V @ state.along).astype(dtype)
        return {
            "noise_variance_": float(state.noise),
            "weight_variance_": float(state.spread),
            "coef_": coef,
            "intercept_": dtype.type(y_mean - x_mean @ coef) if self.fit_intercept else 0.0,
            "evidence_": state.log_evidence(s, total, bool(self.fit_intercept)),
            "_values": s,
            "_vectors": V,
            "_x_mean": x_mean,
            "_total": total,
        }

    alpha_ = property(lambda self: 1.0 / self.noise_variance_, doc="Precision of the noise.")
    lambda_ = property(lambda self: 1.0 / self.weight_variance_, doc="Precision of the weights.")
    sigma_ = property(lambda self: self.posterior_covariance(), doc="Covariance, made at each access.")

    # --- using --------------------------------------------------------------------------------------

    def _checked_basis(self, X) -> np.ndarray:
        check_is_fitted(self)
        return self._basis(validate_data(self, X, dtype=_REALS, reset=False), fit=False)

    def _roots(self, rows) -> list[np.ndarray]:
        """Matrices whose products with their own transposes add up to the covariance of rows' means."""
        centred = rows - self._x_mean
        along = centred @ self._vectors
        noise, spread = self.noise_variance_, self.weight_variance_
        roots = [along * np.sqrt(noise / (self._values + noise / spread))]
        if self._vectors.shape[1] < len(self.coef_):  # directions that no row had
            roots.append((centred - along @ self._vectors.T) * np.sqrt(spread))
        if self.fit_intercept:
            roots.append(np.full((len(rows), 1), np.sqrt(noise / self._total)))
        return roots

    def predict(self, X, return_std=False, return_cov=False):
        """Mean of the predictive distribution, and how far it is from certain, noise included.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        return_std : bool, default=False
        return_cov : bool, default=False
            At most one of the two.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
        std : ndarray of shape (n_samples,), if return_std
        cov : ndarray of shape (n_samples, n_samples), if return_cov
        """
        if return_std and return_cov:
            raise ValueError(
                "return_std and return_cov exclude each other: the covariance holds the variances"
            )
        rows = self._checked_basis(X)
        mean = rows @ self.coef_ + self.intercept_
        if return_std:
            variance = sum((root**2).sum(axis=1) for root in self._roots(rows)) + self.noise_variance_
            return mean, np.sqrt(variance).astype(mean.dtype)
        if return_cov:
            cov = sum(root @ root.T for root in self._roots(rows))
            cov[np.diag_indices(len(rows))] += self.noise_variance_
            return mean, cov.astype(mean.dtype)
        return mean

    def posterior_covariance(self):
        """Covariance of the coefficients, A^-1.

        Returns
        -------
        cov : ndarray of shape (n_basis, n_basis)
        """
        check_is_fitted(self)
        noise, spread = self.noise_variance_, self.weight_variance_
        shrink = spread - noise / (self._values + noise / spread)
        return spread * np.eye(len(self.coef_)) - (self._vectors * shrink) @ self._vectors.T

    def sample_posterior(self, n_draws=1, random_state=None):
        """Draw models from the posterior.

        Parameters
        ----------
        n_draws : int, default=1
        random_state : int, RandomState or None, default=None

        Returns
        -------
        coef : ndarray of shape (n_draws, n_basis)
        intercept : ndarray of shape (n_draws,)
            Zeros if there is none.
        """
        check_is_fitted(self)
        if n_draws < 1:
            raise ValueError(f"n_draws must be at least 1, got {n_draws}")
        rng = check_random_state(random_state)
        noise, spread, d = self.noise_variance_, self.weight_variance_, len(self.coef_)
        free = rng.standard_normal((n_draws, d))
        along = free @ self._vectors
        scale = np.sqrt(noise / (self._values + noise / spread))
        coef = self.coef_ + (along * scale) @ self._vectors.T
        if self._vectors.shape[1] < d:
            coef += np.sqrt(spread) * (free - along @ self._vectors.T)
        if not self.fit_intercept:
            return coef, np.zeros(n_draws)
        # At the mean of the rows the intercept is independent of the coefficients.
        centre = rng.standard_normal(n_draws) * np.sqrt(noise / self._total)
        return coef, self.intercept_ + centre - (coef - self.coef_) @ self._x_mean

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")
