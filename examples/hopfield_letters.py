"""Hopfield networks: recall of noisy letters, and memories that stand alone or merge.

Writes ``hopfield_letters.png``. Above: letters with a fifth of their pixels wrong, and where recall
ends. Below: the energy over the overlaps with two patterns that differ in half of their bits (each has
a hollow of its own) and with two that nearly agree (they share one), and energies sweep by sweep.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import HopfieldNetwork, plot

FONT = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "X": "10001 10001 01010 00100 01010 10001 10001",
}
letters = np.array([[int(bit) for bit in rows.replace(" ", "")] for rows in FONT.values()])
letters = np.kron(letters.reshape(-1, 7, 5), np.ones((1, 2, 2), int)).reshape(len(FONT), -1) * 2 - 1

# Letters resemble each other, which Hebb's rule cannot bear; the pseudo-inverse takes it out.
rng = np.random.default_rng(0)
network = HopfieldNetwork("pseudo_inverse").fit(letters)
noisy = letters * rng.choice([-1, 1], letters.shape, p=[0.2, 0.8])
recalled = network.recall(noisy)
right = (recalled.states == letters).all(axis=1).sum()

figure = plt.figure(figsize=(12, 6.4), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2))
axes = top.subplots(1, 2)
shape = {"image_shape": (14, 10), "n_columns": len(FONT)}
plot.images(noisy, title="A fifth of the pixels wrong", ax=axes[0], **shape)
plot.images(recalled.states, title=f"Recalled: {right} of {len(FONT)} right", ax=axes[1], **shape)

left, middle, last = bottom.subplots(1, 3, width_ratios=(1, 1, 0.8))
alone = rng.choice([-1, 1], (2, 200))
plot.energy_landscape(HopfieldNetwork().fit(alone), ax=left)
left.set_title("Two memories alone")
near = alone[:1] * np.where(np.arange(200) < [[0], [12]], -1, 1)
plot.energy_landscape(HopfieldNetwork().fit(near), ax=middle)
middle.set_title("Two that merge")
many = rng.choice([-1, 1], (30, 400))
probes = rng.choice([-1, 1], (40, 400))
plot.energy_trace(HopfieldNetwork().fit(many).recall(probes), ax=last, title="Energy never rises")
figure.savefig("hopfield_letters.png", dpi=150)
print(f"{right} of {len(FONT)} letters recalled; hopfield_letters.png written")
