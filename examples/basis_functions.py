"""Basis functions and the bias trick: what no line separates, a line in phi(x) = (x, x^2) does.

Class 1 lies between two groups of class 0 on a line: 1 / (1 + exp(-(w x + b))) has one threshold,
w x + v x^2 + b has two. The rule of the slides, w <- w + rate (y - h(x)) x, ends where the
other methods end. Draws the probabilities, the two functions whose weighted sum they come from, and the
plane of both, where a line separates.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import LogisticRegression, plot

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, 200)
y = (np.abs(x) < 1.2).astype(int) ^ (rng.random(200) < 0.02)


def phi(x):
    return np.column_stack([x, x**2])


line = np.linspace(-3.2, 3.2, 400)
models = {
    "x": LogisticRegression(C=10).fit(x[:, None], y),
    "x, x²": LogisticRegression(C=10).fit(phi(x), y),
    "x, x², one row at a time": LogisticRegression(
        C=10, solver="sgd", learning_rate_init=0.02, max_iter=500, tol=1e-7, random_state=0
    ).fit(phi(x), y),
}
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
left.plot(x, y + 0.03 * rng.normal(size=200), ".", color="0.6")
print("basis                      accuracy  coefficients")
for (name, model), style in zip(models.items(), ("-", "-", "--"), strict=True):
    basis = (lambda x: x[:, None]) if name == "x" else phi
    left.plot(line, model.predict_proba(basis(line))[:, 1], style, label=name)
    numbers = " ".join(f"{v:6.2f}" for v in [*model.coef_[0], model.intercept_[0]])
    print(f"{name:25s}  {model.score(basis(x), y):8.1%}  {numbers}")
left.set(xlabel="x", ylabel="P(y = 1)", title="One threshold, two thresholds")
left.legend(fontsize=8)
model = models["x, x²"]
plot.basis(phi, line, coef=model.coef_[0], intercept=model.intercept_[0], names=["x", "x²"], ax=middle)
middle.axhline(0, color="0.6", linewidth=0.8)
middle.set(title="Log-odds: a weighted sum", ylabel="ln P(1) / P(0)")
plot.decision_boundary(model, phi(x), y, title="In phi(x) a line separates", ax=right)
right.set(xlabel="x", ylabel="x²")
figure.savefig("basis_functions.png", dpi=110)
print("basis_functions.png written")
