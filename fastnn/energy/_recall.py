"""How the probes of Hopfield networks are followed until they rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnn._kernels.hopfield import Recall, retrieve
from fastnn._threads import single_threaded_blas

STATUS = np.array(["limit", "converged", "2-cycle"])


@dataclass(frozen=True)
class Recalled:
    """What became of each probe.

    Attributes
    ----------
    states : ndarray of shape (n_samples, n_features)
        Where each probe ended.
    status : ndarray of shape (n_samples,) of str
        "converged" at a fixed point; "2-cycle": it came back to where it was two sweeps before, and
        will for ever; "limit": neither within `max_sweeps`.
    n_sweeps : ndarray of shape (n_samples,)
        Sweeps made, the last of which showed the probe's status.
    energies : ndarray of shape (n_samples, 1 + n_sweeps.max()) or None
        Before the first sweep and after each; of a probe that stopped, its last. None if the weights
        are asymmetric: then there is no energy.
    """

    states: np.ndarray
    status: np.ndarray
    n_sweeps: np.ndarray
    energies: np.ndarray | None

    @property
    def converged(self) -> np.ndarray:
        """Boolean, per probe."""
        return self.status == "converged"


def tables(energy: str, n_units: int, n_patterns: int, degree: int, beta: float):
    """The energy of a pattern and its slope as functions of the overlap: see fnn_memory."""
    if energy == "quadratic":
        return None
    if energy == "polynomial":
        x = np.arange(-n_units, n_units + 1)
        level = (x / n_units) ** degree
        if n_patterns * (n_units + 1) ** degree < 2**53:  # sums are exact: so are ties
            return ((x + 1.0) ** degree - (x - 1.0) ** degree), level, n_units, False
        return ((x + 1) / n_units) ** degree - ((x - 1) / n_units) ** degree, level, n_units, False
    # e^(beta x) for x <= 1; what is further below the greatest overlap than exp can tell adds nothing.
    reach = int(min(2 * n_units + 1, np.ceil(745 / beta)))
    level = np.exp(beta * np.arange(-reach, 2))
    if reach < 2 * n_units + 1:
        level[0] = 0
    return level, level, reach, True


def follow(run: Recall, packed: np.ndarray, max_sweeps: int, orders, cycles: bool, after_sweep):
    """Sweeps until each probe has stopped, is known to cycle, or the limit is reached.

    packed: the probes' states, overwritten by those they end in; orders(t): the order of sweep t; cycles:
    whether coming back after two sweeps means a cycle; after_sweep(run, who, moving): called with what runs,
    which probes it holds and which of them could move. Returns status index and sweeps.
    """
    status, n_sweeps = (np.zeros(len(packed), np.intp) for _ in range(2))
    who, moving = np.arange(len(packed)), np.ones(len(packed), np.bool_)
    for t in range(max_sweeps):
        moved, returned = run.sweep(orders(t))
        n_sweeps[who[moving]] = t + 1
        status[who[moving & ~moved]] = 1
        status[who[moving & returned & cycles]] = 2
        after_sweep(run, who, moving)
        moving = status[who] == 0
        run.stop(~moving)
        if 2 * moving.sum() <= len(who):  # the rest side by side, in fewer groups
            packed[who] = run.packed()
            if not moving.any():
                return status, n_sweeps
            run, who = run.only(np.flatnonzero(moving)), who[moving]
            moving = np.ones(len(who), np.bool_)
    packed[who] = run.packed()
    return status, n_sweeps


class Trace:
    """Energies of probes on their way, sweep by sweep."""

    def __init__(self, model, run: Recall, X: np.ndarray):
        self.model = model
        self.synchronous = model.update == "sync"
        self.from_weights = model._weights is not None
        self.found = [model._energies(X) if self.from_weights else model._memory_energies(run)]

    def after_sweep(self, run: Recall, who: np.ndarray, moving: np.ndarray) -> None:
        now = self.found[-1].copy()
        which = who[moving]
        if not self.from_weights:
            now[which] = self.model._memory_energies(run)[moving]
        elif self.synchronous:
            # What the sweep gathered is the energy before it: the one after it is for the next to tell.
            self.found[-1][which] = run.energy_parts()[0][moving]
        else:
            now[which] += run.energy_parts()[0][moving]
        self.found.append(now)

    def energies(self, states: np.ndarray, n_sweeps: np.ndarray) -> np.ndarray:
        """(n, number of sweeps + 1), given where the probes ended, and after how many."""
        found = np.stack(self.found, axis=1)
        if self.from_weights and self.synchronous:
            ended = n_sweeps[:, None] <= np.arange(found.shape[1])
            return np.where(ended, self.model._energies(states)[:, None], found)
        return found


def retrieve_to_rest(patterns, X, beta: float, max_sweeps: int, tol: float, n_threads: int):
    """Softmax retrieval repeated until no component moves by more than tol of the largest pattern.

    Returns states, status index, sweeps, and energies before each sweep and at the end.
    """
    limit = tol * np.abs(patterns).max(initial=0)
    X = X.copy()
    status, n_sweeps = np.zeros(len(X), np.intp), np.zeros(len(X), np.intp)
    moving = np.arange(len(X))
    energies = []
    with single_threaded_blas():
        for t in range(max_sweeps):
            now, new = X[moving], np.empty((len(moving), X.shape[1]), X.dtype)
            logs = retrieve(patterns, now, beta, new, n_threads)
            energies.append(np.empty(len(X)))
            energies[-1][moving] = exponential_energy(logs, now, beta)
            n_sweeps[moving] = t + 1
            X[moving] = new
            rested = np.abs(new - now).max(axis=1) <= limit
            status[moving[rested]] = 1
            moving = moving[~rested]
            if not len(moving):
                break
        last = exponential_energy(retrieve(patterns, X, beta, None, n_threads), X, beta)
    ended = n_sweeps[:, None] <= np.arange(len(energies) + 1)
    return X, status, n_sweeps, np.where(ended, last[:, None], np.stack([*energies, last], axis=1))


def exponential_energy(log_sums: np.ndarray, X: np.ndarray, beta: float) -> np.ndarray:
    """-(1/beta) ln sum_mu exp(beta x.xi_mu) + x.x / 2."""
    return np.einsum("ij,ij->i", X, X, dtype=np.float64) / 2 - log_sums / beta
