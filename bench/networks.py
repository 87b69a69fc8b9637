"""Parties of the network cases: losses with their gradients, and epochs of a multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.table import Call, Job, WrongAnswer

if TYPE_CHECKING:
    from bench.digits import Digits

LEARNING_RATE = 1e-3


def logits(digits: Digits, *, n_rows: int, n_classes: int) -> dict[str, Any]:
    """Normal logits and labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    z = rng.normal(size=(n_rows, n_classes)).astype(np.float32)
    return {"z": z, "y": rng.integers(0, n_classes, n_rows)}


def projection(digits: Digits, *, n_rows: int, n_inputs: int, n_classes: int) -> dict[str, Any]:
    """Inputs, weights and labels of a large softmax layer."""
    import numpy as np

    rng = np.random.default_rng(0)
    return {
        "X": rng.normal(size=(n_rows, n_inputs)).astype(np.float32),
        "W": (rng.normal(size=(n_inputs, n_classes)) / n_inputs**0.5).astype(np.float32),
        "y": rng.integers(0, n_classes, n_rows),
    }


def labelled_digits(digits: Digits, *, n_rows: int, n_visible: int) -> dict[str, Any]:
    """Grey pictures, and labels that a random linear teacher gives them."""
    import numpy as np

    X = digits.rows(n_rows, n_visible, binary=False)
    teacher = np.random.default_rng(0).normal(size=(n_visible, 10)).astype(np.float32)
    return {"X": X, "y": ((X - X.mean(axis=0)) @ teacher).argmax(axis=1)}


def check_gradient(job: Job, grad: Any) -> None:
    """Refuse what is not the gradient of a mean cross-entropy: rows sum to zero, labels are negative."""
    import numpy as np

    if grad is None:
        return
    y = job.arrays()["y"]
    grad = np.asarray(grad)
    if np.abs(grad.sum(axis=1)).max() * len(y) > 1e-3 or (grad[np.arange(len(y)), y] >= 0).any():
        raise WrongAnswer("not the gradient of a cross-entropy")


def check_loss(job: Job, loss: Any) -> None:
    """Refuse a training loss that did not fall below that of guessing."""
    if loss is not None and not 0 < loss < 2.4:
        raise WrongAnswer(f"a training loss of {loss}")


def _arrays(job: Job, *names: str) -> list:
    stored = job.arrays()
    return [stored[name] for name in names]


def fastnn_cross_entropy(job: Job) -> Call:
    from fastnn.functional import cross_entropy

    z, y = _arrays(job, "z", "y")
    grad = z.copy()
    return lambda: cross_entropy(z, y, grad_out=grad)[1]


def fastnn_in_place(job: Job) -> Call:
    """Later calls meet gradients for logits, which cost the same."""
    from fastnn.functional import cross_entropy

    z, y = _arrays(job, "z", "y")
    return lambda: cross_entropy(z, y, grad_out=z)[1]


def torch_cross_entropy(job: Job) -> Call:
    import torch

    torch.set_num_threads(job.threads)
    z, y = (torch.from_numpy(a) for a in _arrays(job, "z", "y"))
    z.requires_grad_(True)

    def call():
        z.grad = None
        torch.nn.functional.cross_entropy(z, y).backward()
        return z.grad.numpy()

    return call


def sklearn_cross_entropy(job: Job) -> Call:
    import numpy as np
    from sklearn._loss import HalfMultinomialLoss

    z, y = _arrays(job, "z", "y")
    loss = HalfMultinomialLoss(n_classes=z.shape[1])
    y, losses, grad = y.astype(np.float32), np.empty(len(z), np.float32), np.empty_like(z)

    def call():
        loss.loss_gradient(y, z, loss_out=losses, gradient_out=grad, n_threads=job.threads)
        return grad / len(z) if not losses[0] else None

    return call


def scaling_in_place(job: Job) -> Call:
    """What reading and writing the array costs at least, on all threads."""
    import numpy as np

    from fastnn.functional import leaky_relu

    (z,) = _arrays(job, "z")
    np.abs(z, out=z)

    def call():
        leaky_relu(z, 0.5, out=z)

    return call


def fastnn_linear(job: Job) -> Call:
    from fastnn.functional import linear_cross_entropy

    X, W, y = _arrays(job, "X", "W", "y")

    def call():
        linear_cross_entropy(X, W, None, y, return_grad=True)

    return call


def numpy_products(job: Job) -> Call:
    """The three products alone, on all threads, of the whole matrices."""
    import numpy as np

    X, W, _ = _arrays(job, "X", "W", "y")
    Z, dX, dW = np.empty((len(X), W.shape[1]), np.float32), np.empty_like(X), np.empty_like(W)

    def call():
        np.matmul(X, W, out=Z)
        np.matmul(Z, W.T, out=dX)
        np.matmul(X.T, Z, out=dW)

    return call


def _estimator(Model, job: Job, **more):
    size = job.size
    return Model(
        tuple(size["hidden"]),
        batch_size=size["batch_size"],
        max_iter=size["n_epochs"],
        learning_rate_init=LEARNING_RATE,
        n_iter_no_change=10_000,
        random_state=0,
        **more,
    )


def _fit(Model, job: Job) -> Call:
    import warnings

    warnings.simplefilter("ignore")
    X, y = _arrays(job, "X", "y")
    model = _estimator(Model, job)
    return lambda: model.fit(X, y).loss_


def _predict(Model, job: Job) -> Call:
    import warnings

    warnings.simplefilter("ignore")
    X, y = _arrays(job, "X", "y")
    model = _estimator(Model, job).fit(X[:1000], y[:1000])

    def call():
        model.predict_proba(X)

    return call


def _products(job: Job, n_inputs: int) -> list[tuple[int, int]]:
    return list(pairwise((n_inputs, *job.size["hidden"], 10)))


def sgemm_peak(job: Job) -> Call:
    """The epochs' multiply-adds as products of 1024 x 1024 matrices, on all threads."""
    import numpy as np

    n_rows, n_inputs = _arrays(job, "X")[0].shape
    layers = _products(job, n_inputs)
    # Forward, by the weights, and by the inputs of all layers but the first.
    work = n_rows * job.size["n_epochs"] * (3 * sum(a * b for a, b in layers) - layers[0][0] * layers[0][1])
    side = min(1024, round(work ** (1 / 3)))
    A = np.ones((side, side), np.float32)
    out = np.empty_like(A)

    def call():
        for _ in range(max(1, round(work / side**3))):
            np.matmul(A, A, out=out)

    return call


def numpy_forward(job: Job) -> Call:
    """The products of the forward pass alone, on all threads."""
    import numpy as np

    (X,) = _arrays(job, "X")
    layers = _products(job, X.shape[1])
    inputs = [X, *(np.ones((len(X), n_in), np.float32) for n_in, _ in layers[1:])]
    weights = [np.ones(shape, np.float32) for shape in layers]
    outputs = [np.empty((len(X), n_out), np.float32) for _, n_out in layers]

    def call():
        for a, w, out in zip(inputs, weights, outputs, strict=True):
            np.matmul(a, w, out=out)

    return call


def fastnn_mlp(job: Job) -> Call:
    from fastnn import MLPClassifier

    return _fit(MLPClassifier, job)


def sklearn_mlp(job: Job) -> Call:
    from sklearn.neural_network import MLPClassifier

    return _fit(MLPClassifier, job)


def fastnn_predict(job: Job) -> Call:
    from fastnn import MLPClassifier

    return _predict(MLPClassifier, job)


def sklearn_predict(job: Job) -> Call:
    from sklearn.neural_network import MLPClassifier

    return _predict(MLPClassifier, job)


def _torch_network(job: Job, n_inputs: int):
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    sizes, layers = [n_inputs, *job.size["hidden"], 10], []
    for n_in, n_out in pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_mlp(job: Job) -> Call:
    import torch

    X, y = (torch.from_numpy(a) for a in _arrays(job, "X", "y"))
    net = _torch_network(job, X.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE, weight_decay=1e-6)
    batch_size = job.size["batch_size"]

    def call():
        for _ in range(job.size["n_epochs"]):
            total = 0.0
            for rows in torch.randperm(len(X)).split(batch_size):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(net(X[rows]), y[rows])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(rows)
        return total / len(X)

    return call


def torch_predict(job: Job) -> Call:
    import torch

    X = torch.from_numpy(_arrays(job, "X")[0])
    net = _torch_network(job, X.shape[1])

    def call():
        with torch.inference_mode():
            torch.softmax(net(X), 1)

    return call
