"""Softmax and its logarithm along an axis."""

from __future__ import annotations

import numpy as np

from fastnn._arrays import as_out, as_reals, is_plain
from fastnn._kernels.softmax import softmax_of_rows
from fastnn._threads import n_threads_for


def softmax(logits, axis=-1, *, out=None):
    """Probabilities e^z_j / sum_k e^z_k along an axis.

    Exact for logits of any size, and unchanged by a constant added to them; -inf masks a class.

    Parameters
    ----------
    logits : array-like of real numbers
    axis : int, default=-1
        Along which the probabilities sum to 1.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `logits` itself works.

    Returns
    -------
    probabilities : ndarray of the shape of logits

    Raises
    ------
    ValueError
        Along the axis all logits are -inf, or one is NaN or +inf (`out` may then be written in part).

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.

    Examples
    --------
    >>> from fastnn.functional import softmax
    >>> softmax([1.2, 5.0, 1.6]).round(4)
    array([0.0212, 0.9472, 0.0316])
    """
    return _softmax(logits, axis, out, False)


def log_softmax(logits, axis=-1, *, out=None):
    """Logarithms of the softmax, z_j - ln sum_k e^z_k, without going through the probabilities.

    Parameters
    ----------
    logits : array-like of real numbers
    axis : int, default=-1
        Along which the probabilities sum to 1.
    out : ndarray of the shape and dtype of the result, default=None
        Where to write; `logits` itself works.

    Returns
    -------
    log_probabilities : ndarray of the shape of logits

    Raises
    ------
    ValueError
        Along the axis all logits are -inf, or one is NaN or +inf (`out` may then be written in part).

    Examples
    --------
    >>> from fastnn.functional import log_softmax
    >>> float(-log_softmax([1.2, 5.0, 1.6])[0].round(4))
    3.8542
    """
    return _softmax(logits, axis, out, True)


def _softmax(logits, axis, out, logarithm: bool):
    z = logits if type(logits) is np.ndarray else as_reals(logits, "logits")
    if z.ndim == 0:
        raise ValueError("logits must have at least one axis")
    if not -z.ndim <= axis < z.ndim:
        raise ValueError(f"axis {axis} is out of bounds for logits of {z.ndim} dimensions")
    if z.shape[axis] == 0:
        raise ValueError(f"logits of shape {z.shape} have no classes along axis {axis}")
    z = as_reals(z, "logits")
    moved = np.moveaxis(z, axis, -1)
    rows = np.ascontiguousarray(moved).reshape(-1, moved.shape[-1])
    result = np.empty_like(z) if out is None else as_out(out, z.shape, z.dtype)
    place = np.moveaxis(result, axis, -1)
    direct = is_plain(place)
    y = place.reshape(rows.shape) if direct else np.empty_like(rows)
    if direct and y is not rows and np.may_share_memory(y, rows) and y.ctypes.data != rows.ctypes.data:
        rows = rows.copy()
    bad = softmax_of_rows(rows, y, logarithm, n_threads_for())
    if bad >= 0:
        raise ValueError(f"row {bad} of the logits has no softmax: all of it is -inf, or holds NaN or +inf")
    if not direct:
        place[...] = y.reshape(place.shape)
    return result
