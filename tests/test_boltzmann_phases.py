"""Phases of learning in Boltzmann machines; how it is watched, stopped, interrupted, kept from diverging."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from processes import assert_quick_to_interrupt
from sklearn.callback import ProgressBar
from test_boltzmann import ERROR, chi_square_p, exact, parameters, shifter
from test_rbm_estimator import Recorder

from fastnn import BoltzmannMachine, DivergenceError
from fastnn.energy._boltzmann import Machine
from fastnn.energy._phases import FreePhase, clamped_states

UNITS = {"bernoulli": 0, "spin": -1}
ROWS = shifter()[0]


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", UNITS)
def test_tempering_leaves_the_law_of_every_temperature_as_it_is(units):
    """From exact draws at each beta: sweeps and exchanges keep them exact draws, at each beta."""
    W, b = parameters(6, 3)
    phase = FreePhase("tempered", 20_000, 1, 0.2, 4, key=5)
    laws = [exact(W, b, units, beta) for beta in phase.rungs]
    rng = np.random.default_rng(0)
    states = np.stack([S[rng.choice(len(S), 20_000, p=p)] for S, p in laws])
    machine = Machine(W, b, 3, UNITS[units])
    for step in range(3):
        before, states = states, phase.advance(machine, states, step, 2)
        for drawn, (S, p) in zip(states, laws, strict=True):
            assert chi_square_p(drawn, S, p) > ERROR
    assert (before != states).any(axis=2).mean() > 0.2


def test_exchanges_are_accepted_as_often_as_they_should(monkeypatch):
    """Two temperatures, no sweeps between: the rate against the sum over pairs of states."""
    W, b = parameters(5, 4)
    phase = FreePhase("tempered", 50_000, 1, 0.3, 2, key=1)
    (S, p), (_, q) = (exact(W, b, "spin", beta) for beta in phase.rungs)
    machine = Machine(W, b, 5, -1)
    E = machine.energy(S)
    expected = p @ np.minimum(1, np.exp(0.7 * (E[:, None] - E))) @ q
    rng = np.random.default_rng(2)
    cold, hot = (rng.choice(len(S), 50_000, p=law) for law in (p, q))
    after = phase._exchange(machine, S[np.stack([cold, hot])], 0)
    moved = (after[0] != S[cold]).any(axis=1)
    differ = cold != hot
    equal_pairs = (p * q).sum()  # exchanged always, seen never
    rate = expected - equal_pairs
    assert abs(moved.mean() - rate) < 4 * np.sqrt(rate / 50_000)  # two-sided 6e-5
    assert_array_equal(after[1][moved], S[cold][moved])
    assert_array_equal(after[0][moved], S[hot][moved])
    assert moved[~differ].sum() == 0


@pytest.mark.parametrize("units", UNITS)
def test_annealing_ends_in_the_machines_law(units):
    W, b = parameters(6, 2, 0.5)
    phase = FreePhase("annealed", 20_000, 60, 0.0, 8, key=3)
    drawn = phase.advance(Machine(W, b, 6, UNITS[units]), None, 4, 2)[0]
    assert chi_square_p(drawn, *exact(W, b, units)) > ERROR


def test_tempered_chains_leave_the_mode_that_others_are_stuck_in():
    """A ferromagnet of 10 spins: all up and all down, as likely as each other, and 12 of energy between."""
    W = (np.ones((10, 10)) - np.eye(10)) / 2
    machine = Machine(W, np.zeros(10), 10, -1)
    ups = {}
    for kind in ("pcd", "tempered"):
        phase = FreePhase(kind, 1000, 1, 0.0, 6, key=0)
        states = np.ones((len(phase.rungs), 1000, 10))
        for step in range(60):
            states = phase.advance(machine, states, step, 2)
        ups[kind] = (states[0].sum(axis=1) > 0).mean()
    assert ups["pcd"] > 0.99
    assert abs(ups["tempered"] - 0.5) < 5 * 0.5 / np.sqrt(1000)


@pytest.mark.parametrize("units", UNITS)
def test_the_clamped_phase_draws_the_hidden_units_given_the_visible(units):
    """Hidden units that are coupled to each other, by enumeration for one row of data."""
    W, b = parameters(7, 1, 0.8)
    S, p = exact(W, b, units)
    row = S[37, :3]
    rows = np.tile(row, (20_000, 1))
    drawn = clamped_states(Machine(W, b, 3, UNITS[units]), rows, np.linspace(0.5, 1, 40), 7, 2, 2)
    assert_array_equal(drawn[:, :3], rows)
    fits = (S[:, :3] == row).all(axis=1)
    assert chi_square_p(drawn, S[fits], p[fits] / p[fits].sum()) > ERROR


@pytest.mark.parametrize("method", ["annealed", "tempered"])
def test_the_sampled_gradient_is_the_exact_one(method):
    W, b = parameters(6, 8, 0.5)
    V = np.tile(exact(W[:4, :4], b[:4], "spin")[0], (500, 1))
    common = {"units": "spin", "learning_rate": 1.0, "random_state": 0, "n_threads": 2}
    sampled = BoltzmannMachine.from_parameters(
        W,
        b,
        2,
        method=method,
        n_chains=8000,
        n_gibbs_steps=40,
        n_clamped_steps=30,
        n_temperatures=3,
        **common,
    ).partial_fit(V)
    enumerated = BoltzmannMachine.from_parameters(W, b, 2, method="exact", **common).partial_fit(V)
    # Means of 8000 products of absolute value at most 1, twice: 5 standard errors.
    assert np.abs(sampled.weights_ - enumerated.weights_).max() < 5 * np.sqrt(2 / 8000)
    assert np.abs(sampled.bias_ - enumerated.bias_).max() < 5 * np.sqrt(2 / 8000)


@pytest.mark.parametrize("change", [{"hottest_beta": 0.5}, {"n_temperatures": 3}, {"n_chains": 30}])
def test_every_parameter_of_tempering_has_its_effect(change):
    common = {"method": "tempered", "n_iter": 5, "n_chains": 20, "random_state": 0}
    plain, other = (BoltzmannMachine(3, **{**common, **more}).fit(ROWS) for more in ({}, change))
    assert not np.array_equal(plain.weights_, other.weights_)


def test_threads_do_not_show_in_tempering():
    X = np.random.default_rng(0).integers(0, 2, (150, 40))
    fits = [
        BoltzmannMachine(20, method="tempered", n_iter=2, n_chains=150, n_threads=n, random_state=0).fit(X)
        for n in (1, 2, 3, 8)
    ]
    for machine in fits[1:]:
        assert_array_equal(machine.weights_, fits[0].weights_)


# --- who watches ---------------------------------------------------------------------------------


def test_callbacks_see_every_epoch():
    common = {"method": "pcd", "random_state": 0}
    seen = Recorder()
    machine = BoltzmannMachine(2, n_iter=3, **common).set_callbacks(seen).fit(ROWS, ROWS[:, 0])
    assert seen.calls == ["setup", "epoch", "epoch", "epoch", "fit", "teardown"]
    for number, (snapshot, rows) in enumerate(zip(seen.models, seen.rows, strict=True), 1):
        alone = BoltzmannMachine(2, n_iter=number, **common).fit(ROWS)
        assert_array_equal(snapshot.weights_, alone.weights_)
        assert_allclose(snapshot.free_energy(ROWS), alone.free_energy(ROWS))
        assert_array_equal(rows[0], ROWS)
    stopped = BoltzmannMachine(2, n_iter=50, **common).set_callbacks(Recorder(stop_at=3)).fit(ROWS)
    assert stopped.n_iter_ == 3
    assert_array_equal(stopped.weights_, machine.weights_)


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    BoltzmannMachine(2, n_iter=3).set_callbacks(ProgressBar()).fit(ROWS)
    assert "BoltzmannMachine - fit" in capsys.readouterr().out


def test_a_machine_goes_on_with_its_layers_only():
    machine = BoltzmannMachine(2, n_iter=1, warm_start=True).fit(ROWS)
    with pytest.raises(
        ValueError, match=r"\(2, 'bernoulli'\), but the parameters now say \(3, 'bernoulli'\)"
    ):
        machine.set_params(n_hidden=3).fit(ROWS)
    with pytest.raises(ValueError, match="'spin'"):
        machine.set_params(n_hidden=2, units="spin").partial_fit(2 * ROWS - 1)
    assert machine.set_params(units="bernoulli").fit(ROWS).n_iter_ == 1


# --- Ctrl-C and divergence -----------------------------------------------------------------------

WIDE = np.random.default_rng(0).integers(0, 2, (500, 400))
# Each would run for 20 seconds at least.
LONG = {
    "fit, pcd": lambda: BoltzmannMachine(100, n_iter=5000).fit(WIDE),
    "fit, tempered": lambda: BoltzmannMachine(100, method="tempered", n_iter=5000).fit(WIDE),
    "fit, exact": lambda: BoltzmannMachine(8, method="exact", n_iter=5000).fit(ROWS),
    "sample": lambda: random_machine(500).sample(1000, 100_000),
    "log_partition": lambda: random_machine(200).log_partition("ais", n_betas=1_000_000),
    "score_samples": lambda: random_machine(400).score_samples(np.repeat(WIDE[:, :400], 100, axis=0)),
}


def random_machine(n):
    return BoltzmannMachine.from_parameters(*parameters(n, scale=0.05))


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_returns_at_once(name):
    assert_quick_to_interrupt(LONG[name])


def test_ctrl_c_keeps_the_last_update():
    machine = BoltzmannMachine(100, n_iter=5000, random_state=0, warm_start=True)
    assert_quick_to_interrupt(lambda: machine.fit(WIDE))
    assert machine.n_iter_ < 5000
    before = machine.weights_
    assert np.isfinite(before).all()
    assert_array_equal(before, before.T)
    machine.set_params(n_iter=1).fit(WIDE)
    assert 0 < np.abs(machine.weights_ - before).max() < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["exact", "pcd", "annealed", "tempered"])
def test_divergence_keeps_the_parameters_from_before(method, dtype):
    machine = BoltzmannMachine(1, method=method, n_iter=1, warm_start=True, random_state=0, momentum=0.9)
    machine.fit(ROWS.astype(dtype))
    before = machine.weights_.copy(), machine.bias_.copy()
    machine.set_params(learning_rate=float(np.finfo(dtype).max) / 10, n_iter=100)
    with pytest.raises(DivergenceError, match="lower learning_rate or momentum"):
        machine.fit(ROWS.astype(dtype))
    assert np.isfinite(machine.weights_).all()
    if machine.n_iter_ == 0:
        assert_array_equal(machine.weights_, before[0])
        assert_array_equal(machine.bias_, before[1])
    machine.set_params(learning_rate=0.01, n_iter=2).fit(ROWS)  # no velocity leads out again
    assert np.isfinite(machine.weights_).all()
