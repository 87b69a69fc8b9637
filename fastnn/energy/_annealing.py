"""Estimates of ln Z of models too large to enumerate: chains annealed from independent units, and back."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from fastnn._kernels.annealed import anneal
from fastnn._kernels.core import unit_values
from fastnn._kernels.layers import at_rest
from fastnn._kernels.weights import Weights
from fastnn._threads import single_threaded_blas
from fastnn._validation import check_parameter
from fastnn.energy.partition import LogPartition, log_sum_exp
from fastnn.energy.units import bias_of_mean
from fastnn.exceptions import LikelihoodWarning

METHODS = ("ais", "reverse_ais", "bridge")
# Standard errors between an estimate and its bars.
_BARS = 3
# What AIS and reverse AIS may differ by, in nats, before it is said that one of them must be wrong.
_AGREEMENT = 1.0
# Draws of a model that has met no data, for the base rates: chains and their steps.
_DRAWS, _STEPS = 1000, 200


class Annealing:
    """Chains of one model between its base rates and itself.

    reference: biases of the visible units at beta = 0; betas: rising from 0 to 1.
    """

    def __init__(self, model, reference, betas, key: int, n_threads: int):
        self.model, self.weights, self.n_threads = model, model._weights(n_threads), n_threads
        self.reference, self.betas, self.key = reference.astype(self.weights.dtype), betas, key

    def base_log_partition(self) -> float:
        """ln Z at beta = 0: hidden units without fields, visible ones at the reference."""
        fields = self.reference.astype(np.float64), np.zeros(self.weights.n_units(True))
        return sum(
            log_partition_at_rest(unit, self.model._groups(hidden), z)
            for hidden, unit, z in zip((False, True), self.model._units(), fields, strict=True)
        )

    def _works(self, source, order, path, n_chains: int, purpose: int) -> np.ndarray:
        key = int(np.random.SeedSequence([self.key, purpose]).generate_state(1, np.uint64)[0])
        out = np.zeros(n_chains)
        path = np.ascontiguousarray(path, np.float64)
        with single_threaded_blas(any(self.model._valued())):
            anneal(self.weights, source, order, path, self.reference, key, out, self.n_threads)
        if not np.isfinite(out).all():
            raise OverflowError(
                f"states or rates of {self.model._units()} units leave the range of {self.weights.dtype}: "
                "the weights are too large" + " or want float64" * (self.weights.dtype == np.float32)
            )
        return out

    def forward(self, n_chains: int) -> np.ndarray:
        """ln of the importance weights of n_chains chains: the mean weight is Z / Z at beta = 0."""
        # The step at beta = 0 draws the base rates, wherever it starts.
        path = np.concatenate([[0.0], self.betas])
        return self._works(None, None, path, n_chains, 0)

    def backward(self, source, n_chains: int, n_steps: int) -> np.ndarray:
        """The same sums along chains from rows of data, n_steps at beta = 1, to the base rates: as many
        rows as there are chains, spread evenly, or all. Shape (chains of a row, rows)."""
        n_rows = min(source.n_rows, n_chains)
        rows = np.linspace(0, source.n_rows - 1, n_rows).astype(np.int64)
        each = -(-n_chains // n_rows)
        path = np.concatenate([np.ones(n_steps + 1), self.betas[::-1]])
        return -self._works(source, np.tile(rows, each), path, each * n_rows, 1).reshape(each, n_rows)

    def ais(self, works: np.ndarray) -> LogPartition:
        relative = np.exp(works - works.max())
        error = relative.std(ddof=1) / relative.mean() / np.sqrt(works.size)
        value = self.base_log_partition() + log_sum_exp(works) - np.log(works.size)
        lower = value + np.log1p(-_BARS * error) if _BARS * error < 1 else -np.inf
        upper = value + np.log1p(_BARS * error)
        return LogPartition(float(value), float(lower), float(upper), "ais", float(error))

    def reverse_ais(self, works: np.ndarray) -> LogPartition:
        """ln f(v) less the estimate of ln P(v) of each row, averaged over rows."""
        each = self.base_log_partition() - (log_sum_exp(-works, axis=0) - np.log(len(works)))
        error = each.std(ddof=1) / np.sqrt(each.size) if each.size > 1 else np.inf
        return _with_bars(each.mean(), error, "reverse_ais")

    def bridge(self, forward: np.ndarray, backward: np.ndarray) -> LogPartition:
        parts = {"ais": self.ais(forward), "reverse_ais": self.reverse_ais(backward)}
        rise, error = bennett(forward, backward.ravel())
        return _with_bars(self.base_log_partition() + rise, error, "bridge", parts)


def _with_bars(value, error, method: str, parts=None) -> LogPartition:
    value, error = float(value), float(error)
    return LogPartition(value, value - _BARS * error, value + _BARS * error, method, error, parts or {})


def bennett(forward: np.ndarray, backward: np.ndarray) -> tuple[float, float]:
    """ln Z1 / Z0 and its standard error from log weights of paths from 0 to 1 and, in the same direction, of
    paths from 1 to 0: the root of Bennett's equation (J. Comput. Phys. 22 (1976), 245)."""
    ratio = np.log(forward.size / backward.size)

    def terms(rise):
        return expit(forward - rise - ratio), expit(rise - backward + ratio)

    def excess(rise):
        ahead, back = terms(rise)
        return ahead.sum() - back.sum()

    ends = np.concatenate([forward, backward])
    rise = brentq(excess, ends.min() - 50.0, ends.max() + 50.0, xtol=1e-10)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = sum((np.mean(t**2) / np.mean(t) ** 2 - 1) / t.size for t in terms(rise))
    return float(rise), float(np.sqrt(variance)) if np.isfinite(variance) else np.inf


def warn_of_disagreement(ais: LogPartition, reverse: LogPartition) -> None:
    gap = reverse.value - ais.value
    if abs(gap) > _AGREEMENT:
        warnings.warn(
            f"AIS gives ln Z = {ais.value:.2f} and reverse AIS {reverse.value:.2f}, {abs(gap):.2f} nats "
            "apart: the chains do not cross the model's space in this time, and the truth lies most likely "
            "between the two. Take more n_betas.",
            LikelihoodWarning,
            stacklevel=3,
        )


def check_schedule(n_chains, n_betas, betas) -> tuple[int, np.ndarray]:
    for name, value, least in (("n_chains", n_chains, 2), ("n_betas", n_betas, 1)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")
    if betas is None:
        return int(n_chains), np.linspace(0, 1, int(n_betas) + 1)
    betas = check_parameter("betas", betas).astype(np.float64)
    if betas.ndim != 1 or betas.size < 2 or betas[0] != 0 or betas[-1] != 1 or (np.diff(betas) <= 0).any():
        raise ValueError("betas must be one row of numbers that rises from 0 to 1")
    return int(n_chains), betas


def check_ladder(betas) -> np.ndarray:
    if isinstance(betas, Integral) and not isinstance(betas, bool):
        if betas < 2:
            raise ValueError(f"betas must be at least 2 replicas, got {betas}")
        return np.linspace(0, 1, int(betas))
    betas = check_parameter("betas", betas).astype(np.float64)
    if betas.ndim != 1 or betas.size < 2 or betas[0] < 0 or betas[-1] != 1 or (np.diff(betas) <= 0).any():
        raise ValueError("betas must be a number of replicas, or one row of numbers >= 0 that rises to 1")
    return betas


def log_partition_at_rest(unit: str, groups, fields: np.ndarray) -> float:
    """ln of the sum over all states of units that are coupled to nothing, at these fields (n_units,)."""
    values, alone = unit_values(), np.zeros((fields.size, 1))
    weights = Weights(alone, fields, alone[0], values[unit], values["bernoulli"], 1, visible_groups=groups)
    return at_rest(weights, False)[1]


def base_biases(model, base, rows) -> np.ndarray:
    """Biases of visible units that by themselves have the data's means (or those of the model's draws), in
    units of sigma."""
    n_features = model.components_.shape[1]
    if not isinstance(base, str):
        base = check_parameter("base", base).astype(np.float64)
        if base.shape != (n_features,):
            raise ValueError(f"base must be 'data', 'uniform' or biases of shape ({n_features},)")
        return base
    if base not in ("data", "uniform"):
        raise ValueError(f"base must be 'data', 'uniform' or an array, got {base!r}")
    if base == "uniform":
        return np.zeros(n_features)
    known = getattr(model, "_training_state", {}).get("base")
    if known is not None and known.shape == (n_features,):
        return known / model.__dict__.get("sigma_", 1.0)
    if rows is not None:
        mean, n_rows = np.asarray(rows.mean(axis=0)).ravel(), rows.shape[0]
    else:
        mean, n_rows = model.sample(_DRAWS, _STEPS, random_state=0).mean(axis=0), _DRAWS
    return biases_at(model, mean, n_rows)


def biases_at(model, mean, n_rows: int) -> np.ndarray:
    """Biases, in units of sigma, at which independent visible units have the means that n_rows rows have."""
    mean = np.float64(mean) / model.__dict__.get("sigma_", 1.0)
    return bias_of_mean(model._units()[0], mean, n_rows, model._groups(False))
