"""Generalized linear model: car insurance claims, with the number of policies as exposure.

Each row is a group of policies: district, engine size, age of the driver, how many policies and how many
claims. Claims are Poisson with mean = policies x exp(x'w): the number of policies is a known factor, not a
feature. Without it, the model mistakes large groups for dangerous ones. ``--data FILE`` reads a CSV with the
columns District, Group, Age, Holders and Claims, such as R's MASS::Insurance (Baxter, Coutts, Ross,
"Applications of linear models in motor insurance", 1980); without it, claims are drawn from rates close to
those fitted to these data.
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fastnn import GeneralizedLinearRegressor

LEVELS = {
    "District": ("1", "2", "3", "4"),
    "Group": ("<1l", "1-1.5l", "1.5-2l", ">2l"),
    "Age": ("<25", "25-29", "30-35", ">35"),
}
NAMES = [f"{name} {level}" for name, levels in LEVELS.items() for level in levels[1:]]
TRUTH = np.array([0.03, 0.04, 0.23, 0.16, 0.39, 0.56, -0.19, -0.35, -0.54])


def indicators(cells):
    """A column for each level but the first of each factor; cells: (n_rows, 3) numbers of levels."""
    return np.column_stack([cells[:, j] == k for j in range(3) for k in range(1, 4)]).astype(float)


def simulated():
    cells = np.stack(np.meshgrid(range(4), range(4), range(4), indexing="ij"), -1).reshape(-1, 3)
    X, rng = indicators(cells), np.random.default_rng(2)
    # The old have most of the policies.
    policies = rng.integers(20, 120, len(X)) * np.array([1, 2, 3, 12])[cells[:, 2]]
    return X, policies, rng.poisson(policies * np.exp(X @ TRUTH - 1.5))


def read(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    cells = np.array([[levels.index(row[name]) for name, levels in LEVELS.items()] for row in rows])
    policies, claims = (np.array([float(row[name]) for row in rows]) for name in ("Holders", "Claims"))
    return indicators(cells), policies, claims


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, help="CSV file with District, Group, Age, Holders and Claims")
parser.add_argument("--tiny", action="store_true", help="nothing smaller: it takes a second as it is")
options = parser.parse_args()
X, policies, claims = read(options.data) if options.data else simulated()

model = GeneralizedLinearRegressor("poisson", alpha=0, tol=1e-8).fit(X, claims, exposure=policies)
careless = GeneralizedLinearRegressor("poisson", alpha=0, tol=1e-8).fit(X, claims)
found = {"exposure": model.coef_, "ignored": careless.coef_}
if not options.data:
    found = {"truth": TRUTH, **found}
print(f"{'factor on the rate':18s}" + "".join(f"{label:>10s}" for label in found))
for k, name in enumerate(NAMES):
    print(f"{name:18s}" + "".join(f"{np.exp(coef[k]):10.2f}" for coef in found.values()))
explained = model.score(X, claims, exposure=policies)
print(f"deviance per row {model.deviance(X, claims, exposure=policies):.2f}, explained {explained:.1%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
place, height = np.arange(len(NAMES)), 0.75 / len(found)
for k, (label, coef) in enumerate(found.items()):
    left.barh(place + height * (1 - k), np.exp(coef) - 1, height=height, left=1, label=label)
left.set_yticks(place, NAMES)
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
    title=f"{len(X)} groups of policies",
)
figure.savefig("insurance_claims.png", dpi=110)
print("insurance_claims.png written")
