"""Slow twins of the units' laws: sums over nodes with weights, in float64, for every registered unit.

A unit's law is a list of states and their weights, ln P(s | z) = ln weight(s) + z s - ln sum: two values, the
counts up to 400, or a fine grid on which the trapezoidal rule of a Gaussian is exact to rounding.
"""

from __future__ import annotations

from itertools import product as cartesian

import numpy as np
from scipy.special import gammaln, logsumexp


def _grid(low: float, high: float, n: int):
    """Nodes and ln weights of the integral of e^(-s^2/2) over [low, high], by Gauss-Legendre panels."""
    x, w = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(low, high, n + 1)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    s = (middle[:, None] + half[:, None] * x).ravel()
    return s, np.log((half[:, None] * w).ravel()) - s**2 / 2


COUNTS = np.arange(400.0)
# name: (states, ln weights). Numbers reach twelve standard deviations beyond fields of size 12.
LAWS = {
    "bernoulli": (np.array([0.0, 1.0]), np.zeros(2)),
    "spin": (np.array([-1.0, 1.0]), np.zeros(2)),
    "gaussian": _grid(-24, 24, 40),
    "poisson": (COUNTS, -gammaln(COUNTS + 1)),
    "relu": _grid(0, 24, 30),
}


def log_partition(unit: str, z):
    """ln of the sum over states of weight(s) e^(z s), for every z."""
    s, log_weight = LAWS[unit]
    return logsumexp(np.multiply.outer(z, s) + log_weight, axis=-1)


def mean(unit: str, z):
    """E[s | z]."""
    s, log_weight = LAWS[unit]
    exponents = np.multiply.outer(z, s) + log_weight
    return np.exp(exponents - logsumexp(exponents, axis=-1, keepdims=True)) @ s


def coarse(unit: str):
    """Fewer nodes, for products of several units near zero; still exact to some 1e-10."""
    if unit in ("gaussian", "relu"):
        return _grid(-9 if unit == "gaussian" else 0, 9, 5 if unit == "gaussian" else 3)
    s, log_weight = LAWS[unit]
    return s[:40], log_weight[:40]


class ExactModel:
    """A model of a few units of any types: P(v) at every combination of the visible nodes.

    W (n_visible, n_hidden), a, b.
    """

    def __init__(self, W, a, b, visible: str, hidden: str):
        self.W, self.a, self.b = (np.asarray(x, dtype=np.float64) for x in (W, a, b))
        self.visible, self.hidden = visible, hidden
        s, log_weight = coarse(visible)
        n = len(self.a)
        self.V = np.array(list(cartesian(s, repeat=n)))
        self.log_weight = np.array(list(cartesian(log_weight, repeat=n))).sum(axis=1)
        exponents = self.log_weight + self.V @ self.a + self.hidden_sums(self.V)
        self.log_z = logsumexp(exponents)
        self.p = np.exp(exponents - self.log_z)

    def hidden_sums(self, V):
        z = V @ self.W + self.b
        s, log_weight = coarse(self.hidden)
        return logsumexp(z[..., None] * s + log_weight, axis=-1).sum(axis=1)

    def hidden_means(self, V):
        z = V @ self.W + self.b
        s, log_weight = coarse(self.hidden)
        exponents = z[..., None] * s + log_weight
        return np.exp(exponents - logsumexp(exponents, axis=-1, keepdims=True)) @ s

    def moments(self, V, p):
        """<v h'>, <v>, <h> where v has distribution p over the rows of V."""
        means = self.hidden_means(V)
        return V.T @ (p[:, None] * means), p @ V, p @ means
