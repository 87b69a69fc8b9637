"""What the units of a restricted Boltzmann machine may be, and which of them go together.

A unit with field z has P(s | z) = base(s) e^(z s) / Z(z); the field is its bias plus the other layer's
states through the weights. So every model is

    E(v, h) = -a.v - b.h - v'Wh - sum_i ln base(v_i) - sum_j ln base(h_j)

with, for each unit,

=========== ===================== ================== ==========================
unit        states                -ln base(s)        E[s | z]
=========== ===================== ================== ==========================
bernoulli   0, 1                  0                  1 / (1 + e^-z)
spin        -1, +1                0                  tanh z
potts       one of a group is 1   0                  e^z / sum of the group's
gaussian    real numbers          s^2 / 2            z
relu        real numbers >= 0     s^2 / 2            z + phi(z) / Phi(z)
poisson     0, 1, 2, ...          ln s!              e^z
=========== ===================== ================== ==========================

A Gaussian visible unit with standard deviation sigma stands in these formulas as v / sigma: its energy is
(v - sigma a)^2 / (2 sigma^2) + ln sigma up to a constant and the coupling (v / sigma) W h, so that
E[v | h] = sigma (a + W h).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.special import log_ndtr

from fastnn._kernels.core import unit_values
from fastnn._saving import Savable

__all__ = ["Gaussian", "Potts"]


@dataclass(frozen=True, eq=False)
class Gaussian(Savable):
    """Gaussian visible units and how wide they are.

    Parameters
    ----------
    sigma : {"data", "learned"}, float or array-like of shape (n_features,), default="data"
        Standard deviation of the units given the hidden ones. "data": those of the columns of the training
        data, so that data need not be standardised. "learned": begins there and follows the gradient of the
        likelihood. A number or an array: fixed.
    bounds : pair of float, default=(0.05, 1.5)
        What a learned sigma keeps to, as multiples of the column's own standard deviation: a sigma that
        falls to zero has infinite likelihood.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import RBM
    >>> from fastnn.energy.units import Gaussian
    >>> X = load_iris().data
    >>> rbm = RBM(4, visible=Gaussian(sigma="learned"), n_iter=300, batch_size=10, random_state=0).fit(X)
    >>> bool(rbm.sigma_.mean() < X.std(axis=0).mean())  # the hidden units explain a part
    True
    """

    sigma: object = "data"
    bounds: tuple[float, float] = (0.05, 1.5)

    name = "gaussian"
    groups = None

    def check(self) -> None:
        """ValueError or TypeError for parameters that make no sense."""
        if isinstance(self.sigma, str):
            if self.sigma not in ("data", "learned"):
                raise ValueError(f"sigma must be 'data', 'learned' or positive numbers, got {self.sigma!r}")
        else:
            check_sigma(self.sigma)
        bounds = np.asarray(self.bounds)
        numbers = bounds.shape == (2,) and bounds.dtype.kind in "fiu"
        if not numbers or not 0 < bounds[0] <= 1 <= bounds[1] < np.inf:
            raise ValueError(
                f"bounds must be two numbers around 1, 0 < low <= 1 <= high, got {self.bounds!r}"
            )

    def start(self, deviations: np.ndarray) -> np.ndarray:
        """Sigma at the beginning of a fit.

        Parameters
        ----------
        deviations : ndarray of shape (n_features,)
            Standard deviations of the data's columns.

        Returns
        -------
        sigma : ndarray of shape (n_features,)
        """
        if isinstance(self.sigma, str):
            return np.where(deviations > 0, deviations, 1.0)
        return check_sigma(self.sigma, deviations.size)


@dataclass(frozen=True)
class Potts(Savable):
    """Softmax units: of each group of units exactly one is 1.

    Parameters
    ----------
    groups : int or sequence of int
        Sizes of the groups, in the order of the units; one int: all groups have this size. A group of one is
        a Bernoulli unit, so that labels may stand beside pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import RBM
    >>> from fastnn.energy.units import Potts
    >>> X = np.eye(3)[[[0, 1], [0, 1], [2, 2], [1, 0]]].reshape(4, 6)
    >>> rbm = RBM(4, visible=Potts(3), n_iter=3, random_state=0).fit(X)
    >>> rbm.sample(2, 10).reshape(2, 2, 3).sum(axis=2)
    array([[1, 1],
           [1, 1]])
    """

    groups: object

    name = "potts"

    def check(self) -> None:
        """ValueError for sizes that are not positive integers."""
        sizes = [self.groups] if isinstance(self.groups, Integral) else list(self.groups)
        counts = all(isinstance(s, Integral) and not isinstance(s, bool) and s > 0 for s in sizes)
        if not sizes or not counts or isinstance(self.groups, bool):
            raise ValueError(f"groups must be positive sizes of groups of units, got {self.groups!r}")
        if isinstance(self.groups, Integral) and self.groups < 2:
            raise ValueError("groups of one unit are Bernoulli units: use 'bernoulli'")

    def sizes(self, n_units: int, layer: str) -> np.ndarray:
        """Sizes of the groups of a layer.

        Parameters
        ----------
        n_units : int
        layer : str
            Its name, for messages.

        Returns
        -------
        sizes : ndarray of shape (n_groups,)

        Raises
        ------
        ValueError
            The groups do not fill the layer.
        """
        if isinstance(self.groups, Integral):
            if n_units % self.groups:
                raise ValueError(
                    f"the {layer} layer has {n_units} units, which groups of {self.groups} do not fill"
                )
            return np.full(n_units // self.groups, self.groups)
        sizes = np.array(self.groups, dtype=np.int64)
        if sizes.sum() != n_units:
            raise ValueError(f"the {layer} layer has {n_units} units, but its groups {sizes.sum()}")
        return sizes

    def ranges(self, n_units: int, layer: str) -> np.ndarray:
        """Where the groups of two or more lie.

        Parameters
        ----------
        n_units : int
        layer : str
            Its name, for messages.

        Returns
        -------
        ranges : ndarray of shape (n_groups, 2), int64
            First unit, and the one past the last.
        """
        sizes = self.sizes(n_units, layer)
        ends = np.cumsum(sizes)
        return np.stack([ends - sizes, ends], axis=1)[sizes > 1].astype(np.int64, order="C")


def check_sigma(sigma, n_features: int | None = None) -> np.ndarray:
    """Standard deviations as float64, one a feature if that number is given; or ValueError."""
    value = np.asarray(sigma)
    if isinstance(sigma, bool) or value.dtype.kind not in "fiu" or value.ndim > 1:
        raise ValueError(f"sigma must be 'data', 'learned' or positive numbers, got {sigma!r}")
    if not (np.isfinite(value).all() and (value > 0).all()):
        raise ValueError("sigma must be positive and finite")
    value = value.astype(np.float64)
    if n_features is not None:
        if value.ndim and value.size != n_features:
            raise ValueError(f"sigma has {value.size} values, but there are {n_features} features")
        value = np.broadcast_to(value, (n_features,))
    return value


def unit_name(unit) -> str:
    """The name under which a unit is registered."""
    return unit if isinstance(unit, str) else unit.name


def is_valued(unit) -> bool:
    """Whether the unit's states are numbers rather than two values."""
    return unit_values()[unit_name(unit)][2] == 0


def group_ranges(unit, n_units: int, layer: str) -> np.ndarray | None:
    """Groups of a layer's units, or None."""
    return unit.ranges(n_units, layer) if isinstance(unit, Potts) else None


# --- which units go together -----------------------------------------------------------------------


def _logits(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def _rectified_field(mean: np.ndarray) -> np.ndarray:
    """z with z + phi(z) / Phi(z) = mean, by bisection: that is at most 1 / |z| and at least z."""
    low, high = -1 / mean, mean
    for _ in range(60):
        z = (low + high) / 2
        above = z + np.exp(-(z**2) / 2 - np.log(np.sqrt(2 * np.pi)) - log_ndtr(z)) > mean
        low, high = np.where(above, low, z), np.where(above, z, high)
    return (low + high) / 2


@dataclass(frozen=True)
class Unit:
    """What Python knows of a unit type; its law is its file in csrc/units/.

    rate: at which a layer of them learns safely if the other's states are bounded; less for states without
    bounds. field: (mean) -> the field at which a unit has this mean, for means inside its range, and `least`,
    `most`: the ends of that range, from which means of few rows are kept off. pairs: of a unit whose states
    are numbers, for itself and each such unit above it, when a model of both can be normalised: "always",
    "definite", "negative" or "never". A layer of states of two values goes with any.
    """

    rate: float
    field: Callable[[np.ndarray], np.ndarray]
    least: float = -np.inf
    most: float = np.inf
    pairs: dict[str, str] | None = None


# Every unit type, by the name in FNN_UNITS of csrc/fastnn.h.
UNITS = {
    "bernoulli": Unit(0.05, _logits, 0, 1),
    "spin": Unit(0.05, np.arctanh, -1, 1),
    "potts": Unit(0.05, np.log, 0, 1),
    "gaussian": Unit(0.01, lambda mean: mean, pairs={"gaussian": "definite"}),
    "relu": Unit(0.02, _rectified_field, 0, pairs={"relu": "definite", "gaussian": "definite"}),
    "poisson": Unit(0.005, np.log, 0, pairs={"poisson": "negative", "relu": "negative", "gaussian": "never"}),
}


def check_registry(units: dict[str, Unit]) -> None:
    """RuntimeError that names what a unit of csrc/units/ lacks here, or what is here alone."""
    known = unit_values()
    if set(units) != set(known):
        raise RuntimeError(f"units of csrc/fastnn.h and of UNITS differ: {sorted(set(units) ^ set(known))}")
    valued = [name for name in units if known[name][2] == 0]
    for k, name in enumerate(valued):
        missing = set(valued[: k + 1]) - set(units[name].pairs or {})
        if missing:
            raise RuntimeError(f"UNITS does not say when {name} units go with {sorted(missing)}")


check_registry(UNITS)


def pair_rule(visible: str, hidden: str) -> str:
    """When a model of these units can be normalised: "always", "definite", "negative" or "never"."""
    for one, other in ((visible, hidden), (hidden, visible)):
        found = (UNITS[one].pairs or {}).get(other)
        if found:
            return found
    return "always"


def check_pair(visible: str, hidden: str, learning: bool) -> None:
    """ValueError, with the reason, for units that make no distribution together."""
    rule = pair_rule(visible, hidden)
    if rule == "never":
        raise ValueError(
            f"{visible} visible and {hidden} hidden units make no distribution: summed over the Poisson "
            "units, e^(e^z) outgrows the Gaussian's e^(-z^2/2) for any coupling but zero"
        )
    if rule == "negative" and learning:
        raise ValueError(
            f"{visible} visible and {hidden} hidden units make a distribution only while no weight is "
            "positive, and learning would leave that region: use bernoulli hidden units (or from_parameters "
            "with weights <= 0)"
        )


def why_not_normalisable(W: np.ndarray, visible: str, hidden: str) -> str | None:
    """Why e^-E of these weights (n_visible, n_hidden) has no finite sum, or None if it has one.

    Gaussian and rectified units need a positive definite precision [[I, -W], [-W', I]], that is a largest
    singular value of W below 1. Cut at zero it is enough that this holds on states >= 0, for which W with
    its negative entries (for one cut layer: W'W with the positive entries of I - W'W off the diagonal)
    set to zero is tried as well.
    """
    rule = pair_rule(visible, hidden)
    if rule == "always":
        return None
    if rule == "negative":
        return None if (W <= 0).all() else "a weight is positive: rates drive each other without bound"
    W = W.astype(np.float64)
    forms = [W.T @ W if W.shape[1] <= W.shape[0] else W @ W.T]
    if visible == hidden == "relu":
        cut = np.maximum(W, 0)
        forms.append(cut.T @ cut if W.shape[1] <= W.shape[0] else cut @ cut.T)
    elif "relu" in (visible, hidden):
        form = W.T @ W if hidden == "relu" else W @ W.T
        off = np.maximum(form, 0)
        np.fill_diagonal(off, np.diag(form))
        forms.append(off)
    if not np.isfinite(W).all():
        return "weights are not finite"
    squares = [np.linalg.eigvalsh(form)[-1] for form in forms]
    if min(squares) < 1:
        return None
    largest = np.sqrt(squares[0])
    return f"the precision matrix is not positive definite: W has a singular value of {largest:.4g} >= 1"


# --- where learning begins -------------------------------------------------------------------------


def bias_of_mean(unit: str, mean: np.ndarray, n_rows: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The field at which a unit has this mean; means of few rows are kept off the ends of the range.

    groups: of Potts units, `group_ranges`; those in none are Bernoulli units.
    """
    law = UNITS[unit]
    inside = (1 if law.most == np.inf else law.most - law.least) / (n_rows + 2)
    mean = np.clip(mean, law.least + inside, law.most - inside)
    if groups is None:
        return law.field(mean)
    fields = UNITS["bernoulli"].field(mean)
    for first, last in groups:
        fields[first:last] = law.field(mean[first:last])
    return fields


def default_rate(visible: str, hidden: str) -> float:
    """The learning rate where none is given: smaller still where the weights have an edge to keep off."""
    if pair_rule(visible, hidden) == "definite":
        return 0.003 if visible == hidden == "gaussian" else 0.0005
    return min(UNITS[visible].rate, UNITS[hidden].rate)
