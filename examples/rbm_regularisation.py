"""Restricted Boltzmann machine: what L2 and L1 do to the weights.

Writes ``rbm_regularisation.png``: the same digits learned without a penalty, with L2 and with L1; for
each the distribution of the weights, the features, and the activity of the hidden units.

L2 = sum w^2 pulls on a weight in proportion to its size: large ones shrink, none becomes zero, the
histogram narrows. L1 = sum |w| pulls on all alike: most weights end next to zero, few stay large, and
features become local strokes, or nothing. In the maps of activity columns of one grey are units that do
not look at the picture any more: a penalty that is too strong makes many.

Why minibatches of 10 to 100? The gradient of a few rows costs as much less as they are fewer, and its noise
falls only with the root of their number; below some ten rows a processor's lanes run empty.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastnn import RBM, plot

N_ITER = 2 if "--tiny" in sys.argv else 60
PENALTIES = {"none": {}, "L2": {"l2": 2e-2}, "L1": {"l1": 4e-4}}
X = load_digits().data / 16

models = {
    name: RBM(49, n_iter=N_ITER, batch_size=20, binarize="sample", monitor=(), random_state=0, **penalty).fit(
        X
    )
    for name, penalty in PENALTIES.items()
}

print("penalty   sum |w|   sum w^2   |w| < 0.05   mean activity")
for name, model in models.items():
    W = model.components_
    print(
        f"{name:<8} {np.abs(W).sum():8.0f}  {(W**2).sum():8.0f}   {(np.abs(W) < 0.05).mean():10.1%}   "
        f"{model.transform(X).mean():13.2f}"
    )

figure = plt.figure(figsize=(11, 10), layout="constrained")
above, middle, below = figure.subfigures(3, 1, height_ratios=(2, 3.4, 2.6))
weights = {f"weights, penalty: {name}": model.components_ for name, model in models.items()}
widest = max(np.quantile(np.abs(W), 0.998) for W in weights.values())
axes = above.subplots(1, 3, sharex=True, sharey=True)
plot.histograms(weights, bins=np.linspace(-widest, widest, 81), ax=axes)
for ax, model in zip(middle.subplots(1, 3), models.values(), strict=True):
    plot.filters(model, ax=ax)
for ax, model in zip(below.subplots(1, 3), models.values(), strict=True):
    plot.activity(model, X, ax=ax)
figure.savefig("rbm_regularisation.png", dpi=130)
print("rbm_regularisation.png written")
