"""Cross-entropy on top of a linear layer, in one call."""

from __future__ import annotations

import numpy as np

from fastnn._arrays import as_reals
from fastnn._functional.losses import (
    REDUCTIONS,
    as_scores,
    check_ignore,
    check_smoothing,
    check_weights,
    class_targets,
)
from fastnn._kernels.projection import CHUNK_BYTES, linear_loss
from fastnn._threads import n_threads_for


def linear_cross_entropy(
    X,
    W,
    b,
    targets,
    *,
    weight=None,
    sample_weight=None,
    ignore_index=None,
    label_smoothing=0.0,
    reduction="mean",
    chunk=None,
    return_grad=False,
):
    """cross_entropy(X W + b, targets) and its gradients, without ever holding the (n, C) logits.

    Rows go through in chunks: their logits, their gradient in the same place, and its products with W
    and X. The memory besides arguments and gradients is that of a chunk.

    Parameters
    ----------
    X : array-like of shape (n, n_in)
    W : array-like of shape (n_in, C)
        Converted to the dtype of X.
    b : array-like of shape (C,) or None
    targets : array-like of shape (n,) or (n, C)
        Class indices in [0, C), integers, or a distribution over the classes for each row, converted to
        the dtype of X.
    weight : array-like of shape (C,), default=None
        Of the classes.
    sample_weight : array-like of shape (n,), default=None
    ignore_index : int, default=None
        Rows with this class index count for nothing.
    label_smoothing : float in [0, 1], default=0.0
    reduction : {"mean", "sum", "none"}, default="mean"
    chunk : int, default=None
        Rows at a time; None: as many as have 48 MB of logits.
    return_grad : bool, default=False

    Returns
    -------
    loss : float, or ndarray of shape (n,) for reduction="none"
    gradients : tuple of ndarray (n, n_in), (n_in, C), (C,)
        By X, W and b, if return_grad; zeros' derivative where b is None. Of the mean, or of the sum for
        the other reductions.

    Raises
    ------
    ValueError
        Shapes that do not fit, indices that are no class, NaN or infinite values.

    References
    ----------
    Wijmans et al., "Cut your losses in large-vocabulary language models", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.functional import linear_cross_entropy
    >>> X, W = np.eye(2), np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> loss, (dX, dW, db) = linear_cross_entropy(X, W, None, [0, 1], return_grad=True)
    >>> round(loss, 4), dW.shape
    (0.3955, (2, 3))
    """
    X, W = as_scores(X, "X"), as_scores(W, "W")
    W = as_reals(W, "W", dtype=X.dtype)
    n, n_classes = X.shape[0], W.shape[1]
    if W.shape[0] != X.shape[1]:
        raise ValueError(f"W has shape {W.shape}, but X {X.shape}: expected ({X.shape[1]}, C)")
    if b is not None:
        b = as_reals(b, "b", dtype=X.dtype)
        if b.shape != (n_classes,):
            raise ValueError(f"b has shape {b.shape}, expected ({n_classes},)")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    if chunk is None:
        chunk = max(CHUNK_BYTES // (n_classes * X.itemsize) // 16 * 16, 16)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk!r}")
    class_weight = check_weights(weight, "weight", n_classes, X.dtype)
    row_weight = check_weights(sample_weight, "sample_weight", n, X.dtype)
    ignore, smoothing = check_ignore(ignore_index), check_smoothing(label_smoothing)
    labels, given, total = class_targets(targets, (n, n_classes), X.dtype, ignore, class_weight, row_weight)
    if reduction == "mean" and not total > 0:
        raise ValueError("there is nothing to take the mean of: no rows, or no row has any weight")
    scale = 1.0 / total if reduction == "mean" else 1.0
    gradients = None
    if return_grad:
        gradients = np.zeros_like(X), np.zeros_like(W), np.zeros(n_classes, X.dtype)
    losses = np.empty(n)
    sum_, bad = 0.0, -1
    if n:
        sum_, bad = linear_loss(
            X, W, b, labels, given, class_weight, row_weight, ignore, scale, smoothing, int(chunk),
            losses, gradients, n_threads_for(),
        )  # fmt: skip
    if bad >= 0:
        raise ValueError(f"row {bad} has no loss: its logits are NaN or infinite, or its targets negative")
    loss = losses.astype(X.dtype) if reduction == "none" else sum_ * scale
    return (loss, gradients) if return_grad else loss
