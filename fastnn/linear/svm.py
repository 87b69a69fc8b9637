"""Support vector machines for several classes at once."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastnn._saving import Savable
from fastnn._validation import MAX_THREADS, check_n_threads, features_kept_on_error
from fastnn.linear._dual import Problem, minimise
from fastnn.linear.kernels import factor, gram

_REALS = (np.float64, np.float32)
_NAMED_KERNELS = ("poly", "polynomial", "rbf", "laplacian", "sigmoid", "cosine", "chi2", "additive_chi2")


def classes_and_costs(y, sample_weight, class_weight, C: float, X):
    """Classes, labels from 0, and C times the weight of each row in float64."""
    check_classification_targets(y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"the classifier needs at least 2 classes; the data contain only one class, {classes[0]!r}"
        )
    weight = np.ones(len(labels))
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if weight.min() < 0 or not weight.max() > 0:
            raise ValueError("sample_weight must not be negative, and not all of it zero")
    given = None if sample_weight is None else weight
    by_class = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=given)
    return classes, labels.astype(np.int64), C * weight * by_class[labels]


def chosen_rows(costs, dtype):
    """Rows whose loss costs something, and their costs."""
    costs = costs.astype(dtype)
    keep = costs > 0
    if not keep.any():
        raise ValueError("every row has weight zero: class_weight and sample_weight leave nothing")
    return (slice(None) if keep.all() else np.flatnonzero(keep)), costs[keep]


def warn_unless_converged(found, tol: float) -> None:
    if not found.converged:
        warnings.warn(
            f"the duality gap is {found.gap:.2g} of the objective after {found.n_iter} iterations, not "
            f"{tol:g}: raise max_iter, scale the features, or be content with it",
            ConvergenceWarning,
            stacklevel=4,
        )


class MulticlassSVM(Savable, ClassifierMixin, CallbackSupportMixin, BaseEstimator):
    """Support vector machine that scores all classes at once, linear or with a kernel.

    Scores s_j = w_j'x + b_j; a row of class y and weight r costs C r L,

        weston_watkins:  L = sum_{j != y} max(0, s_j - s_y + delta)
        crammer_singer:  L = max(0, max_{j != y} s_j - s_y + delta)

    and sum w^2 / 2 + sum b^2 / (2 intercept_scaling^2) + sum of costs is minimised until the duality gap
    certifies it to within tol. The lectures' mean L + lambda sum w^2 is this one divided by C times the
    sum of the weights, with C = 1 / (2 lambda n).

    Parameters
    ----------
    loss : {"weston_watkins", "crammer_singer"}, default="weston_watkins"
    C : float, default=1.0
        What a loss of 1 costs, as in `sklearn.svm.LinearSVC`.
    delta : float, default=1.0
        The margin by which a class must win. Scaling delta scales the optimal w if C is divided by it.
    kernel : str, callable or "precomputed", default="linear"
        "linear" works on the features themselves. Other names ("poly", "rbf", ...) are those of
        `sklearn.metrics.pairwise.pairwise_kernels`; a function of two arrays of rows returns the matrix of
        their kernels; "precomputed": X is that matrix. These matrices must be positive semidefinite, and
        n_samples^2 numbers fit into memory.
    gamma : float, "scale" or "auto", default="scale"
        Of the kernels that have one. "scale": 1 / (n_features X.var()), "auto": 1 / n_features. The
        lectures' polynomial (<x, y> + r)^m has gamma=1.
    coef0 : float, default=0.0
        r of "poly" and "sigmoid".
    degree : float, default=3
        m of "poly".
    fit_intercept : bool, default=True
        Scores have a constant term, penalised like the weight of a feature of value intercept_scaling.
    intercept_scaling : float, default=1.0
    class_weight : {"balanced"}, dict or None, default=None
        Weights of the classes, multiplied into those of the samples.
    tol : float, default=1e-4
        Duality gap relative to the objective at which to stop.
    max_iter : int, default=1000
        Newton steps at most.
    warm_start : bool, default=False
        Start from the duals of the last fit, if it had as many rows and the same classes.
    verbose : int, default=0
        1: a line per proximal step.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow. Its value does not change the result.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features)
        w, for the linear kernel alone; in the dtype of X.
    intercept_ : ndarray of shape (n_classes,)
    support_ : ndarray of int
        Rows that the solution rests on.
    dual_coef_ : ndarray of shape (n_classes, n_support)
        Their coefficients: w = dual_coef_ @ X[support_], in the space of the kernel.
    support_vectors_ : ndarray or CSR matrix of shape (n_support, n_features)
        Their features; not for the linear kernel, nor for a precomputed one.
    objective_ : float
        What was minimised.
    dual_gap_ : float
        How much less it could be, relative to it, at most.
    n_iter_ : int
        Newton steps.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    Weston, Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999,
    219-224; Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector machines",
    JMLR 2 (2001), 265-292.

    Examples
    --------
    >>> from fastnn.linear import MulticlassSVM
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> MulticlassSVM(kernel="rbf", gamma=2.0, C=10).fit(X, y).predict(X)
    array([0, 1, 1, 0])
    """

    _parameter_constraints: dict = {
        "loss": [StrOptions({"weston_watkins", "crammer_singer"})],
        "C": [Interval(Real, 0, None, closed="neither")],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "kernel": [
            StrOptions({"linear", "precomputed", *_NAMED_KERNELS}),
            callable,
        ],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "degree": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
    }

    def __init__(
        self,
        loss="weston_watkins",
        *,
        C=1.0,
        delta=1.0,
        kernel="linear",
        gamma="scale",
        coef0=0.0,
        degree=3,
        fit_intercept=True,
        intercept_scaling=1.0,
        class_weight=None,
        tol=1e-4,
        max_iter=1000,
        warm_start=False,
        verbose=0,
        n_threads=None,
    ):
        self.loss = loss
        self.C = C
        self.delta = delta
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_threads = n_threads

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Find the weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; for a precomputed kernel its matrix, (n_samples, n_samples).
        y : array-like of shape (n_samples,)
            Labels of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : MulticlassSVM

        Raises
        ------
        ValueError
            What the data or parameters lack; a kernel that is not positive semidefinite.
        """
        n_threads = check_n_threads(self.n_threads)
        shown = {"X": X, "y": y}
        with features_kept_on_error(self):
            sparse = False if self._is("precomputed") else "csr"
            X, y = validate_data(self, X, y, accept_sparse=sparse, dtype=_REALS, order="C")
            if self._is("precomputed") and X.shape[0] != X.shape[1]:
                raise ValueError(f"a precomputed kernel's matrix is square, got shape {X.shape}")
            classes, labels, costs = classes_and_costs(y, sample_weight, self.class_weight, self.C, X)
            keep, costs = chosen_rows(costs, X.dtype)
            chosen, labels = X[keep], labels[keep]
            if self._is("precomputed"):
                chosen = np.ascontiguousarray(chosen[:, keep])
            gamma = self._gamma_for(X)
            features = chosen if self._is("linear") else factor(self._kernel(chosen, None, gamma))
            bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
            problem = Problem(
                np.require(features, features.dtype, "CA") if not issparse(features) else features,
                np.ascontiguousarray(labels),
                np.ascontiguousarray(costs),
                len(classes),
                self.loss == "weston_watkins",
                float(self.delta),
                bias,
                n_threads,
            )
            found = self._minimise(problem, classes, shown)
        self.classes_ = classes
        self._publish(found, costs, keep, chosen, gamma, bias)
        warn_unless_converged(found, self.tol)
        return self

    def _minimise(self, problem: Problem, classes, shown):
        start = getattr(self, "_dual", None) if self.warm_start else None
        if start is not None:
            same = np.array_equal(classes, self.classes_) and self._start_loss == self.loss
            start = start if same and len(start) == len(problem.labels) else None
            start = None if start is None else start.astype(problem.costs.dtype)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, **shown)

        def after_step(best) -> bool:
            if self.verbose:
                print(f"Iteration {best.n_iter}, objective = {best.objective:.8g}, gap = {best.gap:.2g}")
            step = context.subcontext(task_name="proximal step")
            step.call_on_fit_task_begin(estimator=self, **shown)
            return bool(step.call_on_fit_task_end(estimator=self, **shown))

        found = minimise(problem, self.tol, self.max_iter, start, after_step)
        context.call_on_fit_task_end(estimator=self, **shown)
        return found

    def _publish(self, found, costs, keep, chosen, gamma, bias: float) -> None:
        self._dual, self._start_loss, self._gamma = found.dual, self.loss, gamma
        coefs = -costs[:, None] * found.dual[:, : len(self.classes_)]
        support = np.flatnonzero((coefs != 0).any(axis=1))
        self.support_ = support if isinstance(keep, slice) else keep[support]
        self.dual_coef_ = np.ascontiguousarray(coefs[support].T)
        self.intercept_ = bias * found.weights[-1]
        self.objective_, self.dual_gap_, self.n_iter_ = found.objective, found.gap, found.n_iter
        for name in ("coef_", "support_vectors_"):
            vars(self).pop(name, None)
        if self._is("linear"):
            self.coef_ = np.ascontiguousarray(found.weights[:-1].T)
        elif not self._is("precomputed"):
            self.support_vectors_ = chosen[support]

    def _is(self, kernel: str) -> bool:
        return isinstance(self.kernel, str) and self.kernel == kernel

    def _gamma_for(self, X) -> float:
        if self.gamma == "auto":
            return 1 / X.shape[1]
        if self.gamma != "scale":
            return float(self.gamma)
        if issparse(X):
            variance = float(X.multiply(X).mean() - X.mean() ** 2)
        else:
            variance = float(X.var(dtype=np.float64))
        return 1 / (X.shape[1] * variance) if variance > 0 else 1.0

    def _kernel(self, X, Y, gamma: float) -> np.ndarray:
        return gram(self.kernel, X, Y, gamma=gamma, coef0=self.coef0, degree=self.degree)

    def decision_function(self, X):
        """Scores of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; for a precomputed kernel its matrix with the rows of `fit`, (n_samples, n_samples of fit).

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, by how much the second leads.
        """
        check_is_fitted(self)
        sparse = False if self._is("precomputed") else "csr"
        X = validate_data(self, X, accept_sparse=sparse, dtype=_REALS, reset=False)
        if self._is("linear"):
            scores = safe_sparse_dot(X, self.coef_.T, dense_output=True)
        elif self._is("precomputed"):
            scores = X[:, self.support_] @ self.dual_coef_.T
        else:
            scores = self._kernel(X, self.support_vectors_, self._gamma) @ self.dual_coef_.T
        scores += self.intercept_
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        """The class with the highest score of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            As `decision_function` takes it.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[chosen]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self._is("precomputed")
        tags.input_tags.pairwise = self._is("precomputed")
        return tags
