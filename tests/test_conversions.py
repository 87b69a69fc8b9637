"""Restricted machines, general ones and Ising models into each other: every energy stays what it was."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import states
from scipy.special import logsumexp

from fastnn import RBM, BernoulliRBM, BoltzmannMachine, IsingModel

KINDS = {"bernoulli": "BINARY", "spin": "SPIN"}
N_VISIBLE, N_HIDDEN = 5, 3


def restricted(visible, hidden, dtype):
    rng = np.random.default_rng(9)
    W, a, b = rng.normal(size=(N_VISIBLE, N_HIDDEN)), rng.normal(size=N_VISIBLE), rng.normal(size=N_HIDDEN)
    return RBM.from_parameters(*(x.astype(dtype) for x in (W, a, b)), visible=visible, hidden=hidden)


def general(units, dtype, offset=0.75):
    rng = np.random.default_rng(3)
    W = np.triu(rng.normal(size=(7, 7)), 1)
    b = rng.normal(size=7).astype(dtype)
    machine = BoltzmannMachine.from_parameters((W + W.T).astype(dtype), b, 3, units=units)
    machine.offset_ = offset
    return machine


def rounding(dtype):
    """Of sums of some twenty terms of about unit size."""
    return 100 * np.finfo(dtype).eps


def all_pairs(visible, hidden):
    """Every joint state (2^8, 5), (2^8, 3), in the values of each layer, and units up or not (2^8, 8)."""
    up = states("bernoulli", N_VISIBLE + N_HIDDEN)
    spins = 2 * up - 1
    V, H = (spins if kind == "spin" else up for kind in (visible, hidden))
    return V[:, :N_VISIBLE], H[:, N_VISIBLE:], up


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [None, *KINDS])
@pytest.mark.parametrize("hidden", KINDS)
@pytest.mark.parametrize("visible", KINDS)
def test_a_restricted_machine_keeps_its_energies(visible, hidden, target, dtype):
    rbm = restricted(visible, hidden, dtype)
    V, H, up = all_pairs(visible, hidden)
    expected = rbm.energy(V, H)
    machine = rbm.to_boltzmann_machine(target)
    assert machine.units == (target or (visible if visible == hidden else "spin"))
    assert machine.weights_.dtype == dtype
    S = 2 * up - 1 if machine.units == "spin" else up
    found = machine.energy(S[:, :N_VISIBLE], S[:, N_VISIBLE:])
    assert_allclose(found, expected, rtol=0, atol=rounding(dtype))
    model = rbm.to_ising(KINDS.get(target))
    assert model.vartype == KINDS[machine.units]
    # An Ising model is float64: of the model's own parameters, whatever their precision.
    assert_allclose(model.energy(S), expected, rtol=0, atol=rounding(np.float64))
    assert_allclose(
        model.enumerate().log_partition, float(rbm.log_partition()), rtol=0, atol=rounding(np.float64)
    )
    if target in (None, visible) and visible == hidden:
        assert machine.offset_ == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [None, *KINDS])
@pytest.mark.parametrize("units", KINDS)
def test_a_general_machine_keeps_its_energies(units, target, dtype):
    machine = general(units, dtype)
    S = states(units, 7)
    model = machine.to_ising(KINDS.get(target))
    T = states("spin" if model.vartype == "SPIN" else "bernoulli", 7)
    found = model.energy(T)
    assert_allclose(found, machine.energy(S[:, :4], S[:, 4:]), rtol=0, atol=rounding(np.float64))
    assert_allclose(logsumexp(-found), float(machine.log_partition()), rtol=1e-12)
    back = BoltzmannMachine.from_ising(model, 3)
    assert back.units == (target or units)
    assert_allclose(back.energy(T[:, :4], T[:, 4:]), found, rtol=0, atol=rounding(np.float64))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", KINDS)
def test_there_and_back_changes_no_bit(units, dtype):
    rbm = restricted(units, units, dtype)
    back = rbm.to_boltzmann_machine().to_rbm(random_state=3)
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        assert_array_equal(getattr(back, name), getattr(rbm, name))
        assert getattr(back, name).dtype == dtype
    assert (back.visible, back.hidden, back.random_state) == (units, units, 3)
    by_ising = BoltzmannMachine.from_ising(rbm.to_ising(), N_HIDDEN).to_rbm()
    assert_array_equal(by_ising.components_, rbm.components_)
    assert by_ising.components_.dtype == np.float64


def test_the_drop_in_converts_as_well():
    X = np.random.default_rng(0).integers(0, 2, (50, 4)).astype(float)
    rbm = BernoulliRBM(2, n_iter=2, random_state=0).fit(X)
    machine = rbm.to_boltzmann_machine(random_state=5)
    assert machine.random_state == 5
    assert_allclose(machine.free_energy(X), rbm.free_energy(X), atol=1e-12)
    assert_allclose(machine.log_likelihood(X), rbm.log_likelihood(X), atol=1e-12)


def test_offsets_of_an_ising_model_are_kept():
    model = IsingModel.from_qubo([[1.0, -2.0], [0, 0.5]], offset=3.0)
    machine = BoltzmannMachine.from_ising(model)
    S = states("bernoulli", 2)
    assert_allclose(machine.energy(S), model.energy(S))
    assert_allclose(machine.to_ising().energy(S), model.energy(S))
    assert_allclose(machine.log_likelihood(S), np.log(model.enumerate().probabilities)[[0, 2, 1, 3]])


def test_learning_goes_on_after_a_conversion():
    X = np.random.default_rng(0).integers(0, 2, (60, N_VISIBLE))
    machine = restricted("bernoulli", "bernoulli", np.float64).to_boltzmann_machine(
        warm_start=True, n_iter=30
    )
    before = machine.log_likelihood(X).mean()
    assert machine.fit(X).log_likelihood(X).mean() > before


BAD = [
    ("not a model", lambda: BoltzmannMachine.from_ising(3), TypeError, "IsingModel"),
    ("pairs inside a layer", lambda: general("spin", float, 0).to_rbm(), ValueError, "within a layer"),
    (
        "an offset",
        lambda: restricted("spin", "spin", float).to_boltzmann_machine("bernoulli").to_rbm(),
        ValueError,
        "no offset",
    ),
    ("vartype", lambda: general("spin", float).to_ising("spin"), ValueError, "vartype must be"),
    ("vartype of RBM", lambda: restricted("spin", "spin", float).to_ising(2), ValueError, "vartype must be"),
    (
        "units",
        lambda: restricted("spin", "spin", float).to_boltzmann_machine("potts"),
        ValueError,
        "units must be",
    ),
    ("unfitted RBM", lambda: RBM().to_ising(), ValueError, "not fitted"),
    ("unfitted machine", lambda: BoltzmannMachine().to_ising(), ValueError, "not fitted"),
]


@pytest.mark.parametrize(("call", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_units_of_more_than_two_values_are_refused(monkeypatch):
    rbm = restricted("bernoulli", "bernoulli", float)
    monkeypatch.setattr(rbm, "_units", lambda: ("bernoulli", "gaussian"))
    with pytest.raises(ValueError, match="hidden units of kind 'gaussian' take more than two values"):
        rbm.to_ising()
