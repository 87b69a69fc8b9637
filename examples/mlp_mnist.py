"""Handwritten digits with a network that knows nothing of pictures: dropout and a falling rate.

On MNIST, ``python mlp_mnist.py --data DIRECTORY`` with the four IDX files; without it, on scikit-learn's
small digits. Every pixel is silenced with probability 0.2 and every hidden unit with 0.4 at each step, so
that no unit may rely on another; Adam's rate falls linearly to zero. Prints the test error and the time,
and writes ``mlp_mnist.png``: the course of the training, and the test pictures that are still mistaken.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn import MLPClassifier, plot
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
parser.add_argument("--epochs", type=int, default=22)
parser.add_argument("--hidden", type=int, nargs="+", default=[800, 800])
parser.add_argument("--tiny", action="store_true", help="seconds: one small layer")
options = parser.parse_args()
if options.tiny:
    options.hidden, options.epochs = [50], 5

X, X_test, y, y_test = digits(options.data)
model = MLPClassifier(
    tuple(options.hidden),
    dropout=(0.2, *[0.4] * len(options.hidden)),
    alpha=0,
    batch_size=256 if len(X) > 10_000 else 32,
    learning_rate="linear",
    learning_rate_init=2e-3,
    max_iter=options.epochs,
    n_iter_no_change=options.epochs,
    random_state=0,
)
began = time.perf_counter()
model.fit(X, y)
seconds = time.perf_counter() - began
wrong = np.flatnonzero(model.predict(X_test) != y_test)
print(
    f"{' x '.join(map(str, (X.shape[1], *options.hidden, 10)))}: {options.epochs} epochs in {seconds:.0f} s, "
    f"test error {100 * len(wrong) / len(y_test):.2f} % ({len(wrong)} of {len(y_test)})"
)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
left.semilogy(np.arange(1, len(model.loss_curve_) + 1), model.loss_curve_, color="#1f4e79")
left.set(xlabel="epoch", ylabel="training loss, with dropout", title="The rate falls to zero")
plot.images(X_test[wrong[:64]] if len(wrong) else X_test[:1], ax=right, title="Mistaken test pictures")
figure.savefig("mlp_mnist.png", dpi=110)
print("mlp_mnist.png written")
