"""Restricted Boltzmann machine: learn handwritten digits, then look inside.

Writes ``rbm_digits.png``: how training went, what the hidden units look for, and digits that the
machine draws by itself.
"""

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn
from fastnn import plot

N_ITER = 2 if "--tiny" in sys.argv else 30
X_train, X_test = train_test_split(load_digits().data / 16, test_size=0.2, random_state=0)

# Grey levels are probabilities of ink: every visit of an image draws it afresh in black and white.
rbm = fastnn.RBM(64, learning_rate=0.05, batch_size=10, n_iter=N_ITER, binarize="sample", random_state=0)
rbm.fit(X_train, X_val=X_test)

figure = plt.figure(figsize=(11, 8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(2, 5))
plot.history(
    rbm,
    monitors=["reconstruction", "pseudo_likelihood", "free_energy_gap"],
    ax=top.subplots(1, 3),
)
left, right = bottom.subplots(1, 2)
plot.filters(rbm, ax=left)
drawn = rbm.reconstruct(rbm.sample(64, 500))
plot.images(drawn, ax=right, title="Drawn by the model")
figure.savefig("rbm_digits.png", dpi=150)
print("rbm_digits.png written")
