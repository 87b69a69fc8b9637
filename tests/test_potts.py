"""Potts units: groups of which exactly one is 1, beside single ones; and labels as such a group."""

import itertools

import numpy as np
import pytest
from fingerprints import THREADS, digest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.sparse import csr_array
from scipy.special import expit, logsumexp, softmax
from test_units import BOTH_TYPES, LEAST_P

from fastnn import RBM, Potts, RBMClassifier

# --- Potts units ---------------------------------------------------------------------------------

SIZES = (2, 1, 3)  # the unit alone is a Bernoulli unit


def potts_states():
    """All states of a layer of SIZES."""
    choices = [np.eye(2), np.array([[0.0], [1.0]]), np.eye(3)]
    return np.array([np.concatenate(parts) for parts in itertools.product(*choices)])


def potts_model(seed=0, n_hidden=3, **params):
    rng = np.random.default_rng(seed)
    W, a, b = rng.normal(0, 0.8, (6, n_hidden)), rng.normal(size=6), rng.normal(size=n_hidden)
    rbm = RBM.from_parameters(W, a, b, visible=Potts(SIZES), random_state=0, **params)
    V = potts_states()
    log_p = V @ a + np.logaddexp(0, V @ W + b).sum(axis=1)
    return rbm, V, np.exp(log_p - np.logaddexp.reduce(log_p)), np.logaddexp.reduce(log_p)


def p_of_rows(v, V, p):
    index = np.array([np.flatnonzero((row == V).all(axis=1))[0] for row in np.unique(v, axis=0)])
    seen = np.zeros(len(V))
    seen[index] = np.unique(v, axis=0, return_counts=True)[1]
    assert seen.sum() == len(v)
    keep = p > 0
    assert seen[~keep].sum() == 0
    return stats.chisquare(seen[keep], p[keep] * len(v) / p[keep].sum()).pvalue


def test_potts_samples_have_the_models_law():
    rbm, V, p, log_z = potts_model()
    assert float(rbm.log_partition()) == pytest.approx(log_z, rel=1e-12)
    assert_allclose(np.exp(rbm.log_likelihood(V)), p, rtol=1e-10)
    assert p_of_rows(rbm.sample(20_000, 60, random_state=1), V, p) > LEAST_P


@pytest.mark.parametrize("clamp", [[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0]])
def test_clamped_potts_samples_have_the_conditional_law(clamp):
    """Whole groups, single units of a group that are up, and ones that are down."""
    rbm, V, p, _ = potts_model(seed=1)
    held, clamp = V[4], np.array(clamp, bool)
    v = rbm.sample(20_000, 60, v_init=held, clamp=clamp, random_state=2)
    p = np.where((V[:, clamp] == held[clamp]).all(axis=1), p, 0)
    assert p_of_rows(v, V, p / p.sum()) > LEAST_P


def test_potts_means_and_hidden_potts():
    """The same model upside down: potts units in the hidden layer."""
    rbm, V, _, _ = potts_model(seed=2)
    W, a, b = rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_
    turned = RBM.from_parameters(W, b, a, hidden=Potts(SIZES), random_state=0)
    H = np.random.default_rng(0).integers(0, 2, (7, 3)).astype(np.float64)
    z = H @ W + a
    expected = np.concatenate(
        [softmax(z[:, :2], axis=1), expit(z[:, 2:3]), softmax(z[:, 3:], axis=1)], axis=1
    )
    assert_allclose(rbm.inverse_transform(H), expected, rtol=1e-12)
    assert_allclose(turned.transform(H), expected, rtol=1e-12)
    joint = H @ b + logsumexp(V @ z.T, axis=0)
    assert_allclose(-turned.free_energy(H), joint, rtol=1e-12)
    assert float(turned.log_partition()) == pytest.approx(float(rbm.log_partition()), rel=1e-12)


def test_potts_learning_follows_the_gradient_of_the_likelihood():
    params = {"learning_rate": 1.0, "centering": False, "method": "cd", "n_gibbs_steps": 40}
    rbm, V, p, _ = potts_model(seed=3, sample_visible=True, **params)
    before, n = [rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_], 20_000
    X = V[[1, 8]]
    rbm.partial_fit(np.repeat(X, n // 2, axis=0))

    def moments(V, p):
        means = expit(V @ before[0] + before[2])
        return V.T @ (p[:, None] * means), p @ V, p @ means

    found = rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
    for now, old, d, m in zip(found, before, moments(X, np.full(2, 0.5)), moments(V, p), strict=True):
        assert (abs(now - old - (d - m)) < 5 / np.sqrt(n)).all()


@BOTH_TYPES
def test_groups_across_tiles_and_any_number_of_threads(dtype):
    sizes = (50, 1, 40, 7, 100, 2)
    rng = np.random.default_rng(4)
    of = [np.eye(s)[rng.integers(s, size=200)] if s > 1 else rng.integers(0, 2, (200, 1)) for s in sizes]
    X = np.hstack(of).astype(dtype)
    found = set()
    for n_threads in THREADS:
        rbm = RBM(70, visible=Potts(sizes), n_iter=2, random_state=0, n_threads=n_threads, monitor=())
        v = rbm.fit(X).sample(100, 3)
        found.add(digest(rbm.components_, v, rbm.transform(X), rbm.reconstruct(X)))
    assert len(found) == 1
    starts = np.cumsum((0, *sizes[:-1]))
    assert (np.add.reduceat(v.astype(int), starts, axis=1)[:, np.array(sizes) > 1] == 1).all()
    assert_allclose(np.add.reduceat(rbm.reconstruct(X), starts, axis=1)[:, 0], 1, rtol=1e-5)


# --- classification ------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_class_probabilities_are_those_of_the_joint_model(container):
    rng = np.random.default_rng(5)
    y = rng.choice(["a", "b", "c"], 150)
    X = (rng.random((150, 9)) < np.select([y == "a", y == "b"], [0.2, 0.5], 0.8)[:, None]).astype(np.float64)
    model = RBMClassifier(RBM(8, n_iter=200, batch_size=10, random_state=0)).fit(container(X), y)
    rbm, V = model.rbm_, np.eye(3)
    W, a, b = rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
    scores = np.stack(
        [a[9 + k] + np.logaddexp(0, X @ W[:9] + V[k] @ W[9:] + b).sum(axis=1) for k in range(3)], axis=1
    )
    assert_allclose(model.predict_proba(container(X)), softmax(scores, axis=1), rtol=1e-9)
    assert_array_equal(model.predict(container(X)), model.classes_[scores.argmax(axis=1)])
    assert model.score(container(X), y) > 0.65
    grey = RBMClassifier(RBM(4, n_iter=2, binarize="sample", random_state=0)).fit(X * 0.9, y)
    assert grey.predict_proba(X).shape == (150, 3)


@BOTH_TYPES
@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "gaussian", "relu"])
def test_pseudo_likelihood_of_potts_units_is_that_of_their_groups(hidden, dtype):
    rng = np.random.default_rng(11)
    sizes = (3, 1, 70, 1, 2)
    W, a = rng.normal(0, 0.4, (77, 5)).astype(dtype), rng.normal(0, 1, 77).astype(dtype)
    rbm = RBM.from_parameters(W, a, visible=Potts(sizes), hidden=hidden)
    ends = np.cumsum(sizes)
    rows = np.zeros((4, 77), dtype)
    for row in rows:
        for end, size in zip(ends, sizes, strict=True):
            row[end - 1 - rng.integers(size)] = 1 if size > 1 else rng.integers(2)
    expected = np.zeros(4)
    for end, size in zip(ends, sizes, strict=True):
        others = [np.zeros(1), np.ones(1)] if size == 1 else list(np.eye(size))
        changed = np.repeat(rows[None], len(others), axis=0)
        for k, states in enumerate(others):
            changed[k, :, end - size : end] = states
        F = np.stack([rbm.free_energy(X) for X in changed])
        expected += -rbm.free_energy(rows) - logsumexp(-F, axis=0)
    assert_allclose(rbm.score_samples(rows), expected, rtol=1e-4 if dtype == np.float32 else 1e-10)
    assert_array_equal(rbm.score_samples(rows), rbm.set_params(n_threads=3).score_samples(csr_array(rows)))
    with pytest.raises(ValueError, match="values between"):
        rbm.score_samples(np.hstack([np.full((1, 3), 1 / 3), rows[:1, 3:]]).astype(dtype))
