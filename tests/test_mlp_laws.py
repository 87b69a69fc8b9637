"""The networks' arithmetic: gradients against differences, twins in two precisions, Boolean functions."""

from itertools import product

import numpy as np
import pytest
import reference_losses as reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

import fastnn
from fastnn._kernels.mlp import Network
from fastnn._kernels.predict import predict

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus")
LOSSES = (
    "cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "poisson",
    "weston_watkins",
    "crammer_singer",
)
SIZES = {"small": (5, 7, 4, 3), "large": (150, 230, 3)}


def network(sizes, activation, loss, dtype=np.float64, dropout=None, max_rows=9, n_threads=1):
    dropout = dropout or [0.0] * (len(sizes) - 1)
    net = Network(sizes, dtype, activation, 0.1, loss, dropout, max_rows, 1, n_threads)
    rng = np.random.default_rng(0)
    for w, b in zip(net.weights, net.biases, strict=True):
        w[...] = rng.normal(size=w.shape) / np.sqrt(len(w))
        b[...] = rng.normal(size=b.shape) * 0.1
    return net


def problem(sizes, loss, dtype=np.float64, n=20):
    rng = np.random.default_rng(1)
    X, rows = rng.normal(size=(n, sizes[0])).astype(dtype), rng.random(n).astype(dtype)
    if loss in ("cross_entropy", "weston_watkins", "crammer_singer"):
        return X, rng.integers(0, sizes[-1], n), None, rows
    return X, None, rng.random((n, sizes[-1])).astype(dtype), rows


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_against_central_differences(activation, loss, size):
    sizes = SIZES[size]
    net, data = network(sizes, activation, loss), problem(sizes, loss)
    _, coefs, intercepts = net.gradient(*data, 2.5)
    rng = np.random.default_rng(2)
    step = 1e-5
    for parameters, gradients in ((net.weights, coefs), (net.biases, intercepts)):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            # One random direction tests all entries at once; away from kinks, which it need not meet.
            direction, before = rng.normal(size=parameter.shape), parameter.copy()
            direction /= np.linalg.norm(direction)
            values = []
            for sign in (1, -1):
                parameter[...] = before + sign * step * direction
                values.append(net.gradient(*data, 2.5)[0])
            parameter[...] = before
            expected = (gradient * direction).sum()
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", SIZES)
def test_float32_against_float64(loss, size):
    sizes = SIZES[size]
    found = {}
    for dtype in (np.float32, np.float64):
        net = network(sizes, "tanh", loss, dtype)
        found[dtype] = net.gradient(*problem(sizes, loss, dtype), 1.0)
    single, double = found[np.float32], found[np.float64]
    assert single[0] == pytest.approx(double[0], rel=1e-5)
    for a, b in zip(single[1] + single[2], double[1] + double[2], strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, atol=2e-5 * np.abs(b).max() + 1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam", "momentum", "nesterov"])
@pytest.mark.parametrize("size", SIZES)
def test_a_step_follows_the_gradient_by_the_rule(solver, size):
    sizes, loss, rate, alpha = SIZES[size], "cross_entropy", 0.1, 0.3
    X, y, _, _ = problem(sizes, loss, n=9)
    net, twin = (network(sizes, "tanh", loss) for _ in range(2))
    momentum = 0.0 if solver == "sgd" else 0.9
    net.start("adam" if solver == "adam" else "sgd", momentum, solver == "nesterov", 0.999, 1e-8, {})
    state = [[np.zeros_like(w), np.zeros_like(w)] for w in twin.weights + twin.biases]
    for t in range(1, 4):
        _, coefs, intercepts = twin.gradient(X, y, None, None, 9.0)
        decayed = [g + alpha / 9 * w for g, w in zip(coefs, twin.weights, strict=True)] + intercepts
        for w, g, s in zip(twin.weights + twin.biases, decayed, state, strict=True):
            if solver == "adam":
                s[0] = 0.9 * s[0] + 0.1 * g
                s[1] = 0.999 * s[1] + 0.001 * g**2
                w -= (
                    rate
                    * (s[0] / (1 - 0.9**t))
                    / (np.sqrt(s[1] / (1 - 0.999**t)) + 1e-8 / np.sqrt(1 - 0.999**t))
                )
            else:
                s[0] = momentum * s[0] - rate * g
                w += momentum * s[0] - rate * g if solver == "nesterov" else s[0]
        net.epoch(X, y, None, None, None, 9, rate, alpha, 1.0)
        for own, expected in zip(net.weights + net.biases, twin.weights + twin.biases, strict=True):
            assert_allclose(own, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_dropout_backpropagates_through_its_own_mask(size):
    """One step of plain descent without decay moves by the gradient of the masked network's loss."""
    sizes = SIZES[size]
    X, _, t, _ = problem(sizes, "squared_error", n=9)
    dropout = [0.2] + [0.5] * (len(sizes) - 2)

    def loss_at(shift):
        net = network(sizes, "tanh", "squared_error", dropout=dropout)
        net.start("sgd", 0.0, False, 0.0, 1.0, {})
        net.weights[0][...] += shift
        before = net.weights[0].copy()
        loss, _ = net.epoch(X, None, t, None, None, 9, 1e-3, 0.0, 1.0)
        return loss, (before - net.weights[0]) / 1e-3

    direction = np.random.default_rng(3).normal(size=sizes[:2])
    direction /= np.linalg.norm(direction)
    _, gradient = loss_at(0.0)
    slope = (loss_at(1e-5 * direction)[0] - loss_at(-1e-5 * direction)[0]) / 2e-5
    assert slope == pytest.approx((gradient * direction).sum(), rel=1e-5, abs=1e-8)
    plain = network(sizes, "tanh", "squared_error").gradient(X, None, t, None, 9.0)[0]
    assert loss_at(0.0)[0] != pytest.approx(plain, rel=1e-3)


def test_the_share_of_silenced_units():
    """400 units x 256 rows of an identity layer of ones: a binomial count, 5 sigma; scaled to mean 1."""
    net = Network([1, 400, 400], np.float64, "identity", 0.0, "squared_error", [0.0, 0.3], 256, 7, 1)
    net.start("sgd", 0.0, False, 0.0, 1.0, {})
    net.biases[0][...] = 1.0
    net.weights[1][...] = np.eye(400)
    net.epoch(np.zeros((256, 1)), None, np.zeros((256, 400)), None, None, 256, 256.0, 0.0, 1.0)
    # A step of the output biases by rate 256 and no other weight of theirs: minus the sum of each unit.
    sums = -net.biases[1]
    kept = sums * 0.7
    assert_allclose(kept, kept.round(), atol=1e-9)
    n = 400 * 256
    assert abs(kept.sum() - 0.7 * n) < 5 * np.sqrt(n * 0.21)
    # Of the units: chi-square of 400 counts about 256 x 0.7; its mean 400, 5 sigma about 141.
    assert abs(((kept - 179.2) ** 2 / (256 * 0.21)).sum() - 400) < 141


def test_forward_pass_is_the_formula():
    X = np.random.default_rng(0).normal(size=(700, 6))
    table = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
    for kind, name in table.items():
        model = fastnn.MLPClassifier((8, 5), name, max_iter=1, random_state=0).fit(X, X[:, 0] > 0)
        a = X
        for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
            a = reference.ACTIVATIONS[kind][0](a @ w + b)
        z = (a @ model.coefs_[-1] + model.intercepts_[-1]).ravel()
        assert_allclose(model.decision_function(X), z, atol=1e-13)
        assert_allclose(model.predict_proba(X)[:, 1], expit(z), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_out", [64, 100, 300])
@pytest.mark.parametrize("n_rows", [24, 64, 500])
def test_zeros_that_rows_share_change_nothing(dtype, n_out, n_rows):
    """Steps in which neighbouring rows are zero are left out; dense rows in front switch that off."""
    rng = np.random.default_rng(n_out + n_rows)
    X = np.maximum(rng.normal(size=(n_rows, 333)), 0).astype(dtype)
    X[:, rng.random(333) < 0.6] = 0
    X[n_rows // 2] = 0  # a row, and perhaps the rest of its block, without any step
    X[: n_rows // 3, 60:200] = 0  # strips without any step
    W = rng.normal(size=(333, n_out)).astype(dtype)
    zeros = np.zeros(n_out, dtype)

    def forward(rows):
        return predict(rows, [W], [zeros], "identity", 0.0, 2)[0]

    found = forward(X)
    assert_allclose(found, X.astype(float) @ W.astype(float), rtol=0, atol=300 * np.finfo(dtype).eps)
    dense = rng.normal(size=(6, 333)).astype(dtype)
    assert_array_equal(forward(np.concatenate([dense, X]))[6:], found)


# --- Boolean functions ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_several_blocks_are_those_of_numpy(dtype):
    # More inputs, units and rows than a product takes at a time, and odd numbers of each.
    sizes = (300, 77, 1105, 5)
    X, _, y, _ = problem(sizes, "squared_error", n=601)
    found = []
    for n_threads in (1, 2):
        net = network(sizes, "tanh", "squared_error", dtype, max_rows=290, n_threads=n_threads)
        loss, coefs, intercepts = net.gradient(X.astype(dtype), None, y.astype(dtype), None, 601.0)
        found.append([np.float64(loss), *coefs, *intercepts])
    for one, two in zip(*found, strict=True):
        assert_array_equal(one, two)
    weights, biases = ([np.asarray(p, np.float64) for p in of] for of in (net.weights, net.biases))
    values = [X]
    for w, b in zip(weights, biases, strict=True):
        values.append(np.tanh(values[-1] @ w + b) if len(b) > 5 else values[-1] @ w + b)
    error = (values[-1] - y) / 601
    tolerance = 200 * float(np.finfo(dtype).eps)
    assert loss == pytest.approx(((values[-1] - y) ** 2).sum() / 1202, rel=tolerance)
    for layer in (2, 1, 0):
        for gradient, expected in (
            (coefs[layer], values[layer].T @ error),
            (intercepts[layer], error.sum(axis=0)),
        ):
            assert_allclose(gradient, expected, atol=tolerance * np.abs(expected).max())
        error = error @ weights[layer].T * (1 - values[layer] ** 2)
    coefs, intercepts = ([np.ascontiguousarray(p) for p in of] for of in (net.weights, net.biases))
    for n in (1, 3, 16, 25, 601):
        for n_threads in (1, 2):
            scores, finite = predict(X[:n].astype(dtype), coefs, intercepts, "tanh", 0.0, n_threads)
            assert finite
            assert_allclose(scores, values[-1][:n], atol=tolerance * np.abs(values[-1]).max())


def bits(n):
    return np.array(list(product((0, 1), repeat=n)))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_boolean_function_of_up_to_three_inputs(n):
    for table in product((0, 1), repeat=2**n):
        model = fastnn.MLPClassifier.from_truth_table(table)
        assert_array_equal(model.predict(bits(n)), table)
        assert len(model.intercepts_[0]) <= max(2 ** (n - 1), 1)
        assert model.predict_proba(bits(n)).max(axis=1).min() > 1 - 1e-8


def test_random_boolean_functions_of_eight_inputs():
    for seed in range(20):
        table = np.random.default_rng(seed).integers(0, 2, 256)
        assert_array_equal(fastnn.MLPClassifier.from_truth_table(table).predict(bits(8)), table)
        several = np.random.default_rng(seed).integers(0, 2, (256, 3))
        assert_array_equal(fastnn.MLPClassifier.from_truth_table(several).predict(bits(8)), several)


def test_a_network_from_a_table_learns_on():
    model = fastnn.MLPClassifier.from_truth_table([0, 1, 1, 0], learning_rate_init=0.01)
    for _ in range(3):
        model.partial_fit(bits(2), [0, 1, 1, 0])
    assert_array_equal(model.predict(bits(2)), [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([0, 1, 1], "2\\^n rows"),
        ([1], "2\\^n rows"),
        ([0, 2], "0 and 1 only"),
        ([0.5, 1], "0 and 1 only"),
        ([[0], [1]], "is a vector"),
        (np.zeros((2, 2, 2)), "2\\^n rows"),
    ],
)
def test_what_is_no_truth_table(table, message):
    with pytest.raises(ValueError, match=message):
        fastnn.MLPClassifier.from_truth_table(table)


def test_wider_networks_come_closer_to_a_continuous_function():
    """The best of three trainings, on sin(3x) + x^2."""
    x = np.linspace(-2, 2, 400)[:, None]
    y = np.sin(3 * x[:, 0]) + x[:, 0] ** 2
    best = []
    for width in (1, 3, 16):
        fits = [
            fastnn.MLPRegressor(
                hidden_layer_sizes=(width,), activation="tanh", solver="lbfgs", alpha=0, max_iter=2000,
                tol=1e-9, random_state=seed,
            ).fit(x, y).loss_
            for seed in range(3)
        ]  # fmt: skip
        best.append(min(fits))
    assert best[0] > 2 * best[1]
    assert best[1] > 10 * best[2]
