"""How well does a restricted Boltzmann machine know a data set?  Its log-likelihood, from both sides.

``--data`` names a directory with MNIST's four IDX files; without it scikit-learn's own digits are taken.
One call of `fit` trains; then chains annealed from independent pixels to the model, and chains led back
from test images, estimate ln Z: one too low and one too high where they fail, so that their agreement
means something.
Writes ``rbm_mnist_likelihood.png``: digits that the model draws by parallel tempering, and, of a model so
small that ln Z is a sum, how the likelihood of training and of test images rises by the epoch.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

import fastnn
from fastnn import plot
from fastnn.datasets import digits, read_images

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path, help="directory with MNIST's IDX files")
parser.add_argument("--hidden", type=int, default=500)
parser.add_argument("--epochs", type=int, default=420)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--steps", type=int, default=1, help="Gibbs steps of the chains at each update")
parser.add_argument("--betas", type=int, default=10_000)
parser.add_argument("--tiny", action="store_true", help="seconds: only to see that it runs")
args = parser.parse_args()
if args.tiny:
    args.hidden, args.epochs, args.betas = 20, 5, 200

if args.data is None:
    train, test = train_test_split(digits().X, test_size=0.2, random_state=0)
else:
    train = read_images(args.data).X
    test = read_images(next(args.data.glob("t10k-images*"))).X
# Grey levels are probabilities of ink: drawn once for the test images, afresh at every visit for the others.
test = np.random.default_rng(0).random(test.shape) < test

rbm = fastnn.RBM(
    args.hidden,
    learning_rate=args.rate,  # falls to zero
    n_gibbs_steps=args.steps,
    n_iter=args.epochs,
    binarize="sample",
    monitor=(),
    random_state=0,
)
began = time.perf_counter()
rbm.fit(train)
seconds = time.perf_counter() - began

energy = -rbm.free_energy(test).mean()
print(f"{len(train)} images, {args.hidden} hidden units, {args.epochs} epochs in {seconds:.0f} s")
for method in ("ais", "reverse_ais", "bridge"):
    log_z = rbm.log_partition(method, test, n_betas=args.betas, random_state=1)
    print(f"{method:12} ln Z {log_z.value:9.2f} ± {log_z.error:.2f}   test ln P {energy - log_z.value:8.2f}")

found = rbm.temper(64, 500, betas=20, random_state=2)
print(f"swap rates {found.swap_rates.min():.2f} .. {found.swap_rates.max():.2f}")
small = fastnn.RBM(
    16,
    n_iter=min(args.epochs, 40),
    binarize="sample",
    monitor=("log_likelihood", "validation_log_likelihood"),
    random_state=0,
).fit(train, X_val=test)
curves = {name: small.history_[name] for name in small.monitor}
print(
    f"16 hidden units, exactly: ln P {curves['log_likelihood'][-1]:.2f}, "
    f"test {curves['validation_log_likelihood'][-1]:.2f}"
)

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
for curve, label in zip(curves.values(), ("training images", "test images"), strict=True):
    left.plot(small.history_["epoch"], curve, label=label)
left.set(title="Mean log-likelihood, 16 hidden units", xlabel="epoch", ylabel="nats")
left.legend()
plot.images(rbm.reconstruct(found.samples), ax=right, title=f"Drawn by the model of {args.hidden}")
figure.savefig("rbm_mnist_likelihood.png", dpi=150)
print("rbm_mnist_likelihood.png written")
