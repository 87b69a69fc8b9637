"""Hopfield networks against their slow twin and the laws of the field."""

import json
import pickle

import numpy as np
import pytest
import reference_hopfield as reference
from numpy.testing import assert_allclose, assert_array_equal
from processes import assert_quick_to_interrupt
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from test_isa import SCRIPT, run_with, skip_unless_it_runs

from fastnn import HopfieldNetwork
from fastnn._validation import random_key

N, P = 43, 9  # no multiple of a word; loaded above capacity, so that recall is not trivial


@pytest.fixture(scope="module")
def patterns():
    return np.random.default_rng(0).choice([-1, 1], (P, N))


@pytest.fixture(scope="module")
def probes():
    return np.random.default_rng(1).choice([-1, 1], (37, N))


def sequential(t):
    return range(N)


QUADRATIC = {
    "hebb": lambda X: reference.hebb(X),
    "storkey": lambda X: reference.storkey(X),
    "pseudo_inverse": lambda X: off_diagonal(np.linalg.pinv(X.astype(float)) @ X),
}
STEEP = {
    "polynomial, 2": ({"energy": "polynomial", "degree": 2}, lambda X: reference.polynomial(X, 2)),
    "polynomial, 3": ({"energy": "polynomial"}, lambda X: reference.polynomial(X, 3)),
    "polynomial, 6": ({"energy": "polynomial", "degree": 6}, lambda X: reference.polynomial(X, 6)),
    "exponential": ({"energy": "exponential"}, lambda X: reference.exponential(X, 1.0)),
    "exponential, flat": (
        {"energy": "exponential", "beta": 0.05},
        lambda X: reference.exponential(X, 0.05),
    ),
}


def off_diagonal(W):
    W = W.copy()
    np.fill_diagonal(W, 0)
    return W


def assert_follows(network, X, sides_of, orders, synchronous, energy=None):
    """Every probe ends where the twin's ends, with the same status, sweeps and energy."""
    found = network.recall(X)
    for k, x in enumerate(X):
        state, status, n_sweeps = reference.recall(sides_of, x, orders, synchronous, network.max_sweeps)
        assert_array_equal(found.states[k], state)
        assert (found.status[k], found.n_sweeps[k]) == (status, n_sweeps)
        if energy is not None:
            assert_allclose(found.energies[k, 0], energy(x.astype(float)), atol=1e-9)
            assert_allclose(found.energies[k, n_sweeps:], energy(state), atol=1e-9)
    return found


# --- against the twin ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", QUADRATIC)
def test_weights_are_the_rules(rule, patterns):
    network = HopfieldNetwork(rule).fit(patterns)
    assert_allclose(network.weights_, QUADRATIC[rule](patterns), atol=1e-12)
    assert_array_equal(network.weights_, network.weights_.T)
    assert_array_equal(network.patterns_, patterns)


def test_the_two_scales_of_hebb(patterns):
    units, means = (HopfieldNetwork(scale=s).fit(patterns) for s in ("units", "patterns"))
    assert_allclose(means.weights_, reference.hebb(patterns, 1 / P))
    assert_allclose(units.energy(patterns) * N, means.energy(patterns) * P)
    assert_array_equal(units.predict(patterns), means.predict(patterns))


@pytest.mark.parametrize("update", ["async", "sync"])
@pytest.mark.parametrize("rule", QUADRATIC)
def test_recall_is_the_twins(rule, update, patterns, probes):
    network = HopfieldNetwork(rule, update=update, max_sweeps=40).fit(patterns)
    W, b = network.weights_, np.zeros(N)
    if rule == "hebb":  # an even number of terms: fields vanish exactly only in integers
        W = np.round(W * N)
    sides_of = reference.fields(W, b)
    energy = reference.quadratic(network.weights_, b)
    found = assert_follows(network, probes, sides_of, sequential, update == "sync", energy)
    assert set(found.status) == {"converged"} if update == "async" else {"converged", "2-cycle"}


@pytest.mark.parametrize("update", ["async", "sync"])
@pytest.mark.parametrize("name", STEEP)
def test_steep_energies_are_the_twins(name, update, patterns, probes):
    params, energy = STEEP[name]
    if update == "sync" and "exponential" in name:
        pytest.skip("softmax retrieval: real vectors")
    energy = energy(patterns)
    network = HopfieldNetwork(update=update, max_sweeps=20, **params).fit(patterns)
    sides_of = lambda s, units: reference.sides(energy, s, units)  # noqa: E731
    assert_follows(network, probes[:6], sides_of, sequential, update == "sync", energy)
    assert_allclose(network.energy(probes), [energy(x.astype(float)) for x in probes], atol=1e-9)


def test_degree_two_recalls_as_hebb_does(patterns, probes):
    steep = HopfieldNetwork(energy="polynomial", degree=2).fit(patterns)
    plain = HopfieldNetwork().fit(patterns)
    assert_array_equal(steep.predict(probes), plain.predict(probes))
    assert_allclose(steep.energy(probes), plain.energy(probes) - P / 2)


@pytest.mark.parametrize("rule", ["hebb", "storkey"])
def test_random_order_is_a_new_permutation_each_sweep(rule, patterns, probes):
    network = HopfieldNetwork(rule, order="random", random_state=5).fit(patterns)
    key = random_key(5)
    orders = lambda t: np.random.default_rng([key, t]).permutation(N)  # noqa: E731
    W = np.round(network.weights_ * N) if rule == "hebb" else network.weights_
    assert_follows(network, probes, reference.fields(W, np.zeros(N)), orders, False)


def test_biases_and_given_weights(probes):
    rng = np.random.default_rng(2)
    W = rng.normal(size=(N, N))
    W, b = np.triu(W, 1) + np.triu(W, 1).T, 3 * rng.normal(size=N)
    for update in ("async", "sync"):
        network = HopfieldNetwork.from_weights(W, b, update=update)
        energy = reference.quadratic(W, b)
        assert_follows(network, probes, reference.fields(W, b), sequential, update == "sync", energy)
        assert_allclose(network.energy(probes), [energy(x) for x in probes])


def test_a_zero_field_keeps_the_state():
    network = HopfieldNetwork.from_weights(np.zeros((3, 3)))
    X = np.array([[1, -1, 1], [-1, -1, 1]])
    assert_array_equal(network.predict(X), X)
    X = np.array([[1, 1, 1], [1, 1, -1], [-1, -1, 1]])
    for params in ({}, {"energy": "polynomial", "degree": 2}):  # the third unit's weights cancel
        pair = HopfieldNetwork(**params).fit([[1, 1, 1], [1, 1, -1]])
        assert_array_equal(pair.predict(X), X)


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["sequential", "random"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"rule": "storkey"},
        {"rule": "pseudo_inverse"},
        {"energy": "polynomial", "degree": 4},
        {"energy": "exponential", "beta": 0.1},
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_energy_never_rises_and_probes_come_to_rest(seed, params, order):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(2, 200), rng.integers(1, 60)
    patterns, X = rng.choice([-1, 1], (p, n)), rng.choice([-1, 1], (70, n))
    network = HopfieldNetwork(order=order, random_state=seed, max_sweeps=500, **params).fit(patterns)
    found = network.recall(X)
    assert found.converged.all()
    assert network.is_stable(found.states).all()
    slack = 1e-12 * np.abs(found.energies).max()  # rounding of sums; a flip gains far more
    assert (np.diff(found.energies, axis=1) <= slack).all()
    assert_allclose(found.energies[:, -1], network.energy(found.states), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_each_single_flip_lowers_the_energy(seed):
    """Sweep by sweep as above, but unit by unit: a network of one flip per sweep."""
    rng = np.random.default_rng(seed)
    patterns, x = rng.choice([-1, 1], (12, 60)), rng.choice([-1, 1], 60)
    network = HopfieldNetwork().fit(patterns)
    W = network.weights_ * 60
    for i in rng.permutation(np.tile(np.arange(60), 3)):
        flipped = x.copy()
        flipped[i] = -flipped[i]
        h = W[i] @ x
        change = network.energy([flipped])[0] - network.energy([x])[0]
        assert_allclose(change, 2 * x[i] * h / 60, atol=1e-12)
        if x[i] * h < 0:
            x = flipped
    assert_array_equal(network.is_stable([x])[0], (W @ x * x >= 0).all())


@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo_inverse"])
def test_synchronous_updates_end_at_rest_or_in_two_cycles(rule):
    rng = np.random.default_rng(3)
    patterns, X = rng.choice([-1, 1], (30, 80)), rng.choice([-1, 1], (200, 80))
    found = HopfieldNetwork(rule, update="sync", max_sweeps=1000).fit(patterns).recall(X)
    assert set(found.status) <= {"converged", "2-cycle"}
    assert (found.status == "2-cycle").any()


def test_asymmetric_weights_are_reported():
    rng = np.random.default_rng(4)
    W = rng.normal(size=(60, 60))
    np.fill_diagonal(W, 0)
    network = HopfieldNetwork.from_weights(W, max_sweeps=30)
    assert not network.is_symmetric_
    found = network.recall(rng.choice([-1, 1], (50, 60)))
    assert found.energies is None
    assert (found.status == "limit").any()
    assert (found.n_sweeps[found.status == "limit"] == 30).all()
    with pytest.raises(ValueError, match="asymmetric weights have no energy"):
        network.energy(found.states)
    with pytest.warns(ConvergenceWarning, match="were still moving after max_sweeps=30"):
        network.predict(rng.choice([-1, 1], (50, 60)))


def test_a_period_of_four_is_neither_rest_nor_two_cycle():
    network = HopfieldNetwork.from_weights([[0, 1], [-1, 0]], update="sync", max_sweeps=7)
    found = network.recall([[1, 1], [1, -1]])
    assert found.status.tolist() == ["limit", "limit"]
    assert_array_equal(found.states, [[-1, 1], [1, 1]])  # three steps on: 7 = 4 + 3


def test_rounding_is_no_asymmetry(patterns):
    W = HopfieldNetwork("pseudo_inverse").fit(patterns).weights_
    W[0, 1] *= 1 + 1e-15
    assert HopfieldNetwork.from_weights(W).is_symmetric_
    W[0, 1] += 1e-6
    assert not HopfieldNetwork.from_weights(W).is_symmetric_


# --- softmax retrieval ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_retrieval(dtype):
    rng = np.random.default_rng(6)
    patterns, X = rng.normal(size=(8, 20)).astype(dtype), rng.normal(size=(150, 20)).astype(dtype)
    network = HopfieldNetwork(energy="exponential", update="sync", beta=0.8, max_sweeps=1).fit(patterns)
    found = network.recall(X)
    scores = 0.8 * X.astype(float) @ patterns.T.astype(float)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    tol = 1e-4 if dtype == np.float32 else 1e-12
    assert found.states.dtype == dtype
    assert_allclose(found.states, weights @ patterns, atol=tol)
    energy = reference.exponential(patterns.astype(float), 0.8)
    assert_allclose(found.energies[:, 0], [energy(x.astype(float)) for x in X], atol=tol)
    network.set_params(max_sweeps=1000)
    found = network.recall(X)
    assert found.converged.all()
    assert network.is_stable(found.states).mean() == 1
    slack = 64 * np.finfo(dtype).eps * np.abs(found.energies).max()  # sums of 20 products
    assert (np.diff(found.energies, axis=1) <= slack).all()
    noisy = patterns + 0.05 * rng.normal(size=patterns.shape).astype(dtype)
    sharp = HopfieldNetwork(energy="exponential", update="sync", beta=10).fit(patterns)
    assert_allclose(sharp.predict(noisy), patterns, atol=1e-3)


# --- more or fewer patterns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [{}, {"rule": "storkey"}, {"rule": "pseudo_inverse"}, {"energy": "polynomial"}]
)
def test_partial_fit_adds_and_forget_takes_away(params, patterns, probes):
    whole = HopfieldNetwork(**params).fit(patterns)
    parts = HopfieldNetwork(**params).partial_fit(patterns[:4]).partial_fit(patterns[4:])
    assert_array_equal(parts.patterns_, patterns)
    assert_allclose(parts.energy(probes), whole.energy(probes), rtol=1e-12)
    parts.forget(patterns[[7, 2]])
    rest = HopfieldNetwork(**params).fit(np.delete(patterns, [7, 2], axis=0))
    assert_array_equal(parts.patterns_, rest.patterns_)
    assert_allclose(parts.energy(probes), rest.energy(probes), rtol=1e-12)


def test_forget_takes_one_copy(patterns):
    twice = HopfieldNetwork().fit(np.concatenate([patterns, patterns[:1]]))
    assert_array_equal(np.sort(twice.forget(patterns[:1]).patterns_, axis=0), np.sort(patterns, axis=0))


def test_overlap(patterns, probes):
    network = HopfieldNetwork("storkey").fit(patterns)
    assert_allclose(network.overlap(probes), probes @ patterns.T / N)
    assert_allclose(network.overlap(probes, probes[:2]), probes @ probes[:2].T / N)
    assert network.overlap(probes.astype(np.float32)).dtype == np.float32


# --- dtypes, threads, memory, estimator ----------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"rule": "storkey"}, {"energy": "exponential"}])
def test_dtypes(params, patterns, probes):
    network = HopfieldNetwork(**params).fit(patterns)
    expected = network.predict(probes)
    assert expected.dtype == np.int8
    for dtype in (np.int8, np.int64, np.float32, np.float64, ">f4", "float16"):
        got = network.predict(probes.astype(dtype))
        want = {"i": np.int8}.get(np.dtype(dtype).kind, np.dtype(dtype).newbyteorder("="))
        assert got.dtype == (np.float32 if dtype == "float16" else want)
        assert_array_equal(got, expected)
    for layout in (np.asfortranarray(probes), probes[::-1][::-1], probes.tolist()):
        assert_array_equal(network.predict(layout), expected)
    frozen = probes.copy()
    frozen.flags.writeable = False
    assert_array_equal(network.predict(frozen), expected)
    assert network.predict(probes > 0).dtype == np.bool_
    assert_array_equal(network.predict(probes > 0), expected > 0)
    assert_array_equal(HopfieldNetwork(**params).fit(patterns > 0).predict(probes), expected)


def test_float32_patterns_make_float32_weights(patterns):
    for rule in ("storkey", "pseudo_inverse", "hebb"):
        network = HopfieldNetwork(rule).fit(patterns.astype(np.float32))
        assert network.weights_.dtype == np.float32
        exact = HopfieldNetwork(rule).fit(patterns).weights_
        assert exact.dtype == np.float64
        assert_allclose(network.weights_, exact, atol=1e-5)


@pytest.mark.parametrize(
    "params",
    [{}, {"update": "sync"}, {"rule": "storkey"}, {"energy": "polynomial"}, {"energy": "exponential"},
     {"energy": "exponential", "update": "sync"}],
)  # fmt: skip
def test_threads_and_companions_do_not_show(params):
    rng = np.random.default_rng(0)
    patterns, X = rng.choice([-1, 1], (40, 500)), rng.choice([-1, 1], (203, 500))
    runs = [HopfieldNetwork(n_threads=n, **params).fit(patterns).recall(X) for n in (1, 2, 3, 8)]
    for found in runs[1:]:
        for name in ("states", "status", "n_sweeps", "energies"):
            assert_array_equal(getattr(found, name), getattr(runs[0], name))
    if "sync" in params.values() and "exponential" in params.values():
        return  # matrix products of other sizes round otherwise
    alone = HopfieldNetwork(**params).fit(patterns).recall(X[:5])
    assert_array_equal(alone.states, runs[0].states[:5])


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_instruction_sets_do_not_show(isa):
    skip_unless_it_runs(isa)
    found = [json.loads(run_with(name, SCRIPT, "hopfield").stdout) for name in ("baseline", isa)]
    assert found[0] == found[1]
    assert len({d for of_case in found[0].values() for d in of_case.values()}) == len(found[0])


def test_large_memories_never_build_weights():
    """N = 30,000: the weights alone would take 7 GB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    patterns = rng.choice(np.array([-1, 1], np.int8), (100, 30_000))
    noisy = patterns * rng.choice(np.array([-1, 1], np.int8), patterns.shape, p=[0.2, 0.8])
    tracemalloc.start()
    assert_array_equal(HopfieldNetwork().fit(patterns).predict(noisy), patterns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * patterns.nbytes


def test_estimator_manners(patterns, probes):
    network = HopfieldNetwork("storkey", energy="quadratic", max_sweeps=50)
    copy = clone(network)
    assert copy.get_params() == network.get_params()
    assert copy.set_params(energy="polynomial", rule="hebb").get_params()["energy"] == "polynomial"
    assert "max_sweeps=50" in repr(network)
    network.fit(patterns)
    again = pickle.loads(pickle.dumps(network))
    assert_array_equal(again.predict(probes), network.predict(probes))
    assert again.n_features_in_ == N


def test_ctrl_c_returns_at_once():
    patterns = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (4000, 8000))
    network = HopfieldNetwork(max_sweeps=10_000).fit(patterns)
    assert_quick_to_interrupt(lambda: network.recall(np.tile(patterns[:512], (4, 1))))
    assert network.predict(patterns[:1]).shape == (1, 8000)
