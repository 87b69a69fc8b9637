"""Sums over states of a Boltzmann machine: exact where few units are summed over, else by sampling."""

from __future__ import annotations

import numpy as np
from scipy.linalg import get_blas_funcs
from scipy.special import logsumexp

from fastnn._kernels.boltzmann import Chains
from fastnn._threads import single_threaded_blas
from fastnn.energy._enumerate import all_states
from fastnn.energy.partition import LogPartition

MAX_SUMMED_UNITS = 20  # hidden units, where they are coupled to each other
_BLOCK = 1 << 22  # entries of a table of rows x hidden states


class Machine:
    """Parameters with the visible units first: weights (n, n), bias (n,), float64 or float32."""

    def __init__(self, weights, bias, n_visible: int, low: int):
        self.weights, self.bias, self.n_visible, self.low = weights, bias, n_visible, low
        self.n_hidden = len(bias) - n_visible

    @property
    def hidden_are_free(self) -> bool:
        """Whether hidden units are independent given the visible ones."""
        return not self.weights[self.n_visible :, self.n_visible :].any()

    def energy(self, S) -> np.ndarray:
        """-b.s - s'Ws/2 of rows of all units."""
        S = S.astype(np.float64)
        return -np.einsum("ij,ij->i", S, _product(S, self.weights) / 2 + self.bias)

    def hidden_fields(self, V) -> np.ndarray:
        v = self.n_visible
        return V.astype(np.float64) @ self.weights[:v, v:] + self.bias[v:]

    def free_energy(self, V) -> np.ndarray:
        """-ln sum_h e^(-E(v, h)) of rows of visible units."""
        v = self.n_visible
        V = V.astype(np.float64)
        alone = -np.einsum("ij,ij->i", V, V @ self.weights[:v, :v] / 2 + self.bias[:v])
        if not self.n_hidden:
            return alone
        fields = self.hidden_fields(V)
        if self.hidden_are_free:
            return alone - np.logaddexp(self.low * fields, fields).sum(axis=1)
        return alone - np.concatenate([logsumexp(s, axis=1) for _, s in self._hidden_scores(fields)])

    def _hidden_scores(self, fields):
        """For blocks of rows: all hidden states, and the logarithm of their weight given each row."""
        if self.n_hidden > MAX_SUMMED_UNITS:
            raise ValueError(
                f"{self.n_hidden} hidden units that are coupled to each other are too many to sum over; "
                f"at most {MAX_SUMMED_UNITS}"
            )
        H = all_states(self.n_hidden, self.low)
        v = self.n_visible
        alone = np.einsum("ij,ij->i", H, H @ self.weights[v:, v:]) / 2
        rows = max(1, _BLOCK // len(H))
        for first in range(0, len(fields), rows):
            yield H, fields[first : first + rows] @ H.T + alone

    def clamped_moments(self, V):
        """Means over rows of <s> and <s s'> given the visible units, exact."""
        V = V.astype(np.float64)
        n, v = len(V), self.n_visible
        means = np.empty((n, self.n_hidden))
        pairs = np.zeros((self.n_hidden, self.n_hidden))
        first = 0
        for H, scores in self._hidden_scores(self.hidden_fields(V)):
            p = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
            means[first : first + len(p)] = p @ H
            pairs += H.T @ (p.sum(axis=0)[:, None] * H)
            first += len(p)
        S = np.concatenate([V, means], axis=1)
        second = S.T @ S / n
        second[v:, v:] = pairs / n
        return S.mean(axis=0), second

    def pseudo_log_likelihood(self, V) -> np.ndarray:
        """sum_i ln P(v_i given the other visible units)."""
        V = V.astype(np.float64)
        before = self.free_energy(V)
        total = np.zeros(len(V))
        for i in range(self.n_visible):
            flipped = V.copy()
            flipped[:, i] = 1 + self.low - flipped[:, i]
            total -= np.logaddexp(0, before - self.free_energy(flipped))
        return total


def annealed_log_partition(machine: Machine, n_chains: int, n_betas: int, key: int, n_threads: int):
    """ln Z by annealed importance sampling from independent units at beta = 0 (Neal 2001).

    The bars are three standard errors of the mean weight.
    """
    n = len(machine.bias)
    betas = np.linspace(0, 1, n_betas + 1)
    weights, bias = (np.ascontiguousarray(x, np.float64) for x in (machine.weights, machine.bias))
    chains, order = Chains(n_chains, n, machine.low, key, np.float64), np.arange(n)
    chains.sweep(weights, bias, order, [0.0], 0, n_threads)
    log_weights = np.zeros(n_chains)
    for k in range(n_betas):
        log_weights -= (betas[k + 1] - betas[k]) * machine.energy(chains.states())
        if k < n_betas - 1:
            chains.sweep(weights, bias, order, betas[k + 1 : k + 2], k + 1, n_threads)
    top = log_weights.max()
    relative = np.exp(log_weights - top)
    mean, error = relative.mean(), 3 * relative.std(ddof=1) / np.sqrt(n_chains)
    base = n * np.log(2) + top
    lower = base + np.log(mean - error) if mean > error else -np.inf
    return LogPartition(float(base + np.log(mean)), float(lower), float(base + np.log(mean + error)), "ais")


def _product(A, B) -> np.ndarray:
    """A @ B by SciPy's BLAS on one thread: as many threads as there are would show in the last digits."""
    (gemm,) = get_blas_funcs(("gemm",), (A,))
    with single_threaded_blas():
        return gemm(1.0, B.T, A.T).T
