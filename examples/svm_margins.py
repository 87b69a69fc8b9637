"""Margins of a multiclass support vector machine: which rows hold them up, and what C does.

Lines show where two classes tie; dashed ones, where the leader is ahead by the margin. Rings mark support
vectors: rows that are inside the margin, or on its edge. A small C (a large lambda = 1 / (2 C n)) buys a wide
margin with many rows inside it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from fastnn import MulticlassSVM

COLORS = ("#1f4e79", "#c05020", "#4a7a2a")
X, y = make_blobs(150, centers=[(-2, 0), (2, 0), (0, 3)], cluster_std=0.9, random_state=3)
low, high = X.min(axis=0) - 1, X.max(axis=0) + 1
across, up = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))

figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), sharex=True, sharey=True, layout="constrained")
print("loss              C     lambda  objective  duality gap  support  accuracy")
for row, loss in zip(axes, ("weston_watkins", "crammer_singer"), strict=True):
    for ax, C in zip(row, (0.01, 10.0), strict=True):
        model = MulticlassSVM(loss, C=C).fit(X, y)
        print(
            f"{loss:14} {C:6g} {1 / (2 * C * len(y)):9.2g} {model.objective_:10.4f} {model.dual_gap_:12.1e} "
            f"{model.support_.size:8d} {model.score(X, y):9.3f}"
        )
        scores = np.sort(model.decision_function(np.stack([across, up], axis=-1).reshape(-1, 2)), axis=1)
        lead = (scores[:, -1] - scores[:, -2]).reshape(across.shape)
        winner = model.predict(np.stack([across, up], axis=-1).reshape(-1, 2)).reshape(across.shape)
        ax.contourf(across, up, winner, levels=[-0.5, 0.5, 1.5, 2.5], colors=COLORS, alpha=0.12)
        for k in range(3):
            ax.contour(across, up, winner == k, levels=[0.5], colors="0.3", linewidths=0.8)
        ax.contour(across, up, lead, levels=[model.delta], colors="0.3", linestyles="--", linewidths=0.8)
        ax.scatter(*X.T, c=[COLORS[k] for k in y], s=14)
        ax.scatter(*X[model.support_].T, facecolors="none", edgecolors="k", s=45, linewidths=0.7)
        ax.set(title=f"{loss}, C = {C:g}", xticks=[], yticks=[])
figure.savefig("svm_margins.png", dpi=110)
print("svm_margins.png written")
