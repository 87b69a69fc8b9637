"""MNIST without its geometry: a network 784-800-800-10 with dropout and a rate that falls in steps.

    python mlp_mnist.py DIRECTORY    (with MNIST's four idx files, gzipped or not)

Draws the curves of training.
"""

import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier
from fastnn._datasets import read_idx

warnings.simplefilter("ignore", ConvergenceWarning)
STAGES = ((1e-3, 18), (3e-4, 7), (1e-4, 5))  # rate of Adam, epochs


def load(directory: Path, name: str) -> np.ndarray:
    return read_idx(next(directory.glob(f"{name}-ubyte*")))


directory = Path(sys.argv[1])
X, X_test = (
    load(directory, f"{part}-images-idx3").reshape(-1, 784).astype(np.float32) / 255
    for part in ("train", "t10k")
)
y, y_test = (load(directory, f"{part}-labels-idx1").astype(int) for part in ("train", "t10k"))
model = MLPClassifier(
    (800, 800), dropout=(0.2, 0.5, 0.5), alpha=0, batch_size=128, warm_start=True, random_state=0,
    n_iter_no_change=1000,
)  # fmt: skip
began = time.perf_counter()
for rate, epochs in STAGES:
    model.set_params(learning_rate_init=rate, max_iter=epochs).fit(X, y, X_val=X_test, y_val=y_test)
    error = 100 * (1 - model.score(X_test, y_test))
    seconds = time.perf_counter() - began
    print(f"{len(model.loss_curve_)} epochs, {seconds:.0f} s: test error {error:.2f} %", flush=True)

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.semilogy(model.loss_curve_, label="training, with dropout")
ax.semilogy(model.validation_loss_curve_, label="test")
ax.set(xlabel="epoch", ylabel="cross-entropy", title=f"MNIST: {error:.2f} % test error")
ax.legend()
figure.savefig("mlp_mnist.png", dpi=110)
