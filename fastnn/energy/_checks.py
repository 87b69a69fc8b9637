"""Parameters of the samplers, checked; errors name them."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np


def check_count(name: str, value, least: int) -> int:
    """An int of at least `least`; ValueError or TypeError names it."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def check_real(name: str, value) -> float:
    """A number that is not negative; ValueError or TypeError names it."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not value >= 0:
        raise ValueError(f"{name} must not be negative, got {value}")
    return float(value)


def check_choice(name: str, value, choices) -> None:
    """ValueError unless the value is among the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_clamp(model, clamp):
    """A boolean mask (n,) or None."""
    if clamp is None:
        return None
    clamp = np.asarray(clamp)
    if clamp.dtype != np.bool_ or clamp.shape != (model.n,):
        raise ValueError(
            f"clamp must be a boolean mask of shape ({model.n},), got {clamp.dtype} {clamp.shape}"
        )
    return clamp


def check_beta(name: str, beta) -> float:
    """A finite inverse temperature that is not negative."""
    beta = check_real(name, beta)
    if not np.isfinite(beta):
        raise ValueError(f"{name} must be finite, got {beta}")
    return beta
