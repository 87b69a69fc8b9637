"""Logistic regression of two or more classes."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import sklearn.linear_model
from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._logistic import _LOGISTIC_SOLVER_CONVERGENCE_MSG, _check_solver
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from fastnn._callbacks import fit_told, rows_shown, stopped
from fastnn._kernels.linear import descend_rows
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._checks import check_weights
from fastnn.linear._delegate import ARRAY_API, delegate, delegate_because
from fastnn.linear._objective import (
    Objective,
    check_finite,
    readable_rows,
    run_lbfgs,
    run_newton_cg,
    run_newton_cholesky,
)
from fastnn.linear._proximal import run_proximal_newton

_Theirs = sklearn.linear_model.LogisticRegression
_SMOOTH = ("lbfgs", "newton-cg", "newton-cholesky")
_OWN = ("proximal-newton", "sgd")


class LogisticRegression(Savable, _Theirs):
    """Logistic regression; a drop-in for scikit-learn's, which it inherits from.

    P(y = c given x) = exp(w_c'x + b_c) / sum_k exp(w_k'x + b_k), or with two classes 1 / (1 + exp(-w'x - b)),
    found by minimising

        C sum of -ln P(y_i given x_i) + l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2

    whose gradient by w is a sum of (P - [y = c]) x. Parameters and attributes are scikit-learn's and mean the
    same, stopping rules included. A solver that fastnn does not serve ("liblinear", "sag", "saga") is
    scikit-learn's, with a line in the log "fastnn".

    Features need no scaling: where 20 steps of "lbfgs" did not do, and there are 1,000 rows or more, four for
    each feature, and no more than 1,000 features, it goes on in coordinates in which the objective curves
    alike in all directions. Tens of steps are left of hundreds, towards the same optimum.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet", None}, default="deprecated"
        scikit-learn's deprecated way to say what `l1_ratio` and `C` say.
    C : float, default=1.0
        Inverse strength of the penalty; ``np.inf`` for none.
    l1_ratio : float in [0, 1], default=0.0
        Share of the L1 penalty; other than 0 needs solver "proximal-newton" (or scikit-learn's "saga").
    dual : bool, default=False
        For "liblinear" alone.
    tol : float, default=1e-4
        The gradient (with L1, the violation of the optimality conditions) of the objective divided by C
        and the sum of the weights, at which to stop.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1
        For "liblinear" alone.
    class_weight : dict, "balanced" or None, default=None
    random_state : int, RandomState or None, default=None
        Of the order of rows with "sgd".
    solver : {"lbfgs", "newton-cg", "newton-cholesky", "proximal-newton", "sgd", ...}, default="lbfgs"
        "proximal-newton" takes any penalty. "sgd": the rule w <- w + rate (y - P) x after every row, in
        random order.
    max_iter : int, default=100
        Of "sgd": passes over the rows.
    verbose : int, default=0
    warm_start : bool, default=False
        Begin at the coefficients of the last fit: along a path of penalties, this saves most of the work.
    n_jobs : None
        Deprecated by scikit-learn, without effect.
    learning_rate_init : float, default=0.01
        The rate of "sgd".
    n_threads : int, default=None
        None: as many as OpenMP may use. Results do not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was.
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : ndarray of shape (1,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had them

    Raises
    ------
    ValueError
        What X, y or the weights lack; a single class; a combination of parameters that no solver serves.
    DivergenceError
        Values in X so large that the coefficients leave the range of numbers.

    References
    ----------
    Nocedal, Wright, "Numerical Optimization", 2006 (L-BFGS, truncated Newton). Yuan, Ho, Lin, "An improved
    GLMNET for L1-regularized logistic regression", JMLR 13 (2012), 1999-2030.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import LogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = LogisticRegression().fit(X, [0, 0, 1, 1])
    >>> model.predict([[-0.5], [3.0]])
    array([0, 1])
    >>> float(model.predict_proba([[0.0]])[0, 1].round(3))
    0.5
    """

    _parameter_constraints: dict = {
        **_Theirs._parameter_constraints,
        "solver": [StrOptions({*_SMOOTH, *_OWN, "liblinear", "sag", "saga"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="lbfgs",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
        learning_rate_init=0.01,
        n_threads=None,
    ):
        super().__init__(
            penalty,
            C=C,
            l1_ratio=l1_ratio,
            dual=dual,
            tol=tol,
            fit_intercept=fit_intercept,
            intercept_scaling=intercept_scaling,
            class_weight=class_weight,
            random_state=random_state,
            solver=solver,
            max_iter=max_iter,
            verbose=verbose,
            warm_start=warm_start,
            n_jobs=n_jobs,
        )
        self.learning_rate_init = learning_rate_init
        self.n_threads = n_threads

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Find the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes, of any kind that sorts.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative.

        Returns
        -------
        self : LogisticRegression
        """
        if self.solver not in (*_SMOOTH, *_OWN):
            delegate(self, "solver")
            return super().fit(X, y, sample_weight)
        if get_config()["array_api_dispatch"]:
            delegate_because(self, ARRAY_API)
            return super().fit(X, y, sample_weight)
        C, l1_ratio = self._strength()
        with features_kept_on_error(self):
            X, y, classes, labels = self._read(X, y)
            weights = self._weights(sample_weight, X, y, classes, labels)
            coef = self._start(X, len(classes))
            strength = 1.0 / (C * (X.shape[0] if weights is None else weights.sum(dtype=np.float64)))
            objective = Objective(
                X,
                *self._kind(labels, len(classes), X.dtype),
                weights,
                n_scores=1 if len(classes) == 2 else len(classes),
                fit_intercept=self.fit_intercept,
                l2=strength * (1 - l1_ratio),
                n_threads=check_n_threads(self.n_threads),
            )
            if self.solver == "lbfgs":
                with single_threaded_blas():
                    objective.begin(coef, type(self).__name__)
        shown = rows_shown(X, y, sample_weight)
        with single_threaded_blas(), fit_told(self, self.max_iter, shown) as steps:
            after = steps.for_solver(lambda now: self._attributes(now, classes, X.dtype))
            if self.solver == "sgd":
                labels = np.ascontiguousarray(labels, np.int64)
                coef, n_iter = self._descend(objective, coef, labels, after)
            else:
                coef, n_iter = self._solve(objective, coef, strength * l1_ratio, after)
            check_finite(coef, "the coefficients")
            vars(self).update(self._attributes(coef, classes, X.dtype))
            self.n_iter_ = np.array([n_iter], np.int32)
        return self

    def _read(self, X, y):
        """X and y as the solvers want them, the classes, and each row's place among them.

        L-BFGS looks for numbers that are not finite in its first pass over X: see Objective.begin.
        """
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_all_finite=self.solver != "lbfgs",
        )
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only "
                f"one class: {classes[0]!r}"
            )
        return readable_rows(X), y, classes, labels

    def set_callbacks(self, *callbacks):
        """Set scikit-learn's callbacks, which are told of each iteration and may end the fit.

        Solvers left to scikit-learn tell them of what scikit-learn's do: begin and end.

        Parameters
        ----------
        *callbacks : callback instances
            None: no longer any.

        Returns
        -------
        self : LogisticRegression
        """
        if self.solver in (*_SMOOTH, *_OWN):
            return CallbackSupportMixin.set_callbacks(self, *callbacks)
        return super().set_callbacks(*callbacks)

    # --- parameters ---------------------------------------------------------------------------------

    def _strength(self) -> tuple[float, float]:
        """C and the share of L1 that are meant; scikit-learn's warnings about how they were said."""
        C, l1_ratio = self.C, self.l1_ratio
        if l1_ratio is None and self.penalty == "deprecated":
            warnings.warn(
                "'l1_ratio=None' was deprecated in version 1.8 and will trigger an error in 1.10. Use "
                "0<=l1_ratio<=1 instead.",
                FutureWarning,
                stacklevel=4,
            )
            l1_ratio = 0.0
        if self.penalty != "deprecated":
            warnings.warn(
                "'penalty' was deprecated in version 1.8 and will be removed in 1.10. To avoid this warning, "
                "leave 'penalty' set to its default value and use 'l1_ratio' or 'C' instead.",
                FutureWarning,
                stacklevel=4,
            )
            if self.penalty == "elasticnet" and l1_ratio is None:
                raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
            if {"l2": 0, "l1": 1}.get(self.penalty, l1_ratio) != l1_ratio:
                warnings.warn(
                    f"Inconsistent values: penalty={self.penalty} with l1_ratio={l1_ratio}. penalty is "
                    "deprecated. Please use l1_ratio only.",
                    stacklevel=4,
                )
            if self.penalty is None and self.C != 1.0:
                warnings.warn("Setting penalty=None will ignore the C and l1_ratio parameters", stacklevel=4)
            C = np.inf if self.penalty is None else C
            l1_ratio = {"l2": 0.0, "l1": 1.0, None: 0.0}.get(self.penalty, l1_ratio)
        if np.inf == C:
            l1_ratio = 0.0
        penalty = "l2" if l1_ratio == 0 else "l1" if l1_ratio == 1 else "elasticnet"
        if self.n_jobs is not None:
            warnings.warn(
                "'n_jobs' has no effect since 1.8 and will be removed in 1.10. You provided "
                f"'n_jobs={self.n_jobs}', please leave it unspecified.",
                FutureWarning,
                stacklevel=4,
            )
        try:
            if self.solver != "proximal-newton" or self.dual:
                _check_solver(self.solver, penalty, self.dual)
        except ValueError as error:
            advice = "" if self.dual else " solver='proximal-newton' serves every penalty."
            raise ValueError(f"{error}{advice}") from None
        return float(C), float(l1_ratio)

    def _weights(self, sample_weight, X, y, classes, labels):
        """Of the rows, class weights included, in X's dtype; None for ones."""
        if sample_weight is None and self.class_weight is None:
            return None
        weights = check_weights(sample_weight, X)
        if self.class_weight is not None:
            by_class = compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=weights)
            by_row = by_class[labels].astype(X.dtype)
            weights = check_weights(by_row if weights is None else weights * by_row, X)
        return weights

    def _start(self, X, n_classes: int) -> np.ndarray:
        """Flat coefficients to begin with, in the order of Objective."""
        K, n = 1 if n_classes == 2 else n_classes, X.shape[1] + self.fit_intercept
        if not self.warm_start or not hasattr(self, "coef_"):
            return np.zeros(n * K)
        coef = self.coef_.toarray() if hasattr(self.coef_, "toarray") else self.coef_
        if self.fit_intercept:
            coef = np.concatenate([coef, self.intercept_[:, None]], axis=1)
        if coef.shape != (K, n):
            raise ValueError(
                f"Initialization coef is of shape {coef.shape}, expected shape {(K, n)}: the classes or "
                "features differ from those of the last fit; use warm_start=False"
            )
        return coef.T.astype(np.float64).ravel()

    def _kind(self, labels, n_classes: int, dtype):
        if n_classes == 2:
            return "logistic", labels.astype(dtype)
        return "softmax", np.ascontiguousarray(labels, np.int64)

    def _attributes(self, coef, classes, dtype) -> dict:
        """What a model with these flat coefficients predicts with."""
        K = 1 if len(classes) == 2 else len(classes)
        W = np.ascontiguousarray(coef.reshape(-1, K).T, dtype)
        return {
            "classes_": classes,
            "coef_": np.ascontiguousarray(W[:, :-1]) if self.fit_intercept else W,
            "intercept_": W[:, -1].copy() if self.fit_intercept else np.zeros(K, dtype),
        }

    # --- solving ------------------------------------------------------------------------------------

    def _solve(self, objective, coef, l1, callback):
        common = {"max_iter": self.max_iter, "tol": self.tol, "callback": callback}
        if self.solver == "lbfgs":
            iprint = [-1, 50, 1, 100, 101][np.searchsorted(np.array([0, 1, 2, 3]), self.verbose)]
            return run_lbfgs(
                objective, coef, iprint=iprint, advice=_LOGISTIC_SOLVER_CONVERGENCE_MSG, **common
            )
        if self.solver == "newton-cg":
            return run_newton_cg(objective, coef, verbose=self.verbose, **common)
        if self.solver == "newton-cholesky":
            return run_newton_cholesky(objective, coef, verbose=self.verbose, **common)
        return run_proximal_newton(objective, coef, l1, **common)

    def _descend(self, objective, coef, labels, callback):
        """Passes of the stochastic rule; (coefficients, passes)."""
        if not self.fit_intercept:
            raise ValueError("solver='sgd' needs fit_intercept=True: the rule includes the intercept")
        rng = check_random_state(self.random_state)
        # The rule's steps are those of the mean loss where weights have mean 1.
        weights = objective.weights
        if weights is not None:
            weights = (weights * (len(weights) / objective.total)).astype(weights.dtype)
        W = np.ascontiguousarray(objective.matrix(coef).T)
        before, order = objective.loss(coef), np.arange(len(labels))
        for n_iter in range(1, self.max_iter + 1):
            rng.shuffle(order)
            descend_rows(objective.X, order, labels, weights, self.learning_rate_init, objective.l2, W)
            coef = W.T.ravel()
            check_finite(coef, "the coefficients")
            value = objective.loss(coef)
            if self.verbose:
                print(f"Pass {n_iter}: objective {value:.8f}")
            if stopped(callback, coef) or abs(before - value) <= self.tol:
                return coef, n_iter
            before = value
        warnings.warn(
            f"The stochastic rule did not converge in {self.max_iter} passes: increase max_iter, or change "
            "learning_rate_init",
            ConvergenceWarning,
            stacklevel=5,
        )
        return coef, self.max_iter
