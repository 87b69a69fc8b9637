"""ln Z of a restricted Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnn._kernels.layers import log_partitions_of_states
from fastnn._kernels.weights import Weights

# States enumerated at a time; 2^25 of the smaller layer are a minute's work for a few hundred units.
_BLOCK_BITS = 14
MAX_EXACT_UNITS = 25


@dataclass(frozen=True)
class LogPartition:
    """An estimate of ln Z in nats.

    Attributes
    ----------
    value : float
        The estimate; ``float(log_z)`` gives it too.
    lower, upper : float
        Error bars. For ``method="exact"`` both equal `value`.
    method : str
        How it was found.
    """

    value: float
    lower: float
    upper: float
    method: str

    def __float__(self) -> float:
        return self.value


def exact_log_partition(weights: Weights, n_threads: int) -> LogPartition:
    """Sum over all states of the smaller layer; the other layer's units are summed in closed form.

    ln Z = ln sum_h exp(b.h + sum_i ln sum_{v_i} exp(v_i (a_i + W_i h))), or with the layers exchanged.
    weights: float64, so that the sum is exact to rounding.
    """
    hidden_is_smaller = weights.n_units(True) <= weights.n_units(False)
    n_units = weights.n_units(hidden_is_smaller)
    bias = (weights.hidden_bias if hidden_is_smaller else weights.visible_bias)[:n_units]
    low, step = weights.unit_range(hidden_is_smaller)
    log_z = -np.inf
    for start in range(0, 1 << n_units, 1 << _BLOCK_BITS):
        stop = min(start + (1 << _BLOCK_BITS), 1 << n_units)
        states = np.arange(start, stop, dtype=np.uint64).reshape(-1, 1)
        others = np.empty(stop - start)
        log_partitions_of_states(weights, states, not hidden_is_smaller, others, n_threads)
        bits = states >> np.arange(n_units, dtype=np.uint64) & np.uint64(1)
        exponents = (low + step * bits.astype(np.float64)) @ bias + others
        log_z = np.logaddexp(log_z, _log_sum_exp(exponents))
    return LogPartition(float(log_z), float(log_z), float(log_z), "exact")


def _log_sum_exp(x: np.ndarray) -> float:
    top = x.max()
    return top + np.log(np.exp(x - top).sum())
