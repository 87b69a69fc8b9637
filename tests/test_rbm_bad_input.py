"""Bad input: each a named exception before any work, and nothing fitted is changed by it."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from fastnn import RBM, BernoulliRBM

BOTH = pytest.mark.parametrize("Model", [RBM, BernoulliRBM])
N_FEATURES = 12
X = (np.random.default_rng(0).random((40, N_FEATURES)) < 0.3).astype(np.float64)
# Rows whose values lie between states, so that precision shows.
GREY = X * 0.75 + 0.125
V = X[0]


def fitted(Model, X=X, **params):
    defaults = {"n_iter": 2, "batch_size": 10, "n_threads": 1, "random_state": 0}
    return Model(5, **{**defaults, **params}).fit(X)


def with_value(value, dtype=np.float64):
    bad = X.astype(dtype)
    bad[3, 4] = value
    return bad


def everywhere(bad):
    """The bad rows to every method that takes rows."""
    return {
        "fit": lambda m: m.fit(bad),
        "partial_fit": lambda m: m.partial_fit(bad),
        "transform": lambda m: m.transform(bad),
        "reconstruct": lambda m: m.reconstruct(bad),
        "gibbs": lambda m: m.gibbs(bad),
        "free_energy": lambda m: m.free_energy(bad),
        "score_samples": lambda m: m.score_samples(bad),
        "log_likelihood": lambda m: m.log_likelihood(bad),
        "X_val": lambda m: m.fit(X, X_val=bad),
        "v_init": lambda m: m.sample(40, 1, v_init=bad),
    }


def assigned(**values):
    """transform after these were assigned, on a copy, so that the fitted model stays as it is."""

    def call(model):
        model = pickle.loads(pickle.dumps(model))
        for name, value in values.items():
            setattr(model, name, value)
        model.transform(X)

    return call


def changed(call, **params):
    """The same with other parameters, which are put back afterwards."""

    def with_params(model):
        before = model.get_params()
        try:
            call(model.set_params(**params))
        finally:
            model.set_params(**before)

    return with_params


def fit(model):
    model.fit(X)


# id, call on a fitted model, exception, regular expression of its message
CASES = [
    # rows of wrong form
    ("empty", lambda m: m.fit(X[:0]), ValueError, "0 sample"),
    ("no features", lambda m: m.fit(X[:, :0]), ValueError, "0 feature"),
    ("1-D", lambda m: m.fit(V), ValueError, "Expected 2D array, got 1D"),
    ("1-D transform", lambda m: m.transform(V), ValueError, "Expected 2D array, got 1D"),
    ("3-D", lambda m: m.fit(X.reshape(40, 3, 4)), ValueError, "dim 3"),
    ("scalar", lambda m: m.fit(1.0), ValueError, "got scalar array"),
    ("None", lambda m: m.fit(None), ValueError, "got scalar array"),
    ("ragged", lambda m: m.fit([[1, 0], [1]]), ValueError, "inhomogeneous"),
    ("strings", lambda m: m.fit([["a", "b"]] * 3), ValueError, "could not convert string"),
    ("objects", lambda m: m.fit(np.full((3, 2), "a", object)), ValueError, "could not convert"),
    ("complex", lambda m: m.fit(X + 0j), ValueError, "Complex data not supported"),
    ("structured", lambda m: m.fit(np.zeros((3, 2), "f4,f4")), TypeError, "Cannot cast"),
    ("np.matrix", lambda m: m.fit(np.asmatrix(X)), TypeError, "np.matrix is not supported"),
    ("sparse 1-D", lambda m: m.fit(sp.coo_array(V)), ValueError, "Expected 2D"),
    ("sparse empty", lambda m: m.fit(sp.csr_array((0, 4))), ValueError, "0 sample"),
    ("sparse complex", lambda m: m.fit(sp.csr_array(X + 0j)), ValueError, "Complex data"),
    (
        "categories",
        lambda m: m.fit(pd.DataFrame({"a": pd.Categorical(["x", "y"])})),
        ValueError,
        "could not convert string",
    ),
    (
        "missing in a frame",
        lambda m: m.fit(pd.DataFrame(X).astype("Int64").mask(X > 0)),
        ValueError,
        "contains NaN",
    ),
    # values and widths, in every method
    *(
        (f"{what}, {name}", call, ValueError, message)
        for what, bad, message in [
            ("NaN", with_value(np.nan), "contains NaN"),
            ("NaN float32", with_value(np.nan, np.float32), "contains NaN"),
            ("infinity", with_value(np.inf), "contains infinity"),
            ("-infinity", with_value(-np.inf), "contains infinity"),
            ("sparse NaN", sp.csr_array(with_value(np.nan)), "contains NaN"),
        ]
        for name, call in everywhere(bad).items()
    ),
    *(
        (f"columns, {name}", call, ValueError, "has 5 features.* expecting 12 features")
        for name, call in everywhere(X[:, :5]).items()
        if name != "fit"
    ),
    # hidden rows
    ("H columns", lambda m: m.inverse_transform(X), ValueError, "12 columns.* 5 hidden units"),
    ("H 1-D", lambda m: m.inverse_transform(np.zeros(5)), ValueError, "Expected 2D"),
    ("H NaN", lambda m: m.inverse_transform(np.full((2, 5), np.nan)), ValueError, "NaN"),
    (
        "H sparse",
        lambda m: m.inverse_transform(sp.csr_array(np.ones((2, 5)))),
        TypeError,
        "dense data is required",
    ),
    ("energy shapes", lambda m: m.energy(X, np.ones((3, 5))), ValueError, "must have shapes"),
    ("energy NaN", lambda m: m.energy(X * np.nan, np.ones((40, 5))), ValueError, "NaN"),
    # parameters of the estimator
    *(
        (f"{name}={value!r}", changed(fit, **{name: value}), ValueError, f"'{name}' parameter")
        for name, value in [
            ("n_components", 0),
            ("n_components", 2.5),
            ("learning_rate", 0),
            ("learning_rate", -0.1),
            ("learning_rate", np.nan),
            ("learning_rate", np.inf),
            ("batch_size", 0),
            ("batch_size", 1 << 40),
            ("n_iter", -1),
            ("verbose", -1),
            ("n_threads", 0),
            ("n_threads", 1.5),
            ("n_threads", 1 << 40),
            ("random_state", -1),
            ("random_state", "seed"),
        ]
    ),
    (
        "n_threads=0 in a call",
        changed(lambda m: m.transform(X), n_threads=0),
        ValueError,
        "n_threads must be",
    ),
    # sampling
    ("n_steps=-1", lambda m: m.gibbs(X, -1), ValueError, "n_steps must be"),
    ("n_steps=1.5", lambda m: m.gibbs(X, 1.5), ValueError, "n_steps must be"),
    ("n_steps=True", lambda m: m.gibbs(X, True), ValueError, "n_steps must be"),
    (
        "n_steps huge",
        lambda m: m.gibbs(X, 1 << 70),
        (ValueError, OverflowError),
        "too large|n_steps",
    ),
    ("first_chain=-1", lambda m: m.gibbs(X, first_chain=-1), ValueError, "first_chain must"),
    ("random_state", lambda m: m.gibbs(X, random_state="x"), ValueError, "seed"),
    ("n_samples=0", lambda m: m.sample(0), ValueError, "n_samples must be"),
    ("n_samples=2.0", lambda m: m.sample(2.0), ValueError, "n_samples must be"),
    ("sample n_steps=-1", lambda m: m.sample(1, -1), ValueError, "n_steps must be"),
    ("v_init rows", lambda m: m.sample(2, 1, v_init=X[:3]), ValueError, "3 rows.*n_samples=2"),
    ("v_init 3-D", lambda m: m.sample(1, 1, v_init=[[[0]]]), ValueError, "dim 3"),
    (
        "clamp shape",
        lambda m: m.sample(1, 1, v_init=V, clamp=np.ones(3, bool)),
        ValueError,
        r"mask of shape \(12,\), got bool of shape \(3,\)",
    ),
    (
        "clamp dtype",
        lambda m: m.sample(1, 1, v_init=V, clamp=np.ones(12)),
        ValueError,
        "boolean mask .* got float64",
    ),
    (
        "clamp without v_init",
        lambda m: m.sample(1, 1, clamp=np.ones(12, bool)),
        ValueError,
        "clamp needs v_init",
    ),
    (
        "clamp between states",
        lambda m: m.sample(1, 1, v_init=V * 0.5, clamp=np.ones(12, bool)),
        ValueError,
        "clamped units need states",
    ),
    ("log_partition method", lambda m: m.log_partition("magic"), ValueError, "method must be"),
    # parameters of the model
    ("W NaN", lambda m: m.from_parameters([[np.nan]]), ValueError, "W contains NaN"),
    ("W 1-D", lambda m: m.from_parameters([1.0]), ValueError, "W must have shape"),
    ("W 3-D", lambda m: m.from_parameters(np.ones((2, 2, 2))), ValueError, "W must have shape"),
    ("W empty", lambda m: m.from_parameters(np.ones((0, 2))), ValueError, "W must have shape"),
    ("W complex", lambda m: m.from_parameters([[1j]]), TypeError, "W must hold real numbers"),
    ("W strings", lambda m: m.from_parameters([["1"]]), TypeError, "W must hold real numbers"),
    (
        "W huge",
        lambda m: m.from_parameters(np.full((9, 9), 3e38, np.float32)),
        OverflowError,
        "too large",
    ),
    ("a shape", lambda m: m.from_parameters([[1.0]], a=[1, 2]), ValueError, "do not fit together"),
    ("b shape", lambda m: m.from_parameters([[1.0]], b=[[1]]), ValueError, "do not fit together"),
    ("b infinite", lambda m: m.from_parameters([[1.0]], b=[np.inf]), ValueError, "b contains"),
    ("components_ shape", assigned(components_=np.ones((5, 3))), ValueError, "12 features"),
    ("components_ 1-D", assigned(components_=np.ones(12)), ValueError, "do not fit together"),
    ("components_ rows", assigned(components_=np.ones((4, 12))), ValueError, "do not fit"),
    ("components_ NaN", assigned(components_=np.full((5, 12), np.nan)), ValueError, "NaN"),
    ("components_ complex", assigned(components_=np.ones((5, 12)) * 1j), TypeError, "real numbers"),
    (
        "wider parameters than the data",  # read beyond the rows' end if it were let through
        assigned(components_=np.ones((5, 640)), intercept_visible_=np.ones(640)),
        ValueError,
        "640.* 12 features",
    ),
    ("intercept NaN", assigned(intercept_hidden_=np.full(5, np.nan)), ValueError, "contains NaN"),
    ("intercept shape", assigned(intercept_hidden_=np.ones((5, 1))), ValueError, "do not fit"),
    (
        "rows beyond one minibatch",
        lambda m: m.partial_fit(np.zeros(((1 << 20) + 1, 12), np.uint8)),
        ValueError,
        "minibatch at most 1048576",
    ),
]

RBM_CASES = [
    *(
        (f"{what}, {name}", call, ValueError, message)
        for what, bad, message in [
            ("0..255", (X * 255).astype(np.uint8), r"spans \[0, 255\]; divide by 255"),
            ("0..16", X * 16, r"spans \[0, 16\]; divide by 16"),
            ("negative", X - 0.5, r"spans \[-0.5, 0.5\]; rescale"),
            ("sparse negative", sp.csr_array(-X), r"spans \[-1, "),
        ]
        for name, call in everywhere(bad).items()
    ),
    *(
        (f"{name}={value!r}", changed(fit, **{name: value}), ValueError, f"'{name}' parameter")
        for name, value in [
            ("method", "magic"),
            ("batch_size", "magic"),
            ("learning_rate_schedule", "magic"),
            ("learning_rate_schedule", 0.5),
            ("max_norm", 0),
            ("max_norm", -1.0),
            ("max_norm", np.nan),
            ("replace_idle", "yes"),
            ("visible", "softmax"),
            ("hidden", "softmax"),
            ("init", "zeros"),
            ("binarize", True),
            ("binarize", "median"),
            ("optimizer", "lbfgs"),
            ("momentum", 1.0),
            ("momentum", -0.1),
            ("l1", -1),
            ("l2", np.nan),
            ("sparsity_target", 0.0),
            ("sparsity_target", 1.0),
            ("sparsity_cost", -1),
            ("n_gibbs_steps", 0),
            ("n_chains", 0),
            ("n_chains", 1 << 40),
            ("centering", "yes"),
            ("sample_visible", 2),
            ("early_stopping", "loss"),
            ("validation_fraction", 0.0),
            ("validation_fraction", 1.0),
            ("n_iter_no_change", 0),
            ("tol", -1),
            ("warm_start", "yes"),
            ("monitor", "reconstruction"),
        ]
    ),
    ("monitor", changed(fit, monitor=("loss",)), ValueError, r"unknown monitors \['loss'\]"),
    (
        "spin rows",
        changed(lambda m: m.fit(X * 3), visible="spin"),
        ValueError,
        r"spin visible units take values in \[-1, 1\]",
    ),
    (
        "no rows left to train on",
        changed(lambda m: m.fit(X[:3]), early_stopping=True, validation_fraction=0.9),
        ValueError,
        "leaves none to train on",
    ),
    (
        "one row and early stopping",
        changed(lambda m: m.fit(X[:1]), early_stopping=True),
        ValueError,
        "leaves none to train on",
    ),
]


def everything(model):
    """What a fit leaves behind, to compare."""
    names = ("components_", "intercept_visible_", "intercept_hidden_", "n_features_in_", "n_iter_")
    state = [np.array(getattr(model, name)) for name in names]
    return [*state, np.array(hasattr(model, "feature_names_in_"))]


@pytest.fixture(scope="module")
def models():
    return {Model: fitted(Model) for Model in (RBM, BernoulliRBM)}


@pytest.mark.parametrize(
    ("Model", "call", "error", "message"),
    [
        pytest.param(Model, *case[1:], id=f"{Model.__name__}: {case[0]}")
        for Model, cases in ((RBM, CASES + RBM_CASES), (BernoulliRBM, CASES))
        for case in cases
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_bad_input_is_refused_and_changes_nothing(models, Model, call, error, message):
    model = models[Model]
    before, draws = everything(model), model.gibbs(X, 2, random_state=0)
    with pytest.raises(error, match=message):
        call(model)
    for was, now in zip(before, everything(model), strict=True):
        assert_array_equal(was, now)
    assert_array_equal(model.gibbs(X, 2, random_state=0), draws)


def test_the_table_is_long_enough():
    names = [case[0] for case in CASES + RBM_CASES]
    assert len(set(names)) == len(names) > 40


@BOTH
@pytest.mark.parametrize("bad", [X[:, :5] * np.nan, np.full((3, 5), "a", object)])
def test_a_fit_that_fails_first_leaves_the_model_unfitted(Model, bad):
    model = Model(3)
    with pytest.raises(ValueError, match=r"NaN|could not convert"):
        model.fit(bad)
    assert not hasattr(model, "n_features_in_")
    with pytest.raises(NotFittedError):
        model.transform(X)


@BOTH
@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.transform(X),
        lambda m: m.inverse_transform(X),
        lambda m: m.reconstruct(X),
        lambda m: m.gibbs(X),
        lambda m: m.sample(),
        lambda m: m.free_energy(X),
        lambda m: m.energy(X, X),
        lambda m: m.score_samples(X),
        lambda m: m.log_partition(),
        lambda m: m.log_likelihood(X),
        lambda m: m.get_feature_names_out(),
    ],
)
def test_unfitted_models_say_so(Model, call):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        call(Model())


def test_unfitted_chains():
    with pytest.raises(NotFittedError):
        _ = BernoulliRBM().h_samples_
    with pytest.raises(AttributeError, match="no chains"):
        _ = BernoulliRBM.from_parameters(np.ones((2, 2))).h_samples_


@BOTH
def test_log_partition_of_a_large_model(Model):
    with pytest.raises(ValueError, match="the layers are 40 bernoulli and 30 bernoulli units"):
        Model.from_parameters(np.zeros((40, 30))).log_partition("exact")


@pytest.mark.parametrize(
    "call", [lambda m: m.fit(X * 255), lambda m: m.partial_fit(X - 1), lambda m: m.fit(X, X_val=-X)]
)
def test_bernoulli_rbm_warns_of_values_that_scikit_learn_passes_silently(call):
    with pytest.warns(UserWarning, match=r"takes values in \[0, 1\], but X spans \["):
        call(BernoulliRBM(3, n_iter=1))


@BOTH
def test_fitted_arrays_are_read_only(Model):
    model = fitted(Model)
    with pytest.raises(ValueError, match="read-only"):
        model.components_[0] = 1


@BOTH
def test_parameters_may_be_assigned_in_any_real_form(Model):
    rng = np.random.default_rng(0)
    W = np.round(rng.normal(0, 4, (5, 12)))
    plain = pickle.loads(pickle.dumps(fitted(Model)))
    plain.components_ = W
    for form in (
        W.astype(int),
        W.tolist(),
        W.astype(np.float16),
        W.astype(">f4"),
        W.astype(np.longdouble),
        np.asfortranarray(W),
    ):
        other = pickle.loads(pickle.dumps(fitted(Model)))
        other.components_ = form
        for method in ("transform", "free_energy", "reconstruct"):
            assert_array_equal(getattr(other, method)(X), getattr(plain, method)(X))
        assert_array_equal(other.inverse_transform(X[:, :5]), plain.inverse_transform(X[:, :5]))
        assert_array_equal(other.gibbs(X, random_state=1), plain.gibbs(X, random_state=1))


@BOTH
def test_an_assigned_array_that_changes_is_seen(Model):
    model = fitted(Model)
    W = np.zeros((5, 12))
    model.components_ = W
    before = model.transform(X)
    W[...] = 1
    assert (model.transform(X) != before).any()
