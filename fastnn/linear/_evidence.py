"""Variances of a Gaussian linear model by MacKay's rules, and the evidence that they make greatest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnn.linear._moments import Ridge

_LEAST_SHARE = 1e-14  # of y's variance: what noise and weights may fall to


@dataclass(frozen=True)
class State:
    """Variances of noise and weights, the mean along the eigenvectors of x'x, and its squared residual."""

    noise: float
    spread: float
    along: np.ndarray
    residual: float

    def log_evidence(self, s, total: float, intercept: bool) -> float:
        """ln p(y), the intercept integrated out under a density of 1; s: eigenvalues, total: rows' weight."""
        free = total - intercept
        return -0.5 * float(
            free * np.log(2 * np.pi * self.noise)
            + np.log1p(s * (self.spread / self.noise)).sum()
            + self.residual / self.noise
            + self.along @ self.along / self.spread
            + (np.log(total) if intercept else 0.0)
        )


def log_prior(model, state: State) -> float:
    """ln of the gamma priors of the precisions that are not given, but for a constant."""
    found = 0.0
    if model.noise_variance is None:
        found -= model.alpha_1 * np.log(state.noise) + model.alpha_2 / state.noise
    if model.weight_variance is None:
        found -= model.lambda_1 * np.log(state.spread) + model.lambda_2 / state.spread
    return float(found)


def choose_variances(
    model, total: float, ridge: Ridge, yy: float, after_step: Callable[[State], bool]
) -> tuple[int, State]:
    """Steps of MacKay's rules from the model's starting values to where they change by less than its tol.

    after_step, told of the state before the first step and after each, ends them by returning True. With
    gamma priors of shape a and rate b, a counts as 2a further rows, b as 2b of squared residual.
    """
    s, free = ridge.s, total - bool(model.fit_intercept)
    least = max(_LEAST_SHARE * yy / max(total, 1e-300), 1e-300)
    noise = model.noise_variance or _inverse(model.alpha_init) or max(yy / max(free, 1), least)
    spread = model.weight_variance or _inverse(model.lambda_init) or max(yy / max(s.sum(), 1e-300), least)
    state = State(noise, spread, *ridge.at(noise / spread))
    after_step(state)
    for n_iter in range(1, model.max_iter + 1):
        gamma = float(np.sum(s / (s + noise / spread)))
        before = noise, spread
        if model.weight_variance is None:
            size = state.along @ state.along + 2 * model.lambda_2
            spread = max(
                size / max(gamma + 2 * model.lambda_1, 1e-300),
                least / max(s.max(initial=0.0), 1e-300),
                1e-300,
            )
        if model.noise_variance is None:
            size = state.residual + 2 * model.alpha_2
            noise = max(size / max(free - gamma + 2 * model.alpha_1, 1e-10), least)
        state = State(noise, spread, *ridge.at(noise / spread))
        change = max(abs(noise / before[0] - 1), abs(spread / before[1] - 1))
        if after_step(state) or change <= model.tol:
            return n_iter, state
    warnings.warn(
        f"The variances still change by {change:.1g} (relative) after max_iter={model.max_iter} steps",
        ConvergenceWarning,
        stacklevel=5,
    )
    return model.max_iter, state


def _inverse(precision: float | None) -> float | None:
    return None if precision is None else 1.0 / precision
