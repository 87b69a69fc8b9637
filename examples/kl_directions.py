"""Forward and reverse KL divergence: one bell for two hills.

Why it matters which way round: D(p || q), forward, is infinite where q excludes what p allows, so the q
that minimises it covers both hills and the valley. D(q || p), reverse, does not ask about places where q
is 0, so its q keeps to one hill. Maximum likelihood is forward; variational approximations are reverse.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from fastnn.information import entropy, kl_divergence

x = np.linspace(-8, 8, 801)


def bell(mean: float, deviation: float) -> np.ndarray:
    p = np.exp(-0.5 * ((x - mean) / deviation) ** 2) + 1e-300
    return p / p.sum()


hills = 0.6 * bell(-2.5, 0.8) + 0.4 * bell(3.0, 1.0)


def forward(theta: np.ndarray) -> float:
    return kl_divergence(hills, bell(theta[0], np.exp(theta[1])))


def reverse(theta: np.ndarray) -> float:
    return kl_divergence(bell(theta[0], np.exp(theta[1])), hills)


figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
print(f"entropy of p: {entropy(hills):.3f} bits\n")
print("minimised    mean  deviation  D(p||q)  D(q||p)   (bits)")
for ax, name, divergence in zip(axes, ("D(p || q)", "D(q || p)"), (forward, reverse), strict=True):
    found = [minimize(divergence, [start, 0.0], method="Nelder-Mead") for start in (-3.0, 0.5, 3.0)]
    best = min(found, key=lambda each: each.fun).x
    print(f"{name:9} {best[0]:8.2f} {np.exp(best[1]):10.2f} {forward(best):8.3f} {reverse(best):8.3f}")
    ax.fill_between(x, hills, color="0.85", label="p")
    ax.plot(x, bell(best[0], np.exp(best[1])), color="#1f4e79", label="q")
    ax.set(title=f"q of least {name}", xlabel="x", yticks=[])
    ax.legend(frameon=False)
figure.savefig("kl_directions.png", dpi=110)
print("kl_directions.png written")
