"""Bad input to the networks: each a named exception, and a fitted model is left as it was."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from fastnn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BOTH = pytest.mark.parametrize("Model", [MLPClassifier, MLPRegressor])
X = np.random.default_rng(0).normal(size=(40, 5))
Y = np.arange(40) % 3
NAN, INF = X.copy(), X.copy()
NAN[3, 1], INF[3, 1] = np.nan, np.inf


def fitted(Model, **params):
    return Model(hidden_layer_sizes=(6,), max_iter=2, random_state=0, **params).fit(X, Y)


CASES = {
    "NaN": (lambda m: m.fit(NAN, Y), ValueError, "NaN"),
    "infinity": (lambda m: m.fit(INF, Y), ValueError, "infinity"),
    "NaN in y": (lambda m: m.fit(X, np.where(Y == 1, np.nan, Y)), ValueError, "NaN"),
    "no rows": (lambda m: m.fit(X[:0], Y[:0]), ValueError, "minimum of 1"),
    "one dimension": (lambda m: m.fit(X[0], Y[:5]), ValueError, "Expected 2D"),
    "lengths": (lambda m: m.fit(X, Y[:-1]), ValueError, "inconsistent"),
    "text": (lambda m: m.fit(X.astype(str), Y) and m.fit([["a"]] * 40, Y), ValueError, "could not convert"),
    "complex": (lambda m: m.fit(X * 1j, Y), ValueError, "omplex"),
    "features of predict": (lambda m: m.predict(X[:, :3]), ValueError, "expecting 5 features"),
    "features of partial_fit": (lambda m: m.partial_fit(X[:, :3], Y), ValueError, "expecting 5 features"),
    "NaN in predict": (lambda m: m.predict(NAN), ValueError, "NaN"),
    "sparse NaN": (lambda m: m.predict(sp.csr_array(NAN)), ValueError, "NaN"),
    "weights' length": (lambda m: m.fit(X, Y, sample_weight=np.ones(3)), ValueError, "sample_weight"),
    "negative weight": (lambda m: m.fit(X, Y, sample_weight=-np.ones(40)), ValueError, "negative"),
    "no weight": (lambda m: m.fit(X, Y, sample_weight=np.zeros(40)), ValueError, "zero"),
    "X_val alone": (lambda m: m.fit(X, Y, X_val=X), ValueError, "come together"),
    "X_val features": (lambda m: m.fit(X, Y, X_val=X[:, :2], y_val=Y), ValueError, "features"),
}
PARAMETERS = {
    "hidden_layer_sizes": [(0,), (-3, 4), "abc", (2.5,)],
    "activation": ["softmax", None],
    "solver": ["newton"],
    "alpha": [-1.0, "x"],
    "batch_size": [0, "all"],
    "learning_rate": ["fast"],
    "learning_rate_init": [0.0, -1],
    "max_iter": [0, 2.5],
    "momentum": [1.5],
    "beta_1": [1.0],
    "beta_2": [-0.1],
    "epsilon": [0.0],
    "tol": [-1.0],
    "validation_fraction": [1.0],
    "n_iter_no_change": [0],
    "dropout": [1.0, -0.1, (0.5,), (0.5, 1.0), (0.1, 0.1, 0.1)],
    "leaky_slope": [1.5],
    "loss": ["log", None],
    "scoring": [3],
    "n_threads": [0, 2.5, 100_000],
}


@BOTH
@pytest.mark.parametrize("case", CASES)
def test_bad_data(Model, case):
    call, error, message = CASES[case]
    model = fitted(Model)
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=message):
        call(model)
    for coefs, expected in zip(model.coefs_, before["coefs_"], strict=True):
        assert_array_equal(coefs, expected)
    assert model.n_features_in_ == 5


@BOTH
@pytest.mark.parametrize(("name", "value"), [(n, v) for n, all_ in PARAMETERS.items() for v in all_])
def test_bad_parameters(Model, name, value):
    with pytest.raises((ValueError, TypeError), match=name if name != "n_threads" else "n_threads"):
        Model(**{"max_iter": 2, name: value}).fit(X, Y)


@BOTH
@pytest.mark.parametrize(
    ("params", "call", "error", "message"),
    [
        ({"early_stopping": True}, "partial_fit", ValueError, "does not support early_stopping"),
        ({"solver": "lbfgs"}, "partial_fit", AttributeError, "has no attribute 'partial_fit'"),
        ({"solver": "lbfgs", "dropout": 0.5}, "fit", ValueError, "lbfgs cannot follow"),
        ({"activation": "leaky_relu", "leaky_slope": -0.5}, "fit", ValueError, "must not be negative"),
        (
            {"early_stopping": True, "validation_fraction": 0.02},
            "fit",
            ValueError,
            "validation set is too small",
        ),
    ],
)
def test_what_does_not_go_together(Model, params, call, error, message):
    model = Model(max_iter=2, **params)
    classes = {"classes": [0, 1, 2]} if Model is MLPClassifier and call == "partial_fit" else {}
    with pytest.raises(error, match=message):
        getattr(model, call)(X, Y, **classes)


@BOTH
def test_before_a_fit(Model):
    with pytest.raises(NotFittedError):
        Model().predict(X)


def test_labels():
    model = MLPClassifier(max_iter=2)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, Y)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    before = [w.copy() for w in model.coefs_]
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`"):
        model.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, Y, classes=[0, 1])
    assert_array_equal(model.coefs_[0], before[0])
    warm = MLPClassifier(max_iter=2, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        warm.fit(X, Y % 2)
    with pytest.raises(ValueError, match="one label a sample"):
        MLPClassifier(loss="hinge").fit(X, np.eye(3, dtype=int)[Y])
    with pytest.raises(ValueError, match="Unknown label type"):
        MLPClassifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="all of y"):
        MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'"):
        MLPClassifier(loss="hinge", max_iter=2).fit(X, Y).predict_proba(X)


def test_regression_targets():
    with pytest.raises(ValueError, match="y >= 0"):
        MLPRegressor("poisson").fit(X, Y - 1)
    model = fitted(MLPRegressor)
    with pytest.raises(ValueError, match="2 outputs, but the model was fitted with 1"):
        model.partial_fit(X, np.stack([Y, Y], 1))


@BOTH
def test_another_shape_on_a_warm_start(Model):
    model = fitted(Model, warm_start=True).set_params(hidden_layer_sizes=(9,))
    with pytest.raises(ValueError, match="warm_start=False"):
        model.fit(X, Y)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_keeps_the_last_good_parameters(Model, dtype):
    huge = (X * 1e30).astype(dtype)
    loss = {} if Model is MLPClassifier else {"loss": "poisson"}
    model = Model(solver="sgd", learning_rate_init=1e30, random_state=0, **loss)
    with pytest.raises(ValueError, match=r"non-finite parameter weights.*Training diverged in epoch \d"):
        model.fit(huge, Y)
    assert all(np.isfinite(w).all() for w in model.coefs_ + model.intercepts_)
    model.set_params(learning_rate_init=0.001, max_iter=2).fit(X, Y)


@BOTH
def test_rows_of_no_weight_do_not_matter(Model):
    """Whole batches of them as well."""
    weight = np.repeat([1.0, 0.0], 20)
    params = {"shuffle": False, "batch_size": 10, "max_iter": 3, "random_state": 0, "n_iter_no_change": 99}
    full = Model(**params).fit(X, Y, sample_weight=weight)
    half = Model(**params).fit(X[:20], Y[:20])
    for a, b in zip(full.coefs_, half.coefs_, strict=True):
        assert_array_equal(a, b)
