"""Temperature: why does a low one favour few states, and why sample by Gibbs at all?

Writes ``temperature.png``. Above: the probability of a step against its change of energy; the Boltzmann
distribution of a small glass of spins. At beta = 0 all 2^n states are as likely as each other. The ratio of
two probabilities is e^(-beta (E - E')), so that as beta grows all but the lowest energies die out: they are
few. The sum Z over 2^n states is out of reach beyond some 25 units, but a Gibbs step needs no Z: given the
others, a unit has two states, and the ratio of their probabilities knows only their difference of energy.

Below: simulated annealing of a larger glass along three schedules: the temperature, the probability of a
step uphill by one unit of energy, the mean energy of 64 reads. Cooled too fast at the end, or left hot for
too long, reads end higher; what they share is that few steps uphill are taken once the walk is cold.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from fastnn import IsingModel, anneal, plot

SWEEPS, SIDE = (20, 6) if "--tiny" in sys.argv else (300, 40)
BETAS = [0.1, 0.5, 2.0]
COLORS = ["#1f4e79", "#d6604d", "#5aae61"]
rng = np.random.default_rng(1)
W = np.triu(rng.normal(size=(12, 12)), 1) / 2
model = IsingModel(W + W.T)

figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
above, below = axes
plot.transition_probability(BETAS, ax=above[0])
above[0].set_title("Hot: any step. Cold: only downhill")
print("beta   entropy   states that hold half of the probability, of 4096")
for beta, line in zip(BETAS, reversed(above[0].lines), strict=True):
    exact = model.enumerate(beta)
    held = np.cumsum(np.sort(exact.probabilities)[::-1])
    half = 1 + int(np.searchsorted(held, 0.5))
    above[1].plot(np.arange(1, 4097), held, color=line.get_color())
    above[1].annotate(f"β = {beta:g}", (half, held[half - 1]), xytext=(8, -4), textcoords="offset points")
    print(f"{beta:<4g}   {exact.entropy:7.2f}   {half}")
above[1].set(xlabel="states, most likely first", ylabel="their total probability", xscale="log")
above[1].set_title("Cold: few states hold all probability")
fine = np.geomspace(0.02, 5, 60)
exact = [model.enumerate(beta) for beta in fine]
above[2].plot(fine, [e.mean_energy for e in exact], label="mean energy")
above[2].plot(fine, [e.entropy for e in exact], label="entropy, nats")
above[2].axhline(exact[0].ground_energy, color="0.7", linestyle="--", zorder=0)
above[2].annotate("lowest energy", (0.02, exact[0].ground_energy), va="bottom", color="0.4")
above[2].set(xlabel="β", xscale="log", title="Energy and entropy fall together")

sites = np.arange(SIDE**2).reshape(SIDE, SIDE)
edges = np.concatenate([np.stack([sites, np.roll(sites, 1, axis)], -1).reshape(-1, 2) for axis in (0, 1)])
glass = IsingModel.from_edges(edges, rng.choice([-1.0, 1.0], len(edges)))
SCHEDULES = {
    "geometric in β": np.geomspace(0.1, 3, SWEEPS),
    "linear in β": np.linspace(0.1, 3, SWEEPS),
    "linear in T": 1 / np.linspace(10, 1 / 3, SWEEPS),
}
print("schedule         mean energy per spin   best")
for (name, betas), color in zip(SCHEDULES.items(), COLORS, strict=True):
    found = anneal(glass, num_reads=64, schedule=betas, seed=0, observables=["energy"])
    energy = found.observables["energy"].mean(axis=0) / glass.n
    below[0].plot(1 / betas, color=color, label=name)
    below[1].plot(np.exp(-betas), color=color)
    below[2].plot(np.linspace(0, SWEEPS, len(energy)), energy, color=color)
    print(f"{name:<16} {found.energies.mean() / glass.n:20.4f}   {found.best_energy / glass.n:.4f}")
below[0].set(xlabel="sweep", ylabel="temperature", yscale="log", title="Three schedules")
below[1].set(xlabel="sweep", ylabel="probability", title="Of a step uphill by 1 (Metropolis)")
below[2].set(xlabel="sweep", ylabel="energy per spin", title=f"{SIDE} × {SIDE} spin glass, mean of 64 reads")
above[1].set_xlim(0.8, 30_000)
for ax in (above[2], below[0]):
    ax.legend(frameon=False)
for ax in axes.flat:
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig("temperature.png", dpi=130)
print("temperature.png written")
