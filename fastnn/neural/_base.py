"""What classifier and regressor share: parameters, fitting, scores of the output layer."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastnn._kernels.predict import predict
from fastnn._saving import Savable
from fastnn._threads import single_threaded_blas
from fastnn._validation import (
    MAX_THREADS,
    check_n_threads,
    check_parameter,
    features_kept_on_error,
    is_readable,
    random_key,
)
from fastnn.neural._training import Descent, Problem, activation_of, run_lbfgs

_REALS = (np.float64, np.float32)
_STOCHASTIC = ("sgd", "adam")


class MLP(Savable, CallbackSupportMixin, BaseEstimator):
    """Base of MLPClassifier and MLPRegressor."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"identity", "logistic", "tanh", "relu", "leaky_relu"})],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "linear"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "leaky_slope": [Interval(Real, None, 1, closed="right")],
        "scoring": [str, callable, None],
        "n_threads": [Interval(Integral, 1, MAX_THREADS, closed="both"), None],
        "initial_layers": ["array-like", None],
    }

    # --- parameters ---------------------------------------------------------------------------------

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(not isinstance(size, Integral) or size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _dropout(self, n_hidden: int) -> list[float]:
        """Of the inputs and of each hidden layer."""
        if isinstance(self.dropout, Real):
            return [0.0, *[float(self.dropout)] * n_hidden]
        shares = [float(share) for share in self.dropout]
        if len(shares) != n_hidden + 1 or not all(0 <= share < 1 for share in shares):
            raise ValueError(
                f"dropout must be a number in [0, 1), or {n_hidden + 1} of them: of the inputs and of each "
                f"hidden layer; got {self.dropout!r}"
            )
        return shares

    def _check_initial_layers(self, sizes: list[int], dtype) -> list[tuple]:
        """Given weights and biases of the first layers, as arrays of their own."""
        given = [] if self.initial_layers is None else list(self.initial_layers)
        if len(given) > len(sizes) - 1:
            raise ValueError(f"initial_layers has {len(given)} layers, but the network {len(sizes) - 1}")
        layers = []
        for number, (layer, shape) in enumerate(zip(given, pairwise(sizes), strict=False)):
            if not isinstance(layer, list | tuple) or len(layer) != 2:
                raise ValueError(f"initial_layers[{number}] must be a pair (W, b)")
            W, b = (check_parameter(f"initial_layers[{number}]", part).astype(dtype) for part in layer)
            if W.shape != shape or b.shape != shape[1:]:
                raise ValueError(
                    f"initial_layers[{number}] has shapes {W.shape} and {b.shape}, but the network's layer "
                    f"{shape} and {shape[1:]}"
                )
            layers.append((W, b))
        return layers

    def _batch_size(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_rows)
        if self.batch_size > n_rows:
            import warnings

            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=8,
            )
        return min(self.batch_size, n_rows)

    def _loss_factor(self) -> float:
        return 1.0

    def _check_solver(self) -> bool:
        if self.solver not in _STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # --- fitting ------------------------------------------------------------------------------------

    def _fit(self, X, y, sample_weight, incremental: bool, X_val=None, y_val=None):
        n_threads = check_n_threads(self.n_threads)
        hidden = self._hidden_sizes()
        self._dropout(len(hidden))
        self._check_combination(incremental, X_val, y_val)
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        shown = {"X": X, "y": y}
        with features_kept_on_error(self):
            X, y = self._checked(X, y, incremental, first)
            weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=X.dtype)
            weights = self._class_weighted(y, weights)
            if weights is not None and not ((weights >= 0).all() and weights.sum() > 0):
                raise ValueError("sample_weight must not be negative, and not all of it zero")
            problem = Problem(X, *self._encoded(y, X.dtype), weights)
            held_out = None
            if X_val is not None:
                X_val, y_val = self._checked(X_val, y_val, True, False)
                X_val = X_val.astype(X.dtype, copy=False)
                held_out = X_val, y_val, None, Problem(X_val, *self._encoded(y_val, X.dtype), None)
        rng = check_random_state(self.random_state)
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        if first:
            self._initialize(sizes, X.dtype, rng, self._check_initial_layers(sizes, X.dtype))
        elif [c.shape[0] for c in self.coefs_] != sizes[:-1]:
            raise ValueError(
                f"the fitted layers have {[c.shape[0] for c in self.coefs_]} inputs, but the parameters now "
                f"ask for {sizes[:-1]}: fit afresh with warm_start=False"
            )
        dtype = self.coefs_[0].dtype
        if dtype != X.dtype:
            problem = Problem(X.astype(dtype), *self._encoded(y, dtype), _cast(weights, dtype))
        if self.early_stopping and held_out is None:
            problem, held_out = self._split(problem, y, rng)
        self._optimise(problem, held_out, sizes, dtype, n_threads, rng, incremental, shown)
        return self

    def _optimise(self, problem, held_out, sizes, dtype, n_threads, rng, incremental, shown) -> None:
        if not incremental:
            context = self._init_callback_context(max_subtasks=self.max_iter)
            context.call_on_fit_task_begin(estimator=self, **shown)
        if self.solver == "lbfgs":
            run_lbfgs(self, problem, sizes, dtype, n_threads, shown)
        else:
            state = getattr(self, "_training_state", {}) if incremental else {}
            descent = Descent(self, problem, held_out, sizes, dtype, n_threads, state, rng)
            try:
                descent.run(self.max_iter, incremental, shown)
            finally:
                self._training_state = descent.state()
        if not incremental:
            context.call_on_fit_task_end(estimator=self, **shown)

    def _check_combination(self, incremental: bool, X_val, y_val) -> None:
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.learning_rate == "linear" and incremental:
            raise ValueError("learning_rate='linear' falls over max_iter epochs of a fit: not in partial_fit")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val come together: give both or neither")
        if self.solver == "lbfgs" and np.any(np.asarray(self.dropout) > 0):
            raise ValueError("dropout needs solver='sgd' or 'adam': lbfgs cannot follow a random loss")
        if self.activation == "leaky_relu" and self.leaky_slope < 0:
            raise ValueError("leaky_slope must not be negative: the slope is read off the sign of the value")

    def _class_weighted(self, y, weights):
        return weights

    def _split(self, problem: Problem, y, rng):
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(
            np.arange(problem.n_rows),
            random_state=rng,
            test_size=self.validation_fraction,
            stratify=self._strata(problem),
        )
        if test.size < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        held_out = problem.take(test)
        return problem.take(train), (held_out.X, y[test], held_out.row_weight, held_out)

    def _strata(self, problem: Problem):
        return None

    def _initialize(self, sizes: list[int], dtype, rng, given=()) -> None:
        """Glorot's uniform weights, as scikit-learn draws them, or given ones, and empty records."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._out_activation()
        self.coefs_, self.intercepts_ = [], []
        for fan_in, fan_out in pairwise(sizes):
            bound = np.sqrt((2.0 if self.activation == "logistic" else 6.0) / (fan_in + fan_out))
            self.coefs_.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            self.intercepts_.append(rng.uniform(-bound, bound, fan_out).astype(dtype, copy=False))
        for layer, (W, b) in enumerate(given):
            self.coefs_[layer], self.intercepts_[layer] = W, b
        self._key = random_key(np.random.RandomState(self.random_state)) if isinstance(
            self.random_state, Integral
        ) else random_key(None)  # fmt: skip
        if self.solver in _STOCHASTIC:
            self.loss_curve_, self.validation_loss_curve_ = [], []
            self._no_improvement_count = 0
            self.validation_scores_ = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None
            self.best_loss_ = None if self.early_stopping else np.inf

    def _held_out_loss(self, held_out) -> float:
        """Mean loss of the held-out rows, without the penalty."""
        from fastnn._kernels.softmax import loss_of_rows

        X, _, weights, problem = held_out
        z = self._scores(X)
        losses = np.empty(z.shape[0])
        total, _ = loss_of_rows(
            self._loss_kind(), z, None, problem.labels, problem.targets, None, weights, -1, 1.0, 0.0, 1.0,
            losses, check_n_threads(self.n_threads),
        )  # fmt: skip
        return total * self._loss_factor() / problem.weight()

    def _held_out_score(self, held_out) -> float:
        X, y, weights, _ = held_out
        if self.scoring is None:
            return self._score_rows(X, y, weights)
        if self.scoring == "loss":
            return -self._held_out_loss(held_out)
        from sklearn.metrics import check_scoring

        names = getattr(self, "feature_names_in_", None)
        if names is not None:  # rows are arrays by now
            del self.feature_names_in_
        try:
            given = {} if weights is None else {"sample_weight": weights}
            return float(check_scoring(self, scoring=self.scoring)(self, X, y, **given))
        finally:
            if names is not None:
                self.feature_names_in_ = names

    # --- using --------------------------------------------------------------------------------------

    def _scores(self, X) -> np.ndarray:
        """Values of the output layer before its activation, (n, n_outputs), for rows the loops can read."""
        dtype = self.coefs_[0].dtype
        parameters = ([np.require(p, dtype, "CA") for p in of] for of in (self.coefs_, self.intercepts_))
        with single_threaded_blas():
            z, finite = predict(
                X, *parameters, activation_of(self), float(self.leaky_slope), check_n_threads(self.n_threads)
            )
        if not finite:
            with np.errstate(over="ignore"):
                values = (X.data if issparse(X) else X).astype(dtype, copy=False)
            assert_all_finite(values, estimator_name=type(self).__name__, input_name="X")
        return z

    def _checked_scores(self, X) -> np.ndarray:
        check_is_fitted(self)
        if not is_readable(self, X):
            dtypes = [self.coefs_[0].dtype, *_REALS, np.uint8, np.int8, np.bool_]
            X = validate_data(
                self, X, accept_sparse="csr", dtype=dtypes, order="C", ensure_all_finite=False, reset=False
            )
            X = X if issparse(X) else np.require(X, X.dtype, "CA")
        return self._scores(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")


def _cast(weights, dtype):
    return None if weights is None else weights.astype(dtype)


def check_training_data(model, X, y, *, reset: bool, numeric: bool):
    """X and y through scikit-learn's checks, X as the loops read it."""
    X, y = validate_data(
        model, X, y, accept_sparse="csr", multi_output=True, y_numeric=numeric, dtype=_REALS, order="C",
        reset=reset,
    )  # fmt: skip
    if not issparse(X) and not (X.flags.c_contiguous and X.flags.aligned):
        X = np.require(X, X.dtype, "CA")
    return X, y
