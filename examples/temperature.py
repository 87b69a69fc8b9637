"""Temperature: why does a low one favour few states, and why sample by Gibbs at all?

Writes ``temperature.png``: the probability of a step against its change of energy, and the Boltzmann
distribution of a small glass of spins at three temperatures. At beta = 0 all 2^n states are as likely as
each other; p ratios are e^(-beta dE), so that as beta grows all but the lowest energies die out. The sum
Z over 2^n states is out of reach beyond some 25 units, but a Gibbs step needs no Z: given the others, a
unit has two states, and the ratio of their probabilities knows only their difference of energy.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import IsingModel, plot

BETAS = [0.1, 0.5, 2.0]
rng = np.random.default_rng(1)
W = np.triu(rng.normal(size=(12, 12)), 1) / 2
model = IsingModel(W + W.T)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plot.transition_probability(BETAS, ax=axes[0])
axes[0].set_title("Hot: any step. Cold: only downhill")
for beta in BETAS:
    exact = model.enumerate(beta)
    falling = np.sort(exact.probabilities)[::-1]
    axes[1].plot(np.arange(1, 201), np.cumsum(falling)[:200], label=f"β = {beta:g}")
    half = 1 + int(np.searchsorted(np.cumsum(falling), 0.5))
    print(f"beta = {beta:<4g} entropy {exact.entropy:.2f} nats; half of all draws are {half} of 4096 states")
axes[1].set(xlabel="states, most likely first", ylabel="their total probability", xscale="log")
axes[1].set_title("Cold: few states hold all probability")
axes[1].legend(frameon=False)
axes[1].spines[["top", "right"]].set_visible(False)
figure.savefig("temperature.png", dpi=150)
print("temperature.png written")
