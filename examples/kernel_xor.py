"""Kernels: XOR, which no line separates, is separated in the space of a kernel's features.

The polynomial (<x, y> + 1)^2 has the product x1 x2 among its features; the RBF has bells around the rows.
A kernel must be positive semidefinite, a scalar product of something: the last line of the table is not.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import MulticlassSVM, plot
from fastnn.linear import is_positive_semidefinite

rng = np.random.default_rng(0)
corners = rng.integers(0, 2, size=(160, 2))
X, y = 2.0 * corners - 1 + 0.35 * rng.normal(size=corners.shape), corners[:, 0] ^ corners[:, 1]
kernels = {
    "linear": {},
    "polynomial": {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": 1.0},
    "RBF": {"kernel": "rbf", "gamma": 1.0},
}

figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
print("kernel      positive semidefinite  accuracy  support  duality gap")
for ax, (name, params) in zip(axes, kernels.items(), strict=True):
    shape = {key: value for key, value in params.items() if key != "kernel"}
    valid = is_positive_semidefinite(params.get("kernel", "linear"), X, **shape)
    model = MulticlassSVM("crammer_singer", C=5.0, **params).fit(X, y)
    accuracy = model.score(X, y)
    print(f"{name:11} {valid!s:>21} {accuracy:9.3f} {model.support_.size:8d} {model.dual_gap_:12.1e}")
    plot.decision_boundary(model, X, y, title=f"{name}: {accuracy:.0%} right", ax=ax)
    ax.set(xticks=[], yticks=[])
distance = is_positive_semidefinite(lambda A, B: np.linalg.norm(A[:, None] - B, axis=2), X)
print(f"{'distance':11} {distance!s:>21}")
figure.savefig("kernel_xor.png", dpi=110)
print("kernel_xor.png written")
