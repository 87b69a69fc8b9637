"""Parallel tempering of RBMs: replicas between independent visible units and the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnn._kernels.annealed import rises, walk


@dataclass(frozen=True)
class Tempered:
    """What `RBM.temper` returns.

    Attributes
    ----------
    samples : ndarray of shape (n_samples, n_features)
        Visible states of the model itself, the last of each ladder: bool for Bernoulli and Potts units, int8
        for spins, else numbers in the model's dtype.
    betas : ndarray of shape (n_betas,)
    swap_rates : ndarray of shape (n_betas - 1,)
        Accepted share of the exchanges tried between neighbours; NaN where none was tried.
    round_trips : float
        Mean number of times that a replica has gone from beta = 0 to the model, over the whole call.

    Examples
    --------
    >>> from fastnn import RBM
    >>> rbm = RBM.from_parameters([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    >>> found = rbm.temper(5, 20, betas=4, base="uniform", random_state=0)
    >>> found.samples.shape, found.betas.round(2).tolist(), found.swap_rates.shape
    ((5, 3), [0.0, 0.33, 0.67, 1.0], (3,))
    """

    samples: np.ndarray
    betas: np.ndarray
    swap_rates: np.ndarray
    round_trips: float


class Replicas:
    """Ladders of replicas, which exchange their temperatures; states stay where they are.

    states: of `annealed.start_states`, n_ladders * n_betas rows, ladder by ladder.
    """

    def __init__(self, weights, states, betas, reference, key: int, clamp, n_threads: int):
        self.weights, self.states, self.reference = weights, states, reference.astype(weights.dtype)
        self.betas, self.key, self.clamp, self.n_threads = betas, key, clamp, n_threads
        self.rng = np.random.Generator(np.random.Philox(key))
        # rung[ladder, replica] and replica[ladder, rung]: inverse permutations
        self.rung = np.tile(np.arange(betas.size), (len(states) // betas.size, 1))
        self.replica = self.rung.copy()
        self.accepted, self.tried = np.zeros(betas.size - 1), np.zeros(betas.size - 1)
        self.from_base = self.rung == 0
        self.arrivals = 0

    def walk(self, n_steps: int, step: int) -> None:
        betas = self.betas[self.rung].ravel()
        walk(
            self.weights, self.states, betas, self.reference, n_steps, self.key, step, self.clamp,
            self.n_threads,
        )  # fmt: skip

    def draw_base(self) -> None:
        """Independent visible units, wherever the states were: one step at beta = 0."""
        betas = np.zeros(self.rung.size)
        walk(self.weights, self.states, betas, self.reference, 1, self.key, 0, None, self.n_threads)

    def exchange(self, parity: int) -> None:
        """Neighbours low, low + 1 from `parity` on exchange with probability min(1, ratio), the ratio being
        f_low(v') f_high(v) / (f_low(v) f_high(v')): hidden units, drawn anew at each step, are summed out."""
        pairs = np.arange(parity, self.betas.size - 1, 2)
        if pairs.size == 0:
            return
        ladders = np.arange(len(self.rung))[:, None]
        low, high = self.replica[:, pairs], self.replica[:, pairs + 1]
        target = self.rung.copy()
        target[ladders, low], target[ladders, high] = pairs + 1, pairs
        change = np.empty(self.rung.size)
        before, after = (self.betas[rung].ravel() for rung in (self.rung, target))
        rises(self.weights, self.states, before, after, self.reference, change, self.n_threads)
        change = change.reshape(self.rung.shape)
        log_ratio = change[ladders, low] + change[ladders, high]
        chosen = np.log1p(-self.rng.random(log_ratio.shape)) < log_ratio
        self.rung[ladders, low] += chosen
        self.rung[ladders, high] -= chosen
        self.replica[ladders, pairs] = np.where(chosen, high, low)
        self.replica[ladders, pairs + 1] = np.where(chosen, low, high)
        self.accepted[pairs] += chosen.sum(axis=0)
        self.tried[pairs] += len(self.rung)
        self._count_arrivals()

    def _count_arrivals(self) -> None:
        arrived = self.from_base & (self.rung == self.betas.size - 1)
        self.arrivals += int(arrived.sum())
        self.from_base = (self.from_base & ~arrived) | (self.rung == 0)

    def run(self, n_steps: int, swap_interval: int) -> None:
        for k, step in enumerate(range(0, n_steps, swap_interval)):
            self.walk(min(swap_interval, n_steps - step), step + 1)
            self.exchange(k % 2)

    def model_states(self) -> np.ndarray:
        """States at the last beta, a row a ladder."""
        rows = self.replica[:, -1] + self.betas.size * np.arange(len(self.replica))
        return np.ascontiguousarray(self.states[rows])

    def swap_rates(self) -> np.ndarray:
        return np.divide(
            self.accepted, self.tried, out=np.full(self.accepted.size, np.nan), where=self.tried > 0
        )
