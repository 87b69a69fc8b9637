"""Boltzmann machines against enumeration."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import states
from scipy.special import logsumexp
from scipy.stats import chi2
from sklearn.base import clone
from test_isa import SCRIPT, run_with, skip_unless_it_runs

from fastnn import BoltzmannMachine

# A test of a true law fails with probability at most this; seeds are fixed, so it does not flicker.
ERROR = 1e-4
UNITS = ["bernoulli", "spin"]


def parameters(n, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    W = np.triu(rng.normal(0, scale, (n, n)), 1)
    return W + W.T, rng.normal(0, 0.5, n)


def energies(W, b, S):
    return np.array([-b @ s - s @ W @ s / 2 for s in S])


def exact(W, b, units, beta=1.0):
    """All states (2^n, n) and their probabilities."""
    S = states(units, len(b))
    E = -beta * energies(W, b, S)
    return S, np.exp(E - logsumexp(E))


def chi_square_p(drawn, S, p):
    """p-value of drawn rows under probabilities p of the rows of S; states expected rarely are pooled."""
    place = {tuple(s): k for k, s in enumerate(S.astype(int))}
    counts = np.bincount([place[tuple(s)] for s in drawn.astype(int)], minlength=len(S))
    expected = p * len(drawn)
    rare = expected < 8
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    statistic = ((counts - expected)[keep] ** 2 / expected[keep]).sum()
    return chi2.sf(statistic, keep.sum() - 1)


# --- draws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", UNITS)
def test_draws_have_the_distribution(units, dtype):
    W, b = parameters(7, scale=0.6)
    machine = BoltzmannMachine.from_parameters(W.astype(dtype), b, units=units, random_state=1)
    drawn = machine.sample(20_000, 60)
    assert drawn.dtype == dtype
    assert chi_square_p(drawn, *exact(W, b, units)) > ERROR


@pytest.mark.parametrize("units", UNITS)
def test_clamped_draws_have_the_conditional_distribution(units):
    """Visible and hidden units held alike; the conditional law of the others by enumeration."""
    W, b = parameters(7, 1, 0.8)
    machine = BoltzmannMachine.from_parameters(W, b, 2, units=units, random_state=2)
    S, p = exact(W, b, units)
    held = np.array([0, 1, 0, 0, 1, 1, 0], bool)
    start = S[37]
    drawn = machine.sample(20_000, 60, v_init=start, clamp=held)
    assert_array_equal(drawn[:, held], np.broadcast_to(start[held], (20_000, 3)))
    fits = (S[:, held] == start[held]).all(axis=1)
    assert chi_square_p(drawn, S[fits], p[fits] / p[fits].sum()) > ERROR


def test_draws_of_different_chains_and_times_are_independent():
    W, b = parameters(6, 2, 0.3)
    drawn = BoltzmannMachine.from_parameters(W, b, units="spin", random_state=0).sample(64_000, 40)
    centred = drawn - drawn.mean(axis=0)
    for apart in (1, 2, 16, 64):  # neighbours in a vector, in a group, in the next group
        covariance = (centred[:-apart] * centred[apart:]).mean(axis=0)
        assert np.abs(covariance).max() < 4.5 / np.sqrt(64_000)  # two-sided 7e-6 a unit


@pytest.mark.parametrize("units", UNITS)
def test_the_joint_distribution_is_invariant(units):
    """From exact joint draws, h given v and v given h in turn leave the joint law as it is (Geweke 2004)."""
    W, b = parameters(6, 3)
    S, p = exact(W, b, units)
    machine = BoltzmannMachine.from_parameters(W, b, 3, units=units)
    rng = np.random.default_rng(0)
    now = S[rng.choice(len(S), 20_000, p=p)]
    held = np.arange(6) < 3
    for k in range(3):
        now = machine.sample(20_000, 1, v_init=now, clamp=held, random_state=2 * k)
        now = machine.sample(20_000, 1, v_init=now, clamp=~held, random_state=2 * k + 1)
        assert chi_square_p(now, S, p) > ERROR


@pytest.mark.parametrize("method", ["exact", "pcd"])
def test_a_machine_without_hidden_units_learns_the_moments_of_the_data(method):
    W, b = parameters(5, 4, 0.5)
    S, p = exact(W, b, "bernoulli")
    data = S[np.random.default_rng(1).choice(len(S), 4000, p=p)]
    learned = BoltzmannMachine(
        method=method, learning_rate=0.5, n_iter=400, batch_size=4000, n_chains=4000, random_state=0
    ).fit(data)
    S, q = exact(learned.weights_, learned.bias_, "bernoulli")
    second = np.einsum("k,ki,kj->ij", q, S, S)
    # The likelihood is concave: exact ascent converges; sampling keeps the noise of 4000 chains.
    assert_allclose(second, data.T @ data / 4000, atol=0.005 if method == "exact" else 0.03)


# --- sums over states ----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_pairs", [True, False])
@pytest.mark.parametrize("units", UNITS)
def test_measures_are_those_of_enumeration(units, hidden_pairs):
    W, b = parameters(8, 5)
    if not hidden_pairs:
        W[5:, 5:] = 0
    machine = BoltzmannMachine.from_parameters(W, b, 3, units=units)
    S, p = exact(W, b, units)
    V = states(units, 5)
    assert_allclose(machine.energy(S[:, :5], S[:, 5:]), energies(W, b, S))
    log_z = logsumexp(-energies(W, b, S))
    assert_allclose(float(machine.log_partition()), log_z)
    p_v = np.array([p[(S[:, :5] == v).all(axis=1)].sum() for v in V])
    assert_allclose(machine.log_likelihood(V), np.log(p_v))
    assert_allclose(machine.free_energy(V), -np.log(p_v) - log_z)
    place = {tuple(v): k for k, v in enumerate(V)}
    for v, score in zip(V, machine.score_samples(V), strict=True):
        expected = 0.0
        for i in range(5):
            other = v.copy()
            other[i] = V[0, 0] + 1 - v[i]
            here, there = p_v[place[tuple(v)]], p_v[place[tuple(other)]]
            expected += np.log(here / (here + there))
        assert_allclose(score, expected)


@pytest.mark.parametrize("units", UNITS)
def test_annealed_log_partition(units):
    W, b = parameters(14, 6, 0.5)
    machine = BoltzmannMachine.from_parameters(W, b, 4, units=units, random_state=0)
    estimate = machine.log_partition("ais", n_betas=300)
    value = machine.log_partition("exact").value
    assert estimate.lower < value < estimate.upper
    assert estimate.upper - estimate.lower < 0.3
    assert abs(estimate.value - value) < 0.1


@pytest.mark.parametrize("units", UNITS)
def test_the_exact_step_is_the_gradient_of_the_likelihood(units):
    """Against central differences of the enumerated log-likelihood."""
    W, b = parameters(6, 7)
    rng = np.random.default_rng(0)
    V = states(units, 4)[rng.integers(16, size=9)]

    def log_likelihood(W, b):
        return BoltzmannMachine.from_parameters(W, b, 2, units=units).log_likelihood(V).mean()

    rate, h = 1e-3, 1e-5
    machine = BoltzmannMachine.from_parameters(W, b, 2, units=units, method="exact", learning_rate=rate)
    machine.partial_fit(V)
    for i in range(6):
        for j in range(i):
            step = np.zeros_like(W)
            step[i, j] = step[j, i] = h
            slope = (log_likelihood(W + step, b) - log_likelihood(W - step, b)) / (2 * h)
            assert_allclose((machine.weights_ - W)[i, j] / rate, slope, atol=1e-7)
        step = h * (np.arange(6) == i)
        slope = (log_likelihood(W, b + step) - log_likelihood(W, b - step)) / (2 * h)
        assert_allclose((machine.bias_ - b)[i] / rate, slope, atol=1e-7)
    assert_array_equal(machine.weights_, machine.weights_.T)
    assert not np.diagonal(machine.weights_).any()


@pytest.mark.parametrize("units", UNITS)
def test_the_sampled_gradient_is_the_exact_one(units):
    W, b = parameters(6, 8, 0.5)
    V = np.tile(states(units, 4), (1000, 1))
    common = {"units": units, "learning_rate": 1.0, "random_state": 0}
    sampled = BoltzmannMachine.from_parameters(
        W, b, 2, method="pcd", n_chains=16_000, n_gibbs_steps=50, n_clamped_steps=30, **common
    ).partial_fit(V)
    enumerated = BoltzmannMachine.from_parameters(W, b, 2, method="exact", **common).partial_fit(V)
    # Means of 16,000 products of absolute value at most 1, twice: 5 standard errors.
    assert np.abs(sampled.weights_ - enumerated.weights_).max() < 5 * np.sqrt(2 / 16_000)
    assert np.abs(sampled.bias_ - enumerated.bias_).max() < 5 * np.sqrt(2 / 16_000)


# --- learning ------------------------------------------------------------------------------------


def shifter():
    """4 bits, the same shifted round by one to the left or right, and which: (32, 9), and which rows tell."""
    bits = states("bernoulli", 4)
    left, right = (np.concatenate([bits, np.roll(bits, k, axis=1)], axis=1) for k in (-1, 1))
    rows = np.concatenate([np.c_[left, np.zeros(16)], np.c_[right, np.ones(16)]])
    return rows, np.tile((left != right).any(axis=1), 2)


def says_which(machine, rows):
    """P(the last bit is right, given the others)."""
    other = rows.copy()
    other[:, -1] = 1 - other[:, -1]
    return 1 / (1 + np.exp(machine.free_energy(rows) - machine.free_energy(other)))


def test_hidden_units_learn_the_shifter():
    """Which way it was shifted is a matter of third order: pairs of visible units know nothing of it."""
    rows, telling = shifter()
    params = {"learning_rate": 0.3, "batch_size": 32, "random_state": 0}
    machine = BoltzmannMachine(
        12, method="pcd", n_iter=3000, n_chains=256, n_gibbs_steps=3, n_clamped_steps=5, n_threads=1, **params
    ).fit(rows)
    assert says_which(machine, rows[telling]).mean() > 0.9
    alone = BoltzmannMachine(0, n_iter=500, method="exact", **params).fit(rows)
    assert np.abs(says_which(alone, rows[telling]) - 0.5).max() < 0.05
    assert machine.log_likelihood(rows).mean() > alone.log_likelihood(rows).mean() + 0.4


def test_exact_learning_raises_the_likelihood():
    rows = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    machine = BoltzmannMachine(6, learning_rate=1.0, n_iter=1, random_state=0).fit(rows)
    start = before = machine.log_likelihood(rows).mean()
    machine.set_params(warm_start=True, n_iter=50)
    for _ in range(8):
        after = machine.fit(rows).log_likelihood(rows).mean()
        assert after > before - 1e-12
        before = after
    assert after > start + 0.2
    assert after <= np.log(1 / 4)
    assert machine.n_iter_ == 50
    assert len(machine.history_["gradient"]) == 50


@pytest.mark.parametrize(
    "params",
    [{"l2": 0.5}, {"momentum": 0.9}, {"clamped_beta": 0.1}, {"n_gibbs_steps": 1}, {"n_clamped_steps": 1}],
)
def test_every_parameter_has_its_effect(params):
    rows, _ = shifter()
    common = {"method": "pcd", "n_iter": 30, "batch_size": 10, "n_clamped_steps": 2, "random_state": 0}
    params = {**common, **params}
    plain, other = BoltzmannMachine(3, **common).fit(rows), BoltzmannMachine(3, **params).fit(rows)
    assert not np.array_equal(plain.weights_, other.weights_)
    if "l2" in params:
        assert np.abs(other.weights_).sum() < np.abs(plain.weights_).sum()


# --- dtypes, threads, estimator ------------------------------------------------------------------


def test_threads_do_not_show():
    rows, _ = shifter()
    runs = []
    for n in (1, 2, 3, 8):
        machine = BoltzmannMachine(30, method="pcd", n_iter=3, n_chains=300, n_threads=n, random_state=0)
        runs.append((machine.fit(rows).weights_, machine.sample(200, 20)))
    for weights, drawn in runs[1:]:
        assert_array_equal(weights, runs[0][0])
        assert_array_equal(drawn, runs[0][1])


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_instruction_sets_do_not_show(isa):
    skip_unless_it_runs(isa)
    found = [json.loads(run_with(name, SCRIPT, "boltzmann").stdout) for name in ("baseline", isa)]
    assert found[0] == found[1]
    assert len({d for of_case in found[0].values() for d in of_case.values()}) == len(found[0])


def test_dtypes_and_layouts():
    rows, _ = shifter()
    common = {"method": "pcd", "n_iter": 2, "random_state": 0}
    machine = BoltzmannMachine(2, **common).fit(rows)
    assert machine.weights_.dtype == np.float64
    for other in (
        rows.astype(int),
        rows.astype(bool),
        np.asfortranarray(rows),
        rows.astype(">f8"),
        rows.tolist(),
    ):
        assert_array_equal(BoltzmannMachine(2, **common).fit(other).weights_, machine.weights_)
    single = BoltzmannMachine(2, **common).fit(rows.astype(np.float32))
    assert single.weights_.dtype == single.sample(3).dtype == np.float32


def test_estimator_manners():
    rows, _ = shifter()
    machine = BoltzmannMachine(2, n_iter=3, random_state=0)
    assert clone(machine).get_params() == machine.get_params()
    machine.fit(rows)
    again = pickle.loads(pickle.dumps(machine))
    assert_array_equal(again.partial_fit(rows).weights_, machine.partial_fit(rows).weights_)


def test_verbose(capsys):
    BoltzmannMachine(n_iter=2, verbose=1).fit(shifter()[0])
    assert capsys.readouterr().out.count("[BoltzmannMachine] Epoch") == 2


# --- bad input -----------------------------------------------------------------------------------

ROWS = shifter()[0]


def fitted(**params):
    return BoltzmannMachine(2, n_iter=1, random_state=0, **params).fit(ROWS)


BAD = [
    ("values", lambda: BoltzmannMachine().fit(ROWS * 2), ValueError, "take the values 0 and 1"),
    ("spins", lambda: BoltzmannMachine(units="spin").fit(ROWS), ValueError, "take the values -1 and 1"),
    ("NaN", lambda: BoltzmannMachine().fit(ROWS * np.nan), ValueError, "NaN"),
    ("empty", lambda: BoltzmannMachine().fit(ROWS[:0]), ValueError, "0 sample"),
    ("1-D", lambda: BoltzmannMachine().fit(ROWS[0]), ValueError, "Expected 2D"),
    ("columns", lambda: fitted().score_samples(ROWS[:, :4]), ValueError, "4 features"),
    ("unfitted", lambda: BoltzmannMachine().sample(), ValueError, "not fitted"),
    ("n_hidden", lambda: BoltzmannMachine(-1).fit(ROWS), ValueError, "'n_hidden' parameter"),
    ("too many for exact", lambda: BoltzmannMachine(30, method="exact").fit(ROWS), ValueError, "at most 20"),
    (
        "too many to sum",
        lambda: BoltzmannMachine(30, n_iter=0).fit(ROWS).free_energy(ROWS),
        ValueError,
        "at most 20",
    ),
    ("H missing", lambda: fitted().energy(ROWS), ValueError, "2 hidden units"),
    ("H wrong", lambda: fitted().energy(ROWS, ROWS[:, :3]), ValueError, "H has 3 columns"),
    ("H short", lambda: fitted().energy(ROWS, ROWS[:3, :2]), ValueError, "V has 32 rows and H has 3"),
    ("n_samples", lambda: fitted().sample(0), ValueError, "n_samples"),
    ("n_steps", lambda: fitted().sample(1, -1), ValueError, "n_steps"),
    ("v_init rows", lambda: fitted().sample(3, v_init=ROWS[:2]), ValueError, "2 rows, but 3"),
    ("v_init columns", lambda: fitted().sample(3, v_init=ROWS[:1, :4]), ValueError, "4 columns"),
    ("v_init values", lambda: fitted().sample(1, v_init=ROWS[0] + 5), ValueError, "v_init has others"),
    ("clamp alone", lambda: fitted().sample(1, clamp=np.ones(9, bool)), ValueError, "clamp must be"),
    ("clamp ints", lambda: fitted().sample(1, v_init=ROWS[0], clamp=np.ones(9)), ValueError, "clamp must be"),
    ("method of ln Z", lambda: fitted().log_partition("mean"), ValueError, "method must be"),
    ("n_betas", lambda: fitted().log_partition("ais", n_betas=1), ValueError, "n_betas"),
    ("not square", lambda: BoltzmannMachine.from_parameters(np.ones((2, 3))), ValueError, "must have shape"),
    ("diagonal", lambda: BoltzmannMachine.from_parameters(np.eye(3)), ValueError, "zero diagonal"),
    ("asymmetric", lambda: BoltzmannMachine.from_parameters([[0, 1], [2, 0]]), ValueError, "symmetric"),
    ("bias", lambda: BoltzmannMachine.from_parameters(np.zeros((2, 2)), [1]), ValueError, "b must have"),
    ("no visible", lambda: BoltzmannMachine.from_parameters(np.eye(2), None, 2), ValueError, "more than"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
