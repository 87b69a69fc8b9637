"""Hopfield networks: how many patterns fit before memory collapses?

Writes ``hopfield_capacity.png``: the mean overlap of recalled with stored patterns against the load
P/N, N = 10,000, beside the theory of Amit, Gutfreund and Sompolinsky (1985). Up to P = 0.138 N (the
slides round to 0.15 N) patterns are recalled with a few per cent of their bits wrong; beyond it none is.
Weights are never built: recall works with the patterns, one bit for each unit.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq
from scipy.special import erf

from fastnn import HopfieldNetwork

N, PROBES = 10_000, 64
LOADS = [0.02, 0.04, 0.06, 0.08, 0.1, 0.11, 0.12, 0.13, 0.135, 0.14, 0.145, 0.15, 0.16]


def measured(load, rng):
    """Mean overlap of rest states with the patterns from which recall began."""
    patterns = rng.choice(np.array([-1, 1], np.int8), (round(load * N), N))
    rest = HopfieldNetwork(max_sweeps=500).fit(patterns).predict(patterns[:PROBES])
    return np.einsum("ij,ij->i", rest, patterns[:PROBES], dtype=float).mean() / N


def theory(load):
    """m = erf(x) at the largest x with erf(x) = x (sqrt(2 load) + 2/sqrt(pi) e^(-x^2)), if there is one."""

    def equation(x):
        return erf(x) - x * (np.sqrt(2 * load) + 2 / np.sqrt(np.pi) * np.exp(-(x**2)))

    grid = np.linspace(0.5, 8, 4000)
    falls = np.flatnonzero(np.diff(np.sign([equation(x) for x in grid])) < 0)
    return erf(brentq(equation, grid[falls[-1]], grid[falls[-1] + 1])) if len(falls) else np.nan


rng = np.random.default_rng(0)
overlaps = [measured(load, rng) for load in LOADS]
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
fine = np.linspace(0.01, 0.14, 300)
ax.plot(fine, [theory(load) for load in fine], color="0.6", label="theory, N → ∞")
ax.plot(LOADS, overlaps, "o", color="#1f4e79", label=f"fastnn, N = {N:,}")
ax.axvline(0.138, color="0.8", linestyle="--", zorder=0)
ax.annotate("0.138", (0.138, 0.03), xytext=(3, 0), textcoords="offset points", color="0.4")
ax.set(xlabel="load P/N", ylabel="overlap with the stored pattern", ylim=(0, 1.05))
ax.legend(loc="lower left")
ax.spines[["top", "right"]].set_visible(False)
figure.savefig("hopfield_capacity.png", dpi=150)
for load, overlap in zip(LOADS, overlaps, strict=True):
    print(f"P/N = {load:<5g} measured {overlap:.4f}  theory {theory(load):.4f}")
print("hopfield_capacity.png written")
