"""The multi-layer perceptron for classification."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from fastnn._functional.activations import sigmoid
from fastnn._functional.softmax import log_softmax, softmax
from fastnn._kernels.softmax import activate
from fastnn._threads import n_threads_for
from fastnn.neural._labels import LABEL_LOSSES, Labelled
from fastnn.neural._truth import TruthTable


def _gives_probabilities(model) -> bool:
    if model.loss not in ("log_loss", "bernoulli"):
        raise AttributeError(f"loss={model.loss!r} has no probabilities; use predict or decision_function")
    return True


class MLPClassifier(ClassifierMixin, TruthTable, Labelled):
    """Multi-layer perceptron classifier: a drop-in for scikit-learn's, and more.

    Hidden layers a = psi(W'x + b), trained by backpropagation. The same data, parameters and int seed
    give scikit-learn's model up to rounding.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, or int, default=(100,)
        Units of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu"}, default="relu"
        Of the hidden layers.
    solver : {"lbfgs", "sgd", "adam"}, default="adam"
    alpha : float, default=0.0001
        L2 penalty alpha/2 sum w^2, divided by the weight of the batch, on weights only.
    batch_size : int or "auto", default="auto"
        "auto": min(200, n_samples).
    learning_rate : {"constant", "invscaling", "adaptive", "linear"}, default="constant"
        Schedule of "sgd": learning_rate_init; divided by t^power_t after t samples; or divided by 5
        whenever nothing has improved for n_iter_no_change epochs. "linear", of "sgd" and "adam": falling
        from epoch to epoch, to zero after max_iter.
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
    max_iter : int, default=200
        Epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Take the rows in a new order each epoch.
    random_state : int, RandomState instance or None, default=None
        An int gives the same model for any number of threads. First weights, validation rows and
        orders are those of scikit-learn for the same int.
    tol : float, default=1e-4
        What counts as an improvement.
    verbose : bool, default=False
        A line per epoch.
    warm_start : bool, default=False
        Go on from the parameters of the last fit.
    momentum : float in [0, 1], default=0.9
        Of "sgd".
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Stop when the score of the validation rows has not improved for n_iter_no_change epochs, and
        keep the best parameters.
    validation_fraction : float, default=0.1
        Rows set aside for early stopping where `fit` is not given X_val.
    beta_1, beta_2 : float in [0, 1), default=0.9 and 0.999
        Of "adam".
    epsilon : float, default=1e-8
        Of "adam".
    n_iter_no_change : int, default=10
    max_fun : int, default=15000
        Evaluations of the loss by "lbfgs".
    loss : {"log_loss", "bernoulli", "squared_error", "hinge", "crammer_singer"}, default="log_loss"
        "log_loss": cross-entropy of a softmax layer; of one sigmoid unit for two classes, of one a label
        for indicator matrices. "bernoulli": independent sigmoid units. "squared_error" on 0 and 1.
        "hinge", "crammer_singer": multiclass margins. The last three give no probabilities.
    class_weight : {"balanced"}, dict or None, default=None
        Weights of the classes, multiplied into those of the samples.
    dropout : float in [0, 1) or sequence of them, default=0.0
        Share of the units silenced at each step: of all hidden layers, or, as a sequence, of the
        inputs and of each hidden layer.
    leaky_slope : float in [0, 1], default=0.01
        Of "leaky_relu" below zero.
    scoring : str, callable or None, default=None
        What early_stopping watches: None for `score`, "loss" for the loss itself, else any scorer of
        scikit-learn.
    n_threads : int, default=None
        None: what OpenMP and threadpoolctl allow.
    initial_layers : list of (W, b), default=None
        Weights (n_in, n_out) and biases (n_out,) that the first layers start from, such as those that a
        deep belief network learned. None: all layers are drawn.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coefs_, intercepts_ : lists of ndarray
        Weights (n_in, n_out) and biases (n_out,) of each layer.
    loss_, best_loss_ : float
        Of the last epoch; the lowest (None with early_stopping).
    loss_curve_, validation_loss_curve_, validation_scores_ : list of float
        Mean loss of the epochs with its penalty; loss of the validation rows without it; their scores.
    best_validation_score_ : float
    n_iter_, t_ : int
        Epochs of the last fit; samples seen.
    n_layers_, n_outputs_ : int
    out_activation_ : str
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 323 (1986);
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015; Srivastava et al., "Dropout: a
    simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastnn import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier((50,), max_iter=20, n_iter_no_change=20, random_state=0).fit(X / 16, y)
    >>> bool(model.score(X / 16, y) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        **Labelled._parameter_constraints,
        "loss": [StrOptions({"log_loss", "bernoulli", "squared_error", *LABEL_LOSSES})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        loss="log_loss",
        class_weight=None,
        dropout=0.0,
        leaky_slope=0.01,
        scoring=None,
        n_threads=None,
        initial_layers=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight
        self.dropout = dropout
        self.leaky_slope = leaky_slope
        self.scoring = scoring
        self.n_threads = n_threads
        self.initial_layers = initial_layers

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels; an indicator matrix for several labels a sample.
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : array-like, default=None
            Rows that training does not see: `validation_loss_curve_` follows them, and early_stopping
            takes them instead of setting some aside.

        Returns
        -------
        self : MLPClassifier

        Raises
        ------
        ValueError
            What the data or parameters lack; or training diverged, and the parameters from before that
            epoch are kept.
        """
        return self._fit(X, y, sample_weight, False, X_val, y_val)

    @available_if(lambda model: model._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """One epoch over these rows, from where the parameters are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes there will be; needed at the first call, unless y is an indicator matrix.

        Returns
        -------
        self : MLPClassifier
        """
        if isinstance(self.class_weight, str):
            raise ValueError("class_weight='balanced' needs all of y: give the weights as a dict")
        several = type_of_target(y).startswith("multilabel")
        if several and classes is None and not hasattr(self, "classes_"):
            classes = np.arange(np.shape(y)[1])
        if _check_partial_fit_first_call(self, classes):
            self._set_classes(y if several else classes)
        return self._fit(X, y, sample_weight, True)

    # --- using ----------------------------------------------------------------------------------

    def predict(self, X):
        """The most probable class of each row; every label with a probability above 1/2 for several labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._labels(self._checked_scores(X))

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        z = self._checked_scores(X)
        if self.out_activation_ == "softmax":
            return softmax(z, out=z)
        p = sigmoid(z, out=z)
        if self.n_outputs_ == 1:
            return np.hstack([1 - p, p])
        return p if self._several_labels() else p / p.sum(axis=1, keepdims=True)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of the probabilities; exact for those that are too small for a number of their own.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        z = self._checked_scores(X)
        if self.out_activation_ == "softmax":
            return log_softmax(z, out=z)
        if self.loss == "bernoulli" and not self._several_labels() and self.n_outputs_ > 1:
            return np.log(self.predict_proba(X))
        both = np.hstack([z, -z]) if self.n_outputs_ == 1 else -z
        return -activate("softplus", False, 0.0, both, both, n_threads_for())

    def decision_function(self, X):
        """Scores of the output layer before its activation.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,) for a single output, else (n_samples, n_outputs)
        """
        z = self._checked_scores(X)
        if self.n_outputs_ == 2 and not self._several_labels():
            return z[:, 1] - z[:, 0]
        return z.ravel() if self.n_outputs_ == 1 else z

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
