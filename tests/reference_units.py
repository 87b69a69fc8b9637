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


def layer_states(unit, n: int):
    """All states of a layer of n units and their ln weights: unit is a name, or Potts units."""
    if isinstance(unit, str):
        s, log_weight = coarse(unit)
        return np.array(list(cartesian(s, repeat=n))), np.array(list(cartesian(log_weight, repeat=n))).sum(
            axis=1
        )
    choices = [np.eye(size) if size > 1 else np.array([[0.0], [1.0]]) for size in unit.groups]
    states = np.array([np.concatenate(parts) for parts in cartesian(*choices)])
    return states, np.zeros(len(states))


class ExactModel:
    """A model of a few units of any types: P(v) at every combination of the visible nodes.

    W (n_visible, n_hidden), a, b; visible and hidden are names, or Potts units.
    """

    def __init__(self, W, a, b, visible, hidden):
        self.W, self.a, self.b = (np.asarray(x, dtype=np.float64) for x in (W, a, b))
        self.visible, self.hidden = visible, hidden
        self.V, self.log_weight = layer_states(visible, len(self.a))
        exponents = self.log_weight + self.log_f(1.0, self.a)
        self.log_z = logsumexp(exponents)
        self.p = np.exp(exponents - self.log_z)

    def log_f(self, beta: float, reference):
        """ln f_beta(v) less ln base(v) at every node: from independent visible units to the model."""
        return self.V @ ((1 - beta) * np.float64(reference) + beta * self.a) + self.hidden_sums(self.V, beta)

    def law(self, beta: float, reference):
        """P_beta of every node."""
        exponents = self.log_weight + self.log_f(beta, reference)
        return np.exp(exponents - logsumexp(exponents))

    def hidden_sums(self, V, beta: float = 1.0):
        z = beta * (V @ self.W + self.b)
        if not isinstance(self.hidden, str):
            states, _ = layer_states(self.hidden, len(self.b))
            return logsumexp(z @ states.T, axis=1)
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
