"""How a fit goes: measures of an epoch on a fixed number of rows, and weights that say nothing of them.

Rows are looked at in blocks, so that sparse ones of any number of features are never written out together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.special import entr, log_expit

from fastnn._kernels.core import unit_values
from fastnn.energy._annealing import biases_at

# Rows on which the monitors look at an epoch; a fixed choice, so that epochs compare.
MONITOR_ROWS = 512
MONITORS = ("reconstruction", "pseudo_likelihood", "free_energy_gap")
# Monitors that are asked for by name: they take a sum over all states, or annealing, at every epoch.
LIKELIHOODS = ("log_likelihood", "validation_log_likelihood")
TWO_VALUED = ("bernoulli", "spin")
# Steps of annealing that a monitor takes: enough to compare epochs, not to publish a figure.
N_BETAS = 1000
# Values of a block of rows.
BLOCK = 1 << 18
# Weights up to this are not looked at for what they explain; and how much worse than nothing is divergence.
HARMLESS, USELESS = 1.0, 10.0


def blocks(rows, written_out: bool) -> Iterator[slice]:
    """Blocks of rows of some BLOCK values: of sparse ones those stored, unless they are to be written out."""
    n_rows, each = rows.shape
    if issparse(rows) and not written_out:
        each = -(-rows.nnz // n_rows)
    n = max(1, BLOCK // max(each, 1))
    for first in range(0, n_rows, n):
        yield slice(first, first + n)


def written(rows) -> np.ndarray:
    """Dense rows in float64."""
    return (rows.toarray() if issparse(rows) else rows).astype(np.float64)


class Monitors:
    """Measures of a fit, taken on fixed rows after each epoch.

    rows, validation: checked data, states already drawn where they are to be drawn.
    """

    def __init__(self, names, rows, validation, n_threads: int):
        compared = ("free_energy_gap", "validation_log_likelihood")
        self.names = [n for n in names if n not in compared or validation is not None]
        self.rows, self.validation, self.n_threads = rows, validation, n_threads

    def measure(self, model) -> dict[str, float]:
        self._log_z = None
        return {name: getattr(self, name)(model, self.rows) for name in self.names}

    def reconstruction(self, model, rows) -> float:
        """Mean squared difference between the rows and their reconstructions."""
        total = 0.0
        for block in blocks(rows, True):
            total += float(
                np.sum((written(rows[block]) - model._reconstruct(rows[block], self.n_threads)) ** 2)
            )
        return total / (rows.shape[0] * rows.shape[1])

    def pseudo_likelihood(self, model, rows) -> float:
        """Estimate of the mean log pseudo-likelihood: one unit of each row is flipped."""
        return float(stochastic_pseudo_likelihood(model, rows, 0, self.n_threads).mean())

    def free_energy_gap(self, model, rows) -> float:
        """Mean free energy of validation rows less that of training rows; grows with over-fitting."""
        F, F_validation = (model._free_energy(X, self.n_threads).mean() for X in (rows, self.validation))
        return float(F_validation - F)

    def log_likelihood(self, model, rows) -> float:
        """Mean ln P(v)."""
        if self._log_z is None:
            self._log_z = self._log_partition(model)
        return float(-model._free_energy(rows, self.n_threads).mean() - self._log_z)

    def validation_log_likelihood(self, model, rows) -> float:
        """Mean ln P(v) of the validation rows."""
        return self.log_likelihood(model, self.validation)

    def _log_partition(self, model) -> float:
        """ln Z of the model as it stands: exactly where it can be, else annealed from independent units."""
        if model._has_exact_sum():
            return float(model.log_partition("exact"))
        base = biases_at(model, np.asarray(self.rows.mean(axis=0)).ravel(), self.rows.shape[0])
        return float(model.log_partition("ais", base=base, n_betas=N_BETAS, random_state=0))


def stochastic_pseudo_likelihood(model, rows, random_state, n_threads: int) -> np.ndarray:
    """n_features ln P(v_i | the others) for a random i of each row: what scikit-learn's RBM scores by."""
    rng = np.random.RandomState(random_state) if isinstance(random_state, int) else random_state
    n_rows, n_features = rows.shape
    which = rng.randint(0, n_features, n_rows)
    rise = np.empty(n_rows)
    for block in blocks(rows, False):
        some = rows[block]
        flipped = _flipped(some, which[block], model._unit_low())
        rise[block] = model._free_energy(flipped, n_threads) - model._free_energy(some, n_threads)
    return n_features * log_expit(rise)


def _flipped(rows, which: np.ndarray, low: int):
    """The rows with unit which[r] of row r at its other value, 1 + low - its value."""
    n = np.arange(rows.shape[0] + 1)
    if not issparse(rows):
        flipped = rows.copy()
        flipped[n[:-1], which] = (1 + low) - flipped[n[:-1], which]
        return flipped
    there = csr_array((np.ones(which.size), which, n), shape=rows.shape)
    value = np.asarray(rows.multiply(there).sum(axis=1)).ravel()
    return rows.astype(np.float64) + csr_array(((1 + low) - 2 * value, which, n), shape=rows.shape)


def why_useless(model, rows, n_threads: int) -> str | None:
    """Why finite weights say nothing of the rows they were learned from, or None.

    They do if they are far worse than no weights at all: by log pseudo-likelihood, where units have two
    values, by squared error of reconstruction, where they are numbers.
    """
    if rows is None or abs(model.components_).max() < HARMLESS:
        return None
    mean = np.asarray(rows.mean(axis=0), np.float64).ravel()
    judge = _why_unlikely if model._units()[0] in TWO_VALUED else _why_far
    return judge(model, rows, mean, n_threads)


def _why_unlikely(model, rows, mean, n_threads: int) -> str | None:
    _, low, step = unit_values()[model._units()[0]]
    inside = 1 / (rows.shape[0] + 2)
    share = np.clip((mean - low) / step, inside, 1 - inside)
    alone = -float(entr(share).sum() + entr(1 - share).sum())
    found = float(stochastic_pseudo_likelihood(model, rows, 0, n_threads).mean())
    if found > USELESS * (alone - 1):
        return None
    return f"the rows' log pseudo-likelihood is {found:.3g}, that of independent units {alone:.3g}"


def _why_far(model, rows, mean, n_threads: int) -> str | None:
    error, square, n = 0.0, 0.0, rows.shape[0] * rows.shape[1]
    for block in blocks(rows, True):
        values = model._reconstruct(rows[block], n_threads).astype(np.float64)
        if not np.isfinite(values).all():
            return "reconstructions are no longer finite numbers"
        some = written(rows[block])
        square += float((some**2).sum()) / n
        error += float(((some - values) ** 2).sum()) / n
    variance = float((model.sigma_**2).mean()) if "sigma_" in model.__dict__ else 0.0
    alone = square - float((mean**2).mean())
    if error < USELESS * (alone + square / 10 + 1e-3 + variance):
        return None
    return f"the squared error of reconstruction is {error:.3g}, that of the means alone {alone:.3g}"
