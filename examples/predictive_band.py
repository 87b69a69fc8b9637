"""Bayesian linear regression: a posterior over functions, and bands that say where it knows nothing.

The same ten Gaussian bumps as basis, with few rows and with more: the band is narrow where there are rows
and opens where there are none. Noise and prior variance are those of greatest evidence. Draws bands and
samples of the posterior, the bumps weighted by their coefficients, and the evidence along the number of
polynomial terms.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import BayesianLinearRegression, plot

rng = np.random.default_rng(3)
centres = np.linspace(-1, 1, 10)


def bumps(x):
    return np.exp(-((x - centres) ** 2) / (2 * 0.2**2))


def truth(x):
    return np.sin(3 * x) + 0.5 * x


def rows(n):
    x = rng.uniform(-1, 1, 3 * n)
    x = x[np.abs(x - 0.3) > 0.25][:n]
    return x[:, None], truth(x) + 0.2 * rng.normal(size=len(x))


line = np.linspace(-1.2, 1.2, 300)
figure, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
print("rows  noise std  prior std  evidence  rows in the 90 % band")
for ax, n in zip(axes[0], (12, 300), strict=True):
    x, y = rows(n)
    model = BayesianLinearRegression(bumps).fit(x, y)
    plot.predictive_band(model, line, rows=(x, y), n_draws=5, title=f"{n} rows, none near 0.3", ax=ax)
    ax.plot(line, truth(line), color="0.3", linestyle="--", label="function")
    ax.set_ylim(-2.4, 2.4)
    new, target = rows(4000)
    centre, width = model.predict(new, return_std=True)
    inside = np.mean(np.abs(target - centre) < 1.645 * width)
    noise, prior = model.noise_variance_**0.5, model.weight_variance_**0.5
    print(f"{n:4d}  {noise:9.3f}  {prior:9.3f}  {model.evidence_:8.1f}  {inside:.1%}")
axes[0, 0].legend(loc="upper left", fontsize=8)
lower, evidence = axes[1]
plot.basis(model, line, coef=model.coef_, intercept=model.intercept_, title="Bumps that add up", ax=lower)
degrees = range(1, 11)
x, y = rows(40)
evidences = [
    BayesianLinearRegression(lambda x, d=degree: x ** np.arange(1, d + 1)).fit(x, y).evidence_
    for degree in degrees
]
best = int(np.argmax(evidences)) + 1
evidence.plot(degrees, evidences, marker="o", color="#1f4e79")
evidence.axvline(best, color="#d1495b", linewidth=0.8)
evidence.set(title=f"40 rows choose degree {best}", xlabel="degree of the polynomial", ylabel="ln evidence")
figure.savefig("predictive_band.png", dpi=110)
print("predictive_band.png written")
