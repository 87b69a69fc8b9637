"""scikit-learn's LinearSVC, whose Crammer-Singer machine is fastnn's."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.svm import LinearSVC as _LinearSVC
from sklearn.utils.validation import validate_data

from fastnn._callbacks import fit_as, fit_told, rows_shown
from fastnn._saving import Savable
from fastnn._validation import check_n_threads, features_kept_on_error
from fastnn.linear._delegate import delegate
from fastnn.linear._dual import Problem, minimise
from fastnn.linear.svm import _REALS, chosen_rows, classes_and_costs, warn_unless_converged


class LinearSVC(Savable, CallbackSupportMixin, _LinearSVC):
    """Linear support vector classifier, drop-in for ``sklearn.svm.LinearSVC``.

    ``multi_class="crammer_singer"`` minimises scikit-learn's objective to a certified gap, which takes
    longer than scikit-learn's coordinate descent where classes are nearly separable and weights many.
    There, as in scikit-learn, penalty, loss and dual are ignored, and random_state, because nothing is
    drawn. One against the rest, the default, is scikit-learn's own fit to the last bit, with a line on the
    logger "fastnn".

    What differs: tol is the duality gap relative to the objective, max_iter counts Newton steps,
    float32 stays float32, and negative sample weights are refused (there: taken for zero).

    Parameters
    ----------
    penalty : {"l1", "l2"}, default="l2"
    loss : {"hinge", "squared_hinge"}, default="squared_hinge"
    dual : "auto" or bool, default="auto"
    tol : float, default=1e-4
    C : float, default=1.0
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
    fit_intercept : bool, default=True
        A constant feature of value intercept_scaling, its weight penalised.
    intercept_scaling : float, default=1.0
    class_weight : dict, "balanced" or None, default=None
    verbose : int, default=0
    random_state : int, RandomState instance or None, default=None
    max_iter : int, default=1000

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    See Also
    --------
    MulticlassSVM : both multiclass losses, any margin, kernels, the certificate.

    References
    ----------
    Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", JMLR
    2 (2001), 265-292.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn.linear import LinearSVC
    >>> X, y = load_iris(return_X_y=True)
    >>> bool(LinearSVC(multi_class="crammer_singer").fit(X, y).score(X, y) > 0.95)
    True
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : LinearSVC
        """
        if self.multi_class != "crammer_singer":
            delegate(self, "multi_class")
            with fit_told(self, 0, rows_shown(X, y, sample_weight)):
                return fit_as(_LinearSVC, self, X, y, sample_weight)
        with features_kept_on_error(self):
            X, y = validate_data(self, X, y, accept_sparse="csr", dtype=_REALS, order="C")
            classes, labels, costs = classes_and_costs(y, sample_weight, self.class_weight, self.C, X)
            keep, costs = chosen_rows(costs, X.dtype)
            chosen = X[keep] if issparse(X) else np.require(X[keep], X.dtype, "CA")
            bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
            labels = np.ascontiguousarray(labels[keep])
            problem = Problem(chosen, labels, costs, len(classes), False, 1.0, bias, check_n_threads(None))
            with fit_told(self, self.max_iter, rows_shown(X, y, sample_weight)) as steps:
                found = minimise(
                    problem,
                    self.tol,
                    self.max_iter,
                    after_step=lambda best: steps(lambda: self._attributes(best, classes, bias)),
                )
                vars(self).update(self._attributes(found, classes, bias))
        if self.verbose:
            print(
                f"[LinearSVC] {found.n_iter} iterations, objective {found.objective:g}, gap {found.gap:.2g}"
            )
        warn_unless_converged(found, self.tol)
        return self

    def _attributes(self, found, classes, bias: float) -> dict:
        """What a model predicts with."""
        weights = found.weights[:, : len(classes)]
        coef, intercept = np.ascontiguousarray(weights[:-1].T), bias * weights[-1]
        if len(classes) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        return {
            "classes_": classes,
            "coef_": coef,
            "intercept_": intercept if self.fit_intercept else 0.0,
            "n_iter_": found.n_iter,
        }
