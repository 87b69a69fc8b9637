"""Slow NumPy twins of the losses and activations, in float64 and by the formulas."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, xlogy

ACTIVATIONS = {
    "identity": (lambda x: x, lambda x: np.ones_like(x)),
    "sigmoid": (expit, lambda x: expit(x) * expit(-x)),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(np.clip(x, -700, 700)) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "leaky_relu": (lambda x: np.maximum(x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    "softplus": (lambda x: np.logaddexp(0, x), expit),
    "threshold": (lambda x: (x > 0) * 1.0, lambda x: np.zeros_like(x)),
}


def softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def cross_entropy(z, t, weight=None, smoothing=0.0):
    """Loss of each row and its gradient; t: distributions (n, C)."""
    z, t = np.asarray(z, np.float64), np.asarray(t, np.float64)
    q = ((1 - smoothing) * t + smoothing / z.shape[1]) * (1 if weight is None else weight)
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    terms = np.multiply(q, log_p, where=q != 0, out=np.zeros_like(q))
    return -terms.sum(axis=1), softmax(z) * q.sum(axis=1, keepdims=True) - q


def binary_cross_entropy(z, t):
    return (np.logaddexp(0, z) - t * z).sum(axis=1), expit(z) - t


def squared_error(y, t):
    return 0.5 * ((y - t) ** 2).sum(axis=1), y - t


def poisson(z, t):
    return (np.exp(z) - t * z + xlogy(t, t) - t).sum(axis=1), np.exp(z) - t


def multiclass_hinge(s, y, delta, variant):
    rows = np.arange(len(y))
    margins = np.maximum(0, s - s[rows, y][:, None] + delta)
    margins[rows, y] = 0
    if variant == "weston_watkins":
        loss, grad = margins.sum(axis=1), (margins > 0) * 1.0
    else:
        loss, grad = margins.max(axis=1), np.zeros_like(margins)
        grad[rows, margins.argmax(axis=1)] = loss > 0
    grad[rows, y] = -grad.sum(axis=1)
    return loss, grad


def one_hot(y, n_classes):
    return np.eye(n_classes)[y]
