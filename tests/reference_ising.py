"""The square lattice of Ising spins on a torus, exactly: J = 1, L x M sites, no field."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.special import logsumexp

CRITICAL = 0.5 * np.log(1 + np.sqrt(2))  # beta_c of the infinite lattice
LEFT, DOWN, RIGHT, UP = range(4)


def torus_edges(L, M):
    """Pairs of neighbours, two a site; site (x, y) is unit M x + y."""
    at = np.arange(L * M).reshape(L, M)
    return np.concatenate([np.stack([at.ravel(), np.roll(at, -1, axis).ravel()], 1) for axis in (0, 1)])


def kaufman(L, beta):
    """ln Z of the L x L torus (Kaufman, Phys. Rev. 76 (1949), 1232)."""
    k = np.arange(2 * L)
    c = np.cosh(2 * beta) ** 2 / np.sinh(2 * beta) - np.cos(np.pi * k / L)
    gamma = np.arccosh(np.maximum(c, 1))
    gamma[0] = 2 * beta + np.log(np.tanh(beta))
    odd, even = L / 2 * gamma[1::2], L / 2 * gamma[::2]
    terms = [
        np.log(2 * np.cosh(odd)).sum(),
        np.log(2 * np.abs(np.sinh(odd))).sum(),
        np.log(2 * np.cosh(even)).sum(),
    ]
    last = np.log(2 * np.abs(np.sinh(even))).sum()
    sign = np.sign(gamma[0]) if gamma[0] else 0.0
    return (
        0.5 * L * L * np.log(2 * np.sinh(2 * beta)) - np.log(2) + logsumexp([*terms, last], b=[1, 1, 1, sign])
    )


def magnetisations(L, beta):
    """Probabilities of the sums of spins -L^2, -L^2 + 2 ..., L x L.

    By the transfer matrix between rows, which counts the spins that are up: 4^L L^2 numbers.
    """
    rows = np.array(list(product((-1, 1), repeat=L)))
    ups = (rows == 1).sum(axis=1)
    inside = np.exp(beta * (rows * np.roll(rows, 1, axis=1)).sum(axis=1))
    between = np.exp(beta * (rows @ rows.T))
    # weight[first row, last row, spins up]
    weight = np.zeros((2**L, 2**L, L * L + 1))
    weight[np.arange(2**L), np.arange(2**L), ups] = inside
    for _ in range(L - 1):
        moved = np.einsum("fgu,gh->fhu", weight, between, optimize=True) * inside[None, :, None]
        for h in range(2**L):
            weight[:, h] = np.roll(moved[:, h], ups[h], axis=1)
    p = np.einsum("fhu,fh->u", weight, between)
    return p / p.sum()


def second_moment_by_rows(L, M, beta):
    """<m^2> by the transfer matrix between L rows of M spins: its 2^M eigenvalues and eigenvectors."""
    rows = np.array(list(product((-1, 1), repeat=M)))
    half = np.exp(0.5 * beta * (rows * np.roll(rows, 1, axis=1)).sum(axis=1))
    values, vectors = np.linalg.eigh(half[:, None] * np.exp(beta * (rows @ rows.T)) * half)
    values /= values[-1]
    between = (vectors.T @ (rows.sum(axis=1)[:, None] * vectors)) ** 2
    moments = [values**d @ between @ values ** (L - d) for d in range(L)]  # of rows d apart
    return sum(moments) / (values**L).sum() / (L * M * M)


def pfaffian(A):
    """Pf A of an antisymmetric matrix, by elimination of two rows at a time with pivots."""
    A, value = np.array(A, float), 1.0
    for k in range(0, len(A), 2):
        best = k + 1 + np.abs(A[k, k + 1 :]).argmax()
        if best != k + 1:
            A[[k + 1, best]] = A[[best, k + 1]]
            A[:, [k + 1, best]] = A[:, [best, k + 1]]
            value = -value
        value *= A[k, k + 1]
        if value == 0:
            break
        eliminated = np.outer(A[k + 1, k + 2 :], A[k, k + 2 :] / A[k, k + 1])
        A[k + 2 :, k + 2 :] += eliminated - eliminated.T
    return value


class Torus:
    """ln Z and <s_0 s_r> by Pfaffians of matrices that grow with the distance r, not with the lattice.

    With t = tanh(beta), Z = 2^N cosh(beta)^2N times the sum of t^edges over the even subgraphs, those in
    which each site meets an even number of edges (van der Waerden). On a torus that sum is
    (Pf A_11 + Pf A_10 + Pf A_01 - Pf A_00) / 2, where a and b of A_ab turn the sign of t on the edges that
    wrap around in x and in y (McCoy and Wu, "The two-dimensional Ising model", 1973, chapter IV). A has four
    rows a site, of its sides: each has +1 with the later ones of its site, and an edge has t at (LEFT of its
    right site, RIGHT of its left site) or (DOWN of its upper site, UP of its lower site).

    <s_0 s_r> Z is the same sum over subgraphs with odd degrees at 0 and r: t^length times the even sum with
    1/t for t along any path from 0 to r (Kadanoff and Ceva, Phys. Rev. B 3 (1971), 3918). The path changes
    two rows and columns of A an edge: Pf(A + B C B') = Pf A Pf(C^-1 + B' A^-1 B) / Pf C^-1.

    A^-1 comes from a Fourier transform. At beta_c the uniform mode of A_00 has no inverse: its hopping is
    left out there and put back as two more edges of the path, which is exact at any beta.
    """

    def __init__(self, L, M, beta):
        self.shape, self.t = (L, M), np.tanh(beta)
        self.sides = np.triu(np.ones((4, 4)), 1)
        self.sides -= self.sides.T
        self.sectors = [self._sector(wrap) for wrap in ((1, 1), (1, 0), (0, 1), (0, 0))]
        self.scale = max(log_pf for log_pf, _ in self.sectors)
        self.even = self._even_sum(0, 0)
        self.log_partition = L * M * (np.log(2) + 2 * np.log(np.cosh(beta))) + np.log(self.even) + self.scale

    def _sector(self, wrap):
        """ln Pf A and A^-1 by distance, without the hopping of a uniform mode."""
        L, M = self.shape
        kx = 2 * np.pi / L * (np.arange(L) + 0.5 * wrap[0])
        ky = 2 * np.pi / M * (np.arange(M) + 0.5 * wrap[1])
        hop = np.zeros((L, M, 4, 4), complex)
        hop[..., LEFT, RIGHT] = self.t * np.exp(-1j * kx)[:, None]
        hop[..., DOWN, UP] = self.t * np.exp(-1j * ky)
        if wrap == (0, 0):
            hop[0, 0] = 0
        A = self.sides + hop - hop.conj().swapaxes(2, 3)
        x_waves = np.exp(1j * np.outer(np.arange(1 - L, L), kx))
        y_waves = np.exp(1j * np.outer(np.arange(1 - M, M), ky))
        inverse = np.einsum("ik,jl,klab->ijab", x_waves, y_waves, np.linalg.inv(A), optimize=True).real
        return 0.5 * np.linalg.slogdet(A)[1].sum(), inverse / (L * M)

    def _even_sum(self, x, y):
        """Over e^scale, with 1/t along the path to (x, y): x steps right, then y steps up."""
        L, M = self.shape
        rows = [end for i in range(x) for end in ((i + 1, 0, LEFT), (i, 0, RIGHT))]
        rows += [end for j in range(y) for end in ((x, j + 1, DOWN), (x, j, UP))]
        at_x, at_y, side = np.array(rows, int).reshape(-1, 3).T
        dx, dy = L - 1 + at_x[:, None] - at_x, M - 1 + at_y[:, None] - at_y
        change = np.full(x + y, 1 / self.t - self.t)
        total = 0.0
        for (log_pf, inverse), sign in zip(self.sectors, (1, 1, 1, -1), strict=True):
            inner = inverse[dx, dy, side[:, None], side]
            if sign < 0:  # the uniform mode, its rows scaled to length 1
                sides = np.append(side, [LEFT, RIGHT, DOWN, UP])
                size = np.append(np.full(side.size, (L * M) ** -0.5), np.ones(4))
                outer = np.outer(size, size) * np.linalg.inv(self.sides)[sides[:, None], sides]
                outer[: side.size, : side.size] = inner
                inner, change = outer, np.append(change, [self.t, self.t])
            edge = np.arange(0, 2 * change.size, 2)
            inner[edge, edge + 1] -= 1 / change
            inner[edge + 1, edge] += 1 / change
            total += sign * np.exp(log_pf - self.scale) * np.prod(-change) * pfaffian(inner)
        return total / 2

    def correlation(self, x, y):
        """<s_0 s_r>, r = (x, y)."""
        return self.t ** (x + y) * self._even_sum(x, y) / self.even

    def second_moment(self):
        """<m^2> = sum over r of <s_0 s_r> / N; the way around is as good as the way there."""
        ways = [np.bincount(np.minimum(np.arange(n), n - np.arange(n))) for n in self.shape]
        terms = [n * m * self.correlation(x, y) for x, n in enumerate(ways[0]) for y, m in enumerate(ways[1])]
        return sum(terms) / np.prod(self.shape)
