"""Margins of a multiclass support vector machine: which rows hold them up, and what C does.

Lines show where two classes tie; dashed ones, where the leader is ahead by the margin. Rings mark support
vectors: rows that are inside the margin, or on its edge. A small C (a large lambda = 1 / (2 C n)) buys a wide
margin with many rows inside it.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_blobs

from fastnn import MulticlassSVM, plot

X, y = make_blobs(150, centers=[(-2, 0), (2, 0), (0, 3)], cluster_std=0.9, random_state=3)

figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), sharex=True, sharey=True, layout="constrained")
print("loss              C     lambda  objective  duality gap  support  accuracy")
for row, loss in zip(axes, ("weston_watkins", "crammer_singer"), strict=True):
    for ax, C in zip(row, (0.01, 10.0), strict=True):
        model = MulticlassSVM(loss, C=C).fit(X, y)
        print(
            f"{loss:14} {C:6g} {1 / (2 * C * len(y)):9.2g} {model.objective_:10.4f} {model.dual_gap_:12.1e} "
            f"{model.support_.size:8d} {model.score(X, y):9.3f}"
        )
        plot.decision_boundary(model, X, y, support=True, title=f"{loss}, C = {C:g}", ax=ax)
        ax.set(xticks=[], yticks=[])
figure.savefig("svm_margins.png", dpi=110)
print("svm_margins.png written")
