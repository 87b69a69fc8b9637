"""Generalized linear model: car insurance claims, with the number of policies as exposure.

Each row is a group of policies: district, engine size, age of the driver, how many policies and how many
claims. Claims are Poisson with mean = policies x exp(x'w): the number of policies is a known factor, not a
feature. Without it, the model mistakes large groups for dangerous ones. Data: Baxter, Coutts, Ross,
"Applications of linear models in motor insurance", 1980, in part as in R's MASS::Insurance; here drawn from
rates close to those fitted to them, so that no file is needed.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastnn import GeneralizedLinearRegressor

districts, engines, ages = (
    ("1", "2", "3", "4"),
    ("<1l", "1-1.5l", "1.5-2l", ">2l"),
    ("<25", "25-29", "30-35", ">35"),
)
effects = {
    "district": (0, 0.03, 0.04, 0.23),
    "engine": (0, 0.16, 0.39, 0.56),
    "age": (0, -0.19, -0.35, -0.54),
}
levels = {"district": districts, "engine": engines, "age": ages}
cells = np.stack(np.meshgrid(range(4), range(4), range(4), indexing="ij"), -1).reshape(-1, 3)
names = [f"{name} {level}" for name in levels for level in levels[name][1:]]
X = np.column_stack([cells[:, j] == k for j in range(3) for k in range(1, 4)]).astype(float)
truth = np.concatenate([effects[name][1:] for name in levels])
rng = np.random.default_rng(2)
# The old have most of the policies.
policies = rng.integers(20, 120, len(X)) * np.array([1, 2, 3, 12])[cells[:, 2]]
claims = rng.poisson(policies * np.exp(X @ truth - 1.5))

model = GeneralizedLinearRegressor("poisson", alpha=0, tol=1e-8).fit(X, claims, exposure=policies)
careless = GeneralizedLinearRegressor("poisson", alpha=0, tol=1e-8).fit(X, claims)
print("factor on the rate   truth  exposure   ignored")
for name, *values in zip(names, truth, model.coef_, careless.coef_, strict=True):
    print(
        f"{name:18s}"
        + "".join(f"{np.exp(v):8.2f}" if k == 0 else f"{np.exp(v):10.2f}" for k, v in enumerate(values))
    )
explained = model.score(X, claims, exposure=policies)
print(f"deviance per row {model.deviance(X, claims, exposure=policies):.2f}, explained {explained:.1%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
place = np.arange(len(names))
for k, (label, values) in enumerate(
    {"truth": truth, "exposure": model.coef_, "ignored": careless.coef_}.items()
):
    left.barh(place + 0.25 * (1 - k), np.exp(values) - 1, height=0.25, left=1, label=label)
left.set_yticks(place, names)
left.axvline(1, color="black", linewidth=0.8)
left.set(title="Factor on the rate of claims", xscale="log")
left.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
left.minorticks_off()
left.legend()
mean = model.predict(X, exposure=policies)
right.errorbar(mean, claims, 2 * np.sqrt(mean), fmt="o", markersize=3, linewidth=0.6, color="#1f4e79")
ends = [mean.min(), mean.max()]
right.plot(ends, ends, color="#d1495b")
right.set(
    xscale="log",
    yscale="log",
    xlabel="expected claims (± 2 sd)",
    ylabel="claims",
    title="64 groups of policies",
)
figure.savefig("insurance_claims.png", dpi=110)
print("insurance_claims.png written")
