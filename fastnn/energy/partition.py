"""ln Z of a restricted Boltzmann machine: the sum over all states, and what estimates it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastnn._kernels.enumerate import sums_of_states
from fastnn._kernels.layers import log_partitions_of_states
from fastnn._kernels.weights import Weights

# States enumerated at a time where weights are too large for products.
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
        Error bars of three standard errors. For ``method="exact"`` both equal `value`.
    method : str
        How it was found.
    error : float
        Standard error of `value`, as far as the chains can tell: of chains that have all missed a part of
        the space none can.
    parts : dict of str to LogPartition
        For ``method="bridge"``: "ais" and "reverse_ais", which bracket ln Z.

    Examples
    --------
    ln of the sum of 8 states, all of energy 0:

    >>> from fastnn import RBM
    >>> log_z = RBM.from_parameters([[0.0], [0.0]]).log_partition()
    >>> round(float(log_z), 4), log_z.method, log_z.error
    (2.0794, 'exact', 0.0)
    """

    value: float
    lower: float
    upper: float
    method: str
    error: float = 0.0
    parts: dict[str, LogPartition] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value


def exact_log_partition(
    weights: Weights, n_threads: int, over_hidden: bool, bits: bool = True
) -> LogPartition:
    """Sum over all states of one layer, of two-valued units; the other layer is summed in closed form.

    bits: the other layer's units have two values as well.

    ln Z = ln sum_h exp(b.h + sum_i ln sum_{v_i} exp(v_i (a_i + W_i h))), or with the layers exchanged.
    weights: float64, so that the sum is exact to rounding.
    """
    sums = sums_of_states(*_in_bits(weights, over_hidden), n_threads) if bits else None
    if sums is None:
        value = _sum_by_logarithms(weights, over_hidden, n_threads)
    else:
        top = sums[:, 0].max()
        value = float(top + np.log((np.exp(sums[:, 0] - top) * sums[:, 1]).sum()))
    return LogPartition(value, value, value, "exact")


def _in_bits(weights: Weights, hidden: bool):
    """A layer's states s = low + step bits: ln of what a state adds to Z is constant + linear.bits plus the
    sum over the other layer's units of softplus(base + bits W)."""
    W = weights.dense[:, : weights.n_units(True)]
    W = W.T if hidden else W
    biases = weights.hidden_bias, weights.visible_bias
    own, other = (
        b[: weights.n_units(k)]
        for b, k in zip(biases if hidden else biases[::-1], (hidden, not hidden), strict=True)
    )
    (low, step), (other_low, other_step) = weights.unit_range(hidden), weights.unit_range(not hidden)
    start = other + low * W.sum(axis=0)
    linear = step * (own + other_low * W.sum(axis=1))
    return step * other_step * W, other_step * start, linear, low * own.sum() + other_low * start.sum()


def _sum_by_logarithms(weights: Weights, hidden: bool, n_threads: int) -> float:
    """The same for weights of hundreds of nats, whose products would leave the range of numbers."""
    n_units = weights.n_units(hidden)
    bias = (weights.hidden_bias if hidden else weights.visible_bias)[:n_units]
    low, step = weights.unit_range(hidden)
    log_z = -np.inf
    for start in range(0, 1 << n_units, 1 << _BLOCK_BITS):
        stop = min(start + (1 << _BLOCK_BITS), 1 << n_units)
        states = np.arange(start, stop, dtype=np.uint64).reshape(-1, 1)
        others = np.empty(stop - start)
        log_partitions_of_states(weights, states, not hidden, others, n_threads)
        bits = states >> np.arange(n_units, dtype=np.uint64) & np.uint64(1)
        exponents = (low + step * bits.astype(np.float64)) @ bias + others
        log_z = np.logaddexp(log_z, log_sum_exp(exponents))
    return float(log_z)


def log_sum_exp(x: np.ndarray, axis=None):
    """ln sum e^x, of what may be far from zero."""
    top = x.max(axis=axis, keepdims=True)
    total = top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))
    return total.squeeze(axis)[()]
