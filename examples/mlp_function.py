"""Universal approximation: networks of one hidden layer fit a continuous function.

The error of the best of five trainings falls with the width down to where L-BFGS stops by itself; that a
better network exists does not promise that training finds it. Draws fits, errors, and an exact network
for a Boolean function.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier, MLPRegressor, plot

warnings.simplefilter("ignore", ConvergenceWarning)
x = np.linspace(-3, 3, 600)[:, None]
y = np.sin(3 * x[:, 0]) * np.exp(-0.2 * x[:, 0] ** 2) + 0.3 * x[:, 0]
TINY = "--tiny" in sys.argv
widths = (2, 4, 16) if TINY else (1, 2, 4, 8, 16, 32)


def best_fit(width: int) -> MLPRegressor:
    fits = [
        MLPRegressor(
            hidden_layer_sizes=(width,),
            activation="tanh",
            solver="lbfgs",
            alpha=0,
            max_iter=20 if TINY else 3000,
            tol=1e-10,
            random_state=seed,
        ).fit(x, y)
        for seed in range(5)
    ]
    return min(fits, key=lambda model: model.loss_)


models = {width: best_fit(width) for width in widths}
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
left.plot(x, y, color="0.7", linewidth=4, label="function")
for width in (2, 4, 16):
    left.plot(x, models[width].predict(x), label=f"{width} units")
left.legend()
left.set_title("One hidden layer of tanh units")
errors = [np.sqrt(2 * model.loss_) for model in models.values()]
middle.loglog(widths, errors, marker="o", color="#1f4e79")
middle.set(xlabel="hidden units", ylabel="root mean square error", title="Best of five trainings")
majority = np.array([sum(map(int, f"{k:03b}")) >= 2 for k in range(8)])
plot.network_graph(MLPClassifier.from_truth_table(majority), ax=right)
right.set_title("Majority of three, exactly")
figure.savefig("mlp_function.png", dpi=110)
for width, error in zip(widths, errors, strict=True):
    print(f"{width:3d} hidden units: error {error:.5f}")
print("mlp_function.png written")
