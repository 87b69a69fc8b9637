"""Chain diagnostics against chains whose autocorrelation is known in closed form."""

import builtins

import numpy as np
import pytest

from fastnn import RBM, BoltzmannMachine, IsingModel, gibbs_sample

pytest.importorskip("arviz", reason="the extra 'diagnostics' is not installed")
N_CHAINS, N_DRAWS = 16, 2000
PAIR = 0.8


def first_unit(states):
    return np.where(states[:, 0] > 0, 1.0, -1.0)


def pair(kind):
    """Two coupled spins without fields: the first one's autocorrelation is tanh(w)^(2 t)."""
    if kind == "rbm":
        return RBM.from_parameters([[PAIR]], visible="spin", hidden="spin")
    return BoltzmannMachine.from_parameters([[0, PAIR], [PAIR, 0]], units="spin")


@pytest.mark.parametrize("kind", ["rbm", "boltzmann"])
def test_autocorrelation_and_sample_size_are_the_exact_ones(kind):
    """E[h | v] = tanh(w) v and back: rho = tanh(w)^2 a step, N (1 - rho) / (1 + rho) independent draws."""
    found = pair(kind).diagnose(N_CHAINS, N_DRAWS, observable=first_unit, random_state=0)
    rho = np.tanh(PAIR) ** 2
    assert found.draws.shape == (N_CHAINS, N_DRAWS)
    # Standard error of an estimated autocorrelation, Bartlett's (1946), over all chains: below 0.012.
    np.testing.assert_allclose(found.autocorrelation[:6], rho ** np.arange(6), atol=0.05)
    expected = N_CHAINS * N_DRAWS * (1 - rho) / (1 + rho)
    assert 0.8 * expected < found.effective_sample_size < 1.25 * expected
    assert found.r_hat < 1.01


@pytest.mark.parametrize("kind", ["rbm", "boltzmann"])
def test_draws_further_apart_are_worth_more(kind):
    near, far = (
        pair(kind)
        .diagnose(N_CHAINS, 500, n_steps=n, observable=first_unit, random_state=0)
        .autocorrelation[1]
        for n in (1, 4)
    )
    assert near > 0.35
    assert far < 0.12


@pytest.mark.parametrize("units", ["bernoulli", "spin"])
def test_chains_stuck_in_different_modes_are_seen(units):
    W = np.full((8, 8), 3.0) * (1 if units == "spin" else 4)
    a = np.zeros(8) if units == "spin" else -W.sum(axis=1) / 2
    rbm = RBM.from_parameters(W, a, a, visible=units, hidden=units)
    stuck = rbm.diagnose(12, 200, observable=lambda v: v.mean(axis=1), random_state=1)
    assert stuck.r_hat > 1.5
    assert stuck.effective_sample_size < 60
    machine = rbm.to_boltzmann_machine()
    assert machine.diagnose(12, 200, observable=lambda s: s.mean(axis=1), random_state=1).r_hat > 1.5


def test_the_energies_are_observed_by_default():
    rng = np.random.default_rng(0)
    rbm = RBM.from_parameters(rng.normal(0, 0.3, (6, 4)))
    found = rbm.diagnose(4, 400, random_state=0)
    machine = rbm.to_boltzmann_machine()
    joint = machine.diagnose(4, 400, random_state=0)
    exact = machine.to_ising().enumerate()
    # The mean over some thousand nearly independent draws: 5 standard errors.
    spread = np.sqrt(exact.energy_variance / joint.effective_sample_size)
    assert abs(joint.draws.mean() - exact.mean_energy) < 5 * spread
    states = np.array([[k >> i & 1 for i in range(6)] for k in range(64)])
    F = rbm.free_energy(states)
    p = np.exp(rbm.log_likelihood(states))
    spread = np.sqrt((p @ F**2 - (p @ F) ** 2) / found.effective_sample_size)
    assert abs(found.draws.mean() - p @ F) < 5 * spread


def test_the_same_seed_gives_the_same_draws():
    one, two, other = (pair("rbm").diagnose(2, 50, random_state=s).draws for s in (3, 3, 4))
    first, second, third = (
        pair("rbm").diagnose(2, 50, observable=first_unit, random_state=s).draws for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    assert one.shape == other.shape


def test_samples_of_an_ising_model():
    ring = IsingModel.from_edges([[k, (k + 1) % 8] for k in range(8)], 0.3)
    samples = gibbs_sample(ring, num_reads=8, num_sweeps=500, burn_in=50, observables=["energy"], seed=0)
    assert samples.r_hat() < 1.02
    assert 500 < samples.effective_sample_size() < 5000
    with pytest.raises(ValueError, match="'size' was not recorded"):
        samples.r_hat("size")


BAD = [
    ({"n_chains": 0}, "n_chains must be at least 1"),
    ({"n_draws": 3}, "n_draws must be at least 4"),
    ({"n_steps": 0}, "n_steps must be at least 1"),
    ({"burn_in": -1}, "burn_in must be at least 0"),
    ({"observable": lambda v: v}, r"one finite number for each of 8 rows, got an array of shape \(8, 1\)"),
    ({"observable": lambda v: np.full(len(v), np.nan)}, "one finite number"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        pair("rbm").diagnose(**change)


def test_without_arviz_the_error_says_what_to_install(monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name == "arviz":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install \"fastnn\[diagnostics\]\""):
        pair("rbm").diagnose()
