"""Hopfield networks: how many patterns fit before memory collapses?

Writes ``hopfield_capacity.png``. Recall starts at stored patterns themselves and goes on until nothing
moves. Left: the mean overlap of where it ends with the pattern, N = 10,000, beside the theory of Amit,
Gutfreund and Sompolinsky (Physical Review Letters 55 (1985), 1530), in which patterns are recalled with up
to 1.65 % of their bits wrong as long as P < 0.138 N (the slides round to 0.15 N), and not at all beyond.

Right: why no finite network shows a jump there. Near the limit some patterns hold and others do not; the
share that holds falls from 1 to 0 over a range of loads that narrows as N grows. Below the limit larger
networks hold more, above it they hold less: where the curves cross is the limit. Recall without noise
stops in the first hollow, so that it holds slightly longer than theory at equilibrium: Amit et al. (Annals
of Physics 173 (1987), 30) extrapolate simulations like this one to 0.145 +- 0.009.

Weights are never built: recall works with the patterns, one bit for each unit.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq
from scipy.special import erf

from fastnn import HopfieldNetwork

TINY = "--tiny" in sys.argv
SIZES = {100: 1, 300: 1} if TINY else {1000: 8, 3000: 3, 10_000: 1}  # units: networks
PROBES = 64
LOADS = [0.03, 0.06, 0.09, 0.11, 0.13, 0.135, 0.14, 0.145, 0.15, 0.16]
HELD = 0.8  # overlaps lie near 1 or near 0.35


def overlaps(n_units, load, n_networks):
    """Of rest states with the patterns from which recall began, over some networks."""
    found = []
    for k in range(n_networks):
        rng = np.random.default_rng([k, n_units])
        patterns = 2 * rng.integers(0, 2, (round(load * n_units), n_units), dtype=np.int8) - 1
        probes = patterns[:PROBES]
        recalled = HopfieldNetwork(max_sweeps=5000).fit(patterns).recall(probes)
        assert recalled.converged.all()
        found.append(np.einsum("ij,ij->i", recalled.states, probes, dtype=float) / n_units)
    return np.concatenate(found)


def theory(load):
    """m = erf(x) at the largest x with erf(x) = x (sqrt(2 load) + 2/sqrt(pi) e^(-x^2)), if there is one."""

    def equation(x):
        return erf(x) - x * (np.sqrt(2 * load) + 2 / np.sqrt(np.pi) * np.exp(-(x**2)))

    grid = np.linspace(0.5, 8, 4000)
    falls = np.flatnonzero(np.diff(np.sign([equation(x) for x in grid])) < 0)
    return erf(brentq(equation, grid[falls[-1]], grid[falls[-1] + 1])) if len(falls) else np.nan


measured = {n: [overlaps(n, load, k) for load in LOADS] for n, k in SIZES.items()}
share = {n: np.array([(m > HELD).mean() for m in of_size]) for n, of_size in measured.items()}
smallest, largest = min(SIZES), max(SIZES)
means = [m.mean() for m in measured[largest]]

print("P/N    overlap  theory   share of patterns held, N = " + ", ".join(map(str, SIZES)))
for k, load in enumerate(LOADS):
    shares = "  ".join(f"{share[n][k]:.3f}" for n in SIZES)
    print(f"{load:<6g} {means[k]:.4f}   {theory(load):.4f}   {shares}")
behind = np.flatnonzero(share[largest] < share[smallest])
if len(behind):
    print(f"larger networks begin to hold less between P/N = {LOADS[behind[0] - 1]} and {LOADS[behind[0]]}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
fine = np.linspace(0.01, 0.14, 300)
left.plot(fine, [theory(load) for load in fine], color="0.6", label="theory, N → ∞")
left.plot(LOADS, means, "o", color="#1f4e79", label=f"fastnn, N = {largest:,}")
left.set(xlabel="load P/N", ylabel="overlap with the stored pattern", ylim=(0, 1.05))
for n, color in zip(SIZES, ("#9ecae1", "#4292c6", "#08306b"), strict=False):
    right.plot(LOADS, share[n], "o-", color=color, label=f"N = {n:,}")
right.set(xlabel="load P/N", ylabel="share of patterns held", xlim=(0.105, 0.165), ylim=(0, 1.05))
for ax in (left, right):
    ax.axvline(0.138, color="0.8", linestyle="--", zorder=0)
    ax.annotate("0.138", (0.138, 0.02), xytext=(-3, 0), textcoords="offset points", color="0.4", ha="right")
    ax.legend(loc="lower left", frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig("hopfield_capacity.png", dpi=150)
print("hopfield_capacity.png written")
