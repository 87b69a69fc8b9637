"""Whole updates of an RBM against the slow twin, number by number, and what centring means."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import VALUES, states
from reference_learning import Learner

from fastnn import RBM

RULES = {
    "sgd": {},
    "momentum": {"momentum": 0.7},
    "adam": {"optimizer": "adam", "momentum": 0.9},
    "adam without momentum": {"optimizer": "adam"},
}
N_VISIBLE, N_HIDDEN = 6, 4


def start_of(n_visible=N_VISIBLE, n_hidden=N_HIDDEN, size=0.5):
    rng = np.random.default_rng(0)
    shapes = (n_visible, n_hidden), n_visible, n_hidden
    W, a, b = (rng.normal(0, size, shape) for shape in shapes)
    W[0, 0] = 0.0  # where l1 has no slope
    return W, a, b


def batches_of(visible="bernoulli", n_visible=N_VISIBLE, grey=False, sizes=(7, 12, 3, 7, 9)):
    """Minibatches of several sizes, so that Adam's correction and velocities count."""
    rng = np.random.default_rng(1)
    found = []
    for n in sizes:
        u = rng.random((n, n_visible))
        low, high = VALUES.get(visible, (0.0, 1.0))
        states_ = np.where(u < 0.2 + 0.6 * np.arange(n_visible) / n_visible, high, low)
        values = rng.normal(size=u.shape) if visible == "gaussian" else low + (high - low) * u
        found.append(values if grey or visible == "gaussian" else states_)
    return found


def learn(batches, n_hidden=N_HIDDEN, **params):
    """fastnn's model and the twin after the same minibatches, each from the same start."""
    start = start_of(batches[0].shape[1], n_hidden)
    params = {"learning_rate": 0.1, "n_chains": 8, **params}
    model = RBM.from_parameters(*start, random_state=3, **params)
    twin = Learner(*start, model._training_state["key"], batches[0].mean(axis=0), **params)
    for X in batches:
        model.partial_fit(X)
        twin.partial_fit(X)
    return model, twin


def assert_same(model, twin, tol=1e-10):
    found = model.components_.T, model.intercept_visible_, model.intercept_hidden_
    for value, wanted in zip(found, twin.plain(), strict=True):
        assert_allclose(value, wanted, rtol=tol, atol=tol)


PENALTIES = [
    {"l1": l1, "l2": l2, "sparsity_target": target, "sparsity_cost": 0.7}
    for l1, l2, target in itertools.product((0.0, 0.03), (0.0, 0.05), (None, 0.15))
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: "-".join(str(x) for x in p.values()))
def test_updates_are_those_of_the_formulas(rule, centering, penalty):
    """Five updates with draws and all: a coin that fell the other way would be off by a tenth."""
    assert_same(*learn(batches_of(), centering=centering, **RULES[rule], **penalty))


KINDS = {
    "CD": {"method": "cd"},
    "CD-3 of states": {"method": "cd", "n_gibbs_steps": 3, "sample_visible": True},
    "CD, last hidden drawn": {"method": "cd", "sample_last_hidden": True},
    "PCD-2": {"n_gibbs_steps": 2},
    "PCD of means": {"sample_visible": False},
    "spins": {"visible": "spin", "hidden": "spin"},
    "spins by CD": {"visible": "spin", "hidden": "spin", "method": "cd"},
    "spins see": {"visible": "spin"},
    "spins hidden": {"hidden": "spin"},
    "numbers": {"visible": "gaussian", "method": "cd"},
    "short weights": {"max_norm": 0.9},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_updates_of_every_kind(kind, grey, centering, rule):
    params = {"l2": 0.05, "sparsity_target": 0.3, "centering": centering, **KINDS[kind], **RULES[rule]}
    batches = batches_of(params.get("visible", "bernoulli"), grey=grey)
    assert_same(*learn(batches, **params))


@pytest.mark.parametrize("kind", ["CD-3 of states", "spins", "short weights"])
@pytest.mark.parametrize("grey", [False, True])
def test_updates_of_layers_wider_than_a_tile(kind, grey):
    params = {"l1": 0.01, "momentum": 0.5, **KINDS[kind]}
    assert_same(*learn(batches_of(params.get("visible", "bernoulli"), 70, grey, (5, 9, 4)), 67, **params))


# --- centring --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("visible", "hidden"), list(itertools.product(VALUES, repeat=2)))
@pytest.mark.parametrize("rule", RULES)
def test_the_centred_model_has_the_same_energies(visible, hidden, rule):
    """The model that learned about offsets and the one with plain biases, at every pair of states: their
    energies are equal but for a constant, which no probability sees."""
    model, twin = learn(batches_of(visible), visible=visible, hidden=hidden, max_norm=1.0, **RULES[rule])
    V, H = states(visible, N_VISIBLE), states(hidden, N_HIDDEN)
    V, H = np.repeat(V, len(H), axis=0), np.tile(H, (len(V), 1))
    difference = model.energy(V, H) - twin.energy(V, H)
    assert_allclose(difference, difference[0], atol=1e-9)
    assert abs(difference[0]) > 1e-3  # there is something to be the same about
    assert np.ptp(model.energy(V, H)) > 3


def one_step(rate, X, start, **params):
    """Change of W, a and b, at offsets put there by hand."""
    offsets = params.pop("offsets", None)
    model = RBM.from_parameters(*start, random_state=4, learning_rate=rate, n_chains=20, **params)
    if offsets is not None:
        model.set_params(learning_rate=1e-300).partial_fit(X)  # makes the arrays; a change beyond rounding
        state = model._training_state
        state.update(step=0, n_updates=0)
        state["chains"][...] = 0
        for name, offset in zip(("visible_mean", "hidden_mean"), offsets, strict=True):
            state[name][: offset.size] = offset
        model.set_params(learning_rate=rate)
    model.partial_fit(X)
    found = model.components_.T, model.intercept_visible_, model.intercept_hidden_
    return [now - before for now, before in zip(found, start, strict=True)]


def test_one_centred_step_is_the_enhanced_gradient():
    """With the mean of data's and model's means for offsets the centred gradient is the enhanced one (Cho,
    Raiko, Ilin, "Enhanced gradient for training restricted Boltzmann machines", 2013; Melchior et al. 2016,
    section 4.1): differences of covariances, and of means less those through the mean of means.

    All terms come from the plain step of the same draws, which the tests above know by heart.
    """
    start, X = start_of(), batches_of()[1]
    G, g_a, g_b = one_step(1.0, X, start, centering=False)
    data = X.mean(axis=0), RBM.from_parameters(*start).transform(X).mean(axis=0)
    model = data[0] - g_a, data[1] - g_b
    middle = [(d + m) / 2 for d, m in zip(data, model, strict=True)]
    enhanced = G - np.outer(*data) + np.outer(*model)
    # The running means slide by a hundredth of the way to the data before they centre.
    offsets = [(m - 0.01 * d) / 0.99 for m, d in zip(middle, data, strict=True)]
    found = one_step(1.0, X, start, offsets=offsets)
    wanted = enhanced, g_a - enhanced @ middle[1], g_b - enhanced.T @ middle[0]
    for value, formula, plain in zip(found, wanted, (G, g_a, g_b), strict=True):
        assert_allclose(value, formula, rtol=1e-10, atol=1e-12)
        assert abs(formula - plain).max() > 1e-2


def test_one_centred_step_has_the_gradient_of_the_shifted_biases():
    """Melchior et al. 2016, eq. 9-13, at any offsets: dW = <(v - mu)(h - lam)'>_data - <...>_model,
    da = <v>_data - <v>_model - dW lam, db likewise."""
    start, X = start_of(), batches_of()[1]
    rng = np.random.default_rng(5)
    offsets = rng.random(N_VISIBLE), rng.random(N_HIDDEN)
    G, g_a, g_b = one_step(1.0, X, start, centering=False)
    data = X.mean(axis=0), RBM.from_parameters(*start).transform(X).mean(axis=0)
    mu, lam = (0.99 * o + 0.01 * d for o, d in zip(offsets, data, strict=True))
    dW = G - np.outer(mu, g_b) - np.outer(g_a, lam)
    found = one_step(1.0, X, start, offsets=offsets)
    for value, formula in zip(found, (dW, g_a - dW @ lam, g_b - dW.T @ mu), strict=True):
        assert_allclose(value, formula, rtol=1e-10, atol=1e-12)
