"""L1 and L2: how coefficients shrink, and which of them become exactly zero.

Softmax regression's two-class case on digits 3 and 8: along falling penalties, L1 (proximal Newton, each fit
beginning at the last) brings in pixel after pixel, L2 all of them at once. Draws both paths, the number of
pixels in use with the accuracy on rows kept aside, and where the pixels are.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastnn import LogisticRegression

X, y = load_digits(return_X_y=True)
kept = np.isin(y, (3, 8))
X, y = X[kept] / 16, (y[kept] == 8).astype(int)
order = np.random.default_rng(0).permutation(len(y))
train, test = order[:240], order[240:]
strengths = np.abs(X[train].T @ (y[train] - y[train].mean())).max() * np.logspace(0, -2.5, 26)
figure, axes = plt.subplots(1, 4, figsize=(15, 3.8), layout="constrained")
rows = {}
for ax, l1_ratio in zip(axes, (1.0, 0.0), strict=False):
    model = LogisticRegression(
        solver="proximal-newton" if l1_ratio else "lbfgs", l1_ratio=l1_ratio, warm_start=True, tol=1e-6
    )
    coefs, scores = [], []
    for strength in strengths:
        model.set_params(C=1 / strength, max_iter=1000).fit(X[train], y[train])
        coefs.append(model.coef_[0].copy())
        scores.append(model.score(X[test], y[test]))
    rows[l1_ratio] = np.array(coefs), scores
    ax.semilogx(strengths, coefs, linewidth=0.8)
    ax.invert_xaxis()
    ax.set(xlabel="strength λ", ylabel="coefficient", title="L1: λ Σ|w|" if l1_ratio else "L2: λ/2 Σw²")
print("strength  L1: pixels  accuracy  L2: pixels  accuracy")
for k in range(0, len(strengths), 5):
    numbers = [((rows[r][0][k] != 0).sum(), rows[r][1][k]) for r in (1.0, 0.0)]
    print(f"{strengths[k]:8.3f}" + "".join(f"  {n:10d}  {score:8.1%}" for n, score in numbers))
for l1_ratio, name, color in ((1.0, "L1", "#d1495b"), (0.0, "L2", "#1f4e79")):
    coefs, scores = rows[l1_ratio]
    axes[2].semilogx(strengths, scores, color=color, label=name)
axes[2].invert_xaxis()
axes[2].set(xlabel="strength λ", title="Accuracy on rows kept aside")
axes[2].legend()
best = int(np.argmax(rows[1.0][1]))
picture = rows[1.0][0][best].reshape(8, 8)
most = np.abs(picture).max()
axes[3].imshow(picture, cmap="coolwarm", vmin=-most, vmax=most)
axes[3].set(title=f"L1: {np.count_nonzero(picture)} pixels tell 3 from 8", xticks=[], yticks=[])
figure.savefig("penalty_paths.png", dpi=110)
print("penalty_paths.png written")
