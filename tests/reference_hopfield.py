"""Slow NumPy twin of Hopfield recall, one unit of one probe at a time, by the formulas."""

from __future__ import annotations

import numpy as np


def hebb(patterns, scale=None):
    """w_ij = c sum_mu xi_i^mu xi_j^mu, w_ii = 0; c = 1/N by default."""
    W = patterns.T @ patterns * (1 / patterns.shape[1] if scale is None else scale)
    np.fill_diagonal(W, 0)
    return W


def storkey(patterns):
    """Storkey 1997, eq. 4, element by element."""
    n = patterns.shape[1]
    W = np.zeros((n, n))
    for xi in patterns:
        new = W.copy()
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                others = [k for k in range(n) if k not in (i, j)]
                h_ij, h_ji = W[i, others] @ xi[others], W[j, others] @ xi[others]
                new[i, j] += (xi[i] * xi[j] - xi[i] * h_ji - h_ij * xi[j]) / n
        W = new
    return W


def quadratic(W, b):
    """Energy of one state."""
    return lambda s: -b @ s - s @ W @ s / 2


def polynomial(patterns, degree):
    n = patterns.shape[1]
    return lambda s: -n / degree * ((patterns @ s / n) ** degree).sum()


def exponential(patterns, beta):
    def energy(s):
        m = beta * (patterns @ s)
        return -(m.max() + np.log(np.exp(m - m.max()).sum())) / beta + s @ s / 2

    return energy


def sides(energy, s, units):
    """The side each of these units takes given the others: lower energy; 0 where both are equal."""
    side = np.zeros(len(s))
    for i in units:
        up, down = s.copy(), s.copy()
        up[i], down[i] = 1, -1
        gain = energy(down) - energy(up)
        side[i] = np.sign(gain) if abs(gain) > 1e-9 else 0
    return side


def fields(W, b):
    """Sides by the sign of the field, for weights without an energy as well."""
    return lambda s, units: np.sign(b + W @ s)


def recall(sides_of, s, orders, synchronous, max_sweeps):
    """(state, status, number of sweeps) of a probe. sides_of(s, units): like `sides`; orders(t): units."""
    s = s.astype(float).copy()
    before = []
    for t in range(max_sweeps):
        start = s.copy()
        if synchronous:
            side = sides_of(s, range(len(s)))
            s = np.where(side == 0, s, side)
        else:
            for i in orders(t):
                side = sides_of(s, [i])[i]
                s[i] = side if side else s[i]
        if (s == start).all():
            return s, "converged", t + 1
        if before and (s == before[-1]).all():
            return s, "2-cycle", t + 1
        before.append(start)
    return s, "limit", max_sweeps
