"""Boltzmann machine: hidden units learn what pairs of visible units cannot tell.

Writes ``boltzmann_shifter.png``. The shifter of Ackley, Hinton and Sejnowski (Cognitive Science 9 (1985),
147), small: four bits, the same bits shifted round by one place to the left or to the right, and a ninth bit
that says which. Every pair of visible units is independent in these data, or nearly so: what matters is of
third order (this bit, that bit, the direction). A machine without hidden units knows means and pairs only, so
that it guesses the direction; ten hidden units learn it.

Left: the probability of the right direction as learning goes on, where the shift can be told at all. Middle:
the likelihood. Right: the weights to the hidden units that learned it.

Why Gibbs sampling? The gradient is <s_i s_j> with data clamped less <s_i s_j> of the machine running free,
means over 2^10 and 2^19 states. The sum Z is out of reach for larger machines, but a step of a Gibbs chain
needs none: given the others a unit has two states, and the ratio of their probabilities needs their
difference of energy alone.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from fastnn import BoltzmannMachine

ROUNDS, EPOCHS = (2, 2) if "--tiny" in sys.argv else (10, 300)
bits = np.array([[k >> i & 1 for i in range(4)] for k in range(16)])
left, right = (np.hstack([bits, np.roll(bits, k, axis=1)]) for k in (-1, 1))
rows = np.vstack([np.c_[left, np.zeros(16, int)], np.c_[right, np.ones(16, int)]])
telling = np.tile((left != right).any(axis=1), 2)


def knows(machine):
    """P(the last bit is right, given the others), the mean over rows whose shift can be told."""
    other = rows.copy()
    other[:, -1] = 1 - other[:, -1]
    odds = machine.free_energy(rows) - machine.free_energy(other)
    return (1 / (1 + np.exp(odds)))[telling].mean()


common = {
    "learning_rate": 0.3,
    "batch_size": 32,
    "n_iter": EPOCHS,
    "warm_start": True,
    "random_state": 0,
    "n_threads": 1,
}
sampled = {"method": "pcd", "n_chains": 256, "n_gibbs_steps": 3, "n_clamped_steps": 5}
machines = {
    "no hidden units": BoltzmannMachine(0, **common),
    "10 hidden units": BoltzmannMachine(10, **sampled, **common),
}
course = {name: [] for name in machines}
for _ in range(ROUNDS):
    for name, machine in machines.items():
        machine.fit(rows)
        course[name].append((knows(machine), machine.log_likelihood(rows).mean()))

print(f"best possible log-likelihood: {-np.log(32):.2f} (32 rows)")
print("machine            P(right direction)   log-likelihood")
for name, of_machine in course.items():
    print(f"{name:<18} {of_machine[-1][0]:18.3f}   {of_machine[-1][1]:14.3f}")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", width_ratios=(1, 1, 1.1))
epochs = EPOCHS * np.arange(1, ROUNDS + 1)
for (name, of_machine), color in zip(course.items(), ("#d6604d", "#1f4e79"), strict=True):
    for ax, values in zip(axes, np.transpose(of_machine), strict=False):
        ax.plot(epochs, values, color=color, label=name)
axes[0].set(xlabel="epoch", ylabel="P(right direction)", ylim=(0.4, 1.02))
axes[1].set(xlabel="epoch", ylabel="mean log-likelihood, nats")
axes[1].axhline(-np.log(32), color="0.7", linestyle="--", zorder=0)
axes[1].annotate("the data's own entropy", (epochs[-1], -np.log(32)), ha="right", va="bottom", color="0.4")
axes[0].legend(frameon=False, loc="upper left")
for ax in axes[:2]:
    ax.spines[["top", "right"]].set_visible(False)
W = machines["10 hidden units"].weights_[9:, :9]
W = W[np.argsort(-np.abs(W[:, 8]))]
most = np.abs(W).max()
image = axes[2].imshow(W, cmap="RdBu_r", vmin=-most, vmax=most)
axes[2].set_xticks(range(9), [*(f"{k}" for k in range(4)), *(f"{k}'" for k in range(4)), "dir"])
axes[2].set(xlabel="visible unit: bit, shifted bit, direction", ylabel="hidden unit", yticks=[])
figure.colorbar(image, ax=axes[2], label="weight")
figure.savefig("boltzmann_shifter.png", dpi=130)
print("boltzmann_shifter.png written")
