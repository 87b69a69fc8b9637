"""What learning of an RBM may be told: falling rates, bounded weights, units that begin anew."""

import numpy as np
import pytest
from reference import VALUES
from scipy.special import gammaln
from sklearn.datasets import load_digits, load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

from fastnn import RBM, DivergenceError
from fastnn._kernels.source import unpack_states

PARAMETERS = ("components_", "intercept_visible_", "intercept_hidden_")
SCHEDULES = {
    "constant": lambda d: 1.0,
    "linear": lambda d: 1 - d,
    "inverse": lambda d: 1 / (1 + 99 * d),
    "exponential": lambda d: 0.01**d,
}
X = (np.random.default_rng(0).random((60, 12)) < 0.3).astype(np.float64)


def fit(X=X, **params):
    defaults = {"n_components": 5, "n_iter": 3, "batch_size": 60, "random_state": 0, "monitor": ()}
    return RBM(**{**defaults, **params}).fit(X)


def parameters(model):
    return [getattr(model, name) for name in PARAMETERS]


# --- the rate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("params", [{}, {"momentum": 0.9}, {"optimizer": "adam", "momentum": 0.9}])
def test_a_schedule_is_a_rate_for_each_update(schedule, params):
    """A fit whose batches hold all rows makes the updates of partial_fit at the rates of the formula."""
    rate = 0.02
    found = fit(learning_rate=rate, learning_rate_schedule=schedule, n_iter=4, **params)
    by_hand = RBM(5, random_state=0, batch_size=60, **params)
    for d in (0, 0.25, 0.5, 0.75):
        by_hand.set_params(learning_rate=rate * SCHEDULES[schedule](d)).partial_fit(X)
    for value, wanted in zip(parameters(found), parameters(by_hand), strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_a_schedule_may_be_a_function():
    asked = []

    def half_way(d):
        asked.append(d)
        return float(d < 0.5)

    found = fit(learning_rate_schedule=half_way, n_iter=8, batch_size=20)
    assert asked == [k / 24 for k in range(24)]
    # The rest of the fit changes nothing but the chains.
    other = fit(learning_rate_schedule=lambda d: 1.0, n_iter=4, batch_size=20)
    np.testing.assert_array_equal(found.components_, other.components_)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_a_function_must_give_shares(value):
    with pytest.raises(ValueError, match="learning_rate_schedule must give finite numbers"):
        fit(learning_rate_schedule=lambda d: value)


def test_a_falling_rate_ends_nearer_to_the_maximum():
    """Exact likelihoods of models that differ in the schedule alone, in the mean over seeds."""
    rng = np.random.default_rng(1)
    prototypes = rng.random((6, 20)) < 0.4
    X = (prototypes[rng.integers(6, size=600)] ^ (rng.random((600, 20)) < 0.05)).astype(np.float32)
    scores = {
        schedule: np.mean(
            [
                fit(
                    X, n_components=10, n_iter=30, batch_size=20, learning_rate=0.2,
                    learning_rate_schedule=schedule, random_state=seed,
                ).log_likelihood(X).mean()
                for seed in range(6)
            ]
        )
        for schedule in ("constant", "linear")
    }  # fmt: skip
    assert scores["linear"] > scores["constant"] + 0.2


# --- the bound on weights --------------------------------------------------------------------------


@pytest.mark.parametrize("visible", VALUES)
@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [{}, {"momentum": 0.9}, {"optimizer": "adam", "momentum": 0.9}])
def test_long_weights_are_drawn_back(visible, centering, dtype, params):
    """One update with the bound is one without it and then a shortening of W's columns; what they lose at the
    mean of the visible units goes to the hidden biases where the gradient is centred, and vice versa."""
    low = VALUES[visible][0]
    rows = np.where(X > 0, 1, low).astype(dtype)
    rng = np.random.default_rng(2)
    start = [rng.normal(0, 0.5, (12, 70)), rng.normal(size=12), rng.normal(size=70)]
    start = [p.astype(dtype) for p in start]
    options = {"visible": visible, "centering": centering, "random_state": 3, "learning_rate": 0.05, **params}
    free, bound = (
        RBM.from_parameters(*start, max_norm=most, **options).partial_fit(rows) for most in (None, 1.7)
    )
    W = free.components_.T.astype(np.float64)
    norms = np.linalg.norm(W, axis=0)
    assert (norms > 1.7).any()
    assert (norms < 1.7).any()
    factor = np.minimum(1, 1.7 / norms)
    tol = 3e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(bound.components_.T, W * factor, atol=tol)
    assert np.linalg.norm(bound.components_, axis=1).max() < 1.7 * (1 + tol)
    a, b = free.intercept_visible_.astype(np.float64), free.intercept_hidden_.astype(np.float64)
    if centering:
        state = free._training_state
        lost = W * (1 - factor)
        b += state["visible_mean"][:12] @ lost
        a += lost @ state["hidden_mean"][:70]
    np.testing.assert_allclose(bound.intercept_hidden_, b, atol=5 * tol)
    np.testing.assert_allclose(bound.intercept_visible_, a, atol=20 * tol)


def test_the_bound_holds_to_the_end_of_a_fit():
    rows = X.copy()
    rows[:, 6:] = rows[:, :6]
    model = fit(rows, max_norm=0.3, learning_rate=0.5, n_iter=60, batch_size=10)
    free = fit(rows, learning_rate=0.5, n_iter=60, batch_size=10)
    assert np.linalg.norm(model.components_, axis=1).max() < 0.3 * (1 + 1e-6)
    assert np.linalg.norm(free.components_, axis=1).min() > 0.6


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("params", [{"max_norm": 1e30}, {"optimizer": "adam", "momentum": 0.9}])
def test_divergence_is_undone_with_every_option(schedule, params):
    model = fit(n_iter=1)
    before = [p.copy() for p in parameters(model)]
    model.set_params(
        warm_start=True, learning_rate=1e300, learning_rate_schedule=schedule, l2=1e10, n_iter=3, **params
    )
    with pytest.raises(DivergenceError, match="epoch 1"):
        model.fit(X)
    for value, wanted in zip(parameters(model), before, strict=True):
        np.testing.assert_array_equal(value, wanted)
    model.set_params(learning_rate=0.01, l2=0, max_norm=None).fit(X)
    assert all(np.isfinite(p).all() for p in parameters(model))


# --- idle units ------------------------------------------------------------------------------------


def with_idle_units(hidden="bernoulli", **params):
    rng = np.random.default_rng(4)
    W, b = rng.normal(0, 0.3, (12, 6)), np.array([0.0, 60.0, 0.0, -60.0, 0.0, 0.0])
    params = {"n_iter": 800, "warm_start": True, "learning_rate": 1e-12, "monitor": (), **params}
    return RBM.from_parameters(W, rng.normal(size=12), b, hidden=hidden, random_state=0, **params)


@pytest.mark.parametrize("hidden", VALUES)
def test_idle_units_begin_anew_and_the_model_stays_as_it_was(hidden):
    """One unit is always on, one always off. What they gave every state goes to the visible biases."""
    model = with_idle_units(hidden)
    before, F = model.components_.copy(), model.free_energy(X)
    low = VALUES[hidden][0]
    given = model.components_[1] + low * model.components_[3]
    a = model.intercept_visible_ + given
    model.set_params(replace_idle=True).fit(X)
    assert model.history_["replaced"][-1] == 0
    assert sum(model.history_["replaced"]) == 2
    change = np.abs(model.components_ - before).max(axis=1)
    assert (change[[1, 3]] > 0.1).all()
    assert (change[[0, 2, 4, 5]] < 1e-6).all()
    assert np.abs(model.components_[[1, 3]]).max() < 0.06
    np.testing.assert_allclose(model.intercept_hidden_[[1, 3]], 0, atol=1e-6)
    np.testing.assert_allclose(model.intercept_visible_, a, atol=1e-6)
    shift = model.free_energy(X) - F
    assert np.ptp(shift) < 12 * 0.01 * 3


def test_idle_units_stay_unless_asked_for():
    model = with_idle_units(n_iter=5)
    before = model.components_.copy()
    model.fit(X)
    np.testing.assert_allclose(model.components_, before, atol=1e-6)
    assert "replaced" not in model.history_
    busy = fit(replace_idle=True)
    assert busy.history_["replaced"] == [0, 0, 0]


def test_replaced_units_learn():
    model = with_idle_units(learning_rate=0.05, replace_idle=True, n_iter=400, batch_size=20)
    model.fit(X)
    assert sum(model.history_["replaced"]) >= 2
    chains = unpack_states(model._training_state["chains"], 6)
    assert chains.shape[1] == 6
    activity = model.transform(X).mean(axis=0)
    assert ((activity > 0.001) & (activity < 0.999)).all()


def test_defaults_learn_the_first_time():
    """The digits that scikit-learn ships, no setting touched: better than what independent pixels can say."""
    digits = (load_digits().data > 7).astype(np.float32)
    train, test = digits[:1500], digits[1500:]
    model = RBM(20, random_state=0).fit(train)
    p = np.clip(train.mean(axis=0), 1e-3, 1 - 1e-3)
    apart = (test * np.log(p) + (1 - test) * np.log(1 - p)).sum(axis=1).mean()
    assert model.log_likelihood(test).mean() > apart + 4
    assert model._training_state["chains"].shape[0] == 100


def shuffled(X):
    """Rows to learn from, and a fifth to be judged by."""
    X = X[np.random.default_rng(0).permutation(len(X))]
    return np.split(X, [len(X) * 4 // 5])


def nats_beyond_independent_units(train, test, visible):
    """What 20 hidden units with the defaults say more of test rows, by exact ln Z, than columns alone."""
    mean, variance = np.maximum(train.mean(axis=0), 1 / len(train)), train.var(axis=0)
    alone = {
        "poisson": lambda: test * np.log(mean) - mean - gammaln(test + 1),
        "gaussian": lambda: -0.5 * (np.log(2 * np.pi * variance) + (test - mean) ** 2 / variance),
    }[visible]()
    model = RBM(20, visible=visible, random_state=0, monitor=()).fit(train)
    return model.log_likelihood(test).mean() - alone.sum(axis=1).mean()


def whitened_patches():
    """8 x 8 of the photographs that scikit-learn ships, without their means and neighbours' common part."""
    greys = [np.log1p(picture.mean(axis=2) / 25.5) for picture in load_sample_images().images]
    patches = [extract_patches_2d(g, (8, 8), max_patches=4000, random_state=0) for g in greys]
    X = np.concatenate(patches).reshape(8000, -1)
    X -= X.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(X.T @ X / len(X))
    X = X @ (vectors / np.sqrt(values + values.mean())) @ vectors.T
    return (X / X.std()).astype(np.float32)


def test_defaults_learn_counts():
    """Levels 0 to 16 of the digits' pixels as counts: 58 nats were found, 25 are asked for."""
    train, test = shuffled(load_digits().data.astype(np.float32))
    assert nats_beyond_independent_units(train, test, "poisson") > 25


def test_defaults_learn_image_patches():
    """0.44 nats were found, little as directions have been made alike; and more units explain a tenth of the
    variance of patches not met. These are no edges: they take the settings of examples/rbm_patches.py."""
    train, test = shuffled(whitened_patches())
    assert nats_beyond_independent_units(train, test, "gaussian") > 0.2
    model = RBM(64, visible="gaussian", random_state=0, monitor=()).fit(train)
    assert np.mean((test - model.reconstruct(test)) ** 2) < 0.93 * test.var()


@pytest.mark.parametrize(("n_rows", "size"), [(7, 7), (500, 10), (3000, 20), (30_000, 100)])
def test_automatic_batches(n_rows, size):
    model = RBM(1, n_iter=1, monitor=()).fit(np.zeros((n_rows, 1), np.uint8))
    assert model._training_state["n_updates"] == -(-n_rows // size)


def test_a_model_and_its_negative_learn_alike():
    """Centred gradients do not care which value is called 1, with a bound on W and a falling rate as well."""
    found = [fit(rows, learning_rate=0.1, n_iter=10, batch_size=20, n_chains=20) for rows in (X, 1 - X)]
    scores = [m.log_likelihood(rows).mean() for m, rows in zip(found, (X, 1 - X), strict=True)]
    assert abs(scores[0] - scores[1]) < 0.3
