"""Losses of scores given targets, each with its gradient by the scores."""

from __future__ import annotations

import numpy as np

from fastnn._arrays import as_labels, as_out, as_reals, is_plain, is_ready
from fastnn._kernels.softmax import loss_of_rows, survey_labels
from fastnn._threads import n_threads_for

# A label that no array holds: where there is no ignore_index.
NO_LABEL = np.iinfo(np.int64).min
REDUCTIONS = ("mean", "sum", "none")


def as_scores(x, name: str) -> np.ndarray:
    """(n, C) scores with at least one column, ready for the loops."""
    if not is_ready(x, 2):
        x = as_reals(x, name)
        if x.ndim != 2:
            raise ValueError(f"{name} must have two dimensions, (n, C), got shape {x.shape}")
    if x.shape[1] == 0:
        raise ValueError(f"{name} of shape {x.shape} has no columns")
    return x


def check_labels(labels, n_classes: int, ignore: int, name: str = "targets") -> int:
    """How many labels are not ignored; ValueError for one that is no class."""
    wrong, n_counted = survey_labels(labels, n_classes, ignore)
    if wrong >= 0:
        raise ValueError(
            f"{name}[{wrong}] is {labels[wrong]}, but the classes are 0 to {n_classes - 1}"
            + ("" if ignore == NO_LABEL else f", and ignore_index is {ignore}")
        )
    return n_counted


def check_weights(values, name: str, n: int, dtype):
    """A vector of n non-negative finite weights, or None."""
    if values is None:
        return None
    values = as_reals(values, name, dtype=dtype)
    if values.shape != (n,):
        raise ValueError(f"{name} has shape {values.shape}, expected ({n},)")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"{name} must hold finite numbers that are not negative")
    return values


def check_ignore(ignore_index) -> int:
    return NO_LABEL if ignore_index is None else int(ignore_index)


def check_smoothing(label_smoothing) -> float:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must lie in [0, 1], got {label_smoothing!r}")
    return float(label_smoothing)


def total_weight(labels, n_counted: int, ignore: int, class_weight, row_weight) -> float:
    """What "mean" divides by: the sum of the rows' weights times those of their labels."""
    if class_weight is None and row_weight is None:
        return float(n_counted)
    rows = np.ones(n_counted) if row_weight is None else row_weight.astype(np.float64)
    if labels is None:
        return float(rows.sum())
    counted = labels != ignore
    if row_weight is not None:
        rows = rows[counted]
    return float(rows.sum() if class_weight is None else rows @ class_weight[labels[counted]])


def class_targets(targets, shape, dtype, ignore: int, class_weight, row_weight):
    """(labels, None, what "mean" divides by) for class indices, (None, targets, ...) for distributions."""
    n, n_classes = shape
    if np.ndim(targets) == 2:
        if ignore != NO_LABEL:
            raise ValueError("ignore_index needs class indices, but targets are distributions")
        distribution = as_reals(targets, "targets", dtype=dtype)
        if distribution.shape != shape:
            raise ValueError(f"targets have shape {distribution.shape}, but the logits {shape}")
        return None, distribution, total_weight(None, n, ignore, None, row_weight)
    labels = as_labels(targets, "targets")
    if labels.shape != (n,):
        raise ValueError(f"targets have shape {labels.shape}, expected ({n},) or {shape}")
    n_counted = check_labels(labels, n_classes, ignore)
    return labels, None, total_weight(labels, n_counted, ignore, class_weight, row_weight)


def _reduce(kind, z, targets, labels, total, reduction, return_grad, grad_out, *, class_weight=None,
            row_weight=None, ignore=NO_LABEL, smoothing=0.0, delta=0.0):  # fmt: skip
    """The loss, and the gradient where it is wanted."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    scale = 1.0
    if reduction == "mean":
        if not total > 0:
            raise ValueError("there is nothing to take the mean of: no rows, or no row has any weight")
        scale = 1.0 / total
    grad, result = None, grad_out
    if grad_out is not None:
        as_out(grad_out, z.shape, z.dtype, "grad_out")
        grad = grad_out if is_plain(grad_out) else np.empty(z.shape, z.dtype)
        if targets is not None and np.may_share_memory(grad, targets):
            raise ValueError("grad_out overlaps targets, which are read while it is written")
        if grad is not z and np.may_share_memory(grad, z) and grad.ctypes.data != z.ctypes.data:
            z = z.copy()
    elif return_grad:
        grad = result = np.empty(z.shape, z.dtype)
    losses = np.empty(z.shape[0])
    sum_, bad = loss_of_rows(
        kind, z, grad, labels, targets, class_weight, row_weight, ignore, scale, smoothing, delta, losses,
        n_threads_for(),
    )  # fmt: skip
    if bad >= 0:
        raise ValueError(
            f"row {bad} has no loss: NaN or infinite scores, all scores -inf, or targets out of range"
        )
    if result is not grad:
        result[...] = grad
    loss = losses.astype(z.dtype) if reduction == "none" else sum_ * scale
    return loss if result is None else (loss, result)


def cross_entropy(
    logits,
    targets,
    *,
    weight=None,
    sample_weight=None,
    ignore_index=None,
    label_smoothing=0.0,
    reduction="mean",
    return_grad=False,
    grad_out=None,
):
    """Cross-entropy between targets and the softmax of logits, and its gradient by the logits.

    For one row, with targets t, probabilities y = softmax(z) and q_j = weight_j t_j, the loss is
    -sum_j q_j ln y_j and its gradient y_j sum(q) - q_j: y - t for targets that sum to 1.

    Parameters
    ----------
    logits : array-like of shape (n, C)
        Of any size; -inf masks a class.
    targets : array-like of shape (n,) or (n, C)
        Class indices in [0, C), integers, or a distribution over the classes for each row
        (non-negative; sums other than 1 are taken as they are).
    weight : array-like of shape (C,), default=None
        Of the classes.
    sample_weight : array-like of shape (n,), default=None
    ignore_index : int, default=None
        Rows with this class index count for nothing.
    label_smoothing : float in [0, 1], default=0.0
        Takes (1 - label_smoothing) t + label_smoothing / C for t.
    reduction : {"mean", "sum", "none"}, default="mean"
        "mean" divides by the sum of the weights of the rows that count: of their samples, and of
        their classes where targets are indices.
    return_grad : bool, default=False
    grad_out : ndarray of shape (n, C) and the dtype of logits, default=None
        Where to write the gradient; `logits` itself works.

    Returns
    -------
    loss : float, or ndarray of shape (n,) for reduction="none"
    grad : ndarray of shape (n, C)
        If return_grad or grad_out is given: of the mean, or of the sum for the other reductions.

    Raises
    ------
    TypeError
        What is given are not numbers.
    ValueError
        Shapes that do not fit, indices that are no class, negative weights or targets; NaN, +inf or
        nothing but -inf in a row of logits (`grad_out` may then be written in part).

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990;
    label smoothing: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016.

    Examples
    --------
    >>> from fastnn.functional import cross_entropy
    >>> loss, grad = cross_entropy([[1.2, 5.0, 1.6]], [0], return_grad=True)
    >>> round(loss, 4), grad.round(4)
    (3.8542, array([[-0.9788,  0.9472,  0.0316]]))
    """
    z = as_scores(logits, "logits")
    n, n_classes = z.shape
    ignore, smoothing = check_ignore(ignore_index), check_smoothing(label_smoothing)
    class_weight = check_weights(weight, "weight", n_classes, z.dtype)
    row_weight = check_weights(sample_weight, "sample_weight", n, z.dtype)
    labels, distribution, total = class_targets(targets, z.shape, z.dtype, ignore, class_weight, row_weight)
    return _reduce(
        "cross_entropy", z, distribution, labels, total, reduction, return_grad, grad_out,
        class_weight=class_weight, row_weight=row_weight, ignore=ignore, smoothing=smoothing,
    )  # fmt: skip


def _real_targets(kind, scores, name, targets, sample_weight, reduction, return_grad, grad_out):
    z = scores if is_ready(scores, 2) else as_reals(scores, name)
    t = as_reals(targets, "targets", dtype=z.dtype)
    if z.ndim not in (1, 2) or z.shape[-1:] == (0,):
        raise ValueError(f"{name} must have shape (n,) or (n, n_outputs), got {z.shape}")
    if t.shape != z.shape:
        raise ValueError(f"targets have shape {t.shape}, but {name} {z.shape}")
    shape = z.shape
    if kind == "binary_cross_entropy" and not ((t >= 0) & (t <= 1)).all():
        raise ValueError("targets must lie in [0, 1]")
    row_weight = check_weights(sample_weight, "sample_weight", shape[0], z.dtype)
    total = total_weight(None, shape[0], NO_LABEL, None, row_weight)
    if grad_out is not None and z.ndim == 1:
        as_out(grad_out, shape, z.dtype, "grad_out")
    found = _reduce(
        kind, z.reshape(shape[0], -1), t.reshape(shape[0], -1), None, total, reduction, return_grad,
        None if grad_out is None else grad_out.reshape(shape[0], -1) if z.ndim == 1 else grad_out,
        row_weight=row_weight,
    )  # fmt: skip
    if not isinstance(found, tuple):
        return found
    return found[0], found[1].reshape(shape) if grad_out is None else grad_out


def binary_cross_entropy(
    logits, targets, *, sample_weight=None, reduction="mean", return_grad=False, grad_out=None
):
    """Bernoulli log-loss of independent yes-or-no outputs, from their logits.

    ln(1 + e^z) - t z, which is -t ln y - (1 - t) ln(1 - y) at y = sigmoid(z), summed over a row's
    outputs; its gradient is y - t. For outputs that exclude one another take cross_entropy.

    Parameters
    ----------
    logits : array-like of shape (n,) or (n, n_outputs)
    targets : array-like of the same shape
        In [0, 1].
    sample_weight : array-like of shape (n,), default=None
    reduction : {"mean", "sum", "none"}, default="mean"
        Over samples; "mean" divides by the sum of their weights.
    return_grad : bool, default=False
    grad_out : ndarray of the shape and dtype of logits, default=None
        Where to write the gradient; `logits` itself works.

    Returns
    -------
    loss : float, or ndarray of shape (n,) for reduction="none"
    grad : ndarray of the shape of logits
        If return_grad or grad_out is given: of the mean, or of the sum for the other reductions.

    Raises
    ------
    ValueError
        Shapes that do not fit, targets outside [0, 1], NaN or infinite logits.

    References
    ----------
    Bishop, "Pattern recognition and machine learning", 2006, section 4.3.2.

    Examples
    --------
    >>> from fastnn.functional import binary_cross_entropy
    >>> round(binary_cross_entropy([0.0, 2.0], [1, 0]), 4)
    1.41
    """
    return _real_targets(
        "binary_cross_entropy", logits, "logits", targets, sample_weight, reduction, return_grad, grad_out
    )


def squared_error(y, targets, *, sample_weight=None, reduction="mean", return_grad=False, grad_out=None):
    """Half the squared error, 1/2 sum_j (t_j - y_j)^2 for a row: the loss of regression.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, n_outputs)
        Predictions.
    targets : array-like of the same shape
    sample_weight : array-like of shape (n,), default=None
    reduction : {"mean", "sum", "none"}, default="mean"
        Over samples; "mean" divides by the sum of their weights.
    return_grad : bool, default=False
    grad_out : ndarray of the shape and dtype of y, default=None
        Where to write the gradient y - t; `y` itself works.

    Returns
    -------
    loss : float, or ndarray of shape (n,) for reduction="none"
    grad : ndarray of the shape of y
        If return_grad or grad_out is given: of the mean, or of the sum for the other reductions.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinite values.

    Examples
    --------
    >>> from fastnn.functional import squared_error
    >>> squared_error([[1.0, 2.0]], [[0.0, 4.0]])
    2.5
    """
    return _real_targets("squared_error", y, "y", targets, sample_weight, reduction, return_grad, grad_out)


def multiclass_hinge(
    scores,
    targets,
    *,
    delta=1.0,
    variant="weston_watkins",
    weight=None,
    sample_weight=None,
    reduction="mean",
    return_grad=False,
    grad_out=None,
):
    """Multiclass hinge loss: how far other classes' scores come within delta of the true one's.

    "weston_watkins" [1]_ sums max(0, s_j - s_y + delta) over the classes j other than the true y;
    "crammer_singer" [2]_ takes the largest of them.

    Parameters
    ----------
    scores : array-like of shape (n, C)
    targets : array-like of int of shape (n,)
        Class indices in [0, C).
    delta : float > 0, default=1.0
        The margin.
    variant : {"weston_watkins", "crammer_singer"}, default="weston_watkins"
    weight : array-like of shape (C,), default=None
        Of the classes.
    sample_weight : array-like of shape (n,), default=None
    reduction : {"mean", "sum", "none"}, default="mean"
        "mean" divides by the sum of the weights of the rows, of their samples and classes.
    return_grad : bool, default=False
    grad_out : ndarray of shape (n, C) and the dtype of scores, default=None
        Where to write the (sub)gradient.

    Returns
    -------
    loss : float, or ndarray of shape (n,) for reduction="none"
    grad : ndarray of shape (n, C)
        If return_grad or grad_out is given: of the mean, or of the sum for the other reductions.

    Raises
    ------
    ValueError
        Shapes that do not fit, indices that are no class, NaN or infinite scores.

    References
    ----------
    .. [1] Weston, Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999.
    .. [2] Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector
       machines", JMLR 2 (2001), 265-292.

    Examples
    --------
    >>> from fastnn.functional import multiclass_hinge
    >>> round(multiclass_hinge([[1.2, 5.0, 1.6]], [0], delta=2), 4)
    8.2
    """
    if variant not in ("weston_watkins", "crammer_singer"):
        raise ValueError(f"variant must be 'weston_watkins' or 'crammer_singer', got {variant!r}")
    if not 0 < delta < np.inf:
        raise ValueError(f"delta must be a positive finite number, got {delta!r}")
    z = as_scores(scores, "scores")
    class_weight = check_weights(weight, "weight", z.shape[1], z.dtype)
    row_weight = check_weights(sample_weight, "sample_weight", z.shape[0], z.dtype)
    labels = as_labels(targets, "targets")
    if labels.shape != z.shape[:1]:
        raise ValueError(f"targets have shape {labels.shape}, expected ({z.shape[0]},)")
    n_counted = check_labels(labels, z.shape[1], NO_LABEL)
    total = total_weight(labels, n_counted, NO_LABEL, class_weight, row_weight)
    if grad_out is not None and np.may_share_memory(grad_out, z):
        z = z.copy()
    return _reduce(
        variant, z, None, labels, total, reduction, return_grad, grad_out,
        class_weight=class_weight, row_weight=row_weight, delta=float(delta),
    )  # fmt: skip
