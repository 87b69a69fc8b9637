"""Classification by a restricted Boltzmann machine of inputs and labels together."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, hstack, issparse
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._saving import Savable
from fastnn.energy.rbm import RBM
from fastnn.energy.units import Potts

# Rows classified at a time: one copy of them for each class.
_ROWS = 2048


class RBMClassifier(Savable, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """RBM over inputs and their label, the label as one group of softmax units [1]_.

    P(y | x) is exact: softmax over classes k of d_k + sum_j softplus(b_j + x.W_j + U_jk), that is of the
    negative free energies of x with each label.

    Parameters
    ----------
    rbm : RBM, default=None
        How to learn: an unfitted model with bernoulli visible units, whose units the label is added to.
        None: ``RBM()``.
    verbose : int, default=0
        1: a line per epoch of the machine; 0: as `rbm` says.
    random_state : int, RandomState instance or None, default=None
        The machine's seed is drawn from it; an int gives the same model for any number of threads. None: as
        `rbm` says.

    Attributes
    ----------
    rbm_ : RBM
        The model of (x, y): its last ``len(classes_)`` visible units are the label. Clamp them to draw
        inputs of a class.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    .. [1] Larochelle, Bengio, "Classification using discriminative restricted Boltzmann machines", ICML
       2008, 536-543, section 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import RBM
    >>> from fastnn.energy import RBMClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = RBMClassifier(RBM(50, n_iter=60, batch_size=20, random_state=0)).fit(X[:1500] > 7, y[:1500])
    >>> model.score(X[1500:] > 7, y[1500:]) > 0.7
    True
    """

    _parameter_constraints: dict = {
        "rbm": [RBM, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(self, rbm=None, *, verbose=0, random_state=None):
        self.rbm = rbm
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Learn the distribution of inputs and labels together.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            States of bernoulli units, or values between them.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : RBMClassifier

        Raises
        ------
        ValueError
            What the data or parameters lack: values outside [0, 1], a single class, machines of other units.
        DivergenceError
            Training diverged.
        KeyboardInterrupt
            After Ctrl-C.
        """
        rbm = self._machine()
        if rbm._units()[0] != "bernoulli":
            raise ValueError(f"rbm must have bernoulli visible units, got {rbm.visible!r}")
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float32, np.float64, np.uint8, np.bool_]
        )
        check_classification_targets(y)
        from sklearn.preprocessing import LabelEncoder  # takes longer to import than fastnn's own modules

        labels = LabelEncoder().fit(y)
        if len(labels.classes_) < 2:
            raise ValueError("y holds one class, but a classifier needs two or more")
        groups = [1] * X.shape[1] + [len(labels.classes_)]
        rbm.set_params(visible=Potts(tuple(groups)))
        self._learn(rbm, X, y, labels)
        return self

    def _machine(self) -> RBM:
        """What is to learn, unfitted."""
        rbm = RBM() if self.rbm is None else clone(self.rbm)
        if self.verbose:
            rbm.set_params(verbose=self.verbose)
        if self.random_state is not None:
            rbm.set_params(random_state=int(check_random_state(self.random_state).randint(2**31)))
        return rbm

    def _learn(self, rbm: RBM, X, y, labels) -> None:
        """Fit the machine of rows and labels; callbacks are told of it, and its own epochs below it."""
        shown = {"X": X, "y": y}
        context = self._init_callback_context(max_subtasks=1)
        context.call_on_fit_task_begin(estimator=self, **shown)
        step = context.subcontext(task_name="machine")
        joined = _joined(X, np.eye(len(labels.classes_))[labels.transform(y)])
        with step.propagate_callback_context(rbm):
            step.call_on_fit_task_begin(estimator=self, **shown)
            self.rbm_ = rbm.fit(joined)
            self.classes_ = labels.classes_
            step.call_on_fit_task_end(estimator=self, **shown)
        context.call_on_fit_task_end(estimator=self, **shown)

    def _joint(self, X) -> np.ndarray:
        """-F(x, y) for every class y, (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse="csr", reset=False, dtype=[np.float32, np.float64, np.uint8, np.bool_]
        )
        out = np.empty((X.shape[0], len(self.classes_)))
        for rows in gen_batches(X.shape[0], _ROWS):
            for k, label in enumerate(np.eye(len(self.classes_))):
                given = np.broadcast_to(label, (rows.stop - rows.start, label.size))
                out[rows, k] = -self.rbm_.free_energy(_joined(X[rows], given))
        return out

    def predict_log_proba(self, X):
        """ln P(y | x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        return log_softmax(self._joint(X), axis=1)

    def predict_proba(self, X):
        """P(y | x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """The most probable class of every row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        scores = self._joint(X)
        return self.classes_[scores.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _joined(X, labels: np.ndarray):
    """Inputs and one-hot labels side by side; booleans stay booleans."""
    labels = labels.astype(X.dtype)
    if issparse(X):
        return csr_array(hstack([X, csr_array(labels)], format="csr"))
    return np.hstack([X, labels])
