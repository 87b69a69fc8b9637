"""Gaussian-Bernoulli restricted Boltzmann machine: edges, learned from patches of photographs.

Writes ``rbm_patches.png``: what the hidden units look for. ``--data FOLDER`` takes patches from the
pictures of a folder, else from the two that scikit-learn ships.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

import fastnn
from fastnn import plot

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path)
parser.add_argument("--patches", type=int, default=40_000)
parser.add_argument("--hidden", type=int, default=100)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--tiny", action="store_true", help="seconds: only to see that it runs")
options = parser.parse_args()
if options.tiny:
    options.patches, options.hidden, options.epochs = 500, 16, 1
SIDE = 12

if options.data:
    pictures = [plt.imread(path) for path in sorted(options.data.glob("*.png"))]
else:
    pictures = [picture / 255 for picture in load_sample_images().images]
greys = [picture[..., :3].mean(axis=2) if picture.ndim == 3 else picture for picture in pictures]
patches = np.concatenate(
    [
        extract_patches_2d(
            np.log1p(10 * grey), (SIDE, SIDE), max_patches=options.patches // len(greys), random_state=0
        )
        for grey in greys
    ]
)
X = patches.reshape(len(patches), -1).astype(np.float32)
X -= X.mean(axis=1, keepdims=True)

# Whitening: what neighbouring pixels have in common anyway would drown the rest. The finest details, weaker
# than the mean of all directions, are left weak: they are mostly noise, which has no edges.
values, vectors = np.linalg.eigh(X.T @ X / len(X))
whiten = (vectors / np.sqrt(values + values.mean())) @ vectors.T
X = X @ whiten
X /= X.std()

# Edges explain a patch with few units at work: hence sparse activity, and a rate that gets there.
rbm = fastnn.RBM(
    options.hidden,
    visible=fastnn.Gaussian(sigma="learned"),
    method="cd",
    learning_rate=0.1,
    momentum=0.9,
    sparsity_target=0.02,
    sparsity_cost=0.5,
    n_iter=options.epochs,
    random_state=0,
)
rbm.fit(X)
print(f"error {rbm.history_['reconstruction'][0]:.3f} -> {rbm.history_['reconstruction'][-1]:.3f}")
print(f"standard deviation given the hidden units: {rbm.sigma_.mean():.3f}, of the data {X.std():.3f}")
figure, axes = plt.subplots(figsize=(8, 8), layout="constrained")
plot.filters(rbm, ax=axes)
figure.savefig("rbm_patches.png", dpi=150)
print("rbm_patches.png written")
