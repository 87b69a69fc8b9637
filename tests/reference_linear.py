"""Slow twins of the linear models' kernels: losses of rows, their sums, and coordinate descent."""

import numpy as np
from scipy.special import expit, logsumexp


def glm_losses(kind, z, y, power):
    """Negative log-likelihood times the dispersion, up to what does not depend on z."""
    mean = np.exp(z) if kind == "power" else None
    match kind:
        case "square":
            return (z - y) ** 2 / 2
        case "logistic":
            return np.logaddexp(0, z) - y * z
        case "log_odds":
            return -y * z - (1 - y) * np.log1p(-np.exp(z))
        case "inverse":
            return -y * z - np.log(-z)
        case _ if power == 1:
            return mean - y * z
        case _ if power == 2:
            return z + y / mean
        case _:
            return mean ** (2 - power) / (2 - power) - y * mean ** (1 - power) / (1 - power)


def softmax_losses(Z, labels):
    return logsumexp(Z, axis=1) - Z[np.arange(len(Z)), labels]


def sum_of_losses(kind, X, y, W, weights, offset, power):
    """Of rows with scores X W[:-1] + W[-1] (+ offset)."""
    Z = X @ W[:-1] + W[-1]
    weights = np.ones(len(X)) if weights is None else weights
    if kind == "softmax":
        return weights @ softmax_losses(Z, y)
    return weights @ glm_losses(kind, Z[:, 0] + (0 if offset is None else offset), y, power)


def numerical_gradient(function, W, step=1e-5):
    """Central differences of the fourth order."""
    gradient = np.empty_like(W)
    for k in np.ndindex(W.shape):
        values = []
        for by in (-2, -1, 1, 2):
            at = W.copy()
            at[k] += by * step
            values.append(function(at))
        gradient[k] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return gradient


def descend_coordinates(H, gradient, l1, w, sweeps):
    v = w.copy()
    for _ in range(sweeps):
        for j in range(len(v)):
            a = H[j, j] * v[j] - (gradient + H @ (v - w))[j]
            v[j] = np.sign(a) * max(abs(a) - l1[j], 0) / H[j, j]
    return v


def stochastic_pass(X, order, labels, weights, rate, decay, W):
    W = W.copy()
    for i in order:
        x = np.append(X[i], 1.0)
        z = W @ x
        gap = (
            labels[i] - expit(z)
            if len(W) == 1
            else (np.arange(len(W)) == labels[i]) - np.exp(z - logsumexp(z))
        )
        W[:, :-1] *= 1 - rate * decay
        W += rate * weights[i] * np.outer(gap, x)
    return W
