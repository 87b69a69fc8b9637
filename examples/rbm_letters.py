"""Restricted Boltzmann machine of pictures and their labels: classify, draw, reconstruct, complete.

Writes ``rbm_letters.png``: test pictures beside their reconstructions, each class drawn, halves completed.
``--data FILE`` takes an .npz with 0/1 pictures and their labels, as arrays `images` (n, height, width) and
`labels`, or X (rows of ``--shape``) and y; else scikit-learn's digits are used.
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
        pictures, y = (stored[a if a in stored else b] for a, b in (("images", "X"), ("labels", "y")))
    shape = pictures.shape[1:] if pictures.ndim == 3 else tuple(options.shape)
    X = pictures.reshape(len(pictures), -1).astype(bool)
else:
    pixels, y = load_digits(return_X_y=True)
    X, shape = pixels > 7, (8, 8)
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

# One test picture of each class, and what is left of it after a way through the hidden units.
which = [np.flatnonzero(y_test == c)[0] for c in model.classes_]
shown = X_test[which]
guessed = model.predict(shown)[:, np.newaxis] == model.classes_
rebuilt = model.rbm_.reconstruct(np.hstack([shown, guessed]))[:, :n_pixels]
error, spread = np.mean((shown - rebuilt) ** 2), X.var(axis=0).mean()
print(f"squared error of reconstruction {error:.4f}, of the mean picture {spread:.4f}")

# Or clamp the upper half of a picture: the lower half and the label are drawn.
halves = np.hstack([shown, np.eye(n_classes, dtype=bool)])
upper = (np.arange(n_pixels) < n_pixels // 2).tolist() + [False] * n_classes
completed = model.rbm_.sample(n_classes, 500, v_init=halves, clamp=np.array(upper), random_state=0)

figure, axes = plt.subplots(
    3, 1, figsize=(max(10, n_classes / 2), 6), height_ratios=(2, 1, 1), layout="constrained"
)
plot.reconstructions(rebuilt, shown, n_images=n_classes, image_shape=shape, ax=axes[0])
rows = (drawn, "Each class, drawn"), (completed, "Upper half kept, the rest drawn")
for ax, (pictures, title) in zip(axes[1:], rows, strict=True):
    of_pixels = pictures[:, :n_pixels].astype(float)
    plot.images(of_pixels, image_shape=shape, n_columns=n_classes, ax=ax, title=title)
figure.savefig("rbm_letters.png", dpi=150)
print("rbm_letters.png written")
