"""The multi-layer perceptron for regression."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from fastnn.neural._base import MLP, check_training_data


class MLPRegressor(RegressorMixin, MLP):
    """Multi-layer perceptron regressor: a drop-in for scikit-learn's, and more.

    Hidden layers a = psi(W'x + b), trained by backpropagation. The same data, parameters and int seed
    give scikit-learn's model up to rounding.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error, or half the Poisson deviance with an exponential output.
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
    >>> import numpy as np
    >>> from fastnn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(30,), activation="tanh", solver="lbfgs", random_state=0)
    >>> bool(model.fit(X, np.sin(3 * X[:, 0])).score(X, np.sin(3 * X[:, 0])) > 0.99)
    True
    """

    _parameter_constraints: dict = {
        **MLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss="squared_error",
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
        dropout=0.0,
        leaky_slope=0.01,
        scoring=None,
        n_threads=None,
        initial_layers=None,
    ):
        self.loss = loss
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
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : array-like, default=None
            Rows that training does not see: `validation_loss_curve_` follows them, and early_stopping
            takes them instead of setting some aside.

        Returns
        -------
        self : MLPRegressor

        Raises
        ------
        ValueError
            What the data or parameters lack; or training diverged, and the parameters from before that
            epoch are kept.
        """
        return self._fit(X, y, sample_weight, False, X_val, y_val)

    @available_if(lambda model: model._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """One epoch over these rows, from where the parameters are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : MLPRegressor
        """
        return self._fit(X, y, sample_weight, True)

    def _checked(self, X, y, incremental: bool, reset: bool):
        X, y = check_training_data(self, X, y, reset=reset, numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if not reset and n_outputs != self.n_outputs_:
            raise ValueError(f"y has {n_outputs} outputs, but the model was fitted with {self.n_outputs_}")
        if self.loss == "poisson" and not (y >= 0).all():
            raise ValueError("loss='poisson' needs y >= 0")
        self.n_outputs_ = n_outputs
        return X, y

    def _loss_kind(self) -> str:
        return self.loss

    def _loss_factor(self) -> float:
        return 1.0 / self.n_outputs_ if self.loss == "squared_error" else 1.0

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _encoded(self, y, dtype):
        return None, np.require(y.reshape(y.shape[0], -1), dtype, "CA")

    def _predictions(self, z):
        if self.out_activation_ == "exp":
            z = np.exp(z, out=z)
        return z.ravel() if z.shape[1] == 1 else z

    def _score_rows(self, X, y, weights) -> float:
        from sklearn.metrics import r2_score

        return r2_score(y, self._predictions(self._scores(X)), sample_weight=weights)

    def predict(self, X):
        """The values that the network gives.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._predictions(self._checked_scores(X))
