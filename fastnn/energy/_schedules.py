"""Inverse temperatures of a walk, one per sweep."""

from __future__ import annotations

import numpy as np

from fastnn.energy._checks import check_count

SCHEDULES = ("geometric", "linear", "linear_temperature")
_SWEEPS = 1000


def default_beta_range(model) -> tuple[float, float]:
    """(hot, cold) as dwave-samplers chooses them.

    hot: the spin with the strongest couplings flips against all of them with probability 1/2. cold: in one
    sweep 0.01 spins flip against a least field, a spin's weakest coupling standing for it. (0.1, 1) for a
    model without couplings and biases.
    """
    weights, bias = model.spin_form(dense=model.is_dense)
    size = abs(weights)
    least = np.where(bias != 0, abs(bias), np.inf)
    if model.is_dense:
        least = np.minimum(least, np.where(size > 0, size, np.inf).min(axis=1))
    else:
        filled = np.diff(size.indptr) > 0
        if size.nnz:
            least[filled] = np.minimum(
                least[filled], np.minimum.reduceat(size.data, size.indptr[:-1][filled])
            )
    total = abs(bias) + np.asarray(size.sum(axis=1)).ravel()
    least = least[np.isfinite(least)]
    if least.size == 0:
        return 0.1, 1.0
    hot = np.log(2) / (2 * total.max())
    n_least = np.count_nonzero(least == least.min())
    return float(hot), float(np.log(n_least / 0.01) / (2 * least.min()))


def check_betas(name: str, betas) -> np.ndarray:
    """Inverse temperatures: a 1-D array of numbers that are not negative; infinity is allowed."""
    betas = np.asarray(betas)
    if betas.dtype.kind not in "fiu" or betas.ndim != 1:
        raise ValueError(f"{name} must be a 1-D array of numbers, got {betas.dtype} {betas.shape}")
    betas = betas.astype(np.float64)
    if not (betas >= 0).all():
        raise ValueError(f"{name} must not hold negative numbers or NaN")
    return betas


def schedule_betas(model, schedule, beta_range, num_sweeps) -> np.ndarray:
    """(num_sweeps,) betas: of a named schedule, or an array whose betas are held equally long."""
    if num_sweeps is not None:
        num_sweeps = check_count("num_sweeps", num_sweeps, 0)
    if not isinstance(schedule, str):
        betas = check_betas("schedule", schedule)
        if beta_range is not None:
            raise ValueError("beta_range belongs to a named schedule, but schedule is an array")
        if num_sweeps is None or num_sweeps == betas.size:
            return betas
        if betas.size == 0 or num_sweeps % betas.size:
            raise ValueError(f"num_sweeps={num_sweeps} is no multiple of the schedule's {betas.size} betas")
        return np.repeat(betas, num_sweeps // betas.size)
    if schedule not in SCHEDULES:
        raise ValueError(
            f"schedule must be an array or one of {', '.join(map(repr, SCHEDULES))}, got {schedule!r}"
        )
    n = _SWEEPS if num_sweeps is None else num_sweeps
    hot, cold = default_beta_range(model) if beta_range is None else _check_range(beta_range)
    if schedule == "geometric":
        if hot <= 0 or cold <= 0:
            raise ValueError(f"a geometric schedule needs positive betas, got beta_range={beta_range!r}")
        return np.geomspace(hot, cold, n)
    if schedule == "linear":
        return np.linspace(hot, cold, n)
    if hot <= 0 or cold <= 0:
        raise ValueError(f"a schedule linear in temperature needs positive betas, got {beta_range!r}")
    return 1 / np.linspace(1 / hot, 1 / cold, n)


def _check_range(beta_range) -> tuple[float, float]:
    betas = check_betas("beta_range", list(beta_range))
    if betas.size != 2 or not np.isfinite(betas).all():
        raise ValueError(f"beta_range must be two finite numbers, got {beta_range!r}")
    return float(betas[0]), float(betas[1])
