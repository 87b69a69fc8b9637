"""How much Hopfield networks hold, against the theories of Amit et al. and of McEliece et al."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.optimize import brentq
from scipy.special import erf

from fastnn import HopfieldNetwork


def overlaps(n_units, load, n_networks=1, n_probes=64):
    """Of rest states with the patterns from which recall began."""
    found = []
    for k in range(n_networks):
        rng = np.random.default_rng([k, n_units])
        patterns = 2 * rng.integers(0, 2, (round(load * n_units), n_units), dtype=np.int8) - 1
        recalled = HopfieldNetwork(max_sweeps=5000).fit(patterns).recall(patterns[:n_probes])
        assert recalled.converged.all()
        found.append(np.einsum("ij,ij->i", recalled.states, patterns[:n_probes], dtype=float) / n_units)
    return np.concatenate(found)


def theory(load):
    """m = erf(x) at the largest x with erf(x) = x (sqrt(2 load) + 2/sqrt(pi) e^(-x^2))."""

    def equation(x):
        return erf(x) - x * (np.sqrt(2 * load) + 2 / np.sqrt(np.pi) * np.exp(-(x**2)))

    grid = np.linspace(0.3, 6, 2000)
    last = np.flatnonzero(np.diff(np.sign([equation(x) for x in grid])))[-1]
    return erf(brentq(equation, grid[last], grid[last + 1]))


@pytest.mark.parametrize("load", [0.05, 0.09, 0.12, 0.13])
def test_overlaps_are_the_theorys(load):
    """N = 10,000, below capacity (Amit, Gutfreund, Sompolinsky 1985)."""
    assert abs(overlaps(10_000, load).mean() - theory(load)) < 0.01


def test_memory_collapses_between_0135_and_0145():
    """Finite networks go from holding all to holding none over a range of loads that narrows with N.

    Below the limit the larger network holds the greater share of its patterns, above it the smaller one: the
    curves cross at the limit. Shares of 512 and 64 patterns: differences of about 0.04 and 0.15, the latter
    2.5 standard errors and the same in the larger gap at 0.155.
    """
    share = {
        (n, load): (overlaps(n, load, n_networks) > 0.8).mean()
        for n, n_networks in ((1000, 8), (8000, 1))
        for load in (0.135, 0.145, 0.155)
    }
    assert share[8000, 0.135] > share[1000, 0.135] > 0.9
    assert share[8000, 0.145] < share[1000, 0.145]
    assert share[8000, 0.155] < 0.4 < 0.6 < share[1000, 0.155]


def test_few_patterns_are_recalled_exactly():
    """P < N / (4 ln N): all patterns are fixed points; a tenth of the bits wrong are mended."""
    rng = np.random.default_rng(0)
    n = 1000
    patterns = rng.choice([-1, 1], (int(n / (4 * np.log(n))), n))
    network = HopfieldNetwork().fit(patterns)
    assert network.is_stable(patterns).all()
    noisy = patterns * rng.choice([-1, 1], patterns.shape, p=[0.1, 0.9])
    assert_array_equal(network.predict(noisy), patterns)


def test_steeper_energies_hold_more():
    rng = np.random.default_rng(0)
    patterns = rng.choice([-1, 1], (150, 100))
    kept = [
        HopfieldNetwork(**params).fit(patterns).is_stable(patterns).mean()
        for params in ({}, {"energy": "polynomial", "degree": 4}, {"energy": "exponential"})
    ]
    assert kept[0] < 0.1
    assert kept[1:] == [1.0, 1.0]
