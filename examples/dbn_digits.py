"""Deep belief network: layers learned without labels, then a classifier fine-tuned from them.

Restricted Boltzmann machines are stacked, each learning what the one below makes of the data; the stack
draws digits of its own; with an output layer on top it is fine-tuned by backpropagation. Where few
pictures have labels, the same network from random weights falls far behind. ``--data DIRECTORY`` with
MNIST's IDX files; without it, scikit-learn's small digits. Writes ``dbn_digits.png``.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn import DBN, RBM, plot
from fastnn.datasets import read_labelled

warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given


def digits(directory: Path | None):
    """Training and test pictures, grey levels in [0, 1], and their labels."""
    if directory is None:
        X, y = load_digits(return_X_y=True)
        return train_test_split((X / 16).astype(np.float32), y, test_size=0.25, random_state=0)
    return read_labelled(directory)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", type=Path, help="directory with MNIST's IDX files")
parser.add_argument("--hidden", type=int, nargs="+", default=[500, 500, 500])
parser.add_argument("--epochs", type=int, default=15, help="of each machine")
parser.add_argument("--tuning", type=int, default=30, help="epochs of fine-tuning with all labels")
parser.add_argument("--labels", type=int, default=100, help="how many there are, where they are few")
parser.add_argument(
    "--choices", type=int, default=5, help="of the few labels, over which errors are averaged"
)
parser.add_argument("--tiny", action="store_true", help="seconds: small layers, few epochs")
options = parser.parse_args()
if options.tiny:
    options.hidden, options.epochs, options.tuning, options.choices = [64, 32], 10, 60, 1

X, X_test, y, y_test = digits(options.data)
large = len(X) > 10_000
began = time.perf_counter()
machine = RBM(n_iter=options.epochs, batch_size=100 if large else 10, binarize="sample", monitor=())
dbn = DBN(options.hidden, machine, random_state=0).fit(X)
print(f"{len(options.hidden)} layers learned without labels in {time.perf_counter() - began:.0f} s")


def errors(model, chosen=slice(None)) -> float:
    """Per cent of the test pictures, after training on the chosen rows."""
    return 100 * (1 - model.fit(X[chosen], y[chosen]).score(X_test, y_test))


few = {"max_iter": 200, "n_iter_no_change": 200, "learning_rate_init": 3e-3, "random_state": 0}
drawn = [np.random.default_rng(seed).permutation(len(X))[: options.labels] for seed in range(options.choices)]
learned, plain = (
    np.mean([errors(model, chosen) for chosen in drawn])
    for model in (dbn.to_classifier(**few), dbn.to_classifier(**few).set_params(initial_layers=None))
)
print(f"{options.labels} labels: test error {learned:.1f} %, from random weights {plain:.1f} %")

began = time.perf_counter()
tuned = dbn.to_classifier(
    batch_size=128 if large else 32,
    dropout=(0.2, *[0.4] * len(options.hidden)),
    alpha=0,
    learning_rate="linear",
    learning_rate_init=1e-3,
    max_iter=options.tuning,
    n_iter_no_change=options.tuning,
    random_state=0,
)
error, other = errors(tuned), errors(clone(tuned).set_params(initial_layers=None))
print(
    f"all labels: test error {error:.2f} %, from random weights {other:.2f} %, "
    f"both in {time.perf_counter() - began:.0f} s"
)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
plot.filters(dbn.rbms_[0], ax=left)
plot.images(dbn.sample(64, 500, means=True, random_state=0), ax=middle, title="Drawn by the network")
bars = {"few, learned": learned, "few, random": plain, "all, learned": error, "all, random": other}
right.bar(list(bars), list(bars.values()), color=["#1f4e79", "0.7"] * 2)
right.set(ylabel="test error, %", title=f"{options.labels} labels, and {len(y)}")
figure.savefig("dbn_digits.png", dpi=110)
print("dbn_digits.png written")
