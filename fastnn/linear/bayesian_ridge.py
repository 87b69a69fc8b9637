"""scikit-learn's Bayesian ridge regression in the space of features."""

from __future__ import annotations

from functools import partial
from numbers import Integral

import numpy as np
import sklearn.linear_model
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from fastnn._callbacks import fit_as, fit_told, rows_shown
from fastnn._saving import Savable
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._checks import check_weights
from fastnn.linear._delegate import delegate_because
from fastnn.linear._moments import Moments, Ridge, decompose, decompose_rows
from fastnn.linear._objective import readable_rows

_Theirs = sklearn.linear_model.BayesianRidge

# Squares keep half the digits: what is below these shares of the whole has too few of them.
_LEAST_REST = 1e-8
_LEAST_CURVATURE = 1e-9


class BayesianRidge(Savable, CallbackSupportMixin, _Theirs):
    """Bayesian ridge regression; a drop-in for scikit-learn's, which it inherits from.

    y = x'w + b + noise of precision alpha, w of precision lambda, both precisions with gamma priors and
    found by MacKay's rules. The rows are read once: everything else happens on X'X (on XX' where there are
    fewer rows than features), diagonalised once. Where y is predicted almost without residual, or columns
    are nearly collinear under a weak prior, squares keep too few digits, and scikit-learn's singular values
    do the work, with a line on the logger "fastnn".

    Parameters
    ----------
    max_iter : int, default=300
    tol : float, default=1e-3
        Change of the coefficients (sum of absolute values) at which to stop.
    alpha_1, alpha_2, lambda_1, lambda_2 : float, default=1e-6
        Shapes and rates of the gamma priors.
    alpha_init, lambda_init : float, default=None
        Precisions to begin with; None: 1/Var(y) and 1.
    compute_score : bool, default=False
    fit_intercept : bool, default=True
    copy_X : bool, default=True
        X is never written to.
    verbose : bool, default=False
    n_threads : int, default=None
        None: as many as OpenMP may use. Results do not depend on it.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_, alpha_, lambda_ : float
    sigma_ : ndarray of shape (n_features, n_features)
        Covariance of the coefficients.
    scores_ : ndarray of shape (n_iter_ + 1,), if compute_score
        Log marginal likelihoods.
    n_iter_ : int
    X_offset_, X_scale_ : ndarray of shape (n_features,)
    n_features_in_ : int

    Raises
    ------
    ValueError
        What X, y or the weights lack.

    References
    ----------
    MacKay, "Bayesian interpolation", Neural Computation 4 (1992), 415-447. Tipping, "Sparse Bayesian learning
    and the relevance vector machine", JMLR 1 (2001), 211-244.

    Examples
    --------
    >>> from fastnn import BayesianRidge
    >>> model = BayesianRidge().fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> model.predict([[1, 1]]).round(6)
    array([1.])
    """

    _parameter_constraints: dict = {
        **_Theirs._parameter_constraints,
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        *,
        max_iter=300,
        tol=1.0e-3,
        alpha_1=1.0e-6,
        alpha_2=1.0e-6,
        lambda_1=1.0e-6,
        lambda_2=1.0e-6,
        alpha_init=None,
        lambda_init=None,
        compute_score=False,
        fit_intercept=True,
        copy_X=True,
        verbose=False,
        n_threads=None,
    ):
        super().__init__(
            max_iter=max_iter,
            tol=tol,
            alpha_1=alpha_1,
            alpha_2=alpha_2,
            lambda_1=lambda_1,
            lambda_2=lambda_2,
            alpha_init=alpha_init,
            lambda_init=lambda_init,
            compute_score=compute_score,
            fit_intercept=fit_intercept,
            copy_X=copy_X,
            verbose=verbose,
        )
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Find the posterior.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : BayesianRidge
        """
        given = X, y
        with features_kept_on_error(self):
            # Values that are not finite show in the moments: a pass over X the less.
            X, y = validate_data(
                self, X, y, dtype=[np.float64, np.float32], order="C", y_numeric=True, ensure_all_finite=False
            )
            X, y = readable_rows(X), np.ascontiguousarray(y, X.dtype)
            weights = check_weights(sample_weight, X)
            n, d = X.shape
            if n < d:
                assert_all_finite(X, input_name="X")
                x_mean, y_mean, values, V, xy, yy = decompose_rows(X, y, weights, self.fit_intercept)
                total = float(n if weights is None else weights.sum(dtype=np.float64))
            else:
                moments = Moments.of(X, y, weights, check_n_threads(self.n_threads))
                x_mean, y_mean, S, xy, yy = moments.centred(self.fit_intercept)
                values, V = decompose(S)
                total = moments.total
        spread = yy / total
        if not self.fit_intercept:  # about the mean all the same, as scikit-learn's
            spread = float(np.average((y - np.average(y, weights=weights)) ** 2, weights=weights))
        shown = rows_shown(X, y, sample_weight)
        with fit_told(self, self.max_iter, shown) as steps:
            publish = partial(self._attributes, X.dtype, x_mean, y_mean, values, V)
            found = self._iterate(n, total, values, V, xy, yy, spread, steps, publish)
            if found is None:
                why = "sums of squares keep too few digits of nearly perfect fits or features"
                delegate_because(self, why)
                return fit_as(_Theirs, self, *given, sample_weight)
            vars(self).update(publish(*found))
        return self

    def _iterate(self, n: int, total: float, s, V, xy, yy: float, spread: float, steps, publish):
        """MacKay's rules: (noise's precision, weights', mean), or None where squares hold too few digits.

        publish(precision, precision, mean): the attributes of a model that stops there, for callbacks.
        """
        d, ridge = V.shape[0], Ridge.of(s, V, xy, yy)
        alpha = (
            1.0 / (spread + np.finfo(np.float64).eps) if self.alpha_init is None else float(self.alpha_init)
        )
        weight = 1.0 if self.lambda_init is None else float(self.lambda_init)
        greatest, least = s.max(initial=0.0), s[s > 0].min(initial=np.inf)
        if 0 < ridge.rest < _LEAST_REST * yy:
            return None
        all_s = np.append(s, np.zeros(max(min(n, d) - len(s), 0)))
        scores, before = [], None

        def stopped_at(alpha, weight):
            return publish(alpha, weight, V @ ridge.at(weight / alpha)[0])

        for n_iter in range(1, self.max_iter + 1):
            along, residual = ridge.at(weight / alpha)
            if max(weight / alpha, least) < _LEAST_CURVATURE * greatest:
                return None
            coef = V @ along
            if self.compute_score:
                scores.append(
                    self._log_marginal_likelihood(n, d, total, all_s, alpha, weight, coef, residual)
                )
            gamma = float(np.sum(alpha * s / (weight + alpha * s)))
            weight = (gamma + 2 * self.lambda_1) / (float(along @ along) + 2 * self.lambda_2)
            alpha = (total - gamma + 2 * self.alpha_1) / (residual + 2 * self.alpha_2)
            stop = steps(partial(stopped_at, alpha, weight))
            if before is not None and np.abs(before - coef).sum() < self.tol:
                if self.verbose:
                    print("Convergence after ", str(n_iter - 1), " iterations")
                break
            if stop:
                break
            before = coef
        along, residual = ridge.at(weight / alpha)
        coef_at_end = V @ along
        if self.compute_score:
            scores.append(self._log_marginal_likelihood(n, d, total, all_s, alpha, weight, coef, residual))
            scores = np.array(scores)
        self.scores_, self.n_iter_ = scores, n_iter
        return alpha, weight, coef_at_end

    def _attributes(self, dtype, x_mean, y_mean, s, V, alpha: float, weight: float, coef) -> dict:
        """The posterior of weights whose precision is alpha x'x + weight."""
        d = len(coef)
        if len(s) < d:  # directions that no row has keep the prior's variance
            shrink = 1 / weight - 1 / (alpha * s + weight)
            sigma = np.eye(d) / weight - (V * shrink) @ V.T
        else:
            sigma = (V / (alpha * s + weight)) @ V.T
        return {
            "alpha_": dtype.type(alpha),
            "lambda_": dtype.type(weight),
            "coef_": coef.astype(dtype),
            "sigma_": sigma.astype(dtype),
            "X_offset_": x_mean.astype(dtype),
            "X_scale_": np.ones(d, dtype),
            "intercept_": dtype.type(y_mean - x_mean @ coef) if self.fit_intercept else 0.0,
        }
