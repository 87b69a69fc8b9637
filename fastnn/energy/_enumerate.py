"""All states of a small model, in blocks: the low units as one table, the high ones one by one."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

MAX_UNITS = 25
_TABLE_UNITS = 16  # low units: 2^16 states side by side
_KEEP_UNITS = 20  # up to here the whole table of probabilities is kept


@dataclass(frozen=True)
class Enumeration:
    """Exact statistics of a model at one inverse temperature.

    Attributes
    ----------
    beta : float
    log_partition : float
        ln Z, Z = sum over states of e^(-beta E), the offset in E included.
    mean_energy, energy_variance, entropy : float
        Entropy in nats.
    free_energy : float
        -ln Z / beta; -inf at beta = 0.
    mean : ndarray of shape (n,)
        E[s_i].
    second_moments : ndarray of shape (n, n)
        E[s_i s_j].
    ground_energy : float
    ground_states : ndarray of shape (n_kept, n)
        int8, the first 1000 of them.
    n_ground_states : int
        Energies within 1e-9 of the lowest, relative to the range, count as equal.
    probabilities : ndarray of shape (2^n,) or None
        Bit i of the index is unit i, set where it is up; None for more than 20 units.

    Examples
    --------
    Two coupled spins, Z = 4 cosh 1:

    >>> from fastnn import IsingModel
    >>> found = IsingModel([[0, 1], [1, 0]]).enumerate(beta=1.0)
    >>> round(found.log_partition, 4), found.ground_states.tolist(), found.probabilities.round(2).tolist()
    (1.8201, [[-1, -1], [1, 1]], [0.44, 0.06, 0.06, 0.44])
    """

    beta: float
    log_partition: float
    mean_energy: float
    energy_variance: float
    entropy: float
    free_energy: float
    mean: np.ndarray
    second_moments: np.ndarray
    ground_energy: float
    ground_states: np.ndarray
    n_ground_states: int
    probabilities: np.ndarray | None


def all_states(n: int, low: int) -> np.ndarray:
    """(2^n, n) states; bit i of the row's number is unit i."""
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return np.where(bits, 1, low).astype(np.float64)


class _Blocks:
    """Energies of all states, 2^16 at a time: E(low, high) = E(low) - (W_lh high).low + E(high)."""

    def __init__(self, model):
        self.n, self.k = model.n, min(model.n, _TABLE_UNITS)
        weights = model.rows.toarray()
        self.low = all_states(self.k, model.low)
        self.high = all_states(self.n - self.k, model.low)
        self.cross = weights[: self.k, self.k :]
        self.low_energy = _energies(self.low, weights[: self.k, : self.k], model.bias[: self.k])
        self.high_energy = model.offset + _energies(
            self.high, weights[self.k :, self.k :], model.bias[self.k :]
        )

    def __iter__(self):
        for high, energy in zip(self.high, self.high_energy, strict=True):
            yield high, self.low_energy + energy - self.low @ (self.cross @ high)


def _energies(states, weights, bias):
    return -np.einsum("ri,ri->r", states, bias + 0.5 * states @ weights)


def enumerate_states(model, beta) -> Enumeration:
    """See IsingModel.enumerate."""
    if model.n > MAX_UNITS:
        raise ValueError(f"enumerate takes up to {MAX_UNITS} units, got {model.n}")
    if not isinstance(beta, Real) or not 0 <= beta < np.inf:
        raise ValueError(f"beta must be finite and not negative, got {beta!r}")
    blocks, beta, n = _Blocks(model), float(beta), model.n
    spans = [(energy.min(), energy.max()) for _, energy in blocks]
    ground, top = min(s[0] for s in spans), max(s[1] for s in spans)
    near = ground + 1e-9 * max(top - ground, abs(ground))
    total = energy_sum = square_sum = 0.0
    mean, second = np.zeros(n), np.zeros((n, n))
    kept, n_ground, ground_states = [], 0, []
    for high, energy in blocks:
        above = energy - ground
        p = np.exp(-beta * above)
        weight, low_mean = p.sum(), p @ blocks.low
        total += weight
        energy_sum += p @ above
        square_sum += p @ above**2
        mean += np.concatenate([low_mean, weight * high])
        second += np.block(
            [
                [blocks.low.T @ (p[:, None] * blocks.low), np.outer(low_mean, high)],
                [np.outer(high, low_mean), weight * np.outer(high, high)],
            ]
        )
        at = np.flatnonzero(energy <= near)
        n_ground += at.size
        if len(ground_states) < 1000:
            ground_states += [np.concatenate([blocks.low[k], high]) for k in at[:1000]]
        if n <= _KEEP_UNITS:
            kept.append(p)
    energy_mean = energy_sum / total
    log_z = float(np.log(total) - beta * ground)
    return Enumeration(
        beta=beta,
        log_partition=log_z,
        mean_energy=float(ground + energy_mean),
        energy_variance=float(max(square_sum / total - energy_mean**2, 0)),
        entropy=float(np.log(total) + beta * energy_mean),
        free_energy=-log_z / beta if beta else -np.inf,
        mean=mean / total,
        second_moments=second / total,
        ground_energy=float(ground),
        ground_states=np.array(ground_states[:1000]).astype(np.int8),
        n_ground_states=n_ground,
        probabilities=np.concatenate(kept) / total if kept else None,
    )
