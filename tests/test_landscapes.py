"""Pictures of energies: what is drawn are the numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import HopfieldNetwork, IsingModel, anneal, plot

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def patterns():
    return np.random.default_rng(0).choice([-1, 1], (3, 80))


def test_energy_trace_of_a_recall_and_of_samples(patterns):
    found = HopfieldNetwork().fit(patterns).recall(np.random.default_rng(1).choice([-1, 1], (9, 80)))
    ax = plot.energy_trace(found, n_traces=4, title="Recall")
    assert_array_equal([line.get_ydata() for line in ax.lines], found.energies[:4])
    assert ax.get_title() == "Recall"
    ring = IsingModel.from_edges([[k, (k + 1) % 6] for k in range(6)])
    samples = anneal(ring, num_reads=3, num_sweeps=5, observables=["energy"], seed=0)
    given = plt.figure().subplots()
    assert plot.energy_trace(samples, ax=given) is given
    assert_array_equal([line.get_ydata() for line in given.lines], samples.observables["energy"])


def test_energy_landscape_spans_the_overlaps(patterns):
    network = HopfieldNetwork().fit(patterns)
    ax = plot.energy_landscape(network, n_steps=21)
    dots = np.array([line.get_xydata() for line in ax.lines]).reshape(-1, 2)
    m = patterns[0] @ patterns[1] / 80
    assert_allclose(dots, [[1, m], [m, 1], [-1, -m], [-m, -1]])
    assert ax.dataLim.x0 < -0.99
    assert ax.dataLim.x1 > 0.99


def test_ladders_reach_every_corner():
    from fastnn._landscapes import _ladders

    same = np.arange(10) < 6
    agree, differ = _ladders(same, 7, 0)
    assert_array_equal(agree[:, same].sum(axis=1), [-6, -4, -2, 0, 2, 4, 6])
    assert (agree[:, ~same] == 1).all()
    assert_array_equal(differ[[0, -1]][:, ~same], [[-1] * 4, [1] * 4])
    assert (differ[:, same] == 1).all()


def test_transition_probability_is_the_rule():
    betas = [0.5, 4.0, 0.0]
    for acceptance, rule in {
        "heat_bath": lambda e: 1 / (1 + np.exp(e)),
        "metropolis": lambda e: np.minimum(1, np.exp(-e)),
    }.items():
        ax = plot.transition_probability(betas, acceptance=acceptance, limit=3)
        for line, beta in zip(ax.lines, [4.0, 0.5, 0.0], strict=True):
            assert_allclose(line.get_ydata(), rule(beta * line.get_xdata()))
            assert line.get_label() == f"β = {beta:.3g}"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: plot.energy_trace([[np.nan]]), "NaN"),
        (lambda p: plot.energy_trace([[1.0]], n_traces=0), "n_traces"),
        (
            lambda p: plot.energy_trace(HopfieldNetwork.from_weights([[0, 1], [2, 0]]).recall([[1, 1]])),
            "no energies",
        ),
        (lambda p: plot.energy_landscape(HopfieldNetwork().fit(p[:1])), "two patterns, got 1"),
        (lambda p: plot.energy_landscape(HopfieldNetwork().fit(p), [p[0], -p[0]]), "equal or opposite"),
        (lambda p: plot.transition_probability([]), "at least one"),
        (lambda p: plot.transition_probability([-1.0]), "not negative"),
        (lambda p: plot.transition_probability([1.0], acceptance="glauber"), "acceptance must be"),
    ],
)
def test_bad_input(call, message, patterns):
    with pytest.raises(ValueError, match=message):
        call(patterns)
