"""Restricted Boltzmann machine of pictures and their labels: classify, draw a class, complete a picture.

Writes ``rbm_letters.png``. ``--data FILE`` takes an .npz with arrays X (0/1 pictures, rows) and y, else
scikit-learn's digits are used.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastnn
from fastnn import plot

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path)
parser.add_argument("--shape", type=int, nargs=2, default=(8, 8))
parser.add_argument("--hidden", type=int, default=200)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--tiny", action="store_true", help="seconds: only to see that it runs")
options = parser.parse_args()
if options.tiny:
    options.hidden, options.epochs = 20, 2

if options.data:
    with np.load(options.data) as stored:
        X, y = stored["X"].astype(bool), stored["y"]
else:
    pixels, y = load_digits(return_X_y=True)
    X = pixels > 7
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

rbm = fastnn.RBM(options.hidden, n_iter=options.epochs, batch_size=20, random_state=0)
model = fastnn.RBMClassifier(rbm).fit(X_train, y_train)
print(f"test accuracy {model.score(X_test, y_test):.3f}")

# The joint model's last units are the label: clamp them and draw the rest.
n_classes, n_pixels = len(model.classes_), X.shape[1]
start = np.zeros((n_classes, n_pixels + n_classes), bool)
start[:, n_pixels:] = np.eye(n_classes, dtype=bool)
is_label = np.arange(n_pixels + n_classes) >= n_pixels
drawn = model.rbm_.sample(n_classes, 500, v_init=start, clamp=is_label, random_state=0)
drawn = model.rbm_.reconstruct(drawn)[:, :n_pixels]

# Or clamp the upper half of a picture: the lower half and the label are drawn.
halves = np.hstack([X_test[:n_classes], np.eye(n_classes, dtype=bool)])
upper = (np.arange(n_pixels) < n_pixels // 2).tolist() + [False] * n_classes
completed = model.rbm_.sample(n_classes, 500, v_init=halves, clamp=np.array(upper), random_state=0)

figure, axes = plt.subplots(3, 1, figsize=(10, 4), layout="constrained")
rows = (drawn, "Each class, drawn"), (X_test[:n_classes], "Test pictures"), (completed, "Upper half kept")
for ax, (pictures, title) in zip(axes, rows, strict=True):
    shown = pictures[:, :n_pixels].astype(float)
    plot.images(shown, image_shape=tuple(options.shape), n_columns=n_classes, ax=ax, title=title)
figure.savefig("rbm_letters.png", dpi=150)
print("rbm_letters.png written")
