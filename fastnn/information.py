"""Information of events and distributions: entropies, divergences, mutual information.

Zeros count as their limits: 0 log 0 = 0, and what is impossible carries infinitely much information.
Distributions are never rescaled: those that do not sum to 1 are refused. float32 is computed in float32.
"""

from __future__ import annotations

from math import log, prod
from numbers import Real

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import ArrayLike
from scipy.special import entr, rel_entr, xlogy

from fastnn._arrays import as_reals

__all__ = [
    "cross_entropy",
    "entropy",
    "information_content",
    "joint_table",
    "kl_divergence",
    "mutual_information",
]

# How far a sum of probabilities may be from 1: rounding of some millions of terms stays below.
_TOLERANCE = {"f": 1e-4, "d": 1e-6}

Axis = int | tuple[int, ...] | None


def _nats(base: float | str) -> float:
    """The base's unit in nats."""
    if isinstance(base, str) and base == "e":
        return 1.0
    if not isinstance(base, Real) or isinstance(base, bool) or not 0 < base < np.inf or base == 1:
        raise ValueError(f"base must be 'e' or a positive number other than 1, got {base!r}")
    return log(base)


def _probabilities(p: ArrayLike, name: str) -> np.ndarray:
    p = as_reals(p, name)
    if np.isnan(p).any():
        raise ValueError(f"{name} contains NaN")
    if p.size and p.min() < 0:
        raise ValueError(f"{name} contains the negative probability {p.min():g}")
    if p.size and p.max() > 1 + _TOLERANCE[p.dtype.char]:
        raise ValueError(f"{name} contains {p.max():g}, which is more than a probability can be")
    return p


def _distributions(p: ArrayLike, name: str, axis: Axis) -> tuple[np.ndarray, tuple[int, ...]]:
    """p with the axes of its outcomes last and as one, and their lengths."""
    p = _probabilities(p, name)
    if p.ndim == 0:
        raise ValueError(f"{name} is a single number; a distribution has an axis of outcomes")
    axes = normalize_axis_tuple(range(p.ndim) if axis is None else axis, p.ndim, "axis")
    lengths = tuple(p.shape[a] for a in axes)
    if 0 in lengths:
        raise ValueError(f"{name} has shape {p.shape}: no outcomes along axis {axis}")
    p = np.moveaxis(p, axes, range(-len(axes), 0))
    p = p.reshape(*p.shape[: p.ndim - len(axes)], prod(lengths))
    sums, tolerance = p.sum(axis=-1, dtype=np.float64), _TOLERANCE[p.dtype.char]
    if p.size and not (np.abs(sums - 1) <= tolerance).all():
        worst = sums.flat[np.abs(sums - 1).argmax()]
        raise ValueError(
            f"{name} sums to {worst:.9g} along axis {axis}, not to 1 within {tolerance:g}; divide by the sum"
        )
    return p, lengths


def _pair(p: ArrayLike, q: ArrayLike, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    p, of_p = _distributions(p, "p", axis)
    q, of_q = _distributions(q, "q", axis)
    if of_p != of_q:
        raise ValueError(f"p and q must have the same outcomes along axis {axis}, got {of_p} and {of_q}")
    try:
        np.broadcast_shapes(p.shape, q.shape)
    except ValueError:
        raise ValueError(f"p and q do not fit together beside axis {axis}: {p.shape}, {q.shape}") from None
    return p, q


def _in_units(nats: np.ndarray, unit: float):
    """nats / unit in the dtype of nats; a scalar where there is one distribution."""
    return (nats / nats.dtype.type(unit))[()]


def information_content(p: ArrayLike, *, base: float | str = 2):
    """Information that an event of probability p carries: -log p.

    Parameters
    ----------
    p : array-like
        Probabilities of events, of any shape; they need not sum to 1.
    base : float or "e", default=2
        2: bits; "e": nats; 10: hartleys; any positive number other than 1.

    Returns
    -------
    information : ndarray of p's shape, or a scalar
        Infinite where p is 0.

    Raises
    ------
    ValueError, TypeError
        What are not probabilities.

    References
    ----------
    Shannon, "A mathematical theory of communication", Bell System Technical Journal 27 (1948).

    Examples
    --------
    >>> from fastnn.information import information_content
    >>> information_content([1.0, 0.5, 0.25])
    array([0., 1., 2.])
    """
    p, unit = _probabilities(p, "p"), _nats(base)
    with np.errstate(divide="ignore"):
        return _in_units(0 - np.log(p), unit)


def entropy(p: ArrayLike, *, base: float | str = 2, axis: Axis = -1):
    """Mean information of an outcome of p: H(p) = -sum p log p.

    Parameters
    ----------
    p : array-like
        Distributions, summing to 1 along `axis`.
    base : float or "e", default=2
        2: bits; "e": nats; 10: hartleys; any positive number other than 1.
    axis : int, tuple of int or None, default=-1
        Of the outcomes; None: all axes, as of a joint table.

    Returns
    -------
    entropy : ndarray of the other axes, or a scalar

    Raises
    ------
    ValueError, TypeError
        What are not distributions: negative, NaN, not summing to 1 (within 1e-6; float32 1e-4).

    References
    ----------
    Shannon, "A mathematical theory of communication", Bell System Technical Journal 27 (1948).

    Examples
    --------
    >>> from fastnn.information import entropy
    >>> float(entropy([0.5, 0.25, 0.25, 0.0]))
    1.5
    """
    unit = _nats(base)
    p, _ = _distributions(p, "p", axis)
    return _in_units(entr(p).sum(axis=-1), unit)


def cross_entropy(p: ArrayLike, q: ArrayLike, *, base: float | str = 2, axis: Axis = -1):
    """Mean length of a message about p in a code made for q: H(p, q) = -sum p log q.

    Not to be confused with `fastnn.functional.cross_entropy`, the loss of a softmax layer's logits in
    nats, whose targets and softmax are p and q here.

    Parameters
    ----------
    p, q : array-like
        Distributions with the same outcomes along `axis`; other axes broadcast.
    base : float or "e", default=2
        2: bits; "e": nats; 10: hartleys; any positive number other than 1.
    axis : int, tuple of int or None, default=-1
        Of the outcomes; None: all axes.

    Returns
    -------
    cross_entropy : ndarray of the other axes, or a scalar
        H(p) + D(p || q); infinite where q excludes what p allows.

    Raises
    ------
    ValueError, TypeError
        What are not distributions, or do not fit together.

    Examples
    --------
    >>> from fastnn.information import cross_entropy
    >>> float(cross_entropy([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]))
    1.5
    """
    unit = _nats(base)
    p, q = _pair(p, q, axis)
    return _in_units(0 - xlogy(p, q).sum(axis=-1), unit)


def kl_divergence(p: ArrayLike, q: ArrayLike, *, base: float | str = 2, axis: Axis = -1):
    """Extra length that a code made for q costs a message about p: D(p || q) = sum p log(p / q).

    Never negative, zero for p = q alone, not symmetric. Fitting q to p by D(p || q), forward, makes q
    cover all that p allows, for q = 0 there costs infinitely much; D(q || p), reverse, makes q keep
    within one mode of p, for q costs nothing where it is 0.

    Parameters
    ----------
    p, q : array-like
        Distributions with the same outcomes along `axis`; other axes broadcast.
    base : float or "e", default=2
        2: bits; "e": nats; 10: hartleys; any positive number other than 1.
    axis : int, tuple of int or None, default=-1
        Of the outcomes; None: all axes.

    Returns
    -------
    divergence : ndarray of the other axes, or a scalar
        Infinite where q excludes what p allows.

    Raises
    ------
    ValueError, TypeError
        What are not distributions, or do not fit together.

    References
    ----------
    Kullback, Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951).

    Examples
    --------
    >>> from fastnn.information import kl_divergence
    >>> p, q = [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]
    >>> float(kl_divergence(p, q)), float(kl_divergence(q, p))
    (1.0, inf)
    """
    unit = _nats(base)
    p, q = _pair(p, q, axis)
    return _in_units(np.maximum(rel_entr(p, q).sum(axis=-1), 0), unit)


def mutual_information(joint: ArrayLike, *, base: float | str = 2, axis: tuple[int, int] = (-2, -1)):
    """What each of two variables tells about the other: I(x; y) = D(p(x, y) || p(x) p(y)).

    Parameters
    ----------
    joint : array-like
        Joint distributions, summing to 1 over both axes; `joint_table` makes one from samples.
    base : float or "e", default=2
        2: bits; "e": nats; 10: hartleys; any positive number other than 1.
    axis : pair of int, default=(-2, -1)
        The axis of x and the axis of y.

    Returns
    -------
    information : ndarray of the other axes, or a scalar
        H(x) + H(y) - H(x, y), never negative; zero if and only if x and y are independent.

    Raises
    ------
    ValueError, TypeError
        What are not joint distributions.

    References
    ----------
    Cover, Thomas, "Elements of Information Theory", 2nd edition (2006), section 2.3.

    Examples
    --------
    >>> from fastnn.information import mutual_information
    >>> float(mutual_information([[0.5, 0.0], [0.0, 0.5]]))
    1.0
    """
    unit = _nats(base)
    if np.ndim(axis) != 1 or len(axis) != 2:
        raise ValueError(f"axis must name the axis of x and the axis of y, got {axis!r}")
    flat, lengths = _distributions(joint, "joint", tuple(axis))
    table = flat.reshape(*flat.shape[:-1], *lengths)
    independent = table.sum(axis=-1, keepdims=True) * table.sum(axis=-2, keepdims=True)
    return _in_units(np.maximum(rel_entr(table, independent).sum(axis=(-2, -1)), 0), unit)


def joint_table(*samples: ArrayLike, bins: int | None = None, sample_weight: ArrayLike | None = None):
    """Relative frequencies of what was observed together.

    Parameters
    ----------
    *samples : array-like of shape (n_samples,)
        Observations of each variable: labels, numbers, text.
    bins : int, default=None
        None: each value is an outcome. An int: real numbers are sorted into so many equal intervals
        between the least and the greatest.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each observation counts.

    Returns
    -------
    table : ndarray of shape (n_outcomes_1, n_outcomes_2, ...), float64
        Sums to 1; outcomes in ascending order. One variable gives its own distribution.

    Raises
    ------
    ValueError, TypeError
        No observations, unequal lengths, NaN, weights that are negative or all zero, bins of what are
        not numbers.

    Notes
    -----
    Frequencies of few observations underestimate entropies and overestimate mutual information, by
    about (outcomes - 1) / (2 n) nats (Miller, "Note on the bias of information estimates", 1955).

    Examples
    --------
    >>> from fastnn.information import joint_table, mutual_information
    >>> weather, hat = ["sun", "sun", "rain", "rain"], [1, 1, 0, 1]
    >>> joint_table(weather, hat)
    array([[0.25, 0.25],
           [0.  , 0.5 ]])
    """
    if not samples:
        raise ValueError("joint_table needs the observations of at least one variable")
    columns = [np.asarray(s) for s in samples]
    if any(c.ndim != 1 or c.size != columns[0].size for c in columns):
        raise ValueError(f"samples must be vectors of one length, got shapes {[c.shape for c in columns]}")
    if columns[0].size == 0:
        raise ValueError("samples are empty: there are no frequencies of nothing")
    for column in columns:
        if column.dtype.kind in "fc" and np.isnan(column).any():
            raise ValueError("samples contain NaN")
    weights = _weights(sample_weight, columns[0].size)
    if bins is None:
        codes = [np.unique(column, return_inverse=True) for column in columns]
        table = np.zeros(tuple(values.size for values, _ in codes))
        np.add.at(table, tuple(code for _, code in codes), weights)
    else:
        if not isinstance(bins, int | np.integer) or isinstance(bins, bool) or bins < 1:
            raise ValueError(f"bins must be None or a positive int, got {bins!r}")
        reals = np.stack([as_reals(column, "samples") for column in columns], axis=1)
        if not np.isfinite(reals).all():
            raise ValueError("samples contain infinity: there are no equal intervals")
        table, _ = np.histogramdd(reals, bins=int(bins), weights=weights)
    return table / table.sum()


def _weights(sample_weight: ArrayLike | None, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weights = as_reals(sample_weight, "sample_weight", dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError("sample_weight must be finite, not negative, and not all zero")
    return weights
