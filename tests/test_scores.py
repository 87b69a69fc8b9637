"""Several scores of dense rows, of every shape that their kernel takes apart: against NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import softmax

from fastnn._kernels.linear import RowLoss

AGREE = {"float64": 1e-10, "float32": 1e-3}  # relative to the greatest number


def slopes_and_curve(X, y, weights, W, V):
    """The gradient of the weighted cross-entropy, and its derivative along V."""
    design = np.column_stack([X, np.ones(len(X))])
    shares, along = softmax(design @ W, axis=1), design @ V
    slopes = shares.copy()
    slopes[np.arange(len(y)), y] -= 1
    centred = along - (shares * along).sum(axis=1, keepdims=True)
    return design.T @ (weights[:, None] * slopes), design.T @ (weights[:, None] * shares * centred)


def error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


# Features: less than a vector, whole vectors, a last one that reaches back, more than are taken at a time.
@pytest.mark.parametrize("dtype", AGREE)
@pytest.mark.parametrize("p", [1, 3, 7, 8, 15, 16, 17, 33, 100, 300, 520, 1100])
@pytest.mark.parametrize("K", [3, 4, 5, 6, 10, 11, 33])
def test_gradients_and_curves_are_numpys(dtype, p, K):
    rng = np.random.default_rng(p * K)
    W, V = rng.normal(size=(2, p + 1, K)) / np.sqrt(p)
    for n in (1, 17, 300):
        X, weights = rng.normal(size=(n, p)).astype(dtype), rng.random(n).astype(dtype)
        y = rng.integers(0, K, n)
        gradient, curve = slopes_and_curve(X.astype(float), y, weights.astype(float), W, V)
        found = []
        for n_threads in (1, 2):
            loss = RowLoss(X, "softmax", y, weights, None, K, 0.0, n_threads)
            found.append((loss.linearize(W)[1], loss.hessian_product(V)))
        assert error(found[0][0], gradient) < AGREE[dtype]
        assert error(found[0][1], curve) < AGREE[dtype]
        for one, two in zip(*found, strict=True):
            assert_array_equal(one, two)


def test_nothing_past_the_last_row_counts():
    rng = np.random.default_rng(0)
    for p in (3, 20, 100):
        rows, y, W = rng.normal(size=(40, p)), rng.integers(0, 10, 40), rng.normal(size=(p + 1, 10))
        memory = np.full(rows.size + 64, np.nan)
        memory[: rows.size] = rows.ravel()
        within = memory[: rows.size].reshape(rows.shape)
        value, gradient = RowLoss(rows, "softmax", y, None, None, 10, 0.0, 1).loss_gradient(W)
        again, also = RowLoss(within, "softmax", y, None, None, 10, 0.0, 1).loss_gradient(W)
        assert again == value
        assert_array_equal(also, gradient)
